"""The result of a search, by the contract and in plain Python: no index, no SQL.

Written apart from careers_users.validation.words, character by character.
"""

import re
from collections.abc import Mapping
from typing import Any

from careers_users.validation.folding import search as fold

SPACES = {
    *"\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000",
    *map(chr, range(0x2000, 0x200B)),
}
_SCRIPTS = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0x20000, 0x3FFFF)),
)


def words(value: str) -> list[str]:
    """Cut a text at white space and commas."""
    apart = "".join(" " if c in SPACES or c == "," else c for c in value)
    return [word for word in apart.split(" ") if word]


def _is_unspaced(character: str) -> bool:
    return any(first <= ord(character) <= last for first, last in _SCRIPTS)


def _begins(text: str, place: int) -> bool:
    if place == 0 or text[place - 1] in SPACES or text[place - 1] == ",":
        return True
    return text[place].isalnum() and not text[place - 1].isalnum()


def word_matches(word: str, user: Mapping[str, str]) -> bool:
    """Return whether a folded word matches a user."""
    texts = {name: fold(user[name]) for name in ("username", "first_name", "last_name")}
    bio = fold(user["bio"])
    if "\x1f" in word:
        return False
    if len(word) >= 3:
        return any(word in text for text in (*texts.values(), bio))
    for text in texts.values():
        for place in range(len(text)):
            is_beginning = _begins(text, place) or _is_unspaced(text[place])
            if is_beginning and text.startswith(word, place):
                return True
    if any(bio.startswith(word, n) for n, c in enumerate(bio) if _is_unspaced(c)):
        return True
    return word in re.split(r"(?:(?![+#])[\W_])+", bio)


def passes(user: Mapping[str, str], query: Mapping[str, Any]) -> bool:
    """Return whether a user is in the list that a query asks for."""
    for name in ("search", "q"):
        raw = query.get(name, "")
        if not words(raw):
            continue
        found = words(fold(raw))
        if not found and any(not words(fold(word)) for word in words(raw)):
            return False
        if not all(word_matches(word, user) for word in found):
            return False
    for name in ("first_name", "last_name"):
        part = query.get(name, "").strip("".join(SPACES))
        if part and not (fold(part) and fold(part) in fold(user[name])):
            return False
    return True
