"""The records of `users import` and `users export`, by the rules of registration.

The columns are those of Django's users where they differ from ours: `date_joined` is
`created_at`, `password` is the stored hash.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from flask_marshmallow.schema import Schema
from marshmallow import EXCLUDE, ValidationError, fields, pre_load
from marshmallow.validate import OneOf

from careers_users import clock
from careers_users.auth import foreign_hashes
from careers_users.auth.password_hashing import UNUSABLE, scheme
from careers_users.auth.suspension import REASONS
from careers_users.cli import mistakes
from careers_users.validation.fields import (
    AvatarUrl,
    Bio,
    Email,
    PersonName,
    Text,
    Username,
)

# The columns that a CSV file of users must have.
REQUIRED = ("username", "email")
# Longer than any stored hash may be; it is the width of the column.
HASH_MAX = 255
# Ids of other services may be UUIDs or longer words.
OLD_ID_MAX = 100
# All numbers up to here are exact in JavaScript, and enough follow to number new users.
SAME_ID_MAX = 2**53 - 1
# Clocks differ, and zones are mistaken for each other.
_FUTURE = timedelta(days=1)
# Earlier ones are what a service writes for "no date" (0001-01-01, 1900-01-01).
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_TRUE, _FALSE = {"true", "t", "1"}, {"false", "f", "0"}
EXPORTED = (
    "id username email password first_name last_name bio avatar is_active "
    "email_verified created_at updated_at suspended_at suspended_until "
    "suspension_reason suspension_note"
).split()
# Columns whose empty text means that there is nothing.
_EMPTY = (
    "id new_username is_active email_verified created_at updated_at date_joined "
    "suspended_at suspended_until suspension_reason suspension_note"
).split()


class StoredHash(Text):
    """A stored password: a hash that can be verified, or `!` for none."""

    raw_max = HASH_MAX

    def checked(self, value: str) -> str:
        kind = scheme(value)
        if kind == "unusable":
            return UNUSABLE
        if kind is None:
            raise ValidationError(
                "A bcrypt hash: pip install 'careers_users[bcrypt]' to verify it."
                if foreign_hashes.needs_bcrypt(value)
                else "Not a hash that this service can verify."
            )
        return value


class WrittenFlag(fields.Field[bool]):
    """Yes or no, as JSON and as databases write it into CSV."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        word = str(value).strip().lower()
        if word not in _TRUE | _FALSE:
            raise ValidationError("Not true or false.")
        return word in _TRUE


class Moment(fields.Field[datetime]):
    """A time in ISO 8601; without a zone it is UTC, as databases export it."""

    def __init__(self, *, may_come: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._may_come = may_come

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> datetime:
        try:
            return moment(value, may_come=self._may_come)
        except ValueError as error:
            raise ValidationError(str(error)) from None


def moment(value: Any, *, may_come: bool = False) -> datetime:
    """Return the time that a file means; ValueError says what is wrong with it.

    It must have been, unless it `may_come`.
    """
    try:
        result = datetime.fromisoformat(value)
        if result.tzinfo is None:
            result = result.replace(tzinfo=UTC)
        result = result.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("Not a time like 2024-01-15T10:30:00Z.") from None
    if result < _BEGINNING:
        raise ValueError("Lies before 1970.")
    if result > clock.utcnow() + _FUTURE and not may_come:
        raise ValueError("Lies in the future.")
    return result


class OldId(fields.Field[str]):
    """The id of a user in the earlier service: a number or a short word."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        word = str(value) if type(value) is int else value
        if not isinstance(word, str) or not 1 <= len(word) <= OLD_ID_MAX:
            raise ValidationError("Not a number or a short word.")
        if not word.isprintable():
            raise ValidationError("Control and invisible characters are not allowed.")
        return word


class SameId(OldId):
    """The number of a user that stays the same."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        word = super()._deserialize(value, attr, data, **kwargs)
        if not is_same_id(word):
            raise ValidationError(f"Not a whole number from 1 to {SAME_ID_MAX}.")
        return word


def is_same_id(word: str) -> bool:
    """Return whether a text is a number that a user can have."""
    is_number = word.isascii() and word.isdigit() and len(word) < 17
    return is_number and word[0] != "0" and int(word) <= SAME_ID_MAX


class RecordSchema(Schema):
    """A record to import, by the rules of registration; other columns are ignored."""

    class Meta:
        unknown = EXCLUDE

    username = Username(required=True)
    email = Email(required=True)
    password = StoredHash(required=True)
    first_name = PersonName(load_default="")
    last_name = PersonName(load_default="")
    bio = Bio(load_default="")
    avatar = AvatarUrl(load_default=None)
    is_active = WrittenFlag(load_default=True)
    email_verified = WrittenFlag(load_default=False)
    created_at = Moment(load_default=None)
    updated_at = Moment(load_default=None)
    suspended_at = Moment(load_default=None)
    suspended_until = Moment(load_default=None, may_come=True)
    suspension_reason = fields.String(load_default="other", validate=OneOf(REASONS))
    suspension_note = Bio(load_default=None)

    @pre_load
    def rename(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Take the columns of other names; null is nothing, an empty number too."""
        data = {
            name: value
            for name, value in data.items()
            if value is not None and not (value == "" and name in _EMPTY)
        }
        data.setdefault("created_at", data.pop("date_joined", None))
        if "new_username" in data:
            data["username"] = data.pop("new_username")
        return {name: value for name, value in data.items() if value is not None}


class MappedRecordSchema(RecordSchema):
    """A record whose user gets another number here; a map has both."""

    id = OldId(required=True)


class SameIdRecordSchema(RecordSchema):
    """A record whose user has the same number here."""

    id = SameId(required=True)


def columns(schema: RecordSchema) -> set[str]:
    """Return the columns that mean something."""
    return {*schema.fields, "date_joined", "new_username", *mistakes.COLUMNS}


def schema(*, keep_ids: bool, mapped: bool) -> RecordSchema:
    """Return the schema of records whose ids stay the same, are mapped, or ignored."""
    if keep_ids:
        return SameIdRecordSchema()
    return MappedRecordSchema() if mapped else RecordSchema()
