"""The client of the tests, over a socket: for the application under real servers."""

import http.client
from typing import Any, cast

from flask import Flask
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, TestResponse

from careers_users.validation.limits import BASE_PATH
from tests.api import Api, Reply
from tests.live_server import PATIENCE


class LiveApi(Api):
    """Calls a running server; holds its replies to what `app` documents."""

    def __init__(self, app: Flask, port: int) -> None:
        super().__init__(app)
        self.connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)

    def call(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> Reply:
        """Make a call on the kept connection, with the options of `Api.call`."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
        builder = EnvironBuilder(url, method=method, headers=headers, **options)
        request = builder.get_request()
        query = request.query_string.decode("latin-1")
        target = builder.request_uri.partition("?")[0] + (query and f"?{query}")
        sent = {name: value for name, value in request.headers if name != "Host"}
        self.connection.request(method, target, request.get_data() or None, sent)
        response = self.connection.getresponse()
        reply = TestResponse(
            [response.read()],
            f"{response.status} {response.reason}",
            Headers([each for each in response.headers.items() if _is_ours(each[0])]),
            request,
        )
        self._check(cast(Reply, reply))
        return cast(Reply, reply)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _is_ours(header: str) -> bool:
    """Return whether the application says it, rather than the server."""
    return header.lower() not in ("connection", "date", "keep-alive", "server")
