"""`users import` and `users export`: from the earlier service, and there and back."""

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.cli import user_import
from tests.api import PASSWORD, Api
from tests.auth.stored import change_user, password_hash
from tests.auth.test_passwords import django_hash
from tests.cli.command import done, lines_of_json, refused, run
from tests.live_server import ask, environment, wrong_counters

HASH = django_hash(PASSWORD)


def record(username: str, /, **changes: Any) -> dict[str, Any]:
    """A row of the earlier service."""
    return {
        "id": 7,
        "username": username,
        "email": f"{username}@example.com",
        "password": HASH,
        "first_name": "Ada",
        "last_name": "Müller",
        "bio": "",
        "avatar": "",
        "is_active": True,
        "date_joined": "2020-02-03T04:05:06.789+02:00",
        **changes,
    }


def json_lines(path: Path, *records: Any) -> str:
    """Write records as JSON lines; return the file's name."""
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return str(path)


def total(api: Api) -> int:
    """The number of users, as the list says."""
    number: int = api.get("").json["batch_info"]["total_users"]
    return number


# -- import ----------------------------------------------------------------------------


def test_imported_users_sign_in_with_their_old_passwords(
    api: Api, app: Flask, tmp_path: Path, database_url: str
) -> None:
    api.register("present")
    path = json_lines(
        tmp_path / "users.jsonl",
        record("Ada.M", bio="Two\nlines", avatar="https://example.com/a.png"),
        record("inactive", is_active=False),
        record("nobodys", password="!unusable1234567890"),
    )
    result = run(app, "users", "import", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == "Added 3 users; 0 were there already.\n"
    assert "Ignored columns: id" in result.stderr
    assert "1 new users have no usable password" in result.stderr

    profile = api.get("ada.m/").json
    assert (profile["username"], profile["bio"]) == ("Ada.M", "Two\nlines")
    assert profile["created_at"] == "2020-02-03T02:05:06Z"
    found = api.get("?search=m%C3%BCller").json["users"]
    assert {user["username"] for user in found} == {"Ada.M", "inactive", "nobodys"}
    statuses = [
        api.post("login/", {"username": name, "password": PASSWORD}).status_code
        for name in ("ada.m", "inactive", "nobodys")
    ]
    assert statuses == [200, 401, 401]
    assert password_hash(app, "Ada.M").startswith("$argon2id$")
    assert total(api) == 4
    assert wrong_counters(database_url) == []
    # Numbers go on from there.
    assert api.register("later").id == 5


def test_csv_with_a_mark_quotes_and_empty_fields(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    path.write_text(
        "username,email,password,bio,is_active,date_joined\r\n"
        f'ada,ada@example.com,{HASH},"Says ""hi"",\r\ntwice",t,2020-02-03 04:05:06\r\n'
        f"bob,bob@example.com,{HASH},,0,\r\n",
        "utf-8-sig",
        newline="",
    )
    assert done(app, "users", "import", str(path)).startswith("Added 2 users")
    assert api.get("ada/").json["bio"] == 'Says "hi",\ntwice'
    assert api.get("ada/").json["created_at"] == "2020-02-03T04:05:06Z"
    shown = lines_of_json(done(app, "users", "show", "bob", "--json"))[0]
    assert shown["is_active"] is False


MISTAKES = [
    ({"username": "ab"}, "username: Use 3 to 30"),
    ({"username": "admin"}, "username: This name is reserved."),
    ({"email": ""}, "email: Not a valid email address."),
    ({"password": "plain text"}, "password: Not a hash that this service can verify."),
    ({"password": "pbkdf2_sha256$99999999$a$b="}, "password: Not a hash"),
    ({"password": "$argon2id$v=19$m=99999999,t=2,p=1$YWFhYWFhYWE$YWFh"}, "Not a hash"),
    ({"first_name": "a\u202eb"}, "first_name: Control and invisible"),
    ({"bio": "x" * 1001}, "bio: "),
    ({"avatar": "javascript:alert(1)"}, "avatar: Not a valid http"),
    ({"is_active": "perhaps"}, "is_active: Not true or false."),
    ({"date_joined": "yesterday"}, "created_at: Not a time"),
    ({"date_joined": "9999-12-31T23:59:59-23:00"}, "created_at: Not a time"),
    ({"created_at": "2999-01-01T00:00:00Z"}, "created_at: Lies in the future."),
]


def test_every_mistake_is_reported_with_its_line_and_nothing_is_written(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    records = [record(f"user{n}", **bad) for n, (bad, _) in enumerate(MISTAKES)]
    path = json_lines(tmp_path / "users.jsonl", record("fine"), *records, [1])
    with Path(path).open("a") as file:
        file.write('{"username": \n')
    said = refused(app, "users", "import", path, code=65).splitlines()

    expected = [*(text for _, text in MISTAKES), "not an object", "not JSON"]
    for number, (line, text) in enumerate(zip(said, expected, strict=False), 2):
        assert line.startswith(f"line {number}: "), line
        assert text in line
    assert said[-1] == "careers-users: 15 lines are wrong; nothing was written."
    assert total(api) == 0

    done(app, "users", "import", path, "--skip-invalid")
    assert total(api) == 1


def test_names_that_differ_only_in_case_are_mistakes_of_both_lines(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    api.register("taken")
    path = json_lines(
        tmp_path / "users.jsonl",
        record("ada"),
        record("bob"),
        record("ADA", email="other@example.com"),
        record("carol", email="BOB@EXAMPLE.com"),
        record("TAKEN", email="mine@example.com"),
        record("dora", email="Taken@example.com"),
        record("emil"),
    )
    said = refused(app, "users", "import", path, code=65).splitlines()
    assert said[:-1] == [
        "line 1: username: ADA is also on line 3, whatever the case",
        "line 2: email: BOB@EXAMPLE.com is also on line 4, whatever the case",
        "line 3: username: ADA is also on line 1, whatever the case",
        "line 4: email: BOB@EXAMPLE.com is also on line 2, whatever the case",
        "line 5: username: TAKEN is taken by another address",
        "line 6: email: Taken@example.com belongs to taken",
        "Ignored columns: id",
    ]
    assert total(api) == 1
    done(app, "users", "import", path, "--skip-invalid")
    assert api.get("emil/").status_code == 200
    assert total(api) == 2


def test_a_dry_run_writes_nothing(api: Api, app: Flask, tmp_path: Path) -> None:
    path = json_lines(tmp_path / "users.jsonl", record("ada"))
    assert done(app, "users", "import", path, "--dry-run") == (
        "Would add 1 users; 0 are there already.\n"
    )
    assert total(api) == 0


def test_an_interrupted_import_goes_on_where_it_stopped(
    api: Api,
    app: Flask,
    tmp_path: Path,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = json_lines(
        tmp_path / "users.jsonl", *(record(f"user{n}") for n in range(25))
    )
    monkeypatch.setattr(user_import, "BATCH", 10)
    write, batches = user_import._write, []

    def interrupted(rows: Any) -> None:
        batches.append(len(rows))
        write(rows)
        if len(batches) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(user_import, "_write", interrupted)
    said = refused(app, "users", "import", path, code=130)
    assert "run it again, and it goes on" in said
    assert total(api) == 20
    assert wrong_counters(database_url) == []

    again = done(app, "users", "import", path)
    assert again == "Added 5 users; 20 were there already.\n"
    assert total(api) == 25
    assert batches == [10, 10, 5]
    assert wrong_counters(database_url) == []
    assert done(app, "users", "import", path).startswith("Added 0 users; 25 were")


def test_a_batch_is_there_wholly_or_not_at_all(
    api: Api, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = json_lines(tmp_path / "users.jsonl", record("ada"), record("bob"))
    write = user_import.write

    def late(plan: Any, report: Any) -> None:
        api.register("bob")  # Between the check and the writing.
        write(plan, report)

    monkeypatch.setattr(user_import, "write", late)
    said = refused(app, "users", "import", path)
    assert "Somebody changed the same data meanwhile" in said
    assert total(api) == 1
    assert api.get("ada/").status_code == 404


def test_files_that_are_no_records(app: Flask, tmp_path: Path) -> None:
    for name, content, said in (
        ("a.csv", b"name,mail\n", "must name the columns"),
        ("b.csv", b"", "must name the columns"),
        ("c.csv", b'username,email\na,"b\n', "After line"),
        ("d.jsonl", b"\xff\xfe\n", "not UTF-8"),
        ("e.txt", b"", "use --format"),
    ):
        (tmp_path / name).write_bytes(content)
        assert said in refused(app, "users", "import", str(tmp_path / name), code=65)
    (tmp_path / "f.csv").write_text("username,email\na\nb,c,d\n")
    said = refused(app, "users", "import", str(tmp_path / "f.csv"), code=65)
    assert said.count("not as many columns") == 2


# -- export ----------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_there_and_back_again(
    api: Api, app: Flask, tmp_path: Path, database_url: str, format_: str
) -> None:
    for name in ("Ada", "bob"):
        api.register(name, first_name='O"Hara, Zoë', bio="a\nb", avatar="https://a.de/")
    change_user(app, "bob", is_active=False)
    columns = "username, email, password_hash, first_name, bio, avatar, is_active"
    rows = f"SELECT {columns}, search_text, created_at FROM users ORDER BY id"
    before = ask(database_url, rows)

    path = tmp_path / f"users.{format_}"
    done(app, "users", "export", str(path), "--with-passwords")
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {each.name for each in tmp_path.iterdir()} >= {path.name}
    assert not list(tmp_path.glob(".*.part"))
    for name in ("ada", "bob"):
        done(app, "users", "delete", name, "--yes")
    assert done(app, "users", "import", str(path)).startswith("Added 2 users")

    after = ask(database_url, rows)
    whole_seconds = [str(row[-1])[:19] for row in before]
    assert [str(row[-1])[:19] for row in after] == whole_seconds
    assert [row[:-1] for row in after] == [row[:-1] for row in before]


def test_hashes_are_exported_only_when_asked(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    api.register("ada")
    path = tmp_path / "users.jsonl"
    done(app, "users", "export", str(path))
    assert "argon2" not in path.read_text()
    assert "password" not in json.loads(path.read_text())
    # Without hashes, it is imported only when that is what one wants.
    done(app, "users", "delete", "ada", "--yes")
    assert "password: " in refused(app, "users", "import", str(path), code=65)
    done(app, "users", "import", str(path), "--no-passwords")
    assert password_hash(app, "ada") == "!"

    table = done(app, "users", "export", "-", "--format", "csv")
    assert next(csv.DictReader(table.splitlines()))["username"] == "ada"


def test_export_overwrites_and_leaves_nothing_half_done(
    api: Api, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("ada")
    path = tmp_path / "users.csv"
    path.write_text("precious")
    said = refused(app, "users", "export", str(path), code=73)
    assert "is there already" in said

    def interrupted(*_: Any) -> Any:
        yield 1
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("careers_users.cli.user_files.write", interrupted)
        refused(app, "users", "export", str(path), "--force", code=130)
    assert path.read_text() == "precious"
    assert not list(tmp_path.glob(".*.part"))
    done(app, "users", "export", str(path), "--force")
    assert "ada@example.com" in path.read_text()
    refused(app, "users", "export", str(tmp_path / "no" / "a.csv"), code=73)


@pytest.mark.skipif(os.name != "posix", reason="there are no such modes here")
def test_export_refuses_to_be_redirected_to_where_all_can_read(
    tmp_path: Path, sqlite_template: Path
) -> None:
    code = "from careers_users.__main__ import main; main()"
    words = ["users", "export", "-", "--format", "csv"]
    url = f"sqlite:///{sqlite_template}"
    codes = []
    for mode in (0o644, 0o600):
        path = tmp_path / f"{mode}.csv"
        path.touch(mode)
        path.chmod(mode)
        with path.open("w") as file:
            result = subprocess.run(
                [sys.executable, "-c", code, *words],
                stdout=file,
                env=environment({"DATABASE_URL": url}),
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
        codes.append(result.returncode)
    assert codes == [73, 0]
    assert (tmp_path / f"{0o644}.csv").read_text() == ""
