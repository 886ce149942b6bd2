"""Backing up SQLite while it is written to, and restoring it into an empty place."""

import sqlite3
import stat
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests import live_server
from tests.deploy import shell
from tests.live_server import ROOT, Client, Server

SCRIPT = [sys.executable, str(ROOT / "deploy/backup_sqlite.py")]
OPERATIONS = "operations.md"


def test_a_backup_restores_what_was_there(tmp_path: Path) -> None:
    shell.checkout(tmp_path)
    with Server(tmp_path) as server, Client(server.port) as client:
        alice, bob = client.register("alice").body, client.register("bob").body
        for user, other in ((alice, "bob"), (bob, "alice")):
            client.call("POST", "follow/", {"username": other}, user["access"])
        out = shell.run(tmp_path, shell.block(OPERATIONS, "Backing up SQLite"))
        client.register("carol")
    backup = out.strip()
    assert backup.startswith("backups/careers_users-")

    script = shell.block(OPERATIONS, "Restoring SQLite")
    out = shell.run(tmp_path, script, BACKUP=backup)
    assert "All counters are right." in out
    restored = {path.name for path in (tmp_path / "restored").iterdir()}
    assert "careers_users.db" in restored

    folder = {"CAREERS_USERS_DATA_DIR": "restored"}
    with Server(tmp_path, **folder) as server, Client(server.port) as client:
        login = {"username": "alice", "password": "password123"}
        signed_in = client.call("POST", "login/", login)
        assert signed_in.status == 200
        mine = client.call("GET", "me/", token=signed_in.body["access"]).body
        assert (mine["followers_count"], mine["following_count"]) == (1, 1)
        assert client.call("GET", "carol/").status == 404
        assert client.call("GET", "?search=ali").body["batch_info"]["total_users"] == 1
        assert client.register("dora").body["user"]["id"] == 3
        # Another place, so another key: the sessions of the old one are over.
        assert client.call("GET", "me/", token=alice["access"]).status == 401
    url = f"sqlite:///{tmp_path / 'restored/careers_users.db'}"
    assert live_server.wrong_counters(url) == []


def test_every_backup_taken_under_load_is_whole(tmp_path: Path) -> None:
    stop = threading.Event()
    with Server(tmp_path) as server:
        port = server.port

        def register() -> None:
            with Client(port) as client:
                number = 0
                while not stop.is_set():
                    number += 1
                    assert client.register(f"user_{number}").status == 201

        writer = threading.Thread(target=register)
        writer.start()
        try:
            words = ("instance/careers_users.db", "backups")
            done = [live_server.run(tmp_path, *words, command=SCRIPT) for _ in range(5)]
        finally:
            stop.set()
            writer.join()
    totals = []
    for one in done:
        assert (one.returncode, one.stderr) == (0, "")
        path = tmp_path / one.stdout.strip()
        url = f"sqlite:///{path}"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert live_server.wrong_counters(url) == []
        totals.append(live_server.ask(url, "SELECT count(*) FROM users")[0][0])
    assert totals == sorted(totals)
    assert totals[-1] > 0


def test_old_copies_are_deleted(tmp_path: Path, sqlite_template: Path) -> None:
    other = tmp_path / "backups/something-else.db"
    other.parent.mkdir()
    other.touch()
    words = (str(sqlite_template), "backups", "--keep", "2")
    names = [live_server.run(tmp_path, *words, command=SCRIPT).stdout for _ in range(4)]
    left = sorted(f"backups/{path.name}" for path in other.parent.iterdir())
    assert left == [*(name.strip() for name in names[-2:]), f"backups/{other.name}"]


@pytest.mark.parametrize("kind", ["missing", "text", "other", "damaged"])
def test_without_a_good_copy_there_is_none(
    tmp_path: Path, sqlite_template: Path, kind: str
) -> None:
    path = tmp_path / "careers_users.db"
    if kind == "text":
        path.write_text("This is no database at all. " * 100)
    elif kind == "other":
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE something (id)")
    elif kind == "damaged":
        data = bytearray(sqlite_template.read_bytes())
        data[4096 * 2 : 4096 * 4] = b"\xa5" * 4096 * 2
        path.write_bytes(data)
    done = live_server.run(tmp_path, str(path), "backups", command=SCRIPT)
    assert done.returncode == 1
    assert done.stderr.startswith("backup_sqlite: ")
    assert done.stderr.count("\n") == 1
    assert list((tmp_path / "backups").iterdir()) == []
    assert path.exists() == (kind != "missing")
