"""A PostgreSQL whose machine vanishes from the network, without a word.

Run in a network of its own, which `unshare --net` makes: packets are dropped there
alone. Prints seconds, as JSON: until a statement under way is given up, until a new
connection is, and until one that may go to another host has gone there.
"""

import json
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, func, select
from sqlalchemy.exc import DBAPIError

from careers_users import create_app, database
from careers_users.extensions import db
from config import TestConfig
from tests import live_server, postgres
from tests.conftest import KEY, driver_url
from tests.deploy import programs

NOBODY = 4321  # A port of a machine that is not there.
CONNECT_TIMEOUT = 2
# A read that takes much longer than it takes to give its server up, and a short one.
SLOW = select(func.pg_sleep(60).label("slept"))
QUICK = select(func.version().label("version"))


def run(name: str, *words: str) -> None:
    """Run a program to its end."""
    subprocess.run([programs.path(name), *words], check=True, timeout=20)


def drop(port: int) -> None:
    """Let packets to a port and from it vanish."""
    for end in ("--dport", "--sport"):
        run("iptables", "-A", "INPUT", "-p", "tcp", end, str(port), "-j", "DROP")


def taken(url: str, statement: Select[Any]) -> float:
    """Return the seconds that a read of the service takes, until it ends or fails."""
    settings = TestConfig(database_url=url, jwt_secret_key=KEY)
    app = create_app(replace(settings, db_connect_timeout=CONNECT_TIMEOUT))
    with app.app_context():
        begun = time.monotonic()
        with suppress(DBAPIError):
            database.Query(statement).all()
        db.engine.dispose()
        return time.monotonic() - begun


def cut_off(server: postgres.Server, port: int) -> None:
    """Let the server vanish once a read is under way."""
    asked = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    live_server.until(lambda: live_server.ask(server.admin, asked))
    drop(port)


def main() -> int:
    """Measure, with a time-out of two seconds for connections."""
    run("ip", "link", "set", "lo", "up")
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.server(Path(folder)) as server,
    ):
        port = urlsplit(server.admin).port or 0
        url = driver_url(server.url("postgres"))
        drop(NOBODY)
        hosts = f"host=127.0.0.1:{NOBODY}&host=127.0.0.1:{port}"
        several = f"postgresql+psycopg://careers_users@/postgres?{hosts}"
        seconds = {"elsewhere": taken(several, QUICK)}
        cutting = Thread(target=cut_off, args=(server, port))
        cutting.start()
        seconds["under way"] = taken(url, SLOW)
        cutting.join()
        seconds["new"] = taken(url, QUICK)
        run("iptables", "-F")
    sys.stdout.write(json.dumps(seconds))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
