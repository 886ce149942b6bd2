"""docs/moving-in.md, walked from a real Django service to this one."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from tests.api import Api
from tests.auth.stored import password_hash
from tests.cli import django_service
from tests.cli.command import done, refused, run
from tests.live_server import ROOT, ask, wrong_counters

PAGE = (ROOT / "docs/moving-in.md").read_text("utf-8")
SECRET = "Passw\u00f6rter 12"
MOVED = "pbkdf2_sha256 pbkdf2_sha1 argon2 bcrypt_sha256 bcrypt".split()
# Wrong lines by user, and how the page says to mend them.
MENDED: dict[str, tuple[str, dict[str, Any] | None]] = {
    "md5": ("password: Not a hash that this service", {"password": "!"}),
    "zo\u00eb@example.com": ("username: Use 3 to 30", {"new_username": "zoe"}),
    "a" * 60: ("username: Longer than maximum", {"new_username": "a_60"}),
    "admin": ("username: This name is reserved", {"new_username": "the_boss"}),
    "bob": ("username: bob is also on line", {"new_username": "bob2"}),
    "no_address": ("email: Not a valid email address", None),
    "o'hara+news": ("username: Use 3 to 30", {"new_username": "ohara"}),
}


@pytest.fixture(scope="module")
def moved_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the earlier service, with the files of the page's script."""
    folder = tmp_path_factory.mktemp("django")
    django_service.make(folder)
    (script,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    django_service.manage(folder, "shell", script=script)
    return folder


def documented(start: str) -> list[str]:
    """Return the words of the page's command that begins so, without the program."""
    (line,) = re.findall(rf"^careers-users ({start}.*)$", PAGE, re.MULTILINE)
    return shlex.split(line)


def mend(report: Path) -> None:
    """Mend a report as the page says; the user without an address stays behind."""
    lines = []
    for line in report.read_text("utf-8").splitlines():
        user = json.loads(line)
        mistake, changes = MENDED.pop(user["username"])
        assert user["mistake"].startswith(mistake), user
        if changes is not None:
            lines.append(json.dumps(user | changes) + "\n")
    assert not MENDED
    report.write_text("".join(lines), "utf-8")


@pytest.mark.parametrize("way", ["--keep-ids", "--map map.csv"])
def test_a_django_service_moves_in(
    api: Api,
    app: Flask,
    moved_out: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    monkeypatch.chdir(moved_out)
    monkeypatch.setitem(globals(), "MENDED", dict(MENDED))
    for name in ("wrong.jsonl", "map.csv"):
        (moved_out / name).unlink(missing_ok=True)
    refused(app, *documented("users import users.jsonl --dry-run"), code=65)
    mend(moved_out / "wrong.jsonl")
    said = done(app, *documented(f"users import users.jsonl --mended .* {way}"))
    assert said == "Added 13 users; 0 were there already.\n"

    words = documented("users import-follows")
    if way != "--keep-ids":
        words = [*words[:-1], *way.split()]
    result = run(app, *words)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("line 13: follower: ")
    assert result.stdout == "Added 13 follows; 0 were there already.\n"
    done(app, *documented("users recount"))
    assert wrong_counters(database_url) == []

    if way == "--keep-ids":
        ids = dict(ask(database_url, "SELECT username, id FROM users"))
        assert ids["pbkdf2_sha256"] == 1000
        assert ids["pbkdf2_sha1"] == 993
    sign_in(api, app)


def sign_in(api: Api, app: Flask) -> None:
    """Sign in as those who moved, and look at what they see."""
    for name in MOVED:
        credentials = {"username": name, "password": SECRET}
        reply = api.post("login/", credentials)
        assert reply.status_code == 200, name
        assert password_hash(app, name).startswith("$argon2id$")
    star = {"username": "pbkdf2_sha256@example.com", "password": SECRET}
    token = api.post("login/", star).json["access"]
    me = api.get("me/", token=token).json
    assert (me["first_name"], me["last_name"]) == (
        '=1+1 "Zo\u00eb"',
        "\u0141uk\u00e1cs",
    )
    assert me["bio"] == "two\nlines, and a \u201cquote\u201d"
    assert me["created_at"] == "2021-03-04T12:00:00Z"
    followers = api.get("followers/", token=token).json
    assert followers["count"] == 12
    names = [row["follower_username"] for row in followers["results"]]
    assert names[:3] == ["ohara", "bob2", "Bob"]
    assert names[-1] == "pbkdf2_sha1"
    following = api.get("me/following/", token=token).json["results"]
    assert [card["username"] for card in following] == ["pbkdf2_sha1"]
    # Inactive users stay inactive.
    credentials = {"username": "scrypt", "password": SECRET}
    assert api.post("login/", credentials).status_code == 401
