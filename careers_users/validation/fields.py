"""The kinds of value that clients send: what is accepted, and in what form it is kept.

One class for each row of the contract's validation table, used by all schemas. Its
`openapi` says in the words of JSON Schema what it refuses, as far as JSON Schema can;
clients read the `description` in it. A field that alone knows its purpose has the
description in its `metadata`.
"""

from collections.abc import Callable
from typing import Any, ClassVar

from flask import current_app
from flask_marshmallow.schema import Schema
from marshmallow import RAISE, ValidationError, fields
from marshmallow.validate import Length, OneOf

from careers_users.validation import characters, password_blocklist, text
from careers_users.validation.email_address import is_email
from careers_users.validation.limits import (
    AVATAR_MAX,
    BIO_MAX,
    EMAIL_MAX,
    ID_MAX,
    NAME_MAX,
    PASSWORD_MAX,
    PASSWORD_MIN,
    PASSWORD_RAW_MAX,
    UNTRIMMED_FACTOR,
    USERNAME_MAX,
    USERNAME_MIN,
    USERNAME_PATTERN,
)
from careers_users.validation.usernames import is_username, reserved_names
from careers_users.validation.web_address import is_web_address

# The addresses that AvatarUrl accepts, but for numeric hosts and which A-labels are
# valid: JSON Schema can't say those well.
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LAST_LABEL = r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
AVATAR_PATTERN = (
    rf"^([Hh][Tt][Tt][Pp][Ss]?://({_LABEL}\.){{0,3}}{_LAST_LABEL}\.?"
    r"(:0*[1-9][0-9]{0,3})?([/?#][!#-&(-;=?-\[\]_a-z~]*)?)?$"
)


class BodySchema(Schema):
    """The base of all schemas for what comes in: an unknown field is an error."""

    class Meta:
        unknown = RAISE


class Text(fields.String):
    """A string without NUL and lone surrogates, which not every database can hold.

    How many code points it has is looked at before anything else is done with it.
    """

    openapi: ClassVar[dict[str, Any]] = {}
    # The most code points that may come in. Normalising and trimming may leave fewer,
    # which a class may bound by less.
    raw_max: int

    def __init__(self, *, length: Length | None = None, **kwargs: Any) -> None:
        if length is not None:
            assert length.max is not None
            self.raw_max = length.max
            kwargs["validate"] = length
        assert self.raw_max
        super().__init__(**kwargs)
        self._raw_length = length or Length(max=self.raw_max)

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str) and len(value) > self.raw_max:
            self._raw_length(value)
        result: str = super()._deserialize(value, attr, data, **kwargs)
        if not characters.is_storable(result):
            raise ValidationError("NUL and lone surrogate characters are not allowed.")
        return self.checked(result)

    def checked(self, value: str) -> Any:
        """Return what the field loads; ValidationError for a text that it refuses."""
        return value


class Username(Text):
    """A name for a new account, kept as typed; some words are reserved."""

    openapi = {
        "description": "Unique whatever the case; shown as typed. Some words are "
        "reserved.",
        "minLength": USERNAME_MIN,
        "maxLength": USERNAME_MAX,
        "pattern": USERNAME_PATTERN,
    }
    raw_max = USERNAME_MAX

    def checked(self, value: str) -> str:
        if not is_username(value):
            raise ValidationError(
                f"Use {USERNAME_MIN} to {USERNAME_MAX} letters, digits, '_', '.' and "
                "'-'; start and end with a letter, a digit or '_'; no '..' and no '--'."
            )
        if value.lower() in reserved_names(current_app):
            raise ValidationError("This name is reserved.")
        return value


class Email(Text):
    """An e-mail address, trimmed; whether it receives mail is not asked."""

    openapi = {
        "description": "An e-mail address, unique whatever the case.",
        "format": "email",
        "maxLength": EMAIL_MAX,
    }
    raw_max = EMAIL_MAX * UNTRIMMED_FACTOR

    def checked(self, value: str) -> str:
        result = characters.trimmed(value)
        if not is_email(result, current_app.config["EMAIL_PRIVATE_DOMAINS"]):
            raise ValidationError("Not a valid email address.")
        return result


