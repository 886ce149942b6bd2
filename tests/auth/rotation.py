"""Rotating refresh tokens, for the tests of it."""

from typing import Any

from flask import Flask
from sqlalchemy import text

from careers_users.extensions import db
from tests.api import Account, Api, Reply
from tests.auth.stored import sessions

KEY = "a signing key for tests, and for nothing else"


def rotate(api: Api, token: str) -> Any:
    """Rotate; return the reply's tokens."""
    response = api.post("token/refresh/", {"refresh": token, "rotate": True})
    assert response.status_code == 200, response.text
    assert set(response.json) == {"access", "refresh"}
    return response.json


def try_rotate(api: Api, token: str) -> Reply:
    """Rotate, or be refused."""
    return api.post("token/refresh/", {"refresh": token, "rotate": True})


def use(api: Api, access: str) -> None:
    """Make a call with an access token, as a client does that has got it."""
    assert api.get("me/", token=access).status_code == 200


def pair_of(account: Account) -> dict[str, str]:
    """Return the tokens of a registration."""
    return {"access": account.access, "refresh": account.refresh}


def events(app: Flask) -> list[str]:
    """Return the security events of all users, the oldest first."""
    with app.app_context(), db.engine.connect() as connection:
        statement = text("SELECT event FROM security_events ORDER BY id")
        return list(connection.execute(statement).scalars())


def assert_over(api: Api, app: Flask, *tokens: Any) -> None:
    """Hold: the only session is over, with all these tokens, because of a reuse."""
    for pair in tokens:
        assert api.get("me/", token=pair["access"]).json["code"] == "token_revoked"
        refused = try_rotate(api, pair["refresh"])
        assert (refused.status_code, refused.json["code"]) == (401, "token_invalid")
    (row,) = sessions(app).values()
    assert row["revoked_reason"] == "refresh_reused"
    assert events(app).count("refresh_reused") == 1
