"""What the calls about sessions take and answer."""

from flask_marshmallow.schema import Schema
from marshmallow import fields
from marshmallow.validate import Length

from careers_users.auth.schemas import AccessSchema, MessageSchema
from careers_users.validation.fields import BodySchema, Flag, Text, Time
from careers_users.validation.limits import TOKEN_MAX


class RenewSchema(BodySchema):
    """Body of `POST token/refresh/`."""

    refresh = Text(required=True, validate=Length(1, TOKEN_MAX))
    rotate = Flag(load_default=None, allow_none=False)


class RenewedSchema(AccessSchema):
    """Reply of `POST token/refresh/`; `refresh` only if it rotated."""

    refresh = fields.String(metadata={"optional": True})


class LogoutAllSchema(BodySchema):
    """Body of `POST logout/all/`; `{}` will do."""

    keep_current = Flag(load_default=False)


class LoggedOutSchema(MessageSchema):
    """How many sessions have been ended."""

    count = fields.Integer()


class SessionSchema(Schema):
    """A live session: one for each login."""

    id = fields.String()
    device = fields.String()
    address = fields.String()
    created_at = Time()
    last_used_at = Time()
    expires_at = Time()
    current = fields.Boolean()


class SessionsSchema(Schema):
    """All live sessions of a user."""

    count = fields.Integer()
    results = fields.List(fields.Nested(SessionSchema))
