"""The outbox: mail is a row of the transaction that it tells of, and is sent later.

The *composer* of its purpose, which `create_app` registers, decides when it is sent
about its text and its recipient. So the row holds no address, no text and no token.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from flask import Flask, current_app
from sqlalchemy import bindparam, insert

from careers_users import clock
from careers_users.database import Query, Transaction
from careers_users.extensions import Slot
from careers_users.models import Mail
from careers_users.settings import Settings

WAITING = "waiting"
# Rows are deleted after so long, whatever has become of the mail.
KEPT_DAYS = 30


@dataclass(frozen=True, kw_only=True)
class MailRow:
    """A row of the outbox that is about to be sent."""

    id: int
    purpose: str
    user_id: int | None
    locale: str
    asked: str | None
    address: str | None
    created_at: datetime
    ends_at: datetime
    # The number of the try, from 1.
    tries: int = 1


@dataclass(frozen=True)
class Letter:
    """A mail as a composer wants it.

    `to` is one address; `values` are what the purpose's templates name besides the
    link, which is made of `link_token`: None for a mail without one.
    """

    to: str
    values: Mapping[str, str] = field(default_factory=dict)
    link_token: str | None = None


# Called in an application context without a transaction. None: nothing is to be sent.
Composer = Callable[[MailRow], Letter | None]


@dataclass(frozen=True)
class Outbox:
    """The mail of an application: its settings, its composers and who watches it."""

    settings: Settings
    composers: Mapping[str, Composer]
    # Called with a mail's purpose and how a try has ended.
    ended: list[Callable[[str, str], object]] = field(default_factory=list)
    # Called now and then with the number of mails that wait, and the seconds that the
    # oldest of them has waited.
    saw: list[Callable[[int, float], object]] = field(default_factory=list)


_SLOT = Slot[Outbox]("mail")


def init_app(app: Flask, settings: Settings, composers: Mapping[str, Composer]) -> None:
    """Register how the mail of `app` is composed, by purpose."""
    app.config["MAIL_RETENTION_DAYS"] = KEPT_DAYS
    _SLOT.set(app, Outbox(settings, composers))


def outbox(app: Flask = current_app) -> Outbox:
    """Return the outbox of an application, or of the current one."""
    return _SLOT.get(app)


def is_on(app: Flask = current_app) -> bool:
    """Return whether an application sends mail, or the current one."""
    return outbox(app).settings.mail != "off"


def locales() -> tuple[str, ...]:
    """Return the languages that the current application has templates for.

    The first is for those who ask for none of them.
    """
    return outbox().settings.locales


def put(
    transaction: Transaction,
    purpose: str,
    *,
    user_id: int | None,
    locale: str,
    asked: str | None = None,
    address: str | None = None,
    ends_after: timedelta,
) -> None:
    """Add a mail to the transaction, by one statement; nothing if mail is off.

    `locale` is one of `locales()`. `asked` is a keyed hash of a client's input, and
    `address` one that was stored with the user and is not any more. After `ends_after`
    the mail is not sent any more.
    """
    if not is_on():
        return
    now = clock.utcnow()
    transaction.defer(
        _PUT,
        mail_purpose=purpose,
        mail_user_id=user_id,
        mail_locale=locale,
        mail_asked=asked,
        mail_address=address,
        mail_created_at=now,
        mail_ends_at=now + ends_after,
    )


_PUT = Query(
    insert(Mail).values(
        {
            Mail.purpose: bindparam("mail_purpose", type_=Mail.purpose.type),
            Mail.user_id: bindparam("mail_user_id", type_=Mail.user_id.type),
            Mail.locale: bindparam("mail_locale", type_=Mail.locale.type),
            Mail.asked: bindparam("mail_asked", type_=Mail.asked.type),
            Mail.address: bindparam("mail_address", type_=Mail.address.type),
            Mail.created_at: bindparam("mail_created_at", type_=Mail.created_at.type),
            Mail.next_try_at: bindparam("mail_created_at", type_=Mail.created_at.type),
            Mail.ends_at: bindparam("mail_ends_at", type_=Mail.ends_at.type),
            Mail.tries: 0,
            Mail.state: WAITING,
        }
    )
)
