"""Mail. The outbox is emptied, whatever happens to the workers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from careers_users import create_app, database
from careers_users.extensions import db
from careers_users.mail import outbox
from config import TestConfig
from tests.live_server import ask, until
from tests.mail.conftest import certificate, office, trusted
from tests.mail.post_office import PostOffice
from tests.mail.working import worker
from tests.mail.written import DAY, FROM, LINK_URL

# Fixtures.
__all__ = ["certificate", "office", "trusted"]

WORKERS = 2
# So that what a killed worker held is tried again within the test.
LEASE_SECONDS = 2.0
LEFT = "SELECT count(*) FROM mails WHERE state = 'waiting'"


@pytest.fixture
def writing(settings: TestConfig, office: PostOffice) -> Iterator[Flask]:
    """Make an application that writes mail and sends none."""
    app = create_app(
        replace(settings, mail=office.url, mail_from=FROM, link_url=LINK_URL)
    )
    yield app
    with app.app_context():
        db.engine.dispose()


def has_taken(office: PostOffice, number: int) -> bool:
    """Return whether so many mails have arrived."""
    return len(office.taken) >= number


def write(app: Flask, number: int) -> None:
    """Write so many mails, and as many that are rolled back."""

    def one(*, is_to_fail: bool) -> None:
        with database.transaction() as transaction:
            purpose = "deletion" if is_to_fail else "verify"
            outbox.put(transaction, purpose, user_id=None, locale="en", ends_after=DAY)
            if is_to_fail:
                raise ZeroDivisionError

    with app.app_context():
        for _ in range(number):
            one(is_to_fail=False)
            with pytest.raises(ZeroDivisionError):
                one(is_to_fail=True)


@pytest.mark.quick
def test_mail_is_sent_though_workers_are_killed(
    writing: Flask,
    office: PostOffice,
    database_url: str,
    tmp_path: Path,
    figures: dict[str, str],
    whole: bool,
) -> None:
    """While workers are killed in the middle of sending (kill -9), again and again,
    every mail that was committed is sent and none that was rolled back. One is sent
    twice only if its worker died between acceptance and commit, with the same
    Message-ID."""
    kills, batch = (12, 25) if whole else (3, 10)
    for _ in range(kills):
        enough = len(office.taken) + batch // 3
        workers = [
            worker(tmp_path, database_url, office, lease=LEASE_SECONDS)
            for _ in range(WORKERS)
        ]
        write(writing, batch)
        until(partial(has_taken, office, enough))
        for each in workers:
            each.kill()
    with worker(tmp_path, database_url, office, lease=LEASE_SECONDS) as last:
        until(lambda: ask(database_url, LEFT) == [(0,)])
        assert last.stop() == 0
    with writing.app_context(), db.engine.connect() as connection:
        states = connection.execute(
            text("SELECT purpose, state, count(*) FROM mails GROUP BY purpose, state")
        )
        assert [tuple(state) for state in states] == [("verify", "sent", kills * batch)]
    times = Counter(mail["Message-ID"] for _, mail in office.taken)
    assert len(times) == kills * batch
    twice = sum(times.values()) - len(times)
    # Each of its threads may have been in between.
    assert twice <= kills * WORKERS * 4
    figures["kills"] = str(kills * WORKERS)
    figures["mails, all sent"] = str(len(times))
    figures["sent twice"] = str(twice)
