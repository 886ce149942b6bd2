"""The kinds of value that settings have, as the environment spells them.

Each function returns what the setting is, or raises ValidationError with what is wrong.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from marshmallow import ValidationError
from marshmallow.validate import OneOf
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from careers_users.settings import rates
from careers_users.settings.mail import MAIL_PARSERS
from careers_users.settings.rates import Rate
from careers_users.validation import password_blocklist
from careers_users.validation.limits import MINIMUM_KEY_BYTES

# RFC 6750, section 2.1: what can stand behind "Bearer".
_SERVICE_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
PROXY_HEADERS = "x-forwarded-for x-forwarded-proto forwarded".split()
_DOMAIN = re.compile(
    r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?", re.ASCII
)
_ORIGIN = re.compile(
    r"(?P<scheme>https?)://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
    r"(:(?P<port>[1-9][0-9]{0,4}))?",
    re.ASCII,
)


def normalise_database_url(value: str) -> str | None:
    """Return a database URL with the driver we use and, for SQLite, an absolute path.

    None if `value` is empty: not set. Raises ValidationError, without the URL's
    password in it, for anything but a file of SQLite or a PostgreSQL server.
    """
    if not value.strip():
        return None
    try:
        url = make_url(value.strip())
    except (ArgumentError, ValueError):
        raise ValidationError(
            "Not a database URL; it looks like postgresql://user:password@host/name."
        ) from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        url = url.set(drivername="postgresql+psycopg")
    elif url.get_backend_name() != "sqlite":
        raise ValidationError(
            "Only postgresql:// and sqlite:// databases are supported."
        )
    elif url.database in (None, "", ":memory:"):
        raise ValidationError(
            "An SQLite database needs a file: sqlite:////path/to/file.db"
        )
    else:
        path = str(Path(str(url.database)).resolve())
        url = url.set(drivername="sqlite", database=path)
    return url.render_as_string(hide_password=False)


def _replica_url(value: str) -> str | None:
    url = normalise_database_url(value)
    if url is not None and url.startswith("sqlite"):
        raise ValidationError("Only PostgreSQL has replicas.")
    return url


def check_secret(value: str) -> str:
    """Return a secret that is long enough, or empty; ValidationError otherwise."""
    if value and len(value.encode()) < MINIMUM_KEY_BYTES:
        raise ValidationError(
            f"Shorter than {MINIMUM_KEY_BYTES} bytes; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return value


def _service_tokens(value: str) -> tuple[str, ...]:
    tokens = value.replace(",", " ").split()
    for token in tokens:
        check_secret(token)
        if not _SERVICE_TOKEN.fullmatch(token):
            raise ValidationError(
                "A token has letters, digits and - . _ ~ + / (RFC 6750, section 2.1)."
            )
    return tuple(tokens)


def _blocklist(value: str) -> str:
    if value.lower() in (password_blocklist.OFF, password_blocklist.COMMON):
        return value.lower()
    try:
        password_blocklist.load(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None
    return str(Path(value).resolve())


def _absolute(value: str) -> Path | None:
    return Path(value).resolve() if value else None


def _directory(value: str) -> Path:
    return Path(value).resolve()


def _rate(value: str) -> Rate | None:
    try:
        return rates.parse(value)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _proxy_headers(value: str) -> frozenset[str]:
    names = value.lower().replace(",", " ").split()
    for name in names:
        OneOf(PROXY_HEADERS, error="{input} is none of: {choices}.")(name)
    if "forwarded" in names and len(names) > 1:
        raise ValidationError(
            "forwarded says all that the other headers do: name it alone, or not."
        )
    return frozenset(names)


def _domains(value: str) -> frozenset[str]:
    """Return names of domains in lower case, without the dot before them."""
    names = [name.removeprefix(".") for name in value.lower().replace(",", " ").split()]
    for name in names:
        if not _DOMAIN.fullmatch(name):
            raise ValidationError(
                f"{name} is not a domain: list names, as local or corp.internal."
            )
    return frozenset(names)


def _trusted_proxies(value: str) -> tuple[str, ...]:
    """Return addresses and networks in their usual form, or `*` alone."""
    names = value.replace(",", " ").split()
    if "*" in names:
        if len(names) > 1:
            raise ValidationError("* trusts every peer: name it alone, or not.")
        return ("*",)
    return tuple(map(_network, names))


def _network(name: str) -> str:
    try:
        network = ip_network(name)
    except ValueError as error:
        raise ValidationError(
            f"{error}: list addresses and networks, as 127.0.0.1 and 10.0.0.0/8."
        ) from None
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped and network.prefixlen >= 96:  # Peers have their IPv4 addresses here.
        network = ip_network((mapped, network.prefixlen - 96))
    is_one = network.prefixlen == network.max_prefixlen
    return str(network.network_address if is_one else network)


def _origins(value: str) -> frozenset[str]:
    """Return the origins in the form in which browsers send them (RFC 6454, 6.2)."""
    return frozenset(map(_origin, value.lower().replace(",", " ").split()))


def _origin(value: str) -> str:
    match = _ORIGIN.fullmatch(value)
    if match is None or int(match["port"] or 0) > 65535:
        raise ValidationError(
            f"{value} is not an origin: list exact ones, as https://www.example.com or "
            "http://localhost:3000, without path, user or wildcard."
        )
    # A browser leaves the scheme's own port out.
    is_default = (match["scheme"], match["port"]) in (("http", "80"), ("https", "443"))
    return value.rpartition(":")[0] if is_default else value


# By the names under which `Settings.from_env` asks for them.
PARSERS: Mapping[str, Callable[[str], Any]] = {
    "database_url": normalise_database_url,
    "replica_url": _replica_url,
    "secret": check_secret,
    "service_tokens": _service_tokens,
    "blocklist": _blocklist,
    "path_to": _absolute,
    "directory": _directory,
    "rate": _rate,
    "proxy_headers": _proxy_headers,
    "trusted_proxies": _trusted_proxies,
    "origins": _origins,
    "domains": _domains,
    **MAIL_PARSERS,
}
