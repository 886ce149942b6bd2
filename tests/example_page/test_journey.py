"""The acts of a user on the example page, from registering to signing out."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import Visit, visit
from tests.example_page.served import PASSWORD, Site, let_expire, tokens
from tests.live_server import ask

pytestmark = pytest.mark.browser
# Text that would be an element, and run, if a page took it for markup.
MARKUP = "<img src=x onerror=alert(1)>"


def faultless(seen: Visit) -> bool:
    """Return whether nothing went wrong; browsers tell of each refusal (4xx) too."""
    return [one for one in seen.complaints if "status of 4" not in one] == []


def register(page: Page, origin: str) -> None:
    """Register alice on the page, after a password that is refused."""
    page.goto(f"{origin}/")
    page.get_by_role("link", name="Create an account").click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("E-mail address").fill("alice@example.com")
    password = page.get_by_label("Password", exact=True)
    password.fill("short")
    page.get_by_role("button", name="Create the account").click()
    expect(password).to_have_accessible_description(re.compile("between 8"))
    expect(password).to_be_focused()
    password.fill(PASSWORD)
    page.get_by_role("button", name="Create the account").click()
    expect(page.get_by_role("heading", name="Members")).to_be_focused()
    expect(page.get_by_role("status").last).to_have_text("Welcome, @alice.")


def test_from_registering_to_signing_out(site: Site, chromium: Browser) -> None:
    site.register("bob", first_name=MARKUP, bio=f"{MARKUP} Pilot")
    for number in range(25):
        site.register(f"colleague_{number}")
    with visit(chromium) as seen:
        page = seen.page
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        register(page, site.origin)
        page.reload()
        expect(page.get_by_text("@alice", exact=True).first).to_be_visible()
        find_and_follow(page)
        edit(page)
        confirm_address(page, site)
        end_a_session(page, site)
        block(page)
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert tokens(page) == {}
        page.reload()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert faultless(seen)
        assert seen.hosts() == {
            site.origin.removeprefix("http://"),
            f"127.0.0.1:{site.server.port}",
        }


def find_and_follow(page: Page) -> None:
    """Look through all members, search for bob, follow him, and see it at both."""
    cards = page.locator(".cards > li")
    expect(cards).to_have_count(10)
    for shown in (20, 27):
        page.get_by_role("button", name="Show more").click()
        expect(cards).to_have_count(shown)
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()

    page.get_by_label("Search for members").fill("pilot")
    expect(page.get_by_text("1 member", exact=True)).to_be_visible()
    page.get_by_role("button", name="Follow @bob").click()
    expect(page.get_by_role("button", name="Unfollow @bob")).to_be_visible()
    page.get_by_role("link", name=MARKUP).click()
    expect(page.get_by_role("heading", name=MARKUP)).to_be_focused()
    expect(page.get_by_text(f"{MARKUP} Pilot")).to_be_visible()
    expect(page.locator("main img")).to_have_count(0)
    followers = page.locator(".stats > div", has_text="Followers").locator("dd")
    expect(followers).to_have_text("1")
    expect(page.get_by_role("link", name="alice")).to_be_visible()

    page.get_by_role("button", name="Unfollow @bob").click()
    expect(followers).to_have_text("0")
    expect(page.get_by_text("No member yet.")).to_be_visible()


def edit(page: Page) -> None:
    """Change the bio, of which alone the service is told."""
    page.get_by_role("link", name="Profile").click()
    page.get_by_label("Address of your picture").fill("javascript:alert(1)")
    page.get_by_role("button", name="Save").click()
    picture = page.get_by_label("Address of your picture")
    expect(picture).to_have_attribute("aria-invalid", "true")
    picture.fill("")
    page.get_by_label("Bio").fill("I build\nbridges.")
    with page.expect_request(lambda sent: sent.method == "PATCH") as sent:
        page.get_by_role("button", name="Save").click()
    assert sent.value.post_data_json == {"bio": "I build\nbridges."}
    expect(page.locator(".bio")).to_have_text("I build\nbridges.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Nothing has changed.")).to_be_visible()


def confirm_address(page: Page, site: Site) -> None:
    """Ask for the mail again; follow its link in another tab."""
    page.get_by_role("link", name="Account").click()
    expect(page.get_by_text("Not verified")).to_be_visible()
    page.get_by_role("button", name="Send the link again").click()
    expect(page.get_by_role("status").last).not_to_be_empty()
    link = site.link("verify", "alice@example.com")
    assert link.startswith(f"{site.origin}/#purpose=verify&token=")
    tab = page.context.new_page()
    tab.goto(link)
    expect(tab.get_by_role("heading", name="Confirm your e-mail")).to_be_visible()
    tab.get_by_role("button", name="Confirm my address").click()
    expect(tab.get_by_role("heading", name="is verified")).to_be_focused()
    assert "token" not in tab.url
    tab.get_by_role("link", name="Go on").click()
    expect(tab.get_by_text("Verified", exact=True)).to_be_visible()
    tab.close()
    page.reload()
    expect(page.get_by_text("Verified", exact=True)).to_be_visible()


def end_a_session(page: Page, site: Site) -> None:
    """End the session of a program that has signed in meanwhile."""
    body = {"username": "alice", "password": PASSWORD}
    access = site.client.call("POST", "login/", body).body["access"]
    page.reload()
    page.get_by_role("button", name="End the session of Unknown program").click()
    expect(page.get_by_text("The session has ended.")).to_be_visible()
    assert site.client.call("GET", "me/", token=access).status == 401
    expect(page.get_by_text("This one")).to_be_visible()


def block(page: Page) -> None:
    """Block bob from his profile, look for him, and unblock him."""
    page.get_by_role("link", name="Members").click()
    page.get_by_label("Search for members").fill("bob")
    page.get_by_role("link", name=MARKUP).click()
    page.get_by_role("button", name="Block").click()
    dialog = page.get_by_role("dialog", name="Block @bob?")
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Block").click()
    dialog.get_by_role("button", name="Block").click()
    expect(page.get_by_role("heading", name="Blocks")).to_be_visible()
    expect(page.locator(".cards > li")).to_have_count(1)
    page.get_by_role("link", name="Members").click()
    page.get_by_label("Search for members").fill("bob")
    expect(page.get_by_text("0 members")).to_be_visible()

    page.get_by_role("link", name="Blocks").click()
    page.get_by_role("button", name="Unblock @bob").click()
    expect(page.locator(".cards > li")).to_have_count(0)
    page.get_by_label("Username").fill("no_such_name")
    page.get_by_role("button", name="Block", exact=True).click()
    description = re.compile("no such user")
    expect(page.get_by_label("Username")).to_have_accessible_description(description)
    page.get_by_label("Username").fill("bob")
    page.get_by_role("button", name="Block", exact=True).click()
    expect(page.get_by_role("button", name="Unblock @bob")).to_be_visible()


def test_the_end_of_an_access_token_is_not_seen(site: Site, chromium: Browser) -> None:
    site.register("alice")
    with visit(chromium) as seen:
        page = seen.page
        site.sign_in(page, "alice")
        before = tokens(page)
        let_expire(page)
        # This view makes several calls at once.
        page.get_by_role("link", name="Account").click()
        expect(page.get_by_text("This one")).to_be_visible()
        renewed = [url for url in seen.requests if url.endswith("/token/refresh/")]
        # With the question whether it may, which is sent to other origins (CORS).
        assert len(renewed) in (1, 2)
        assert tokens(page)["refresh"] != before["refresh"]
        let_expire(page)
        page.reload()
        expect(page.get_by_text("This one")).to_be_visible()
        assert "sign-in" not in page.url
        assert faultless(seen)


def test_a_session_that_was_ended_elsewhere_asks_to_sign_in(
    site: Site, chromium: Browser
) -> None:
    access = site.register("alice")
    with visit(chromium) as seen:
        page = seen.page
        site.sign_in(page, "alice")
        assert site.client.call("POST", "logout/all/", {}, access).status == 200
        page.get_by_role("link", name="Blocks").click()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        expect(page.get_by_text("Your session has ended.")).to_be_visible()
        assert tokens(page) == {}


def test_a_new_address_asks_for_the_password_and_waits_for_its_link(
    site: Site, chromium: Browser, database_url: str
) -> None:
    site.register("alice")
    with visit(chromium) as seen:
        page = seen.page
        site.sign_in(page, "alice")
        ask(
            database_url, "UPDATE refresh_tokens SET created_at = '2020-01-01 00:00:00'"
        )
        page.get_by_role("link", name="Profile").click()
        page.get_by_label("E-mail address").fill("alice@example.org")
        page.get_by_role("button", name="Save").click()
        dialog = page.get_by_role("dialog", name="Confirm that it is you")
        dialog.get_by_label("Password", exact=True).fill("a wrong one")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog.get_by_text("The password is wrong.")).to_be_visible()
        dialog.get_by_label("Password", exact=True).fill(PASSWORD)
        dialog.get_by_role("button", name="Confirm").click()
        expect(
            page.get_by_text("link in the mail to alice@example.org")
        ).to_be_visible()
        page.get_by_role("link", name="Account").click()
        expect(page.get_by_text("A change to alice@example.org waits")).to_be_visible()
        page.goto(site.link("change-new", "alice@example.org"))
        page.get_by_role("button", name="Confirm the change").click()
        page.get_by_role("link", name="Go on").click()
        expect(page.get_by_text("alice@example.org", exact=True)).to_be_visible()
        assert faultless(seen)


def test_a_forgotten_password_is_replaced_by_a_link(
    site: Site, chromium: Browser
) -> None:
    site.register("alice")
    with visit(chromium) as seen:
        page = seen.page
        page.goto(f"{site.origin}/#/forgot")
        page.get_by_label("Username or e-mail address").fill("alice")
        page.get_by_role("button", name="Send a link").click()
        expect(page.get_by_text("a link is on its way")).to_be_visible()
        page.goto(site.link("reset", "alice@example.com"))
        page.get_by_label("New password").fill("a password that is new")
        page.get_by_role("button", name="Show the password").click()
        expect(page.get_by_label("New password")).to_have_attribute("type", "text")
        page.get_by_role("button", name="Set the password").click()
        page.get_by_role("link", name="Go on").click()
        page.get_by_label("Username or e-mail address").fill("alice")
        page.get_by_label("Password", exact=True).fill("a password that is new")
        page.get_by_role("button", name="Sign in").click()
        # The view that was asked for before.
        expect(page.get_by_role("heading", name="Account")).to_be_visible()
        assert faultless(seen)


def test_a_service_out_of_reach_signs_no_user_out(
    site: Site, chromium: Browser
) -> None:
    site.register("alice")
    with visit(chromium) as seen:
        page = seen.page
        site.sign_in(page, "alice")
        page.route("**/careers/users/**", lambda asked: asked.abort())
        page.reload()
        expect(page.get_by_text("The service can't be reached.")).to_be_visible()
        page.unroute("**/careers/users/**")
        page.get_by_role("button", name="Try again").click()
        expect(page.get_by_role("heading", name="Members")).to_be_visible()


def test_the_policy_refuses_markup_scripts_and_other_hosts(
    site: Site, chromium: Browser
) -> None:
    attempts = """async () => {
        const refusals = [];
        addEventListener("securitypolicyviolation", ({effectiveDirective}) =>
            refusals.push(effectiveDirective));
        const attempts = [
            () => { document.body.innerHTML = "<b>"; },
            () => { document.createElement("script").src = "http://localhost:1/"; },
            () => { document.body.setAttribute("style", "color: red"); },
            () => { new Image().src = "http://localhost:1/"; },
            () => { trustedTypes.createPolicy("loose", {}); },
            () => fetch("http://localhost:1/"),
        ];
        for (const attempt of attempts) {
            await (async () => attempt())().catch(() => {});
        }
        await new Promise(done => setTimeout(done));
        return [...new Set(refusals)].sort();
    }"""
    with visit(chromium) as seen:
        seen.page.goto(f"{site.origin}/")
        refused = ["connect-src", "img-src", "require-trusted-types-for"]
        refused += ["style-src-attr", "trusted-types"]
        assert seen.page.evaluate(attempts) == refused
