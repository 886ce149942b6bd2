"""The service does what its OpenAPI document says; Schemathesis looks for where not.

Every call, on every database, with bodies and queries that follow the document and with
others that do not: no reply may be a 5xx, of a status or form that is not documented,
refuse what is documented as good or take what is documented as bad.
"""

import itertools
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from careers_users import create_app
from careers_users.validation.cursor import Cursor, encode
from careers_users.validation.usernames import reserved_names
from config import TestConfig
from tests.api import PASSWORD, Account, Api
from tests.conftest import KEY

Case = schemathesis.Case[Any]
# Stands for the viewer's token in requests made up before there is a viewer.
PLACEHOLDER = "TOKEN"
# Calls after which the viewer's session is over.
ENDING = ("/logout/", "/logout/all/", "/me/password/")
SERVICE = "a-sister-service-s-credential-for-tests"
_calls = itertools.count(1)
NOBODY = TestConfig(database_url="sqlite:////nowhere/none.db", jwt_secret_key=KEY)


class CurrentApp:
    """Stands for the application of the test that runs: the document comes before."""

    viewer: Account

    def __init__(self) -> None:
        self.app = create_app(NOBODY)

    def __call__(
        self, environ: WSGIEnvironment, start: StartResponse
    ) -> Iterable[bytes]:
        """Pass the request on, with a real token where it holds the placeholder."""
        if environ.get("HTTP_AUTHORIZATION") == f"Bearer {PLACEHOLDER}":
            is_service = environ["PATH_INFO"].endswith("/events/")
            token = SERVICE if is_service else self.viewer.access
            environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        return self.app.wsgi_app(environ, start)

    def sign_in_again(self) -> None:
        """Open another session of the viewer, whose last may be over."""
        password = self.viewer.password
        credentials = {"username": self.viewer.username, "password": password}
        reply = Api(self.app).post("login/", credentials).json
        access, refresh = reply["access"], reply["refresh"]
        self.viewer = replace(self.viewer, access=access, refresh=refresh)


def configuration() -> SchemathesisConfig:
    """Return the settings of Schemathesis: the same examples in each run."""
    config = SchemathesisConfig(seed=1)
    # NUL has its tests in tests/http/test_gate.py; the document can only name it.
    config.projects.default.generation.allow_x00 = False
    return config


current = CurrentApp()
schema = schemathesis.openapi.from_wsgi(
    "/openapi.json", current, config=configuration()
)
# JSON Schema's "email" takes domains that don't exist, such as those of RFC 2606.
schemathesis.openapi.format(
    "email", st.from_regex(r"[a-z0-9]{1,20}@[a-z0-9]{1,20}\.(com|org)", fullmatch=True)
)


@schema.auth(refresh_interval=None)
class Bearer:
    """Signs every request in, but for those that shall lack a good token."""

    def get(self, _case: Case, _: schemathesis.AuthContext) -> str:
        """Return what stands for a token, since none is known yet."""
        return PLACEHOLDER

    def set(self, case: Case, token: str, _: schemathesis.AuthContext) -> None:
        """Put it into the header."""
        case.headers["Authorization"] = f"Bearer {token}"


@pytest.fixture(name="settings")
def settings_with_a_service(database_url: str) -> TestConfig:
    """Return the settings of an application to which a sister service may talk."""
    return TestConfig(
        database_url=database_url, jwt_secret_key=KEY, events_tokens=(SERVICE,)
    )


@pytest.fixture
def viewer(app: Flask) -> None:
    """Return the account that calls, in an application with some users to be found."""
    api = Api(app)
    names = ("alice", "bob", "carol")
    alice, _, viewer = [api.register(name) for name in names]
    api.post("follow/", {"following": alice.id}, token=viewer.access)
    api.post("follow/", {"following": viewer.id}, token=alice.access)
    current.app, current.viewer = app, viewer


def other_than(password: str) -> str:
    """Return one of two passwords, the other one."""
    return "another password" if password == PASSWORD else PASSWORD


def keep_numbers_whole(body: dict[str, Any]) -> None:
    """Write whole numbers without a decimal point: 1.0 is one to JSON Schema alone."""
    for name in {"following", "duration"} & body.keys():
        body[name] = int(body[name])


def keep_unspoken_rules(case: Case, viewer: Account) -> None:
    """Bring a good example into line with what JSON Schema has no words for."""
    body: Any = case.body
    if isinstance(body, dict):
        for name in ("first_name", "last_name", "bio"):
            if name in body:
                body[name] = "".join(filter(str.isprintable, body[name]))
        if body.get("username", "").lower() in reserved_names(current.app):
            body["username"] += "0"
        if "password_confirm" in body:
            body["password_confirm"] = body["password"]
        if "old_password" in body:
            body["old_password"] = viewer.password
            body["password"] = body["password_confirm"] = other_than(viewer.password)
        keep_numbers_whole(body)
        if "following" in body:
            body["following"] += body["following"] == viewer.id
        # Refreshing takes any string, and is a 401; logging out must be given a token.
        if "refresh" in body and (case.path.endswith("/logout/") or next(_calls) % 2):
            body["refresh"] = viewer.refresh
    if "cursor" in case.query:
        letter = {"blocks": "b", "mutes": "m"}.get(case.path.split("/")[-2], "")
        of = letter and f"{letter}{viewer.id}"
        case.query["cursor"] = encode(Cursor("older", 1, of))
        case.query.pop("batch_number", None)


@schema.parametrize()
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@pytest.mark.usefixtures("viewer")
def test_the_service_keeps_to_its_document(case: Case) -> None:
    assert case.meta is not None
    is_positive = case.meta.generation.mode.is_positive
    if is_positive:
        keep_unspoken_rules(case, current.viewer)
    elif case.path.endswith("/events/"):
        # Each event stands alone: the reply says 200, and what is wrong with which.
        assert case.call().status_code < 500
        return
    response = case.call_and_validate()
    if case.path.endswith(ENDING):
        is_changed = is_positive and response.status_code == 200
        if is_changed and case.path.endswith("/password/"):
            password = other_than(current.viewer.password)
            current.viewer = replace(current.viewer, password=password)
        current.sign_in_again()
