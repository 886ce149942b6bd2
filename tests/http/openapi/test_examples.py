"""Each example of the document is what the service answers to the call's example."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from careers_users import create_app
from careers_users.extensions import db
from careers_users.http.openapi.document import document as document_of
from careers_users.models import UserCounters
from config import TestConfig
from tests.api import Api, Reply
from tests.auth.stored import set_clock
from tests.conftest import KEY
from tests.keys.key_rings import keys_command
from tests.mailbox import EVERYTHING, Mailbox

MORNING = datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
LATER = MORNING.replace(minute=45)
CREDENTIAL = "a-sister-service-s-credential-for-tests"
AVATAR = "https://example.com/avatar.jpg"
# Random values: replaced by the example's own.
_RANDOM = {"access", "refresh", "x", "kid"}
_UUID = re.compile(r"[0-9a-f]{32}")
DOCUMENT = document_of(
    create_app(
        TestConfig(
            database_url="sqlite:////nowhere/none.db", jwt_secret_key=KEY, **EVERYTHING
        )
    )
)
CALLS = {
    operation["operationId"]: (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
# The state that a call's example takes for granted, beyond "alice has registered".
STATES: dict[str, str] = {
    "getProfile": "numbers",
    "getOwnProfile": "numbers",
    "getOwnStats": "numbers",
    "getStats": "numbers",
    "listUsers": "avatar",
    "logoutAll": "two sessions",
    "follow": "bob",
    "unfollow": "alice follows bob",
    "ensureFollowing": "bob",
    "ensureNotFollowing": "alice follows bob",
    "removeFollower": "bob follows alice",
    "getRelationships": "alice follows bob",
    "listOwnFollowing": "alice follows bob",
    "listOwnFollowers": "alice follows bob",
    "listFollowers": "alice follows bob",
    "listFollowing": "bob follows alice",
    "block": "bob",
    "mute": "bob",
    "unblock": "alice blocks bob",
    "unmute": "alice mutes bob",
    "listBlocks": "bob blocks alice",
    "listMutes": "bob mutes alice",
}
# The calls with the token of a link, and the purpose of its mail.
BY_LINK = {
    "verifyEmail": "verify",
    "confirmPasswordReset": "reset",
    "confirmEmailChange": "change-new",
}
# Calls that bob makes, and those whose path names him; the others are alice's.
BY_BOB = {"listOwnFollowers", "listBlocks", "listMutes"}
OF_BOB = {
    *("unfollow", "ensureFollowing", "ensureNotFollowing", "removeFollower"),
    *("listFollowers", "listFollowing", "block", "unblock", "mute", "unmute"),
}
UPDATES = {"updateProfile", "patchMe"}


class World:
    """alice as the document's example registers her, and what else is asked for."""

    def __init__(self, app: Flask) -> None:
        self.api = Api(app)
        self.tokens: dict[str, dict[str, Any]] = {}

    def register(self, **changes: str) -> None:
        """Register alice, or a user like her."""
        body = example_body("register") | changes
        reply = self.api.post("register/", body, headers=CURL)
        assert reply.status_code == 201, reply.text
        self.tokens[body["username"]] = reply.json

    def bring_about(self, state: str) -> None:
        """Add what the example of a call takes for granted."""
        if state in ("avatar", "numbers") or state.count(" ") == 2:
            self.api.patch("me/", {"avatar": AVATAR}, token=self.token("alice"))
        if state == "numbers":
            numbers = CALLS["getOwnStats"][2]["responses"]["200"]["content"]
            with self.api.app.app_context(), db.session.begin():
                example = numbers["application/json"]["example"]
                db.session.execute(update(UserCounters).values(**example))
        if state == "two sessions":
            self.api.post("login/", example_body("login"))
        if "bob" in state:
            self.register(username="bob", email="bob@example.com")
        if " follows " in state:
            follower, _, followed = state.partition(" follows ")
            token = self.token(follower)
            self.api.post("follow/", {"username": followed}, token=token)
        for act in ("block", "mute"):
            who, _, whom = state.partition(f" {act}s ")
            if whom:
                self.api.put(f"{whom}/{act}/", token=self.token(who))

    def token(self, name: str) -> str:
        """Return an access token."""
        access: str = self.tokens[name]["access"]
        return access

    def call(self, name: str, body: Any) -> Reply:
        """Make a call as its example shows it."""
        method, path, operation = CALLS[name]
        for parameter in operation.get("parameters", []):
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", self.segment(name))
        content = operation.get("requestBody", {}).get("content", {})
        options: dict[str, Any] = {"headers": dict(CURL)}
        if content:
            options |= {"json": body, "content_type": next(iter(content))}
        if operation["security"] and {} not in operation["security"]:
            who = "bob" if name in BY_BOB else "alice"
            is_service = operation["security"] == [{"service": []}]
            options["token"] = CREDENTIAL if is_service else self.token(who)
        if name == "getRelationships":
            options["query_string"] = {"ids": ids_example(operation)}
        return self.api.call(method, path, **options)

    def segment(self, name: str) -> str:
        """Return what stands in the variable part of a call's path."""
        if name == "endSession":
            sessions = self.api.get("me/sessions/", token=self.token("alice")).json
            session: str = sessions["results"][0]["id"]
            return session
        return "bob" if name in OF_BOB else "alice"


