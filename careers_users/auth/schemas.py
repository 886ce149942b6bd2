"""The bodies and replies of the auth calls."""

from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, validates_schema
from marshmallow.validate import Length

from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    BodySchema,
    Email,
    Flag,
    NewPassword,
    PersonName,
    Text,
    Time,
    Username,
)
from careers_users.validation.limits import (
    EMAIL_MAX,
    LOGIN_FIELD_MAX,
    PASSWORD_RAW_MAX,
    TOKEN_MAX,
    USERNAME_MAX,
)
from careers_users.validation.text import nfc


def check_confirmation(data: dict[str, Any]) -> None:
    """Raise ValidationError for a password mistyped the second time."""
    if nfc(data["password_confirm"]) != data["password"]:
        raise ValidationError("The two passwords differ.", "password_confirm")


def refuse_known(password: str, username: str, email: str) -> None:
    """Raise ValidationError for a password that others can see."""
    if password.casefold() in (username.casefold(), email.casefold()):
        raise ValidationError(
            "Must not be the username or the email address.", "password"
        )


class RegisterSchema(BodySchema):
    """Body of `POST register/`."""

    example = {
        "username": "alice",
        "email": "alice@example.com",
        "password": "password123",
        "password_confirm": "password123",
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
    }

    username = Username(required=True)
    email = Email(required=True)
    password = NewPassword(required=True)
    password_confirm = Text(
        required=True,
        length=Length(max=PASSWORD_RAW_MAX),
        metadata={"description": "The password once more."},
    )
    first_name = PersonName(load_default="")
    last_name = PersonName(load_default="")
    bio = Bio(load_default="")
    avatar = AvatarUrl(load_default=None)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a password mistyped the second time, or equal to what others see."""
        check_confirmation(data)
        refuse_known(data["password"], data["username"], data["email"])


class NewPasswordSchema(BodySchema):
    """A new password of an account that is there."""

    username = Text(required=True, length=Length(max=USERNAME_MAX))
    email = Text(required=True, length=Length(max=EMAIL_MAX))
    password = NewPassword(required=True)

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a password equal to what others see."""
        refuse_known(data["password"], data["username"], data["email"])


class LoginSchema(BodySchema):
    """Body of `POST login/`; `username` may also hold the e-mail address."""

    example = {"username": "alice", "password": "password123"}

    username = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "The username or the e-mail address."},
    )
    password = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "The password, as it was set."},
    )


class RefreshSchema(BodySchema):
    """Body of `POST logout/`."""

    example = {"refresh": "REFRESH_TOKEN"}

    refresh = Text(
        required=True,
        length=Length(1, TOKEN_MAX),
        metadata={"description": "The refresh token of a login."},
    )


class UserSchema(Schema):
    """The fields of a user in replies; a subclass names its part in `Meta.fields`."""

    example: ClassVar[dict[str, Any]] = {
        "id": 1,
        "username": "alice",
        "email": "alice@example.com",
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
        "avatar": "https://example.com/avatar.jpg",
        "is_active": True,
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
        "posts_count": 15,
        "followers_count": 42,
        "following_count": 28,
        "likes_received": 156,
        "comments_received": 89,
        "is_following": False,
    }

    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    first_name = fields.String()
    last_name = fields.String()
    bio = fields.String()
    avatar = fields.String(allow_none=True)
    is_active = fields.Boolean()
    created_at = Time()
    updated_at = Time()
    posts_count = fields.Integer()
    followers_count = fields.Integer()
    following_count = fields.Integer()
    likes_received = fields.Integer()
    comments_received = fields.Integer()
    is_following = fields.Boolean()


class AccountSchema(UserSchema):
    """The account as login answers it."""

    class Meta:
        fields = ("id", "username", "email", "first_name", "last_name")


class NewAccountSchema(UserSchema):
    """The account as registration answers it."""

    example: ClassVar[dict[str, Any]] = {"avatar": None}

    class Meta:
        fields = (*AccountSchema.Meta.fields, "bio", "avatar", "created_at")


class AccessSchema(Schema):
    """A new access token."""

    example: ClassVar[dict[str, Any]] = {"access": "ACCESS_TOKEN"}

    access = fields.String()


class TokensSchema(AccessSchema):
    """A new session's tokens."""

    example: ClassVar[dict[str, Any]] = {"refresh": "REFRESH_TOKEN"}

    refresh = fields.String()


class LoginReplySchema(TokensSchema):
    """Reply of `POST login/`."""

    user = fields.Nested(AccountSchema)


class RegisterReplySchema(TokensSchema):
    """Reply of `POST register/`."""

    user = fields.Nested(NewAccountSchema)


class MessageSchema(Schema):
    """A sentence that says what has been done."""

    example: ClassVar[dict[str, Any]] = {"message": "Successfully logged out"}

    message = fields.String()


class RenewSchema(RefreshSchema):
    """Body of `POST token/refresh/`."""

    rotate = Flag(
        load_default=None,
        allow_none=False,
        metadata={"description": "Whether to get a new refresh token too."},
    )


class RenewedSchema(AccessSchema):
    """Reply of `POST token/refresh/`; `refresh` only if it rotated."""

    refresh = fields.String(metadata={"optional": True})


class LogoutAllSchema(BodySchema):
    """Body of `POST logout/all/`; `{}` will do."""

    example: ClassVar[dict[str, Any]] = {"keep_current": True}

    keep_current = Flag(
        load_default=False,
        metadata={"description": "Whether the session that asks goes on."},
    )


class LoggedOutSchema(MessageSchema):
    """How many sessions have been ended."""

    example = {"message": "Successfully logged out everywhere", "count": 1}

    count = fields.Integer()


class SessionSchema(Schema):
    """A live session: one for each login."""

    example: ClassVar[dict[str, Any]] = {
        "id": "1b9d6bcdbbfd4b2d9b5dab8dfbbd4bed",
        "device": "curl/8.5.0",
        "address": "127.0.0.1",
        "created_at": "2024-01-15T10:30:00Z",
        "last_used_at": "2024-01-15T10:30:00Z",
        "expires_at": "2024-01-22T10:30:00Z",
        "current": True,
    }

    id = fields.String()
    device = fields.String()
    address = fields.String()
    created_at = Time()
    last_used_at = Time()
    expires_at = Time()
    current = fields.Boolean()


class SessionsSchema(Schema):
    """All live sessions of a user."""

    example: ClassVar[dict[str, Any]] = {"count": 1}

    count = fields.Integer()
    results = fields.List(fields.Nested(SessionSchema))
