"""A PostgreSQL database on its way to a backup and back, as docs/operations.md says."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import in_process, live_server
from tests.conftest import KINDS
from tests.deploy import shell
from tests.deploy.made_database import PASSWORDS, MakeDatabase, migrate, serve
from tests.live_server import KEY, Client

pytestmark = [
    pytest.mark.deploy("psql", "pg_dump", "pg_restore"),
    pytest.mark.skipif("postgresql" not in KINDS, reason="PostgreSQL is left out"),
]


def test_a_backup_restores_what_was_there(make: MakeDatabase) -> None:
    database, new = make(), make()
    migrate(make, database)
    with serve(make, database) as server, Client(server.port) as client:
        alice, bob = client.register("alice").body, client.register("bob").body
        for user, other in ((alice, "bob"), (bob, "alice")):
            client.call("POST", "follow/", {"username": other}, user["access"])
        script = shell.block("operations.md", "Backing up PostgreSQL")
        out = shell.run(make.folder, script, make.tools, OWNER_URL=database.owner_url)
        client.register("carol")
    backup = make.folder / out.strip()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert stat.S_IMODE(backup.parent.stat().st_mode) == 0o700

    script = shell.block("operations.md", "Restoring PostgreSQL")
    variables = {"OWNER_URL": new.owner_url, "BACKUP": str(backup)}
    out = shell.run(make.folder, f"({script}) 2>&1", make.tools, **variables)
    assert "All counters are right." in out
    assert "WARNING" not in out

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


def test_backups_are_whole_and_the_newest_are_kept(make: MakeDatabase) -> None:
    database = make()
    migrate(make, database)
    service = make.folder / "pg_service.conf"
    owner = urlsplit(database.owner_url)
    lines = {"dbname": owner.path[1:], "user": owner.username, "port": owner.port}
    lines |= {"host": owner.hostname, "password": PASSWORDS["OWNER_PASSWORD"]}
    given = "".join(f"{name}={value}\n" for name, value in lines.items() if value)
    service.write_text(f"[careers]\n{given}")
    # The unit calls it like this: no password is in a command's arguments.
    variables = {"PGSERVICEFILE": str(service), "PGSERVICE": "careers"}
    folder = make.folder / "kept"
    folder.mkdir()
    for hour in range(10, 13):
        (folder / f"careers-20240101T{hour}0000Z.dump").touch()
    command = f"deploy/backup_postgresql.sh {folder} 2"
    out = shell.run(make.folder, command, make.tools, **variables)
    names = {path.name for path in folder.iterdir()}
    assert names == {Path(out.strip()).name, "careers-20240101T120000Z.dump"}
    service.write_text(f"[careers]\nport=1\n{given}")
    with pytest.raises(AssertionError, match="connection"):
        shell.run(make.folder, command, make.tools, **variables)
    assert {path.name for path in folder.iterdir()} == names


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
    done = in_process.run(make.folder, "users", "recount", **settings)
    assert done.returncode == 0, done.stderr
    assert live_server.wrong_counters(new.url) == []
    with serve(make, new) as server, Client(server.port) as client:
        assert client.call("GET", "").body["batch_info"]["total_users"] == 3
        assert client.call("GET", "?search=al").body["users"][0]["username"] == "alice"
        assert client.register("dora").status == 201
    assert live_server.wrong_counters(new.url) == []
