"""How log lines look: JSON for machines, text for people, one event a line."""

import io
import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import orjson

from careers_users import clock
from careers_users.http import context

Fields = Mapping[str, Any]
_ours = logging.getLogger("careers_users")
# Line ends, terminal escapes and what else could make one line look like another.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(log_format: str = "auto", level: str = "INFO") -> None:
    """Send this process's log to stderr, in that format and from that level up.

    `auto` is text on a terminal and JSON elsewhere. Handlers that somebody else has put
    on the root logger stay as they are, and the format is theirs then. May be called
    again: the last call counts.
    """
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, _Handler)]
    if not others:
        handler = _Handler(sys.stderr)
        handler.setFormatter(_formatter(log_format))
        root.handlers[:] = [handler]
        root.setLevel(level)
    # It tells each step to whoever asks; our own migrations say what matters.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def _formatter(log_format: str) -> logging.Formatter:
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    return TextFormatter() if log_format == "text" else JsonFormatter()


class _Formatter(logging.Formatter):
    """Makes lines out of their parts, for records and past them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line, perhaps with more below."""
        attributes = record.__dict__
        fields: dict[str, Any] = {**attributes.get("details", {})}
        if "user_id" in attributes:
            fields["user_id"] = attributes["user_id"]
        if trouble := _traceback(self, record):
            fields["exception"] = trouble
        return self.line(
            record.created, record.levelname, record.name, record.getMessage(), fields
        )

    def line(
        self, seconds: float, level: str, name: str, message: str, fields: Fields
    ) -> str:
        """Return a line of the log; `seconds` since the epoch."""
        raise NotImplementedError


class JsonFormatter(_Formatter):
    """A line is one JSON object (RFC 8259) in ASCII, whatever the terminal's encoding.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`; the fields of the event
    (`user_id`, and those in `details`); `exception` with the traceback; `request_id`
    and `traceparent` within a request.
    """

    def line(
        self, seconds: float, level: str, name: str, message: str, fields: Fields
    ) -> str:
        """Return a line of JSON."""
        content = {
            "time": _time(seconds, "T", "Z"),
            "level": level,
            "logger": name,
            "message": message,
            **fields,
            **context.tags(),
        }
        try:
            text = orjson.dumps(content, default=str).decode()
        except TypeError:  # A lone surrogate, or a number beyond 64 bits.
            text = ""
        return text if text and text.isascii() else json.dumps(content, default=str)


class TextFormatter(_Formatter):
    """A line for people; a traceback follows, indented, so that it forges no line."""

    def line(
        self, seconds: float, level: str, name: str, message: str, fields: Fields
    ) -> str:
        """Return a line of text, with a traceback below if there is one."""
        words = [f"{_time(seconds, ' ', '')} {level} {name}: {message}"]
        shown = {**fields, **context.tags()}
        trouble = shown.pop("exception", "")
        words += [f"{name}={value}" for name, value in shown.items()]
        lines = [" ".join(words), *(f"    {line}" for line in trouble.splitlines())]
        return "\n".join(map(_one_line, lines))


class _Handler(logging.StreamHandler[Any]):
    """Ours, to be told from others'."""

    def write(self, line: str) -> None:
        """Write a line; a log that can't be written stops nobody.

        Past the stream, which holds nothing back, if it is a file: that takes a third
        of what it costs to log a request. Other threads write no line into this one, if
        it has no more than PIPE_BUF bytes (POSIX, write).
        """
        try:
            try:
                descriptor, rest = self.stream.fileno(), f"{line}\n".encode("ascii")
            except (io.UnsupportedOperation, UnicodeEncodeError):
                self._write_text(line)
            else:
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
        except (OSError, ValueError):  # The pipe's reader is gone, or it is closed.
            return

    def _write_text(self, line: str) -> None:
        with self.lock or nullcontext():
            self.stream.write(f"{line}\n")
            self.stream.flush()


def write(logger: logging.Logger, message: str, fields: Fields) -> None:
    """Log a message with its fields at INFO, which the caller has found to be enabled.

    Where nobody but our own handler listens, the line is made at once. Logging's own
    way to the same line takes as long as all else that is done to watch a request.
    """
    handlers = logging.root.handlers
    if (
        len(handlers) == 1
        and type(handlers[0]) is _Handler
        and not (logger.handlers or _ours.handlers)
    ):
        handler = handlers[0]
        formatter: Any = handler.formatter
        now = clock.timestamp()
        handler.write(formatter.line(now, "INFO", logger.name, message, fields))
        return
    details = dict(fields)
    user_id = details.pop("user_id", None)
    logger.info(message, extra={"details": details, "user_id": user_id})


def _time(seconds: float, between: str, zone: str) -> str:
    whole = int(seconds)
    return f"{_date(whole, between)}.{int((seconds - whole) * 1000):03}{zone}"


@lru_cache(maxsize=4)
def _date(seconds: int, between: str) -> str:
    return time.strftime(f"%Y-%m-%d{between}%H:%M:%S", time.gmtime(seconds))


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
