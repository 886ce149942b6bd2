"""Whether a user reads mail at the stored address: asked by mail, told by its link."""

from sqlalchemy import bindparam, null, select, update

from careers_users import clock
from careers_users.auth import audit, links, outgoing, throttle
from careers_users.auth.device import Device
from careers_users.auth.links import LinkInvalid, LinkUsed
from careers_users.auth.throttle import Bucket, RateLimited
from careers_users.database import Query
from careers_users.models import User


def ask(user_id: int, device: Device) -> None:
    """Send a mail with a link to the user's address.

    Beyond the limits on mail nothing is sent, and nothing says so.
    """
    try:
        throttle.reserve(Bucket("mail_asked", (user_id,)), user_id=user_id)
    except RateLimited:
        return
    with audit.short_transaction() as trail:
        trail.record_repeated("email_verification_requested", user_id, device)
        outgoing.put(trail.transaction, links.VERIFY, user_id, device)


def verify(token: str, device: Device) -> None:
    """Make the address verified that a link was sent to.

    Once more is no error. A change to another address that is under way needs this one
    too from then on. Raises LinkInvalid or LinkExpired.
    """
    link = links.read(token, links.VERIFY)
    with audit.short_transaction() as trail:
        # Locked before rows of mail, as everywhere.
        user = trail.transaction.execute(_LOCK, owner=link.user_id)
        is_verified = bool(user) and user[0]["email_verified_at"] is not None
        try:
            links.use(trail.transaction, link)
        except (LinkUsed, LinkInvalid):
            if is_verified:  # By this link, or by another like it.
                return
            raise
        if not is_verified:
            now = clock.utcnow()
            trail.transaction.execute(_VERIFY, owner=link.user_id, moment=now)
            trail.record("email_verified", link.user_id, device)
            if user[0]["pending_email"] is not None:
                # Asked for when the old address needed no confirmation; now it does.
                outgoing.put(trail.transaction, links.CHANGE_OLD, link.user_id, device)


_LOCK = Query(
    select(User.email_verified_at, User.pending_email)
    .where(User.id == bindparam("owner"))
    .where(User.is_active)
    .with_for_update(key_share=True)
)
_VERIFY = Query(
    update(User)
    .where(User.id == bindparam("owner"))
    .values(email_verified_at=bindparam("moment"), pending_old_confirmed_at=null())
    .execution_options(synchronize_session=False)
)
