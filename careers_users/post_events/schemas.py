"""The bodies and replies of the events call: CloudEvents 1.0 in JSON."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from flask_marshmallow.schema import Schema
from marshmallow import EXCLUDE, ValidationError, fields, post_load
from marshmallow.validate import Length

from careers_users import clock
from careers_users.validation.fields import BodySchema, Choice, Text, UserId
from careers_users.validation.limits import (
    COUNT_MAX,
    EVENT_WORD_MAX,
    USERNAME_MAX,
)
from careers_users.validation.usernames import identity

COUNTERS = ("posts_count", "likes_received", "comments_received")

SNAPSHOT = "counts.set"
# Which counter of the post's author an event moves, and by how much.
MOVES: Mapping[str, tuple[str, int]] = {
    "post.created": ("posts_count", 1),
    "post.deleted": ("posts_count", -1),
    "like.added": ("likes_received", 1),
    "like.removed": ("likes_received", -1),
    "comment.added": ("comments_received", 1),
    "comment.removed": ("comments_received", -1),
}
STATUSES = ("applied", "duplicate", "stale", "unknown_user", "invalid")

# A time further ahead is a mistake, and would make true snapshots look old until then.
AHEAD_MAX = timedelta(hours=1)
_TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:(?P<second>\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)",
    re.ASCII | re.IGNORECASE,
)
# The key of no user, for names that can't be a user's.
NOBODY = ""
# No String of a CloudEvent has any of these (CloudEvents 1.0, "Type system").
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef"
    + "".join(
        chr((plane << 16) + low) for plane in range(17) for low in (0xFFFE, 0xFFFF)
    )
    + "]"
)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is as it should be.

    `author` is a user's number, or a folded name. `values` are what to add to each
    counter; of a snapshot, what each of them is.
    """

    source: str
    id: str
    time: datetime
    author: int | str
    is_snapshot: bool
    values: Mapping[str, int]

    @property
    def key(self) -> tuple[str, str]:
        """Return the key that two copies of an event share (CloudEvents 1.0, "id")."""
        return self.source, self.id


@dataclass(frozen=True, slots=True)
class Invalid:
    """An item that is no event of ours, as far as it can be named, and why."""

    source: str | None
    id: str | None
    reason: str


class Word(Text):
    """An attribute of an event: a text without control characters that is not empty."""

    openapi: ClassVar[dict[str, Any]] = {"minLength": 1, "maxLength": EVENT_WORD_MAX}
    raw_max = EVENT_WORD_MAX

    def checked(self, value: str) -> str:
        if not value:
            raise ValidationError(f"Must have 1 to {EVENT_WORD_MAX} characters.")
        if _CONTROL.search(value):
            raise ValidationError(
                "Control characters and noncharacters are not allowed."
            )
        return value


