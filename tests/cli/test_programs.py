"""The programs beside `careers-users`: `flask run`, `python wsgi.py`, `python -m`."""

import sys
from pathlib import Path

import pytest

from tests import in_process
from tests.live_server import COMMAND, ROOT, Client, Server, run

WSGI = (sys.executable, str(ROOT / "wsgi.py"))
MODULE = (sys.executable, "-m", "careers_users")
FLASK_RUN = (*(sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py")), "run")


def test_flask_run_serves_in_a_fresh_place(tmp_path: Path) -> None:
    with Server(tmp_path, "--port", "0", command=FLASK_RUN) as server:
        with Client(server.port) as client:
            assert client.register("alice").status == 201
            assert client.call("GET", "alice/?mine=mysecret").status == 200
        server.kill()
        lines = [line for line in server.log.splitlines() if "GET" in line]
    assert len(lines) == 1, lines
    assert "/careers/users/<username:username>/" in lines[0]
    assert "mysecret" not in server.log


@pytest.mark.parametrize("program", [WSGI, (*COMMAND, "serve"), FLASK_RUN])
def test_all_that_serves_reads_the_file_env(
    tmp_path: Path, program: tuple[str, ...]
) -> None:
    (tmp_path / ".env").write_text("CAREERS_USERS_THREADS=many\n")
    done = run(tmp_path, command=program)
    assert done.returncode == 78
    assert "CAREERS_USERS_THREADS" in done.stderr


def test_another_file_of_settings_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "mine.env").write_text("CAREERS_USERS_THREADS=many\n")
    done = in_process.run(tmp_path, "--env-file", "mine.env", "serve")
    assert done.returncode == 78
    assert "CAREERS_USERS_THREADS" in done.stderr
    assert "--env-file" in (ROOT / "docs/configuration.md").read_text("utf-8")


@pytest.mark.parametrize("words", ["", "users", "db upgrade"])
def test_the_short_option_helps_too(tmp_path: Path, words: str) -> None:
    # Click remembers on a command how `flask` has been asked for help with it.
    done = run(tmp_path, *words.split(), "-h", command=MODULE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: careers-users {words}".rstrip())


def test_as_a_module_the_program_has_the_same_name(tmp_path: Path) -> None:
    done = run(tmp_path, "users", "create", "-h", command=MODULE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: careers-users users create ")


def test_the_log_names_the_page_and_the_stop(tmp_path: Path) -> None:
    for docs in ("true", "false"):
        with Server(tmp_path, CAREERS_USERS_DOCS=docs) as server:
            page = f"http://127.0.0.1:{server.port}/docs/"
            assert server.stop() == 0
        assert (page in server.log) == (docs == "true")
        assert server.log.index("Stopping: ") < server.log.index("Stopped")


def test_wrong_settings_are_shown_and_misspelt_ones_guessed(tmp_path: Path) -> None:
    wrong = {"PORT": "eighty", "CAREERS_USERS_JWT_SECRET_KEY": "sesame"}
    done = in_process.run(tmp_path, "serve", **wrong)
    assert "PORT: Not a valid integer. (It is 'eighty'.)" in done.stderr
    assert "CAREERS_USERS_JWT_SECRET_KEY: Shorter than" in done.stderr
    assert "sesame" not in done.stderr
    done = in_process.run(tmp_path, "users", "list", CAREERS_USERS_THREAD="4")
    assert "Is CAREERS_USERS_THREADS meant?" in done.stderr
