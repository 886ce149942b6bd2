"""What the profile calls take and answer."""

from typing import Any

from flask_marshmallow.schema import Schema
from marshmallow import ValidationError, fields, pre_load, validates_schema

from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    BodySchema,
    Choice,
    Email,
    PersonName,
    Time,
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


class CardSchema(Schema):
    """A user in a list."""

    example = {
        "id": 1,
        "username": "alice",
        "first_name": "Alice",
        "last_name": "Smith",
        "avatar": "https://example.com/avatar.jpg",
        "is_following": False,
    }

    id = fields.Integer()
    username = fields.String()
    first_name = fields.String()
    last_name = fields.String()
    avatar = fields.String(allow_none=True)
    is_following = fields.Boolean()


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

    example = {
        "message": "Users retrieved successfully",
        "users": [CardSchema.example],
        "batch_info": BatchInfoSchema.example,
    }

    message = fields.String()
    users = fields.List(fields.Nested(CardSchema))
    batch_info = fields.Nested(BatchInfoSchema)


class ProfileSchema(Schema):
    """A profile as others see it."""

    example = {
        "id": 1,
        "username": "alice",
        "first_name": "Alice",
        "last_name": "Smith",
        "bio": "Software developer passionate about APIs",
        "avatar": "https://example.com/avatar.jpg",
        "created_at": "2024-01-15T10:30:00Z",
        "posts_count": 15,
        "followers_count": 42,
        "following_count": 28,
    }

    id = fields.Integer()
    username = fields.String()
    first_name = fields.String()
    last_name = fields.String()
    bio = fields.String()
    avatar = fields.String(allow_none=True)
    created_at = Time()
    posts_count = fields.Integer()
    followers_count = fields.Integer()
    following_count = fields.Integer()


class OwnProfileSchema(ProfileSchema):
    """One's own profile."""

    example = ProfileSchema.example | {
        "email": "alice@example.com",
        "updated_at": "2024-01-15T10:30:00Z",
    }

    email = fields.String()
    updated_at = Time()


class UpdatedSchema(Schema):
    """Reply of `PATCH me/update/`."""

    example = {
        "id": 1,
        "username": "alice",
        "email": "alice.johnson@example.com",
        "first_name": "Alice",
        "last_name": "Johnson",
        "bio": "Updated bio",
        "avatar": "https://example.com/new-avatar.jpg",
        "updated_at": "2024-01-15T10:45:00Z",
    }

    id = fields.Integer()
    username = fields.String()
    email = fields.String()
    first_name = fields.String()
    last_name = fields.String()
    bio = fields.String()
    avatar = fields.String(allow_none=True)
    updated_at = Time()


class StatsSchema(Schema):
    """A user's numbers."""

    example = {
        "posts_count": 15,
        "followers_count": 42,
        "following_count": 28,
        "likes_received": 156,
        "comments_received": 89,
    }

    posts_count = fields.Integer()
    followers_count = fields.Integer()
    following_count = fields.Integer()
    likes_received = fields.Integer()
    comments_received = fields.Integer()
