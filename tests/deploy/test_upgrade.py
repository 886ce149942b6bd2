"""Expand, then deploy: an upgrade while clients read and write, with no failure."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from careers_users.database import schema_version
from tests import live_server
from tests.deploy.nginx import Load, Nginx, read_or_write
from tests.live_server import KEY, ROOT, Server

pytestmark = pytest.mark.deploy("nginx", "openssl")

REVISION = f"{int(schema_version.head() or 0) + 1:04d}"
MIGRATION = f'''"""Give users a nickname.

Revision: {REVISION}, after {schema_version.head()}.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = {REVISION!r}, {schema_version.head()!r}
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String(30), nullable=True))


def downgrade() -> None:
    op.drop_column("users", "nickname")
'''


@pytest.fixture
def next_release(tmp_path: Path) -> Path:
    """Return the code of a version to come, which has one migration more."""
    tree = tmp_path / "next"
    for name in ("careers_users", "migrations"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tree / name, ignore=ignored)
    (tree / f"migrations/versions/{REVISION}_nickname.py").write_text(MIGRATION)
    return tree


class Fleet:
    """The instances of a service on one database, started and replaced."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self._folder, self._stack = folder, ExitStack()
        self.settings = {"DATABASE_URL": database_url}
        self.settings["CAREERS_USERS_JWT_SECRET_KEY"] = KEY

    def start(self, **more: str) -> Server:
        """Start an instance."""
        server = Server(self._folder, **self.settings, **more)
        return self._stack.enter_context(server)

    def replace(self, server: Server, load: Load, **more: str) -> Server:
        """Stop an instance, and start another one in its place."""
        assert server.stop() == 0
        load.wait_for(10)
        server = self.start(PORT=str(server.port), **more)
        assert_ready(server)
        load.wait_for(10)
        return server

    def close(self) -> None:
        """End whatever is still running."""
        self._stack.close()


@pytest.fixture
def fleet(database_url: str, tmp_path: Path) -> Iterator[Fleet]:
    """Instances on the test's database, ended after the test."""
    fleet = Fleet(tmp_path, database_url)
    yield fleet
    fleet.close()


def assert_ready(*servers: Server) -> None:
    """Assert that servers want requests."""
    for server in servers:
        with live_server.Client(server.port) as client:
            assert client.call("GET", "/health/ready").status == 200


def test_an_upgrade_and_its_withdrawal_lose_no_request(
    fleet: Fleet, database_url: str, tmp_path: Path, next_release: Path
) -> None:
    new = {"PYTHONPATH": str(next_release)}
    newer = f"The database is at revision {REVISION}, which is newer"
    one, two = fleet.start(), fleet.start()
    with (
        Nginx([one.port, two.port]) as nginx,
        Load(nginx, read_or_write, clients=3) as load,
    ):
        load.wait_for(10)
        upgraded = live_server.run(tmp_path, "db", "upgrade", **fleet.settings, **new)
        assert upgraded.returncode == 0, upgraded.stderr
        assert f"revision {REVISION}" in upgraded.stderr
        load.wait_for(10)
        assert_ready(one, two)
        # The old version may even be started again meanwhile, and says what it sees.
        one = fleet.replace(one, load)
        assert newer in one.log
        one, two = fleet.replace(one, load, **new), fleet.replace(two, load, **new)
        assert newer not in one.log + two.log
        # Taken back: the old version, on the schema of the new one.
        two = fleet.replace(two, load)
        assert newer in two.log
    assert {answer.status for answer in load.answers.values()} == {200}
    assert live_server.wrong_counters(database_url) == []
    count = "SELECT count(*) FROM users WHERE nickname IS NULL"
    assert live_server.ask(database_url, count) == [(len(load.answers),)]
