"""How often something may be tried: counted in the database, for all instances alike.

A try is *reserved* before it is made, so that tries at the same time can't all pass,
and given back if it was in order. The table holds keyed hashes: neither names nor
addresses can be read from it.
"""

import hmac
import math
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from flask import Flask, current_app
from sqlalchemy import (
    BindParameter,
    Connection,
    CursorResult,
    bindparam,
    case,
    delete,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, scoped_session

from careers_users import clock, database
from careers_users.database import Query, Transaction
from careers_users.database.errors import if_possible
from careers_users.extensions import db
from careers_users.http.errors import ServiceError
from careers_users.keys import secret_for
from careers_users.models import Throttle
from careers_users.observability import security_log
from careers_users.settings import Settings
from careers_users.settings.rates import Rate

# One subscriber has at least this much of IPv6 (RFC 6177), so it counts as one address.
IPV6_PREFIX = 64
# One reservation in so many also deletes expired rows, a batch at most.
PRUNE_ONE_IN = 50
PRUNE_BATCH = 1000
BUCKETS_MAX = 3  # In which one try counts.
PLACES_REMEMBERED = 1024  # Making one out is 3% of a login beside its hash.
_EXTENSION = "careers_users.throttle"

# In which a transaction is open.
Open = Connection | Session | scoped_session[Any]


class RateLimited(ServiceError):
    """Too many tries; `Retry-After` says in how many seconds the next may be made."""

    status = 429
    code = "rate_limited"
    error = "Too many attempts; please try again later"

    def __init__(self, rate: str = "", seconds: int = 1) -> None:
        super().__init__()
        self.rate = rate
        self.headers = {"Retry-After": str(seconds)}


@dataclass(frozen=True)
class Bucket:
    """What is counted together: the name of a rate, and whom it counts."""

    rate: str
    whom: tuple[object, ...]


@dataclass(frozen=True)
class Reservation:
    """Tries that have been counted, to be given back if they were in order."""

    keys: tuple[str, ...] = ()
    made_at: datetime | None = None

    def give_back(self, transaction: Transaction) -> None:
        """Take the tries off again, as the last statement of a transaction.

        Others at the same address wait for these rows until it commits.
        """
        if self.keys:
            # A row that is named twice is one row.
            filled = [*self.keys, *self.keys[-1:] * (BUCKETS_MAX - len(self.keys))]
            keys = {f"key_{n}": key for n, key in enumerate(filled)}
            transaction.defer(_GIVE_BACK, **keys, made_at=self.made_at)


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` the rates of `settings`: none if throttling is off."""
    rates = {
        "login": settings.ratelimit_login,
        "login_address": settings.ratelimit_login_address,
        "login_username": settings.ratelimit_login_username,
        "register": settings.ratelimit_register,
        "refresh": settings.ratelimit_refresh,
        "password": settings.ratelimit_password,
        "follow": settings.ratelimit_follow,
    }
    app.extensions[_EXTENSION] = {
        name: rate
        for name, rate in rates.items()
        if rate is not None and settings.ratelimit_enabled
    }


@lru_cache(maxsize=PLACES_REMEMBERED)
def place(address: str) -> str:
    """Return what counts as one address: IPv4 as it is, IPv6 by its network."""
    try:
        ip = ip_address(address)
    except ValueError:
        return address  # A socket file, say, has none.
    if not isinstance(ip, IPv6Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ip_network((ip.packed, IPV6_PREFIX), strict=False))


def reserve(*buckets: Bucket, user_id: int | None = None) -> Reservation:
    """Count a try in all buckets, or in none; for the others to see at once.

    In a short transaction of its own: nothing slow is done while it holds its rows.
    Raises RateLimited if one is full. `user_id` is for the security log.
    """
    if not any(bucket.rate in _rates() for bucket in buckets):
        return Reservation()
    try:
        with database.transaction() as transaction:
            reservation = count(transaction, *buckets)
    except RateLimited as refusal:
        security_log.record("throttled", user_id, rate=refusal.rate)
        raise
    if secrets.randbelow(PRUNE_ONE_IN) == 0:
        with (
            if_possible("Tries could not be pruned"),
            db.engine.begin() as connection,
        ):
            prune_batch(connection)
    return reservation


def count(transaction: Transaction, *buckets: Bucket) -> Reservation:
    """Count a try in all buckets, in a transaction that the caller begins and ends.

    Raises RateLimited if one is full: the transaction must then be rolled back.
    """
    now, rates = clock.utcnow(), _rates()
    named = {_key(bucket): bucket.rate for bucket in buckets if bucket.rate in rates}
    if not named:
        return Reservation()
    assert len(named) <= BUCKETS_MAX
    values: dict[str, object] = {"now": now}
    # In one order, so that no two reservations wait for each other.
    for n, key in enumerate(sorted(named)):
        seconds = rates[named[key]].seconds
        values |= {f"key_{n}": key, f"until_{n}": now + timedelta(seconds=seconds)}
    query = _count_query(len(named), on_sqlite=database.is_sqlite())
    counted = transaction.execute(query, **values)
    waits = {
        named[row["key"]]: (row["expires_at"] - now).total_seconds()
        for row in counted
        if row["used"] > rates[named[row["key"]]].tries
    }
    if waits:
        longest = max(waits, key=lambda rate: waits[rate])
        raise RateLimited(longest, max(1, math.ceil(waits[longest])))
    # An instance whose clock is ahead may have begun a window in our future.
    made_at = max(now, *(row["started_at"] for row in counted))
    return Reservation(tuple(sorted(named)), made_at)


@contextmanager
def counting(failure: type[Exception], bucket: Bucket) -> Iterator[None]:
    """Count only what ends in `failure`; instead of it, raise RateLimited if too many.

    What succeeds costs no statement. For what can't be guessed anyway.
    """
    try:
        yield
    except failure:
        reserve(bucket)
        raise


def prune_batch(connection: Open) -> int:
    """Delete up to a batch of rows whose time is over; return how many."""
    result = connection.execute(
        _PRUNE,
        {"now": clock.utcnow()},
        execution_options={"synchronize_session": False},
    )
    assert isinstance(result, CursorResult)
    return result.rowcount


def _rates() -> Mapping[str, Rate]:
    rates: Mapping[str, Rate] = current_app.extensions[_EXTENSION]
    return rates


def _key(bucket: Bucket) -> str:
    text = repr((bucket.rate, *bucket.whom))
    return hmac.digest(secret_for("throttle"), text.encode(), "sha256").hex()


# --------------------------------------------------------------------------- statements


def _key_parameter(number: int) -> BindParameter[str]:
    # In a list nothing else says its type.
    return bindparam(f"key_{number}", type_=Throttle.key.type)


@cache
def _count_query(buckets: int, *, on_sqlite: bool) -> Query:
    """Return the upsert for so many: a window that is over begins anew with this try.

    Its values are `now`, and `key_0`, `until_0` and so on.
    """
    new: Any = (sqlite if on_sqlite else postgresql).insert(Throttle)
    new = new.values(
        [
            {
                "key": _key_parameter(n),
                "used": literal(1, Throttle.used.type),
                # Only those of the first row have their type by the column's.
                "started_at": bindparam("now", type_=Throttle.started_at.type),
                "expires_at": bindparam(f"until_{n}", type_=Throttle.expires_at.type),
            }
            for n in range(buckets)
        ]
    )
    is_over = Throttle.expires_at <= new.excluded.started_at
    statement = new.on_conflict_do_update(
        index_elements=[Throttle.key],
        set_={
            "used": case((is_over, 1), else_=Throttle.used + 1),
            "started_at": case(
                (is_over, new.excluded.started_at), else_=Throttle.started_at
            ),
            "expires_at": case(
                (is_over, new.excluded.expires_at), else_=Throttle.expires_at
            ),
        },
    ).returning(Throttle.key, Throttle.used, Throttle.started_at, Throttle.expires_at)
    return Query(statement)


# Only in the window in which they were counted; locked in the order of `count`.
_GIVE_BACK = Query(
    update(Throttle)
    .where(
        Throttle.key.in_(
            select(Throttle.key)
            .where(Throttle.key.in_([_key_parameter(n) for n in range(BUCKETS_MAX)]))
            .order_by(Throttle.key)
            .with_for_update()
        )
    )
    .where(Throttle.started_at <= bindparam("made_at"))
    .where(Throttle.used > 0)
    .values(used=Throttle.used - 1)
    .execution_options(synchronize_session=False)
)
_PRUNE = delete(Throttle).where(
    Throttle.key.in_(
        select(Throttle.key)
        .where(Throttle.expires_at < bindparam("now"))
        .limit(PRUNE_BATCH)
        .with_for_update(skip_locked=True)
    )
)


@contextmanager
def uncounted_in_trouble(tries: Reservation) -> Iterator[None]:
    """Give tries back if it is the service that fails, not what was tried."""
    try:
        yield
    except Exception as error:
        is_refusal = isinstance(error, ServiceError) and error.status < 500
        if not is_refusal and not isinstance(error, IntegrityError):
            with if_possible("Tries could not be given back"):
                give_back(tries)
        raise


def give_back(tries: Reservation) -> None:
    """Give tries back in a transaction of its own."""
    with database.transaction() as transaction:
        tries.give_back(transaction)
