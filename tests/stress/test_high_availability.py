"""High availability. PgBouncer, several instances, and machines that vanish.

`deploy/ha/failover.py` measures the effect of a failover of PostgreSQL on clients.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests import live_server, pgbouncer, postgres
from tests.conftest import KINDS
from tests.deploy import programs
from tests.deploy.nginx import Answer, Client, Load, Nginx
from tests.deploy.test_upgrade import Fleet, assert_ready, next_release
from tests.live_server import ROOT, at_once
from tests.stress import load
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Outcome, Writer, assert_kept

__all__ = ["next_release"]  # A fixture.

pytestmark = pytest.mark.skipif(
    "postgresql" not in KINDS, reason="PostgreSQL is left out"
)
LIMITS = {"lock_timeout": "5s", "statement_timeout": "30s"}
# Fewer than the service has threads, so that they must share.
SERVER_CONNECTIONS = 3


@pytest.fixture
def url(postgresql: postgres.Server) -> Iterator[str]:
    """Yield the URL of a migrated PostgreSQL database of this test's own."""
    yield postgresql.create("available", "template")
    postgresql.drop("available")


# -- PgBouncer -------------------------------------------------------------------------


@pytest.fixture
def bouncing(postgresql: postgres.Server) -> Iterator[postgres.Server]:
    """Yield the server, behind a PgBouncer in transaction mode with few connections."""
    with pgbouncer.in_front_of(postgresql, SERVER_CONNECTIONS):
        yield postgresql


def look(caller: Caller) -> Iterable[Outcome]:
    """Search, and ask as a load balancer does, whose question has limits of its own."""
    yield caller.call("GET", "?search=w1_1")
    yield caller.call("GET", "/health/ready")


@pytest.mark.quick
@pytest.mark.deploy("pgbouncer")
def test_pgbouncer_in_transaction_mode(
    bouncing: postgres.Server, serve: Serve, figures: dict[str, str], whole: bool
) -> None:
    """Through PgBouncer in transaction mode, with fewer server connections than
    threads, no request fails, and none of them has the limits of another."""
    url = bouncing.create("bounced", "template")
    server = serve(url, CAREERS_USERS_DB_PGBOUNCER="true")
    with Caller(server.port) as caller:
        assert caller.register("star").status == 201
    writers = [Writer(f"w{number}", "star") for number in range(6)]
    with load.Load(server.port, *writers, look, look) as callers:
        callers.wait_for(500 if whole else 150, 201)
        used = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        with psycopg.connect(bouncing.admin) as direct:
            connections = direct.execute(used, [f"{bouncing.prefix}bounced"]).fetchone()
    assert connections is not None
    assert 1 <= connections[0] <= SERVER_CONNECTIONS
    assert callers.statuses().keys() == {200, 201}
    kept = assert_kept(url, *writers)
    assert_limits_are_the_roles(url)
    assert server.stop() == 0
    assert "Traceback" not in server.log
    bouncing.drop("bounced")
    figures["requests"] = f"{len(callers.outcomes):,}"
    figures["acknowledged writes, all kept"] = f"{kept:,}"
    figures["server connections"] = str(connections[0])


def assert_limits_are_the_roles(url: str) -> None:
    """Assert that nothing was left on any of PgBouncer's connections to the server."""
    clients = [psycopg.connect(url) for _ in range(SERVER_CONNECTIONS)]
    for client in clients:  # A transaction each, so a connection to the server each.
        shown = {
            name: client.execute(f"SHOW {name}".encode()).fetchone() for name in LIMITS
        }
        assert shown == {name: (value,) for name, value in LIMITS.items()}
        prepared = client.execute("SELECT count(*) FROM pg_prepared_statements")
        assert prepared.fetchone() == (0,)
    for client in clients:
        client.close()


