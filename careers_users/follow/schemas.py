"""The bodies and replies of the follow calls."""

from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, validates_schema
from marshmallow.validate import Length

from careers_users.profile.schemas import CardSchema
from careers_users.validation.cursor import BatchSchema, Cursor, CursorField
from careers_users.validation.fields import BodySchema, Choice, Text, Time, UserId
from careers_users.validation.limits import FOLLOWS_BATCH_SIZE, USERNAME_MAX
from careers_users.validation.query_fields import (
    BATCH_NUMBER,
    BatchSize,
    QueryNumber,
    UserIds,
)


class FollowSchema(BodySchema):
    """Body of `POST follow/`: whom, by number or by name."""

    example = {"following": 2}
    openapi = {"minProperties": 1, "maxProperties": 1}

    following = UserId()
    username = Text(
        length=Length(1, USERNAME_MAX),
        metadata={
            "description": "The user's name, in any case; instead of `following`."
        },
    )

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a body that names no user, or two."""
        if not data:
            raise ValidationError("Missing data for required field.", "following")
        if len(data) > 1:
            raise ValidationError("Give either following or username.", "username")


class FollowsQuerySchema(BodySchema):
    """Query of the lists of followers and followed."""

    batch_size = BatchSize(load_default=FOLLOWS_BATCH_SIZE)
    batch_number = QueryNumber(load_default=0, metadata={"description": BATCH_NUMBER})
    cursor = CursorField(load_default=None)

    @validates_schema
    def check_one(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse two places at once."""
        if isinstance(data["cursor"], Cursor) and data["batch_number"]:
            raise ValidationError("Give either cursor or batch_number.", "cursor")


class FollowingQuerySchema(FollowsQuerySchema):
    """Query of the lists of followed users."""

    muted = Choice(
        ("exclude",),
        load_default=None,
        allow_none=False,
        metadata={"description": "`exclude` leaves out those whom you mute."},
    )


class RelationshipsQuerySchema(BodySchema):
    """Query of `GET relationships/`: which users."""

    ids = UserIds(load_default=list)


class RelationshipSchema(Schema):
    """How the viewer and a user stand; `followed_at` is since when the viewer follows.

    It is `null` for a user whom the viewer does not follow, `muted_until` for one who
    is not muted, or for good.
    """

    example: ClassVar[dict[str, Any]] = {
        "id": 2,
        "following": True,
        "followed_by": False,
        "followed_at": "2024-01-15T10:30:00Z",
        "blocking": False,
        "muting": False,
        "muted_until": None,
    }

    id = fields.Integer()
    following = fields.Boolean()
    followed_by = fields.Boolean()
    followed_at = Time(allow_none=True)
    blocking = fields.Boolean()
    muting = fields.Boolean()
    muted_until = Time(allow_none=True)


class RelationshipsSchema(Schema):
    """The users asked for who exist, in the order of the question."""

    results = fields.List(fields.Nested(RelationshipSchema))


class FollowRowSchema(Schema):
    """An edge."""

    example = {
        "id": 1,
        "follower": 1,
        "following": 2,
        "follower_username": "alice",
        "following_username": "bob",
        "created_at": "2024-01-15T10:30:00Z",
    }

    id = fields.Integer()
    follower = fields.Integer()
    following = fields.Integer()
    follower_username = fields.String()
    following_username = fields.String()
    created_at = Time()


class FollowRowsSchema(BatchSchema):
    """One's own lists: edges."""

    example = {"count": 1}

    count = fields.Integer()
    results = fields.List(fields.Nested(FollowRowSchema))


class CardsSchema(BatchSchema):
    """Anybody's lists: cards."""

    example = {"count": 1}

    count = fields.Integer()
    results = fields.List(fields.Nested(CardSchema))
