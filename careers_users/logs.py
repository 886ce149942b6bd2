"""How log lines look: JSON for machines, text for people, one event a line."""

import json
import logging
import re
import sys
import time
from typing import Any

import orjson

from careers_users import request_context

FORMATS = ("auto", "json", "text")
LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
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


class _Handler(logging.StreamHandler[Any]):
    """Ours, to be told from others'."""


class JsonFormatter(logging.Formatter):
    """A line is one JSON object (RFC 8259) in ASCII, whatever the terminal's encoding.

    `time` (RFC 3339, UTC), `level`, `logger`, `message`; the fields of the event
    (`user_id`, and those in `details`); `exception` with the traceback; `request_id`
    and `traceparent` within a request.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of JSON."""
        line: dict[str, Any] = {
            "time": _time(record.created, "T", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if trouble := _traceback(self, record):
            line["exception"] = trouble
        try:
            text = orjson.dumps(line, default=str).decode()
        except TypeError:  # A lone surrogate, or a number beyond 64 bits.
            text = ""
        return text if text and text.isascii() else json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """A line for people; a traceback follows, indented, so that it forges no line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line of text, with its traceback below."""
        fields = [f"{name}={value}" for name, value in _fields(record).items()]
        start = f"{_time(record.created, ' ', '')} {record.levelname} {record.name}:"
        line = _one_line(" ".join([start, record.getMessage(), *fields]))
        trouble = _traceback(self, record)
        return "\n    ".join([line, *map(_one_line, trouble.split("\n"))]).rstrip()


def _time(seconds: float, between: str, zone: str) -> str:
    whole = time.strftime(f"%Y-%m-%d{between}%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03}{zone}"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    attributes = record.__dict__
    fields: dict[str, Any] = dict(attributes.get("details") or {})
    if "user_id" in attributes:
        fields["user_id"] = attributes["user_id"]
    fields.update(request_context.tags())
    return fields


def _traceback(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    parts = []
    if record.exc_info:
        parts.append(formatter.formatException(record.exc_info))
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return "\n".join(parts)


def _one_line(text: str) -> str:
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)
