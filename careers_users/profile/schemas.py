"""The bodies and replies of the profile calls."""

from typing import Any

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, pre_load, validates_schema

from careers_users.auth.schemas import UserSchema
from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    BodySchema,
    Choice,
    Email,
    PersonName,
)
from careers_users.validation.limits import (
    BATCH_SIZE_MAX,
    SEARCH_WORDS_MAX,
    USERS_BATCH_SIZE,
)
from careers_users.validation.query_fields import (
    BATCH_NUMBER,
    BatchSize,
    NamePart,
    QueryNumber,
    SearchWords,
    UserIds,
)

_COLUMNS = ("username", "created_at", "first_name", "last_name")
ORDERINGS = (*_COLUMNS, *(f"-{column}" for column in _COLUMNS))


class DirectoryQuerySchema(BodySchema):
    """Query of `GET /`."""

    search = SearchWords(load_default=())
    q = SearchWords(
        load_default=(),
        metadata={"description": "Another name of `search`."},
    )
    first_name = NamePart(load_default="")
    last_name = NamePart(load_default="")
    ids = UserIds()
    ordering = Choice(
        ORDERINGS,
        load_default="username",
        metadata={"description": "How to sort; a `-` in front turns it round."},
    )
    batch_size = BatchSize(load_default=USERS_BATCH_SIZE)
    batch_number = QueryNumber(load_default=0, metadata={"description": BATCH_NUMBER})

    @pre_load
    def show_all_ids(self, data: dict[str, str], **_: Any) -> dict[str, str]:
        """Make the largest batch the default for users named by their numbers."""
        if "ids" not in data:
            return data
        return {"batch_size": str(BATCH_SIZE_MAX), **data}

    @validates_schema
    def check_words(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a search of too many words."""
        if len(data["search"]) + len(data["q"]) > SEARCH_WORDS_MAX:
            field = "search" if data["search"] else "q"
            raise ValidationError(f"More than {SEARCH_WORDS_MAX} words.", field)


class UpdateSchema(BodySchema):
    """Body of `PATCH me/update/`: any subset."""

    example = {
        "first_name": "Alice",
        "last_name": "Johnson",
        "bio": "Updated bio",
        "avatar": "https://example.com/new-avatar.jpg",
        "email": "alice.johnson@example.com",
    }

    first_name = PersonName()
    last_name = PersonName()
    bio = Bio()
    avatar = AvatarUrl()
    email = Email()


class CardSchema(UserSchema):
    """A user in a list."""

    class Meta:
        fields: tuple[str, ...] = (
            *("id", "username", "first_name", "last_name", "avatar", "is_following"),
        )


class BatchInfoSchema(Schema):
    """Where in the whole list a batch stands."""

    example = {
        "current_batch": 0,
        "batch_size": 10,
        "total_users": 1,
        "total_batches": 1,
        "users_in_current_batch": 1,
    }

    current_batch = fields.Integer()
    batch_size = fields.Integer()
    total_users = fields.Integer()
    total_batches = fields.Integer()
    users_in_current_batch = fields.Integer()


class DirectorySchema(Schema):
    """Reply of `GET /`."""

    example = {"message": "Users retrieved successfully"}

    message = fields.String()
    users = fields.List(fields.Nested(CardSchema))
    batch_info = fields.Nested(BatchInfoSchema)


class ProfileSchema(UserSchema):
    """A profile as others see it."""

    class Meta:
        fields: tuple[str, ...] = (
            *("id", "username", "first_name", "last_name", "bio", "avatar"),
            *("created_at", "posts_count", "followers_count", "following_count"),
        )


class OwnProfileSchema(UserSchema):
    """One's own profile."""

    class Meta:
        fields = (*ProfileSchema.Meta.fields, "email", "updated_at")


class UpdatedSchema(UserSchema):
    """Reply of `PATCH me/update/`."""

    example = UpdateSchema.example | {"updated_at": "2024-01-15T10:45:00Z"}

    class Meta:
        fields = (
            *("id", "username", "email", "first_name", "last_name"),
            *("bio", "avatar", "updated_at"),
        )


class StatsSchema(UserSchema):
    """A user's numbers."""

    class Meta:
        fields = (
            *("posts_count", "followers_count", "following_count"),
            *("likes_received", "comments_received"),
        )
