"""The body of a refused request, which the application has not read."""

from wsgiref.types import WSGIEnvironment

from flask import Flask

from careers_users.http import context
from careers_users.http.context import Headers

# Servers close a connection with more than about as much unread, and don't say so
# before: the client's next request fails.
DROPPED_BYTES_MAX = 64 * 1024
_PIECE_BYTES = 16 * 1024


def init_app(app: Flask) -> None:
    """Read and drop the bodies of the requests that `app` refuses."""
    context.observe(app, replying=_drop)


def _drop(environ: WSGIEnvironment, status: int, _headers: Headers) -> None:
    if status < 400:
        return
    left = DROPPED_BYTES_MAX
    if "HTTP_TRANSFER_ENCODING" not in environ:
        request = environ.get("werkzeug.request")
        # A body that was read: some servers would wait for more.
        if request is None or "stream" in vars(request):
            return
        left = min(left, request.content_length or 0)
    elif not environ.get("wsgi.input_terminated"):
        return
    while left > 0:
        piece = environ["wsgi.input"].read(min(left, _PIECE_BYTES))
        if not piece:
            return
        left -= len(piece)
