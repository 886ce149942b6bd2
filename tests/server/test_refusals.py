"""Requests that the server refuses by itself, in the form of every other error."""

import http.client

import pytest

from tests.server.small_server import (
    HEADER_LIMIT,
    LIMIT,
    PATIENCE,
    Launch,
    Reply,
    Running,
    assert_refused,
    read_reply,
    until,
)

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def chunks(size: int, each: int) -> bytes:
    return b"%x\r\n%b\r\n" % (each, b"x" * each) * (size // each)


@pytest.mark.parametrize(
    "data",
    [
        b"<script>alert(1)</script>\r\n\r\n",
        b"get / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n<script>: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\n<script>\r\n\r\n",
        b"GET http://[<script>/ HTTP/1.1\r\nHost: x\r\n\r\n",
        POST + b"Content-Length: <script>\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        POST + b"Content-Length: 1" + b"0" * 4400 + b"\r\n\r\n",
        POST + b"Expect: 100-continue\r\nContent-Length: x\r\n\r\n",
        CHUNKED + b"<script>\r\n",
        CHUNKED + b"2\r\nxxx\r\n0\r\n\r\n",
        CHUNKED + b"2\n\r\nxx\r\n0\r\n\r\n",
        CHUNKED + b"2;a=b\n\r\nxx\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        # RFC 9112: host, version, empty lines before, lines behind the last chunk.
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX-Host: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nhOsT: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: u@x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x:port\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xe4\r\n\r\n",
        b"GET /\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/3.1\r\nHost: x\r\n\r\n",
        b"\r\n\x0bGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x0c\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\rGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x0b\r\n\r\n",
        CHUNKED + b"0\r\nX: a\nY: b\r\n\r\n",
        CHUNKED + b"0\r\nX: a\rY: b\r\n\r\n",
        CHUNKED + b"0\r\nX: a\r\n b\r\n\r\n",
        CHUNKED + b"0\r\n<script>\r\n\r\n",
        CHUNKED + b"2\r\nab\r\n0\r\n: x\r\n\r\n",
    ],
)
def test_malformed_requests(server: Running, data: bytes) -> None:
    assert_refused(server.raw(data), 400, "malformed_request")


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: my_host.example.:8000\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        CHUNKED + b"0\r\nX: a\r\nY: b\r\n\r\n",
        CHUNKED + b"0\r\n\r\n",
    ],
)
def test_requests_that_rfc_9112_allows(server: Running, data: bytes) -> None:
    assert server.raw(data).status == 200
    with server.connect() as sock:  # In the smallest pieces.
        for number in range(len(data)):
            sock.sendall(data[number : number + 1])
        assert read_reply(sock).status == 200


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (b" HTTP/1.1\r\n<script>: x\r\n\r\n", b"400"),
        (b" HTTP/1.1\r\n\r\n", b"400"),
        (b" HTTP/2.0\r\nHost: x\r\n\r\n", b"400"),
        (b" HTTP/1.1\r\nHost: x\r\nX: " + b"x" * HEADER_LIMIT + b"\r\n\r\n", b"431"),
    ],
)
def test_a_refusal_of_head_has_no_body(
    server: Running, rest: bytes, status: bytes
) -> None:
    with server.connect() as sock:
        sock.sendall(b"HEAD /" + rest)
        received = b""
        while data := sock.recv(65536):
            received += data
    assert received.split()[1] == status
    assert received.endswith(b"\r\n\r\n")
    assert b"Content-Length: " in received


def test_an_unknown_transfer_encoding(server: Running) -> None:
    reply = server.raw(POST + b"Transfer-Encoding: <script>\r\n\r\n")
    assert_refused(reply, 501, "not_implemented")


def test_oversized_headers(server: Running) -> None:
    data = b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * HEADER_LIMIT + b"\r\n\r\n"
    assert_refused(server.raw(data), 431, "headers_too_large")


def test_an_application_that_breaks(server: Running) -> None:
    assert_refused(server.get("/crash"), 500, "internal_error")


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1) + b"x" * (LIMIT + 1),
        POST + b"Content-Length: 9999999999\r\n\r\n",
        CHUNKED + chunks(LIMIT, LIMIT) + b"1\r\nx\r\n0\r\n\r\n",
        CHUNKED + chunks(LIMIT + 1, 1) + b"0\r\n\r\n",
        CHUNKED + b"0" * 16 * LIMIT,
    ],
)
def test_oversized_bodies(server: Running, data: bytes) -> None:
    assert_refused(server.raw(data), 413, "payload_too_large")


@pytest.mark.parametrize(
    "data",
    [
        POST + b"Content-Length: %d\r\n\r\n" % LIMIT + b"x" * LIMIT,
        CHUNKED + chunks(LIMIT, LIMIT) + b"0\r\n\r\n",
        CHUNKED + chunks(LIMIT, 1) + b"0\r\n\r\n",
    ],
)
def test_a_body_of_exactly_the_limit(server: Running, data: bytes) -> None:
    reply = server.raw(data)
    assert (reply.status, reply.json()["size"]) == (200, LIMIT)


def test_a_sender_of_far_too_much_still_reads_why(server: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, PATIENCE)
    connection.request("POST", "/", body=b"x" * 8_000_000)
    assert_refused(Reply(connection.getresponse()), 413, "payload_too_large")
    connection.close()


def test_no_client_is_told_to_continue_with_a_refused_body(server: Running) -> None:
    expect = POST + b"Expect: 100-continue\r\n"
    reply = server.raw(expect + b"Content-Length: %d\r\n\r\n" % (LIMIT + 1))
    assert_refused(reply, 413, "payload_too_large")
    assert server.raw(expect + b"\r\n").json()["size"] == 0
    with server.connect() as sock:
        sock.sendall(expect + b"Content-Length: 3\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"abc")
        assert read_reply(sock).json()["size"] == 3


def test_a_request_that_never_ends_is_cut_off(launch: Launch) -> None:
    running = launch(channel_timeout=1).listening()
    with running.connect() as idle, running.connect() as trickle:
        trickle.sendall(b"GET / HT")
        trickle.settimeout(0.1)

        def is_cut_off() -> bool:
            try:
                trickle.sendall(b"T")
                return trickle.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(is_cut_off)
        assert idle.recv(1) == b""
    assert running.get("/").status == 200
