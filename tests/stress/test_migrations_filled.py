"""Migrations. Of databases full of rows: there and back, killed, beside older code."""

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from alembic.script import ScriptDirectory

from careers_users.database import schema_version
from careers_users.validation.words import MARK
from tests import live_server, postgres
from tests.api import PASSWORD
from tests.conftest import KINDS, driver_url
from tests.live_server import KEY
from tests.stress.filled import (
    add_person,
    api_on,
    assert_same,
    current,
    fill,
    migrate,
    snapshot,
)
from tests.stress.test_release_before import BEFORE

REVISIONS = [
    script.revision
    for script in ScriptDirectory(
        str(schema_version.migrations_directory())
    ).walk_revisions()
][::-1]
FIRST, NEWEST = REVISIONS[0], REVISIONS[-1]
OLD_TEXTS = f"SELECT 1 FROM users WHERE search_text NOT LIKE '%{MARK}%'"
# The console command, killed (kill -9) as it is about to say its nth statement, or to
# commit if that comes first.
SUICIDE = """
import os, signal, sys
from sqlalchemy import Engine, event
left = int(sys.argv.pop(1))
def count(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(Engine, "before_cursor_execute", count)
event.listen(Engine, "commit", count)
from careers_users.__main__ import main
main()
"""
needs_postgresql = pytest.mark.skipif(
    "postgresql" not in KINDS,
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)


@pytest.fixture
def postgresql_url(postgresql: postgres.Server) -> Iterator[str]:
    """Yield the URL of a migrated database on PostgreSQL."""
    yield driver_url(postgresql.create("alone", "template"))
    postgresql.drop("alone")


def plain(url: str) -> str:
    """Return a PostgreSQL URL as psycopg reads it."""
    return url.replace("+psycopg", "")


def test_every_revision_filled_there_and_back(
    database_url: str, figures: dict[str, str]
) -> None:
    """Every revision can be taken back and applied again, one by one, on a full
    database: all rows of the tables that stay are the same, counters exact, and rows
    that were written at any revision are found at the newest."""
    fill(database_url, 2_000)
    added: list[str] = []
    compared = 0
    for revision in [*REVISIONS[-2::-1], *REVISIONS[1:]]:
        before = snapshot(database_url)
        migrate(database_url, revision)
        assert current(database_url) == revision
        compared += assert_same(before, snapshot(database_url))
        added.append(f"no{len(added):02}_written_at_{revision}")
        add_person(database_url, added[-1])
        assert live_server.wrong_counters(database_url) == []
    if database_url.startswith("sqlite"):
        assert live_server.ask(database_url, "PRAGMA integrity_check") == [("ok",)]
        assert live_server.ask(database_url, "PRAGMA foreign_key_check") == []
    with api_on(database_url) as api:
        for name in added:
            found = api.get("", query_string={"search": name}).json["users"]
            assert [user["username"] for user in found] == [name]
        ann = {"username": "ann_of_old", "password": PASSWORD}
        assert api.post("login/", ann).status_code == 200
    figures["migrations"] = str(len(added))
    figures["rows compared"] = f"{compared:,}"

    migrate(database_url, "base")
    assert snapshot(database_url) == {}
    migrate(database_url, NEWEST)
    with api_on(database_url) as api:
        assert api.register("first_of_all").id == 1


def test_an_upgrade_killed_anywhere(
    database_url: str, tmp_path: Path, figures: dict[str, str]
) -> None:
    """An upgrade that is killed (kill -9) at any statement leaves the database at one
    of the revisions (SQLite: at the first or the last), perhaps with some texts still
    to be written anew, and goes on from there when it is run again."""
    fill(database_url, 1_000)
    migrate(database_url, FIRST)
    before, kills = snapshot(database_url), 0
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    command = (sys.executable, "-c", SUICIDE)
    for statement in itertools.count(3, 6):
        words = (str(statement), "db", "upgrade")
        ended = live_server.run(tmp_path, *words, command=command, **settings)
        if ended.returncode == 0:
            break
        assert ended.returncode == -9, ended.stderr
        kills += 1
        if current(database_url) == FIRST:
            assert snapshot(database_url) == before
        else:
            assert_same(before, snapshot(database_url))
        assert FIRST <= (current(database_url) or "") <= NEWEST
    assert kills > 1
    assert not live_server.ask(database_url, OLD_TEXTS)
    assert current(database_url) == NEWEST
    assert_same(before, snapshot(database_url))
    assert live_server.wrong_counters(database_url) == []
    figures["kills"] = str(kills)


