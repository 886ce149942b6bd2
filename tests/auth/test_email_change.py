"""A new e-mail address: confirmed by both sides, or at once and told by mail."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api import PASSWORD, Account, Api, Reply
from tests.auth.stored import NOON, SECOND, set_clock
from tests.mailbox import Mailbox, Received, verified

NEW = "alice@example.org"
TEN_MINUTES = timedelta(minutes=10)


def change(api: Api, account: Account, email: str = NEW) -> Reply:
    """Ask for another address."""
    return api.patch("me/", {"email": email}, token=account.access)


def confirm(api: Api, mail: Received) -> Reply:
    """Follow the link of a mail."""
    return api.post("email/change/confirm/", {"token": mail.token})


def security(api: Api, account: Account) -> dict[str, Any]:
    """Return the answer of `GET me/security/`."""
    told: dict[str, Any] = api.get("me/security/", token=account.access).json
    return told


def email_of(api: Api, account: Account) -> str:
    """Return the address of an account."""
    email: str = api.get("me/", token=account.access).json["email"]
    return email


def sides(mails: list[Received]) -> tuple[Received, Received]:
    """Return the mail to the old address and that to the new one, of exactly two."""
    by_purpose = {mail.purpose: mail for mail in mails}
    assert by_purpose.keys() == {"change-old", "change-new"}
    return by_purpose["change-old"], by_purpose["change-new"]


@pytest.fixture
def alice(mail_api: Api, mails: Mailbox) -> Account:
    """Register a user, and verify the address."""
    return verified(mail_api, mails, "alice")


def test_the_address_stays_until_both_have_confirmed(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    asked = change(mail_api, alice)
    assert (asked.status_code, asked.json["email"]) == (200, alice.email)
    assert security(mail_api, alice)["pending_email"] == NEW
    old, new = sides(mails.fetch())
    assert (old.to, new.to) == (alice.email, NEW)
    assert NEW in old.text
    assert "alice" not in new.text.replace(NEW, "")

    first = confirm(mail_api, new)
    assert (first.status_code, first.json["waiting_for"]) == (200, "old")
    assert email_of(mail_api, alice) == alice.email
    last = confirm(mail_api, old)
    assert (last.status_code, last.json["waiting_for"]) == (200, None)
    assert email_of(mail_api, alice) == NEW
    told = security(mail_api, alice)
    assert (told["email_verified"], told["pending_email"]) == (True, None)
    notice = mails.one("address-changed")
    assert notice.to == alice.email
    login = {"username": NEW, "password": PASSWORD}
    assert mail_api.post("login/", login).status_code == 200
    events = mail_api.get("me/activity/", token=alice.access).json["results"]
    assert [event["event"] for event in events[:5]] == [
        "login_succeeded",
        "email_changed",
        "email_change_confirmed",
        "email_change_confirmed",
        "email_change_requested",
    ]


def test_the_other_order_is_as_good(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    change(mail_api, alice)
    old, new = sides(mails.fetch())
    assert confirm(mail_api, old).json["waiting_for"] == "new"
    assert confirm(mail_api, new).json["waiting_for"] is None
    assert email_of(mail_api, alice) == NEW


def test_an_address_that_is_not_verified_is_not_asked(
    mail_api: Api, mails: Mailbox
) -> None:
    bob = mail_api.register("bob")
    mails.fetch()
    change(mail_api, bob)
    assert confirm(mail_api, mails.one("change-new")).json["waiting_for"] is None
    assert email_of(mail_api, bob) == NEW
    assert mails.fetch() == []


def test_a_link_is_used_once(mail_api: Api, mails: Mailbox, alice: Account) -> None:
    change(mail_api, alice)
    old, new = sides(mails.fetch())
    for mail in (new, old):
        assert confirm(mail_api, mail).status_code == 200
        again = confirm(mail_api, mail)
        assert (again.status_code, again.json["code"]) == (400, "link_used")


def test_links_are_good_for_24_hours(
    mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    bob = mail_api.register("bob")
    mails.fetch()
    change(mail_api, bob)
    mail = mails.one("change-new")
    set_clock(monkeypatch, NOON + timedelta(hours=24))
    late = confirm(mail_api, mail)
    assert (late.status_code, late.json["code"]) == (400, "link_expired")


def test_a_taken_address_is_409_at_once_and_when_it_is_confirmed(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    change(mail_api, alice)
    old, new = sides(mails.fetch())
    confirm(mail_api, new)
    bob = mail_api.register("bob", email=NEW.upper())
    late = confirm(mail_api, old)
    assert (late.status_code, late.json["code"]) == (409, "email_taken")
    assert email_of(mail_api, alice) == alice.email
    carol = mail_api.register("carol")
    for email in (alice.email, bob.email):
        refused = change(mail_api, carol, email)
        assert (refused.status_code, refused.json["code"]) == (409, "email_taken")


def test_another_change_voids_the_links_of_the_first(
    mail_api: Api, mails: Mailbox
) -> None:
    """Or the reader of one address could confirm another."""
    mallory = mail_api.register("mallory")
    mails.fetch()
    change(mail_api, mallory, "mine@example.org")
    mine = mails.one("change-new")
    change(mail_api, mallory, "victim@example.org")
    void = confirm(mail_api, mine)
    assert (void.status_code, void.json["code"]) == (400, "link_invalid")
    assert email_of(mail_api, mallory) == mallory.email


def test_asking_again_keeps_what_is_confirmed(
    mail_api: Api,
    mails: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_clock(monkeypatch, NOON)
    alice = verified(mail_api, mails, "alice")
    change(mail_api, alice)
    old, new = sides(mails.fetch())
    confirm(mail_api, new)
    set_clock(monkeypatch, NOON + timedelta(minutes=2))
    change(mail_api, alice)
    assert confirm(mail_api, old).json["waiting_for"] is None


def test_asking_for_the_present_address_withdraws_the_change(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    change(mail_api, alice)
    _, new = sides(mails.fetch())
    assert change(mail_api, alice, alice.email).status_code == 200
    assert security(mail_api, alice)["pending_email"] is None
    assert confirm(mail_api, new).json["code"] == "link_invalid"


def test_a_new_password_ends_it(mail_api: Api, mails: Mailbox, alice: Account) -> None:
    change(mail_api, alice)
    _, new = sides(mails.fetch())
    passwords = {"password": "password456", "password_confirm": "password456"}
    body = {"old_password": PASSWORD, **passwords}
    reply = mail_api.post("me/password/", body, token=alice.access)
    assert confirm(mail_api, new).json["code"] == "link_invalid"
    told = mail_api.get("me/security/", token=reply.json["access"]).json
    assert told["pending_email"] is None


def test_a_new_address_voids_resets_and_verifications(
    mail_api: Api, mails: Mailbox
) -> None:
    bob = mail_api.register("bob")
    verification = mails.one("verify")
    mail_api.post("password/reset/", {"username": "bob"})
    reset = mails.one("reset")
    change(mail_api, bob)
    assert confirm(mail_api, mails.one("change-new")).status_code == 200
    passwords = {"password": "password456", "password_confirm": "password456"}
    body = {"token": reset.token, **passwords}
    reply = mail_api.post("password/reset/confirm/", body)
    assert (reply.status_code, reply.json["code"]) == (400, "link_invalid")
    # The new one is verified, and nothing is left to do.
    body = {"token": verification.token}
    assert mail_api.post("email/verify/", body).status_code == 200


def test_other_fields_need_neither(mail_api: Api, mails: Mailbox) -> None:
    bob = mail_api.register("bob")
    mails.fetch()
    body = {"bio": "Hello", "email": NEW}
    reply = mail_api.patch("me/", body, token=bob.access).json
    assert (reply["bio"], reply["email"]) == ("Hello", bob.email)


# ----------------------------------------------------------------- with direct changes


def test_a_direct_change_tells_the_old_address_and_asks_the_new_one(
    direct: Flask, tmp_path: Path
) -> None:
    api, mails = Api(direct), Mailbox(direct, tmp_path / "mail")
    alice = verified(api, mails, "alice")
    api.post("password/reset/", {"username": "alice"})
    reset = mails.one("reset")
    assert change(api, alice).json["email"] == NEW
    assert not security(api, alice)["email_verified"]
    assert {(mail.purpose, mail.to) for mail in mails.fetch()} == {
        ("address-changed", alice.email),
        ("verify", NEW),
    }
    passwords = {"password": "password456", "password_confirm": "password456"}
    body = {"token": reset.token, **passwords}
    assert api.post("password/reset/confirm/", body).json["code"] == "link_invalid"
    reply = api.post("email/change/confirm/", {"token": "x"})
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


def test_a_link_to_an_address_does_not_verify_the_next_one(
    direct: Flask, tmp_path: Path
) -> None:
    api, mails = Api(direct), Mailbox(direct, tmp_path / "mail")
    mallory, links = api.register("mallory"), mails.one("verify")
    alice, used = api.register("alice"), mails.one("verify")
    api.post("email/verify/", {"token": used.token})
    for account, mail, code in (
        (mallory, links, "link_invalid"),
        (alice, used, "link_used"),
    ):
        change(api, account, f"{account.username}.victim@example.org")
        reply = api.post("email/verify/", {"token": mail.token})
        assert (reply.status_code, reply.json["code"]) == (400, code)
        assert not security(api, account)["email_verified"]


# ----------------------------------------------------------------------------- step-up


def test_a_change_wants_a_confirmed_session(
    mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    bob = mail_api.register("bob")
    mails.fetch()
    # The registration counts, for ten minutes.
    set_clock(monkeypatch, NOON + TEN_MINUTES - SECOND)
    assert change(mail_api, bob, "one@example.org").status_code == 200
    mails.fetch()
    set_clock(monkeypatch, NOON + TEN_MINUTES)
    refused = change(mail_api, bob, "two@example.org")
    assert (refused.status_code, refused.json["code"]) == (403, "confirmation_required")
    assert refused.json["details"] == {"methods": ["password"]}
    assert mails.fetch() == []
    assert security(mail_api, bob)["pending_email"] == "one@example.org"
    # All else does not want it.
    body = {"bio": "Hello"}
    assert mail_api.patch("me/", body, token=bob.access).status_code == 200
    reply = mail_api.post("me/confirm/", {"password": PASSWORD}, token=bob.access)
    assert reply.json == {"confirmed_until": "2031-05-17T12:20:00Z"}
    set_clock(monkeypatch, NOON + 2 * TEN_MINUTES - SECOND)
    assert change(mail_api, bob, "two@example.org").status_code == 200
    set_clock(monkeypatch, NOON + 2 * TEN_MINUTES)
    refused = change(mail_api, bob, "three@example.org")
    assert refused.status_code == 403
