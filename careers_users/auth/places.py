"""Places that users sign in from.

A limit that strangers can fill does not keep a user from signing in at a known place.
A place outlives its sessions: nothing but time and the deletion of the account ends it.
"""

from datetime import datetime, timedelta
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock, database
from careers_users.database import Query, Transaction
from careers_users.keys import keyed_hash
from careers_users.models import KnownPlace, User

# One subscriber has at least this much of IPv6 (RFC 6177), so it counts as one address.
IPV6_PREFIX = 64
PLACES_CACHED = 1024  # Parsing an address is 3% of a login beside its hash.
# From the last login on. A home address seldom changes more often than twice a year.
KNOWN_DAYS = 180
# The time is moved on at most daily, so that most logins write nothing here.
RENEW_AFTER = timedelta(days=1)
# Places of one user. When all are taken, further ones stay unknown: replacing the
# oldest would let a thief of the password push out the owner's home.
PLACES_MAX = 200


@lru_cache(maxsize=PLACES_CACHED)
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


def place_key(address: str) -> str:
    """Return the keyed hash that an address's place is stored by."""
    return keyed_hash("places", place(address))


# A column for a SELECT of users: until when `place_key` is known, NULL if it is not.
KNOWN_UNTIL = (
    select(KnownPlace.expires_at)
    .where(KnownPlace.user_id == User.id)
    .where(KnownPlace.key == bindparam("place_key"))
    .where(KnownPlace.expires_at > bindparam("now"))
    .scalar_subquery()
    .label("place_known_until")
)


def remember(
    transaction: Transaction,
    user_id: int,
    address: str,
    known_until: datetime | None = None,
) -> None:
    """Write that a user has signed in from an address. The caller commits.

    `known_until` is what KNOWN_UNTIL has told of it.
    """
    now = clock.utcnow()
    until = now + timedelta(days=KNOWN_DAYS)
    if known_until is not None and until - known_until < RENEW_AFTER:
        return
    values = {
        "place_user_id": user_id,
        "place_key": place_key(address),
        "place_until": until,
        "now": now,
    }
    transaction.defer(_remember(on_sqlite=database.is_sqlite()), **values)


@cache
def _remember(*, on_sqlite: bool) -> Query:
    user_id = bindparam("place_user_id", type_=KnownPlace.user_id.type)
    key = bindparam("place_key", type_=KnownPlace.key.type)
    others = (
        select(func.count())
        .select_from(KnownPlace)
        .where(KnownPlace.user_id == user_id)
        .where(KnownPlace.key != key)
        .where(KnownPlace.expires_at > bindparam("now"))
        .scalar_subquery()
    )
    row = select(
        user_id, key, bindparam("place_until", type_=KnownPlace.expires_at.type)
    ).where(others < PLACES_MAX)
    new: Any = (sqlite if on_sqlite else postgresql).insert(KnownPlace)
    new = new.from_select(["user_id", "key", "expires_at"], row)
    return Query(
        new.on_conflict_do_update(
            index_elements=[KnownPlace.user_id, KnownPlace.key],
            set_={"expires_at": new.excluded.expires_at},
        )
    )
