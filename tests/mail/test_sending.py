"""Sending: claims and leases, tries and when they end, and what composers decide."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from threading import Barrier, Event
from typing import Any

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError

from careers_users.mail import rows
from careers_users.mail.outbox import Letter, MailRow
from careers_users.mail.rows import LEASE_SECONDS, Claim
from careers_users.mail.sender import Sender
from tests.api import Api
from tests.auth.stored import NOON, SECOND, set_clock
from tests.live_server import ask
from tests.mail.post_office import PostOffice
from tests.mail.written import (
    ANN,
    DAY,
    put,
    register,
    row,
    send,
    to_ann,
)

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _noon(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Once the database has been made: its migrations write the time.
    del database_url
    set_clock(monkeypatch, NOON)


def claim(app: Flask) -> Claim | None:
    """Claim the next mail."""
    with app.app_context():
        assert rows.is_due() in (True, False)
        return rows.claim()


def test_tries_of_a_mail_that_is_refused_for_now(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.replies["RCPT"] = ["450 4.2.0 Greylisted"] * 100
    number = put(mailing, ends_after=3 * DAY)
    tried: list[timedelta] = []
    while (found := row(mailing, number))["state"] == "waiting":
        moment = found["next_try_at"]
        set_clock(monkeypatch, moment - SECOND)
        send(mailing)
        assert row(mailing, number)["tries"] == len(tried), "too early"
        set_clock(monkeypatch, moment)
        send(mailing)
        tried.append(moment - NOON)
    assert tried[:5] == [MINUTE * after for after in (0, 1, 5, 15, 60)]
    later = [b - a for a, b in pairwise(tried[4:])]
    assert all(2.4 * HOUR <= pause <= 3.6 * HOUR for pause in later)
    assert len(set(later)) > 1, "not all at the same time"
    assert 18 * HOUR < tried[-1] < 24 * HOUR
    assert (found["state"], found["error"]) == ("failed", "recipient 450")


def test_no_try_comes_after_the_end_of_the_link(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.replies["RCPT"] = ["450 4.2.0 Greylisted"] * 100
    number = put(mailing, "reset", ends_after=30 * MINUTE)
    for after in (0, 1, 5, 15):
        set_clock(monkeypatch, NOON + after * MINUTE)
        send(mailing)
    found = row(mailing, number)
    assert (found["state"], found["tries"]) == ("failed", 4)


def test_a_mail_not_sent_in_time_is_dropped(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = put(mailing, "reset", ends_after=30 * MINUTE)
    set_clock(monkeypatch, NOON + 30 * MINUTE)
    send(mailing)
    found = row(mailing, number)
    assert (found["state"], found["error"]) == ("failed", "expired")
    assert office.conversations == []


def test_each_try_has_the_same_message_id(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = put(mailing)
    send(mailing)
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    ask(url, f"UPDATE mails SET state = 'waiting' WHERE id = {number}")
    set_clock(monkeypatch, NOON + HOUR)
    send(mailing)
    put(mailing)
    send(mailing)
    first, again, other = (mail for _, mail in office.taken)
    assert first["Message-ID"].endswith("@example.com>")
    assert first.as_bytes() == again.as_bytes()
    assert other["Message-ID"] != first["Message-ID"]


def test_one_process_claims_a_mail(mailing: Flask) -> None:
    barrier = Barrier(8)
    for _ in range(5):
        put(mailing)

    def take(_: int) -> Claim | None:
        barrier.wait()
        return claim(mailing)

    with ThreadPoolExecutor(8) as pool:
        claims = [each for each in pool.map(take, range(8)) if each is not None]
    claims += [each for each in (claim(mailing) for _ in range(5)) if each is not None]
    assert sorted(each.row.id for each in claims) == [1, 2, 3, 4, 5]


def test_the_mail_of_a_killed_process_is_sent_after_its_lease(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = put(mailing)
    assert claim(mailing) is not None
    set_clock(monkeypatch, NOON + timedelta(seconds=LEASE_SECONDS) - SECOND)
    send(mailing)
    assert office.taken == []
    set_clock(monkeypatch, NOON + timedelta(seconds=LEASE_SECONDS))
    send(mailing)
    assert len(office.taken) == 1
    assert row(mailing, number)["tries"] == 2


def test_a_process_that_was_slower_than_its_lease_changes_nothing(
    mailing: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = Api(mailing).register("ann")
    number = put(mailing, user_id=user.id)
    slow = claim(mailing)
    set_clock(monkeypatch, NOON + timedelta(seconds=LEASE_SECONDS))
    assert slow is not None
    assert claim(mailing) is not None
    before = row(mailing, number)
    with mailing.app_context():
        assert not rows.finish(slow, "failed", "recipient 550", user.email)
        rows.try_again(slow, "recipient 450")
    assert row(mailing, number) == before
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    assert ask(url, "SELECT mail_failed_at FROM users") == [(None,)]


def test_first_tries_come_before_others(mailing: Flask, office: PostOffice) -> None:
    office.replies["RCPT"] = ["450 4.2.0 Greylisted"]
    put(mailing, "reset")
    send(mailing)
    url = mailing.config["SQLALCHEMY_DATABASE_URI"]
    ask(url, "UPDATE mails SET next_try_at = created_at")
    put(mailing, "verify")
    send(mailing)
    subjects = [mail["Subject"] for _, mail in office.taken]
    assert subjects == ["Confirm your e-mail address", "Choose a new password"]


def test_a_slow_recipient_delays_no_other(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careers_users.mail.sender.POLL_SECONDS", 0.05)

    def first_slow(row: MailRow) -> Letter:
        address = "slow@example.com" if row.id == 1 else ANN
        return Letter(address, {"hours": "24"}, "token")

    register(mailing, {"verify": first_slow})
    put(mailing)
    stop = Event()
    sender = Sender(mailing, stop)
    sender.start()
    assert office.reached["slow"].wait(60)
    put(mailing)
    assert office.reached["accepted"].wait(60)
    stop.set()
    assert [to for to, _ in office.taken] == [ANN]
    assert row(mailing, 1)["state"] == "waiting"
    office.hang_up()
    sender.join()


def test_a_mail_is_sent_once_though_that_can_not_be_written_at_once(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("careers_users.mail.sender.AGAIN_SECONDS", 0)
    finish, failures = rows.finish, [1, 2]

    def sometimes(*values: Any) -> bool:
        if failures:
            failures.pop()
            raise OperationalError("UPDATE", {}, Exception("gone"))
        return finish(*values)

    monkeypatch.setattr(rows, "finish", sometimes)
    number = put(mailing)
    send(mailing)
    assert row(mailing, number)["state"] == "sent"
    assert len(office.taken) == 1


def test_a_stopped_process_claims_nothing(mailing: Flask, office: PostOffice) -> None:
    stop = Event()

    def stopping(row: MailRow) -> Letter | None:
        stop.set()
        return to_ann(row)

    register(mailing, {"verify": stopping})
    put(mailing)
    left = put(mailing)
    Sender(mailing, stop).send_due()
    assert len(office.taken) == 1
    assert row(mailing, left)["tries"] == 0
