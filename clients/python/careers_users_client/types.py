"""The types of bodies, queries and replies; made from docs/openapi.json."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

ErrorCode: TypeAlias = Literal[
    "account_suspended",
    "already_following",
    "blocking",
    "cannot_follow_self",
    "cannot_target_self",
    "confirmation_required",
    "email_taken",
    "forbidden",
    "invalid_credentials",
    "limit_reached",
    "link_expired",
    "link_invalid",
    "link_used",
    "malformed_json",
    "malformed_request",
    "method_not_allowed",
    "not_a_follower",
    "not_authenticated",
    "not_following",
    "not_found",
    "overloaded",
    "payload_too_large",
    "rate_limited",
    "search_timed_out",
    "service_unavailable",
    "session_not_found",
    "token_expired",
    "token_invalid",
    "token_revoked",
    "unsupported_media_type",
    "user_not_found",
    "username_taken",
    "validation_failed",
    "wrong_password",
]


class ErrorReply(TypedDict):
    """The reply of every call that is refused."""

    error: str
    code: ErrorCode | str
    details: dict[str, list[str] | str | None] | str


class Register(TypedDict):
    """Body of `POST register/`."""

    username: str
    email: str
    password: str
    password_confirm: str
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    bio: NotRequired[str]
    avatar: NotRequired[str | None]


class NewAccount(TypedDict):
    """The account as registration answers it."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    created_at: str


class RegisterReply(TypedDict):
    """Reply of `POST register/`."""

    access: str
    refresh: str
    user: NewAccount


class Login(TypedDict):
    """Body of `POST login/`; `username` may also hold the e-mail address."""

    username: str
    password: str


class Account(TypedDict):
    """The account as login answers it."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str


class LoginReply(TypedDict):
    """Reply of `POST login/`."""

    access: str
    refresh: str
    user: Account


class Refresh(TypedDict):
    """Body of `POST logout/`."""

    refresh: str


class Message(TypedDict):
    """A sentence that says what has been done."""

    message: str


class Renew(TypedDict):
    """Body of `POST token/refresh/`."""

    refresh: str
    rotate: NotRequired[bool]


class Renewed(TypedDict):
    """Reply of `POST token/refresh/`; `refresh` only if it rotated."""

    access: str
    refresh: NotRequired[str]


class LogoutAll(TypedDict):
    """Body of `POST logout/all/`; `{}` will do."""

    keep_current: NotRequired[bool]


class LoggedOut(TypedDict):
    """How many sessions have been ended."""

    message: str
    count: int


class Session(TypedDict):
    """A live session: one for each login."""

    id: str
    device: str
    address: str
    created_at: str
    last_used_at: str
    expires_at: str
    current: bool


class Sessions(TypedDict):
    """All live sessions of a user."""

    count: int
    results: list[Session]


class Confirm(TypedDict):
    """Body of `POST me/confirm/`."""

    password: str


class Confirmed(TypedDict):
    """Reply of `POST me/confirm/`."""

    confirmed_until: str


class Card(TypedDict):
    """A user in a list."""

    id: int
    username: str
    first_name: str
    last_name: str
    avatar: str | None
    is_following: bool


class BatchInfo(TypedDict):
    """Where in the whole list a batch stands."""

    current_batch: int
    batch_size: int
    total_users: int
    total_batches: int
    users_in_current_batch: int


class Directory(TypedDict):
    """Reply of `GET /`."""

    message: str
    users: list[Card]
    batch_info: BatchInfo


class Profile(TypedDict):
    """A profile as others see it."""

    id: int
    username: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    created_at: str
    posts_count: int
    followers_count: int
    following_count: int


class OwnProfile(TypedDict):
    """One's own profile."""

    id: int
    username: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    created_at: str
    posts_count: int
    followers_count: int
    following_count: int
    email: str
    updated_at: str


class Update(TypedDict):
    """Body of `PATCH me/update/`: any subset."""

    first_name: NotRequired[str]
    last_name: NotRequired[str]
    bio: NotRequired[str]
    avatar: NotRequired[str | None]
    email: NotRequired[str]


