"""The address that the server listens on, and its sentences if it can't."""

import os
import re
import socket
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from careers_users.server import ServerError, run
from tests.server.small_server import LISTENING, Launch, Running, options


def test_says_where_it_listens_and_serves_there(server: Running) -> None:
    match = LISTENING.search(server.log())
    assert match
    assert match.groups() == (str(server.port), "1", "4")
    reply = server.get("/")
    assert (reply.status, reply.json()["pid"]) == (200, server.pid)
    assert {"Server", "Via"}.isdisjoint(reply.headers)
    assert "Connection" not in reply.headers


def test_names_an_ipv6_address_in_brackets(launch: Launch) -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    running = launch(host="::", threads=1)
    match = running.wait_for(r"http://\[::\]:(\d+) \(1 process, 1 thread each\)")
    running.port = int(match[1])
    assert running.get("/ip").json()["ip"] == "127.0.0.1"


def test_a_port_in_use_is_a_sentence(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        running = launch(port=port)
        assert running.exit_code() == 3
    assert f"ServerError: Port {port} on 127.0.0.1 is already in use" in running.log()
    assert "Traceback" not in running.log()


def never() -> NoReturn:
    raise AssertionError("the application was made, though nobody can reach it")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"host": "no.such.host.invalid"}, "There is no host 'no.such.host.invalid'"),
        ({"host": "." * 100}, "There is no host"),
        ({"host": "192.0.2.1"}, "192.0.2.1 is no address of this machine"),
    ],
)
def test_a_file_that_it_cannot_use_is_a_sentence(
    changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ServerError, match=re.escape(sentence)):
        run(SimpleNamespace(**options(**changes)), never)


def test_several_processes_need_a_system_that_forks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "fork", raising=False)
    with pytest.raises(ServerError, match="several instances"):
        run(SimpleNamespace(**options(processes=2)), never)
