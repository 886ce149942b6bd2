"""deploy/postgresql.sql: roles that may do what they should, and no more."""

import re

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests import in_process
from tests.conftest import KINDS
from tests.deploy import shell
from tests.deploy.made_database import (
    NO_PASSWORDS,
    PASSWORDS,
    MakeDatabase,
    migrate,
    serve,
)
from tests.live_server import KEY, Client

pytestmark = [
    pytest.mark.deploy("psql", "pg_dump", "pg_restore"),
    pytest.mark.skipif("postgresql" not in KINDS, reason="PostgreSQL is left out"),
]


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
        done = in_process.run(make.folder, *words, **settings)
        assert done.returncode == 0, done.stderr


def test_the_callers_of_each_call(make: MakeDatabase) -> None:
    database = make()
    migrate(make, database)
    # Again: what is there stays, the passwords too.
    make(database.name, **NO_PASSWORDS)
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
            "UPDATE alembic_version SET version_num = '0001'",
            "DELETE FROM alembic_version",
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


def test_new_roles_need_passwords(make: MakeDatabase) -> None:
    name = make.new_name()
    for missing in PASSWORDS:
        with pytest.raises(AssertionError, match="a new role needs a password"):
            make(name, **{**PASSWORDS, missing: ""})
    with psycopg.connect(make.server.admin, autocommit=True) as connection:
        roles = connection.execute("SELECT rolname FROM pg_roles").fetchall()
    assert not [role for (role,) in roles if role.startswith(name)]


def test_a_password_can_be_replaced_alone(make: MakeDatabase) -> None:
    database = make()
    make(database.name, OWNER_PASSWORD="", PASSWORD="another")
    with psycopg.connect(make.server.admin, autocommit=True) as connection:
        asked = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE %s"
        like = (f"{database.name}%",)
        before: dict[str, str] = dict(connection.execute(asked, like).fetchall())
        make(database.name, OWNER_PASSWORD="one", PASSWORD="")
        after: dict[str, str] = dict(connection.execute(asked, like).fetchall())
    owner, role = f"{database.name}_owner", f"{database.name}_role"
    assert before[owner] != after[owner]
    assert before[role] == after[role] is not None


def test_the_role_that_serves_can_not_migrate(make: MakeDatabase) -> None:
    database = make()
    settings = {"DATABASE_URL": database.url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}

    def refused(*words: str) -> None:
        done = in_process.run(make.folder, "db", *words, **settings)
        assert done.returncode == 69, done.stderr
        assert "use the owner of the tables (" in done.stderr.splitlines()[-1]

    refused("upgrade")
    migrate(make, database)
    again = in_process.run(make.folder, "db", "upgrade", **settings)
    assert again.returncode == 0
    assert "Nothing to do" in again.stderr
    refused("downgrade", "--yes")


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
