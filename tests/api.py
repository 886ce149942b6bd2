"""A client for the tests: speaks HTTP, and holds every reply to what is documented."""

import re
from dataclasses import dataclass
from typing import Any, cast

from flask import Flask
from marshmallow import Schema, fields
from werkzeug.test import TestResponse

from careers_users.auth.throttle import RateLimited
from careers_users.http.decorators import Operation, operation_of
from careers_users.validation.fields import Time
from careers_users.validation.limits import BASE_PATH

PASSWORD = "password123"
# The `details` that are for programs rather than for readers.
FACTS = {"account_suspended": {"reason", "until"}}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@dataclass(frozen=True)
class Account:
    """A registered user: what registration answered, and the password."""

    id: int
    username: str
    email: str
    access: str
    refresh: str
    password: str = PASSWORD


class Reply(TestResponse):
    """A reply of the test client; what its JSON says is for the test to know."""

    json: Any


class Api:
    """Calls the API by paths below its base path; `token` goes into the header."""

    def __init__(self, app: Flask) -> None:
        self.app = app

    def get(self, path: str, **options: Any) -> Reply:
        """GET; see `call`."""
        return self.call("GET", path, **options)

    def post(self, path: str, json: Any = None, **options: Any) -> Reply:
        """POST a JSON body; see `call`."""
        return self.call("POST", path, json=json, **options)

    def patch(self, path: str, json: Any = None, **options: Any) -> Reply:
        """PATCH with a JSON body; see `call`."""
        return self.call("PATCH", path, json=json, **options)

    def put(self, path: str, **options: Any) -> Reply:
        """PUT; see `call`."""
        return self.call("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Reply:
        """DELETE; see `call`."""
        return self.call("DELETE", path, **options)

    def call(
        self, method: str, path: str, *, token: str | None = None, **options: Any
    ) -> Reply:
        """Make a call and check that its reply is of the documented form.

        `path` is relative to the base path, or begins with a slash (as `next` does).
        Other options are those of Werkzeug's test client.
        """
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
        client = self.app.test_client()
        response = client.open(url, method=method, headers=headers, **options)
        reply = cast(Reply, response)
        self._check(reply)
        # Work of the service after a reply has been done when we return.
        reply.close()
        return reply

    def register(self, username: str, **fields: Any) -> Account:
        """Register a user and return the account; any field may be given."""
        body = {
            "username": username,
            "email": f"{username}@example.com",
            "password": PASSWORD,
            "password_confirm": fields.get("password", PASSWORD),
            **fields,
        }
        response = self.post("register/", body)
        assert response.status_code == 201, response.text
        reply = response.json
        return Account(
            id=reply["user"]["id"],
            username=username,
            email=body["email"],
            access=reply["access"],
            refresh=reply["refresh"],
            password=body["password"],
        )

    def _check(self, response: Reply) -> None:
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Content-Security-Policy"] == "default-src 'none'"
        assert "Authorization" in response.headers["Vary"]
        assert "Cache-Control" in response.headers
        if response.request.method in ("HEAD", "OPTIONS"):
            return
        assert response.mimetype == "application/json", response.data
        assert response.status_code != 500, response.text
        if response.status_code >= 400:
            check_error(response)
            if response.status_code == RateLimited.status:
                assert RateLimited in self._operation(response).refusals
        else:
            self._check_reply(response)

    def _check_reply(self, response: Reply) -> None:
        operation = self._operation(response)
        if operation.reply is not None:
            assert response.status_code in (operation.status, *operation.also)
            check_shape(operation.reply, response.json)

    def _operation(self, response: Reply) -> Operation:
        """Return the description of the view that has answered."""
        adapter = self.app.url_map.bind("localhost")
        with self.app.app_context():
            endpoint, _ = adapter.match(
                response.request.path, method=response.request.method
            )
        return operation_of(self.app.view_functions[endpoint])


def check_error(response: Reply) -> None:
    """Assert that a refusal has the one documented form, with a body that helps."""
    body = response.json
    assert list(body) == ["error", "code", "details"], body
    assert isinstance(body["error"], str)
    assert body["error"]
    assert re.fullmatch(r"[a-z_]+", body["code"]), body
    if body["code"] in FACTS:
        assert set(body["details"]) == FACTS[body["code"]]
    elif isinstance(body["details"], dict):
        for field, messages in body["details"].items():
            assert isinstance(field, str)
            assert messages
            assert all(isinstance(message, str) for message in messages)
    else:
        assert isinstance(body["details"], str)
        assert body["details"]
    status = response.status_code
    assert (response.headers.get("WWW-Authenticate") == "Bearer") == (status == 401)
    assert ("Allow" in response.headers) == (status == 405)
    assert ("Retry-After" in response.headers) == (status in (429, 503))
    assert response.headers["Cache-Control"] == "no-store"


def check_shape(schema: Schema, value: Any) -> None:
    """Assert that `value` has exactly the fields of `schema`, each of its type."""
    optional = {
        name
        for name, field in schema.fields.items()
        if field.metadata.get("optional") and name not in value
    }
    assert set(value) == set(schema.fields) - optional, value
    for name, field in schema.fields.items():
        if name not in optional:
            _check_value(field, value[name], name)


def _check_value(field: Any, value: Any, name: str) -> None:
    if value is None:
        assert field.allow_none, f"{name} is null"
    elif isinstance(field, fields.Nested):
        check_shape(field.schema, value)
    elif isinstance(field, fields.List):
        assert isinstance(value, list), name
        for item in value:
            _check_value(field.inner, item, name)
    elif isinstance(field, Time):
        assert _TIME.fullmatch(value), (name, value)
    else:
        kinds = {fields.Integer: int, fields.String: str, fields.Boolean: bool}
        kinds[fields.Dict] = dict
        assert type(value) is kinds[type(field)], (name, value)
