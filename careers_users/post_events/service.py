"""The effect of events: each counts once, whatever the order in which they come.

A counter is the sum of what events add to it, which no order changes. A snapshot says
what the sum was at its time: it takes the place of all events up to then, and those
that come later are stale. docs/decisions/0008 has the reasons.
"""

import logging
from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from careers_users import clock
from careers_users.extensions import db
from careers_users.post_events import queries
from careers_users.post_events.schemas import COUNTERS, Event, Invalid

log = logging.getLogger(__name__)


@dataclass
class _Account:
    """One counter of a user while this transaction holds it."""

    value: int = 0  # below zero while removals are ahead of what they remove
    changed_at: datetime | None = None
    counted_at: datetime | None = None
    is_changed: bool = False


class _Author(NamedTuple):
    """The counters of a user while this transaction holds them."""

    row: RowMapping
    accounts: dict[str, _Account]


def take(items: Sequence[Event | Invalid]) -> list[dict[str, Any]]:
    """Count the events, all in one transaction; return what became of each, in order.

    Statuses: `applied`; `duplicate`, taken in before; `stale`, older than a snapshot,
    or a snapshot older than what was applied; `unknown_user`; `invalid`.
    """
    events = [item for item in items if isinstance(item, Event)]
    authors = queries.authors([event.author for event in events])
    # Of two events that are the same one, the first counts.
    wanted: dict[tuple[str, str], Event] = {}
    for event in events:
        if event.author in authors:
            wanted.setdefault(event.key, event)
    statuses = _count(wanted, authors) if wanted else {}
    results = []
    for item in items:
        reason = None
        if isinstance(item, Invalid):
            status, reason = "invalid", item.reason
        elif item.author not in authors:
            status = "unknown_user"
        elif wanted[item.key] is item:
            status = statuses[item.key]
        else:
            status = "duplicate"
        results.append(
            {"source": item.source, "id": item.id, "status": status, "reason": reason}
        )
    return results


def report(results: Sequence[Mapping[str, Any]]) -> None:
    """Log what became of a batch: a warning if some of it was in vain.

    The record's `events` holds how many there are of each status.
    """
    tally = Tally(result["status"] for result in results)
    in_vain = tally["unknown_user"] + tally["invalid"]
    log.log(
        logging.WARNING if in_vain else logging.DEBUG,
        "Events: %s",
        ", ".join(f"{number} {status}" for status, number in sorted(tally.items())),
        extra={"events": dict(tally)},
    )


def _count(
    wanted: dict[tuple[str, str], Event], authors: dict[int | str, int]
) -> dict[tuple[str, str], str]:
    """Write the events down and move the counters; return each one's status.

    Locks are taken in one order, so no two batches can wait for each other: first the
    events by their names, then the counters by ascending user id, as follows do.
    """
    statuses = dict.fromkeys(wanted, "duplicate")
    with db.session.begin():
        now = clock.utcnow()
        fresh = queries.add_events(
            [
                {"source": source, "id": id_, "received_at": now}
                for source, id_ in sorted(wanted)
            ]
        )
        if fresh:
            held = _hold({authors[wanted[key].author] for key in fresh})
            for key, event in wanted.items():
                if key in fresh:
                    author = held.get(authors[event.author])
                    statuses[key] = _apply(author, event)
            _write(held)
    return statuses


def _apply(author: _Author | None, event: Event) -> str:
    """Move the counters of an author; return the event's status."""
    if author is None:
        return "unknown_user"  # Deleted since we asked.
    accounts = {name: author.accounts[name] for name in event.values}
    if any(_is_stale(account, event) for account in accounts.values()):
        return "stale"
    for name, account in accounts.items():
        account.is_changed = True
        if event.is_snapshot:
            account.value, account.counted_at = event.values[name], event.time
        else:
            account.value += event.values[name]
            account.changed_at = max(account.changed_at or event.time, event.time)
    return "applied"


def _is_stale(account: _Account, event: Event) -> bool:
    if account.counted_at is not None and event.time <= account.counted_at:
        return True
    return (
        event.is_snapshot
        and account.changed_at is not None
        and event.time < account.changed_at
    )


def _hold(user_ids: set[int]) -> dict[int, _Author]:
    """Lock the counters of users and return them; those of no user are left out."""
    held = {}
    for row in queries.locked_counters(sorted(user_ids)):
        accounts = {name: _Account(row[name]) for name in COUNTERS}
        held[row["user_id"]] = _Author(row, accounts)
    # A statement of its own, after the locks: it must see what others have just done.
    for row in queries.marks(sorted(held)):
        account = held[row["user_id"]].accounts[row["counter"]]
        account.value -= row["debt"]
        account.changed_at, account.counted_at = row["changed_at"], row["counted_at"]
    return held


def _write(held: dict[int, _Author]) -> None:
    """Write the changed counters back, in ascending user id."""
    counters, marks = [], []
    for user_id, author in sorted(held.items()):
        changed = [
            {
                "user_id": user_id,
                "counter": name,
                "debt": max(-account.value, 0),
                "changed_at": account.changed_at,
                "counted_at": account.counted_at,
            }
            for name, account in author.accounts.items()
            if account.is_changed
        ]
        if changed:
            marks += changed
            values = {name: max(a.value, 0) for name, a in author.accounts.items()}
            counters.append({**author.row, **values})
    if counters:
        queries.put_counters(counters)
        queries.put_marks(marks)
