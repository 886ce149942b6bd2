"""The places that tell an operator: readiness, `check` and the log."""

import http.client
import json
from pathlib import Path
from typing import Any, NamedTuple

from tests.in_process import run
from tests.live_server import KEY, until

SECRET = {"CAREERS_USERS_JWT_SECRET_KEY": KEY}


class Ready(NamedTuple):
    """Return the reply of /health/ready."""

    status: int
    body: dict[str, Any]


def ready(port: int, **headers: str) -> Ready:
    """Ask /health/ready, which may well be a 503."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/health/ready", headers=headers)
        response = connection.getresponse()
        return Ready(response.status, json.loads(response.read()))
    finally:
        connection.close()


def ready_with(port: int, status: int) -> Ready:
    """Ask until the status is that: an answer is kept for a second."""
    answers = [ready(port)]

    def has_come() -> bool:
        answers.append(ready(port))
        return answers[-1].status == status

    until(has_come)
    return answers[-1]


def finding(folder: Path, name: str, **settings: str) -> dict[str, Any]:
    """Return what `check` says of one thing."""
    result = run(folder, "check", "--json", **settings)
    found = {each["name"]: each for each in json.loads(result.stdout)["checks"]}
    errors = [each for each in found.values() if each["state"] == "error"]
    assert result.returncode == (1 if errors else 0)
    return dict(found[name])


def log_lines(log: str, words: str) -> list[str]:
    """Return the lines of a log with these words; each must be complete."""
    return [line for line in log.splitlines() if words in line]
