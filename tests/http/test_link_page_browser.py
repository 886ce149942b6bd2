"""The page of links in a real browser: from the mail to signing in."""

import email
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Visit, visit
from tests.http.openapi.test_docs_browser import faults, look
from tests.live_server import KEY, Client, Server, until
from tests.mailbox import EVERYTHING
from tests.node import Node

pytestmark = pytest.mark.browser
NEW = "a password that is new"
_LINK = re.compile(r"http://\S+#\S+")


class Site:
    """A running service, the mail that it writes, and a connection to it."""

    def __init__(self, server: Server, directory: Path, client: Client) -> None:
        self.server, self.directory, self.client = server, directory, client

    def link(self, purpose: str, number: int = 1) -> str:
        """Return the link of a mail, at the port of the server, once it is written."""
        until(lambda: len(self._paths(purpose)) >= number)
        path = self._paths(purpose)[number - 1]
        message = email.message_from_bytes(path.read_bytes(), policy=default)
        assert isinstance(message, EmailMessage)
        body = message.get_body(("plain",))
        assert body is not None
        (link,) = _LINK.findall(body.get_content())
        parts = urlsplit(link)
        here: str = parts._replace(netloc=f"127.0.0.1:{self.server.port}").geturl()
        return here

    def _paths(self, purpose: str) -> list[Path]:
        return sorted(self.directory.glob(f"*-{purpose}.eml"))

    def token(self, name: str, password: str) -> str:
        """Sign in; return the access token."""
        body = {"username": name, "password": password}
        reply = self.client.call("POST", "login/", body)
        assert reply.status == 200, reply
        access: str = reply.body["access"]
        return access

    def security(self, token: str) -> Any:
        """Return the answer of `GET me/security/`."""
        return self.client.call("GET", "me/security/", token=token).body


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[Site]:
    """Serve with mail as files, and a user "alice"."""
    values = {f"CAREERS_USERS_{name.upper()}": EVERYTHING[name] for name in EVERYTHING}
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    settings |= {**values, "CAREERS_USERS_DATA_DIR": str(tmp_path)}
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        yield Site(server, tmp_path / "mail", client)


def scan(link: str, page: Page) -> None:
    """Do what programs do that look at each link of a mail, before anybody clicks."""
    for method in ("GET", "HEAD"):
        with urlopen(Request(link, method=method)) as reply:
            assert reply.status == 200
    page.goto(link)
    expect(page.get_by_role("button")).to_be_visible()
    page.goto("about:blank")


def opened(seen: Visit, link: str) -> Page:
    """Open a link, after a scanner has."""
    scan(link, seen.page)
    seen.page.goto(link)
    return seen.page


def test_from_the_mail_to_signing_in_with_a_new_password(
    site: Site, chromium: Browser
) -> None:
    body = {"username": "alice@example.com"}
    assert site.client.call("POST", "password/reset/", body).status == 202
    link = site.link("reset")
    with visit(chromium) as seen:
        page = opened(seen, link)
        expect(page).to_have_title("Choose a new password")
        look(seen, "reset")
        page.get_by_label("New password", exact=True).fill("short")
        page.get_by_label("New password once more").fill("short")
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("between 8")
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password once more").fill(NEW)
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("has been changed")
        expect(page.get_by_role("button")).to_have_count(0)
        assert "token" not in page.url
        look(seen, "reset-done")
        assert seen.hosts() == {f"127.0.0.1:{site.server.port}"}
        # The refused password is a 400, which the browser's console tells.
        assert [text for text in seen.complaints if "400" not in text] == []
        assert not any("token" in urlsplit(url).query for url in seen.requests)
    assert site.security(site.token("alice", NEW))["email_verified"]

    with visit(chromium) as seen:
        page = opened(seen, link)
        page.get_by_label("New password", exact=True).fill(NEW)
        page.get_by_label("New password once more").fill(NEW)
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("used already")


def test_verifying_and_changing_by_keyboard_alone(
    site: Site, chromium: Browser
) -> None:
    token = site.token("alice", "password123")
    with visit(chromium) as seen:
        page = opened(seen, site.link("verify"))
        assert not site.security(token)["email_verified"]
        page.keyboard.press("Tab")
        expect(page.get_by_role("button")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("status")).to_contain_text("is verified")
        expect(page.get_by_role("status")).to_be_focused()
        assert site.security(token)["email_verified"]

        body = {"email": "alice@example.org"}
        assert site.client.call("PATCH", "me/", body, token).status == 200
        for purpose, said in (("new", "present address"), ("old", "has changed")):
            page = opened(seen, site.link(f"change-{purpose}"))
            page.keyboard.press("Tab")
            page.keyboard.press("Enter")
            expect(page.get_by_role("status")).to_contain_text(said)
        assert seen.complaints == []
    me = site.client.call("GET", "me/", token=token).body
    assert me["email"] == "alice@example.org"


def test_a_link_that_is_not_whole_says_so(site: Site, chromium: Browser) -> None:
    with visit(chromium) as seen:
        seen.page.goto(site.link("verify").partition("#")[0])
        expect(seen.page.get_by_text("Open the link of the mail again")).to_be_visible()
        expect(seen.page.get_by_role("button")).to_have_count(0)


def test_the_form_masks_and_takes_what_a_password_manager_fills_in(
    site: Site, chromium: Browser
) -> None:
    page_url = site.link("verify").partition("#")[0]
    with visit(chromium) as seen:
        page = seen.page
        page.goto(f"{page_url}#purpose=reset&token=none")
        fields = page.locator("input[autocomplete=new-password]")
        expect(fields).to_have_count(2)
        for field in fields.all():
            expect(field).to_have_attribute("type", "password")
            field.focus()
            page.keyboard.insert_text("pasted " + NEW)
            expect(field).to_have_value("pasted " + NEW)
        page.get_by_label("Show what I type").check()
        for field in fields.all():
            expect(field).to_have_attribute("type", "text")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_it_is_legible_by_day_and_night_on_desks_and_phones(
    site: Site, chromium: Browser, node: Node, scheme: Any, width: int
) -> None:
    axe = (node.modules / "axe-core/axe.min.js").read_text("utf-8")
    page_url = site.link("verify").partition("#")[0]
    with visit(chromium, width, 740) as seen:
        page = seen.page
        page.emulate_media(color_scheme=scheme)
        for purpose in ("verify", "reset", "change"):
            page.goto("about:blank")
            page.goto(f"{page_url}#purpose={purpose}&token=none")
            assert faults(page, axe) == []
            look(seen, f"link-{purpose}-{scheme}-{width}")
        page.get_by_role("button").click()
        expect(page.get_by_role("status")).to_contain_text("not valid")
        assert faults(page, axe) == []
