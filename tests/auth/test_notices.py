"""Mail that tells of an act on the account, to verified addresses alone."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from careers_users.account import suspension
from careers_users.cli import accounts
from careers_users.mail import rows as outbox_rows
from careers_users.models import Mail
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import NOON, SECOND, rows, set_clock
from tests.mailbox import Mailbox, verified

HOME, SAME_NETWORK, AWAY = "203.0.113.9", "203.0.200.1", "198.51.100.7"
FIREFOX = "Mozilla/5.0 (X11; Linux) Firefox/141.0"
NEWER_FIREFOX = "Mozilla/5.0 (X11; Linux) Firefox/142.0"
CURL = "curl/8.5.0"
NEW = {"password": "password456", "password_confirm": "password456"}


def log_in(api: Api, agent: str = FIREFOX, address: str = HOME) -> None:
    """Sign alice in with a program, from somewhere."""
    reply = api.post(
        "login/",
        {"username": "alice", "password": PASSWORD},
        headers={"User-Agent": agent},
        environ_overrides={"REMOTE_ADDR": address},
    )
    assert reply.status_code == 200


def change_password(api: Api, account: Account) -> None:
    """Change it."""
    body = {"old_password": PASSWORD, **NEW}
    assert api.post("me/password/", body, token=account.access).status_code == 200


def delete(api: Api, account: Account) -> None:
    """Delete the account."""
    body = {"password": PASSWORD}
    assert api.delete("me/", json=body, token=account.access).status_code == 200


def suspend(api: Api, account: Account) -> None:
    """Suspend the account, and change the reason."""
    with api.app.app_context():
        for reason in ("spam", "abuse"):
            suspension.suspend(account.id, reason)


def set_password(api: Api, account: Account) -> None:
    """Have the operator set a password."""
    with api.app.app_context():
        accounts.set_password(account.id, "password456")


ACTS: dict[str, Callable[[Api, Account], None]] = {
    "password-changed": change_password,
    "deletion": delete,
    "suspension": suspend,
}


@pytest.mark.parametrize("purpose", ACTS)
def test_an_act_is_told_to_a_verified_address(
    mail_api: Api, mails: Mailbox, purpose: str
) -> None:
    alice = verified(mail_api, mails, "alice")
    ACTS[purpose](mail_api, alice)
    assert mails.one(purpose).to == alice.email


@pytest.mark.parametrize("purpose", ACTS)
def test_and_not_to_one_that_is_not(
    mail_api: Api, mails: Mailbox, purpose: str
) -> None:
    alice = mail_api.register("alice")
    mails.fetch()
    ACTS[purpose](mail_api, alice)
    assert mails.fetch() == []


def test_an_operators_new_password_is_told_too(mail_api: Api, mails: Mailbox) -> None:
    alice = verified(mail_api, mails, "alice")
    set_password(mail_api, alice)
    assert mails.one("password-changed").to == alice.email


def test_a_deletion_leaves_no_other_mail(mail_api: Api, mails: Mailbox) -> None:
    alice = verified(mail_api, mails, "alice")
    delete(mail_api, alice)
    left = rows(mail_api.app, select(*Mail.__table__.c))
    assert [row["purpose"] for row in left] == ["deletion"]
    mails.one("deletion")
    (row,) = rows(mail_api.app, select(*Mail.__table__.c))
    assert (row["state"], row["address"]) == ("sent", None)


def test_a_deletion_is_told_at_an_address_that_was_changed_just_before(
    direct: Flask, tmp_path: Path
) -> None:
    """The mail about the change is deleted with the account, before it is sent."""
    api, mails = Api(direct), Mailbox(direct, tmp_path / "mail")
    alice = verified(api, mails, "alice")
    api.patch("me/", {"email": "thief@example.org"}, token=alice.access)
    delete(api, alice)
    assert mails.one("deletion").to == alice.email


def test_a_change_that_is_told_in_vain_is_not_told_at_the_new_address(
    direct: Flask, tmp_path: Path
) -> None:
    api, mails = Api(direct), Mailbox(direct, tmp_path / "mail")
    alice = verified(api, mails, "alice")
    api.patch("me/", {"email": "new@example.org"}, token=alice.access)
    with direct.app_context():
        claimed = outbox_rows.claim()
        assert claimed is not None
        assert claimed.row.address == alice.email
        outbox_rows.finish(claimed, "failed", "recipient 550", alice.email)
    api.post("email/verify/", {"token": mails.one("verify").token})
    with direct.app_context():
        assert outbox_rows.retry([claimed.row.id]) == 1
    assert mails.fetch() == []
    assert mails.rows()[-2]["state"] == "dropped"


# ------------------------------------------------------------------------- new devices


@pytest.fixture
def alice(mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Register a user whose address is verified, and sign in at home."""
    set_clock(monkeypatch, NOON)
    account = verified(mail_api, mails, "alice")
    log_in(mail_api)
    mails.one("new-device")
    return account


def test_a_sign_in_with_a_new_device_is_told(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    log_in(mail_api, CURL)
    mail = mails.one("new-device")
    assert mail.to == alice.email
    assert CURL in mail.text
    assert HOME in mail.text
    log_in(mail_api, FIREFOX, AWAY)
    assert AWAY in mails.one("new-device").text


@pytest.mark.usefixtures("alice")
def test_a_known_device_is_not(
    mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor a newer version, or another address of the network, for 180 days."""
    for agent, address in (
        (FIREFOX, HOME),
        (NEWER_FIREFOX, HOME),
        (FIREFOX, SAME_NETWORK),
    ):
        log_in(mail_api, agent, address)
    assert mails.fetch() == []
    # Each sign-in counts anew.
    for days in (100, 270):
        set_clock(monkeypatch, NOON + timedelta(days=days))
        log_in(mail_api)
        assert mails.fetch() == []
    set_clock(monkeypatch, NOON + timedelta(days=270 + 180))
    log_in(mail_api)
    mails.one("new-device")


@pytest.mark.usefixtures("alice")
def test_two_sign_ins_at_once_are_one_notice(
    mail_api: Api, mails: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(mail_api, CURL)
    set_clock(monkeypatch, NOON + SECOND)
    log_in(mail_api, CURL)
    mails.one("new-device")
    log_in(mail_api, CURL)
    assert mails.fetch() == []


def test_the_device_of_a_registration_is_known(mail_api: Api, mails: Mailbox) -> None:
    verified(mail_api, mails, "alice")
    mail_api.post("login/", {"username": "alice", "password": PASSWORD})
    assert mails.fetch() == []


def test_devices_become_known_while_the_address_is_not_verified(
    mail_api: Api, mails: Mailbox
) -> None:
    mail_api.register("alice")
    token = mails.one("verify").token
    log_in(mail_api)
    assert mails.fetch() == []
    mail_api.post("email/verify/", {"token": token})
    log_in(mail_api)
    assert mails.fetch() == []


def test_ipv6_devices_are_known_by_their_network(mail_api: Api, mails: Mailbox) -> None:
    verified(mail_api, mails, "alice")
    log_in(mail_api, address="2001:db8:1::1")
    mails.one("new-device")
    log_in(mail_api, address="2001:db8:ffff::1")
    assert mails.fetch() == []
    log_in(mail_api, address="2001:db9::1")
    mails.one("new-device")
