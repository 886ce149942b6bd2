"""Mail that tests write: its composers, rows put into the outbox and looked at."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import Any

from flask import Flask
from sqlalchemy import select

from careers_users import database
from careers_users.extensions import db
from careers_users.mail import outbox
from careers_users.mail.outbox import Composer, Letter, MailRow
from careers_users.mail.purposes import PURPOSES
from careers_users.mail.sender import Sender
from careers_users.models import Mail

FROM = "Careers <no-reply@example.com>"
LINK_URL = "https://www.example.com/confirm/"
ANN = "ann@example.com"
DAY = timedelta(days=1)


def to_ann(row: MailRow) -> Letter | None:
    """Compose a mail to Ann, or to the address of the row."""
    values = PURPOSES[row.purpose].examples
    return Letter(row.address or ANN, values, f"token-{row.id}")


COMPOSERS: Mapping[str, Composer] = dict.fromkeys(PURPOSES, to_ann)


def register(app: Flask, composers: Mapping[str, Composer]) -> None:
    """Have an application compose its mail by these."""
    app.extensions["careers_users.mail"] = replace(
        outbox.outbox(app), composers=composers
    )


def put(app: Flask, purpose: str = "verify", **options: Any) -> int:
    """Put a mail into the outbox; return its number."""
    values = {"user_id": None, "locale": "en", "ends_after": DAY, **options}
    with app.app_context():
        with database.transaction() as transaction:
            outbox.put(transaction, purpose, **values)
        with db.engine.connect() as connection:
            return connection.scalars(select(Mail.id).order_by(-Mail.id)).first() or 0


def row(app: Flask, number: int) -> dict[str, Any]:
    """Return a row of the outbox."""
    with app.app_context(), db.engine.connect() as connection:
        found = connection.execute(
            select(*Mail.__table__.columns).where(Mail.id == number)
        )
        return {**found.mappings().one()}


def send(app: Flask) -> None:
    """Send what is due."""
    Sender(app, Event()).send_due()
