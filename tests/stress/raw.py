"""A caller that sends bytes as they are, however wrong, and reads what comes back."""

import http.client
import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple, Self

from tests.live_server import PATIENCE


class Reply(NamedTuple):
    """A reply: status, headers, and what its JSON says; None if it is none."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


class RawCaller:
    """A connection that is kept alive, and made again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def send(self, method: str, target: bytes, headers: Any, body: Any = None) -> Reply:
        """Send a request; a body's length is told truly."""
        lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: localhost"]
        if any(name == b"Host" for name, _ in headers):
            lines.pop()
        lines += [name + b": " + value for name, value in headers]
        if body is not None:
            lines.append(b"Content-Length: %d" % len(body))
        return self._exchange(method, b"\r\n".join(lines) + b"\r\n\r\n" + (body or b""))

    def _exchange(self, method: str, data: bytes) -> Reply:
        for attempt in range(2):
            if self._socket is None:
                address = ("127.0.0.1", self._port)
                self._socket = socket.create_connection(address, PATIENCE)
            # A client refused before all is sent still finds the reply.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(data)
            response = http.client.HTTPResponse(self._socket, method=method)
            try:
                response.begin()
                text = response.read()
            except (http.client.BadStatusLine, ConnectionResetError):
                # It had closed a connection that we thought was still good.
                self.close()
                if attempt:
                    raise
                continue
            if response.will_close:
                self.close()
            try:
                answer = json.loads(text)
            except ValueError:
                answer = None
            return Reply(response.status, response.headers, answer)
        raise AssertionError("never reached")

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
