"""Links in mail: their tokens, and what is left of them once they have been used.

A token names the row of its mail and the user, and is signed with a key derived from
the service's. It is made when the mail is sent, and stored nowhere. The state of a link
is told only for a genuine token.
"""

import hmac
import re
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import bindparam, exists, select, update

from careers_users import clock, database
from careers_users.database import Query, Row, Transaction
from careers_users.http.errors import ServiceError
from careers_users.keys import keyed_hash
from careers_users.models import Mail, User
from careers_users.validation.limits import ID_MAX

VERIFY, RESET = "verify", "reset"
CHANGE_OLD, CHANGE_NEW = "change-old", "change-new"
CHANGE = (CHANGE_OLD, CHANGE_NEW)
# From the creation of the mail's row, by which a mail that comes late is no use either.
LIFETIMES = {
    VERIFY: timedelta(hours=24),
    CHANGE_OLD: timedelta(hours=24),
    CHANGE_NEW: timedelta(hours=24),
    RESET: timedelta(minutes=30),
}
_TOKEN = re.compile(r"([1-9][0-9]{0,18})\.([1-9][0-9]{0,18})\.([0-9a-f]{64})", re.ASCII)


class LinkInvalid(ServiceError):
    """No link of this service has this token, or a change has made the link void."""

    code = "link_invalid"
    error = "This link is not valid"


class LinkUsed(ServiceError):
    """The link has done what it is for."""

    code = "link_used"
    error = "This link has been used already"


class LinkExpired(ServiceError):
    """The time of the link is over."""

    code = "link_expired"
    error = "This link has expired"


@dataclass(frozen=True)
class Link:
    """A link, as a genuine token names it: the row of its mail, and its user."""

    mail_id: int
    user_id: int
    purpose: str

    def token(self) -> str:
        """Return the token of the link, which needs no quoting in a URL."""
        signature = keyed_hash("links", self.purpose, self.mail_id, self.user_id)
        return f"{self.mail_id}.{self.user_id}.{signature}"


def read(token: str, *purposes: str) -> Link:
    """Return the link of one of these purposes that has the token, or LinkInvalid."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise LinkInvalid
    mail_id, user_id = int(match[1]), int(match[2])
    if max(mail_id, user_id) > ID_MAX:
        raise LinkInvalid
    for purpose in purposes:
        link = Link(mail_id, user_id, purpose)
        if hmac.compare_digest(link.token(), token):
            return link
    raise LinkInvalid


def look(link: Link) -> Row | None:
    """Return how a link stands, with its account; None if its row has been pruned."""
    return _LOOK.one(**_names(link))


def look_settled(link: Link) -> Row | None:
    """Return the same as `look`, once a change of the account under way has ended.

    The link was put after such a change has voided all others, perhaps, and before it
    is committed: then the address read without waiting is the former one.
    """
    with database.transaction() as transaction:
        rows = transaction.execute(_LOOK_SETTLED, **_names(link))
    return rows[0] if rows else None


def look_again(transaction: Transaction, link: Link) -> Row | None:
    """Return the same as `look`, as the transaction sees it."""
    rows = transaction.execute(_LOOK, **_names(link))
    return rows[0] if rows else None


def check(link: Link, row: Row | None) -> Row:
    """Return the row if the link can be used.

    Raises LinkUsed, LinkExpired, or LinkInvalid.
    """
    if row is None:  # It was there once, or there would be no token.
        raise LinkExpired
    if not row["is_active"]:
        raise LinkInvalid
    if row["used_at"] is not None:
        raise LinkUsed
    if row["created_at"] <= clock.utcnow() - LIFETIMES[link.purpose]:
        raise LinkExpired
    if row["voided_at"] is not None:
        raise LinkInvalid
    return row


def use(transaction: Transaction, link: Link) -> None:
    """Use a link, and void all others of its purpose; raises what `check` raises.

    The caller has locked the user's row, so that links are locked after users always.
    """
    now = clock.utcnow()
    since = now - LIFETIMES[link.purpose]
    if not transaction.execute(_USE, **_names(link), moment=now, since=since):
        check(link, look_again(transaction, link))
        raise LinkInvalid
    void(transaction, link.user_id, link.purpose, unused=True)


def void(
    transaction: Transaction, user_id: int, *purposes: str, unused: bool = False
) -> None:
    """Void a user's links of these purposes; only those that are `unused`, if asked.

    A used link that is void does not say any more that it has been used for what is
    so now.
    """
    filled = [*purposes, *[purposes[-1]] * (len(LIFETIMES) - len(purposes))]
    values = {f"purpose_{n}": purpose for n, purpose in enumerate(filled)}
    statement = _VOID_UNUSED if unused else _VOID
    transaction.defer(statement, owner=user_id, moment=clock.utcnow(), **values)


def _names(link: Link) -> dict[str, object]:
    return {"mail_id": link.mail_id, "owner": link.user_id, "kind": link.purpose}


_THIS = (
    Mail.id == bindparam("mail_id"),
    Mail.user_id == bindparam("owner"),
    Mail.purpose == bindparam("kind"),
)
_OF_LINK = (
    select(
        Mail.created_at,
        Mail.used_at,
        Mail.voided_at,
        User.is_active,
        User.username,
        User.email,
        User.email_verified_at,
        User.pending_email,
    )
    .join(User, User.id == Mail.user_id)
    .where(*_THIS)
)
_LOOK = Query(_OF_LINK)
_LOOK_SETTLED = Query(_OF_LINK.with_for_update(read=True, of=User))
_USE = Query(
    update(Mail)
    .where(*_THIS)
    .where(Mail.used_at.is_(None))
    .where(Mail.voided_at.is_(None))
    .where(Mail.created_at > bindparam("since"))
    .where(exists().where(User.id == bindparam("owner")).where(User.is_active))
    .values(used_at=bindparam("moment"))
    .returning(Mail.id)
    .execution_options(synchronize_session=False)
)
_OF_PURPOSES = (
    update(Mail)
    .where(Mail.user_id == bindparam("owner"))
    .where(
        Mail.purpose.in_(
            [bindparam(f"purpose_{n}", type_=Mail.purpose.type) for n in range(4)]
        )
    )
    .where(Mail.voided_at.is_(None))
    .values(voided_at=bindparam("moment"))
    .execution_options(synchronize_session=False)
)
_VOID = Query(_OF_PURPOSES)
_VOID_UNUSED = Query(_OF_PURPOSES.where(Mail.used_at.is_(None)))
