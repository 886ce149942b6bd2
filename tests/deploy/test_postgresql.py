"""deploy/postgresql.sql, and a PostgreSQL database on its way to a backup and back."""

import itertools
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests import live_server, postgres
from tests.conftest import KINDS
from tests.deploy import programs, shell
from tests.live_server import KEY, Client, Server

pytestmark = [
    pytest.mark.deploy("psql", "pg_dump", "pg_restore"),
    pytest.mark.skipif("postgresql" not in KINDS, reason="PostgreSQL is left out"),
]
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Database:
    """The database that deploy/postgresql.sql has made, and its owner."""

    name: str
    admin_url: str
    owner_url: str
    url: str


def major(program: Path) -> int:
    """Return the major version of a PostgreSQL program."""
    said = subprocess.check_output([program, "--version"], text=True)
    found = re.search(r"\) (\d+)", said)
    assert found, said
    return int(found[1])


@pytest.fixture
def tools(postgresql: postgres.Server) -> str:
    """Return the directory of client programs that are no older than the server."""
    places = [postgresql.programs, Path(programs.path("pg_dump")).parent]
    for place in filter(None, places):
        tools = [place / name for name in ("psql", "pg_dump", "pg_restore")]
        if all(tool.exists() for tool in tools) and all(
            major(tool) >= postgresql.version // 10000 for tool in tools
        ):
            return str(place)
    pytest.skip("the PostgreSQL programs here are older than the server")


@pytest.fixture
def make(
    postgresql: postgres.Server, tools: str, tmp_path: Path
) -> Iterator["MakeDatabase"]:
    """Make databases by the script, and remove them with their roles."""
    maker = MakeDatabase(postgresql, tools, shell.checkout(tmp_path))
    yield maker
    maker.remove()


class MakeDatabase:
    """Runs the documented command under names that are free."""

    def __init__(self, server: postgres.Server, tools: str, folder: Path) -> None:
        self.server, self.tools, self.folder = server, tools, folder
        self.names: list[str] = []

    def __call__(self, name: str = "") -> Database:
        if not name:
            name = f"deploy_{os.getpid()}_{next(_numbers)}"
            self.names.append(name)
        database = self.server.prefix + name
        names = {"database": database, "owner": f"{name}_owner", "role": f"{name}_role"}
        script = shell.block("deployment.md", "PostgreSQL")
        for variable, value in names.items():
            script = script.replace("psql", f"psql -v {variable}={value}", 1)
        passwords = {"OWNER_PASSWORD": "it's the owner's", "PASSWORD": 'a "served" one'}
        urls = {"ADMIN_URL": self.server.admin}
        shell.run(self.folder, script, self.tools, **passwords, **urls)
        return Database(
            name=name,
            admin_url=self.server.url(name),
            owner_url=self._url(name, f"{name}_owner:it%27s%20the%20owner%27s"),
            url=self._url(name, f"{name}_role:a%20%22served%22%20one"),
        )

    def _url(self, name: str, who: str) -> str:
        parts = urlsplit(self.server.url(name))
        place = parts.netloc.rpartition("@")[2]
        return parts._replace(netloc=f"{who}@{place}").geturl()

    def remove(self) -> None:
        for name in self.names:
            self.server.drop(name)
            with psycopg.connect(self.server.admin, autocommit=True) as connection:
                for role in (f"{name}_owner", f"{name}_role"):
                    drop = SQL("DROP ROLE IF EXISTS {}").format(Identifier(role))
                    connection.execute(drop)


def migrate(make: MakeDatabase, database: Database) -> None:
    """Run the documented command."""
    script = shell.block("deployment.md", "PostgreSQL", 1)
    shell.run(make.folder, script, make.tools, OWNER_URL=database.owner_url)


def serve(make: MakeDatabase, database: Database, key: str = KEY) -> Server:
    """Serve with the role that may do little."""
    settings = {"DATABASE_URL": database.url, "CAREERS_USERS_JWT_SECRET_KEY": key}
    return Server(make.folder, **settings)


