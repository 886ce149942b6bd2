"""Reads from a replica: others' changes may come later, one's own never do.

The replica is a real one, which follows the server of the tests by streaming and is
told to fall behind.
"""

import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import column, func, select, table

from careers_users import create_app, database
from careers_users.database import replica
from careers_users.extensions import db
from careers_users.observability import checks, database_checks, findings
from careers_users.settings import Settings, SettingsError
from config import TestConfig
from tests import live_server, postgres, postgres_replica
from tests.api import Account, Api
from tests.conftest import KEY, driver_url
from tests.profile.test_statements import statements

pytestmark = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)
LONG = 3600  # Seconds: no test takes as long as that.
MADE_LONG_AGO = "UPDATE {} SET changed_at = now() - interval '1 day'"


@pytest.fixture(scope="module")
def standby(
    postgresql: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[postgres_replica.Replica]:
    """A replica of the server of the tests."""
    if postgresql.programs is None:
        pytest.skip("the server of TEST_DATABASE_URL is not ours to make a replica of")
    with postgres_replica.replica(
        postgresql, tmp_path_factory.mktemp("replica")
    ) as started:
        # Reads that are in the way of the replay are cancelled soon.
        started.configure(max_standby_streaming_delay="100ms")
        yield started


@dataclass
class Pair:
    """A database with its replica, and applications that use both."""

    name: str
    standby: postgres_replica.Replica

    @property
    def url(self) -> str:
        """The URL of the database itself."""
        return driver_url(self.standby.primary.url(self.name))

    @property
    def read_url(self) -> str:
        """The URL of its replica."""
        return driver_url(self.standby.url(self.name))

    def settings(self, max_lag: int = LONG) -> TestConfig:
        """The settings of an instance."""
        return TestConfig(
            database_url=self.url,
            database_read_url=self.read_url,
            db_read_max_lag=max_lag,
            jwt_secret_key=KEY,
        )

    def api(self, max_lag: int = LONG) -> Api:
        """A client of an instance of its own."""
        return Api(create_app(self.settings(max_lag)))

    def fall_behind(self, *apis: Api) -> None:
        """Replay nothing more, once these instances have read from the replica."""
        for api in apis:
            live_server.until(partial(is_read_elsewhere, api))
        self.standby.pause()

    def register(self, *names: str) -> list[Account]:
        """Users who have done nothing for long, as far as the replica knows too."""
        api = self.api()
        accounts = [api.register(name) for name in names]
        for changed in ("users", "user_counters"):
            live_server.ask(self.url, MADE_LONG_AGO.format(changed))
        self.standby.catch_up()
        close(api.app)
        return accounts


def is_read_elsewhere(api: Api) -> bool:
    """Whether a read takes nothing from the primary but a mark, now and then."""
    with statements(api) as primary:
        api.get("")
    return all("pg_current_wal" in text for text in primary)


def close(app: Flask) -> None:
    """Give up the connections of an application."""
    with app.app_context():
        db.engine.dispose()
        copy = replica.current()
        assert copy is not None
        copy.engine.dispose()


@pytest.fixture
def pair(
    standby: postgres_replica.Replica, request: pytest.FixtureRequest
) -> Iterator[Pair]:
    """An empty, migrated database on both servers."""
    name = f"replicated_{request.node.name}"[:60]
    standby.primary.create(name, "template")
    standby.catch_up()
    yield Pair(name, standby)
    if standby.pid is None:
        standby.start()
    standby.resume()
    standby.primary.drop(name)


@pytest.fixture
def ones(pair: Pair) -> Iterator[Api]:
    """An instance."""
    api = pair.api()
    yield api
    close(api.app)


@pytest.fixture
def others(pair: Pair) -> Iterator[Api]:
    """Another instance, which knows nothing of what the first has done."""
    api = pair.api()
    yield api
    close(api.app)


def lists(api: Api, path: str, token: str | None) -> list[str]:
    """The names in a list of users."""
    reply = api.get(path, token=token).json
    return [card["username"] for card in reply.get("users", reply.get("results"))]


def test_changes_of_others_come_later(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    ones.patch("me/", {"first_name": "Alicia"}, token=alice.access)
    for api in (ones, others):
        assert api.get("alice/").json["first_name"] == ""
        assert api.get("alice/", token=bob.access).json["first_name"] == ""
        assert lists(api, "?search=alicia", None) == []
    pair.standby.resume()
    pair.standby.catch_up()
    for api in (ones, others):
        assert api.get("alice/").json["first_name"] == "Alicia"
        assert lists(api, "?search=alicia", bob.access) == ["alice"]


def test_own_changes_are_read_back_at_once(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    ones.patch("me/", {"first_name": "Alicia"}, token=alice.access)
    ones.post("follow/", {"following": bob.id}, token=alice.access)
    for api in (others, ones):
        mine = alice.access
        assert api.get("alice/", token=mine).json["first_name"] == "Alicia"
        assert api.get("alice/", token=mine).json["following_count"] == 1
        assert api.get("alice/stats/", token=mine).json["following_count"] == 1
        assert api.get("bob/", token=mine).json["followers_count"] == 1
        assert lists(api, "?search=alicia", mine) == ["alice"]
        assert lists(api, "bob/followers/", mine) == ["alice"]
        assert lists(api, "alice/following/", mine) == ["bob"]
        assert api.get("following/", token=mine).json["count"] == 1
        cards = {card["id"]: card for card in api.get("", token=mine).json["users"]}
        assert cards[bob.id]["is_following"] is True
        [stand] = api.get(f"relationships/?ids={bob.id}", token=mine).json["results"]
        assert stand["following"] is True
        # Whoever is not the one does not know yet, but who is followed does.
        assert api.get("alice/stats/").json["following_count"] == 0
        assert api.get("followers/", token=bob.access).json["count"] == 1


def test_the_end_of_a_follow_is_read_back_at_once(
    pair: Pair, ones: Api, others: Api
) -> None:
    alice, bob = pair.register("alice", "bob")
    ones.post("follow/", {"following": bob.id}, token=alice.access)
    live_server.ask(pair.url, MADE_LONG_AGO.format("user_counters"))
    pair.standby.catch_up()
    pair.fall_behind(others)
    assert lists(others, "bob/followers/", alice.access) == ["alice"]
    ones.delete("me/followers/alice/", token=bob.access)
    assert lists(others, "bob/followers/", bob.access) == []
    assert lists(others, "bob/followers/", alice.access) == []
    assert lists(others, "bob/followers/", None) == ["alice"]


def test_who_has_just_registered_finds_themselves(
    pair: Pair, ones: Api, others: Api
) -> None:
    pair.register("bob")
    pair.fall_behind(others)
    alice = ones.register("alice")
    assert others.get("alice/", token=alice.access).status_code == 200
    assert lists(others, "", alice.access) == ["alice", "bob"]
    assert others.get("alice/").status_code == 404
    assert others.get("me/", token=alice.access).json["username"] == "alice"


def test_nothing_about_security_lags(pair: Pair, ones: Api, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    pair.fall_behind(ones, others)
    login = {"username": "alice", "password": alice.password}
    laptop = others.post("login/", login).json
    sessions = ones.get("me/sessions/", token=alice.access).json
    assert len(sessions["results"]) == 2
    ones.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    for api in (others, ones):
        for path in ("", "bob/", "bob/stats/", "bob/followers/", "me/", "following/"):
            assert api.get(path, token=alice.access).status_code == 401, path
        refused = api.post("token/refresh/", {"refresh": alice.refresh})
        assert refused.status_code == 401
        assert api.get("bob/", token=laptop["access"]).status_code == 200
    deactivate = "UPDATE users SET is_active = false WHERE username = 'bob'"
    live_server.ask(pair.url, deactivate)
    assert others.get("alice/", token=bob.access).status_code == 401


def test_a_walk_along_a_list_misses_nobody(pair: Pair, ones: Api, others: Api) -> None:
    star, *fans = pair.register("star", *(f"fan{number}" for number in range(6)))
    for fan in fans[:2]:
        ones.post("follow/", {"following": star.id}, token=fan.access)
    pair.standby.catch_up()
    pair.fall_behind(others)
    for fan in fans[2:]:
        ones.post("follow/", {"following": star.id}, token=fan.access)
    # The first page by who has just been followed, the rest by anybody.
    page = others.get("star/followers/?batch_size=2", token=star.access).json
    met = [card["username"] for card in page["results"]]
    while page["next"]:
        page = others.get(page["next"]).json
        met += [card["username"] for card in page["results"]]
    assert met == [fan.username for fan in reversed(fans)]


def test_all_reads_of_a_request_come_from_one_place(pair: Pair, others: Api) -> None:
    pair.register("alice")
    live_server.until(partial(is_read_elsewhere, others))
    with statements(others) as primary:
        assert others.get("?batch_number=5").json["batch_info"]["total_users"] == 1
    assert [text for text in primary if "pg_current_wal" not in text] == []


def test_the_price_is_one_statement_a_second(pair: Pair, others: Api) -> None:
    alice, bob = pair.register("alice", "bob")
    live_server.until(partial(is_read_elsewhere, others))
    began = time.monotonic()
    with statements(others) as primary:
        for _ in range(20):
            others.get("alice/", token=bob.access)
    checks = [text for text in primary if "token_version" in text]
    assert len(checks) == 20
    assert len(primary) - len(checks) <= 1 + time.monotonic() - began
    with statements(others) as primary:
        others.post("follow/", {"following": bob.id}, token=alice.access)
    assert len(primary) == 5, "no more than without a replica"


def test_too_far_behind_it_is_left_alone(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    pair.register("alice")
    api = pair.api(max_lag=3)
    pair.fall_behind(api)
    change = "UPDATE users SET first_name = 'Alicia' WHERE username = 'alice'"
    live_server.ask(pair.url, change)
    assert api.get("alice/").json["first_name"] == ""
    live_server.until(lambda: api.get("alice/").json["first_name"] == "Alicia")
    live_server.until(lambda: api.get("alice/") and "3 s behind" in caplog.text)
    assert "not used" in str(api.get("/health/ready").json["warnings"])
    assert api.get("/health/ready").status_code == 200
    pair.standby.resume()
    live_server.until(lambda: api.get("alice/") and "caught up" in caplog.text)
    lines = [line for line in caplog.messages if "replica" in line]
    assert len(lines) == 2, lines
    close(api.app)


def test_a_replica_that_is_gone_costs_no_reply(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    alice, _ = pair.register("alice", "bob")
    api = Api(create_app(replace(pair.settings(), metrics=True)))
    live_server.until(partial(is_read_elsewhere, api))
    assert metric(api) == "1.0"
    pair.standby.stop("immediate")
    for _ in range(5):
        assert api.get("bob/").status_code == 200
        assert lists(api, "", alice.access) == ["alice", "bob"]
    assert caplog.text.count("The replica is not used") == 1
    assert metric(api) == "0.0"
    pair.standby.start()
    live_server.until(lambda: "answers, and is used again" in caplog.text)
    live_server.until(partial(is_read_elsewhere, api))
    assert metric(api) == "1.0"
    close(api.app)


def metric(api: Api) -> str:
    """What /metrics says of the replica."""
    text = api.app.test_client().get("/metrics").text
    return text.rpartition("\ncareers_users_replica_in_use ")[2].partition("\n")[0]


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
    """Drop a table, which the replica can't do while somebody reads it there."""
    reading = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    live_server.until(lambda: live_server.ask(pair.read_url, reading))
    live_server.ask(pair.url, "DROP TABLE doomed")


def test_what_check_says_of_a_replica(pair: Pair, ones: Api) -> None:
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
    (tmp_path / "url").write_text(read_url)
    monkeypatch.setenv("DATABASE_READ_URL_FILE", str(tmp_path / "url"))
    with pytest.raises(SettingsError, match=r"DATABASE_READ_URL: Only PostgreSQL has"):
        Settings.from_env()


def test_a_replica_may_have_several_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/name")
    hosts = "postgresql://user@/name?host=a:5432&host=b:5433"
    monkeypatch.setenv("DATABASE_READ_URL", hosts)
    assert Settings.from_env().read_url.query == {"host": ("a:5432", "b:5433")}
