"""The page in a real browser: from the bare address to a follow, by clicking."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import Visit, visit
from tests.live_server import KEY, Client, Server
from tests.node import Node

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


@pytest.fixture
def served(database_url: str, tmp_path: Path) -> Iterator[Server]:
    """Yield the service, with a user "bob"."""
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    with Server(tmp_path, **settings) as server:
        with Client(server.port) as client:
            client.register("bob")
        yield server


def locks(page: Page) -> set[str]:
    """Return how the locks of the calls look."""
    labels = page.locator(".authorization__btn").all()
    return {str(label.get_attribute("aria-label")).split()[-1] for label in labels}


def test_one_click_keeps_the_session_until_logout(
    served: Server, chromium: Browser
) -> None:
    with visit(chromium) as seen:
        page = seen.page
        page.goto(f"http://127.0.0.1:{served.port}/docs/")
        block = operation(page, "POST /careers/users/register/")
        assert locks(page) == {"unlocked"}
        execute(block)
        block.get_by_role("button", name="Use this session").click()
        expect(block.get_by_role("status")).to_contain_text("in use")
        assert "locked" in locks(page)
        look(seen, "session")

        edge = execute(operation(page, "POST /careers/users/follow/"), {"following": 1})
        assert edge[0] == 201
        # The example's words for tokens are replaced by the session's own.
        assert execute(operation(page, "POST /careers/users/token/refresh/"))[0] == 200
        assert execute(operation(page, "POST /careers/users/logout/"))[0] == 200
        expect(page.get_by_label("authorization button locked")).to_have_count(0)
        assert seen.complaints == []


def test_authorize_and_paste_by_keyboard_alone(
    served: Server, chromium: Browser
) -> None:
    with Client(served.port) as client:
        token = client.register("carol").body["access"]
    with visit(chromium) as seen:
        page = seen.page
        page.goto(f"http://127.0.0.1:{served.port}/docs/")
        button = page.get_by_role("button", name="Authorize").first
        button.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Authorize")
        ids = [one.get_attribute("id") for one in dialog.locator("[id]").all()]
        assert len(set(ids)) == len(ids) == 2
        expect(page.locator("#auth-bearer")).to_be_focused()
        page.keyboard.insert_text(token)
        page.keyboard.press("Enter")
        expect(dialog.get_by_text("Authorized").first).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        expect(button).to_be_focused()
        status, me = execute(operation(page, "GET /careers/users/me/"))
        assert (status, me["username"]) == (200, "carol")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_is_legible_by_day_and_night_on_desks_and_phones(
    served: Server, chromium: Browser, node: Node, scheme: Any, width: int
) -> None:
    axe = (node.modules / "axe-core/axe.min.js").read_text("utf-8")
    with visit(chromium, width, 844) as seen:
        page = seen.page
        page.emulate_media(color_scheme=scheme)
        page.goto(f"http://127.0.0.1:{served.port}/docs/")
        execute(operation(page, "POST /careers/users/register/"))
        operation(page, "GET /careers/users/")
        root = page.locator("html")
        assert ("dark-mode" in (root.get_attribute("class") or "")) == (
            scheme == "dark"
        )
        assert faults(page, axe) == []
        look(seen, f"{scheme}-{width}")
        page.get_by_role("button", name="Authorize").first.click()
        expect(page.get_by_role("dialog")).to_be_visible()
        assert faults(page, axe) == []
        look(seen, f"{scheme}-{width}-dialog")


def faults(page: Page, axe: str) -> list[str]:
    """Return axe's findings on WCAG 2, A and AA, and whether the page is too wide."""
    # A call's heading is a button with a link in it: Swagger UI is built that way.
    rules = """{
        runOnly: ["wcag2a", "wcag2aa"],
        rules: {"nested-interactive": {enabled: false}},
    }"""
    page.evaluate(axe)
    # A button that changes its colours has others on the way.
    page.evaluate(
        "Promise.race([new Promise(done => setTimeout(done, 2000)),"
        " Promise.allSettled(document.getAnimations().map(each => each.finished))])"
    )
    found: dict[str, Any] = page.evaluate(f"() => axe.run({rules})")
    wide = "document.documentElement.scrollWidth > innerWidth"
    return [
        *(["wider than the screen"] if page.evaluate(wide) else []),
        *(
            f"{fault['id']}: {node['target']}"
            for fault in found["violations"]
            for node in fault["nodes"]
        ),
    ]


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
        # The page proposes the document's example, which is good as it stands.
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
