"""The listening socket given by systemd, and what systemd is told."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from careers_users.server import ServerError, systemd
from careers_users.server.listener import open_listener
from tests.conftest import migrate
from tests.live_server import KEY, Client, Server, on_socket
from tests.server.small_server import PATIENCE
from tests.stress.load import Caller, Load, Outcome

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="systemd's protocol")

RESTARTS = 3


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    """Yield the service manager's end of NOTIFY_SOCKET."""
    # Not pytest's folder: the name of such a socket has 108 bytes at most.
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        receiver.bind(f"{folder}/notify")
        receiver.settimeout(PATIENCE)
        yield receiver


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """Return the settings of a service on a migrated database."""
    url = f"sqlite:///{tmp_path / 'given.db'}"
    migrate(url)
    return {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}


def read_on_a_new_connection(caller: Caller) -> list[Outcome]:
    caller.close()
    return [caller.call("GET", "")]


@pytest.mark.parametrize("processes", ["1", "2"])
def test_restarts_on_a_given_socket_refuse_no_connection(
    tmp_path: Path,
    settings: dict[str, str],
    manager: socket.socket,
    processes: str,
) -> None:
    settings |= {"PORT": "1", "NOTIFY_SOCKET": str(manager.getsockname())}
    words = ("--processes", processes)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        port = listener.getsockname()[1]
        works = [read_on_a_new_connection] * 4

        def start() -> Server:
            return Server(tmp_path, *words, command=on_socket(listener), **settings)

        server = start()
        with Load(port, *works, pause=0.02) as load:
            for _ in range(RESTARTS):
                assert manager.recv(100) == b"READY=1"
                load.wait_for(20)
                assert server.stop() == 0
                assert manager.recv(100) == b"STOPPING=1"
                server = Server(
                    tmp_path, *words, command=on_socket(listener), **settings
                )
            load.wait_for(20)
        with server:
            assert server.port == port
            assert "HOST and PORT are ignored" in server.log
            assert server.stop() == 0
    assert {*load.statuses()} == {200}
    assert len(load.outcomes) > RESTARTS * 20


def test_a_given_socket_is_not_shut_down(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with Server(tmp_path, command=on_socket(listener), **settings) as server:
            assert server.port
            assert server.stop() == 0
        address = listener.getsockname()
        with socket.create_connection(address, PATIENCE) as client:
            listener.setblocking(True)
            listener.settimeout(PATIENCE)
            accepted, peer = listener.accept()
            accepted.close()
            assert peer == client.getsockname()


def test_an_abstract_socket_is_notified(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = f"careers-users-{os.getpid()}"
        receiver.bind("\0" + name)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        systemd.notify("READY=1")
        assert receiver.recv(100) == b"READY=1"


def test_a_manager_that_has_gone_harms_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    systemd.notify("READY=1")
    assert "NOTIFY_SOCKET" in caplog.text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"LISTEN_PID": "1", "LISTEN_FDS": "1"}, "LISTEN_PID is 1 and this process"),
        ({"LISTEN_FDS": "1"}, "LISTEN_PID is None"),
        ({"LISTEN_PID": "own", "LISTEN_FDS": "2"}, "LISTEN_FDS is 2"),
        ({"LISTEN_PID": "own"}, "LISTEN_FDS is None"),
    ],
)
def test_a_socket_not_given_to_this_process_alone_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], sentence: str
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value.replace("own", str(os.getpid())))
    with pytest.raises(ServerError, match=sentence):
        open_listener("127.0.0.1", 0)
    assert not {"LISTEN_PID", "LISTEN_FDS"} & os.environ.keys()


@pytest.mark.parametrize(
    ("family", "kind"),
    [
        (socket.AF_UNIX, socket.SOCK_STREAM),
        (socket.AF_INET, socket.SOCK_DGRAM),
        (socket.AF_INET, socket.SOCK_STREAM),  # It does not listen.
    ],
)
def test_only_a_listening_tcp_socket_is_taken(
    monkeypatch: pytest.MonkeyPatch, family: int, kind: int
) -> None:
    with socket.socket(family, kind) as other:
        monkeypatch.setattr(systemd, "FIRST_FD", other.fileno())
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        with pytest.raises(ServerError, match="no listening TCP socket"):
            open_listener("127.0.0.1", 0)
        assert other.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == kind


def test_a_given_socket_that_is_none_is_a_sentence(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with Server(tmp_path, LISTEN_FDS="1", LISTEN_PID="1", **settings) as server:
        assert server.wait() not in (0, 1)
    assert "careers-users: LISTEN_PID is 1" in server.log
    assert "Traceback" not in server.log


def test_without_systemd_nothing_is_said(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.call("GET", "/health/live").status == 200
        os.kill(server.pid, signal.SIGTERM)
        assert server.wait() == 0
    assert "HOST and PORT" not in server.log
