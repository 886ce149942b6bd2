"""How the example page looks: on phones and desks, by day and by night."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import visit
from tests.example_page.served import Site
from tests.http.openapi.test_docs_browser import faults, look
from tests.node import Node

pytestmark = pytest.mark.browser
STRANGERS = {
    "/sign-in": "Sign in",
    "/register": "Create an account",
    "/forgot": "Forgot your password?",
    "purpose=reset&token=none": "Choose a new password",
    "purpose=none": "Not a whole link",
}
MEMBERS = {
    "/": "Members",
    "/me": "A" * 150,
    "/users/bob": "Bob Brown",
    "/users/bob/following": "Bob Brown",
    "/users/no-such-name": "That did not work",
    "/account": "Account",
    "/blocks": "Blocks",
}
# Finds targets that are too small for a finger. A link in a row is as large as that.
SMALL = """
() => [...document.querySelectorAll("button, input, textarea, a:not(.names a, .skip)")]
    .filter(one => one.checkVisibility())
    .map(one => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
    .filter(([, box]) => box.height < 44 || box.width < 44)
    .map(([text, box]) => `${text}: ${box.width} x ${box.height}`)
"""


def open_view(page: Page, site: Site, place: str, title: str) -> None:
    """Open a view anew, and wait until it is whole."""
    page.goto("about:blank")
    page.goto(f"{site.origin}/#{place}")
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def views(page: Page, site: Site) -> Iterator[str]:
    """Show each view, signed out and signed in; yield its name."""
    for place, title in STRANGERS.items():
        open_view(page, site, place, title)
        yield place.partition("&")[0]
    open_view(page, site, "/register", "Create an account")
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_text("Fill this in.").first).to_be_visible()
    yield "errors"
    site.sign_in(page, "alice")
    for place, title in MEMBERS.items():
        open_view(page, site, place, title)
        yield place
    open_view(page, site, "/users/bob", "Bob Brown")
    page.get_by_role("button", name="Block").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    yield "dialog"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 320])
def test_nothing_is_too_wide_too_small_or_too_faint(
    site: Site, chromium: Browser, node: Node, scheme: Any, width: int
) -> None:
    axe = (node.modules / "axe-core/axe.min.js").read_text("utf-8")
    # The longest that can be: a name without a space, a bio without one.
    alice = site.register("alice", first_name="A" * 150, bio="b" * 1000)
    bob = site.register("bob", first_name="Bob", last_name="Brown", bio="Pilot")
    site.register("m" * 30, last_name="M" * 150)
    for name, token in (("bob", alice), ("alice", bob), ("m" * 30, bob)):
        site.client.call("POST", "follow/", {"username": name}, token)
    site.client.call("PUT", f"{'m' * 30}/block/", {}, alice)
    with visit(chromium, width, 844) as seen:
        page = seen.page
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for name in views(page, site):
            assert faults(page, axe) == [], name
            assert page.evaluate(SMALL) == [], name
            look(seen, f"page-{name.strip('/').replace('/', '-')}-{scheme}-{width}")


def test_it_can_be_used_by_keyboard_alone(site: Site, chromium: Browser) -> None:
    site.register("alice")
    site.register("bob")
    with visit(chromium) as seen:
        page = seen.page
        page.goto(f"{site.origin}/")
        expect(page.get_by_role("heading", name="Sign in")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("alice")
        page.keyboard.press("Tab")
        page.keyboard.type("password123")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Members")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("bob")
        expect(page.get_by_text("1 member", exact=True)).to_be_visible()
        for _ in ("the row", "its button"):
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("button", name="Unfollow @bob")).to_be_focused()
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="bob")).to_be_focused()
        page.get_by_role("button", name="Block").press("Enter")
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Block")).to_be_focused()
        assert seen.complaints == []
