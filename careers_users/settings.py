"""Every setting of the service, its default and its limits, read from the environment.

`docs/configuration.md` explains each; a test keeps the two together.
"""

import logging
import os
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from environs import EnvValidationError, FileAwareEnv
from marshmallow import ValidationError
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from careers_users import secret_file

log = logging.getLogger(__name__)

# RFC 7518, section 3.2: an HS256 key has at least as many bits as the hash.
MINIMUM_KEY_BYTES = 32
ACCESS_LIFETIME = timedelta(minutes=60)
REFRESH_LIFETIME = timedelta(days=7)
PROXY_HEADERS = (
    "x-forwarded-for x-forwarded-host x-forwarded-proto x-forwarded-port forwarded"
).split()


class SettingsError(Exception):
    """One or more settings are wrong; the message names them all, a line each."""


class _Environment(FileAwareEnv):
    """Counts an unreadable `NAME_FILE` among the mistakes; does not raise at once."""

    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            return super()._get_value(env_key, default)
        except (ValueError, OSError) as error:
            self._errors[f"{env_key}_FILE"].append(str(error))
            return default

    def warn_of_unknown(self) -> None:
        """Log the variables that look like settings of ours and are none."""
        known = {*self._fields, *(f"{name}_FILE" for name in self._fields)}
        for name in sorted(os.environ.keys() - known):
            if name.startswith("CAREERS_USERS_") and "_TEST_" not in name:
                log.warning("%s is not a setting of this version; ignored.", name)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one running service; `from_env()` is how it comes by them."""

    database_url: str = field(repr=False)
    embedded: bool = False
    jwt_secret_key: str = field(repr=False)
    jwt_issuer: str = "careers_users"
    jwt_audience: str = "careers"
    public_reads: bool = True

    argon2_memory_kib: int = 19 * 1024
    argon2_time_cost: int = 2
    hash_concurrency: int = field(default_factory=lambda: os.cpu_count() or 1)

    db_pool_size: int = 8
    db_pool_timeout: int = 5
    db_connect_timeout: int = 5
    db_lock_timeout: int = 5
    db_statement_timeout: int = 30
    db_pgbouncer: bool = False

    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = 1
    threads: int = 4
    connection_limit: int = 1000
    max_request_body_size: int = 64 * 1024
    max_request_header_size: int = 16 * 1024
    channel_timeout: int = 30
    trusted_proxy: str | None = None
    trusted_proxy_count: int = 1
    trusted_proxy_headers: frozenset[str] = frozenset(
        {"x-forwarded-for", "x-forwarded-proto"}
    )
    drain_timeout: int = 20

    @property
    def url(self) -> URL:
        """The database's address, ready for SQLAlchemy."""
        return make_url(self.database_url)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is SQLite (else it is PostgreSQL)."""
        return self.url.get_backend_name() == "sqlite"

    @classmethod
    def from_env(cls, *, create: bool = True) -> Self:
        """Read the settings from the environment; `NAME_FILE` names a file with one.

        Without DATABASE_URL the service is *embedded*: an SQLite database and a signing
        key of its own in CAREERS_USERS_DATA_DIR, both made when first needed; not with
        `create=False`, then the key is empty if there is none. Raises SettingsError,
        which names everything that is wrong at once.
        """
        env = _Environment(eager=False, strip_whitespace=True)
        env.add_parser("database_url", normalise_database_url)
        env.add_parser("secret", _check_secret)
        env.add_parser("proxy_headers", _parse_proxy_headers)
        values = _read_service(env) | _read_database(env) | _read_server(env)
        data_dir = Path(env.str("CAREERS_USERS_DATA_DIR", "instance")).resolve()
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(_list_mistakes(error)) from None
        env.warn_of_unknown()
        if values["database_url"] is None:
            values["embedded"] = True
            values["database_url"] = _embedded_database_url(data_dir, create)
            key = values["jwt_secret_key"] or _own_key(data_dir, create)
            values["jwt_secret_key"] = key
        return cls(**values)


def _read_service(env: _Environment) -> dict[str, Any]:
    return {
        "database_url": env.database_url("DATABASE_URL", ""),
        "jwt_secret_key": env.secret("CAREERS_USERS_JWT_SECRET_KEY", ""),
        "jwt_issuer": env.str(
            "CAREERS_USERS_JWT_ISSUER", "careers_users", validate=Length(1, 255)
        ),
        "jwt_audience": env.str(
            "CAREERS_USERS_JWT_AUDIENCE", "careers", validate=Length(1, 255)
        ),
        "public_reads": env.bool("CAREERS_USERS_PUBLIC_READS", True),
        "argon2_memory_kib": _int(
            env, "CAREERS_USERS_ARGON2_MEMORY_KIB", 19 * 1024, 7 * 1024, 1024**2
        ),
        "argon2_time_cost": _int(env, "CAREERS_USERS_ARGON2_TIME_COST", 2, 1, 20),
        "hash_concurrency": _int(
            env, "CAREERS_USERS_HASH_CONCURRENCY", os.cpu_count() or 1, 1, 256
        ),
    }


def _read_database(env: _Environment) -> dict[str, Any]:
    return {
        "db_pool_size": _int(env, "CAREERS_USERS_DB_POOL_SIZE", 8, 1, 1000),
        "db_pool_timeout": _int(env, "CAREERS_USERS_DB_POOL_TIMEOUT", 5, 1, 60),
        "db_connect_timeout": _int(env, "CAREERS_USERS_DB_CONNECT_TIMEOUT", 5, 1, 60),
        "db_lock_timeout": _int(env, "CAREERS_USERS_DB_LOCK_TIMEOUT", 5, 1, 60),
        "db_statement_timeout": _int(
            env, "CAREERS_USERS_DB_STATEMENT_TIMEOUT", 30, 1, 3600
        ),
        "db_pgbouncer": env.bool("CAREERS_USERS_DB_PGBOUNCER", False),
    }


def _read_server(env: _Environment) -> dict[str, Any]:
    return {
        "host": env.str("HOST", "127.0.0.1", validate=Length(1, 255)),
        "port": _int(env, "PORT", 8000, 0, 65535),
        "processes": _int(env, "CAREERS_USERS_PROCESSES", 1, 1, 64),
        "threads": _int(env, "CAREERS_USERS_THREADS", 4, 1, 256),
        "connection_limit": _int(
            env, "CAREERS_USERS_CONNECTION_LIMIT", 1000, 10, 100_000
        ),
        "max_request_body_size": _int(
            env, "CAREERS_USERS_MAX_REQUEST_BODY_SIZE", 64 * 1024, 1024, 64 * 1024
        ),
        "max_request_header_size": _int(
            env, "CAREERS_USERS_MAX_REQUEST_HEADER_SIZE", 16 * 1024, 4096, 256 * 1024
        ),
        "channel_timeout": _int(env, "CAREERS_USERS_CHANNEL_TIMEOUT", 30, 1, 3600),
        "trusted_proxy": env.str("CAREERS_USERS_TRUSTED_PROXY", None),
        "trusted_proxy_count": _int(env, "CAREERS_USERS_TRUSTED_PROXY_COUNT", 1, 1, 10),
        "trusted_proxy_headers": env.proxy_headers(
            "CAREERS_USERS_TRUSTED_PROXY_HEADERS", "x-forwarded-for x-forwarded-proto"
        ),
        "drain_timeout": _int(env, "CAREERS_USERS_DRAIN_TIMEOUT", 20, 0, 600),
    }


def _int(env: _Environment, name: str, default: int, low: int, high: int) -> int | None:
    return env.int(name, default, validate=Range(low, high))


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


def _check_secret(value: str) -> str:
    if value and len(value.encode()) < MINIMUM_KEY_BYTES:
        raise ValidationError(
            f"Shorter than {MINIMUM_KEY_BYTES} bytes; make one with: "
            'python -c "import secrets; print(secrets.token_urlsafe(48))"'
        )
    return value


def _parse_proxy_headers(value: str) -> frozenset[str]:
    names = value.lower().replace(",", " ").split()
    for name in names:
        OneOf(PROXY_HEADERS, error="{input} is none of: {choices}.")(name)
    return frozenset(names)


def _list_mistakes(error: EnvValidationError) -> str:
    mistakes = error.error_messages
    lines = [
        f"  {name}: {' '.join(map(str, texts))}"
        for name, texts in (mistakes.items() if isinstance(mistakes, dict) else ())
    ]
    return "These settings are wrong:\n" + "\n".join(lines or [f"  {mistakes}"])


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
