"""Bodies and replies of the calls about addresses, links and confirmation."""

from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import fields
from marshmallow.validate import Length

from careers_users.auth.schemas import MessageSchema
from careers_users.validation.fields import BodySchema, Text, Time
from careers_users.validation.limits import LOGIN_FIELD_MAX, TOKEN_MAX


class NothingSchema(BodySchema):
    """A body that says nothing: `{}`."""

    example: ClassVar[dict[str, Any]] = {}


class LinkTokenSchema(BodySchema):
    """Body of `POST email/verify/` and `POST email/change/confirm/`."""

    example: ClassVar[dict[str, Any]] = {"token": "LINK_TOKEN"}

    token = Text(
        required=True,
        length=Length(1, TOKEN_MAX),
        metadata={"description": "The `token` of the link in the mail."},
    )


class ChangeConfirmedSchema(MessageSchema):
    """Reply of `POST email/change/confirm/`."""

    example: ClassVar[dict[str, Any]] = {
        "message": "Thank you; the other address has to confirm it too",
        "waiting_for": "old",
    }

    waiting_for = fields.String(
        allow_none=True,
        metadata={
            "description": "Whose confirmation is missing: `old`, `new`, or `null` if "
            "the address has changed."
        },
    )


class ConfirmSchema(BodySchema):
    """Body of `POST me/confirm/`."""

    example: ClassVar[dict[str, Any]] = {"password": "password123"}

    password = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "Your password."},
    )


class ConfirmedSchema(Schema):
    """Reply of `POST me/confirm/`."""

    example: ClassVar[dict[str, Any]] = {"confirmed_until": "2024-01-15T10:40:00Z"}

    confirmed_until = Time()
