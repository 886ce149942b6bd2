"""The way from a client to the service: watched, and disturbed where a test asks."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable

import httpx

from careers_users.validation.limits import BASE_PATH

# Called with the request: what it returns is the reply, None sends the request on.
Disturbance = Callable[[httpx.Request], httpx.Response | None]


class Wire(httpx.BaseTransport):
    """Sends requests to the service; remembers them as `GET me/`."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.replies: Counter[str] = Counter()
        self._http = httpx.HTTPTransport()
        self._disturbances: dict[str, list[Disturbance]] = defaultdict(list)
        self._lock = threading.Lock()

    def disturb(self, call: str, *disturbances: Disturbance) -> None:
        """Do this to the next requests of a call, one after the other."""
        self._disturbances[call].extend(disturbances)

    def calm(self) -> None:
        """Disturb no call any more."""
        self._disturbances.clear()

    def lose_reply(self, request: httpx.Request) -> httpx.Response:
        """Let the service do what is asked, and break the connection then."""
        self._http.handle_request(request).read()
        raise httpx.ReadError("the connection broke", request=request)

    def count(self, call: str) -> int:
        """Return how often a call was made."""
        return [name_of(request) for request in self.requests].count(call)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request on, or what the test wants instead."""
        with self._lock:
            self.requests.append(request)
            waiting = self._disturbances[name_of(request)]
            disturbance = waiting.pop(0) if waiting else None
        reply = disturbance(request) if disturbance else None
        reply = reply or self._http.handle_request(request)
        with self._lock:
            self.replies[name_of(request)] += 1
        return reply

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def name_of(request: httpx.Request) -> str:
    """Return the call of a request, as `GET me/`."""
    return f"{request.method} {request.url.path.removeprefix(f'{BASE_PATH}/')}"


def answering(
    status: int, code: str = "service_unavailable", **headers: str
) -> Disturbance:
    """Return a refusal as the service makes it, instead of the service's own reply."""
    body = {"error": "Not now", "code": code, "details": ""}
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, json=body, headers=names)
