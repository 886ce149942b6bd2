"""deploy/nginx/careers_users.conf, in a real nginx in front of real instances."""

import http.client
import re
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.deploy.nginx import NAME, Answer, Client, Load, Nginx, read_or_write
from tests.live_server import KEY, PATIENCE, Server

pytestmark = pytest.mark.deploy("nginx", "openssl")

Start = Callable[..., Server]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Start instances on the test's database that trust the proxy."""
    running: list[Server] = []
    settings = {
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_TRUSTED_PROXY": "127.0.0.1",
    }

    def start(**more: str) -> Server:
        server = Server(tmp_path, **settings, **more)
        running.append(server)
        return server

    yield start
    for server in running:
        server.__exit__()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Yield an instance for what has nothing to do with its database."""
    with Server(tmp_path, CAREERS_USERS_TRUSTED_PROXY="127.0.0.1") as server:
        yield server


def read(client: Client, _key: str) -> Answer:
    return client.call("GET", "?batch_size=5")


def register(client: Client, key: str) -> Answer:
    return client.register(key)


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """Assert that nginx has refused in the API's own form."""
    assert (answer.status, answer.body["code"]) == (status, code)
    assert list(answer.body) == ["error", "code", "details"]
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Server"] == "nginx", "no version"
    assert ("Retry-After" in answer.headers) == (status == 503)
    assert answer.headers["X-Request-ID"]


def addresses(url: str) -> list[str]:
    """Return the addresses of the sign-ins, as they were recorded."""
    rows = live_server.ask(
        url, "SELECT address FROM refresh_tokens ORDER BY created_at, id"
    )
    return [address for (address,) in rows]


# -- One instance ----------------------------------------------------------------------


def test_the_api_through_tls(start: Start) -> None:
    server = start(CAREERS_USERS_PROCESSES="2")
    with Nginx([server.port]) as nginx, nginx.client() as client:
        alice = client.register("alice")
        assert alice.status == 201
        token = f"Bearer {alice.body['access']}"
        mine = client.call("GET", "me/", Authorization=token)
        assert (mine.status, mine.body["username"]) == (200, "alice")
        assert mine.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert mine.headers["Cache-Control"] == "private, no-store"
        missing = client.call("GET", "nobody/")
        assert (missing.status, missing.body["code"]) == (404, "user_not_found")
        assert client.call("DELETE", "following/").headers["Allow"]
        # Without the slash the same answer comes.
        listed = [client.call("GET", BASE_PATH + end) for end in ("", "/")]
        assert [one.status for one in listed] == [200, 200]
        assert listed[0].body == listed[1].body


def ids(nginx: Nginx, given: str) -> list[str]:
    """Return the ids of a reply that is passed on and of one that nginx refuses."""
    with nginx.client() as client:
        answers = [
            client.call("GET", path, X_Request_ID=given)
            for path in ("", "/health/ready", "")
        ]
    # nginx writes its line before it reads the connection's next request.
    shown = [answer.headers["X-Request-ID"] for answer in answers[:2]]
    assert all(f"request_id={one}\n" in nginx.log for one in shown)
    return shown


def test_a_request_keeps_its_own_id_or_gets_one(server: Server) -> None:
    with Nginx([server.port]) as nginx:
        for good in ("order-66.A_1", "x" * 64):
            assert ids(nginx, good) == [good, good]
        for bad in ("", "-x", 'x" y', "x" * 65):
            made = ids(nginx, bad)
            assert all(re.fullmatch("[0-9a-f]{32}", one) for one in made)
            assert made[0] != made[1]


def test_the_client_is_who_nginx_says_it_is(start: Start, database_url: str) -> None:
    server = start()
    lies = {"X_Forwarded_For": "192.0.2.66", "Forwarded": "for=192.0.2.66"}
    with Nginx([server.port]) as nginx, nginx.client("127.0.0.2") as client:
        assert client.register("alice", **lies).status == 201
    assert addresses(database_url) == ["127.0.0.2"]

    # Past the proxy: not from its address, so nothing is believed.
    direct = http.client.HTTPConnection(
        "127.0.0.1", server.port, live_server.PATIENCE, source_address=("127.0.0.3", 0)
    )
    headers = {"Content-Type": "application/json", "X-Forwarded-For": "192.0.2.66"}
    body = '{"username": "alice", "password": "password123"}'
    direct.request("POST", "/careers/users/login/", body, headers)
    assert direct.getresponse().status == 200
    direct.close()
    assert sorted(addresses(database_url)) == ["127.0.0.2", "127.0.0.3"]


def test_long_replies_are_compressed_and_tokens_are_not(server: Server) -> None:
    with Nginx([server.port]) as nginx, nginx.client() as client:
        asked = {"Accept_Encoding": "gzip"}
        description = client.call("GET", "/openapi.json", **asked)
        assert description.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in description.headers.get_all("Vary", [])
        tokens = client.register("alice", **asked)
        assert tokens.status == 201
        assert tokens.headers["Content-Encoding"] is None


