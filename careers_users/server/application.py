"""An application, and what the server must know to serve it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from wsgiref.types import WSGIApplication

from careers_users.server.dispatcher import Call

# Status, origin, request id and client address to the headers and body of a reply.
Refuse = Callable[
    [int, str | None, str | None, str | None], tuple[dict[str, str], bytes]
]


@dataclass(frozen=True)
class Application:
    """A WSGI application, and what the server must know to serve it.

    `refuse` makes the headers and the body of a reply to a request that `wsgi` never
    sees, from its status, `Origin`, `X-Request-ID` and the client's address (None: such
    refusals are many, and are not logged one by one). `vital` calls have a thread of
    their own, `slow` ones leave threads to others. `close` is called after serving.
    """

    wsgi: WSGIApplication
    refuse: Refuse
    vital: Collection[Call] = ()
    slow: Collection[Call] = ()
    close: Callable[[], object] = lambda: None
