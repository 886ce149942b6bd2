"""Events that can be caused again and again are recorded at most once in a while.

Counted in the database, so for all instances together.
"""

from datetime import timedelta

from careers_users import clock
from careers_users.auth import throttle_table
from careers_users.database import Transaction
from careers_users.keys import keyed_hash

# Between two records of one event of one user.
REPEAT_SECONDS = 60
# For so long after a record it is known how many have gone unrecorded.
COUNTED_SECONDS = 3600


def admit(transaction: Transaction, event: str, whom: tuple[object, ...]) -> int | None:
    """Return how many have gone unrecorded since the last record of such an event.

    None says that this one is not to be recorded either. The caller commits.
    """
    key, now = keyed_hash("throttle", "event", event, *whom), clock.utcnow()
    until = now + timedelta(seconds=COUNTED_SECONDS)
    row = throttle_table.repeat(transaction, key, now, until)
    if row["used"] == 0:
        return 0
    if now - row["started_at"] < timedelta(seconds=REPEAT_SECONDS):
        return None
    throttle_table.begin_again(transaction, key, now, until)
    unrecorded: int = row["used"] - 1
    return unrecorded
