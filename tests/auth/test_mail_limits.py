"""How much mail an address gets, and how often it may be asked for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from config import TestConfig
from tests import mailbox
from tests.api import PASSWORD, Api
from tests.auth.stored import NOON, change_user, set_clock
from tests.mailbox import Mailbox

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
HOME, AWAY = "203.0.113.9", "198.51.100.7"


@pytest.fixture
def limited(settings: TestConfig, tmp_path: Path) -> Iterator[Api]:
    """Make a client of an application that counts."""
    counting = replace(settings, ratelimit_enabled=True, ratelimit_login=None)
    app = mailbox.make(counting, tmp_path)
    yield Api(app)
    mailbox.close(app)


@pytest.fixture
def box(limited: Api, tmp_path: Path) -> Mailbox:
    """Return the mail of that application."""
    return Mailbox(limited.app, tmp_path / "mail")


def ask(api: Api, name: str = "alice", address: str = HOME) -> int:
    """Ask for a reset; return the status."""
    origin = {"environ_overrides": {"REMOTE_ADDR": address}}
    return api.post("password/reset/", {"username": name}, **origin).status_code


def test_an_address_gets_one_mail_a_minute_of_a_purpose(
    limited: Api, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = limited.register("alice")
    box.one("verify")
    for seconds, number in ((0, 0), (59, 0), (60, 1)):
        set_clock(monkeypatch, NOON + timedelta(seconds=seconds))
        # By either name it is one address; the answer is the same.
        assert [ask(limited), ask(limited, alice.email)] == [202, 202]
        reply = limited.post("email/verify/send/", {}, token=alice.access)
        assert reply.status_code == 202
        got = [mail.purpose for mail in box.fetch()]
        resets = 1 if seconds in (0, 60) else 0
        assert (got.count("reset"), got.count("verify")) == (resets, number)


def test_an_address_gets_5_an_hour_and_20_a_day(
    limited: Api, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    limited.register("alice")
    got = [len(box.fetch())]
    for hour in range(5):
        for minute in range(1, 9):
            set_clock(monkeypatch, NOON + hour * HOUR + minute * MINUTE)
            # From many addresses, of which each has a limit of its own.
            assert ask(limited, address=f"203.0.{hour}.{minute}") == 202
            got.append(len(box.fetch()))
    assert sum(got[:9]) == 5
    assert sum(got) == 20
    set_clock(monkeypatch, NOON + timedelta(days=1))
    assert ask(limited, address=AWAY) == 202
    assert len(box.fetch()) == 1


@pytest.mark.parametrize("name", ["ALICE", "alice@Example.com"])
def test_resets_that_strangers_ask_for_keep_none_away_from_a_known_place(
    limited: Api, box: Mailbox, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Or 20 calls a day, from one address, would lock anybody out for ever."""
    set_clock(monkeypatch, NOON)
    home = {"environ_overrides": {"REMOTE_ADDR": HOME}}
    limited.register("alice")
    login = {"username": "alice", "password": PASSWORD}
    assert limited.post("login/", login, **home).status_code == 200
    box.fetch()
    for hour in range(5):
        for minute in range(1, 6):
            set_clock(monkeypatch, NOON + hour * HOUR + minute * MINUTE)
            ask(limited, address=AWAY)
            box.fetch()
    got = []
    for minute in range(6, 13):
        set_clock(monkeypatch, NOON + 4 * HOUR + minute * MINUTE)
        ask(limited, address=AWAY)
        assert box.fetch() == []
        ask(limited, name, HOME)
        got.append(len(box.fetch()))
    assert got == [1] * 5 + [0] * 2


def test_mail_that_others_ask_for_keeps_no_notice_away(
    limited: Api, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = limited.register("alice")
    limited.post("email/verify/", {"token": box.one("verify").token})
    for minute in range(1, 9):
        set_clock(monkeypatch, NOON + minute * MINUTE)
        ask(limited)
        box.fetch()
    passwords = {"password": "password456", "password_confirm": "password456"}
    body = {"old_password": PASSWORD, **passwords}
    limited.post("me/password/", body, token=alice.access)
    box.one("password-changed")


def test_resets_from_an_address_are_limited(
    limited: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For every name alike, before the user is looked up."""
    set_clock(monkeypatch, NOON)
    limited.register("alice")
    names = ["alice", "nobody"] * 10
    assert [ask(limited, name) for name in names] == [202] * 20
    assert [ask(limited, name) for name in ("alice", "nobody")] == [429, 429]
    assert ask(limited, address=AWAY) == 202
    set_clock(monkeypatch, NOON + HOUR)
    assert ask(limited) == 202


def test_verifications_asked_for_by_a_user_are_bounded_without_a_word(
    limited: Api, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = limited.register("alice")
    for _ in range(30):
        reply = limited.post("email/verify/send/", {}, token=alice.access)
        assert reply.status_code == 202
    assert len(box.rows()) == 21


def test_a_mail_that_is_tried_again_is_not_counted_again(
    limited: Api, box: Mailbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    limited.register("alice")
    # No directory can be made where there is a file.
    (tmp_path / "mail").write_text("in the way")
    box.fetch()
    (tmp_path / "mail").unlink()
    set_clock(monkeypatch, NOON + MINUTE)
    box.one("verify")


def test_an_inactive_user_gets_no_mail(limited: Api, box: Mailbox) -> None:
    limited.register("alice")
    box.fetch()
    change_user(limited.app, "alice", is_active=False)
    assert ask(limited) == 202
    assert box.fetch() == []