class Updated(TypedDict):
    """Reply of `PATCH me/update/`."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    updated_at: str


class Stats(TypedDict):
    """A user's numbers."""

    posts_count: int
    followers_count: int
    following_count: int
    likes_received: int
    comments_received: int


class Follow(TypedDict):
    """Body of `POST follow/`: whom, by number or by name."""

    following: NotRequired[int]
    username: NotRequired[str]


class FollowRow(TypedDict):
    """An edge."""

    id: int
    follower: int
    following: int
    follower_username: str
    following_username: str
    created_at: str


class Relationship(TypedDict):
    """How the viewer and a user stand; `followed_at` is since when the viewer follows."""

    id: int
    following: bool
    followed_by: bool
    followed_at: str | None
    blocking: bool
    muting: bool
    muted_until: str | None


class Relationships(TypedDict):
    """The users asked for who exist, in the order of the question."""

    results: list[Relationship]


class FollowRows(TypedDict):
    """One's own lists: edges."""

    next: str | None
    previous: str | None
    count: int
    results: list[FollowRow]


class Cards(TypedDict):
    """Anybody's lists: cards."""

    next: str | None
    previous: str | None
    count: int
    results: list[Card]


class Nothing(TypedDict):
    """A body that says nothing: `{}`."""


class Mute(TypedDict):
    """Body of `PUT {username}/mute/`: for how long."""

    duration: NotRequired[int]


class Muted(TypedDict):
    """A sentence, and until when the user is muted: `null` is for good, or not."""

    message: str
    muted_until: str | None


class BlockedCard(TypedDict):
    """A user whom the viewer blocks, and since when."""

    id: int
    username: str
    first_name: str
    last_name: str
    avatar: str | None
    is_following: bool
    created_at: str


class Blocks(TypedDict):
    """One's own blocks."""

    next: str | None
    previous: str | None
    count: int
    results: list[BlockedCard]


class MutedCard(TypedDict):
    """A user whom the viewer mutes, since when, and until when if not for good."""

    id: int
    username: str
    first_name: str
    last_name: str
    avatar: str | None
    is_following: bool
    created_at: str
    muted_until: str | None


class Mutes(TypedDict):
    """One's own mutes."""

    next: str | None
    previous: str | None
    count: int
    results: list[MutedCard]


class EventData(TypedDict):
    """The data of an event: the post's author, and in `counts.set` the numbers."""

    author_id: NotRequired[int]
    author_username: NotRequired[str]
    posts_count: NotRequired[int]
    likes_received: NotRequired[int]
    comments_received: NotRequired[int]


class ActivityEvent(TypedDict):
    """An event about a post's author (CloudEvents 1.0, JSON format)."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: Literal[
        "post.created",
        "post.deleted",
        "like.added",
        "like.removed",
        "comment.added",
        "comment.removed",
        "counts.set",
    ]
    time: str
    subject: NotRequired[str]
    data: EventData


class Outcome(TypedDict):
    """The outcome of an event; `reason` says why it is `invalid`."""

    source: str | None
    id: str | None
    status: str
    reason: str | None


class Outcomes(TypedDict):
    """The outcome of each event, in the order in which they came."""

    results: list[Outcome]


class Close(TypedDict):
    """Body of `DELETE me/`."""

    password: str


class SecurityEvent(TypedDict):
    """Something that happened to the account."""

    id: int
    event: str
    created_at: str
    address: str
    device: str
    details: dict[str, Any]


class Activity(TypedDict):
    """A batch of the trail."""

    next: str | None
    previous: str | None
    results: list[SecurityEvent]


class Security(TypedDict):
    """Reply of `GET me/security/`."""

    has_password: bool
    email_verified: bool
    mail_failed: bool
    pending_email: str | None


class Person(TypedDict):
    """The data about a user that is held in one row."""

    id: int
    username: str
    email: str
    first_name: str
    last_name: str
    bio: str
    avatar: str | None
    is_active: bool
    created_at: str
    updated_at: str
    posts_count: int
    followers_count: int
    following_count: int
    likes_received: int
    comments_received: int
    email_verified_at: str | None
    pending_email: str | None


class StoredSession(TypedDict):
    """A session as stored, also an ended one."""

    id: str
    device: str
    address: str
    created_at: str
    last_used_at: str
    expires_at: str
    ended_at: str | None
    ended_reason: str | None


class ExportedEdge(TypedDict):
    """A user who follows, is followed or blocked, and since when."""

    id: int
    user_id: int
    username: str
    created_at: str


class ExportedMute(TypedDict):
    """A muted user, since when, and until when if not for good."""

    id: int
    user_id: int
    username: str
    created_at: str
    muted_until: str | None


class ExportedMail(TypedDict):
    """A mail to the account's owner: what it was for, and what became of it."""

    id: int
    purpose: str
    locale: str
    created_at: str
    state: str
    used_at: str | None


