"""Every setting of the service, its default and its limits, read from the environment.

`docs/configuration.md` explains each; a test keeps the two together.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, Self

from environs import EnvValidationError
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy.engine import URL, make_url

from careers_users.settings import mail, parsers, rates, secret_file
from careers_users.settings.rates import Rate
from careers_users.settings.variables import PREFIX, Variables
from careers_users.validation import password_blocklist
from careers_users.validation.limits import BASE_PATH, PASSWORD_MIN


class SettingsError(Exception):
    """One or more settings are wrong; the message names them all, a line each."""


def _setting(
    kind: str,
    default: Any,
    *,
    variable: str = "",
    is_secret: bool = False,
    is_required: bool = False,
    **options: Any,
) -> Any:
    """Return a field of Settings: the one place that says how a setting is read.

    `kind` is a method of the environment, or one of `parsers.PARSERS`, whose default
    is as the environment spells it. The variable is CAREERS_USERS_ and the field's
    name unless `variable` says otherwise. A required setting has a default in the
    environment alone.
    """
    parse = parsers.PARSERS.get(kind)
    value = MISSING if is_required else parse(default) if parse else default
    how = {"kind": kind, "variable": variable, "default": default, "options": options}
    how["is_secret"] = is_secret
    made: Any = field(default=value, repr=not is_secret, metadata=how)
    return made


def _number(default: int | None, low: int, high: int, variable: str = "") -> Any:
    return _setting("int", default, variable=variable, validate=Range(low, high))


def _text(default: str, variable: str = "") -> Any:
    return _setting("str", default, variable=variable, validate=Length(1, 255))


def _choice(default: str, *choices: str) -> Any:
    return _setting("str", default, validate=OneOf(choices))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one running service; `from_env()` is how it comes by them."""

    database_url: str = _setting(
        "database_url", "", variable="DATABASE_URL", is_secret=True, is_required=True
    )
    database_read_url: str | None = _setting(
        "replica_url", "", variable="DATABASE_READ_URL", is_secret=True
    )
    embedded: bool = False
    data_dir: Path = _setting("directory", "instance")
    jwt_secret_key: str = _setting("secret", "", is_secret=True, is_required=True)
    jwt_key_ring: Path | None = _setting("path_to", "")
    jwt_issuer: str = _text("careers_users")
    jwt_audience: str = _text("careers")
    public_reads: bool = _setting("bool", True)
    events_tokens: tuple[str, ...] = _setting("service_tokens", "", is_secret=True)
    events_retention_days: int = _number(30, 1, 3650)
    docs: bool = _setting("bool", True)

    refresh_rotation: str = _choice("optional", "off", "optional", "required")
    refresh_reuse_window: int = _number(10, 0, 30)
    username_reserved_days: int = _number(30, 0, 3650)
    follows_max: int = _number(0, 0, 10**9)
    audit_retention_days: int = _number(90, 1, 3650)
    email_private_domains: frozenset[str] = _setting("domains", "")
    password_min_length: int = _number(PASSWORD_MIN, PASSWORD_MIN, 64)
    password_blocklist: str = _setting("blocklist", password_blocklist.OFF)
    argon2_memory_kib: int = _number(19 * 1024, 7 * 1024, 1024**2)
    argon2_time_cost: int = _number(2, 1, 20)
    hash_concurrency: int | None = _number(None, 1, 256)  # see hashes_at_once

    ratelimit_enabled: bool = _setting("bool", True)
    ratelimit_login: Rate | None = _setting("rate", str(rates.LOGIN))
    ratelimit_login_address: Rate | None = _setting("rate", str(rates.LOGIN_ADDRESS))
    ratelimit_login_username: Rate | None = _setting("rate", str(rates.LOGIN_USERNAME))
    ratelimit_login_success: Rate | None = _setting("rate", str(rates.LOGIN_SUCCESS))
    ratelimit_register: Rate | None = _setting("rate", str(rates.REGISTER))
    ratelimit_refresh: Rate | None = _setting("rate", str(rates.REFRESH))
    ratelimit_password: Rate | None = _setting("rate", str(rates.PASSWORD))
    ratelimit_follow: Rate | None = _setting("rate", str(rates.FOLLOW))

    db_pool_size: int = _number(8, 1, 1000)
    db_pool_timeout: int = _number(5, 1, 60)
    db_connect_timeout: int = _number(5, 1, 60)
    db_start_timeout: int = _number(30, 0, 3600)
    db_lock_timeout: int = _number(5, 1, 60)
    db_statement_timeout: int = _number(30, 1, 3600)
    db_pgbouncer: bool = _setting("bool", False)
    db_read_max_lag: int = _number(10, 3, 3600)

    host: str = _text("127.0.0.1", "HOST")
    port: int = _number(8000, 0, 65535, "PORT")
    processes: int = _number(1, 1, 64)
    threads: int = _number(4, 1, 256)
    queue_timeout: int = _number(2, 1, 60)
    connection_limit: int = _number(1000, 10, 100_000)
    max_request_body_size: int = _number(64 * 1024, 1024, 64 * 1024)
    max_request_header_size: int = _number(16 * 1024, 4096, 256 * 1024)
    channel_timeout: int = _number(30, 1, 3600)
    trusted_proxy: tuple[str, ...] = _setting("trusted_proxies", "")
    trusted_proxy_count: int = _number(1, 1, 10)
    trusted_proxy_headers: frozenset[str] = _setting(
        "proxy_headers", "x-forwarded-for x-forwarded-proto"
    )
    drain_timeout: int = _number(20, 0, 600)

    mail: str = _setting("mail", "", is_secret=True)
    mail_from: str = _setting("sender", "")
    mail_templates: Path | None = _setting("path_to", "")
    link_url: str = _setting("link_url", "")
    locales: tuple[str, ...] = _setting("locales", "en")
    email_verification: str = _choice("off", "off", "optional")
    email_change: str = _choice("direct", "direct", "confirm")

    log_format: str = _choice("auto", "auto", "json", "text")
    log_level: str = _choice("INFO", "DEBUG", "INFO", "WARNING", "ERROR")
    metrics: bool = _setting("bool", False)
    cors_origins: frozenset[str] = _setting("origins", "")

    @property
    def url(self) -> URL:
        """Return the database's address, ready for SQLAlchemy."""
        return make_url(self.database_url)

    @property
    def sender(self) -> str:
        """Return the sender of mail; for files one without a mailbox will do."""
        return self.mail_from or "Careers <careers@localhost>"

    @property
    def link_page(self) -> str:
        """Return the page that links in mail lead to."""
        host = {"0.0.0.0": "localhost", "::": "localhost"}.get(self.host, self.host)
        host = f"[{host}]" if ":" in host else host
        return self.link_url or f"http://{host}:{self.port}{BASE_PATH}/email/confirm/"

    @property
    def hashes_at_once(self) -> int:
        """Return how many passwords a process hashes at once: its share of cores."""
        return self.hash_concurrency or max(1, (os.cpu_count() or 1) // self.processes)

    @property
    def read_url(self) -> URL:
        """Return the address of the database's replica, which must be set."""
        return make_url(str(self.database_read_url))

    @property
    def is_sqlite(self) -> bool:
        """Return whether the database is SQLite (else it is PostgreSQL)."""
        return self.url.get_backend_name() == "sqlite"

    @classmethod
    def from_env(cls, *, create: bool = True) -> Self:
        """Read the settings from the environment; `NAME_FILE` names a file with one.

        Without DATABASE_URL the service is *embedded*: an SQLite database and a signing
        key of its own in CAREERS_USERS_DATA_DIR, both made when first needed; not with
        `create=False`, then the key is empty if there is none. Raises SettingsError,
        which names everything that is wrong at once.
        """
        env = Variables(_secrets())
        values = {
            name: getattr(env, how["kind"])(variable, how["default"], **how["options"])
            for name, variable, how in _read_from_environment()
        }
        env.refuse_replica_of_sqlite(values)
        env.refuse_chain_of_untrusted(values)
        if values["database_url"] is None and not env.str(f"{PREFIX}MAIL", ""):
            values["mail"] = mail.FILE
        env.refuse_mail_at_odds(values)
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(env.list_mistakes(error)) from None
        env.warn_of_unknown()
        if values["database_url"] is None:
            values["embedded"], data_dir = True, values["data_dir"]
            values["database_url"] = _embedded_database_url(data_dir, create)
            if not values["jwt_secret_key"] and not values["jwt_key_ring"]:
                values["jwt_secret_key"] = _own_key(data_dir, create)
        return cls(**values)


def _read_from_environment() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, variable and description of each setting that a variable sets."""
    for each in fields(Settings):
        if each.metadata:
            variable = each.metadata["variable"]
            yield (
                each.name,
                variable or f"{PREFIX}{each.name.upper()}",
                each.metadata,
            )


@cache
def _secrets() -> frozenset[str]:
    """Return the variables whose values are not for everybody to see."""
    read = _read_from_environment()
    return frozenset(variable for _, variable, how in read if how["is_secret"])


def variables() -> list[str]:
    """Return the names of all variables that are read."""
    return [variable for _, variable, _ in _read_from_environment()]


def _embedded_database_url(data_dir: Path, create: bool) -> str:
    try:
        if create:
            data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The data directory {data_dir} can't be made: {error.strerror}. Set "
            "CAREERS_USERS_DATA_DIR to one this user may write to."
        ) from error
    return URL.create(
        "sqlite", database=str(data_dir / "careers_users.db")
    ).render_as_string()


def _own_key(data_dir: Path, create: bool) -> str:
    path = data_dir / "jwt_secret_key"
    if not create and not path.exists():
        return ""
    try:
        return secret_file.read_or_create(path)
    except secret_file.SecretFileError as error:
        raise SettingsError(str(error)) from error
