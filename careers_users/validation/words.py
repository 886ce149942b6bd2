"""The words of a search, and the text in which they are looked up.

Trigram indexes answer words of three characters and more. `search_text` therefore holds
the folded fields, and behind them the beginnings of words, each made longer by a mark:

    jean.luc␟jean-luc␟o'neil␟ux nurse␟QQj␟QQje␟QQl␟QQlu␟QQo␟QQo'␟QQn␟QQne␟QQux␟

(␟ is U+001F.) The word `lu` is looked up as `QQlu`, and `l` as `QQl␟`. So the one index
answers every word, and which words match is decided here alone, for both databases.
"""

import re
from collections.abc import Iterator

from careers_users.validation import folding

# A control character, which no stored text contains: no word matches across two fields.
SEPARATOR = "\x1f"
# Folded text has no capital letter (tests/validation/test_folding.py tries all), so no
# user can write the mark.
MARK = "QQ"
# Contained in no `search_text`: behind the mark stands folded text.
UNMATCHABLE = "QQQ"
# Words of fewer characters have no trigram.
TRIGRAM = 3

# Unicode's White_Space; str.split() and \s add U+001C to U+001F.
_WHITE_SPACE = r"\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_BETWEEN_WORDS = re.compile(f"[{_WHITE_SPACE},]+")
_AROUND = re.compile(f"^[{_WHITE_SPACE}]+|[{_WHITE_SPACE}]+$")
_BIO_WORD = re.compile(r"(?:[^\W_]|[+#])+")
# Scripts written without spaces, by Unicode's blocks: Thai, Lao, Myanmar, Khmer, Kana,
# Bopomofo, Han.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u2e80-\u2fdf\u3005-\u3007"
    r"\u3021-\u3029\u3031-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\U0001aff0-\U0001b16f"
    r"\U00020000-\U0003ffff]"
)


def needles(value: str) -> tuple[str, ...]:
    """Return what `search_text` must contain to match a search, word by word.

    None for a blank search. A search whose words all fold to nothing matches no user.
    """
    found = tuple(map(_needle, _cut(folding.search(value))))
    if not found and not all(folding.search(word).strip() for word in _cut(value)):
        return (UNMATCHABLE,)
    return found


def part_of_name(value: str) -> str:
    """Return what a folded name must contain to pass a filter; "" for a blank one."""
    trimmed = _AROUND.sub("", value)
    return folding.search(trimmed) or UNMATCHABLE if trimmed else ""


def search_text(username: str, first_name: str, last_name: str, bio: str) -> str:
    """Return the text that contains every needle by which a user is found."""
    *names, about = map(folding.search, (username, first_name, last_name, bio))
    short: dict[str, None] = {}
    for name in names:
        short.update(dict.fromkeys(_beginnings(name)))
    short.update(dict.fromkeys(_short_words(about)))
    parts = [*names, about, *(MARK + word for word in short), ""]
    return SEPARATOR.join(parts)


def searchable(
    username: str, first_name: str, last_name: str, bio: str, **_: object
) -> dict[str, str]:
    """Return the columns of `users` that searches and the order of names read.

    Takes the other columns of a row too, and ignores them.
    """
    return {
        "first_name_key": folding.search(first_name),
        "last_name_key": folding.search(last_name),
        "search_text": search_text(username, first_name, last_name, bio),
    }


def _cut(value: str) -> list[str]:
    return [word for word in _BETWEEN_WORDS.split(value) if word]


def _needle(word: str) -> str:
    if SEPARATOR in word:
        return UNMATCHABLE
    if len(word) >= TRIGRAM:
        return word
    # A whole word of the bio is not the beginning of another: `u` must not find "UX".
    return MARK + word + (SEPARATOR if len(word) == 1 else "")


def _beginnings(name: str) -> Iterator[str]:
    """Yield the first character and the first two of each word of a folded name.

    A word begins at the start, behind white space or a comma, and with a letter or a
    digit behind a character that is neither. It ends at white space or a comma.
    """
    before = " "
    for place, character in enumerate(name):
        starts = _BETWEEN_WORDS.match(before) or _UNSPACED.match(character)
        if starts or (character.isalnum() and not before.isalnum()):
            yield from _first_two(name, place)
        before = character


def _short_words(bio: str) -> Iterator[str]:
    """Yield the whole words of one and two characters of a folded bio.

    And where a script has no spaces, the beginnings at each character.
    """
    yield from (word for word in _BIO_WORD.findall(bio) if len(word) < TRIGRAM)
    for match in _UNSPACED.finditer(bio):
        yield from _first_two(bio, match.start())


def _first_two(value: str, place: int) -> Iterator[str]:
    two = value[place : place + 2]
    if not _BETWEEN_WORDS.match(two):
        yield two[0]
        if len(two) == 2 and not _BETWEEN_WORDS.match(two[1]):
            yield two
