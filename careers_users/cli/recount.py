"""The command `users recount`."""

from dataclasses import dataclass

import click
from sqlalchemy import BigInteger, cast, func, select, update
from sqlalchemy import text as sql
from sqlalchemy.orm import InstrumentedAttribute

from careers_users.cli import console
from careers_users.extensions import db
from careers_users.models import Follow, User, UserCounters, UserTotal


@console.command("recount")
@click.option("--check", is_flag=True, help="Only report; exit with 1 if any differ.")
def recount(check: bool) -> None:
    """Compare the stored counters with the rows they count, and repair them.

    Follows and registrations wait until it is done.
    """
    drifts = compare_counters(repair=not check)
    for drift in drifts:
        click.echo(f"{drift.name} is {drift.stored}, should be {drift.counted}")
    if not drifts:
        click.echo("All counters are right.")
    elif check:
        raise SystemExit(console.EXIT_NO)
    else:
        click.echo(f"Repaired {len(drifts)} counters.")


@dataclass(frozen=True)
class Drift:
    """A counter that does not equal the rows it counts."""

    name: str
    stored: int
    counted: int


def compare_counters(*, repair: bool) -> list[Drift]:
    """Compare all counters with their rows; return those that differ.

    With `repair` they are set right in the same transaction. Follows and unfollows wait
    meanwhile, so that no change is counted twice or not at all.
    """
    with db.session.begin():
        if db.engine.dialect.name == "postgresql":
            db.session.execute(sql("SET LOCAL statement_timeout = 0"))
            db.session.execute(sql("LOCK TABLE users, follows IN SHARE MODE"))
            # Events change other counters of the same rows.
            db.session.execute(sql("LOCK TABLE user_counters IN EXCLUSIVE MODE"))
        return [
            *_recount(UserCounters.followers_count, Follow.following_id, repair),
            *_recount(UserCounters.following_count, Follow.follower_id, repair),
            *_recount_users(repair),
        ]


def _recount(
    counter: InstrumentedAttribute[int], end: InstrumentedAttribute[int], repair: bool
) -> list[Drift]:
    counted = (
        select(end.label("user_id"), func.count().label("counted"))
        .group_by(end)
        .subquery()
    )
    number = func.coalesce(counted.c.counted, 0)
    rows = db.session.execute(
        select(UserCounters.user_id, User.username, counter, number)
        .join(User, User.id == UserCounters.user_id)
        .outerjoin(counted, counted.c.user_id == UserCounters.user_id)
        .where(counter != number)
        .order_by(UserCounters.user_id)
    ).all()
    if repair:
        for user_id, _, _, right in rows:
            db.session.execute(
                update(UserCounters)
                .where(UserCounters.user_id == user_id)
                .values({counter: right})
                .execution_options(synchronize_session=False)
            )
    return [
        Drift(f"{username}: {counter.key}", stored, right)
        for _, username, stored, right in rows
    ]


def _recount_users(repair: bool) -> list[Drift]:
    right = db.session.execute(select(func.count()).select_from(User)).scalar_one()
    total = cast(func.sum(UserTotal.value), BigInteger)
    stored = db.session.execute(select(total)).scalar_one()
    if stored == right:
        return []
    if repair:
        # Users can't change meanwhile, so no other transaction holds this row for long.
        db.session.execute(
            update(UserTotal)
            .where(UserTotal.shard == 0)
            .values(value=UserTotal.value + (right - stored))
        )
    return [Drift("users in all", stored, right)]
