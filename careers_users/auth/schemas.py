"""What the auth calls take and answer."""

from typing import Any

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, validates_schema
from marshmallow.validate import Length

from careers_users.fields import (
    AvatarUrl,
    Bio,
    BodySchema,
    Email,
    NewPassword,
    PersonName,
    Text,
    Time,
    Username,
)
from careers_users.limits import LOGIN_FIELD_MAX, TOKEN_MAX
from careers_users.text import nfc


class RegisterSchema(BodySchema):
    """Body of `POST register/`."""

    username = Username(required=True)
    email = Email(required=True)
    password = NewPassword(required=True)
    password_confirm = Text(required=True)
    first_name = PersonName(load_default="")
    last_name = PersonName(load_default="")
    bio = Bio(load_default="")
    avatar = AvatarUrl(load_default=None)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a password mistyped the second time, or equal to what others see."""
        if nfc(data["password_confirm"]) != data["password"]:
            raise ValidationError("The two passwords differ.", "password_confirm")
        _refuse_what_others_see(data)


class NewPasswordSchema(BodySchema):
    """A new password of an account that is there."""

    username = Text(required=True)
    email = Text(required=True)
    password = NewPassword(required=True)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a password equal to what others see."""
        _refuse_what_others_see(data)


def _refuse_what_others_see(data: dict[str, Any]) -> None:
    known = (data["username"].casefold(), data["email"].casefold())
    if data["password"].casefold() in known:
        raise ValidationError(
            "Must not be the username or the email address.", "password"
        )


class LoginSchema(BodySchema):
    """Body of `POST login/`; `username` may also hold the e-mail address."""

    username = Text(required=True, validate=Length(1, LOGIN_FIELD_MAX))
    password = Text(required=True, validate=Length(1, LOGIN_FIELD_MAX))


class RefreshSchema(BodySchema):
    """Body of `POST token/refresh/` and `POST logout/`."""

    refresh = Text(required=True, validate=Length(1, TOKEN_MAX))


class AccountSchema(Schema):
    """The account as login answers it."""

    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    first_name = fields.String()
    last_name = fields.String()


class NewAccountSchema(AccountSchema):
    """The account as registration answers it."""

    bio = fields.String()
    avatar = fields.String(allow_none=True)
    created_at = Time()


class AccessSchema(Schema):
    """A new access token."""

    access = fields.String()


class TokensSchema(AccessSchema):
    """A new session's tokens."""

    refresh = fields.String()


class LoginReplySchema(TokensSchema):
    """Reply of `POST login/`."""

    user = fields.Nested(AccountSchema)


class RegisterReplySchema(TokensSchema):
    """Reply of `POST register/`."""

    user = fields.Nested(NewAccountSchema)


class MessageSchema(Schema):
    """A sentence that says what has been done."""

    message = fields.String()
