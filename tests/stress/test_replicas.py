"""Read replicas. One that lags, stops, hangs, dies and comes back under load."""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import pytest

from tests import live_server, postgres, postgres_replica
from tests.conftest import driver_url, migrate
from tests.live_server import PASSWORDS
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Outcome

pytestmark = pytest.mark.skipif(
    "postgresql" not in os.environ.get("CAREERS_USERS_TEST_DATABASES", "postgresql"),
    reason="CAREERS_USERS_TEST_DATABASES leaves PostgreSQL out",
)
LATE = "500ms"  # How far behind the replica is.
FOUND_OUT = 3  # Seconds.
WRITERS = 3
_numbers = count(1)


@pytest.fixture(scope="module")
def standby(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[postgres_replica.Replica]:
    """Yield a server that is half a second behind one of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_DATABASE_URL", raising=False)
        folder = tmp_path_factory.mktemp("primary")
        with postgres.server(folder) as primary:
            migrate(driver_url(primary.create("template")))
            with postgres_replica.replica(primary, folder) as replica:
                replica.configure(recovery_min_apply_delay=LATE)
                yield replica


@pytest.fixture
def name(standby: postgres_replica.Replica) -> Iterator[str]:
    """Yield the name of an empty, migrated database on both servers."""
    name = f"stress_{next(_numbers)}"
    standby.primary.create(name, "template")
    standby.catch_up()
    yield name
    if standby.frozen:
        standby.thaw()
    for server in (standby.primary, standby):
        if server.pid is None:
            server.start()
    standby.resume()
    standby.primary.drop(name)


class Owner:
    """Changes what is theirs, and reads it back at once over another connection."""

    def __init__(self, port: int, username: str, star: str) -> None:
        self.username, self.star = username, star
        self.rounds = 0
        self.wrong: list[str] = []
        self._port, self._bio = port, ""
        with Caller(port) as caller:
            self._token = caller.register(username).body["access"]

    def __call__(self, caller: Caller) -> Iterable[Outcome]:
        """Follow, change the profile, stop following; look each time."""
        self.rounds += 1
        changes: list[tuple[str, str, Any]] = [
            ("POST", "follow/", {"username": self.star}),
            ("PATCH", "me/", {"bio": f"round {self.rounds} of {self.username}"}),
            ("DELETE", f"{self.star}/unfollow/", None),
        ]
        with Caller(self._port) as elsewhere:  # Perhaps the other process.
            for method, path, body in changes:
                yield caller.call(method, path, body, self._token)
                self._bio = (body or {}).get("bio", self._bio)
                yield from self._look(elsewhere)
                yield from self._look_at_star(elsewhere, method != "DELETE")

    def _look(self, elsewhere: Caller) -> Iterable[Outcome]:
        profile = elsewhere.call("GET", f"{self.username}/", None, self._token)
        yield profile
        self._expect(self._bio, profile.body["bio"])
        search = f"?search={(self._bio or self.username).replace(' ', '+')}"
        found = elsewhere.call("GET", search, None, self._token)
        yield found
        self._expect(1, len(found.body["users"]))

    def _look_at_star(self, elsewhere: Caller, follows: bool) -> Iterable[Outcome]:
        search = f"?search={self.star}&batch_size=1"
        card = elsewhere.call("GET", search, None, self._token)
        yield card
        self._expect(follows, card.body["users"][0]["is_following"])
        mine = elsewhere.call("GET", "following/", None, self._token)
        yield mine
        self._expect(int(follows), mine.body["count"])

    def _expect(self, wanted: object, found: object) -> None:
        if wanted != found:
            self.wrong.append(f"{wanted!r} became {found!r} in round {self.rounds}")


@pytest.mark.quick
def test_own_changes_are_read_back_at_once(
    standby: postgres_replica.Replica,
    name: str,
    serve: Serve,
    figures: dict[str, str],
    whole: bool,
) -> None:
    """With a replica that is half a second behind, users read back at once whatever
    they change, in both processes; others see it within a second of its being there."""
    server = replicated(serve, standby, name)
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
        standby.catch_up()
        owners = [Owner(server.port, f"owner{n}", "star") for n in range(WRITERS)]
        with Load(server.port, *owners, strangers) as load:
            load.wait_for(1200 if whole else 300)
        patched = caller.register("late").body["access"]
        standby.catch_up()
        # The process that answers here has perhaps not read from the replica until now,
        # and finds out first how far that is.
        begun = time.monotonic()
        while time.monotonic() < begun + FOUND_OUT:
            assert caller.call("GET", "late/").status == 200
        caller.call("PATCH", "me/", {"bio": "changed"}, patched)
        changed, views = time.monotonic(), set()
        while "changed" not in views:
            views.add(caller.call("GET", "late/").body["bio"])
        others = time.monotonic() - changed
    assert {*load.statuses()} <= {200, 201, 404}
    assert [wrong for owner in owners for wrong in owner.wrong] == []
    assert "" in views, "it was read from the replica"
    figures["changes read back"] = f"{sum(owner.rounds for owner in owners) * 3:,}"
    figures["others saw a change after"] = f"{others:.1f} s"


@pytest.mark.quick
def test_a_logout_works_at_once(
    standby: postgres_replica.Replica,
    name: str,
    serve: Serve,
    figures: dict[str, str],
    whole: bool,
) -> None:
    """No token of a session that is over is taken by either process, though the replica
    has not heard of it."""
    server = replicated(serve, standby, name)
    asked = 0
    with Caller(server.port) as caller, Caller(server.port) as other:
        assert caller.register("alice").status == 201
        standby.catch_up()
        standby.pause()
        for _ in range(20 if whole else 6):
            login = {"username": "alice", "password": PASSWORDS["password"]}
            session = caller.call("POST", "login/", login).body
            paths = ("", "alice/", "me/", "followers/", "alice/stats/")
            for path in paths:
                assert other.call("GET", path, None, session["access"]).status == 200
            token = session.pop("access")
            ended = caller.call(
                "POST", "logout/", {"refresh": session["refresh"]}, token
            )
            assert ended.status == 200
            for path in paths:
                for each in (caller, other):
                    asked += 1
                    assert each.call("GET", path, None, token).status == 401
            # Dial again, to be answered by whichever process is quicker.
            other.close()
    figures["tokens refused"] = str(asked)


@pytest.mark.parametrize("how", ["killed", "paused", "frozen"])
def test_the_replica_fails_and_comes_back(
    how: str,
    standby: postgres_replica.Replica,
    name: str,
    serve: Serve,
    figures: dict[str, str],
) -> None:
    """A replica that is killed, far behind or frozen costs no reply under load:
    the primary answers, and the replica again once it is back."""
    server = replicated(serve, standby, name, CAREERS_USERS_DB_READ_MAX_LAG="3")
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
    standby.catch_up()
    owner = Owner(server.port, "owner", "star")
    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "killed": (lambda: standby.stop("immediate"), standby.start),
        "paused": (standby.pause, standby.resume),
        "frozen": (standby.freeze, standby.thaw),
    }
    fail, recover = ways[how]
    with Load(server.port, owner, *[strangers] * WRITERS) as load:
        load.wait_for(100)
        fail()
        failed = time.monotonic()
        live_server.until(lambda: "not used: " in server.log)
        noticed = time.monotonic() - failed
        load.wait_for(200)
        recover()
        losses = server.log.count("not used: ")
        live_server.until(lambda: server.log.count("used again") == losses)
        load.wait_for(100)
    assert {*load.statuses()} <= {200, 201, 404}
    behind = server.log.count(" s behind. The primary answers")
    assert behind <= 2, "once in each process, if it has to catch up when it is back"
    assert server.log.count("not used: ") - behind <= 2, "once in each process"
    seconds = [outcome.seconds for outcome in load.outcomes]
    figures["noticed after"] = f"{noticed:.1f} s"
    figures[f"slowest of {len(seconds):,} replies"] = f"{max(seconds):.1f} s"
    waited = sum(each > 2 for each in seconds)
    assert waited <= 2 * (WRITERS + 1), "each once with each process, and then no more"


def test_the_primary_fails_over_under_readers(
    standby: postgres_replica.Replica, name: str, serve: Serve, figures: dict[str, str]
) -> None:
    """While the primary is away, readers without a token are answered by the replica,
    for as long as it is known to be recent; tokens are not taken unchecked: 503."""
    server = replicated(serve, standby, name)
    with Caller(server.port) as caller:
        token = caller.register("alice").body["access"]
        standby.catch_up()
        with Load(server.port, strangers, strangers) as load:
            load.wait_for(100)
            standby.primary.stop("immediate")
            begun = time.monotonic()
            while time.monotonic() - begun < 3:
                load.wait_for(20)
                outcome = caller.call("GET", "alice/", None, token)
                assert outcome.status == 503
                assert outcome.retry_after
            answered = load.statuses()[200]
            standby.primary.start()
            load.wait_for(20)
        assert {*load.statuses()} <= {200, 404}
        live_server.until(lambda: caller.call("GET", "me/", None, token).status == 200)
    figures["reads answered"] = f"{answered:,}"


def replicated(
    serve: Serve, standby: postgres_replica.Replica, name: str, **settings: str
) -> live_server.Server:
    """Serve a database with its replica."""
    url, read_url = standby.primary.url(name), standby.url(name)
    return serve(driver_url(url), DATABASE_READ_URL=driver_url(read_url), **settings)


def strangers(caller: Caller) -> Iterable[Outcome]:
    """Read what may lag, without a token."""
    for path in ("", "?search=sta", "star/", "star/followers/", "star/stats/"):
        yield caller.call("GET", path)
    caller.close()  # The next may be another process.
