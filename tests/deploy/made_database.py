"""Databases made by deploy/postgresql.sql, under names that are free."""

import itertools
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg.sql import SQL, Identifier

from tests import postgres
from tests.deploy import shell
from tests.live_server import KEY, Server

_numbers = itertools.count(1)
PASSWORDS = {"OWNER_PASSWORD": "it's the owner's", "PASSWORD": 'a "served" one'}
NO_PASSWORDS = {"OWNER_PASSWORD": "", "PASSWORD": ""}


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


class MakeDatabase:
    """Runs the documented command under names that are free."""

    def __init__(self, server: postgres.Server, tools: str, folder: Path) -> None:
        self.server, self.tools, self.folder = server, tools, folder
        self.names: list[str] = []

    def new_name(self) -> str:
        """Return a name whose database and roles are removed in the end."""
        name = f"deploy_{os.getpid()}_{next(_numbers)}"
        self.names.append(name)
        return name

    def __call__(self, name: str = "", **passwords: str) -> Database:
        name = name or self.new_name()
        database = self.server.prefix + name
        names = {"database": database, "owner": f"{name}_owner", "role": f"{name}_role"}
        script = shell.block("deployment.md", "PostgreSQL")
        for variable, value in names.items():
            script = script.replace("psql", f"psql -v {variable}={value}", 1)
        passwords = passwords or PASSWORDS
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
