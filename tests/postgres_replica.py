"""A streaming replica of a PostgreSQL server, for tests."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.postgres import NoPostgres, Server, guarded, own_server


@dataclass
class Replica(Server):
    """A server that follows another one, and can be told to fall behind."""

    primary: Server = field(default_factory=Server)
    frozen: list[int] = field(default_factory=list)

    def pause(self) -> None:
        """Replay nothing more; what is there can be read on."""
        self._order("SELECT pg_wal_replay_pause()")
        # Asked for is not yet done; what is half replayed is finished first.
        while self._order("SELECT pg_get_wal_replay_pause_state()") != [("paused",)]:
            time.sleep(0.01)

    def resume(self) -> None:
        """Replay what has come meanwhile, and what comes."""
        self._order("SELECT pg_wal_replay_resume()")

    def freeze(self) -> None:
        """Stop all its processes where they are; clients wait for ever."""
        asked = self._order("SELECT pid FROM pg_stat_activity")
        self.frozen = [int(self.pid or 0), *(pid for (pid,) in asked)]
        for pid in self.frozen:
            with suppress(ProcessLookupError):  # That of the question is gone.
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self.frozen:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        self.frozen = []

    def catch_up(self) -> None:
        """Wait until everything that the primary has now is here."""
        message = "SELECT pg_logical_emit_message(true, '', '')::text"
        [(position,)] = self.primary._order(message)
        reached = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
        # A commit of a moment ago is written a little later.
        while self._order(reached, [position]) != [(True,)]:
            time.sleep(0.01)


@contextmanager
def replica(primary: Server, directory: Path) -> Iterator[Replica]:
    """Start a streaming replica of a server of the tests' own; remove it at the end."""
    assert primary.programs is not None
    if not shutil.which("pg_basebackup", path=str(primary.programs)):
        raise NoPostgres("There is no pg_basebackup to make a replica with.")
    empty = own_server(
        os.environ.get("CAREERS_USERS_TEST_POSTGRES") or "auto", directory
    )
    own = Replica(
        prefix=primary.prefix,
        programs=primary.programs,
        directory=empty.directory,
        options=empty.options,
        primary=primary,
    )
    with guarded(own):
        own._run("pg_basebackup", "-d", primary.admin, "-R", "-c", "fast", "-N")
        own.start()
        yield own
