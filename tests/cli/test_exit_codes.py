"""Exit codes: what each program ends with, by the table that docs/cli.md shows."""

import socket
import sys
from pathlib import Path

import pytest

from careers_users.cli import console
from tests import in_process
from tests.live_server import COMMAND, ROOT, run

WSGI = (sys.executable, str(ROOT / "wsgi.py"))
FLASK = (sys.executable, "-m", "flask", "--app", str(ROOT / "wsgi.py"))
SQLITE = {"DATABASE_URL": "sqlite:///a.db"}
KEY = {"CAREERS_USERS_JWT_SECRET_KEY": "k" * 20 + "0123456789abcdef"}
UNREACHABLE = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", **KEY}
AT_ONCE = {"CAREERS_USERS_DB_START_TIMEOUT": "0"}
WRONG = {"PORT": "none"}
NO_RING = {"CAREERS_USERS_JWT_KEY_RING": "missing.json"}
OPEN_RING = {"CAREERS_USERS_JWT_KEY_RING": "open.json"}


@pytest.mark.parametrize(
    ("code", "words", "settings"),
    [
        (0, "users list", {}),
        (1, "users show nobody", {}),
        (1, "users delete nobody --yes", {}),
        (1, "check", WRONG),
        (2, "users show", {}),
        (2, "nonsense", {}),
        (2, "keys list", {}),
        (65, "users import wrong.csv", {}),
        (69, "users list", UNREACHABLE | AT_ONCE),
        (69, "db upgrade", UNREACHABLE),
        (69, "serve", UNREACHABLE | AT_ONCE),
        (69, "worker", UNREACHABLE | AT_ONCE),
        (69, "serve", SQLITE | KEY),
        (73, "openapi --output missing/openapi.json", {}),
        (73, "users export missing/users.csv", {}),
        (73, "keys generate --file wrong.csv", {}),
        (73, "keys generate --file missing/keys.json", {}),
        (78, "serve", WRONG),
        (78, "users list", WRONG),
        (78, "serve", SQLITE),
        (78, "serve", NO_RING),
        (78, "serve", OPEN_RING),
        (78, "keys list", OPEN_RING),
        (78, "serve", {"CAREERS_USERS_DATA_DIR": "wrong.csv/data"}),
    ],
)
def test_a_command_ends_with_the_code_of_the_table(
    tmp_path: Path, code: int, words: str, settings: dict[str, str]
) -> None:
    (tmp_path / "wrong.csv").write_text("no,such,columns\n1,2,3\n")
    (tmp_path / "open.json").write_text("{}")
    (tmp_path / "open.json").chmod(0o644)
    run_it = run if words == "worker" else in_process.run  # It would not end.
    done = run_it(tmp_path, *words.split(), **settings)
    assert done.returncode == code, done.stdout + done.stderr
    assert code in console.EXIT_CODES
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", [WSGI, (*FLASK, "run"), (*COMMAND, "serve")])
@pytest.mark.parametrize(
    ("code", "settings"),
    [(69, UNREACHABLE | AT_ONCE), (69, SQLITE | KEY), (78, WRONG), (78, SQLITE)],
    ids=["unreachable", "not migrated", "wrong setting", "no key"],
)
def test_all_that_serves_ends_alike(
    tmp_path: Path, program: tuple[str, ...], code: int, settings: dict[str, str]
) -> None:
    done = run(tmp_path, command=program, **settings)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("careers-users: ")
    assert "Traceback" not in done.stderr


def test_a_port_in_use_may_become_free(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        done = run(tmp_path, "serve", PORT=str(other.getsockname()[1]))
    assert done.returncode == console.EXIT_UNAVAILABLE


def test_metrics_without_their_library_are_a_wrong_setting(tmp_path: Path) -> None:
    # As where the extra is not installed.
    (tmp_path / "prometheus_client.py").write_text("raise ImportError")
    settings = {
        "CAREERS_USERS_METRICS": "true",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
    }
    done = run(tmp_path, "serve", **settings)
    assert done.returncode == console.EXIT_CONFIG
    assert "pip install 'careers_users[metrics]'" in done.stderr
    found = run(tmp_path, "check", **settings)
    assert found.returncode == console.EXIT_NO
    assert "ERROR    metrics" in found.stdout


def test_the_documents_have_one_table_of_exit_codes() -> None:
    operations = (ROOT / "docs/operations.md").read_text("utf-8")
    assert "(cli.md#exit-codes)" in operations
    text = (ROOT / "docs/cli.md").read_text("utf-8")
    for code, meaning in console.EXIT_CODES.items():
        assert f"| {code} | {meaning} |" in text
