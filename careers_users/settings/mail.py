"""The settings of mail: how their values are spelled, and which go together.

Each parser returns what the setting is, or raises ValidationError with what is wrong;
no message repeats a password.
"""

import re
from collections.abc import Iterator, Mapping
from email.headerregistry import Address
from email.utils import parseaddr
from typing import Any
from urllib.parse import SplitResult, urlsplit

from marshmallow import ValidationError

from careers_users.validation.limits import LOCALE_MAX

OFF, FILE = "off", "file"
# Their ports if the URL names none: RFC 6409 and RFC 8314, section 7.3.
SMTP_PORTS = {"smtp": 587, "smtps": 465}
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]+", re.ASCII)


def _mail(value: str) -> str:
    if value.lower() in ("", OFF, FILE):
        return value.lower() or OFF
    wrong = ValidationError(
        "Set it to off, file, smtp://user:password@host:587 or "
        "smtps://user:password@host:465; in user and password write %40 for @, %3A for "
        ": and %2F for /."
    )
    try:
        url = urlsplit(value)
        is_wrong = url.scheme not in SMTP_PORTS or not url.hostname or url.port == 0
    except ValueError:
        raise wrong from None
    has_more = url.path not in ("", "/") or url.query or url.fragment
    if is_wrong or has_more or not _VISIBLE.fullmatch(value):
        raise wrong
    if bool(url.username) != bool(url.password):
        raise ValidationError("Name both user and password, or neither.")
    return value


def _sender(value: str) -> str:
    name, address = parseaddr(value)
    try:
        if value and not Address(addr_spec=address).domain:
            raise ValueError
    except (ValueError, IndexError):
        raise _not_a_sender() from None
    # A part that parseaddr leaves out was not understood.
    if value and (not value.isprintable() or value.count("@") != 1 or not address):
        raise _not_a_sender()
    return value if name or not value else address


def _not_a_sender() -> ValidationError:
    return ValidationError("Write it as Careers <no-reply@example.com>.")


def _link_url(value: str) -> str:
    if not value:
        return ""
    try:
        url: SplitResult | None = urlsplit(value)
    except ValueError:
        url = None
    if (
        url is None
        or url.scheme not in ("http", "https")
        or not url.hostname
        or url.username is not None
        or "#" in value
        or not _VISIBLE.fullmatch(value)
        or set(value) & set('"<>\\^`{|}')
    ):
        raise ValidationError(
            "Set it to the page that links in mail lead to, without a fragment, as "
            "https://www.example.com/confirm/."
        )
    return value


def _locales(value: str) -> tuple[str, ...]:
    names = list(dict.fromkeys(value.replace(",", " ").split())) or ["en"]
    for name in names:
        if not _LOCALE.fullmatch(name) or len(name) > LOCALE_MAX:
            raise ValidationError(f"{name} is not a language tag, as en or pt-BR.")
    return tuple(names)


MAIL_PARSERS = {
    "mail": _mail,
    "sender": _sender,
    "link_url": _link_url,
    "locales": _locales,
}


def mistakes(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of each setting that does not go with the others, and why.

    A value that can't be read at all is None, and is not looked at.
    """
    mail = values["mail"]
    if mail is None:
        return
    if mail == OFF:
        for name, default in (("email_verification", OFF), ("email_change", "direct")):
            if values[name] not in (None, default):
                yield name, "It needs mail: set CAREERS_USERS_MAIL too."
    if mail not in (OFF, FILE):
        for name in ("mail_from", "link_url"):
            if values[name] == "":
                yield name, "It must be set where CAREERS_USERS_MAIL is a mail server."
