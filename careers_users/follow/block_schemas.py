"""The forms of requests and replies of blocks and mutes."""

from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import fields

from careers_users.profile.schemas import CardSchema
from careers_users.validation.cursor import BatchSchema, CursorField
from careers_users.validation.fields import BodySchema, Time, WholeNumber
from careers_users.validation.limits import (
    FOLLOWS_BATCH_SIZE,
    MUTE_SECONDS_MAX,
    MUTE_SECONDS_MIN,
)
from careers_users.validation.query_fields import BatchSize


class MuteDuration(WholeNumber):
    """For how long a user is muted, in seconds."""

    least, most = MUTE_SECONDS_MIN, MUTE_SECONDS_MAX
    openapi: ClassVar[dict[str, Any]] = {
        "type": "integer",
        "minimum": least,
        "maximum": most,
    }


class MuteSchema(BodySchema):
    """Body of `PUT {username}/mute/`: for how long."""

    example: ClassVar[dict[str, Any]] = {"duration": 86400}

    duration = MuteDuration(
        load_default=None,
        allow_none=False,
        metadata={"description": "For how many seconds; left out: for good."},
    )


class BlocksQuerySchema(BodySchema):
    """Query of `GET me/blocks/`."""

    batch_size = BatchSize(load_default=FOLLOWS_BATCH_SIZE)
    cursor = CursorField(letter="b", load_default=None)


class MutesQuerySchema(BodySchema):
    """Query of `GET me/mutes/`."""

    batch_size = BatchSize(load_default=FOLLOWS_BATCH_SIZE)
    cursor = CursorField(letter="m", load_default=None)


class MutedSchema(Schema):
    """A sentence, and until when the user is muted: `null` is for good, or not."""

    example: ClassVar[dict[str, Any]] = {
        "message": "Muted bob",
        "muted_until": "2024-01-16T10:30:00Z",
    }

    message = fields.String()
    muted_until = Time(allow_none=True)


class BlockedCardSchema(CardSchema):
    """A user whom the viewer blocks, and since when."""

    class Meta:
        fields: tuple[str, ...] = (*CardSchema.Meta.fields, "created_at")


class MutedCardSchema(BlockedCardSchema):
    """A user whom the viewer mutes, since when, and until when if not for good."""

    example: ClassVar[dict[str, Any]] = {"muted_until": None}

    class Meta:
        fields = (*BlockedCardSchema.Meta.fields, "muted_until")

    muted_until = Time(allow_none=True)


class BlocksSchema(BatchSchema):
    """One's own blocks."""

    example: ClassVar[dict[str, Any]] = {"count": 1}

    count = fields.Integer()
    results = fields.List(fields.Nested(BlockedCardSchema))


class MutesSchema(BatchSchema):
    """One's own mutes."""

    example: ClassVar[dict[str, Any]] = {"count": 1}

    count = fields.Integer()
    results = fields.List(fields.Nested(MutedCardSchema))
