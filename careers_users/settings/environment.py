"""Every setting of the service, its default and its limits, read from the environment.

`docs/configuration.md` explains each; a test keeps the two together.
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from environs import EnvValidationError, FileAwareEnv
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy.engine import URL, make_url

from careers_users.settings import parsers, rates, secret_file
from careers_users.settings.rates import Rate
from careers_users.validation import password_blocklist as validation_password_blocklist
from careers_users.validation.limits import PASSWORD_MIN

log = logging.getLogger(__name__)

ROTATIONS = ("off", "optional", "required")
LOG_FORMATS = ("auto", "json", "text")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


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

    def refuse_replica_of_sqlite(self, values: Mapping[str, Any]) -> None:
        """Count a replica of what can't have one among the mistakes."""
        url: str | None = values["database_url"]
        is_postgresql = url is not None and not url.startswith("sqlite")
        is_known = "DATABASE_URL" not in self._errors
        if values["database_read_url"] and is_known and not is_postgresql:
            self._errors["DATABASE_READ_URL"].append(
                "Only PostgreSQL has replicas: set DATABASE_URL to its primary."
            )

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
    database_read_url: str | None = field(default=None, repr=False)
    embedded: bool = False
    jwt_secret_key: str = field(repr=False)
    jwt_key_ring: Path | None = None
    jwt_issuer: str = "careers_users"
    jwt_audience: str = "careers"
    public_reads: bool = True
    events_tokens: tuple[str, ...] = field(default=(), repr=False)
    events_retention_days: int = 30
    docs: bool = True
    refresh_rotation: str = "optional"
    refresh_reuse_window: int = 10
    username_reserved_days: int = 30
    audit_retention_days: int = 90

    argon2_memory_kib: int = 19 * 1024
    argon2_time_cost: int = 2
    hash_concurrency: int | None = None  # see hashes_at_once

    email_private_domains: frozenset[str] = frozenset()
    password_min_length: int = PASSWORD_MIN
    password_blocklist: str = validation_password_blocklist.OFF

    ratelimit_enabled: bool = True
    ratelimit_login: Rate | None = rates.LOGIN
    ratelimit_login_address: Rate | None = rates.LOGIN_ADDRESS
    ratelimit_login_username: Rate | None = rates.LOGIN_USERNAME
    ratelimit_login_success: Rate | None = rates.LOGIN_SUCCESS
    ratelimit_register: Rate | None = rates.REGISTER
    ratelimit_refresh: Rate | None = rates.REFRESH
    ratelimit_password: Rate | None = rates.PASSWORD
    ratelimit_follow: Rate | None = rates.FOLLOW

    db_pool_size: int = 8
    db_pool_timeout: int = 5
    db_connect_timeout: int = 5
    db_start_timeout: int = 30
    db_lock_timeout: int = 5
    db_statement_timeout: int = 30
    db_pgbouncer: bool = False
    db_read_max_lag: int = 10

    host: str = "127.0.0.1"
    port: int = 8000
    processes: int = 1
    threads: int = 4
    queue_timeout: int = 2
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

    log_format: str = "auto"
    log_level: str = "INFO"
    metrics: bool = False
    cors_origins: frozenset[str] = frozenset()

    @property
    def url(self) -> URL:
        """The database's address, ready for SQLAlchemy."""
        return make_url(self.database_url)

    @property
    def hashes_at_once(self) -> int:
        """How many passwords each process verifies at once: its share of the cores."""
        return self.hash_concurrency or max(1, (os.cpu_count() or 1) // self.processes)

    @property
    def read_url(self) -> URL:
        """The address of the database's replica, which must be set."""
        return make_url(str(self.database_read_url))

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
        for name, parse in parsers.PARSERS.items():
            env.add_parser(name, parse)
        values = _read_service(env) | _read_accounts(env) | _read_rates(env)
        values |= _read_database(env) | _read_server(env) | _read_operation(env)
        env.refuse_replica_of_sqlite(values)
        data_dir = Path(env.str("CAREERS_USERS_DATA_DIR", "instance")).resolve()
        try:
            env.seal()
        except EnvValidationError as error:
            raise SettingsError(_list_mistakes(error)) from None
        env.warn_of_unknown()
        if values["database_url"] is None:
            values["embedded"] = True
            values["database_url"] = _embedded_database_url(data_dir, create)
            if not values["jwt_secret_key"] and not values["jwt_key_ring"]:
                values["jwt_secret_key"] = _own_key(data_dir, create)
        return cls(**values)


def _read_service(env: _Environment) -> dict[str, Any]:
    return {
        "database_url": env.database_url("DATABASE_URL", ""),
        "database_read_url": env.replica_url("DATABASE_READ_URL", ""),
        "jwt_secret_key": env.secret("CAREERS_USERS_JWT_SECRET_KEY", ""),
        "jwt_key_ring": env.path_to("CAREERS_USERS_JWT_KEY_RING", ""),
        "jwt_issuer": env.str(
            "CAREERS_USERS_JWT_ISSUER", "careers_users", validate=Length(1, 255)
        ),
        "jwt_audience": env.str(
            "CAREERS_USERS_JWT_AUDIENCE", "careers", validate=Length(1, 255)
        ),
        "public_reads": env.bool("CAREERS_USERS_PUBLIC_READS", True),
        "events_tokens": env.service_tokens("CAREERS_USERS_EVENTS_TOKENS", ""),
        "events_retention_days": _int(
            env, "CAREERS_USERS_EVENTS_RETENTION_DAYS", 30, 1, 3650
        ),
        "docs": env.bool("CAREERS_USERS_DOCS", True),
    }


def _read_accounts(env: _Environment) -> dict[str, Any]:
    return {
        "refresh_rotation": env.str(
            "CAREERS_USERS_REFRESH_ROTATION", "optional", validate=OneOf(ROTATIONS)
        ),
        "refresh_reuse_window": _int(
            env, "CAREERS_USERS_REFRESH_REUSE_WINDOW", 10, 0, 30
        ),
        "username_reserved_days": _int(
            env, "CAREERS_USERS_USERNAME_RESERVED_DAYS", 30, 0, 3650
        ),
        "audit_retention_days": _int(
            env, "CAREERS_USERS_AUDIT_RETENTION_DAYS", 90, 1, 3650
        ),
        "email_private_domains": env.domains("CAREERS_USERS_EMAIL_PRIVATE_DOMAINS", ""),
        "password_min_length": _int(
            env, "CAREERS_USERS_PASSWORD_MIN_LENGTH", PASSWORD_MIN, PASSWORD_MIN, 64
        ),
        "password_blocklist": env.blocklist(
            "CAREERS_USERS_PASSWORD_BLOCKLIST", validation_password_blocklist.OFF
        ),
        "argon2_memory_kib": _int(
            env, "CAREERS_USERS_ARGON2_MEMORY_KIB", 19 * 1024, 7 * 1024, 1024**2
        ),
        "argon2_time_cost": _int(env, "CAREERS_USERS_ARGON2_TIME_COST", 2, 1, 20),
        "hash_concurrency": _int(env, "CAREERS_USERS_HASH_CONCURRENCY", None, 1, 256),
    }


def _read_rates(env: _Environment) -> dict[str, Any]:
    return {
        "ratelimit_enabled": env.bool("CAREERS_USERS_RATELIMIT_ENABLED", True),
        "ratelimit_login": env.rate("CAREERS_USERS_RATELIMIT_LOGIN", str(rates.LOGIN)),
        "ratelimit_login_address": env.rate(
            "CAREERS_USERS_RATELIMIT_LOGIN_ADDRESS", str(rates.LOGIN_ADDRESS)
        ),
        "ratelimit_login_username": env.rate(
            "CAREERS_USERS_RATELIMIT_LOGIN_USERNAME", str(rates.LOGIN_USERNAME)
        ),
        "ratelimit_login_success": env.rate(
            "CAREERS_USERS_RATELIMIT_LOGIN_SUCCESS", str(rates.LOGIN_SUCCESS)
        ),
        "ratelimit_register": env.rate(
            "CAREERS_USERS_RATELIMIT_REGISTER", str(rates.REGISTER)
        ),
        "ratelimit_refresh": env.rate(
            "CAREERS_USERS_RATELIMIT_REFRESH", str(rates.REFRESH)
        ),
        "ratelimit_password": env.rate(
            "CAREERS_USERS_RATELIMIT_PASSWORD", str(rates.PASSWORD)
        ),
        "ratelimit_follow": env.rate(
            "CAREERS_USERS_RATELIMIT_FOLLOW", str(rates.FOLLOW)
        ),
    }


def _read_database(env: _Environment) -> dict[str, Any]:
    return {
        "db_pool_size": _int(env, "CAREERS_USERS_DB_POOL_SIZE", 8, 1, 1000),
        "db_pool_timeout": _int(env, "CAREERS_USERS_DB_POOL_TIMEOUT", 5, 1, 60),
        "db_connect_timeout": _int(env, "CAREERS_USERS_DB_CONNECT_TIMEOUT", 5, 1, 60),
        "db_start_timeout": _int(env, "CAREERS_USERS_DB_START_TIMEOUT", 30, 0, 3600),
        "db_lock_timeout": _int(env, "CAREERS_USERS_DB_LOCK_TIMEOUT", 5, 1, 60),
        "db_statement_timeout": _int(
            env, "CAREERS_USERS_DB_STATEMENT_TIMEOUT", 30, 1, 3600
        ),
        "db_pgbouncer": env.bool("CAREERS_USERS_DB_PGBOUNCER", False),
        "db_read_max_lag": _int(env, "CAREERS_USERS_DB_READ_MAX_LAG", 10, 3, 3600),
    }


def _read_server(env: _Environment) -> dict[str, Any]:
    return {
        "host": env.str("HOST", "127.0.0.1", validate=Length(1, 255)),
        "port": _int(env, "PORT", 8000, 0, 65535),
        "processes": _int(env, "CAREERS_USERS_PROCESSES", 1, 1, 64),
        "threads": _int(env, "CAREERS_USERS_THREADS", 4, 1, 256),
        "queue_timeout": _int(env, "CAREERS_USERS_QUEUE_TIMEOUT", 2, 1, 60),
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


def _read_operation(env: _Environment) -> dict[str, Any]:
    return {
        "log_format": env.str(
            "CAREERS_USERS_LOG_FORMAT", "auto", validate=OneOf(LOG_FORMATS)
        ),
        "log_level": env.str(
            "CAREERS_USERS_LOG_LEVEL", "INFO", validate=OneOf(LOG_LEVELS)
        ),
        "metrics": env.bool("CAREERS_USERS_METRICS", False),
        "cors_origins": env.origins("CAREERS_USERS_CORS_ORIGINS", ""),
    }


def _int(
    env: _Environment, name: str, default: int | None, low: int, high: int
) -> int | None:
    return env.int(name, default, validate=Range(low, high))


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
