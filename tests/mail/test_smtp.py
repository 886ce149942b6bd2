"""Delivery by SMTP: encryption, refusals, time-outs, and connections that are lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from flask import Flask

from careers_users.mail import smtp
from careers_users.mail.smtp import Server
from tests.live_server import PATIENCE
from tests.mail.conftest import Make
from tests.mail.post_office import PostOffice
from tests.mail.written import ANN, FROM, LINK_URL, put, row, send


def outcome(app: Flask, number: int) -> tuple[str, str | None]:
    """Return the state of a mail, and the code of its last error."""
    found = row(app, number)
    return found["state"], found["error"]


def test_a_mail_is_sent_over_starttls(mailing: Flask, office: PostOffice) -> None:
    number = put(mailing, "reset", user_id=7)
    send(mailing)
    assert outcome(mailing, number) == ("sent", None)
    [mail] = office.mails_to(ANN)
    assert (mail["From"], mail["To"]) == (FROM, ANN)
    assert mail["Subject"] == "Choose a new password"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Content-Language"] == "en"
    assert "List-Unsubscribe" not in mail
    link = f"{LINK_URL}#purpose=reset&token=token-{number}"
    parts = {part.get_content_type(): part for part in mail.walk()}
    assert link in parts["text/plain"].get_content()
    markup = parts["text/html"].get_content()
    assert markup.count("href=") == 1
    assert f'href="{link.replace("&", "&amp;")}"' in markup


def test_a_mail_is_sent_over_tls(make: Make, trusted: Path) -> None:
    with PostOffice(trusted, is_tls=True) as office:
        app = make(mail=office.url)
        number = put(app)
        send(app)
        assert outcome(app, number) == ("sent", None)
        assert len(office.taken) == 1


@pytest.mark.parametrize("is_tls", [True, False])
def test_a_certificate_that_is_not_trusted_is_refused(
    make: Make, certificate: Path, is_tls: bool
) -> None:
    with PostOffice(certificate, is_tls=is_tls) as office:
        app = make(mail=office.url)
        number = put(app)
        send(app)
        assert outcome(app, number) == ("waiting", "certificate")
        assert not office.reached["AUTH"].is_set()
        assert office.taken == []


def test_a_certificate_for_another_name_is_refused(
    make: Make, office: PostOffice
) -> None:
    app = make(mail=office.url.replace("127.0.0.1", "localhost"))
    number = put(app)
    send(app)
    assert outcome(app, number) == ("waiting", "certificate")


def test_nothing_is_sent_where_no_encryption_is_offered(
    make: Make, trusted: Path
) -> None:
    with PostOffice(trusted, offers_tls=False) as office:
        app = make(mail=office.url)
        number = put(app)
        send(app)
        assert outcome(app, number) == ("waiting", "tls not offered")
        assert not office.reached["AUTH"].is_set()
        assert not office.reached["MAIL"].is_set()


@pytest.mark.parametrize(
    ("step", "reply", "state", "error"),
    [
        ("AUTH", "535 5.7.8 No", "waiting", "login 535"),
        ("AUTH", "454 4.7.0 Not now", "waiting", "login 454"),
        ("MAIL", "451 Not now", "waiting", "mail 451"),
        ("MAIL", "553 Not you", "waiting", "mail 553"),
        ("RCPT", "450 4.2.0 Greylisted", "waiting", "recipient 450"),
        ("RCPT", "421 4.3.2 Closing", "waiting", "recipient 421"),
        ("RCPT", "550 5.1.1 No such user", "failed", "recipient 550"),
        ("DATA", "452 4.3.1 Full", "waiting", "data 452"),
        ("DATA", "554 5.6.0 Not this", "failed", "data 554"),
    ],
)
def test_refusals(
    mailing: Flask, office: PostOffice, step: str, reply: str, state: str, error: str
) -> None:
    office.replies[step] = [reply] * 2  # Several ways to sign in are tried.
    number = put(mailing)
    send(mailing)
    assert outcome(mailing, number) == (state, error)
    assert office.taken == []


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_that_is_lost(
    mailing: Flask, office: PostOffice, step: str
) -> None:
    office.loses = {step}
    number = put(mailing)
    send(mailing)
    state, error = outcome(mailing, number)
    assert (state, error is not None and error.endswith("lost")) == ("waiting", True)
    assert office.taken == []


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_server_that_does_not_answer(
    mailing: Flask, office: PostOffice, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "STEP_SECONDS", 0.2)
    office.hangs = {step}
    number = put(mailing)
    send(mailing)
    state, error = outcome(mailing, number)
    assert (state, error is not None and error.endswith("timeout")) == ("waiting", True)
    assert office.taken == []


def test_a_mail_is_sent_once_if_the_good_bye_fails(
    mailing: Flask, office: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "STEP_SECONDS", 0.2)
    office.hangs = {"QUIT"}
    number = put(mailing)
    send(mailing)
    assert outcome(mailing, number) == ("sent", None)
    office.hangs, office.loses = set(), {"QUIT"}
    other = put(mailing)
    send(mailing)
    assert outcome(mailing, other) == ("sent", None)
    assert len(office.taken) == 2


@contextmanager
def greeting(text: bytes, *, again: bool = False) -> Iterator[str]:
    """Give the URL of a server that says this, once or until the client is gone."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(text)
                while again and not ended.wait(0.02):
                    connection.sendall(text)
                ended.wait(PATIENCE)

        thread = threading.Thread(target=greet)
        thread.start()
        yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(PATIENCE)


def test_a_server_that_takes_no_connections_now(make: Make) -> None:
    with greeting(b"554 5.3.2 Not now\r\n") as url:
        app = make(mail=url)
        number = put(app)
        send(app)
        assert outcome(app, number) == ("waiting", "connect 554")


def test_a_conversation_that_never_ends_is_cut(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "WHOLE_SECONDS", 0.3)
    with greeting(b"220-\r\n", again=True) as url:
        app = make(mail=url)
        number = put(app)
        send(app)
        assert outcome(app, number) == ("waiting", "connect lost")


def test_no_server_listens(make: Make) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    app = make(mail=f"smtp://127.0.0.1:{port}")
    number = put(app)
    send(app)
    assert outcome(app, number) == ("waiting", "connect failed")


def test_a_password_is_in_no_repr() -> None:
    server = Server.of("smtp://user:p%40ss@mail.example.com")
    assert (server.user, server.password) == ("user", "p@ss")
    assert (server.port, Server.of("smtps://mail.example.com").port) == (587, 465)
    assert "p@ss" not in repr(server)