class EventTime(fields.Field[datetime]):
    """When it happened: RFC 3339, with any offset; a leap second is the one after."""

    openapi: ClassVar[dict[str, Any]] = {
        "description": "When it happened, with any offset; an hour from now at most.",
        "type": "string",
        "format": "date-time",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        return _time(value)


def _time(value: Any) -> datetime:
    try:
        if not (isinstance(value, str) and (match := _TIME.fullmatch(value))):
            raise ValueError
        if match["second"] == "60":
            result = _after_leap_second(value, match.start("second"))
        else:
            result = datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("Not a time as RFC 3339 writes it.") from None
    if not _BEGINNING <= result <= clock.utcnow() + AHEAD_MAX:
        raise ValidationError("Before 1970, or more than an hour from now.")
    return result


def _after_leap_second(value: str, place: int) -> datetime:
    """Return the second after a leap second (RFC 3339, appendix D).

    Python knows none. They are at the end of a day in UTC, in whatever zone written.
    """
    before = f"{value[:place]}59{value[place + 2 :]}"
    result = datetime.fromisoformat(before.upper()).astimezone(UTC)
    if (result.hour, result.minute) != (23, 59):
        raise ValueError
    return result + timedelta(seconds=1)


class Count(fields.Field[int]):
    """How many there are: a JSON integer."""

    openapi: ClassVar[dict[str, Any]] = {
        "description": "How many there are; in `counts.set` alone.",
        "type": "integer",
        "minimum": 0,
        "maximum": COUNT_MAX,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if type(value) is not int or not 0 <= value <= COUNT_MAX:
            raise ValidationError(f"Must be an integer from 0 to {COUNT_MAX}.")
        return value


class EventDataSchema(BodySchema):
    """The data of an event: the post's author, and in `counts.set` the numbers.

    Either `author_id` or `author_username` names the author.
    """

    author_id = UserId()
    author_username = Text(
        length=Length(1, USERNAME_MAX),
        metadata={"description": "The post's author by name; instead of `author_id`."},
    )
    posts_count = Count()
    likes_received = Count()
    comments_received = Count()


class ActivityEventSchema(BodySchema):
    """An event about a post's author (CloudEvents 1.0, JSON format).

    Attributes not named here are extensions, and allowed.
    """

    class Meta:
        unknown = EXCLUDE

    example: ClassVar[dict[str, Any]] = {
        "specversion": "1.0",
        "id": "8f14e45f-1",
        "source": "https://posts.example.com",
        "type": "like.added",
        "time": "2024-01-15T10:30:00Z",
        "data": {"author_username": "alice"},
    }

    specversion = Choice(
        ("1.0",),
        required=True,
        metadata={"description": "The version of CloudEvents."},
    )
    id = Word(
        required=True,
        metadata={"description": "Names the event, together with `source`."},
    )
    source = Word(
        required=True, metadata={"description": "The sender, usually as a URL."}
    )
    type = Choice(
        (*MOVES, SNAPSHOT), required=True, metadata={"description": "What happened."}
    )
    time = EventTime(required=True)
    subject = Word(metadata={"description": "Which post, like or comment; for people."})
    data = fields.Nested(EventDataSchema(), required=True)

    @post_load
    def make(self, loaded: dict[str, Any], **_: Any) -> Event:
        """Return the event; ValidationError if its data does not suit its type."""
        data = loaded["data"]
        if ("author_id" in data) == ("author_username" in data):
            raise ValidationError(
                {"data": ["Give either author_id or author_username."]}
            )
        numbers = {name: data[name] for name in COUNTERS if name in data}
        is_snapshot = loaded["type"] == SNAPSHOT
        if is_snapshot != bool(numbers):
            raise ValidationError(
                {"data": [f"{SNAPSHOT} has numbers, and nothing else has."]}
            )
        if not is_snapshot:
            numbers = dict([MOVES[loaded["type"]]])
        author = data.get("author_id") or identity(data["author_username"]) or NOBODY
        return Event(
            source=loaded["source"],
            id=loaded["id"],
            time=loaded["time"],
            author=author,
            is_snapshot=is_snapshot,
            values=numbers,
        )


class OutcomeSchema(Schema):
    """The outcome of an event; `reason` says why it is `invalid`."""

    example: ClassVar[dict[str, Any]] = {
        "source": "https://posts.example.com",
        "id": "8f14e45f-1",
        "status": "applied",
        "reason": None,
    }

    source = fields.String(allow_none=True)
    id = fields.String(allow_none=True)
    status = fields.String()
    reason = fields.String(allow_none=True)


class OutcomesSchema(Schema):
    """The outcome of each event, in the order in which they came."""

    example: ClassVar[dict[str, Any]] = {"results": [OutcomeSchema.example]}

    results = fields.List(fields.Nested(OutcomeSchema))


_EVENT = ActivityEventSchema()


def read(item: Any) -> Event | Invalid:
    """Return the event that a piece of JSON is, or why it is none."""
    try:
        event: Event = _EVENT.load(item)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]
        return Invalid(
            source=_name(item, "source"),
            id=_name(item, "id"),
            reason=" ".join(_sentences(messages)),
        )
    return event


def _name(item: Any, attribute: str) -> str | None:
    value = item.get(attribute) if isinstance(item, dict) else None
    return value[:EVENT_WORD_MAX] if isinstance(value, str) else None


def _sentences(messages: Any, path: str = "") -> Iterator[str]:
    """Give the messages of a validation as `data.author_id: ...`."""
    if isinstance(messages, dict):
        for name, inner in messages.items():
            whole = path if name == "_schema" else f"{path}.{name}".lstrip(".")
            yield from _sentences(inner, whole)
    else:
        yield from (f"{path}: {message}".lstrip(": ") for message in messages)
