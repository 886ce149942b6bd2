"""A real Chromium for the tests marked `browser`, driven by Playwright.

Playwright's own browsers are not downloaded: the Chromium of the machine is used, named
by CAREERS_USERS_TEST_CHROMIUM or found by its usual names. Without one these tests are
skipped, and pytest's header says so; with CAREERS_USERS_TEST_BROWSER=required, that is
an error.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

_NAMES = "chromium chromium-browser google-chrome google-chrome-stable chrome".split()
# Milliseconds until a step gives up, on a machine that is busy with other things.
PATIENCE = 60_000
REQUIRED = os.environ.get("CAREERS_USERS_TEST_BROWSER") == "required"


def executable() -> str | None:
    """Return the path of this machine's Chromium; None if it has none."""
    named = os.environ.get("CAREERS_USERS_TEST_CHROMIUM")
    return named or next(filter(None, map(shutil.which, _NAMES)), None)


def header() -> str:
    """Say in a line which browser the tests use, or that they go without."""
    path = executable()
    if path is None:
        return "browser: no Chromium on this machine; the tests in it are left out"
    return f"browser: {path}"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    path = executable()
    if path is None:
        message = "There is no Chromium on this machine; Debian's is `chromium`."
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    # Its sandbox needs user namespaces, which containers and root often lack.
    options = ["--no-sandbox", "--disable-dev-shm-usage"]
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


class Visit:
    """A page with a record of what it did: requests, and whatever went wrong."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        page.on("request", self._record)
        page.on("console", lambda message: self._complain(message.type, message.text))
        page.on("pageerror", lambda error: self._complain("error", str(error)))
        page.on("requestfailed", lambda sent: self._complain("error", sent.url))

    def _record(self, sent: Request) -> None:
        self.requests.append(sent.url)

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {text}")

    def hosts(self) -> set[str]:
        """Return the hosts that were asked for anything; data: URLs ask none."""
        addresses = [urlsplit(url) for url in self.requests]
        return {url.netloc for url in addresses if url.scheme != "data"}


@contextmanager
def visit(browser: Browser, width: int = 1280, height: int = 900) -> Iterator[Visit]:
    """Open an empty page, with nothing kept from earlier ones."""
    context = browser.new_context(viewport={"width": width, "height": height})
    context.set_default_timeout(PATIENCE)
    try:
        yield Visit(context.new_page())
    finally:
        context.close()
