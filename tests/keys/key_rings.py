"""Applications with a ring of signing keys, for the tests of those keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from careers_users import create_app, keys
from careers_users.extensions import db
from careers_users.keys import key_file
from config import TestConfig
from tests.api import Api

OTHER_SECRET = "a key of somebody else, of the same length"
JWKS = "/.well-known/jwks.json"
MINUTE, WEEK = timedelta(minutes=1), timedelta(days=7)
each_algorithm = pytest.mark.parametrize("algorithm", keys.ALGORITHMS)


def keys_command(path: Path, *words: str) -> str:
    """Run `flask keys ...`; return what it says."""
    settings = TestConfig(database_url="sqlite:///nowhere.db", jwt_secret_key="")
    app = create_app(replace(settings, jwt_key_ring=path))
    result = app.test_cli_runner().invoke(args=["keys", *words])
    assert result.exit_code == 0, result.output
    return result.output


@contextmanager
def ringed(settings: TestConfig, path: Path, **altered: Any) -> Iterator[Api]:
    """Yield a client of an application that reads the ring `path` at each request."""
    app = create_app(replace(settings, jwt_key_ring=path, **altered))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_file, "CHECK_SECONDS", 0)
        yield Api(app)
    with app.app_context():
        db.engine.dispose()


def header_of(token: str) -> dict[str, Any]:
    """Return a token's header."""
    header: dict[str, Any] = jwt.get_unverified_header(token)
    return header


def works(api: Api, token: str) -> bool:
    """Return whether an access token is taken."""
    status = api.get("me/", token=token).status_code
    assert status in (200, 401)
    return status == 200


def log_in(api: Api) -> tuple[str, str]:
    """Log alice in; return her tokens."""
    body = {"username": "alice", "password": "password123"}
    reply = api.post("login/", body).json
    return reply["access"], reply["refresh"]