@pytest.mark.deploy("pgbouncer")
def test_migrations_through_pgbouncer(
    bouncing: postgres.Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Migrations started at once through PgBouncer all succeed; one of them migrates,
    and the others wait for it."""
    url = bouncing.create("migrated")
    folder = tmp_path_factory.mktemp("migrating")

    def migrate(_: int) -> "subprocess.CompletedProcess[str]":
        return live_server.run(folder, "db", "upgrade", DATABASE_URL=url)

    done = at_once(migrate, range(3))
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert sum("revision 0001" in one.stderr for one in done) == 1
    assert live_server.wrong_counters(url) == []
    bouncing.drop("migrated")


# -- A machine that vanishes -----------------------------------------------------------


@pytest.mark.deploy("ip", "iptables", "unshare")
def test_a_vanished_database_machine(figures: dict[str, str]) -> None:
    """A PostgreSQL whose machine vanishes without a word is given up within seconds: by
    a read under way too, and for the next host of the URL."""
    network = [programs.path("unshare"), "--net"]
    if subprocess.run([*network, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this user may not make a network of its own")
    done = subprocess.run(
        [*network, sys.executable, "-m", "tests.stress.vanished"],
        check=False,
        cwd=ROOT,
        env=live_server.environment({}),
        capture_output=True,
        text=True,
        timeout=live_server.PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    seconds = json.loads(done.stdout)
    # Far less than the minute which that read would have taken.
    assert max(seconds.values()) < 30
    figures["time-out for connections"] = "2 s"
    for name, label in (
        ("under way", "a read under way fails, tried again, after"),
        ("new", "a new connection fails after"),
        ("elsewhere", "the other host answers after"),
    ):
        figures[label] = f"{seconds[name]:.1f} s"


# -- Four instances --------------------------------------------------------------------


@pytest.fixture
def fleet(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Instances on the test's database, ended after the test."""
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), url)
    yield fleet
    fleet.close()


class Visitor:
    """Calls that may be repeated: reads, and following and unfollowing by name."""

    def __init__(self, nginx: Nginx, clients: int) -> None:
        self.calls = 0
        with nginx.client() as client:
            assert client.register("star").status == 201
            replies = [client.register(f"visitor{number}") for number in range(clients)]
        self._tokens = {f"w{n}": r.body["access"] for n, r in enumerate(replies)}

    def __call__(self, client: Client, key: str) -> Answer:
        """Make them all; return the first answer that is not as it should be."""
        token = f"Bearer {self._tokens[key.partition('_')[0]]}"
        answers = (
            client.call(method, path, Authorization=token)
            for method, path in (
                ("GET", "?batch_size=5"),
                ("PUT", "star/follow/"),
                ("GET", "me/"),
                ("DELETE", "star/follow/"),
            )
        )
        for answer in answers:
            self.calls += 1
            if answer.status not in (200, 201):
                break
        return answer


@pytest.mark.deploy("nginx", "openssl")
def test_four_instances(
    fleet: Fleet,
    url: str,
    figures: dict[str, str],
    next_release: Path,
    tmp_path: Path,
) -> None:
    """Of four instances behind nginx one is killed (kill -9) and comes back, another
    is upgraded, and no request that may be repeated fails for any client."""
    new = {"PYTHONPATH": str(next_release)}
    servers = [fleet.start() for _ in range(4)]
    ports = [server.port for server in servers]
    with Nginx(ports) as nginx:
        visit = Visitor(nginx, 4)
        with Load(nginx, visit) as visitors:
            visitors.wait_for(40)
            servers[0].kill()
            visitors.wait_for(60)
            upgraded = live_server.run(
                tmp_path, "db", "upgrade", **fleet.settings, **new
            )
            assert upgraded.returncode == 0, upgraded.stderr
            servers[1] = fleet.replace(servers[1], visitors, **new)
            servers[0] = fleet.start(PORT=str(ports[0]))
            assert_ready(*servers)
            visitors.wait_for(60)
        assert {answer.status for answer in visitors.answers.values()} == {200}
        asked_again = count_repeated(nginx)
    assert live_server.wrong_counters(url) == []
    figures["requests, none failed"] = f"{visit.calls:,}"
    figures["of those asked of a second instance"] = str(asked_again)


def count_repeated(nginx: Nginx) -> int:
    """Return how many requests nginx has put to more than one instance."""
    return sum(
        ", " in line.partition("upstream=")[2] for line in nginx.log.splitlines()
    )


def register(client: Client, key: str) -> Answer:
    """Make a call that may not be repeated."""
    return client.register(key)


@pytest.mark.deploy("nginx", "openssl")
def test_registrations_while_one_of_four_dies(
    fleet: Fleet, url: str, figures: dict[str, str]
) -> None:
    """Of registrations, which may not be repeated, only those that an instance had when
    it was killed are answered 503; none is done twice, none acknowledged is lost."""
    servers = [fleet.start() for _ in range(4)]
    ports = [server.port for server in servers]
    with Nginx(ports) as nginx, Load(nginx, register) as clients:
        clients.wait_for(20)
        servers[2].kill()
        clients.wait_for(60)
    done = {key for key, answer in clients.answers.items() if answer.status == 201}
    failed = clients.answers.keys() - done
    assert {clients.answers[key].status for key in failed} <= {503}
    # One in flight for each client, and one on each kept connection to the dead one.
    assert len(failed) <= 8
    users = {name for (name,) in live_server.ask(url, "SELECT username FROM users")}
    assert done <= users <= clients.answers.keys()
    assert live_server.wrong_counters(url) == []
    figures["registrations"] = f"{len(clients.answers):,}"
    figures["answered 503"] = str(len(failed))
