"""PostgreSQL as operators set it: no setting of a role or database matters.

Each setting stands on the test's own database, as `ALTER DATABASE ... SET` puts it
there; the walk is what a user does, over HTTP.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from flask import Flask
from psycopg.errors import InsufficientPrivilege, UniqueViolation
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError

from careers_users import create_app
from careers_users.cli.startup import NotReady, prepare_database
from careers_users.database import errors
from careers_users.extensions import db
from careers_users.observability import checks, findings
from config import TestConfig
from tests import live_server, postgres
from tests.api import Api
from tests.cli import command
from tests.conftest import KEY, KINDS, driver_url, migrate

pytestmark = pytest.mark.skipif(
    "postgresql" not in KINDS, reason="PostgreSQL is left out"
)
SETTINGS = [
    ("datestyle", "SQL, DMY"),
    ("datestyle", "German"),
    ("datestyle", "Postgres, MDY"),
    ("timezone", "America/Los_Angeles"),
    ("timezone", "Pacific/Kiritimati"),
    ("standard_conforming_strings", "off"),
    ("client_encoding", "LATIN1"),
    ("client_encoding", "SQL_ASCII"),
    ("default_transaction_isolation", "repeatable read"),
    ("default_transaction_isolation", "serializable"),
    ("intervalstyle", "sql_standard"),
    ("bytea_output", "escape"),
    ("extra_float_digits", "-15"),
    ("gin_fuzzy_search_limit", "1"),
    ("transform_null_equals", "on"),
    ("plan_cache_mode", "force_generic_plan"),
]
FOLLOWERS = 12
Make = Callable[[str], Flask]


@pytest.fixture
def make(postgresql: postgres.Server) -> Iterator[Make]:
    """Make an application of a database, and end its connections in the end."""
    made: list[Flask] = []

    def application(url: str) -> Flask:
        settings = TestConfig(database_url=driver_url(url), jwt_secret_key=KEY)
        settings = replace(settings, db_pgbouncer=postgresql.bouncer is not None)
        app = create_app(replace(settings, ratelimit_enabled=False))
        made.append(app)
        return app

    yield application
    for app in made:
        with app.app_context():
            db.engine.dispose()


@pytest.fixture
def database(postgresql: postgres.Server) -> Iterator[str]:
    """Yield the name of an empty database of this test's own."""
    postgresql.create("as_set")
    yield "as_set"
    postgresql.drop("as_set")


def alter(server: postgres.Server, name: str, setting: str, value: str) -> None:
    """Set something for all connections that a database will have."""
    order = f"ALTER DATABASE \"{server.prefix}{name}\" SET {setting} = '{value}'"
    live_server.ask(driver_url(server.url(name)), order)


def walk(api: Api) -> None:
    """Do what a user does: in any script, found by it, followed by many at once."""
    jose = api.register("jose", first_name="José 张伟", bio="50%_ a\\b of it\nüber 😀")
    change = {"last_name": "Łukasz O'Neil"}
    assert api.patch("me/", change, token=jose.access).status_code == 200
    profile = api.get("me/", token=jose.access).json
    assert (profile["first_name"], profile["last_name"]) == (
        "José 张伟",
        "Łukasz O'Neil",
    )
    for term in ("José 张", "张", "50%_", "a\\b", "O'Neil", "über", "o"):
        found = api.get("", query_string={"search": term}).json
        assert [user["username"] for user in found["users"]] == ["jose"], term
        assert found["batch_info"]["total_users"] == 1, term
    login = {"username": "JOSE@example.com", "password": "password123"}
    assert api.post("login/", login).status_code == 200
    renewed = api.post("token/refresh/", {"refresh": jose.refresh})
    assert renewed.status_code == 200
    assert api.get("me/export/", token=jose.access).status_code == 200
    followed_by_many_at_once(api, jose.id)
    ended = api.post("logout/", {"refresh": jose.refresh}, token=jose.access)
    assert ended.status_code == 200
    assert api.get("me/", token=jose.access).status_code == 401


