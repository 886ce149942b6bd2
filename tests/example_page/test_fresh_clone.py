"""A front-end developer's way from a fresh clone to a signed-in page, by the README."""

import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import visit
from tests.deploy import programs
from tests.example_page.served import PASSWORD, Vite
from tests.live_server import ROOT, Server, environment, on_socket, until
from tests.project.test_contributing import copy

pytestmark = pytest.mark.browser
PATIENCE = 300  # Seconds to install the service, on a busy machine.


def commands() -> tuple[str, str, str]:
    """Return what installs the service, what serves it, and what serves the page."""
    text = (ROOT / "README.md").read_text("utf-8")
    part = text.partition("## For front-end developers")[2].partition("\n## ")[0]
    service, page = re.findall(r"```sh\n(.*?)\n```", part, re.DOTALL)
    install, _, serve = service.rpartition(" && ")
    return install, serve, page


def test_two_commands_lead_to_a_page_with_a_session(
    tmp_path: Path, chromium: Browser
) -> None:
    clone = tmp_path / "clone"
    copy(clone)
    install, serve, start = commands()
    own = {"PYTHONPATH": ""}  # Only that counts which the clone has installed.
    subprocess.run(
        ["bash", "-euc", install.replace("python3", sys.executable)],
        cwd=clone,
        env=environment(own),
        check=True,
        timeout=PATIENCE,
    )
    npm = [*shlex.split(start), "--", "--port", "0"]
    npm[0] = programs.path(npm[0])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Vite(clone, *npm, service=address) as page:
            own |= {"CAREERS_USERS_CORS_ORIGINS": page.origin}
            command = on_socket(listener, as_program(clone, serve))
            with (
                Server(clone, command=command, **own) as server,
                visit(chromium) as seen,
            ):
                assert server.port == listener.getsockname()[1]
                seen.page.goto(page.origin)
                seen.page.get_by_role("link", name="Create an account").click()
                seen.page.get_by_label("Username").fill("alice")
                seen.page.get_by_label("E-mail address").fill("alice@example.com")
                seen.page.get_by_label("Password", exact=True).fill(PASSWORD)
                seen.page.get_by_role("button", name="Create the account").click()
                title = seen.page.get_by_role("heading", name="Members")
                expect(title).to_be_visible()
                assert seen.complaints == []
                mails = clone / "instance/mail"
                until(lambda: list(mails.glob("*-verify.eml")))


def as_program(clone: Path, serve: str) -> list[str]:
    """Return a command with the program's whole path."""
    program, *words = shlex.split(serve)
    return [str(clone / program), *words]
