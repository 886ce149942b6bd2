"""Requests as waitress reads them, with the limits and refusals of the contract."""

import re
from typing import Any

from waitress import receiver  # type: ignore[import-untyped]
from waitress.parser import HTTPRequestParser, ParsingError  # type: ignore[import-untyped]
from waitress.rfc7230 import CHUNK_EXT_RE, HEADER_FIELD_RE  # type: ignore[import-untyped]
from waitress.utilities import BadRequest, RequestEntityTooLarge  # type: ignore[import-untyped]

from careers_users import clock
from careers_users.server.waitress_names import require

require(receiver, "ONLY_HEXDIG_RE", "CHUNK_EXT_RE")
require(receiver.ChunkedReceiver, "trailer")
require(HTTPRequestParser, "parse_header", "received", "completed", "header_plus")
# Waitress's own end in `$`, which lets a line feed more pass: to a proxy it may be the
# end of a line.
receiver.ONLY_HEXDIG_RE = re.compile(rb"[0-9A-Fa-f]+\Z")
receiver.CHUNK_EXT_RE = re.compile(CHUNK_EXT_RE.pattern.removesuffix(b"$") + rb"\Z")

# RFC 3986, section 3.2: a name or an address, and a port. RFC 9112 lets it be empty.
_HOST = re.compile(
    r"(?:\[[0-9A-Za-z:.%]+\]|(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?",
    re.ASCII,
)

_NOT_ASCII = re.compile(rb"[\x80-\xff]")


class Parser(HTTPRequestParser):  # type: ignore[misc]
    """Measures bodies as decoded, and answers where waitress hangs up or hangs."""

    completed = expect_continue = False
    command = path = ""  # Until the first line is read.

    def __init__(self, adjustments: Any) -> None:
        super().__init__(adjustments)
        self.started = clock.timestamp()
        self._is_head = False

    def parse_header(self, header_plus: bytes) -> None:
        """Read the header; refuse what a proxy might read differently.

        It could be made to see other requests than we do (request smuggling). RFC 9112:
        other versions (section 2.3), no host or several (3.2), folded lines (5.2), both
        lengths (6.1), chunked more than once (7).
        """
        header_plus = _with_encoded_target(header_plus)
        if b"\r\n " in header_plus or b"\r\n\t" in header_plus:
            raise ParsingError("")
        super().parse_header(header_plus)
        if not self.version.startswith("1."):
            raise ParsingError("")
        lower = header_plus.lower()
        hosts = lower.count(b"\r\nhost:")
        if hosts > 1 or (hosts == 0 and self.version != "1.0"):
            raise ParsingError("")
        if not _HOST.fullmatch(self.headers.get("HOST", "")):
            raise ParsingError("")
        if self.chunked and (
            "CONTENT_LENGTH" in self.headers
            or lower.count(b"chunked") > 1
            or lower.count(b"\r\ntransfer-encoding:") > 1
        ):
            raise ParsingError("")

    def received(self, data: bytes) -> int:
        """Take `data`; return how much of it belongs to this request."""
        consumed = len(data)
        if self.body_rcv is None and not self._begins_well(self.header_plus + data):
            self.error = BadRequest("")
        else:
            try:
                consumed = super().received(data)
            except ValueError:  # An address or a length that can't be read.
                self.error = BadRequest("")
        size = max(self.content_length, len(self.body_rcv or b""))
        if size > self.adj.body_limit:
            self.error = self.error or RequestEntityTooLarge("")
        elif "TRANSFER_ENCODING" in self.headers or not self._ends_well():
            self.error = self.error or BadRequest("")  # HTTP/1.0 can't have one.
        self.completed = self.completed or self.error is not None
        if self.error and self._is_head:
            self.command = "HEAD"  # Its refusal has no body.
        # A "100 Continue" would make waitress wait for more of a complete request.
        self.expect_continue = self.expect_continue and not self.completed
        return consumed

    def _begins_well(self, begun: bytes) -> bool:
        """Return whether nothing but empty lines stands before the request line.

        Waitress skips whatever Python takes for white space (RFC 9112, section 2.2).
        """
        request = begun.lstrip()
        self._is_head = request.startswith(b"HEAD ")
        before = begun[: len(begun) - len(request)].replace(b"\r\n", b"")
        return not before or (before == b"\r" and not request)

    def _ends_well(self) -> bool:
        """Return whether each line behind the last chunk is a header (7.1.2)."""
        trailer = getattr(self.body_rcv, "trailer", b"")
        if not (self.completed and trailer.endswith(b"\r\n\r\n")):
            return True
        lines = trailer.split(b"\r\n")
        return all(not line or HEADER_FIELD_RE.fullmatch(line) for line in lines)


def _with_encoded_target(header_plus: bytes) -> bytes:
    """Return a header with its request target percent-encoded where it is not ASCII.

    Clients such as curl send UTF-8 as it was typed; waitress would refuse it.
    """
    line, end, rest = header_plus.partition(b"\r\n")
    method, space, target = line.partition(b" ")
    target = _NOT_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), target)
    return method + space + target + end + rest
