"""Migrations. The release before serves on the schema of this one."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests import live_server
from tests.live_server import ROOT, Server
from tests.stress.conftest import Serve
from tests.stress.load import Caller, Load, Writer, assert_kept

BEFORE = "0005"  # The newest revision of the release before.


# Older code served without the names that today's installation gives to commands.
SERVE_OLD = "from careers_users.__main__ import serve; serve()"


def git(*words: str) -> bytes:
    """Return what git says about this repository; skip if there is no history."""
    done = subprocess.run(
        ["git", "-C", str(ROOT), *words], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"No history to take the release before from: {done.stderr!r}")
    return done.stdout


def versions(commit: str) -> set[str]:
    """Return the migrations that there were at a commit."""
    listed = git("ls-tree", "--name-only", commit, "migrations/versions/")
    return set(listed.decode().split())


@pytest.fixture
def release_before(tmp_path: Path, figures: dict[str, str]) -> Path:
    """Return the code of the commit before the last that brought a migration.

    Until there are releases, that stands for the last release.
    """
    figures["code of the release before"] = "not there: no history (see the skips)"
    words = ("log", "--first-parent", "--format=%H", "--", "migrations/versions")
    today = versions("HEAD")
    for commit in git(*words).decode().split():
        if versions(f"{commit}^") < today:
            break
    else:
        pytest.skip("No commit before the last migration: a shallow clone?")
    tree = tmp_path / "before"
    # Not a tar file, whose extraction is another one since Python 3.11.4.
    places = ("careers_users", "migrations")
    archive = git("archive", "--format=zip", f"{commit}^", *places)
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        files.extractall(tree)
    name = git("rev-parse", "--short", f"{commit}^").decode().strip()
    figures["code of the release before"] = name
    return tree


def assert_old(tree: Path, folder: Path) -> None:
    """Assert that it is this tree's code that runs with it on PYTHONPATH."""
    asked = (sys.executable, "-c", "import careers_users as c; print(c.__file__)")
    said = live_server.run(folder, command=asked, PYTHONPATH=str(tree)).stdout
    assert said.startswith(str(tree)), said


def walk(old: Server, new: Server) -> None:
    """Do everything at the one, and then look at it from the other, both ways."""
    for number, (here, there) in enumerate(((old, new), (new, old))):
        name = f"walker_{number}"
        with Caller(here.port) as one, Caller(there.port) as other:
            tokens = one.register(name).body
            token, body = tokens["access"], {"refresh": tokens["refresh"]}
            credentials = {"username": name, "password": "password123"}
            # Tokens of the new one are its own; see decision 22.
            session = other.call("POST", "login/", credentials)
            assert session.status == 200
            there_token = session.body["access"]
            profile = other.call("GET", "me/", token=there_token).body
            assert profile["username"] == name
            assert one.call("PATCH", "me/", {"bio": f"seen {name}"}, token).status < 300
            path = f"?search=seen+{name}"
            found = other.call("GET", path, token=there_token).body["users"]
            assert [user["username"] for user in found] == [name]
            followed = other.call("POST", "follow/", {"username": "star"}, there_token)
            assert followed.status == 201
            mine = one.call("GET", "following/", token=token).body
            assert mine["count"] == 1
            with Caller(new.port) as at_new:
                rotating = {**body, "rotate": True}
                rotated = at_new.call("POST", "token/refresh/", rotating)
                assert rotated.status == 200
                renewed = {"refresh": rotated.body["refresh"]}
                assert at_new.call("POST", "token/refresh/", renewed).status == 200
                assert one.call("POST", "logout/", body, token).status == 200
                assert other.call("GET", "me/", token=token).status == 401
                assert at_new.call("POST", "token/refresh/", renewed).status == 401


@pytest.mark.quick
def test_the_release_before_serves_on_the_new_schema(
    database_url: str,
    serve: Serve,
    tmp_path: Path,
    release_before: Path,
    figures: dict[str, str],
    whole: bool,
) -> None:
    """The previous release's code serves on the migrated database, beside today's: all
    that one writes the other reads, and no acknowledged write is lost. Tokens of
    today's code are good at today's alone, those of the previous release at both."""
    assert_old(release_before, tmp_path)
    command = (sys.executable, "-c", SERVE_OLD)
    old = serve(database_url, command=command, PYTHONPATH=str(release_before))
    new = serve(database_url)
    with Caller(new.port) as caller:
        assert caller.register("star").status == 201
    writers = [Writer(name, "star") for name in ("old", "new", "older", "newer")]
    with (
        Load(old.port, *writers[::2]) as at_old,
        Load(new.port, *writers[1::2]) as at_new,
    ):
        walk(old, new)
        for load in (at_old, at_new):
            load.wait_for(100 if whole else 20, 201)
    for load in (at_old, at_new):
        assert load.statuses().keys() == {200, 201}
    figures["acknowledged writes"] = f"{assert_kept(database_url, *writers):,}"
    assert old.stop() == new.stop() == 0
    assert "Traceback" not in old.log + new.log
