"""The one error that every call raises."""

from collections.abc import Mapping
from typing import Any


class CareersUsersError(Exception):
    """A call that failed.

    Beside the service's codes there are three of the client's own. `network` and
    `timeout`: no reply came (`status` is 0, `__cause__` has the reason), so whether the
    service has done the call is not known. `unexpected_reply`: the reply is not the
    service's, but for instance a proxy's.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        # Fields and their messages, or a sentence.
        self.details = details
        # The X-Request-ID of the reply, by which the service's log can be searched.
        self.request_id = request_id
        # The seconds of Retry-After, if the reply has it.
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"
