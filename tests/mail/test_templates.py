"""Templates: English is built in, an operator's are checked when they are read."""

import re
import shutil
import sys
from pathlib import Path

import pytest

from careers_users.mail.purposes import PURPOSES
from careers_users.mail.templates import BUILT_IN, TemplateMistake, Templates
from tests.live_server import ROOT, Server

LINK = "https://www.example.com/#purpose=reset&token=x"


def german(folder: Path) -> Path:
    """Return a directory with all templates in a language called `de`."""
    shutil.copytree(BUILT_IN / "en", folder / "de")
    return folder


@pytest.mark.parametrize("purpose", PURPOSES)
def test_every_purpose_has_a_text_and_a_markup(purpose: str) -> None:
    about = PURPOSES[purpose]
    values = {**about.examples, "service": "Careers"}
    words = Templates(None, ("en",)).words("en", purpose, values, LINK)
    for text in (words.text, words.html):
        assert "$" not in text
        assert text.count("https://") == (1 if about.link else 0)
        for value in about.examples.values():
            assert value in text
    assert words.subject
    assert "<script" not in words.html


def test_the_document_names_the_values_of_each_purpose() -> None:
    text = (ROOT / "docs/mail.md").read_text("utf-8")
    table = text.partition("besides `$service` |")[2].partition("\n\n")[0]
    shown = {}
    for purpose, names in re.findall(r"^\| `([\w-]+)` \| (.*)\|$", table, re.MULTILINE):
        shown[purpose] = set(re.findall(r"`\$(\w+)`", names))
    known = {
        purpose: {*about.examples, *(["link"] if about.link else [])}
        for purpose, about in PURPOSES.items()
    }
    assert shown == known


@pytest.mark.parametrize("purpose", ["verify", "reset", "change-new"])
def test_mail_to_unverified_addresses_names_nothing_that_was_chosen(
    purpose: str,
) -> None:
    assert set(PURPOSES[purpose].examples) <= {"hours", "minutes"}


def test_values_are_escaped_in_the_markup() -> None:
    values = {**PURPOSES["new-device"].examples, "service": "Careers"}
    values["device"] = '<img src="https://example.org">'
    words = Templates(None, ("en",)).words("en", "new-device", values, "")
    assert values["device"] in words.text
    assert "<img" not in words.html
    assert "&lt;img src=&quot;https" in words.html


def test_an_operators_templates_come_before_the_built_in_ones(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/reset.txt").write_text("Subject: Neu\r\n\r\n$$1: $link\r\n")
    (tmp_path / "en/reset.html").write_text("<!DOCTYPE html><p>$link</p>")
    known = Templates(tmp_path, ("en",))
    words = known.words("en", "reset", {}, "l&k")
    assert (words.subject, words.text) == ("Neu", "$1: l&k\n")
    assert words.html == "<!DOCTYPE html><p>l&amp;k</p>"
    values = {"hours": "24", "service": "Careers"}
    assert known.words("en", "verify", values, "x").subject == (
        "Confirm your e-mail address"
    )


def test_another_language_needs_all_templates(tmp_path: Path) -> None:
    known = Templates(german(tmp_path), ("de", "en"))
    values = {"minutes": "30", "service": "Careers"}
    assert known.words("de", "reset", values, LINK).subject
    # A row may have been written before the languages were changed.
    assert known.words("fr", "reset", values, LINK) == known.words(
        "de", "reset", values, LINK
    )
    (tmp_path / "de/deletion.txt").unlink()
    (tmp_path / "de/deletion.html").unlink()
    with pytest.raises(TemplateMistake, match=r"no template .*de/deletion\.txt"):
        Templates(tmp_path, ("en", "de"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("reset.txt", "Subject: Reset\n\nHello", r"has no \$link"),
        ("reset.html", "<p>Hello</p>", r"has no \$link"),
        ("reset.txt", "Subject: Reset\n\n$link $user", r"names \$user; there are"),
        ("suspension.txt", "Subject: S\n\n$link", r"names \$link"),
        ("verify.html", "<p>$link of $username</p>", r"names \$username"),
        ("reset.txt", "Subject: Reset\n\n$link for 5 $!", r"write \$\$"),
        ("reset.txt", "Reset\n\n$link", "does not begin with a line `Subject: ...`"),
        ("reset.txt", "Subject: To $username\n\n$link", "does not begin"),
        ("reset.txt", "Subject: \n\n$link", "does not begin"),
        ("reset.html", '<img src="cid:1">$link', r"something besides \$link"),
        ("reset.html", '<a href="http://x.example">$link', r"something besides"),
        ("reset.html", "<p style='background:url(x)'>$link", r"something besides"),
        ("reset.txt", "Subject: R\n\n$link, https://x.example", r"something besides"),
        ("reset.txt", "Subject: R\n\n$link" + "x" * 100_000, "too large"),
    ],
)
def test_mistakes(tmp_path: Path, name: str, text: str, said: str) -> None:
    (german(tmp_path) / "de" / name).write_text(text)
    with pytest.raises(TemplateMistake, match=said):
        Templates(tmp_path, ("de",))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TemplateMistake, match="There is no directory"):
        Templates(tmp_path / "none", ("en",))
    (german(tmp_path) / "de/reset.html").write_bytes(b"\xff $link")
    with pytest.raises(TemplateMistake, match="is not UTF-8"):
        Templates(tmp_path, ("de",))
    (tmp_path / "de/reset.html").unlink()
    with pytest.raises(TemplateMistake, match=r"reset\.html is missing"):
        Templates(tmp_path, ("de",))
    (tmp_path / "de/reset.html").mkdir()
    with pytest.raises(TemplateMistake, match="can't be read"):
        Templates(tmp_path, ("de",))


@pytest.mark.parametrize("command", ["serve", "worker"])
def test_nothing_starts_with_a_template_without_its_link(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/reset.txt").write_text("Subject: Reset\n\nHello")
    (tmp_path / "en/reset.html").write_text("<p>$link</p>")
    settings = {"CAREERS_USERS_MAIL_TEMPLATES": str(tmp_path)}
    words = ("-c", "from careers_users.__main__ import main; main()", command)
    with Server(tmp_path, command=(sys.executable, *words), **settings) as server:
        assert server.wait() == 78
    assert "Traceback" not in server.log
    assert "reset.txt has no $link, so the mail would be useless." in server.log
