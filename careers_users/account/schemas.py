"""The bodies and replies of the calls about a whole account."""

from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, validates_schema
from marshmallow.validate import Length

from careers_users.auth.link_schemas import LinkTokenSchema
from careers_users.auth.schemas import (
    SessionSchema,
    UserSchema,
    check_confirmation,
)
from careers_users.validation.cursor import BatchSchema, CursorField
from careers_users.validation.fields import BodySchema, NewPassword, Text, Time
from careers_users.validation.limits import (
    ACTIVITY_BATCH_SIZE,
    LOGIN_FIELD_MAX,
    PASSWORD_RAW_MAX,
)
from careers_users.validation.query_fields import BatchSize
from careers_users.validation.text import nfc


class CloseSchema(BodySchema):
    """Body of `DELETE me/`."""

    example: ClassVar[dict[str, Any]] = {"password": "password123"}

    password = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "Your password, to confirm it."},
    )


class ActivityQuerySchema(BodySchema):
    """Query of `GET me/activity/`."""

    batch_size = BatchSize(load_default=ACTIVITY_BATCH_SIZE)
    cursor = CursorField(load_default=None)


class SecurityEventSchema(Schema):
    """Something that happened to the account."""

    example: ClassVar[dict[str, Any]] = {
        "id": 1,
        "event": "registered",
        "created_at": "2024-01-15T10:30:00Z",
        "address": "127.0.0.1",
        "device": "curl/8.5.0",
        "details": {},
    }

    id = fields.Integer()
    event = fields.String()
    created_at = Time()
    address = fields.String()
    device = fields.String()
    details = fields.Dict()


class ActivitySchema(BatchSchema):
    """A batch of the trail."""

    results = fields.List(fields.Nested(SecurityEventSchema))


class PersonSchema(UserSchema):
    """The data about a user that is held in one row."""

    example: ClassVar[dict[str, Any]] = {
        "avatar": None,
        "email_verified_at": None,
        "pending_email": None,
        "posts_count": 0,
        "followers_count": 0,
        "following_count": 0,
        "likes_received": 0,
        "comments_received": 0,
    }

    class Meta:
        exclude = ("is_following",)

    email_verified_at = Time(allow_none=True)
    pending_email = fields.String(allow_none=True)


class StoredSessionSchema(SessionSchema):
    """A session as stored, also an ended one."""

    example: ClassVar[dict[str, Any]] = {"ended_at": None, "ended_reason": None}

    ended_at = Time(allow_none=True)
    ended_reason = fields.String(allow_none=True)

    class Meta:
        exclude = ("current",)


class ExportedEdgeSchema(Schema):
    """A user who follows, is followed or blocked, and since when."""

    id = fields.Integer()
    user_id = fields.Integer()
    username = fields.String()
    created_at = Time()


class ExportedMuteSchema(ExportedEdgeSchema):
    """A muted user, since when, and until when if not for good."""

    muted_until = Time(allow_none=True)


class ExportedMailSchema(Schema):
    """A mail to the account's owner: what it was for, and what became of it."""

    example: ClassVar[dict[str, Any]] = {
        "id": 1,
        "purpose": "verify",
        "locale": "en",
        "created_at": "2024-01-15T10:30:00Z",
        "state": "waiting",
        "used_at": None,
    }

    id = fields.Integer()
    purpose = fields.String()
    locale = fields.String()
    created_at = Time()
    state = fields.String()
    used_at = Time(allow_none=True)


class AccountExportSchema(Schema):
    """Everything that is held about a person."""

    example: ClassVar[dict[str, Any]] = {
        "exported_at": "2024-01-15T10:30:00Z",
        "followers": [],
        "following": [],
        "blocks": [],
        "mutes": [],
        "activity": [
            SecurityEventSchema.example,
            SecurityEventSchema.example | {"id": 2, "event": "data_exported"},
        ],
        "mails": [ExportedMailSchema.example],
    }

    exported_at = Time()
    account = fields.Nested(PersonSchema)
    sessions = fields.List(fields.Nested(StoredSessionSchema))
    followers = fields.List(fields.Nested(ExportedEdgeSchema))
    following = fields.List(fields.Nested(ExportedEdgeSchema))
    blocks = fields.List(fields.Nested(ExportedEdgeSchema))
    mutes = fields.List(fields.Nested(ExportedMuteSchema))
    activity = fields.List(fields.Nested(SecurityEventSchema))
    mails = fields.List(fields.Nested(ExportedMailSchema))


class SecuritySchema(Schema):
    """Reply of `GET me/security/`."""

    example: ClassVar[dict[str, Any]] = {
        "has_password": True,
        "email_verified": False,
        "mail_failed": False,
        "pending_email": None,
    }

    has_password = fields.Boolean()
    email_verified = fields.Boolean()
    mail_failed = fields.Boolean(
        metadata={"description": "Whether mail to your address came back lately."}
    )
    pending_email = fields.String(
        allow_none=True,
        metadata={"description": "The new address that waits to be confirmed."},
    )


class ResetSchema(BodySchema):
    """Body of `POST password/reset/`."""

    example: ClassVar[dict[str, Any]] = {"username": "alice"}

    username = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "The username or the e-mail address."},
    )


class _NewPasswordSchema(BodySchema):
    """A new password, typed twice."""

    password = NewPassword(required=True)
    password_confirm = Text(
        required=True,
        length=Length(max=PASSWORD_RAW_MAX),
        metadata={"description": "The new password once more."},
    )

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a new password mistyped the second time."""
        check_confirmation(data)


class ResetConfirmSchema(_NewPasswordSchema, LinkTokenSchema):
    """Body of `POST password/reset/confirm/`."""

    example: ClassVar[dict[str, Any]] = {
        "token": "LINK_TOKEN",
        "password": "another password",
        "password_confirm": "another password",
    }


class ChangePasswordSchema(_NewPasswordSchema):
    """Body of `POST me/password/`."""

    example: ClassVar[dict[str, Any]] = {
        "old_password": "password123",
        "password": "another password",
        "password_confirm": "another password",
    }

    class Meta(BodySchema.Meta):
        fields = ("old_password", "password", "password_confirm")

    old_password = Text(
        required=True,
        length=Length(1, LOGIN_FIELD_MAX),
        metadata={"description": "The password until now."},
    )

    @validates_schema
    def check_password(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a new password mistyped the second time, or equal to the old one."""
        super().check_password(data)
        if data["password"] == nfc(data["old_password"]):
            raise ValidationError("Must differ from the old one.", "password")
