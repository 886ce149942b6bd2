"""A forgotten password: one row for any name; a link; a new password."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from careers_users.cli import accounts
from careers_users.mail.outbox import WAITING
from careers_users.models import Mail, SecurityEvent
from tests.api import PASSWORD, Account, Api, Reply
from tests.auth.stored import NOON, SECOND, change_user, rows, set_clock
from tests.auth.test_refusals_alike import traffic
from tests.mailbox import Mailbox

NEW = "a password that is new"
HALF_AN_HOUR = timedelta(minutes=30)


def ask(api: Api, name: str) -> Reply:
    """Ask for a link."""
    return api.post("password/reset/", {"username": name})


def confirm(api: Api, token: str, password: str = NEW) -> Reply:
    """Set a password with the token of a link."""
    body = {"token": token, "password": password, "password_confirm": password}
    return api.post("password/reset/confirm/", body)


def log_in(api: Api, password: str, name: str = "alice") -> int:
    """Try to sign in; return the status."""
    return api.post("login/", {"username": name, "password": password}).status_code


def reset_rows(api: Api) -> Sequence[Any]:
    """Return the resets of the outbox, oldest first."""
    found = select(*Mail.__table__.c).where(Mail.purpose == "reset").order_by(Mail.id)
    return rows(api.app, found)


@pytest.fixture
def alice(mail_api: Api, mails: Mailbox) -> Account:
    """Register a user, and fetch the first mail."""
    account = mail_api.register("alice")
    mails.fetch()
    return account


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice@Example.com"])
def test_a_link_by_mail_sets_a_new_password(
    mail_api: Api, mails: Mailbox, alice: Account, name: str
) -> None:
    assert ask(mail_api, name).status_code == 202
    mail = mails.one("reset")
    assert mail.to == alice.email
    done = confirm(mail_api, mail.token)
    assert (done.status_code, list(done.json)) == (200, ["message"])
    assert log_in(mail_api, PASSWORD) == 401
    assert log_in(mail_api, NEW) == 200


def test_all_sessions_end_and_the_address_is_verified(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    ask(mail_api, "alice")
    confirm(mail_api, mails.one("reset").token)
    gone = mail_api.get("me/", token=alice.access)
    assert (gone.status_code, gone.json["code"]) == (401, "token_revoked")
    refreshed = mail_api.post("token/refresh/", {"refresh": alice.refresh})
    assert refreshed.status_code == 401
    body = {"username": "alice", "password": NEW}
    token = mail_api.post("login/", body).json["access"]
    assert mail_api.get("me/security/", token=token).json["email_verified"]
    assert [m.purpose for m in mails.fetch()][:1] == ["password-changed"]
    events = mail_api.get("me/activity/", token=token).json["results"]
    assert [event["event"] for event in events] == [
        "login_succeeded",
        "password_reset",
        "password_reset_requested",
        "registered",
    ]


def test_a_refused_password_leaves_the_token_good(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    ask(mail_api, "alice")
    token = mails.one("reset").token
    for bad in ("short", alice.email):
        refused = confirm(mail_api, token, bad)
        assert (refused.status_code, list(refused.json["details"])) == (
            400,
            ["password"],
        )
    body = {"token": token, "password": NEW, "password_confirm": "another one"}
    refused = mail_api.post("password/reset/confirm/", body)
    assert list(refused.json["details"]) == ["password_confirm"]
    assert confirm(mail_api, token).status_code == 200


def test_a_used_link_is_used(mail_api: Api, mails: Mailbox, alice: Account) -> None:
    ask(mail_api, "alice")
    first = mails.one("reset")
    ask(mail_api, alice.email)
    second = mails.one("reset")
    assert confirm(mail_api, first.token).status_code == 200
    used, void = confirm(mail_api, first.token), confirm(mail_api, second.token)
    assert (used.status_code, used.json["code"]) == (400, "link_used")
    assert (void.status_code, void.json["code"]) == (400, "link_invalid")


def test_a_link_is_good_for_30_minutes(
    mail_api: Api,
    mails: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_clock(monkeypatch, NOON)
    links = []
    for name in ("alice", "bob"):
        mail_api.register(name)
        mails.fetch()
        ask(mail_api, name)
        links.append(mails.one("reset"))
    alices, bobs = links
    set_clock(monkeypatch, NOON + HALF_AN_HOUR - SECOND)
    assert confirm(mail_api, alices.token).status_code == 200
    set_clock(monkeypatch, NOON + HALF_AN_HOUR)
    late = confirm(mail_api, bobs.token)
    assert (late.status_code, late.json["code"]) == (400, "link_expired")


def test_a_new_password_voids_it(mail_api: Api, mails: Mailbox, alice: Account) -> None:
    ask(mail_api, "alice")
    token = mails.one("reset").token
    body = {"old_password": PASSWORD, "password": NEW, "password_confirm": NEW}
    assert mail_api.post("me/password/", body, token=alice.access).status_code == 200
    void = confirm(mail_api, token, "password of a thief")
    assert (void.status_code, void.json["code"]) == (400, "link_invalid")
    assert log_in(mail_api, NEW) == 200


NOBODY = ["nobody", "nobody@example.com", "inactive", "inactive@example.com"]
# They fold to alice's in a search, and are no user's where identity counts.
LOOK_ALIKES = ["álice", "ａlice", "alıce@example.com", "alice@exámple.com", "ALİCE"]


@pytest.mark.parametrize("name", [*NOBODY, *LOOK_ALIKES])
def test_an_unknown_name_gets_the_same_answer_and_no_mail(
    mail_api: Api, mails: Mailbox, alice: Account, name: str
) -> None:
    mail_api.register("inactive")
    change_user(mail_api.app, "inactive", is_active=False)
    mails.fetch()
    known, unknown = ask(mail_api, "alice"), ask(mail_api, name)
    assert (unknown.status_code, unknown.data) == (known.status_code, known.data)
    ids = ("X-Request-ID", "Date")
    assert [h for h in unknown.headers if h[0] not in ids] == (
        [h for h in known.headers if h[0] not in ids]
    )
    assert [mail.to for mail in mails.fetch()] == [alice.email]
    assert [row["state"] for row in reset_rows(mail_api)] == ["sent", "dropped"]


def test_asking_costs_the_same_for_every_name(mail_api: Api, alice: Account) -> None:
    mail_api.register("inactive")
    change_user(mail_api.app, "inactive", is_active=False)
    costs = {}
    for name in ("alice", alice.email, *NOBODY):
        with traffic(mail_api.app) as seen:
            ask(mail_api, name)
        statements = [s.replace("email_key", "username_key") for s in seen]
        costs[name] = statements
    assert len({tuple(statements) for statements in costs.values()}) == 1, costs
    assert "COMMIT" in costs["alice"]
    written = reset_rows(mail_api)
    assert len(written) == len(costs)
    assert {(row["state"], row["address"]) for row in written} == {(WAITING, None)}


def test_a_row_holds_a_keyed_hash_of_what_was_typed(
    mail_api: Api, alice: Account
) -> None:
    for name in ("alice", "nobody@example.com"):
        ask(mail_api, name)
    known, unknown = reset_rows(mail_api)
    assert (known["user_id"], unknown["user_id"]) == (alice.id, None)
    for row in (known, unknown):
        assert int(row["asked"], 16)
    assert "nobody" not in str(unknown)
    events = rows(mail_api.app, select(*SecurityEvent.__table__.c))
    assert "nobody" not in str(events)


def test_an_inactive_users_link_is_void(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    ask(mail_api, "alice")
    token = mails.one("reset").token
    change_user(mail_api.app, alice.username, is_active=False)
    void = confirm(mail_api, token)
    assert (void.status_code, void.json["code"]) == (400, "link_invalid")


def test_a_link_stays_void_when_the_account_is_opened_again(
    mail_api: Api, mails: Mailbox, alice: Account
) -> None:
    ask(mail_api, "alice")
    token = mails.one("reset").token
    with mail_api.app.app_context():
        accounts.deactivate(alice.id)
        accounts.activate(alice.id)
    void = confirm(mail_api, token)
    assert (void.status_code, void.json["code"]) == (400, "link_invalid")


def test_a_reset_is_the_way_back_for_the_owner_of_a_squatted_address(
    mail_api: Api, mails: Mailbox
) -> None:
    """S11: another user has registered with the address, and can't verify it."""
    squatter = mail_api.register("squatter", email="owner@example.com")
    mails.fetch()
    ask(mail_api, "owner@example.com")
    assert confirm(mail_api, mails.one("reset").token).status_code == 200
    assert mail_api.get("me/", token=squatter.access).status_code == 401
    assert log_in(mail_api, NEW, "owner@example.com") == 200


@pytest.mark.parametrize(
    "body",
    [
        {"username": ""},
        {"username": "a\0b"},
        {"username": "a" * 5000},
        {"username": "a", "more": 1},
        {},
    ],
)
def test_bad_input_is_400(mail_api: Api, body: dict[str, Any]) -> None:
    assert mail_api.post("password/reset/", body).status_code == 400


def test_without_mail_there_is_no_reset(api: Api) -> None:
    for path in ("password/reset/", "password/reset/confirm/", "email/verify/"):
        reply = api.post(path, {})
        assert (reply.status_code, reply.json["code"]) == (404, "not_found")