def test_the_service_runs_on_what_the_script_makes(make: MakeDatabase) -> None:
    database = make()
    migrate(make, database)
    with serve(make, database) as server, Client(server.port) as client:
        alice, bob = client.register("alice").body, client.register("bob").body
        followed = client.call("POST", "follow/", {"username": "bob"}, alice["access"])
        assert followed.status == 201
        unfollowed = client.call("DELETE", "bob/unfollow/", None, alice["access"])
        assert unfollowed.status == 200
        assert client.call("GET", "?search=bob").body["users"][0]["username"] == "bob"
        logout = client.call(
            "POST", "logout/", {"refresh": bob["refresh"]}, bob["access"]
        )
        assert logout.status == 200
        assert "pg_trgm" not in server.log
    settings = {"DATABASE_URL": database.url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    for words in (("jobs", "run", "expired-sessions"), ("users", "recount")):
        done = live_server.run(make.folder, *words, **settings)
        assert done.returncode == 0, done.stderr


def test_who_may_do_what(make: MakeDatabase) -> None:
    database = make()
    migrate(make, database)
    make(database.name)  # Again: what is there stays.
    with psycopg.connect(database.url, autocommit=True) as connection:
        for name in ("lock_timeout", "statement_timeout"):
            value = connection.execute(SQL("SHOW {}").format(Identifier(name)))
            assert value.fetchall()[0][0] in ("5s", "30s")
        assert connection.execute("SELECT count(*) FROM users").fetchall() == [(0,)]
        for statement in (
            "CREATE TABLE mine (id int)",
            "ALTER TABLE users ADD COLUMN more text",
            "DROP TABLE follows",
            "TRUNCATE refresh_tokens",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)
    with psycopg.connect(database.owner_url, autocommit=True) as connection:
        assert connection.execute("SHOW statement_timeout").fetchall() == [("0",)]
        shown = connection.execute(
            "SELECT pg_encoding_to_char(encoding), datcollate, datctype,"
            " has_database_privilege('pg_monitor', oid, 'CONNECT')"
            " FROM pg_database WHERE datname = current_database()"
        ).fetchall()
    assert shown == [("UTF8", "C.UTF-8", "C.UTF-8", False)]


def test_a_backup_restores_what_was_there(make: MakeDatabase) -> None:
    database, new = make(), make()
    migrate(make, database)
    with serve(make, database) as server, Client(server.port) as client:
        alice, bob = client.register("alice").body, client.register("bob").body
        for user, other in ((alice, "bob"), (bob, "alice")):
            client.call("POST", "follow/", {"username": other}, user["access"])
        script = shell.block("operations.md", "Backing up PostgreSQL")
        shell.run(make.folder, script, make.tools, OWNER_URL=database.owner_url)
        client.register("carol")

    script = shell.block("operations.md", "Restoring PostgreSQL")
    out = shell.run(make.folder, script, make.tools, OWNER_URL=new.owner_url)
    assert "All counters are right." in out

    with serve(make, new, KEY * 2) as server, Client(server.port) as client:
        login = {"username": "alice", "password": "password123"}
        signed_in = client.call("POST", "login/", login)
        assert signed_in.status == 200
        mine = client.call("GET", "me/", token=signed_in.body["access"]).body
        assert (mine["followers_count"], mine["following_count"]) == (1, 1)
        assert client.call("GET", "carol/").status == 404
        assert client.register("dora").status == 201
        assert client.call("GET", "me/", token=alice["access"]).status == 401
        assert "pg_trgm" not in server.log
    assert live_server.wrong_counters(new.url) == []


DATA_ALONE = """
pg_dump --schema-only --no-owner --no-privileges --no-comments --format=custom \\
    --file=tables.dump "$OWNER_URL"
pg_dump --data-only --format=custom --file=rows.dump "$OWNER_URL"
pg_restore --no-owner --dbname="$NEW_URL" tables.dump
pg_restore --exit-on-error --dbname="$NEW_URL" rows.dump
"""


def test_the_data_alone_can_be_restored(make: MakeDatabase) -> None:
    database, new = make(), make()
    migrate(make, database)
    with serve(make, database) as server, Client(server.port) as client:
        for name in ("alice", "bob", "carol"):
            assert client.register(name).status == 201
    urls = {"OWNER_URL": database.owner_url, "NEW_URL": new.owner_url}
    shell.run(make.folder, DATA_ALONE, make.tools, **urls)

    # The triggers have counted the users that the total of the dump has already.
    settings = {"DATABASE_URL": new.owner_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    done = live_server.run(make.folder, "users", "recount", **settings)
    assert done.returncode == 0, done.stderr
    assert live_server.wrong_counters(new.url) == []
    with serve(make, new) as server, Client(server.port) as client:
        assert client.call("GET", "").body["batch_info"]["total_users"] == 3
        assert client.call("GET", "?search=al").body["users"][0]["username"] == "alice"
        assert client.register("dora").status == 201
    assert live_server.wrong_counters(new.url) == []


def test_pgbouncer_gets_the_passwords_of_the_roles(make: MakeDatabase) -> None:
    database, block = make(), shell.block("high-availability.md", "PgBouncer")
    script = block[block.index("psql ") : block.index("install -m")]
    script = script.replace("/etc/pgbouncer/", "").replace("^careers", database.name)
    url = make.server.admin
    shell.run(make.folder, script, make.tools, ADMIN_URL=url)
    lines = (make.folder / "userlist.txt").read_text("utf-8").splitlines()
    assert sorted(re.sub(r'\$.*"$', "", line) for line in lines) == [
        f'"{database.name}_{role}" "SCRAM-SHA-256' for role in ("owner", "role")
    ]
