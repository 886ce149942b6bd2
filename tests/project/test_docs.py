"""The documents name every setting, route, command and error there is, and no other."""

import dataclasses
import re
import runpy
import subprocess
import sys
from pathlib import Path

import click
import pytest
from flask import Flask

from careers_users import settings
from careers_users.__main__ import main
from careers_users.http import errors
from careers_users.http.errors import ServiceError
from careers_users.observability import health
from careers_users.settings import environment
from careers_users.validation import limits, usernames
from careers_users.validation.limits import BASE_PATH
from tests.project.documents import DOCUMENTS, ROOT, text_of

_SETTING = re.compile(r"\b(?:CAREERS_USERS_[A-Z0-9_]+|DATABASE_URL|HOST|PORT)\b")
_NAMED = re.compile(r"careers-users (?:--env-file \S+ )?((?:[a-z][a-z-]* ?)+)")
# Read by the test suite alone.
_TEST_ONLY = re.compile(r"CAREERS_USERS_TEST_|_FILE$")


def settings_read() -> set[str]:
    """Return the variables that the code reads."""
    return set(environment.variables())


def test_every_setting_has_its_row_and_every_row_its_setting() -> None:
    rows = re.findall(
        r"^\| `([A-Z_0-9]+)` \| (.*?) \|",
        text_of("docs/configuration.md"),
        re.MULTILINE,
    )
    assert {name for name, _ in rows} == settings_read()
    assert len(settings_read()) >= len(dataclasses.fields(settings.Settings)) - 1


def test_documented_defaults_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/careers")
    values = settings.Settings.from_env()
    rows = re.findall(
        r"^\| `(?:CAREERS_USERS_)?([A-Z_0-9]+)` \| `(.*?)` \|",
        text_of("docs/configuration.md"),
        re.MULTILINE,
    )
    checked = 0
    for name, shown in rows:
        value = getattr(values, name.lower())
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, (frozenset, tuple)):
            value = " ".join(sorted(value))
        elif isinstance(value, Path):
            value = value.relative_to(Path.cwd())
        assert str(value) == shown, name
        checked += 1
    assert checked > 15


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_named_anywhere_exist(path: Path) -> None:
    named = set(_SETTING.findall(path.read_text("utf-8")))
    named = {name.removesuffix("_FILE") for name in named}
    unknown = {name for name in named if not _TEST_ONLY.search(name)}
    assert unknown - settings_read() <= {"CAREERS_USERS_"}


def test_every_route_has_its_row_and_every_row_its_route(app_with_mail: Flask) -> None:
    served = {
        f"{method} {rule.rule}"
        for rule in app_with_mail.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if not rule.endpoint.startswith("docs.file_") and rule.rule != "/docs"
        # The files of a page are no calls either.
        if not re.fullmatch(r"link_page\.(script|styles)", rule.endpoint)
    }
    text = text_of("docs/api.md")
    rows = re.findall(r"^\| `([A-Z]+) (\S+)` \|", text, re.MULTILINE)
    named = {f"{method} {BASE_PATH}/{path.lstrip('/')}" for method, path in rows}
    beside = (
        r"`GET (/health\S+|/\.well-known/\S+|/docs/|/openapi\.json"
        r"|/careers/users/email/confirm/)`"
    )
    named |= {f"GET {path}" for path in re.findall(beside, text)} | {"GET /"}
    rules = {row.replace("{username}", "<username:username>") for row in named}
    shown = {re.sub(r"\{(\w+)\}", r"<\1>", row) for row in rules}
    assert shown == served, "docs/api.md has a row for each call, and no other"


def test_routes_of_the_readme_exist(app: Flask) -> None:
    named = re.findall(
        r"127\.0\.0\.1:8000(/careers/users/[^\s\"']*)", text_of("README.md")
    )
    assert len(named) > 10
    adapter = app.url_map.bind("localhost")
    with app.app_context():
        for path in named:
            assert adapter.allowed_methods(path.partition("?")[0]), path


def test_commands_named_anywhere_exist_and_all_are_named() -> None:
    named = set()
    for path in DOCUMENTS:
        text = path.read_text("utf-8")
        named |= set(_NAMED.findall(text))
    context = click.Context(main)
    for words in named:
        command: click.Command | None = main
        for word in words.split():
            if not isinstance(command, click.Group):
                break
            command = command.get_command(context, word)
            assert command is not None, f"careers-users {words}"
    readme = set(
        re.findall(r"^\| `careers-users (.+?)` \|", text_of("README.md"), re.MULTILINE)
    )
    leaves = runpy.run_path(str(ROOT / "docs/make_cli.py"))["leaves"]
    ours = {name for name, _ in leaves(main)}
    assert len(ours) >= 15
    assert readme == ours


def test_the_page_of_the_commands_is_what_their_help_says() -> None:
    # In a process of its own: click remembers the options of a command that has run.
    script = "import runpy; print(runpy.run_path('docs/make_cli.py')['page'](), end='')"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    made = done.stdout
    assert text_of("docs/cli.md") == made, "run: python docs/make_cli.py"


def refusals(base: type[ServiceError] = ServiceError) -> set[str]:
    """Return the codes of all refusals in the code."""
    found = {base.code}
    for refusal in base.__subclasses__():
        if refusal.__module__.startswith("careers_users."):
            found |= refusals(refusal)
    return found


