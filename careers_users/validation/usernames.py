"""Usernames: their form, and the reserved ones."""

import re

from flask import Flask

from careers_users.extensions import Slot
from careers_users.validation import characters, folding
from careers_users.validation.limits import (
    BASE_PATH,
    EMAIL_MAX,
    USERNAME_MAX,
    USERNAME_MIN,
    USERNAME_PATTERN,
)

_USERNAME = re.compile(USERNAME_PATTERN)
# Names that are not segments of a path today and would mislead users (contract).
RESERVED_WORDS = frozenset(
    "admin root system support security api health ready live metrics docs openapi "
    "static search sessions password email stats update unfollow relationships blocks "
    "mutes requests suggestions export events null none undefined anonymous "
    # A segment that comes and goes with the setting CAREERS_USERS_DOCS.
    "openapi.json".split()
)


def _path_segments(app: Flask) -> frozenset[str]:
    rules = [rule.rule for rule in app.url_map.iter_rules()]
    below = [rule.removeprefix(BASE_PATH) for rule in rules]
    segments = {path.split("/")[1] for path in (*rules, *below)}
    return frozenset(each for each in segments if each and "<" not in each)


# Return the literal first segments of all paths, above and below the base path.
path_segments = Slot("path_segments", _path_segments).get


def reserved_names(app: Flask) -> frozenset[str]:
    """Return the names, in lower case, that no user may have."""
    return RESERVED_WORDS | path_segments(app)


def identity(name: str) -> str | None:
    """Return the key by which the user of a username or e-mail address is looked up.

    None if it can be neither: no user has it, and the database need not be asked.
    Compared is ASCII's lower case and nothing else; a letter that looks like another,
    or folds to it in some language, makes another name.
    """
    name = characters.trimmed(name)
    may_be_email = "@" in name and len(name) <= EMAIL_MAX
    return folding.identity(name) if may_be_email or is_username(name) else None


def is_username(value: str) -> bool:
    """Return whether `value` has the form of a username."""
    return (
        USERNAME_MIN <= len(value) <= USERNAME_MAX
        and _USERNAME.fullmatch(value) is not None
    )
