"""The settings of connections, and where they are made, behind PgBouncer.

With CAREERS_USERS_TEST_PGBOUNCER=1 all tests go through a real one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from careers_users import create_app, database
from careers_users.database import engine as database_engine
from careers_users.extensions import db
from careers_users.observability import checks, database_checks, findings
from config import TestConfig
from tests import live_server, postgres
from tests.conftest import KEY, KINDS, driver_url

pytestmark = pytest.mark.skipif(
    "postgresql" not in KINDS, reason="PostgreSQL is left out"
)


@pytest.fixture
def url(postgresql: postgres.Server) -> Iterator[str]:
    """Yield the URL of a migrated PostgreSQL database, without PgBouncer between."""
    postgresql.create("direct", "template")
    url = driver_url(postgresql.url("direct"))
    # No limits of its own, whatever the tests have given the role.
    limits = ("statement_timeout", "lock_timeout", "jit")
    for limit in limits:
        value = "on" if limit == "jit" else "0"
        live_server.ask(url, f'ALTER DATABASE "{name(url)}" SET {limit} = {value}')
        live_server.ask(url, f"ALTER ROLE careers_users RESET {limit}")
    yield url
    postgresql.drop("direct")


def name(url: str) -> str:
    """Return the name of the database of a URL."""
    return url.rpartition("/")[2].partition("?")[0]


def configured(url: str, *, through_pgbouncer: bool) -> TestConfig:
    """Return the settings of a service that is told whether there is a PgBouncer."""
    settings = TestConfig(database_url=url, jwt_secret_key=KEY)
    return replace(settings, db_pgbouncer=through_pgbouncer)


@contextmanager
def made(settings: TestConfig) -> Iterator[Flask]:
    """Yield an application, current until the end of the block."""
    app = create_app(settings)
    with app.app_context():
        yield app
        db.engine.dispose()


def shown(where: Session | None, name: str) -> str:
    """Return one of the settings of the database."""
    statement = text(f"SHOW {name}")
    if where is not None:
        return str(where.execute(statement).scalar_one())
    with database.reader().connect() as connection:
        return str(connection.execute(statement).scalar_one())


@pytest.mark.parametrize("through_pgbouncer", [False, True])
def test_transactions_have_their_limits(url: str, through_pgbouncer: bool) -> None:
    limits = {"lock_timeout": "5s", "statement_timeout": "30s", "jit": "off"}
    limits["idle_in_transaction_session_timeout"] = "30s"
    with made(configured(url, through_pgbouncer=through_pgbouncer)):
        with db.session.begin():
            assert {key: shown(db.session(), key) for key in limits} == limits
        kept = {key: shown(None, key) for key in limits}
    # Nothing stays on a connection that may be another client's next.
    assert (kept == limits) is not through_pgbouncer
    assert (kept["statement_timeout"] == "0") is through_pgbouncer


def test_the_probe_leaves_nothing_behind(url: str) -> None:
    engine = database_engine.probing_engine(configured(url, through_pgbouncer=True), 2)
    with engine.connect() as connection:
        show = "SHOW statement_timeout"
        assert connection.exec_driver_sql(show).scalar_one() == "2s"
        connection.rollback()
        raw = connection.connection.driver_connection
        assert raw is not None
        assert raw.execute(show).fetchone() == ("0",)


def test_check_misses_the_timeouts_of_the_role(url: str) -> None:
    settings = configured(url, through_pgbouncer=True)
    with made(settings) as app:
        found = database_checks.timeouts(app, settings)
        assert (found.state, found.name) == (findings.WARNING, "timeouts")
        assert found in checks.at_start(app, settings)
    live_server.ask(url, f'ALTER DATABASE "{name(url)}" SET statement_timeout = 30000')
    with made(settings) as app:
        assert database_checks.timeouts(app, settings).state == findings.OK
        assert database_checks.timeouts(app, settings) not in checks.at_start(
            app, settings
        )


def test_a_url_may_name_several_hosts(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No process listens on one of them, as on a node that has failed."""
    _, _, place = url.partition("://")
    who, _, rest = place.partition("@")
    host, _, path = rest.partition("/")
    several = f"host=127.0.0.1:1&host={host}&target_session_attrs=read-write"
    monkeypatch.setenv("DATABASE_URL", f"postgresql://{who}@/{path}?{several}")
    monkeypatch.setenv("CAREERS_USERS_JWT_SECRET_KEY", KEY)
    settings = TestConfig.from_env()
    with made(settings) as app:
        assert app.test_client().get("/careers/users/").status_code == 200
        assert checks.all_of(app, settings)[-1].state == findings.OK
