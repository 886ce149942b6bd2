"""Places that users sign in from, and the devices they do it with.

A limit that strangers can fill does not keep a user from signing in at a known place.
Mail tells of a sign-in with a device that is not known. Both stay known when their
sessions have ended, until their time is over or the account is deleted.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from sqlalchemy import ScalarSelect, bindparam, func, select, union_all
from sqlalchemy.dialects import postgresql, sqlite

from careers_users import clock, database
from careers_users.auth.device import Device
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
# Places and devices of one user. When all are taken, further ones stay unknown:
# replacing the oldest would let a thief of the password push out the owner's home.
PLACES_MAX = 200
# A provider's customers move within such networks; a thief is seldom in the owner's.
_DEVICE_PREFIXES = {4: 16, 6: 32}
_VERSION = re.compile(r"[0-9]+")


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


def device_key(device: Device) -> str:
    """Return the keyed hash that a device is stored by.

    A device is a program, whatever its version, in a network.
    """
    address = place(device.address).partition("/")[0]
    try:
        ip = ip_address(address)
        prefix = _DEVICE_PREFIXES[ip.version]
        network = str(ip_network((ip.packed, prefix), strict=False))
    except ValueError:
        network = address
    return keyed_hash("devices", _VERSION.sub("", device.user_agent), network)


def _known_until(parameter: str) -> ScalarSelect[datetime]:
    return (
        select(KnownPlace.expires_at)
        .where(KnownPlace.user_id == User.id)
        .where(KnownPlace.key == bindparam(parameter))
        .where(KnownPlace.expires_at > bindparam("now"))
        .scalar_subquery()
    )


# Columns for a SELECT of users: until when `place_key` and `device_key` are known, NULL
# if they are not.
KNOWN_UNTIL = _known_until("place_key").label("place_known_until")
DEVICE_KNOWN_UNTIL = _known_until("device_key").label("device_known_until")


def is_due(known_until: datetime | None) -> bool:
    """Return whether a sign-in moves on the time until which a key is known."""
    until = clock.utcnow() + timedelta(days=KNOWN_DAYS)
    return known_until is None or until - known_until >= RENEW_AFTER


def remember(
    transaction: Transaction,
    user_id: int,
    keys: Sequence[str],
    since: datetime | None = None,
) -> None:
    """Write the keys of a place and a device that a user has signed in with.

    Of at most two; nothing if there are none. `since` is when that was, if not now. The
    caller commits.
    """
    if not keys:
        return
    now = clock.utcnow()
    values = {
        "place_user_id": user_id,
        "place_until": (since or now) + timedelta(days=KNOWN_DAYS),
        "now": now,
        **{f"place_key_{n}": key for n, key in enumerate(keys)},
    }
    query = _remember(len(keys), on_sqlite=database.is_sqlite())
    transaction.defer(query, **values)


@cache
def _remember(keys: int, *, on_sqlite: bool) -> Query:
    user_id = bindparam("place_user_id", type_=KnownPlace.user_id.type)
    until = bindparam("place_until", type_=KnownPlace.expires_at.type)
    given = [
        bindparam(f"place_key_{n}", type_=KnownPlace.key.type) for n in range(keys)
    ]
    others = (
        select(func.count())
        .select_from(KnownPlace)
        .where(KnownPlace.user_id == user_id)
        .where(KnownPlace.key.not_in(given))
        .where(KnownPlace.expires_at > bindparam("now"))
        .scalar_subquery()
    )
    rows = [select(user_id, key, until).where(others < PLACES_MAX) for key in given]
    new: Any = (sqlite if on_sqlite else postgresql).insert(KnownPlace)
    new = new.from_select(
        ["user_id", "key", "expires_at"],
        rows[0] if len(rows) == 1 else union_all(*rows),
    )
    return Query(
        new.on_conflict_do_update(
            index_elements=[KnownPlace.user_id, KnownPlace.key],
            set_={"expires_at": new.excluded.expires_at},
        )
    )
