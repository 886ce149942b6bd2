"""A real browser for the tests: Chromium, where the machine has it.

Without it, tests of the marker `browser` are skipped, and pytest's header says so; with
CAREERS_USERS_TEST_BROWSER=required they fail.
"""

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
IS_REQUIRED = os.environ.get("CAREERS_USERS_TEST_BROWSER") == "required"


def report_header() -> str:
    """Say for pytest's header which browser there is."""
    return f"browser: {CHROMIUM or 'none, so tests that need one are skipped'}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    if CHROMIUM is None:
        if IS_REQUIRED:
            pytest.fail("CAREERS_USERS_TEST_BROWSER=required, and no Chromium found.")
        pytest.skip("There is no Chromium on this machine.")
    with sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()
