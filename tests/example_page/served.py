"""The example page and the service beside it, each on a port of its own."""

import os
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path
from typing import Self

from playwright.sync_api import Page, expect

from tests.live_server import (
    OWN_GROUP,
    PATIENCE,
    ROOT,
    Client,
    Server,
    expired,
    until,
)
from tests.mailbox import Received, parsed

EXAMPLE = ROOT / "examples/web"
PASSWORD = "password123"
_LOCAL = re.compile(r"http://127\.0\.0\.1:(\d+)/")
_LINK = re.compile(r"http://\S+#\S+")


class Vite:
    """A process that serves the page, built or as it is written."""

    def __init__(self, folder: Path, *command: str, service: str) -> None:
        # Without colours, which would stand inside of its address.
        env = os.environ | {"VITE_SERVICE": service, "NO_COLOR": "1"}
        options = {"cwd": folder, "env": env, "stdout": subprocess.PIPE, **OWN_GROUP}
        options |= {"stderr": subprocess.STDOUT, "text": True}
        self._process = subprocess.Popen(command, **options)
        self._lines: list[str] = []
        self._decided = threading.Event()
        self._origin: str | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                self._lines.append(line)
                if match := _LOCAL.search(line):
                    self._origin = match[0].rstrip("/")
                    self._decided.set()
        self._decided.set()  # It is gone: waiting longer would not help.

    @property
    def origin(self) -> str:
        """Return where it serves; waits until it does, and npm has installed it."""
        assert self._decided.wait(5 * PATIENCE), "it neither serves nor ends"
        assert self._origin, self.log
        return self._origin

    @property
    def log(self) -> str:
        """Return what it has written until now."""
        return "".join(self._lines)

    def ended(self) -> int:
        """Wait until it has ended; return its exit code."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self.ended()


def copied(target: Path, modules: Path) -> Path:
    """Copy the page and the client that it uses; return the folder of the page."""
    page = target / "examples/web"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(EXAMPLE, page, ignore=ignored)
    client = "clients/typescript"
    shutil.copytree(ROOT / client, target / client, ignore=ignored)
    (page / "node_modules").symlink_to(modules, target_is_directory=True)
    return page


class Site:
    """The page, the service with its mail, and a connection to that."""

    def __init__(self, origin: str, server: Server, data: Path) -> None:
        self.origin, self.server, self.data = origin, server, data
        self.client = Client(server.port)

    def register(self, name: str, **fields: str) -> str:
        """Register a user without the page; return the access token."""
        body = {"username": name, "email": f"{name}@example.com", **fields}
        body |= {"password": PASSWORD, "password_confirm": PASSWORD}
        reply = self.client.call("POST", "register/", body)
        assert reply.status == 201, reply
        access: str = reply.body["access"]
        return access

    def sign_in(self, page: Page, name: str) -> None:
        """Sign in on the page."""
        page.goto(f"{self.origin}/")
        page.get_by_label("Username or e-mail address").fill(name)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="Members")).to_be_visible()

    def link(self, purpose: str, to: str) -> str:
        """Return the link of a mail of a purpose to an address, once one is written."""
        until(lambda: self._mails(purpose, to))
        link: str = _LINK.findall(self._mails(purpose, to)[0].text)[0]
        return link

    def _mails(self, purpose: str, to: str) -> list[Received]:
        paths = (self.data / "mail").glob(f"*-{purpose}.eml")
        return [mail for mail in map(parsed, paths) if mail.to == to]


def tokens(page: Page) -> dict[str, str]:
    """Return the tokens that the page keeps; none when it is signed out."""
    kept: dict[str, str] = page.evaluate(
        "JSON.parse(localStorage.getItem('careers-users')) ?? {}"
    )
    return kept


def let_expire(page: Page) -> None:
    """Give the page an access token like its own, whose hour is over."""
    page.evaluate(
        """access => {
            const tokens = JSON.parse(localStorage.getItem("careers-users"));
            localStorage.setItem("careers-users", JSON.stringify({...tokens, access}));
        }""",
        expired(tokens(page)["access"]),
    )
