"""A replica as operators see it, and reads that are in its way."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import column, func, select, table

from careers_users import database
from careers_users.database import replica
from careers_users.observability import checks, database_checks, findings
from careers_users.settings import Settings, SettingsError
from tests import live_server
from tests.api import Api
from tests.conftest import driver_url
from tests.database.replica_pair import Pair, is_read_elsewhere


def test_a_read_in_the_way_of_the_replay_is_made_on_the_primary(
    pair: Pair, others: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pair.register("alice")
    live_server.until(partial(is_read_elsewhere, others))
    with others.app.app_context():
        copy = replica.current()
    assert copy is not None
    live_server.ask(pair.url, "CREATE TABLE doomed AS SELECT 1 AS x")
    pair.standby.catch_up()
    doomed = table("doomed", column("x"))
    slow = database.Query(
        select(doomed.c.x, func.pg_sleep(live_server.PATIENCE).label("slept"))
    )
    places: list[str] = []

    def view() -> list[str]:
        places.append(database.reader().url.render_as_string(False))
        if len(places) == 1:
            slow.all()
        return places

    with ThreadPoolExecutor(1) as pool, others.app.app_context():
        pool.submit(drop_when_it_is_read, pair)
        assert copy.read(view) == [pair.read_url, pair.url]
    assert "conflict with recovery" in caplog.text
    assert "not used" not in caplog.text


def drop_when_it_is_read(pair: Pair) -> None:
    """Drop a table, which the replica can't do while a transaction reads it there."""
    reading = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    live_server.until(lambda: live_server.ask(pair.read_url, reading))
    live_server.ask(pair.url, "DROP TABLE doomed")


def test_check_of_a_replica(pair: Pair, ones: Api) -> None:
    settings = pair.settings()

    def say(read_url: str | None) -> tuple[str, str]:
        asked = replace(settings, database_read_url=read_url)
        finding = database_checks.read_replica(ones.app, asked)
        return finding.state, finding.message

    assert say(None) == (findings.OK, "All is read from DATABASE_URL.")
    assert say(pair.read_url) == (findings.OK, "Reads that may lag go to a replica.")
    state, message = say(pair.url)
    assert (state, "no replica" in message) == (findings.WARNING, True)
    state, message = say(driver_url(pair.standby.url("template")))
    assert (state, "another database" in message) == (findings.ERROR, True)
    state, message = say("postgresql+psycopg://user:hush@127.0.0.1:1/name")
    assert (state, "can't be used" in message) == (findings.WARNING, True)
    assert "hush" not in message
    named = [each.name for each in checks.all_of(ones.app, settings)]
    assert "replica" in named


@pytest.mark.parametrize(
    ("url", "read_url"),
    [
        ("", "postgresql://host/name"),
        ("sqlite:////tmp/x.db", "postgresql://host/name"),
        ("postgresql://host/name", "sqlite:////tmp/x.db"),
    ],
)
def test_sqlite_has_no_replicas(
    url: str, read_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    (tmp_path / "url").touch(0o600)
    (tmp_path / "url").write_text(read_url)
    monkeypatch.setenv("DATABASE_READ_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match=r"DATABASE_READ_URL: Only PostgreSQL has"):
        Settings.from_env()


def test_a_replica_may_have_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    hosts = "postgresql://user@/name?host=a:5432&host=b:5433"
    monkeypatch.setenv("DATABASE_READ_URL", hosts)
    assert Settings.from_env().read_url.query == {"host": ("a:5432", "b:5433")}
