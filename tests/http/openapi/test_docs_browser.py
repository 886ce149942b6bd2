"""The page in a real browser: from the bare address to a follow, by clicking."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Visit, visit
from tests.live_server import KEY, Client, Server

pytestmark = pytest.mark.browser


def operation(page: Page, label: str) -> Locator:
    """Return the block of a call, such as "POST /careers/users/follow/"; opens it."""
    method, _, path = label.partition(" ")
    block = page.locator(
        f".opblock-{method.lower()}", has=page.locator(f'[data-path="{path}"]')
    )
    block.locator(".opblock-summary-control").first.click()
    block.get_by_role("button", name="Try it out").click()
    return block


def execute(block: Locator, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    """Press Execute, with a body typed in if there is one; return the live reply."""
    if body is not None:
        block.locator("textarea.body-param__text").fill(json.dumps(body))
    block.get_by_role("button", name="Execute").click()
    reply = block.locator(".live-responses-table .response").first
    status = reply.locator(".response-col_status").first.inner_text()
    text = reply.locator(".highlight-code code, pre.microlight code").first.inner_text()
    return int(status.split()[0]), json.loads(text)


def authorise(page: Page, token: str) -> None:
    """Give the page a token, in its own dialogue."""
    page.get_by_role("button", name="Authorize").first.click()
    dialogue = page.locator(".modal-ux")
    # The first form is the one for users, the second for a sister service.
    dialogue.get_by_role("textbox").first.fill(token)
    dialogue.get_by_role("button", name="Apply credentials").first.click()
    dialogue.get_by_role("button", name="Close").first.click()


def look(seen: Visit, name: str) -> None:
    """Keep a picture of the page, if CAREERS_USERS_TEST_PICTURES names a folder."""
    folder = os.environ.get("CAREERS_USERS_TEST_PICTURES")
    if folder:
        seen.page.screenshot(path=Path(folder) / f"{name}.png")


def test_from_the_bare_address_to_a_follow_by_clicking(
    database_url: str, tmp_path: Path, chromium: Browser
) -> None:
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    with Server(tmp_path, **settings) as server, visit(chromium) as seen:
        address = f"127.0.0.1:{server.port}"
        with Client(server.port) as client:
            bob = client.register("bob").body["user"]
        page = seen.page

        page.goto(f"http://{address}")
        expect(page).to_have_url(f"http://{address}/docs/")
        look(seen, "page")
        # What the page proposes, the document's example, is good as it stands.
        status, reply = execute(operation(page, "POST /careers/users/register/"))
        assert (status, reply["user"]["username"]) == (201, "alice")
        look(seen, "registered")
        authorise(page, reply["access"])
        status, edge = execute(
            operation(page, "POST /careers/users/follow/"), {"following": bob["id"]}
        )
        assert (status, edge["following_username"]) == (201, "bob")
        look(seen, "followed")
        status, stats = execute(operation(page, "GET /careers/users/me/stats/"))
        assert (status, stats["following_count"]) == (200, 1)

        assert seen.complaints == []
        assert seen.hosts() == {address}
        assert any("/me/stats/" in url for url in seen.requests)