def test_a_refusal_of_nginx_is_json_too(server: Server) -> None:
    with Nginx([server.port]) as nginx:
        with nginx.client() as client:
            answer = client.call("POST", "register/", b"x" * 70_000)
            assert_refused(answer, 413, "payload_too_large")
        with nginx.client() as client:
            answer = client.call("GET", "me/", Authorization="Bearer " + "x" * 10_000)
            assert_refused(answer, 431, "headers_too_large")
        with nginx.client() as client:
            answer = client.call("GET", "/" + "x" * 10_000)
            assert_refused(answer, 414, "malformed_request")
        with nginx.client() as client:
            for path in ("/health/ready", "/metrics", "/careers/", "/docsx", "/x"):
                assert_refused(client.call("GET", path), 404, "not_found")
            assert client.call("GET", "/docs?secret=1").status == 200

        for line in ('"POST /careers/users/register/" 413', '"GET /health/ready" 404'):
            assert line in nginx.log
        live_server.until(lambda: '"GET /docs" 200' in nginx.log)
        assert "/refused" not in nginx.log
        assert "secret" not in nginx.log
        plain = http.client.HTTPConnection("127.0.0.1", nginx.plain_port, 60)
        plain.request("POST", "/careers/users/login/", "{}", {"Host": NAME})
        response = plain.getresponse()
        assert response.status == 403
        assert b"Use https" in response.read()
        assert response.getheader("Location") is None
        plain.close()


def test_no_instance_there_is_503_in_json(server: Server) -> None:
    with Nginx([server.port]) as nginx, nginx.client() as client:
        assert client.call("GET", "").status == 200
        server.kill()
        for method, body in (("GET", None), ("POST", {"refresh": "x"})):
            answer = client.call(method, "token/refresh/", body)
            assert_refused(answer, 503, "service_unavailable")


class Relay:
    """Passes connections on to a port, and counts them."""

    def __init__(self, target: int) -> None:
        self.count, self._target = 0, target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        with self._listener, suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                self.count += 1
                thread = threading.Thread(target=self._pass_on, args=[here])
                self._threads.append(thread)
                thread.start()

    def _pass_on(self, here: socket.socket) -> None:
        there = socket.create_connection(("127.0.0.1", self._target))
        other = {here: there, there: here}
        with here, there:
            while ready := select.select([here, there], [], [], PATIENCE)[0]:
                for end in ready:
                    data = end.recv(65536)
                    if not data:
                        return
                    other[end].sendall(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)


def test_connections_to_the_instances_are_kept(server: Server) -> None:
    with Relay(server.port) as relay, Nginx([relay.port]) as nginx:
        for _ in range(10):
            with nginx.client() as client:
                for _ in range(10):
                    assert client.call("GET", "").status == 200
        # One for each of nginx's processes; without keep-alive it would be a hundred.
        assert 1 <= relay.count <= 4


# -- Several instances -----------------------------------------------------------------


def test_a_killed_instance_costs_no_read(start: Start) -> None:
    one, other = start(), start(CAREERS_USERS_PROCESSES="2")
    with Nginx([one.port, other.port]) as nginx:
        with Load(nginx, read) as load:
            load.wait_for(100)
            one.kill()
            load.wait_for(200)
        assert {answer.status for answer in load.answers.values()} == {200}
        assert len(load.answers) >= 300
        # Both have worked; what the dead one did not answer the other one did.
        assert f"upstream=127.0.0.1:{one.port}/200" in nginx.log
        assert f"upstream=127.0.0.1:{other.port}/200" in nginx.log
        assert f"127.0.0.1:{one.port}, 127.0.0.1:{other.port}/502, 200" in nginx.log


def test_a_killed_instance_costs_only_the_posts_that_reached_it(
    start: Start, database_url: str
) -> None:
    one, other = start(), start()
    with Nginx([one.port, other.port]) as nginx, Load(nginx, register) as load:
        load.wait_for(30)
        one.kill()
        load.wait_for(60)
    failed = {key for key, answer in load.answers.items() if answer.status != 201}
    for key in failed:
        assert_refused(load.answers[key], 503, "service_unavailable")
    # Those in flight, and perhaps one more on each connection whose end nginx had not
    # noticed yet. None was sent twice: that would be a 409.
    assert len(failed) <= 8
    users = {
        name for (name,) in live_server.ask(database_url, "SELECT username FROM users")
    }
    assert load.answers.keys() - failed <= users <= load.answers.keys()
    assert live_server.wrong_counters(database_url) == []


def test_a_restart_of_one_after_the_other_costs_nothing(start: Start) -> None:
    servers = [start(), start(CAREERS_USERS_PROCESSES="2")]
    ports = [server.port for server in servers]
    with Nginx(ports) as nginx, Load(nginx, read_or_write) as load:
        for server in servers:
            load.wait_for(20)
            assert server.stop() == 0
            load.wait_for(20)
            again = start(PORT=str(server.port))
            assert again.port == server.port
            load.wait_for(20)
    assert {answer.status for answer in load.answers.values()} == {200}
