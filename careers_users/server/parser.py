"""Requests as waitress reads them, with the limits and refusals of the contract."""

import re
from typing import Any

from waitress import receiver  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.rfc7230 import CHUNK_EXT_RE  # type: ignore[import-untyped]
from waitress.utilities import BadRequest, RequestEntityTooLarge  # type: ignore[import-untyped]

from careers_users import clock

# Waitress's own end in `$`, which lets a line feed more pass: to a proxy it may be the
# end of a line.
receiver.ONLY_HEXDIG_RE = re.compile(rb"[0-9A-Fa-f]+\Z")
receiver.CHUNK_EXT_RE = re.compile(CHUNK_EXT_RE.pattern.removesuffix(b"$") + rb"\Z")


_NOT_ASCII = re.compile(rb"[\x80-\xff]")


def epoch_now() -> float:
    """Return seconds since the epoch, in which waitress reckons too."""
    return clock.utcnow().timestamp()


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Measures bodies as decoded, and answers where waitress hangs up or hangs."""

    completed = expect_continue = False
    command = path = ""  # Of a request whose first line can't be read.

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.started = epoch_now()

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header; refuse what a proxy might read differently.

        It could be made to see other requests than we do (request smuggling). RFC 9112:
        folded lines (section 5.2), both lengths (6.1), chunked more than once (7).
        """
        header_plus = _with_encoded_target(header_plus)
        if b"\r\n " in header_plus or b"\r\n\t" in header_plus:
            raise ParsingError("")
        super().parse_header(header_plus)
        if self.chunked and (
            "CONTENT_LENGTH" in self.headers
            or header_plus.lower().count(b"chunked") > 1
            or header_plus.lower().count(b"\r\ntransfer-encoding:") > 1
        ):
            raise ParsingError("")

    def received(self, data: bytes) -> int:
        """Take `data`; return how much of it belongs to this request."""
        consumed = len(data)
        try:
            consumed = super().received(data)
        except ValueError:  # An address or a length that can't be read.
            self.error = BadRequest("")
        size = max(self.content_length, len(self.body_rcv or b""))
        if size > self.adj.body_limit:
            self.error = self.error or RequestEntityTooLarge("")
        elif "TRANSFER_ENCODING" in self.headers:  # HTTP/1.0 can't have one.
            self.error = self.error or BadRequest("")
        self.completed = self.completed or self.error is not None
        # A "100 Continue" would make waitress wait for more of a complete request.
        self.expect_continue = self.expect_continue and not self.completed
        return consumed


def _with_encoded_target(header_plus: bytes) -> bytes:
    """Return a header with its request target percent-encoded where it is not ASCII.

    Clients such as curl send UTF-8 as it was typed; waitress would refuse it.
    """
    line, end, rest = header_plus.partition(b"\r\n")
    method, space, target = line.partition(b" ")
    target = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), target)
    return method + space + target + end + rest
