"""The rows of auth that expire, by what they are."""

from careers_users import clock
from careers_users.database.pruning import delete_batch
from careers_users.models import (
    KnownPlace,
    RefreshToken,
    ReservedUsername,
    RevokedToken,
)


def prune_sessions() -> int:
    """Delete a batch of expired sessions; return how many."""
    return delete_batch(RefreshToken.expires_at, clock.utcnow())


def prune_revocations() -> int:
    """Delete a batch of revocations of tokens that have expired; return how many."""
    return delete_batch(RevokedToken.expires_at, clock.utcnow())


def prune_places() -> int:
    """Delete a batch of places that are not known any more; return how many."""
    return delete_batch(KnownPlace.expires_at, clock.utcnow())


def prune_reservations() -> int:
    """Delete a batch of reservations that have ended; return how many."""
    return delete_batch(ReservedUsername.expires_at, clock.utcnow())