@needs_postgresql
def test_an_upgrade_killed_while_it_waits(postgresql_url: str, tmp_path: Path) -> None:
    """An upgrade that waits for a table in use can be killed and run again, also while
    PostgreSQL has not noticed that it is gone."""
    fill(postgresql_url, 100)
    migrate(postgresql_url, FIRST)
    before = snapshot(postgresql_url)
    settings = {"DATABASE_URL": postgresql_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    with psycopg.connect(plain(postgresql_url)) as holder:
        holder.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
        env = live_server.environment(settings)
        words = [*live_server.COMMAND, "db", "upgrade"]
        upgrade = subprocess.Popen(words, cwd=tmp_path, env=env, stderr=-3)
        live_server.until(lambda: live_server.ask(postgresql_url, waiting))
        upgrade.kill()
        upgrade.wait(live_server.PATIENCE)
    again = live_server.run(tmp_path, "db", "upgrade", **settings)
    assert again.returncode == 0, again.stderr
    assert current(postgresql_url) == NEWEST
    assert_same(before, snapshot(postgresql_url))


@needs_postgresql
def test_an_upgrade_among_users(postgresql_url: str, figures: dict[str, str]) -> None:
    """An upgrade from the release before succeeds while users change their profiles
    and read others': they wait for it a while, and never in a circle with it."""
    fill(postgresql_url, 3_000)
    migrate(postgresql_url, BEFORE)
    is_over = threading.Event()

    def go_on(*statements: LiteralString) -> int:
        done = 0
        with psycopg.connect(plain(postgresql_url)) as connection:
            while not is_over.is_set():
                with connection.transaction():
                    for statement in statements:
                        connection.execute(statement)
                done += 1
        return done

    lock = "SELECT 1 FROM users WHERE id = 1 FOR UPDATE"
    change = "UPDATE users SET bio = bio WHERE id = 1"
    numbers = "SELECT count(*) FROM user_counters JOIN users ON users.id = user_id"
    profile = "SELECT count(*) FROM users JOIN user_counters ON users.id = user_id"
    with ThreadPoolExecutor() as pool:
        people = [
            pool.submit(go_on, *words)
            for words in ((lock, change), (numbers,), (profile,), (numbers, profile))
        ]
        try:
            migrate(postgresql_url, NEWEST)
        finally:
            is_over.set()
        done = [person.result() for person in people]
    assert current(postgresql_url) == NEWEST
    assert all(done)
    assert live_server.wrong_counters(postgresql_url) == []
    figures["transactions meanwhile"] = f"{sum(done):,}"


@needs_postgresql
def test_an_upgrade_that_gives_way(postgresql_url: str) -> None:
    """An upgrade that can't have a table within a second lets all others pass, tries
    again until it can, and leaves out no index."""
    migrate(postgresql_url, FIRST)
    waiting = (
        "SELECT query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    attempts: set[Any] = set()

    def has_tried_twice() -> bool:
        attempts.update(live_server.ask(postgresql_url, waiting))
        return len(attempts) > 1

    with ThreadPoolExecutor(1) as pool:
        with psycopg.connect(plain(postgresql_url)) as holder:
            holder.execute("LOCK TABLE users IN ROW EXCLUSIVE MODE")
            upgrade = pool.submit(migrate, postgresql_url, NEWEST)
            live_server.until(has_tried_twice)
        upgrade.result()
    assert current(postgresql_url) == NEWEST
    index = "SELECT 1 FROM pg_indexes WHERE indexname = 'ix_users_search_text_trgm'"
    extension = "SELECT 1 FROM pg_extension WHERE extname = 'pg_trgm'"
    there = [live_server.ask(postgresql_url, thing) for thing in (index, extension)]
    assert there[0] == there[1]


# ------------------------------------------------------------------ the release before
