"""HTTP: one request and its reply, and which failures are worth another try."""

import json
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import httpx

from careers_users_client.errors import CareersUsersError
from careers_users_client.version import __version__

BASE_PATH = "/careers/users/"
USER_AGENT = f"careers-users-client/{__version__} (Python)"
FIRST_WAIT_SECONDS = 0.25
# Passing by themselves; the last three may be a proxy's as well. 0: no reply came.
PASSING_STATUSES = (0, 429, 502, 503, 504)


@dataclass(frozen=True, repr=False)  # A repr would show passwords.
class Request:
    """A request, but for the token that goes with it."""

    method: str
    path: str
    body: object = None
    content_type: str = "application/json"


class Transport:
    """Sends requests to one service alone; safe ones again, if that may help."""

    def __init__(
        self,
        base_url: str,
        *,
        timeout: float,
        retries: int,
        max_wait: float,
        http_transport: httpx.BaseTransport | None,
    ) -> None:
        self._url = httpx.URL(base_url.rstrip("/") + BASE_PATH)
        if self._url.scheme not in ("http", "https") or self._url.userinfo:
            raise ValueError("base_url is an http or https URL without a password")
        self._retries = retries
        self._max_wait = max_wait
        # It follows no redirects: the service has none, and the token stays here.
        self._http = httpx.Client(
            timeout=timeout,
            transport=http_transport,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def send(
        self, request: Request, token: str | None = None, *, is_safe: bool = False
    ) -> Any:
        """Return the reply's JSON. Raises CareersUsersError.

        Requests that are safe, as each GET is, are tried again.
        """
        is_safe = is_safe or request.method == "GET"
        for tries in range(self._retries if is_safe else 0):
            try:
                return self._send_once(request, token)
            except CareersUsersError as error:
                wait = self._wait(error, tries)
                if wait is None:
                    raise
            time.sleep(wait)
        return self._send_once(request, token)

    def _wait(self, error: CareersUsersError, tries: int) -> float | None:
        """Return the seconds until another try; None if that would not help."""
        is_passing = error.status in PASSING_STATUSES
        if not is_passing or error.code == "search_timed_out":
            return None
        wait = error.retry_after
        if wait is None:
            wait = FIRST_WAIT_SECONDS * 2**tries
        # Up to half as long again, so that many clients do not come back at once.
        return wait * random.uniform(1, 1.5) if wait <= self._max_wait else None

    def _send_once(self, request: Request, token: str | None) -> Any:
        headers = {}
        content = None
        if token is not None:
            # Without what no header can hold: the error would quote the token.
            headers["Authorization"] = f"Bearer {re.sub('[^!-~]', '?', token) or '?'}"
        if request.body is not None:
            headers["Content-Type"] = request.content_type
            content = json.dumps(request.body)
        url = self._locate(request.path)
        try:
            response = self._http.request(
                request.method, url, headers=headers, content=content
            )
        except httpx.TimeoutException as error:
            message = "No reply in time"
            raise CareersUsersError(0, "timeout", message) from error
        except httpx.RequestError as error:
            raise CareersUsersError(0, "network", "No reply") from error
        return _read(response)

    def _locate(self, link: str) -> httpx.URL:
        """Return where a path below the base path, or a link in a reply, leads.

        Raises CareersUsersError for a place outside of the service's base path.
        """
        url = self._url.join(link)
        origin = (url.scheme, url.userinfo, url.host, url.port)
        mine = (self._url.scheme, self._url.userinfo, self._url.host, self._url.port)
        is_below = url.path.startswith(self._url.path)
        is_below = is_below and ".." not in url.path.split("/")
        if origin != mine or not is_below:
            message = "The link leads away from the service"
            raise CareersUsersError(0, "unexpected_reply", message)
        return url


def segment(value: str) -> str:
    """Return a value as one segment of a path."""
    # URLs drop the first three, and servers decode a slash: it would be another call.
    if value in ("", ".", "..") or "/" in value:
        raise CareersUsersError(404, "not_found", "Nothing has this name")
    return quote(value, safe="", errors="replace")


def with_query(path: str, query: Mapping[str, object]) -> str:
    """Return a path with the values of a query that are given."""
    given = {name: value for name, value in query.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, (list, tuple)):
            given[name] = ",".join(map(str, value))
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def _read(response: httpx.Response) -> Any:
    try:
        reply = response.json()
    except ValueError:
        reply = None
    if response.is_success and reply is not None:
        return reply
    is_ours = isinstance(reply, dict) and isinstance(reply.get("code"), str)
    if response.is_success or not is_ours:
        message = f"An unexpected reply of status {response.status_code}"
        reply = {"error": message, "code": "unexpected_reply"}
    raise CareersUsersError(
        response.status_code,
        reply["code"],
        str(reply.get("error", "")),
        details=reply.get("details", ""),
        request_id=response.headers.get("X-Request-ID"),
        retry_after=_seconds(response.headers.get("Retry-After")),
    )


def _seconds(header: str | None) -> float | None:
    """Return the seconds of a Retry-After, which may be a date (RFC 9110, 10.2.3)."""
    if header is None:
        return None
    if re.fullmatch("[0-9]{1,9}", header.strip()):
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
