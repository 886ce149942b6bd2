"""The servers compared: the service, the bare route and the peers."""

import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.serving import (
    KEY,
    environment,
    free_port,
    served,
    service_environment,
    started,
)

PEERS = Path(__file__).with_name("peers")
# Two processes each, as many as the cores that the demanded figures are about.
PROCESSES = 2
THREADS = (2, 1)
# DRF as it is usually written, which the demanded figures are about, and with what is
# usually done when that is too slow; the README says what differs.
USUAL_DRF, TUNED_DRF, FASTAPI = "drf", "drf tuned", "fastapi"
# The service once more, under another server.
GRANIAN = "ours under granian"


@dataclass(frozen=True)
class Contestant:
    """A running server; `tokens` are of users who signed in to it."""

    name: str
    port: int
    tokens: list[str] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Peers:
    """The Python that has the peers' libraries, and their database."""

    python: str
    database_url: str

    @property
    def variables(self) -> dict[str, str]:
        """Return the settings that the peers read from the environment."""
        return environment(
            DATABASE_URL=self.database_url.replace("+psycopg", "", 1),
            PEER_KEY=KEY,
            PYTHONPATH=str(PEERS),
        )


def prepare_peers(directory: Path, database_url: str) -> Peers:
    """Install the peers' libraries below `directory` and fill their tables.

    Both are kept for the next time; nothing is done twice.
    """
    python = directory / "bin" / "python"
    requirements = (PEERS / "requirements.txt").read_text()
    installed = directory / "installed.txt"
    if not installed.exists() or installed.read_text() != requirements:
        print(f"Installing the peers' libraries into {directory}", flush=True)
        venv.create(directory, with_pip=True, symlinks=True, clear=python.exists())
        pip = [str(python), "-m", "pip", "install", "-q", "-r"]
        subprocess.run([*pip, str(PEERS / "requirements.txt")], check=True)
        installed.write_text(requirements)
    peers = Peers(str(python), database_url)
    for module in ("drf.prepare", "fast.prepare"):
        print(f"Preparing the peer's tables: {module}", flush=True)
        command = [peers.python, "-m", module]
        subprocess.run(command, env=peers.variables, cwd=PEERS, check=True)
    return peers


def ours(kind: str, threads: int) -> str:
    """Return the name of the service on a kind of database."""
    return f"ours, {kind}, {PROCESSES} x {threads}"


def bare(threads: int) -> str:
    """Return the name of the bare route."""
    return f"bare, {PROCESSES} x {threads}"


def argon2_beside(name: str) -> str:
    """Return how the loads of argon2 are called that are made beside a contestant's."""
    return f"argon2 alone, beside {name}"


@contextmanager
def serve_bare(threads: int) -> Iterator[Contestant]:
    """Serve the bare route."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.bare"]
    command += [str(number) for number in (port, PROCESSES, threads)]
    with started(command, port, environment()):
        yield Contestant(bare(threads), port)


@contextmanager
def serve_granian(url: str) -> Iterator[Contestant]:
    """Serve the service by granian, with a thread for requests in each process."""
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi"]
    command += ["--workers", str(PROCESSES), "--blocking-threads", "1"]
    command += ["--no-ws", "--port", str(port), "wsgi:app"]
    with started(command, port, service_environment(url)):
        yield Contestant(GRANIAN, port)


@contextmanager
def serve_drf(peers: Peers, name: str) -> Iterator[Contestant]:
    """Serve the Django peer of that name, by gunicorn's defaults but for processes."""
    port = free_port()
    command = [peers.python, "-m", "gunicorn", "--workers", str(PROCESSES)]
    command += ["--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    # Its place is the same for all of them, and there are two here.
    command += ["--no-control-socket", "drf.wsgi"]
    variables = peers.variables | {"PEER_TUNED": "1" if name == TUNED_DRF else ""}
    with started(command, port, variables, PEERS):
        yield Contestant(name, port)


@contextmanager
def serve_fastapi(peers: Peers) -> Iterator[Contestant]:
    """Serve the FastAPI peer, by uvicorn's defaults but for two processes."""
    port = free_port()
    command = [peers.python, "-m", "uvicorn", "--workers", str(PROCESSES)]
    command += ["--port", str(port), "--no-access-log", "--log-level", "warning"]
    with started([*command, "fast.app:app"], port, peers.variables, PEERS):
        yield Contestant(FASTAPI, port)


@contextmanager
def everybody(urls: dict[str, str], peers: Peers | None) -> Iterator[list[Contestant]]:
    """Serve all contestants at once; only the one under load has anything to do."""
    with ExitStack() as stack:
        found = [stack.enter_context(serve_bare(threads)) for threads in THREADS]
        for kind, url in urls.items():
            for threads in THREADS:
                port = stack.enter_context(
                    served(url, processes=PROCESSES, threads=threads)
                )
                found.append(Contestant(ours(kind, threads), port))
        found.append(stack.enter_context(serve_granian(urls["postgresql"])))
        if peers is not None:
            found.append(stack.enter_context(serve_drf(peers, USUAL_DRF)))
            found.append(stack.enter_context(serve_drf(peers, TUNED_DRF)))
            found.append(stack.enter_context(serve_fastapi(peers)))
        yield found