CURL = {"User-Agent": "curl/8.5.0"}


def ids_example(operation: dict[str, Any]) -> str:
    """Return the example of the parameter `ids`, in its written form."""
    (parameter,) = operation["parameters"]
    return ",".join(map(str, parameter["schema"]["example"]))


def example_body(name: str) -> Any:
    """Return the example of a call's body."""
    content = CALLS[name][2].get("requestBody", {}).get("content", {})
    for media in content.values():
        return media["example"]
    return None


def with_tokens(body: Any, tokens: dict[str, str], link: str) -> Any:
    """Return a body with a real token where the example has a word for one."""
    if isinstance(body, dict) and body.get("token") == "LINK_TOKEN":
        return body | {"token": link}
    if isinstance(body, dict) and body.get("refresh") == "REFRESH_TOKEN":
        return body | {"refresh": tokens["refresh"]}
    return body


def link_token(world: World, name: str, box: Mailbox) -> str:
    """Return the token of the link that a call needs, once that has come by mail."""
    if name not in BY_LINK:
        return ""
    api, token = world.api, world.token("alice")
    if BY_LINK[name] == "reset":
        api.post("password/reset/", example_body("resetPassword"))
    if BY_LINK[name] == "change-new":
        api.patch("me/", {"email": "alice@example.org"}, token=token)
    (mail,) = [mail for mail in box.fetch() if mail.purpose == BY_LINK[name]]
    return mail.token


def alike(example: Any, reply: Any) -> Any:
    """Return the reply with what is random in it as the example has it."""
    if isinstance(example, dict) and isinstance(reply, dict):
        return {
            name: example[name]
            if name in _RANDOM and isinstance(value, type(example.get(name)))
            else alike(example.get(name), value)
            for name, value in reply.items()
        }
    if isinstance(example, list) and isinstance(reply, list):
        padded = [*example, *[None] * len(reply)]
        return [alike(one, other) for one, other in zip(padded, reply, strict=False)]
    is_uuid = isinstance(reply, str) and _UUID.fullmatch(reply)
    return example if is_uuid and _UUID.fullmatch(str(example)) else reply


@pytest.fixture(name="settings")
def settings_with_a_service(
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> TestConfig:
    """Return the settings of a service with a key ring, and with a sister service."""
    set_clock(monkeypatch, MORNING)
    ring = tmp_path / "ring.json"
    keys_command(ring, "generate")
    config = TestConfig(database_url=database_url, jwt_secret_key=KEY)
    values: dict[str, Any] = {"data_dir": tmp_path, **EVERYTHING}
    if "confirmEmailChange" not in request.node.name:  # As it is by default.
        values["email_change"] = "direct"
    return replace(config, events_tokens=(CREDENTIAL,), jwt_key_ring=ring, **values)


@pytest.fixture
def world(app: Flask) -> World:
    """Return the world on the morning of the examples, at which the clock stands."""
    return World(app)


@pytest.mark.parametrize("name", CALLS)
def test_the_reply_is_the_example(
    world: World, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = ""
    if name != "register":
        world.register()
        world.bring_about(STATES.get(name, ""))
        link = link_token(world, name, Mailbox(world.api.app, tmp_path / "mail"))
    if name in UPDATES:
        set_clock(monkeypatch, LATER)
    if name == "getReadiness":  # It compares the clock with the database's.
        Mailbox(world.api.app, tmp_path / "mail").fetch()  # None may be late then.
        set_clock(monkeypatch, datetime.now(UTC))
    body = with_tokens(example_body(name), world.tokens.get("alice", {}), link)

    reply = world.call(name, body)

    assert reply.status_code < 300, reply.text
    documented = CALLS[name][2]["responses"][str(reply.status_code)]
    example = documented["content"]["application/json"]["example"]
    assert alike(example, reply.json) == example
