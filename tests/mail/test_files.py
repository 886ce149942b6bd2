"""Mail as files, for developers: whole, private, and not too many."""

import stat
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from flask import Flask

from careers_users.mail import files
from tests.live_server import Server, ask, until
from tests.mail.conftest import Make
from tests.mail.written import put, row, send


@pytest.fixture
def writing(make: Make, tmp_path: Path) -> Flask:
    """Make an application that writes its mail into files."""
    return make(mail="file", mail_from="", link_url="", data_dir=tmp_path / "data")


def test_a_mail_is_a_private_file_that_the_log_names(
    writing: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    number = put(writing, "reset")
    with caplog.at_level("INFO"):
        send(writing)
    assert row(writing, number)["state"] == "sent"
    folder = tmp_path / "data/mail"
    [path] = folder.iterdir()
    assert (path.suffix, "reset" in path.name) == (".eml", True)
    assert str(path) in caplog.text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["From"] == "Careers <careers@localhost>"
    link = (
        "http://127.0.0.1:8000/careers/users/email/confirm/"
        f"#purpose=reset&token=token-{number}"
    )
    assert link.encode() in path.read_bytes(), "to be copied out of the file as it is"


def test_the_newest_files_are_kept(
    writing: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FILES_KEPT", 3)
    for _ in range(5):
        put(writing)
    send(writing)
    names = sorted(path.name for path in (tmp_path / "data/mail").iterdir())
    assert [int(name.split("-")[1]) for name in names] == [3, 4, 5]


def test_a_file_that_was_left_half_written_is_written_again(
    writing: Flask, tmp_path: Path
) -> None:
    number = put(writing)
    send(writing)
    folder = tmp_path / "data/mail"
    [path] = folder.iterdir()
    path.rename(folder / f".{path.name}.part")
    url = writing.config["SQLALCHEMY_DATABASE_URI"]
    ask(
        url,
        f"UPDATE mails SET state = 'waiting', leased_until = NULL WHERE id = {number}",
    )
    send(writing)
    assert list(folder.iterdir()) == [path]


def test_a_directory_that_cannot_be_written_to(
    writing: Flask, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").write_text("a file")
    number = put(writing)
    send(writing)
    found = row(writing, number)
    assert (found["state"], found["error"]) == ("waiting", "file")
    assert "Mail can't be written into a file: Not a directory" in caplog.text


def test_an_embedded_service_writes_mail_beside_its_database(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert server.port
        url = f"sqlite:///{tmp_path / 'instance/careers_users.db'}"
        ask(
            url,
            "INSERT INTO mails (purpose, locale, created_at, next_try_at, ends_at,"
            " tries, state) VALUES ('unheard-of', 'en', '2026-01-01', '2026-01-01',"
            " '9999-01-01', 0, 'waiting')",
        )
        until(lambda: ask(url, "SELECT error FROM mails") == [("composer",)])
        assert server.stop() == 0
