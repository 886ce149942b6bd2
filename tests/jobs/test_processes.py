"""Background jobs in real processes: beside requests, and in a worker."""

import sys
from pathlib import Path

import pytest

from tests.live_server import KEY, Server, ask, until

# The console command, which looks more often at what is due.
EAGER = """
from careers_users.jobs import runner
runner.POLL_SECONDS = 0.05
from careers_users.__main__ import main
main()
"""
JOBS = 10
SUCCEEDED = "SELECT name FROM jobs WHERE succeeded_at IS NOT NULL"
NEW = "INSERT INTO revoked_tokens VALUES ('x', '2020-01-01', '2020-01-01')"


@pytest.mark.parametrize("words", [("serve", "--processes", "2"), ("worker",)])
def test_jobs_are_run_beside_requests_and_by_the_worker(
    database_url: str, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ask(database_url, NEW)
    settings = {"DATABASE_URL": database_url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    command = (sys.executable, "-c", EAGER, *words)
    with Server(tmp_path, command=command, **settings) as server:
        until(lambda: len(ask(database_url, SUCCEEDED)) == JOBS)
        assert server.stop() == 0, server.log
    assert ask(database_url, "SELECT id FROM revoked_tokens") == []
    assert server.log.count("Job expired-revocations: 1 done") == 1, server.log
    assert "Traceback" not in server.log
    assert "could not be" not in server.log
    assert ask(database_url, "SELECT name FROM jobs WHERE holder IS NOT NULL") == []


def test_a_worker_without_a_migrated_database_says_so(tmp_path: Path) -> None:
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}
    with Server(
        tmp_path, command=(sys.executable, "-c", EAGER, "worker"), **settings
    ) as server:
        assert server.wait() == 69
    assert "The database is not migrated (empty" in server.log
