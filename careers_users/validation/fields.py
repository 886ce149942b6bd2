"""The kinds of value that clients send: what is accepted, and in what form it is kept.

One class for each row of the contract's validation table, used by all schemas. What a
class refuses stands beside it in the words of JSON Schema, as `openapi`, as far as JSON
Schema can say it; its docstring's first line is what clients read about it.
"""

import re
from typing import Any, ClassVar
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email
from flask import current_app
from flask_marshmallow.schema import Schema
from marshmallow import RAISE, ValidationError, fields
from marshmallow.validate import Length, OneOf

from careers_users.validation import password_blocklist, text
from careers_users.validation.limits import (
    AVATAR_MAX,
    BATCH_SIZE_MAX,
    BIO_MAX,
    EMAIL_MAX,
    ID_MAX,
    NAME_MAX,
    PASSWORD_MAX,
    PASSWORD_MIN,
    QUERY_DIGITS_MAX,
    SEARCH_TERM_MAX,
    USERNAME_MAX,
    USERNAME_MIN,
    USERNAME_PATTERN,
)
from careers_users.validation.usernames import is_username, reserved_names

# What AvatarUrl accepts, but for numeric IPv6 hosts: JSON Schema can't say those well.
AVATAR_PATTERN = (
    r"^([Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?"
    r"(:[0-9]{1,4})?([/?#][!#-&(-;=?-\[\]_a-z~]*)?)?$"
)
_URL = re.compile(r"https?://[!-~]+", re.ASCII | re.IGNORECASE)
_URL_REFUSED = re.compile(r"[\"'`<>\\{}|^]")
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?\.?|\[[0-9A-Fa-f:.]+\]", re.ASCII
)


class BodySchema(Schema):
    """The base of all schemas for what comes in: an unknown field is an error."""

    class Meta:
        unknown = RAISE


class Text(fields.String):
    """A string without NUL and lone surrogates, which not every database can hold."""

    openapi: ClassVar[dict[str, Any]] = {}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result: str = super()._deserialize(value, attr, data, **kwargs)
        if not text.is_storable(result):
            raise ValidationError("NUL and lone surrogate characters are not allowed.")
        return result


