"""The end of an account: it goes with all that is held about it, and counts stay exact.

`delete_account()` is for every caller: the account's owner, an operator's command.
"""

from datetime import timedelta
from typing import Any

from flask import current_app
from sqlalchemy import (
    CursorResult,
    Executable,
    RowMapping,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from careers_users import clock
from careers_users.auth import audit, outgoing, step_up
from careers_users.auth.device import Device
from careers_users.auth.tokens import Claims
from careers_users.extensions import db
from careers_users.http.errors import TokenRevoked
from careers_users.mail import outbox
from careers_users.models import (
    Follow,
    Mail,
    RefreshToken,
    ReservedUsername,
    SecurityEvent,
    User,
    UserCounters,
)

# Longer than a deletion takes, with the waits that a statement may have.
CLOSING_SECONDS = 60


def close(viewer: Claims, password: str, device: Device) -> None:
    """Delete the viewer's account, if the password is right; else raise WrongPassword.

    Raises TokenRevoked if the account or the password has been changed meanwhile.
    """
    step_up.confirm(viewer, password, device)
    version = viewer.token_version
    user_id, locale = viewer.user_id, device.locale
    if not delete_account(user_id, by="owner", token_version=version, locale=locale):
        raise TokenRevoked


def note_export(user_id: int, device: Device) -> None:
    """Write into the trail that all that is held about a user was handed out."""
    with audit.short_transaction() as trail:
        trail.record_repeated("data_exported", user_id, device)


def delete_account(
    user_id: int, *, by: str, token_version: int | None = None, locale: str = ""
) -> bool:
    """Delete a user with edges, sessions and trail; return whether there was one.

    The counters of everybody at the other end of an edge change in the same
    transaction. The name stays reserved for USERNAME_RESERVED_DAYS; the e-mail address
    is free at once. `by` is "owner" or "operator", for the trail: this one event of it
    stays after the account, and says neither name nor address. With a `token_version`,
    only if it still is the user's. Mail tells of it, in the language `locale`, at the
    address if that was verified, and at a former one that waits for mail of its change.
    """
    if not _mark(user_id, token_version):
        return False
    with audit.transaction() as trail:
        account = _lock(user_id, token_version)
        if account is None:
            return False
        _take_back_edges(user_id)
        told = _addresses_to_tell(user_id, account)
        _delete_rows(user_id)
        _reserve(account["username_key"])
        trail.record("account_deleted", user_id, Device("", ""), by=by)
        for address in told:
            outgoing.put(
                trail.transaction,
                outgoing.DELETION,
                user_id,
                Device("", "", locale),
                address=address,
            )
    return True


def _mark(user_id: int, token_version: int | None) -> bool:
    """Let nothing new refer to a user; return whether it still is as it was.

    Committed before the deletion, whose lock would never get its turn while the user is
    followed all the time. If the deletion fails the mark ends by itself.
    """
    until = clock.utcnow() + timedelta(seconds=CLOSING_SECONDS)
    mark = update(User).where(User.id == user_id).values(closing_until=until)
    if token_version is not None:
        mark = mark.where(User.token_version == token_version)
    mark = mark.execution_options(synchronize_session=False)
    with db.session.begin():
        marked = db.session.execute(mark.returning(User.id))
        return marked.scalar_one_or_none() is not None


def _lock(user_id: int, token_version: int | None) -> RowMapping | None:
    """Keep everybody else from the account until the commit; return name and address.

    Only follows that did not see the mark are waited for. Any that comes later waits
    for the row that the new edge refers to, and then does not find it.
    """
    account = select(User.username_key, User.email, User.email_verified_at)
    account = account.where(User.id == user_id)
    if token_version is not None:
        account = account.where(User.token_version == token_version)
    return db.session.execute(account.with_for_update()).mappings().one_or_none()


def _addresses_to_tell(user_id: int, account: RowMapping) -> list[str]:
    """Return the addresses that are told of the deletion of a locked account.

    The mail that waits is deleted with the account. Without the former address the
    owner would not hear of a thief who changes it and deletes the account at once.
    """
    verified = [account["email"]] if account["email_verified_at"] is not None else []
    if not outbox.is_on():
        return verified
    former = (
        select(Mail.address)
        .where(Mail.user_id == user_id)
        .where(Mail.purpose == outgoing.ADDRESS)
        .where(Mail.state == outbox.WAITING)
        .where(Mail.address.is_not(None))
        .order_by(Mail.id)
    )
    waiting = db.session.execute(former).scalars()
    return list(dict.fromkeys([*verified, *(each for each in waiting if each)]))


def _take_back_edges(user_id: int) -> None:
    """Delete all edges of a user, and set the counters at their other ends right.

    Edges before counters, as in an unfollow, and each of them in ascending order: of
    all who want the same rows, one gets them all.
    """
    followers = select(Follow.follower_id).where(Follow.following_id == user_id)
    following = select(Follow.following_id).where(Follow.follower_id == user_id)
    mine = or_(Follow.follower_id == user_id, Follow.following_id == user_id)
    _lock_rows(select(Follow.id).where(mine).order_by(Follow.id))
    is_follower = UserCounters.user_id.in_(followers)
    is_followed = UserCounters.user_id.in_(following)
    own = UserCounters.user_id == user_id
    _lock_rows(
        select(UserCounters.user_id)
        .where(or_(own, is_follower, is_followed))
        .order_by(UserCounters.user_id)
    )
    # In one statement: PostgreSQL checks the reference of a row that a transaction
    # changes twice, which would wait for the other's account if that is ending too.
    _execute(
        update(UserCounters)
        .where(or_(is_follower, is_followed))
        .values(
            following_count=UserCounters.following_count
            - case((is_follower, 1), else_=0),
            followers_count=UserCounters.followers_count
            - case((is_followed, 1), else_=0),
        )
    )
    _execute(delete(Follow).where(mine))


def _lock_rows(rows: Any) -> None:
    """Lock rows in their order; on SQLite the whole database is ours already."""
    if db.engine.dialect.name == "postgresql":
        locked = rows.with_for_update().subquery()
        db.session.execute(select(func.count()).select_from(locked))


def _delete_rows(user_id: int) -> None:
    sessions = select(RefreshToken.id).where(RefreshToken.user_id == user_id)
    _lock_rows(sessions.order_by(RefreshToken.id))
    _execute(delete(SecurityEvent).where(SecurityEvent.user_id == user_id))
    _execute(delete(Mail).where(Mail.user_id == user_id))
    # The counters and the sessions go with it.
    _execute(delete(User).where(User.id == user_id))


def _reserve(username_key: str) -> None:
    days = current_app.config["USERNAME_RESERVED_DAYS"]
    if not days:
        return
    # One from an earlier time may not have been pruned yet.
    _execute(
        delete(ReservedUsername).where(ReservedUsername.username_key == username_key)
    )
    _execute(
        insert(ReservedUsername).values(
            username_key=username_key, expires_at=clock.utcnow() + timedelta(days=days)
        )
    )


def _execute(statement: Executable) -> None:
    result = db.session.execute(
        statement, execution_options={"synchronize_session": False}
    )
    assert isinstance(result, CursorResult)
