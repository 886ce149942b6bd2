"""Files that are part of the program, served from memory with their ETag."""

from functools import cache
from pathlib import Path

from flask import Response, request

_KINDS = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".png": "image/png",
}


def page_response(path: Path, policy: str) -> Response:
    """Return an HTML page that loads nothing but what its policy allows."""
    response = file_response(path)
    response.headers["Content-Security-Policy"] = policy
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def file_response(path: Path) -> Response:
    """Return a file, or 304 if the client has it."""
    return cached(Response(_read(path), mimetype=_KINDS[path.suffix]))


def cached(response: Response) -> Response:
    """Let the client store a reply, and ask whether it is still the same."""
    response.add_etag()
    response.make_conditional(request)
    return response


@cache
def _read(path: Path) -> bytes:
    return path.read_bytes()
