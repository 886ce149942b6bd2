"""`users import`: what is taken over and refused, and what an interruption leaves."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from careers_users.account.service import delete_account
from careers_users.auth import foreign_hashes
from careers_users.cli import user_import
from tests.api import PASSWORD, Api
from tests.auth.stored import password_hash
from tests.cli.command import done, lines_of_json, refused, run
from tests.cli.user_records import HASH, json_lines, record, total
from tests.live_server import wrong_counters


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
        "username,email,password,bio,is_active,email_verified,date_joined\r\n"
        f'ada,ada@example.com,{HASH},"Says ""hi"",\r\ntwice",t,t,'
        "2020-02-03 04:05:06\r\n"
        f"bob,bob@example.com,{HASH},,0,,\r\n",
        "utf-8-sig",
        newline="",
    )
    assert done(app, "users", "import", str(path)).startswith("Added 2 users")
    assert api.get("ada/").json["bio"] == 'Says "hi",\ntwice'
    assert api.get("ada/").json["created_at"] == "2020-02-03T04:05:06Z"
    shown = lines_of_json(done(app, "users", "show", "bob", "--json"))[0]
    assert shown["is_active"] is False
    assert shown["email_verified_at"] is None
    shown = lines_of_json(done(app, "users", "show", "ada", "--json"))[0]
    assert shown["email_verified_at"] is not None


MISTAKES: list[tuple[dict[str, Any], str]] = [
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
    ({"date_joined": "0001-01-01T00:00:00Z"}, "created_at: Lies before 1970."),
    ({"date_joined": "1969-12-31T23:59:59+00:00"}, "created_at: Lies before 1970."),
    ({"updated_at": "0001-01-01T00:00:00"}, "updated_at: Lies before 1970."),
    ({"new_username": "still@wrong"}, "username: Use 3 to 30"),
    ({"username": None}, "username: Missing data"),
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
    assert (
        said[-1]
        == f"careers-users: {len(expected)} lines are wrong; nothing was written."
    )
    assert len(said) == len(expected) + 2, "one line for each, and the ignored column"
    assert total(api) == 0

    done(app, "users", "import", path, "--skip-invalid")
    assert total(api) == 1


def test_the_older_of_two_with_a_name_or_an_address_stays(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    api.register("taken")
    path = json_lines(
        tmp_path / "users.jsonl",
        record("ada"),
        record("bob", date_joined="2021-01-01T00:00:00Z"),
        record("ADA", email="other@example.com"),
        record("carol", email="BOB@EXAMPLE.com"),
        record("TAKEN", email="mine@example.com"),
        record("dora", email="Taken@example.com"),
        # Free again, since carol is the older one of those with bob's address.
        record("bob", email="third@example.com", date_joined="2021-01-02T00:00:00Z"),
        record("emil"),
        record("emil"),
    )
    said = refused(app, "users", "import", path, code=65).splitlines()
    assert said[:-1] == [
        "line 2: email: bob@example.com is also on line 4, and older there",
        "line 3: username: ADA is also on line 1, and older there",
        "line 5: username: TAKEN is taken by another address",
        "line 6: email: Taken@example.com belongs to taken",
        "1 lines are there twice, word for word",
        "Ignored columns: id",
    ]
    assert total(api) == 1
    for added in (4, 0):
        answer = done(app, "users", "import", path, "--skip-invalid")
        assert answer.startswith(f"Added {added} users")
    assert total(api) == 5
    shown = lines_of_json(done(app, "users", "show", "bob", "--json"))[0]
    assert shown["email"] == "third@example.com"


def test_a_reserved_name_is_refused_as_at_registration(
    api: Api, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api.register("ada")
    done(app, "users", "delete", "ada", "--yes")
    path = json_lines(tmp_path / "users.jsonl", record("ADA"), record("bob"))
    said = refused(app, "users", "import", path, code=65)
    assert "line 1: username: ADA was a deleted account's lately" in said

    # Given up between the check and the writing.
    carol = api.register("carol")
    path = json_lines(tmp_path / "more.jsonl", record("Carol", email="c@example.com"))
    write = user_import.write

    def late(plan: Any, report: Any) -> None:
        delete_account(carol.id, by="owner")
        write(plan, report)

    monkeypatch.setattr(user_import, "write", late)
    with monkeypatch.context() as patch:
        patch.setattr("careers_users.cli.user_queries.keys_among", lambda *_: [])
        said = refused(app, "users", "import", path)
    assert "already taken" in said
    assert total(api) == 0


def test_null_is_absent_and_names_can_be_changed(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    nothing = dict.fromkeys(("bio", "avatar", "first_name", "is_active"))
    path = json_lines(
        tmp_path / "users.jsonl",
        record("ada", **nothing, date_joined=None, updated_at=None, new_username=None),
        record("bob+bob@example.com", email="bob@example.com", new_username="bob"),
        record("carol", new_username=""),
    )
    assert done(app, "users", "import", path).startswith("Added 3 users")
    assert api.get("ada/").json["bio"] == ""
    assert [api.get(f"{name}/").status_code for name in ("bob", "carol")] == [200, 200]


def test_text_of_files_is_printed_escaped(app: Flask, tmp_path: Path) -> None:
    evil = "x\x1b[2J\nline 9: all is well\u202e"
    path = json_lines(
        tmp_path / "users.jsonl",
        evil,
        record("ada", **{evil: 1}),
        record("bob", email=f"{evil}@example.com"),
        record("ADA", id=2, username="ada", email="ada@example.org"),
    )
    Path(path).write_text(
        Path(path).read_text() + '{"a\\u001b[31m": 1, "a\\u001b[31m": 2}\n'
    )
    result = run(app, "users", "import", path, "--skip-invalid")
    assert result.exit_code == 0
    assert "\x1b" not in result.output
    assert "\u202e" not in result.output
    assert "\nline 9" not in result.output
    assert "line 5: a\\x1b[31m: is there twice" in result.stderr
    assert (
        "Ignored columns: id, x\\x1b[2J\\nline 9: all is well\\u202e" in result.stderr
    )


def test_a_bcrypt_hash_without_its_library_is_named_as_such(
    app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed = "bcrypt_sha256$$2b$12$" + "a" * 53
    path = json_lines(tmp_path / "users.jsonl", record("ada", password=hashed))
    done(app, "users", "import", path, "--dry-run")
    monkeypatch.setattr(foreign_hashes, "has_bcrypt", lambda: False)
    said = refused(app, "users", "import", path, code=65)
    assert said.startswith("line 1: password: A bcrypt hash: pip install ")


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
