"""The form of log lines: JSON for programs, text for terminals, one event per line."""

import json
import logging
import re
import sys
import time
from functools import lru_cache
from typing import Any

import orjson

from careers_users.http import context

# Line ends, terminal escapes and what else could make one line look like another.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def configure(log_format: str = "auto", level: str = "INFO") -> None:
    """Send this process's log to stderr, in that format and from that level up.

    `auto` is text on a terminal and JSON elsewhere. Handlers of others on the root
    logger stay as they are, and the format is theirs then. May be called again: the
    last call counts.
    """
    root = logging.getLogger()
    others = [handler for handler in root.handlers if not isinstance(handler, _Handler)]
    if not others:
        handler = _Handler(sys.stderr)
        handler.setFormatter(_formatter(log_format))
        root.handlers[:] = [handler]
        root.setLevel(level)
    # It logs each of its steps; our own migrations log what matters.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # The server of `flask run`, whose lines of requests have paths as clients sent
    # them; ours tell the same.
    logging.getLogger("werkzeug").addFilter(_is_no_request)


def _is_no_request(record: logging.LogRecord) -> bool:
    return " - - [" not in str(record.msg)


def _formatter(log_format: str) -> logging.Formatter:
    if log_format == "auto":
        log_format = "text" if sys.stderr.isatty() else "json"
    return TextFormatter() if log_format == "text" else JsonFormatter()


class JsonFormatter(logging.Formatter):
    """A line is one JSON object (RFC 8259) in ASCII, whatever the terminal's encoding.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`; the fields of the event
    (`user_id`, and those in `details`); `exception` with the traceback; `request_id`
    and `traceparent` within a request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return a line of JSON."""
        content = {
            "time": _time(record.created, "T", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(self, record),
        }
        try:
            text = orjson.dumps(content, default=str).decode()
        except TypeError:  # A lone surrogate, or a number beyond 64 bits.
            text = ""
        return text if text and text.isascii() else json.dumps(content, default=str)


class TextFormatter(logging.Formatter):
    """A line for a terminal, and an indented traceback, which can forge no line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a line of text, with a traceback below if there is one."""
        moment, message = _time(record.created, " ", ""), record.getMessage()
        words = [f"{moment} {record.levelname} {record.name}: {message}"]
        shown = _fields(self, record)
        trouble = shown.pop("exception", "")
        words += [f"{name}={value}" for name, value in shown.items()]
        lines = [" ".join(words), *(f"    {line}" for line in trouble.splitlines())]
        return "\n".join(map(_one_line, lines))


class _Handler(logging.StreamHandler[Any]):
    """Our handler, unlike others; a log that can't be written stops nothing."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Report what is wrong with a record; not that the pipe's reader is gone."""
        if not (isinstance(sys.exception(), OSError) or self.stream.closed):
            super().handleError(record)


def _fields(formatter: logging.Formatter, record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record, and those of the request that it is about."""
    attributes = record.__dict__
    fields: dict[str, Any] = {**attributes.get("details", {})}
    if "user_id" in attributes:
        fields["user_id"] = attributes["user_id"]
    if trouble := _traceback(formatter, record):
        fields["exception"] = trouble
    return {**fields, **context.tags()}


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
