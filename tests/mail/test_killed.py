"""Workers that are killed at each step of a conversation: mail is sent all the same."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.live_server import PATIENCE, ask, until
from tests.mail.post_office import PostOffice
from tests.mail.working import worker
from tests.mail.written import ANN, put, row, send

EXPIRE = "UPDATE mails SET leased_until = '2020-01-01'"


def is_sent(app: Flask, number: int) -> Callable[[], bool]:
    """Return the question whether a mail is sent."""
    return lambda: bool(row(app, number)["state"] == "sent")


@pytest.mark.parametrize("words", [("worker",), ("serve", "--processes", "2")])
def test_mail_is_sent_once_by_the_worker_and_beside_requests(
    mailing: Flask,
    office: PostOffice,
    database_url: str,
    tmp_path: Path,
    words: tuple[str, ...],
) -> None:
    with worker(tmp_path, database_url, office, *words) as server:
        numbers = [put(mailing) for _ in range(5)]
        for number in numbers:
            until(is_sent(mailing, number))
        assert server.stop() == 0, server.log
    assert len(office.taken) == 5
    assert "Traceback" not in server.log
    assert server.log.count("(verify), try 1: sent") == 5


@pytest.mark.parametrize("step", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_worker_killed_before_the_mail_is_accepted(
    mailing: Flask, office: PostOffice, database_url: str, tmp_path: Path, step: str
) -> None:
    office.hangs = {step}
    number = put(mailing)
    with worker(tmp_path, database_url, office) as killed:
        assert office.reached[step].wait(PATIENCE), killed.log
        killed.kill()
    office.hang_up()
    office.go_on()
    assert row(mailing, number)["state"] == "waiting"
    ask(database_url, EXPIRE)
    send(mailing)
    assert row(mailing, number)["state"] == "sent"
    assert len(office.mails_to(ANN)) == 1


def test_a_worker_killed_before_the_greeting(
    mailing: Flask, office: PostOffice, database_url: str, tmp_path: Path
) -> None:
    number = put(mailing)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        nowhere = PostOffice.__new__(PostOffice)
        nowhere.port, nowhere._is_tls = silent.getsockname()[1], False
        with worker(tmp_path, database_url, nowhere) as killed:
            silent.settimeout(PATIENCE)
            connection, _ = silent.accept()
            killed.kill()
            connection.close()
    ask(database_url, EXPIRE)
    send(mailing)
    assert row(mailing, number)["state"] == "sent"
    assert len(office.taken) == 1


def test_a_worker_killed_after_it_has_written_the_end(
    mailing: Flask, office: PostOffice, database_url: str, tmp_path: Path
) -> None:
    office.hangs = {"QUIT"}
    number = put(mailing)
    with worker(tmp_path, database_url, office) as killed:
        assert office.reached["QUIT"].wait(PATIENCE), killed.log
        killed.kill()
    assert row(mailing, number)["state"] == "sent"
    assert len(office.taken) == 1


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Lock the outbox."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.execute(text("UPDATE mails SET locale = locale"))
        else:
            connection.execute(text("SELECT id FROM mails FOR UPDATE"))
        yield
        connection.rollback()


def test_a_worker_killed_between_acceptance_and_commit_sends_the_mail_again(
    mailing: Flask, office: PostOffice, database_url: str, tmp_path: Path
) -> None:
    office.hangs = {"DATA"}
    number = put(mailing)
    with worker(tmp_path, database_url, office) as killed:
        assert office.reached["DATA"].wait(PATIENCE), killed.log
        with locked(database_url):
            office.go_on()
            assert office.reached["accepted"].wait(PATIENCE), killed.log
            killed.kill()
    ask(database_url, EXPIRE)
    with worker(tmp_path, database_url, office):
        until(is_sent(mailing, number))
    first, second = office.mails_to(ANN)
    assert first["Message-ID"] == second["Message-ID"]
