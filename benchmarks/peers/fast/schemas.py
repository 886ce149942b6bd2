"""Bodies and replies, as pydantic models."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class Card(BaseModel):
    """A row of a list."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    first_name: str
    last_name: str
    avatar: str | None
    is_following: bool = False


class BatchInfo(BaseModel):
    """Where in a list one is."""

    current_batch: int
    batch_size: int
    total_users: int
    total_batches: int
    users_in_current_batch: int


class Directory(BaseModel):
    """The list of users."""

    message: str
    users: list[Card]
    batch_info: BatchInfo


class Followers(BaseModel):
    """The list of a user's followers."""

    count: int
    results: list[Card]


class Profile(BaseModel):
    """A user as others see them."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    username: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    created_at: datetime
    posts_count: int = 0
    followers_count: int = 0
    following_count: int = 0


class OwnProfile(Profile):
    """A user as they see themselves."""

    email: str
    updated_at: datetime


class Credentials(BaseModel):
    """The body of a login."""

    username: str
    password: str


class Tokens(BaseModel):
    """The reply to a login."""

    access: str
    refresh: str


class RefreshToken(BaseModel):
    """The body of a refresh."""

    refresh: str


class AccessToken(BaseModel):
    """The reply to a refresh."""

    access: str


class NewFollow(BaseModel):
    """The body of a follow."""

    following: int


class Edge(BaseModel):
    """A new edge."""

    id: int
    follower: int
    following: int
    follower_username: str
    following_username: str
    created_at: datetime
