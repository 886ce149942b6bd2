"""What is read for events: who the authors are."""

from collections.abc import Iterable

from sqlalchemy import bindparam, or_, select

from careers_users import database
from careers_users.fields import is_username
from careers_users.models import User

_AUTHORS = select(User.id, User.username_key).where(
    or_(
        User.id.in_(bindparam("ids", expanding=True)),
        User.username_key.in_(bindparam("keys", expanding=True)),
    )
)


def authors(named: Iterable[int | str]) -> dict[int | str, int]:
    """Return the number of each author who exists, in one statement.

    `named` are numbers and folded usernames. Those who don't exist are left out.
    """
    ids = {author for author in named if isinstance(author, int)}
    keys = {name for name in named if isinstance(name, str) and is_username(name)}
    if not ids and not keys:
        return {}
    rows = database.fetch_all(_AUTHORS, {"ids": sorted(ids), "keys": sorted(keys)})
    found: dict[int | str, int] = {}
    for row in rows:
        found[row["id"]] = found[row["username_key"]] = row["id"]
    return found