def test_every_error_code_has_its_row_and_every_row_its_code() -> None:
    errors_part = text_of("docs/api.md").partition("## Errors")[2]
    rows = re.findall(r"^\| \d+ \| (.+?) \|", errors_part, re.MULTILINE)
    shown = set(re.findall(r"`([a-z_]+)`", " ".join(rows)))
    server = set(
        re.findall(r'"([a-z]+_[a-z_]+)"', text_of("careers_users/http/refusals.py"))
    )
    known = refusals() | {code for code, _ in errors.HTTP_ERRORS.values()} | server
    assert shown <= known | {"conflict"}
    assert refusals() - {"bad_request"} <= shown
    assert {code for code, _ in errors.HTTP_ERRORS.values()} <= shown


def test_every_event_of_the_trail_has_its_row_and_every_row_its_event() -> None:
    recorded = re.compile(
        r"(?:trail\.record(?:_repeated)?\(\s*|\b_record\(trail, "
        r'|open_session\(\s*trail,\s*|\bevent=)"(\w+)"'
    )
    events = set()
    for path in (ROOT / "careers_users").rglob("*.py"):
        events |= set(recorded.findall(path.read_text("utf-8")))
    assert len(events) > 10
    table = (
        text_of("docs/api.md").partition("| event | when |\n")[2].partition("\n\n")[0]
    )
    rows = re.findall(r"^\| (`.+?`) \| .*\|$", table, re.MULTILINE)
    assert len(rows) == len(table.splitlines()) - 1, "a row of another form"
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == events


def test_every_trouble_that_health_names_is_documented() -> None:
    shown = text_of("docs/monitoring.md").partition("## Logs")[0]
    names = re.findall(
        r'Trouble\(\s*"(.+?)"', text_of("careers_users/database/errors.py")
    )
    assert len(names) > 10
    for name in [*names, health.NO_ANSWER]:
        assert re.search(rf"`{name}`", re.sub(r"\s+", " ", shown)), name


def test_limits_in_the_documents_are_the_limits() -> None:
    text = text_of("docs/api.md")
    for sentence in (
        f"{limits.USERNAME_MIN} to {limits.USERNAME_MAX} of ASCII",
        f"at most {limits.EMAIL_MAX} ASCII",
        f"{limits.PASSWORD_MIN} to {limits.PASSWORD_MAX} characters",
        f"at most {limits.NAME_MAX} characters, trimmed",
        f"at most {limits.BIO_MAX}, the same",
        f"at most {limits.AVATAR_MAX} ASCII",
        f"from 1 to {limits.BATCH_SIZE_MAX} ({limits.USERS_BATCH_SIZE} if",
        f"from 1 to {limits.BATCH_SIZE_MAX} ({limits.FOLLOWS_BATCH_SIZE} if",
        f"have at most {limits.SEARCH_TERM_MAX} characters",
        f"at most {limits.SEARCH_WORDS_MAX} in all",
        f"at most {limits.IDS_MAX} numbers of users",
        f"at most {limits.EVENTS_MAX} events",
    ):
        assert sentence in text, sentence


def test_no_word_of_the_paths_is_free_for_a_user(app: Flask) -> None:
    segments = set()
    for rule in app.url_map.iter_rules():
        for start in ("/", f"{BASE_PATH}/"):
            if rule.rule.startswith(start):
                segments.add(rule.rule.removeprefix(start).split("/")[0])
    literal = {segment for segment in segments if segment and "<" not in segment}
    assert {"login", "me", "follow", "health", "token"} <= literal
    assert literal <= usernames.reserved_names(app)


def anchors(document: str) -> set[str]:
    """Return the targets of links: the headings, as GitHub names them."""
    # A comment in a block of code looks like a heading.
    text = re.sub(r"```.*?```", "", document, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(
        r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", path.read_text("utf-8")
    )
    for target, anchor in links:
        there = path.parent / target if target else path
        assert there.exists(), target
        if anchor:
            assert anchor in anchors(there.read_text("utf-8")), f"{target}#{anchor}"


def test_every_file_for_machines_is_named() -> None:
    documents = text_of("docs/deployment.md") + text_of("docs/operations.md")
    files = [path for path in (ROOT / "deploy").rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        if "__pycache__" not in path.parts:
            assert path.relative_to(ROOT).as_posix() in documents, path


def test_every_document_is_in_the_index() -> None:
    index = text_of("docs/README.md")
    for path in (ROOT / "docs").rglob("*.md"):
        name = path.relative_to(ROOT / "docs").as_posix()
        if name != "README.md" and not re.match(r"decisions/\d", name):
            assert f"]({name})" in index, name


@pytest.mark.parametrize("name", ["deployment.md", "operations.md"])
def test_migrations_are_the_owners(name: str) -> None:
    # The role that serves may neither create nor alter tables.
    blocks = re.findall(r"```sh\n(.*?)```", text_of(f"docs/{name}"), re.DOTALL)
    migrating = [block for block in blocks if "db upgrade" in block]
    assert migrating
    for block in migrating:
        for line in block.replace("\\\n", " ").splitlines():
            if "db upgrade" in line:
                assert "sqlite:///" in block or "$OWNER_URL" in line, line