class Username(Text):
    """A name for a new account, kept as typed; some words are reserved."""

    openapi = {
        "minLength": USERNAME_MIN,
        "maxLength": USERNAME_MAX,
        "pattern": USERNAME_PATTERN,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = super()._deserialize(value, attr, data, **kwargs)
        if not is_username(result):
            raise ValidationError(
                f"Use {USERNAME_MIN} to {USERNAME_MAX} letters, digits, '_', '.' and "
                "'-'; start and end with a letter, a digit or '_'; no '..' and no '--'."
            )
        if result.lower() in reserved_names(current_app):
            raise ValidationError("This name is reserved.")
        return result


class Email(Text):
    """An e-mail address, kept as typed; whether it receives mail is not asked."""

    openapi = {"format": "email", "maxLength": EMAIL_MAX}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = super()._deserialize(value, attr, data, **kwargs)
        try:
            if len(result) > EMAIL_MAX or not result.isascii():
                raise EmailNotValidError
            validate_email(result, check_deliverability=False)
        except EmailNotValidError:
            raise ValidationError("Not a valid email address.") from None
        return result


class NewPassword(Text):
    """A password to be set, in normal form C and otherwise as typed.

    Any characters, no composition rules (NIST SP 800-63B, section 5.1.1.2).
    """

    openapi = {
        "format": "password",
        "minLength": PASSWORD_MIN,
        "maxLength": PASSWORD_MAX,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = text.nfc(super()._deserialize(value, attr, data, **kwargs))
        Length(current_app.config["PASSWORD_MIN_LENGTH"], PASSWORD_MAX)(result)
        if password_blocklist.has(result):
            raise ValidationError("Too common: others would try it. Choose another.")
        return result


class PersonName(Text):
    """A first or last name: one trimmed line, no control or invisible characters."""

    openapi = {"maxLength": NAME_MAX}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = text.nfc(super()._deserialize(value, attr, data, **kwargs)).strip()
        if not text.is_clean_line(result):
            raise ValidationError("Control and invisible characters are not allowed.")
        Length(max=NAME_MAX)(result)
        return result


class Bio(Text):
    """Some lines about oneself, trimmed; no control or invisible characters."""

    openapi = {"maxLength": BIO_MAX}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = text.nfc(super()._deserialize(value, attr, data, **kwargs)).strip()
        result = result.replace("\r\n", "\n")  # As Windows clients end their lines.
        if not text.is_clean_text(result):
            raise ValidationError("Control and invisible characters are not allowed.")
        Length(max=BIO_MAX)(result)
        return result


class AvatarUrl(fields.Field[str | None]):
    """The http or https address of a picture, never fetched; `null` or `""`: none."""

    openapi: ClassVar[dict[str, Any]] = {
        "type": "string",
        "maxLength": AVATAR_MAX,
        "pattern": AVATAR_PATTERN,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)
        self._text = Text()

    def _deserialize(
        self, value: Any, attr: Any, data: Any, **kwargs: Any
    ) -> str | None:
        result: str = self._text.deserialize(value)
        if result == "":
            return None
        if len(result) > AVATAR_MAX:
            raise ValidationError(f"Longer than {AVATAR_MAX} characters.")
        if not _is_web_address(result):
            raise ValidationError("Not a valid http or https URL.")
        return result


def _is_web_address(value: str) -> bool:
    if not _URL.fullmatch(value) or _URL_REFUSED.search(value):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port  # Raises for a port that is no number, or too large.
    except ValueError:
        return False
    host = parts.netloc.removesuffix(f":{parts.port}").removesuffix(":")
    return "@" not in parts.netloc and _HOST.fullmatch(host) is not None


class Flag(fields.Boolean):
    """A JSON truth value, not a word or a number that might mean one."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("Not a valid boolean.")
        return value


class UserId(fields.Field[int]):
    """The number of a user: a JSON integer, not a truth value, a float or a string."""

    openapi: ClassVar[dict[str, Any]] = {
        "type": "integer",
        "minimum": 1,
        "maximum": ID_MAX,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("Not a valid integer.")
        if not 1 <= value <= ID_MAX:
            raise ValidationError(f"Must be from 1 to {ID_MAX}.")
        return value


class QueryNumber(fields.Field[int]):
    """A number in a query string: a few ASCII digits and nothing else."""

    openapi: ClassVar[dict[str, Any]] = {
        "type": "integer",
        "minimum": 0,
        "maximum": 10**QUERY_DIGITS_MAX - 1,
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if not (value.isascii() and value.isdigit() and len(value) <= QUERY_DIGITS_MAX):
            raise ValidationError(
                f"Not a whole number of at most {QUERY_DIGITS_MAX} digits."
            )
        return int(value)


class BatchSize(QueryNumber):
    """How many rows a batch has; a client that asks for too many gets the most."""

    openapi = {
        "minimum": 1,
        "description": f"How many rows; more than {BATCH_SIZE_MAX} are taken as "
        f"{BATCH_SIZE_MAX}.",
    }

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        result = super()._deserialize(value, attr, data, **kwargs)
        if result < 1:
            raise ValidationError("Must be at least 1.")
        return min(result, BATCH_SIZE_MAX)


class SearchTerm(Text):
    """A piece of text to be contained, taken literally; empty means any."""

    openapi = {"maxLength": SEARCH_TERM_MAX}

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        result = super()._deserialize(value, attr, data, **kwargs)
        Length(max=SEARCH_TERM_MAX)(result)
        return result


class Choice(Text):
    """One of a few words."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(validate=OneOf(choices), **kwargs)


class Time(fields.AwareDateTime):
    """A moment in a reply: RFC 3339, UTC, whole seconds."""
