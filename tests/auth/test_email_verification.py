"""Verified addresses: asked by mail, told by its link."""

from datetime import timedelta

import pytest

from careers_users.validation.limits import BASE_PATH
from tests.api import Api
from tests.auth.stored import NOON, SECOND, change_user, set_clock
from tests.mailbox import Mailbox

DAY = timedelta(hours=24)


def is_verified(api: Api, token: str) -> bool:
    """Return whether the owner is told so."""
    told: bool = api.get("me/security/", token=token).json["email_verified"]
    return told


def test_registering_sends_a_link_that_verifies_the_address(
    mail_api: Api, mails: Mailbox
) -> None:
    alice = mail_api.register("alice")
    assert not is_verified(mail_api, alice.access)
    mail = mails.one("verify")
    assert mail.to == alice.email
    assert "alice" not in mail.text.replace(alice.email, "")
    reply = mail_api.post("email/verify/", {"token": mail.token})
    assert reply.status_code == 200
    assert is_verified(mail_api, alice.access)
    events = mail_api.get("me/activity/", token=alice.access).json["results"]
    assert events[0]["event"] == "email_verified"


def test_once_more_is_200_again(mail_api: Api, mails: Mailbox) -> None:
    """Also by another link, which the first one has made void."""
    alice = mail_api.register("alice")
    first = mails.one("verify")
    mail_api.post("email/verify/send/", {}, token=alice.access)
    second = mails.one("verify")
    for mail in (first, first, second, first):
        reply = mail_api.post("email/verify/", {"token": mail.token})
        assert reply.status_code == 200


def test_asking_answers_202_and_200_if_it_is_verified_already(
    mail_api: Api, mails: Mailbox
) -> None:
    alice = mail_api.register("alice")
    mails.fetch()
    asked = mail_api.post("email/verify/send/", {}, token=alice.access)
    assert asked.status_code == 202
    mail_api.post("email/verify/", {"token": mails.one("verify").token})
    again = mail_api.post("email/verify/send/", {}, token=alice.access)
    assert again.status_code == 200
    assert mails.fetch() == []


def test_asking_needs_a_token(mail_api: Api) -> None:
    reply = mail_api.post("email/verify/send/", {})
    assert (reply.status_code, reply.json["code"]) == (401, "not_authenticated")


def test_links_that_are_not_used_yet_are_200_too_once_it_is_verified(
    mail_api: Api, mails: Mailbox
) -> None:
    """By a reset, say, which leaves links for verification good."""
    mail_api.register("alice")
    link = mails.one("verify")
    change_user(mail_api.app, "alice", email_verified_at=NOON)
    for _ in range(2):
        reply = mail_api.post("email/verify/", {"token": link.token})
        assert reply.status_code == 200


def test_a_newer_mail_voids_no_older_one(mail_api: Api, mails: Mailbox) -> None:
    alice = mail_api.register("alice")
    first = mails.one("verify")
    mail_api.post("email/verify/send/", {}, token=alice.access)
    mails.one("verify")
    assert mail_api.post("email/verify/", {"token": first.token}).status_code == 200


def test_a_link_is_good_for_24_hours_from_its_mail(
    mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    mail_api.register("alice")
    mail_api.register("bob")
    alices, bobs = mails.fetch()
    set_clock(monkeypatch, NOON + DAY - SECOND)
    assert mail_api.post("email/verify/", {"token": alices.token}).status_code == 200
    set_clock(monkeypatch, NOON + DAY)
    late = mail_api.post("email/verify/", {"token": bobs.token})
    assert (late.status_code, late.json["code"]) == (400, "link_expired")
    # One that was used in time has done what it is for.
    assert mail_api.post("email/verify/", {"token": alices.token}).status_code == 200


@pytest.mark.parametrize(
    "token",
    ["", "x", "\0", "1.1.", "9" * 5000, "1.1." + "0" * 64, "1" * 19 + ".1." + "a" * 64],
)
def test_a_token_that_is_none_is_400(mail_api: Api, token: str) -> None:
    mail_api.register("alice")
    reply = mail_api.post("email/verify/", {"token": token})
    assert reply.status_code == 400
    assert reply.json["code"] in ("link_invalid", "validation_failed")


def test_only_a_genuine_token_learns_what_has_become_of_a_link(
    mail_api: Api, mails: Mailbox
) -> None:
    mail_api.register("alice")
    token = mails.one("verify").token
    mail_api.post("email/verify/", {"token": token})
    forged = token[:-1] + ("0" if token[-1] != "0" else "1")
    reply = mail_api.post("email/verify/", {"token": forged})
    assert (reply.status_code, reply.json["code"]) == (400, "link_invalid")
    # Nor is it good for another purpose.
    for path in ("email/change/confirm/", "password/reset/confirm/"):
        body = {"token": token}
        if "reset" in path:
            body |= {"password": "password456", "password_confirm": "password456"}
        assert mail_api.post(path, body).json["code"] == "link_invalid"


def test_unknown_fields_are_400(mail_api: Api) -> None:
    reply = mail_api.post("email/verify/", {"token": "x", "more": 1})
    assert (reply.status_code, list(reply.json["details"])) == (400, ["more"])


def test_get_and_head_change_nothing(mail_api: Api, mails: Mailbox) -> None:
    alice = mail_api.register("alice")
    mail = mails.one("verify")
    client = mail_api.app.test_client()
    for path in ("email/verify/", "email/confirm/"):
        for method in ("GET", "HEAD"):
            url = f"{BASE_PATH}/{path}?purpose=verify&token={mail.token}"
            client.open(url, method=method)
    assert not is_verified(mail_api, alice.access)
    assert mail_api.post("email/verify/", {"token": mail.token}).status_code == 200


def test_a_link_is_void_once_the_account_is_inactive(
    mail_api: Api, mails: Mailbox
) -> None:
    mail_api.register("alice")
    mail = mails.one("verify")
    change_user(mail_api.app, "alice", is_active=False)
    reply = mail_api.post("email/verify/", {"token": mail.token})
    assert (reply.status_code, reply.json["code"]) == (400, "link_invalid")


def test_a_change_that_was_asked_for_before_needs_the_verified_address_too(
    mail_api: Api, mails: Mailbox
) -> None:
    alice = mail_api.register("alice")
    verification = mails.one("verify")
    body = {"email": "alice@example.org"}
    assert mail_api.patch("me/", body, token=alice.access).status_code == 200
    new = mails.one("change-new")
    mail_api.post("email/verify/", {"token": verification.token})
    old = mails.one("change-old")
    assert (old.to, "alice@example.org" in old.text) == (alice.email, True)
    for mail, waiting_for in ((new, "old"), (old, None)):
        reply = mail_api.post("email/change/confirm/", {"token": mail.token})
        assert (reply.status_code, reply.json["waiting_for"]) == (200, waiting_for)
