"""A mail whose recipient is read while a change of the address is under way."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from sqlalchemy import update

from careers_users.extensions import db
from careers_users.models import User
from tests.account.test_delete import is_somebody_waiting
from tests.api import Api
from tests.live_server import PATIENCE, until
from tests.mailbox import Mailbox, Received

NEW = "new@example.org"


@pytest.mark.parametrize("path", ["password/reset/", "email/verify/send/"])
def test_a_link_waits_for_a_change_of_the_address(
    mail_api: Api, app_with_mail: Flask, mails: Mailbox, path: str
) -> None:
    """Else the former address gets a link that the change, which came first, spares."""
    alice = mail_api.register("alice")
    mails.fetch()
    body = {"username": "alice"} if path == "password/reset/" else {}
    received: list[Received] = []
    with (
        app_with_mail.app_context(),
        ThreadPoolExecutor() as pool,
        db.engine.begin() as changing,
    ):
        is_postgresql = changing.dialect.name == "postgresql"
        # The links that there are have been voided.
        mine = update(User).where(User.id == alice.id)
        changing.execute(mine.values(email=NEW, email_key=NEW))
        if is_postgresql:  # On SQLite it has its turn after the change.
            assert mail_api.post(path, body, token=alice.access).status_code == 202
            sending = pool.submit(mails.fetch)
            until(lambda: sending.done() or is_somebody_waiting(app_with_mail))
            changing.commit()
            received += sending.result(PATIENCE)
    if not is_postgresql:
        assert mail_api.post(path, body, token=alice.access).status_code == 202
        received += mails.fetch()
    assert [mail.to for mail in received] == [NEW]
