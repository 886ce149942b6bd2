"""The configurations of an application, on top of careers_users.settings."""

import os
from dataclasses import dataclass, field

from careers_users.settings import Settings


class Config(Settings):
    """The settings as the environment gives them: `Config.from_env()`."""


@dataclass(frozen=True, kw_only=True)
class TestConfig(Settings):
    """Settings for tests: give a `database_url` and a `jwt_secret_key`.

    Hashing is as weak as Argon2 allows, since a test suite signs in thousands of times.
    """

    # The name looks like a test case to pytest.
    __test__ = False

    argon2_memory_kib: int = 8
    argon2_time_cost: int = 1
    db_start_timeout: int = 0
    # Hundreds of users come from one address there; tests of the limits set them.
    ratelimit_enabled: bool = False
    # The whole suite can be run through PgBouncer: see CONTRIBUTING.md.
    db_pgbouncer: bool = field(
        default_factory=lambda: bool(os.environ.get("CAREERS_USERS_TEST_PGBOUNCER"))
    )