def followed_by_many_at_once(api: Api, user_id: int) -> None:
    """Have several users follow one at once; none may be told to try again."""
    tokens = [api.register(f"follower{n}").access for n in range(FOLLOWERS)]

    def follow(token: str) -> int:
        return api.post("follow/", {"following": user_id}, token=token).status_code

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(follow, tokens)) == [201] * FOLLOWERS
    assert api.get("jose/").json["followers_count"] == FOLLOWERS
    unfollow = api.delete("jose/unfollow/", token=tokens[0])
    assert unfollow.status_code == 200
    assert api.get("jose/").json["followers_count"] == FOLLOWERS - 1


@pytest.mark.parametrize(("setting", "value"), SETTINGS)
def test_no_setting_of_the_server_matters(
    setting: str, value: str, database: str, postgresql: postgres.Server, make: Make
) -> None:
    alter(postgresql, database, setting, value)
    url = postgresql.served_url(database)
    migrate(driver_url(url))
    app = make(url)

    walk(Api(app))
    settings = TestConfig(database_url=driver_url(url), jwt_secret_key=KEY)
    found = checks.all_of(app, settings)
    assert [each for each in found if each.state == findings.ERROR] == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_is_not_in_utf_8_is_refused(
    encoding: str,
    postgresql: postgres.Server,
    make: Make,
) -> None:
    postgresql.create("other", encoding=encoding)
    app = make(postgresql.url("other"))
    settings = TestConfig(
        database_url=driver_url(postgresql.url("other")), jwt_secret_key=KEY
    )
    sentence = (
        "The database can't hold text of every language: make it anew with ENCODING "
        "'UTF8', as deploy/postgresql.sql does (the database's encoding is "
        f"{encoding})"
    )

    found = {each.name: each for each in checks.all_of(app, settings)}
    assert found["database"].state == findings.ERROR
    assert found["database"].message == sentence
    with pytest.raises(NotReady) as refusal:
        prepare_database(app, settings)
    assert str(refusal.value).endswith(sentence)
    assert sentence in command.refused(app, "db", "upgrade", code=69)
    postgresql.drop("other")


def test_a_value_that_can_not_be_read_is_no_trouble_with_the_connection(
    postgresql: postgres.Server, database: str, make: Make
) -> None:
    url = postgresql.served_url(database)
    migrate(driver_url(url))
    app = make(url)
    api = Api(app)
    alice = api.register("alice")
    infinite = "UPDATE users SET created_at = 'infinity'"
    live_server.ask(driver_url(postgresql.url(database)), infinite)

    said = command.refused(app, "users", "export", "-", "--format", "jsonl", code=69)
    assert "The database holds a value that can't be read" in said
    assert "can't be reached" not in said
    early = "UPDATE users SET created_at = '0001-01-01T00:00:00Z'"
    live_server.ask(driver_url(postgresql.url(database)), early)
    profile = api.get("me/", token=alice.access)
    assert profile.json["created_at"] == "0001-01-01T00:00:00Z"
    assert command.done(app, "users", "export", "-", "--format", "jsonl")


def test_a_value_that_a_driver_can_not_convert_has_its_own_name() -> None:
    error = DataError("SELECT", None, ValueError("year 0 is out of range"))

    assert errors.kind(error).name == "unreadable value"
    assert not errors.is_trouble(error)


def test_words_that_users_have_typed_are_no_trouble() -> None:
    detail = "DETAIL:  Key (email)=(too many clients) already exists."
    error = IntegrityError("INSERT", None, UniqueViolation(detail))

    assert not errors.is_trouble(error)


def test_a_role_without_rights_is_trouble() -> None:
    refused = InsufficientPrivilege("permission denied for table users")
    error = ProgrammingError("SELECT", None, refused)

    assert errors.kind(error).name == "not permitted"
    assert errors.is_trouble(error)
