"""Runs wrk: so many clients, so many seconds, the requests of a list in turn."""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SCRIPT = Path(__file__).with_name("requests.lua")
CLIENTS = 16


class Request(NamedTuple):
    """A request; `token` and `body` may be missing."""

    path: str
    token: str = "-"
    method: str = "GET"
    body: str = "-"


@dataclass(frozen=True)
class Load:
    """A measured load: requests per second, milliseconds, bytes of a reply."""

    per_second: float
    median: float
    p99: float
    bytes: int
    refused: int
    broken: int


def run(port: int, requests: Sequence[Request], seconds: int) -> Load:
    """Load the server on `port` with CLIENTS connections for so many seconds.

    `refused` counts answers of status 400 and above, `broken` connections that failed.
    SystemExit if wrk can't be run.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for path, token, method, body in requests:
            file.write(f"{method}\t{path}\t{token}\t{body}\n")
        file.flush()
        command = ["wrk", "-t1", f"-c{CLIENTS}", f"-d{seconds}s", "--timeout", "20s"]
        command += ["-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", file.name]
        try:
            output = subprocess.run(
                command, capture_output=True, text=True, check=True
            ).stdout
        except (OSError, subprocess.CalledProcessError) as error:
            raise SystemExit(f"wrk (Debian: apt install wrk): {error}") from error
    found = json.loads(output.partition("RESULT ")[2])
    return Load(
        per_second=round(found["requests"] / found["us"] * 1e6, 1),
        median=found["p50"] / 1000,
        p99=found["p99"] / 1000,
        bytes=round(found["bytes"] / max(found["requests"], 1)),
        refused=found["refused"],
        broken=found["broken"],
    )
