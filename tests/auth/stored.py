"""Helpers beyond HTTP: tokens that are never issued, changed rows, a moved clock."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any

import jwt
import pytest
from flask import Flask
from sqlalchemy import Executable, RowMapping, Select, select, update

from careers_users.extensions import db
from careers_users.models import RefreshToken, RevokedToken, User

# A whole second, since the times in tokens are such.
NOON = datetime(2031, 5, 17, 12, 0, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def set_clock(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Make it be `moment`, and stay so."""
    monkeypatch.setattr("careers_users.clock.utcnow", lambda: moment)


def claims_of(token: str) -> dict[str, Any]:
    """Return what a token says, unverified."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def forge(
    app: Flask, token: str, *, drop: str = "", header: Any = None, **claims: Any
) -> str:
    """Return `token` with other claims or header, signed with the service's own key.

    `drop` names a claim to leave out. `header` may also be the bytes to sign.
    """
    payload = {**claims_of(token), **claims}
    payload.pop(drop, None)
    if not isinstance(header, bytes):
        header = json.dumps({"alg": "HS256", "typ": "JWT", **(header or {})}).encode()
    return sign(app.config["JWT_SECRET_KEY"], header, json.dumps(payload).encode())


def sign(key: str, header: bytes, payload: bytes) -> str:
    """Return a token of these parts, whatever they are, with an HS256 signature."""
    content = f"{_base64url(header)}.{_base64url(payload)}"
    digest = hmac.digest(key.encode(), content.encode(), hashlib.sha256)
    return f"{content}.{_base64url(digest)}"


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def change(app: Flask, statement: Executable) -> None:
    """Execute a statement that changes rows behind the service's back."""
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(statement)


def change_user(app: Flask, username: str, **values: Any) -> None:
    """Set columns of a user's row."""
    change(app, update(User).where(User.username == username).values(**values))


def rows(app: Flask, statement: Select[*tuple[Any, ...]]) -> Sequence[RowMapping]:
    """Return the rows of a question."""
    with app.app_context(), db.engine.connect() as connection:
        return connection.execute(statement).mappings().all()


def sessions(app: Flask) -> dict[str, RowMapping]:
    """Return all session rows by their id."""
    columns = RefreshToken.__table__.c
    return {row["id"]: row for row in rows(app, select(*columns))}


def revoked(app: Flask) -> dict[str, RowMapping]:
    """Return all rows of revoked ids, by id."""
    columns = RevokedToken.__table__.c
    return {row["id"]: row for row in rows(app, select(*columns))}


def password_hash(app: Flask, username: str) -> str:
    """Return the stored hash of a user's password."""
    statement = select(User.password_hash).where(User.username == username)
    stored: str = rows(app, statement)[0]["password_hash"]
    return stored


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at the same time; return their results in order."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        barrier.wait(timeout=30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
