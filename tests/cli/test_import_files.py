"""Files that `users import` reads: formats, encodings, bad lines, reports."""

import csv
import json
import os
import stat
from pathlib import Path

import pytest
from flask import Flask

from tests.api import Api
from tests.cli.command import done, refused, run
from tests.cli.user_records import HASH, json_lines, record, total
from tests.live_server import ask

HEAD = "username,email,password\n"


def row(name: str, *more: str) -> str:
    """Return a line of CSV for a good user."""
    return ",".join((name, f"{name}@example.com", HASH, *more)) + "\n"


def read(app: Flask, path: Path, text: str) -> tuple[str, list[str]]:
    """Try an import that skips what is invalid; return its answer and the mistakes."""
    path.write_text(text, "utf-8", newline="")
    result = run(app, "users", "import", str(path), "--skip-invalid", "--dry-run")
    assert result.exit_code == 0, result.output
    mistakes = [line for line in result.stderr.splitlines() if line.startswith("line")]
    return result.stdout.partition(" users")[0], mistakes


LINES = [
    # (what stands behind the first line, how many users are good, the mistakes)
    (row("ada") + "\n\r\n   \n" + "x,y\n", 1, ["line 6: has 2 columns"]),
    ('a"b,"x"y,!\n' + row("ada"), 1, ["line 2: not CSV"]),
    # A quote that is never closed, and one that the next one's closes.
    (row("ada") + '"' + row("bob") + row("carol"), 2, ["line 3: not CSV"]),
    (
        '"' + row("ada") + row("bob") + '"x"y,,\n' + row("carol"),
        2,
        ["line 2", "line 4"],
    ),
    (
        row("ada") + '"two\nlines"x,y,z\n' + row("bob"),
        2,
        ["line 3: not", "line 4: user"],
    ),
    ('"two\nlines",a@example.com,!\n' + row("ada", "z"), 0, ["line 2: u", "line 4: h"]),
]


@pytest.mark.parametrize(("text", "good", "mistakes"), LINES)
def test_a_bad_row_is_one_mistake_with_the_line_where_it_begins(
    app: Flask, tmp_path: Path, text: str, good: int, mistakes: list[str]
) -> None:
    answer, said = read(app, tmp_path / "users.csv", HEAD + text)
    assert answer == f"Would add {good}"
    assert len(said) == len(mistakes), said
    for line, expected in zip(said, mistakes, strict=True):
        assert line.startswith(expected)


def test_a_field_over_the_limit_of_csv_is_one_mistake(
    app: Flask, tmp_path: Path
) -> None:
    head = "username,email,password,bio\n"
    text = head + row("ada", "") + row("big", "x" * 140_000) + row("bob", "")
    answer, said = read(app, tmp_path / "users.csv", text)
    assert (answer, len(said)) == ("Would add 2", 1)
    assert said[0].startswith("line 3: bio: Longer than")


def test_bytes_that_are_not_utf_8_are_a_mistake_of_their_line(
    api: Api, app: Flask, tmp_path: Path
) -> None:
    path = tmp_path / "users.csv"
    good = (HEAD + row("ada")).encode()
    path.write_bytes(good + "müller,m@example.com,!\n".encode("latin-1"))
    said = refused(app, "users", "import", str(path), code=65)
    assert said.startswith("line 3: not UTF-8")
    done(app, "users", "import", str(path), "--skip-invalid")
    assert total(api) == 1


def test_files_that_are_something_else_are_named_as_such(
    app: Flask, tmp_path: Path
) -> None:
    dumped = [{"model": "auth.user", "pk": 1, "fields": {"username": "ada"}}]
    utf_16 = (HEAD + row("ada")).encode("utf-16")
    for name, content, said in (
        ("a.csv", b"name,mail\n", "must name the columns, as username,email"),
        ("b.csv", b"", "must name the columns"),
        ("c.csv", b"username,email,bio,email\n", "Columns are there twice: email"),
        ("d.csv", b'"user"name,email\n', "Line 1 is not CSV"),
        ("e.csv", HEAD.replace(",", ";").encode(), "are separated by semicolons"),
        ("f.csv", HEAD.replace(",", "\t").encode(), "are separated by tabs"),
        ("g.csv", b'"username";"email";"x,y"\n', "are separated by semicolons"),
        ("h.csv", utf_16, "is UTF-16, not UTF-8"),
        ("i.csv", utf_16[2:], "is UTF-16, not UTF-8"),
        ("j.json", json.dumps(dumped).encode(), "Django's dumpdata writes"),
        ("k.json", json.dumps(dumped, indent=2).encode(), "Django's dumpdata writes"),
        ("l.jsonl", json.dumps(dumped[0]).encode(), "Django's dumpdata writes"),
        ("m.json", b'[{"username": "ada"}]', "is a JSON array"),
        ("n.txt", b"", "use --format"),
    ):
        (tmp_path / name).write_bytes(content)
        answer = refused(app, "users", "import", str(tmp_path / name), code=65)
        assert said in answer, name
        assert answer.startswith("careers-users: ")


