"""Passwords and tokens, as FastAPI's documentation has them."""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from fast.models import RefreshToken, Session, User

KEY = os.environ["PEER_KEY"]
hasher = PasswordHasher()
bearer = HTTPBearer(auto_error=False)


async def session():
    """Give a request its session."""
    async with Session() as opened:
        yield opened


Database = Annotated[AsyncSession, Depends(session)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def issue(user_id: int, kind: str, expires_at: datetime, **more: Any) -> str:
    """Return a token of a kind, with more claims."""
    claims = {"sub": str(user_id), "type": kind, "exp": expires_at, **more}
    return jwt.encode(claims, KEY, algorithm="HS256")


def issue_access(user_id: int) -> str:
    """Return an access token."""
    return issue(user_id, "access", datetime.now(UTC) + timedelta(minutes=60))


def issue_refresh(user_id: int) -> tuple[str, RefreshToken]:
    """Return a refresh token, and its row for the database."""
    expires_at = datetime.now(UTC) + timedelta(days=7)
    row = RefreshToken(jti=uuid4().hex, user_id=user_id, expires_at=expires_at)
    return issue(user_id, "refresh", expires_at, jti=row.jti), row


def read(token: str, kind: str) -> dict[str, Any]:
    """Return what a token claims; 401 if it is not good."""
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Bad token") from None
    if claims["type"] != kind:
        raise HTTPException(401, "Bad token")
    return claims


def is_right(password_hash: str, password: str) -> bool:
    """Return whether the password is right."""
    try:
        return hasher.verify(password_hash, password)
    except VerificationError:
        return False


async def optional_viewer(database: Database, credentials: Bearer) -> User | None:
    """Return who asks, if a token says so."""
    if credentials is None:
        return None
    claims = read(credentials.credentials, "access")
    user = await database.get(User, int(claims["sub"]))
    if user is None:
        raise HTTPException(401, "No such user")
    return user


async def viewer(found: Annotated[User | None, Depends(optional_viewer)]) -> User:
    """Return the user of the token; 401 without a good one."""
    if found is None:
        raise HTTPException(401, "Not authenticated")
    return found