class AccountExport(TypedDict):
    """Everything that is held about a person."""

    exported_at: str
    account: Person
    sessions: list[StoredSession]
    followers: list[ExportedEdge]
    following: list[ExportedEdge]
    blocks: list[ExportedEdge]
    mutes: list[ExportedMute]
    activity: list[SecurityEvent]
    mails: list[ExportedMail]


class ChangePassword(TypedDict):
    """Body of `POST me/password/`."""

    old_password: str
    password: str
    password_confirm: str


class Tokens(TypedDict):
    """A new session's tokens."""

    access: str
    refresh: str


class Reset(TypedDict):
    """Body of `POST password/reset/`."""

    username: str


class ResetConfirm(TypedDict):
    """Body of `POST password/reset/confirm/`."""

    token: str
    password: str
    password_confirm: str


class LinkToken(TypedDict):
    """Body of `POST email/verify/` and `POST email/change/confirm/`."""

    token: str


class ChangeConfirmed(TypedDict):
    """Reply of `POST email/change/confirm/`."""

    message: str
    waiting_for: str | None


class Live(TypedDict):
    """This process answers."""

    status: str


class Ready(TypedDict):
    """Whether requests can be served, and what is missing if not."""

    status: str
    draining: bool
    database: str
    warnings: NotRequired[list[str]]


class Jwks(TypedDict):
    """A JWK set (RFC 7517, section 5)."""

    keys: list[dict[str, Any]]


class ListUsersParametersQuery(TypedDict):
    search: NotRequired[str]
    q: NotRequired[str]
    first_name: NotRequired[str]
    last_name: NotRequired[str]
    ids: NotRequired[list[int]]
    ordering: NotRequired[
        Literal[
            "username",
            "created_at",
            "first_name",
            "last_name",
            "-username",
            "-created_at",
            "-first_name",
            "-last_name",
        ]
    ]
    batch_size: NotRequired[int]
    batch_number: NotRequired[int]


class GetRelationshipsParametersQuery(TypedDict):
    ids: NotRequired[list[int]]


class ListOwnFollowingParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    batch_number: NotRequired[int]
    cursor: NotRequired[str | None]
    muted: NotRequired[Literal["exclude"]]


class ListOwnFollowersParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    batch_number: NotRequired[int]
    cursor: NotRequired[str | None]


class ListFollowersParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    batch_number: NotRequired[int]
    cursor: NotRequired[str | None]


class ListFollowingParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    batch_number: NotRequired[int]
    cursor: NotRequired[str | None]
    muted: NotRequired[Literal["exclude"]]


class ListBlocksParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    cursor: NotRequired[str | None]


class ListMutesParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    cursor: NotRequired[str | None]


ReportEventsRequest: TypeAlias = list[ActivityEvent]


class ListActivityParametersQuery(TypedDict):
    batch_size: NotRequired[int]
    cursor: NotRequired[str | None]