class NewPassword(Text):
    """A password to be set, as typed but for its normal form, which is C.

    Any characters, no composition rules (NIST SP 800-63B, section 5.1.1.2).
    """

    openapi = {
        "description": "Any characters; not the username or the e-mail address.",
        "format": "password",
        "minLength": PASSWORD_MIN,
        "maxLength": PASSWORD_MAX,
    }
    raw_max = PASSWORD_RAW_MAX

    def checked(self, value: str) -> str:
        result = text.nfc(value)
        Length(current_app.config["PASSWORD_MIN_LENGTH"], PASSWORD_MAX)(result)
        if password_blocklist.has(result):
            raise ValidationError("Too common: others would try it. Choose another.")
        return result


class _Written(Text):
    """A text of users about themselves: in normal form C, trimmed, visible."""

    longest: ClassVar[int]
    is_clean: ClassVar[Callable[[str], bool]]

    def checked(self, value: str) -> str:
        check_marks(value)
        result = characters.trimmed(text.nfc(value).replace("\r\n", "\n"))
        Length(max=self.longest)(result)
        if not type(self).is_clean(result):
            raise ValidationError("Control and invisible characters are not allowed.")
        if result and not characters.is_visible(result):
            raise ValidationError("There is nothing to be seen in it.")
        return result


class PersonName(_Written):
    """A first or last name: one trimmed line, no control or invisible characters."""

    openapi = {
        "description": "One line, trimmed; no control or invisible characters.",
        "maxLength": NAME_MAX,
    }
    longest = NAME_MAX
    raw_max = NAME_MAX * UNTRIMMED_FACTOR
    is_clean = characters.is_clean_line


class Bio(_Written):
    """Some lines about oneself, trimmed; no control or invisible characters."""

    openapi = {
        "description": "Trimmed; lines and tabs are allowed, control and invisible "
        "characters are not.",
        "maxLength": BIO_MAX,
    }
    longest = BIO_MAX
    raw_max = BIO_MAX * UNTRIMMED_FACTOR
    is_clean = characters.is_clean_text


def check_marks(value: str) -> None:
    """Raise ValidationError for more combining marks in a row than a language has."""
    if characters.has_too_many_marks(value):
        raise ValidationError(f"More than {characters.MARKS_MAX} marks on one letter.")


class AvatarUrl(fields.Field[str | None]):
    """The http or https address of a picture, never fetched; `null` or `""`: none."""

    openapi: ClassVar[dict[str, Any]] = {
        "description": 'The http or https URL of a picture; `null` or `""` clears it.',
        "type": "string",
        "maxLength": AVATAR_MAX,
        "pattern": AVATAR_PATTERN,
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_none=True, **kwargs)
        self._text = Text(length=Length(max=AVATAR_MAX))

    def _deserialize(
        self, value: Any, attr: Any, data: Any, **kwargs: Any
    ) -> str | None:
        result: str = self._text.deserialize(value)
        if result == "":
            return None
        if not is_web_address(result):
            raise ValidationError("Not a valid http or https URL.")
        return result


class Flag(fields.Boolean):
    """A JSON truth value, not a word or a number that might mean one."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("Not a valid boolean.")
        return value


class WholeNumber(fields.Field[int]):
    """A JSON integer, not a truth value, a float or a string, within bounds."""

    least: ClassVar[int]
    most: ClassVar[int]

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("Not a valid integer.")
        if not self.least <= value <= self.most:
            raise ValidationError(f"Must be from {self.least} to {self.most}.")
        return value


class UserId(WholeNumber):
    """The number of a user."""

    least, most = 1, ID_MAX
    openapi: ClassVar[dict[str, Any]] = {
        "description": "The `id` of a user.",
        "type": "integer",
        "minimum": least,
        "maximum": most,
    }


class Choice(Text):
    """One of a few words."""

    def __init__(self, choices: tuple[str, ...], **kwargs: Any) -> None:
        self.raw_max = max(map(len, choices))
        super().__init__(validate=OneOf(choices), **kwargs)


class Time(fields.AwareDateTime):
    """A moment in a reply: RFC 3339, UTC, whole seconds."""
