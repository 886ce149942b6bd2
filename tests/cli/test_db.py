"""The commands `db`, of both programs: what they say and ask, and how they fail."""

from pathlib import Path

import pytest

from careers_users.database import schema_version
from tests import in_process, live_server
from tests.in_process import CAREERS_USERS, FLASK
from tests.live_server import KEY

PROGRAMS = pytest.mark.parametrize("program", [CAREERS_USERS, FLASK])
HEAD = str(schema_version.head())
BEFORE = f"{int(HEAD) - 1:04d}"


def run(
    program: str, folder: Path, url: str, *words: str, stdin: str = ""
) -> tuple[int, str]:
    """Run `db WORDS`; return its exit code and what it has said on stderr."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    done = in_process.run(
        folder, "db", *words, program=program, stdin=stdin, **settings
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def revision(url: str) -> str:
    """Return the revision of a database."""
    found = live_server.ask(url, "SELECT version_num FROM alembic_version")
    return str(found[0][0])


@PROGRAMS
def test_it_says_what_it_has_done_and_that_there_was_nothing_to_do(
    program: str, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    code, said = run(program, tmp_path, url, "upgrade")
    assert code == 0
    assert said.startswith("Migrated the database to revision 0001.\n")
    assert run(program, tmp_path, url, "upgrade") == (
        0,
        f"Nothing to do: the database is at revision {HEAD}.\n",
    )


@PROGRAMS
@pytest.mark.parametrize("command", ["upgrade", "downgrade"])
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "The database can't be reached"),
        ("sqlite:///damaged.db", "The database file is damaged"),
        ("sqlite:///missing/folder.db", "The database file can't be opened"),
    ],
)
def test_a_database_that_can_not_be_used_is_one_sentence(
    program: str, tmp_path: Path, command: str, url: str, sentence: str
) -> None:
    (tmp_path / "damaged.db").write_bytes(b"no database" * 100)
    url = url.replace("///", f"///{tmp_path}/")
    code, said = run(program, tmp_path, url, command)
    assert (code, len(said.splitlines())) == (69, 1), said
    assert said.startswith(f"careers-users: {sentence}")


@PROGRAMS
def test_going_back_is_asked_for(
    program: str, database_url: str, tmp_path: Path
) -> None:
    for answer in ("", "n\n"):
        code, said = run(program, tmp_path, database_url, "downgrade", stdin=answer)
        assert code == 1
        assert f"from revision {HEAD} to -1, and throw away" in said
    assert revision(database_url) == HEAD

    code, said = run(program, tmp_path, database_url, "downgrade", stdin="y\n")
    assert (code, revision(database_url)) == (0, BEFORE)
    assert f"Took back revision {HEAD}." in said
    assert run(program, tmp_path, database_url, "upgrade")[0] == 0
    code, said = run(program, tmp_path, database_url, "downgrade", "--yes", BEFORE)
    assert (code, revision(database_url)) == (0, BEFORE)
    assert "throw away" not in said