@pytest.mark.parametrize("format_", ["csv", "jsonl"])
def test_refused_lines_can_be_mended_and_imported_again(
    api: Api, app: Flask, tmp_path: Path, format_: str
) -> None:
    path, report = tmp_path / f"users.{format_}", tmp_path / f"report.{format_}"
    users = [
        record("ada"),
        record("bob@home", email="bob@example.com"),
        record("ada", email="second@example.com", bio='a "quoted"\nbio'),
    ]
    if format_ == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, users[0])
            writer.writeheader()
            writer.writerows(users)
            file.write("one,two\n")
    else:
        json_lines(path, *users, "nothing")
    said = done(
        app, "users", "import", str(path), "--skip-invalid", "--report", str(report)
    )
    assert said.startswith("Added 1 users")
    if os.name == "posix":
        assert stat.S_IMODE(report.stat().st_mode) == 0o600

    mended = _mended(report, format_)
    assert done(app, "users", "import", str(mended)).startswith("Added 2 users")
    assert api.get("ada2/").json["bio"] == 'a "quoted"\nbio'
    assert api.get("bob/").status_code == 200
    # A report of a report is one; a file that is there stays as it is.
    words: tuple[str, ...] = ("users", "import", str(report), "--report", str(report))
    assert "is there already" in refused(app, *words, code=73)
    again = tmp_path / f"again.{format_}"
    words = (*words[:-1], str(again), "--skip-invalid")
    assert done(app, *words).startswith("Added 0 users")
    assert again.read_text("utf-8").count("bob@home") == 1


def _mended(report: Path, format_: str) -> Path:
    """Give the refused users names that can be, and leave out what is no user."""
    names = {"bob@example.com": "bob", "second@example.com": "ada2"}
    mended = report.with_stem("mended")
    if format_ == "csv":
        with report.open(newline="") as file:
            *rows, broken = csv.DictReader(file)
        assert broken["mistake"] == "has 2 columns, and the first line 10"
        for each in rows:
            each["new_username"] = names[each["email"]]
        with mended.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        return mended
    lines = report.read_text("utf-8").splitlines()
    *users, broken_line = [json.loads(line) for line in lines]
    expected = {"line": 4, "mistake": "not an object", "text": '"nothing"\n'}
    assert broken_line == expected
    assert users[0]["mistake"].startswith("username: Use 3 to 30")
    for each in users:
        each["new_username"] = names[each["email"]]
    json_lines(mended, *users)
    return mended


def test_a_mended_report_stands_in_for_the_lines_that_were_wrong(
    app: Flask, tmp_path: Path, database_url: str
) -> None:
    path, report = tmp_path / "users.csv", tmp_path / "wrong.csv"
    head = "id,username,email,password\n"
    users = [f"{n},{name},user{n}@example.com,!\n" for n, name in NAMES.items()]
    path.write_text(head + "".join(users))
    words: tuple[str, ...] = ("users", "import", str(path), "--keep-ids")
    refused(app, *words, "--report", str(report), code=65)
    with report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0][:2] == ["line", "mistake"]
    assert [row[0] for row in rows[1:]] == ["3", "5"]
    assert rows[0][-1] == "new_username"
    rows[1][-1] = "bob"
    with report.open("w", newline="") as file:
        csv.writer(file).writerows(rows)

    words = (*words, "--mended", str(report))
    said = refused(app, *words, code=65)
    assert said.startswith("line 5: username: Use 3 to 30")
    assert done(app, *words, "--skip-invalid").startswith("Added 3 users; 0")
    assert done(app, *words, "--skip-invalid").startswith("Added 0 users; 3")
    found = ask(database_url, "SELECT id, username FROM users ORDER BY id")
    assert found == [(4, "ada"), (5, "bob"), (6, "carol")]
    report.write_text(report.read_text().replace("\n5,", "\nfive,"))
    said = refused(app, *words, code=65)
    assert "The mended file, line 3: has no number in the column line" in said


NAMES = {4: "ada", 5: "bob@home", 6: "carol", 7: "d"}
