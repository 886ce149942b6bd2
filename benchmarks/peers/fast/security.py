"""Passwords and tokens, as FastAPI's documentation has them."""

import os
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from fast.models import Session, User

KEY = os.environ["PEER_KEY"]
hasher = PasswordHasher()
bearer = HTTPBearer(auto_error=False)


async def session():
    """Give a request its session."""
    async with Session() as opened:
        yield opened


Database = Annotated[AsyncSession, Depends(session)]
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def issue(user_id: int, kind: str, lifetime: timedelta) -> str:
    """Return a token of a kind."""
    claims = {"sub": str(user_id), "type": kind, "exp": datetime.now(UTC) + lifetime}
    return jwt.encode(claims, KEY, algorithm="HS256")


def issue_access(user_id: int) -> str:
    """Return an access token."""
    return issue(user_id, "access", timedelta(minutes=60))


def read(token: str, kind: str) -> int:
    """Return whose token it is; 401 if it is not good."""
    try:
        claims = jwt.decode(token, KEY, algorithms=["HS256"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Bad token") from None
    if claims["type"] != kind:
        raise HTTPException(401, "Bad token")
    return int(claims["sub"])


def is_right(password_hash: str, password: str) -> bool:
    """Tell whether the password is right."""
    try:
        return hasher.verify(password_hash, password)
    except VerificationError:
        return False


async def optional_viewer(database: Database, credentials: Bearer) -> User | None:
    """Return who asks, if a token says so."""
    if credentials is None:
        return None
    user = await database.get(User, read(credentials.credentials, "access"))
    if user is None:
        raise HTTPException(401, "No such user")
    return user


async def viewer(found: Annotated[User | None, Depends(optional_viewer)]) -> User:
    """Return who asks; 401 if nobody does."""
    if found is None:
        raise HTTPException(401, "Not authenticated")
    return found
