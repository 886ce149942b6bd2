"""How often something may be tried: counted in the database, for all instances alike.

A try is *reserved* before it is made, so that tries at the same time can't all pass,
and taken off again if it was in order. The table holds keyed hashes: neither names nor
addresses can be read from it.
"""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from careers_users import clock, database
from careers_users.auth import throttle_table
from careers_users.database import Query, Row, Transaction
from careers_users.database.errors import if_possible
from careers_users.extensions import Slot
from careers_users.http.errors import ServiceError
from careers_users.keys import keyed_hash
from careers_users.observability import security_log
from careers_users.settings import Settings, rates
from careers_users.settings.rates import SECONDS_MAX, Rate
from careers_users.validation.limits import INTEGER_MAX

# While wrong logins from unknown places follow each other without a right one, each
# full number of tries halves the next, down to a tenth: 50 an hour become 5.
SLOWEST_SHARE = 10
# No limit: counts these wrong logins in a row, for as long as a row may be stored.
IN_A_ROW = Rate(INTEGER_MAX, SECONDS_MAX)
# Counts what was in order, where all others count what was not.
SUCCESSES = "login_success"
# The end of time, for callers who are always spared.
ALWAYS = datetime.max.replace(tzinfo=UTC)
_RATES = Slot[Mapping[str, Rate]]("rates")


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
    """Tries that are counted together: the name of a rate, and whom it counts.

    A window that began before `spared_since` counts the caller but does not refuse.
    """

    rate: str
    whom: tuple[object, ...]
    spared_since: datetime | None = None

    @property
    def key(self) -> str:
        """Return the key of its row."""
        return keyed_hash("throttle", self.rate, *self.whom)


@dataclass(frozen=True)
class Reservation:
    """Tries that have been counted; nothing at all where there are no limits."""

    made_at: datetime = ALWAYS
    failures: tuple[str, ...] = ()
    successes: tuple[str, ...] = ()
    in_a_row: str = ""

    def give_back(self, transaction: Transaction) -> None:
        """Take the tries off again, as the last statement of a transaction."""
        self._take_off(transaction, *self.failures, *self.successes)

    def succeed(self, transaction: Transaction) -> None:
        """Take off what counts failures, all of those in a row; otherwise the same."""
        keys = {*self.failures, self.in_a_row} - {""}
        self._take_off(transaction, *sorted(keys), cleared=self.in_a_row)

    def fail(self, transaction: Transaction) -> None:
        """Take off what counts successes; otherwise the same."""
        self._take_off(transaction, *self.successes)

    def _take_off(
        self, transaction: Transaction, *keys: str, cleared: str = ""
    ) -> None:
        if keys:
            throttle_table.take_off(transaction, keys, self.made_at, cleared)


def init_app(app: Flask, settings: Settings) -> None:
    """Give `app` the rates of `settings`: none if throttling is off."""
    named = {
        "login": settings.ratelimit_login,
        "login_address": settings.ratelimit_login_address,
        "login_username": settings.ratelimit_login_username,
        "login_in_a_row": settings.ratelimit_login_username and IN_A_ROW,
        SUCCESSES: settings.ratelimit_login_success,
        "register": settings.ratelimit_register,
        "refresh": settings.ratelimit_refresh,
        "password": settings.ratelimit_password,
        "follow": settings.ratelimit_follow,
        "mail_asked": rates.MAIL_ASKED,
        "mail_minute": rates.MAIL_MINUTE,
        "mail_hour": rates.MAIL_HOUR,
        "mail_day": rates.MAIL_DAY,
    }
    active = {
        name: rate
        for name, rate in named.items()
        if rate is not None and settings.ratelimit_enabled
    }
    _RATES.set(app, active)


def reserve(
    *buckets: Bucket, user_id: int | None = None, in_a_row: Bucket | None = None
) -> Reservation:
    """Count a try in all buckets, or in none; for the others to see at once.

    In a short transaction of its own: nothing slow is done while it holds its rows.
    Raises RateLimited if one is full. `user_id` is for the security log; `in_a_row` is
    what a success sets to zero, also if it is not among the buckets.
    """
    if not any(bucket.rate in _RATES.get() for bucket in buckets):
        return Reservation(clock.utcnow(), in_a_row=_key_if_counted(in_a_row))
    try:
        with _losable() as transaction:
            return count(transaction, *buckets, in_a_row=in_a_row)
    except RateLimited as refusal:
        security_log.record("throttled", user_id, rate=refusal.rate)
        raise


@contextmanager
def _losable() -> Iterator[Transaction]:
    """Give a transaction whose commit others see at once, but no disk is waited for.

    All who try from one address wait for its row until the commit. If the server's
    machine loses its power, the tries of its last second are forgotten.
    """
    with database.transaction() as transaction:
        if not database.is_sqlite():
            transaction.defer(_NO_WAIT)
        yield transaction


def count(
    transaction: Transaction, *buckets: Bucket, in_a_row: Bucket | None = None
) -> Reservation:
    """Count a try in all buckets, in a transaction that the caller begins and ends.

    Raises RateLimited if one is full: the transaction must then be rolled back.
    """
    now, limits = clock.utcnow(), _RATES.get()
    named = {bucket.key: bucket for bucket in buckets if bucket.rate in limits}
    if not named:
        return Reservation(now)
    seconds = {key: limits[bucket.rate].seconds for key, bucket in named.items()}
    rows = throttle_table.count(transaction, seconds, now)
    _refuse_if_full({named[row["key"]]: row for row in rows}, now)
    return Reservation(
        # An instance whose clock is ahead may have begun a window in our future.
        made_at=max(now, *(row["started_at"] for row in rows)),
        failures=tuple(sorted(k for k, b in named.items() if b.rate != SUCCESSES)),
        successes=tuple(sorted(k for k, b in named.items() if b.rate == SUCCESSES)),
        in_a_row=_key_if_counted(in_a_row),
    )


def _key_if_counted(bucket: Bucket | None) -> str:
    return "" if bucket is None or bucket.rate not in _RATES.get() else bucket.key


def _refuse_if_full(counted: Mapping[Bucket, Row], now: datetime) -> None:
    used = {bucket.rate: row["used"] for bucket, row in counted.items()}
    waits = [
        ((row["expires_at"] - now).total_seconds(), bucket.rate)
        for bucket, row in counted.items()
        if row["used"] > _tries(bucket.rate, used)
        and not (bucket.spared_since and row["started_at"] < bucket.spared_since)
    ]
    if waits:
        seconds, rate = max(waits)
        raise RateLimited(rate, max(1, math.ceil(seconds)))


def _tries(rate: str, used: Mapping[str, int]) -> int:
    """Return how many tries a window allows: fewer after wrong logins in a row."""
    tries = _RATES.get()[rate].tries
    if rate != "login_username":
        return tries
    before = max(0, used["login_in_a_row"] - used[rate])
    return max(math.ceil(tries / SLOWEST_SHARE), tries >> (before // tries))


@contextmanager
def counting(failure: type[Exception], bucket: Bucket) -> Iterator[None]:
    """Count only what ends in `failure`; instead of it, raise RateLimited if too many.

    A success costs no statement. For secrets that can't be guessed anyway.
    """
    try:
        yield
    except failure:
        reserve(bucket)
        raise


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
    with _losable() as transaction:
        tries.give_back(transaction)


# Until the end of the transaction.
_NO_WAIT = Query(
    select(func.set_config("synchronous_commit", "off", True).label("is_set"))
)
