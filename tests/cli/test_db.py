"""careers-users db upgrade: what it says, and how it fails."""

from pathlib import Path

import pytest

from tests.live_server import KEY, run


def upgrade(folder: Path, url: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it has said on stderr."""
    settings = {"DATABASE_URL": url, "CAREERS_USERS_JWT_SECRET_KEY": KEY}
    done = run(folder, "db", "upgrade", **settings)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_it_says_what_it_has_done_and_that_there_was_nothing_to_do(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    code, said = upgrade(tmp_path, url)
    assert code == 0
    assert said.startswith("Migrated the database to revision 0001.\n")
    newest = said.splitlines()[-1].split()[-1]
    assert upgrade(tmp_path, url) == (
        0,
        f"Nothing to do: the database is at revision {newest}\n",
    )


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", "The database can't be reached"),
        ("sqlite:///damaged.db", "The database file is damaged"),
        ("sqlite:///missing/folder.db", "The database file can't be opened"),
    ],
)
def test_a_database_that_can_not_be_used_is_one_sentence(
    tmp_path: Path, url: str, sentence: str
) -> None:
    (tmp_path / "damaged.db").write_bytes(b"no database" * 100)
    code, said = upgrade(tmp_path, url.replace("///", f"///{tmp_path}/"))
    assert (code, len(said.splitlines())) == (69, 1)
    assert said.startswith(f"careers-users: {sentence}")
