"""What the calls about a whole account take and answer."""

from typing import Any

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, validates_schema
from marshmallow.validate import Length

from careers_users.auth.schemas import check_confirmation
from careers_users.validation.cursor import CursorField
from careers_users.validation.fields import (
    BatchSize,
    BodySchema,
    NewPassword,
    Text,
    Time,
)
from careers_users.validation.limits import (
    ACTIVITY_BATCH_SIZE,
    LOGIN_FIELD_MAX,
    PASSWORD_RAW_MAX,
)
from careers_users.validation.text import nfc


class CloseSchema(BodySchema):
    """Body of `DELETE me/`."""

    password = Text(required=True, length=Length(1, LOGIN_FIELD_MAX))


class ActivityQuerySchema(BodySchema):
    """Query of `GET me/activity/`."""

    batch_size = BatchSize(load_default=ACTIVITY_BATCH_SIZE)
    cursor = CursorField(load_default=None)


class EventSchema(Schema):
    """Something that happened to the account."""

    id = fields.Integer()
    event = fields.String()
    created_at = Time()
    address = fields.String()
    device = fields.String()
    details = fields.Dict()


class ActivitySchema(Schema):
    """A batch of the trail."""

    next = fields.String(allow_none=True)
    previous = fields.String(allow_none=True)
    results = fields.List(fields.Nested(EventSchema))


class PersonSchema(Schema):
    """What is held of a person in one row."""

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


class StoredSessionSchema(Schema):
    """A session as stored, also one that is over."""

    id = fields.String()
    device = fields.String()
    address = fields.String()
    created_at = Time()
    last_used_at = Time()
    expires_at = Time()
    ended_at = Time(allow_none=True)
    ended_reason = fields.String(allow_none=True)


class ExportedEdgeSchema(Schema):
    """Who is at the other end of an edge, and since when."""

    id = fields.Integer()
    user_id = fields.Integer()
    username = fields.String()
    created_at = Time()


class ExportSchema(Schema):
    """Everything that is held about a person."""

    exported_at = Time()
    account = fields.Nested(PersonSchema)
    sessions = fields.List(fields.Nested(StoredSessionSchema))
    followers = fields.List(fields.Nested(ExportedEdgeSchema))
    following = fields.List(fields.Nested(ExportedEdgeSchema))
    activity = fields.List(fields.Nested(EventSchema))


class ChangePasswordSchema(BodySchema):
    """Body of `POST me/password/`."""

    old_password = Text(required=True, length=Length(1, LOGIN_FIELD_MAX))
    password = NewPassword(required=True)
    password_confirm = Text(required=True, length=Length(max=PASSWORD_RAW_MAX))

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a new password mistyped the second time, or equal to the old one."""
        check_confirmation(data)
        if data["password"] == nfc(data["old_password"]):
            raise ValidationError("Must differ from the old one.", "password")
