"""The words of mail: templates in English, and an operator's directory over them.

A template is two files, PURPOSE.txt and PURPOSE.html in a directory named by its
language. The first line of the text is `Subject: ...`. `$name` stands for a value, as
in Python's string.Template: a template is data, and nothing in it is executed.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template

from careers_users.mail.purposes import PURPOSES

BUILT_IN = Path(__file__).parent / "templates"
_SUBJECT = "Subject: "
# More than any mail needs; a file by mistake is not read whole.
_TEMPLATE_MAX_BYTES = 100_000
# A mail program would fetch these, or they lead elsewhere than the link.
_REMOTE = re.compile(
    r"://|\bsrc\s*=|\burl\s*\(|<\s*(link|script|base|iframe)\b", re.IGNORECASE
)


class TemplateMistake(Exception):
    """A template can't be used; the message says which, and what is wrong."""


@dataclass(frozen=True)
class Words:
    """The words of one mail."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class _Pair:
    subject: str
    text: Template
    html: Template


class Templates:
    """All templates, by language and purpose, read and checked."""

    def __init__(self, directory: Path | None, locales: tuple[str, ...]) -> None:
        """Read them; raises TemplateMistake.

        Each language needs all purposes, but for English, which is built in.
        """
        if directory is not None and not directory.is_dir():
            raise TemplateMistake(f"There is no directory {directory}.")
        self._pairs = {
            (locale, purpose): _read(directory, locale, purpose)
            for locale in locales
            for purpose in PURPOSES
        }
        self._first = locales[0]

    def words(
        self, locale: str, purpose: str, values: Mapping[str, str], link: str
    ) -> Words:
        """Return what a mail says, in the first language if there is no such `locale`.

        Raises KeyError if a value that the template names is missing.
        """
        pair = self._pairs.get((locale, purpose))
        if pair is None:  # Asked for before the languages were changed.
            pair = self._pairs[self._first, purpose]
        named = {**values, "link": link}
        escaped = {name: html.escape(value) for name, value in named.items()}
        return Words(
            pair.subject, pair.text.substitute(named), pair.html.substitute(escaped)
        )


@lru_cache(maxsize=8)
def load(directory: Path | None, locales: tuple[str, ...]) -> Templates:
    """Return the templates of a directory, read once; raises TemplateMistake."""
    return Templates(directory, locales)


def _read(directory: Path | None, locale: str, purpose: str) -> _Pair:
    ours = BUILT_IN / locale
    theirs = directory / locale if directory is not None else ours
    names = [f"{purpose}.txt", f"{purpose}.html"]
    found = [(theirs / name).exists() for name in names]
    if any(found) and not all(found):
        lacks = names[found.index(False)]
        raise TemplateMistake(f"{theirs / lacks} is missing beside the other half.")
    folder = theirs if all(found) else ours
    if not (folder / names[0]).exists():
        raise TemplateMistake(
            f"There is no template {theirs / names[0]}: CAREERS_USERS_LOCALES names "
            f"{locale}, so CAREERS_USERS_MAIL_TEMPLATES needs all of them."
        )
    subject, text = _subject_and_text(folder / names[0])
    markup = _text_of(folder / names[1])
    if _REMOTE.search(text) or _REMOTE.search(_without_doctype(markup)):
        raise TemplateMistake(
            f"{folder / purpose} refers to something besides $link: mail loads nothing "
            "and has one link."
        )
    return _Pair(
        subject,
        _checked(folder / names[0], text, purpose),
        _checked(folder / names[1], markup, purpose),
    )


def _subject_and_text(path: Path) -> tuple[str, str]:
    first, _, text = _text_of(path).partition("\n")
    subject = first.removeprefix(_SUBJECT).strip()
    is_subject = first.startswith(_SUBJECT) and subject and subject.isprintable()
    if not is_subject or "$" in subject:
        raise TemplateMistake(
            f"{path} does not begin with a line `{_SUBJECT}...` without $names."
        )
    return subject, text.lstrip("\n")


def _checked(path: Path, text: str, purpose: str) -> Template:
    template = Template(text)
    about = PURPOSES[purpose]
    known = {"service", *about.examples, *(["link"] if about.link else [])}
    if not template.is_valid():
        raise TemplateMistake(f"{path} has a $ without a name; write $$ for a dollar.")
    used = set(template.get_identifiers())
    if unknown := sorted(used - known):
        raise TemplateMistake(
            f"{path} names ${unknown[0]}; there are ${', $'.join(sorted(known))}."
        )
    if about.link and "link" not in used:
        raise TemplateMistake(f"{path} has no $link, so the mail would be useless.")
    return template


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_TEMPLATE_MAX_BYTES + 1)
        if len(data) > _TEMPLATE_MAX_BYTES:
            raise TemplateMistake(f"{path} is too large for a mail.")
        return data.decode().replace("\r\n", "\n")
    except OSError as error:
        raise TemplateMistake(f"{path} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TemplateMistake(f"{path} is not UTF-8.") from error


def _without_doctype(markup: str) -> str:
    """Return markup without names of its standard, which are not fetched."""
    return re.sub(r'<!doctype[^>]*>|\sxmlns="[^"]*"', "", markup, flags=re.IGNORECASE)
