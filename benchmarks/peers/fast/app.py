"""The calls."""

from math import ceil
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query
from fastapi.concurrency import run_in_threadpool
from sqlalchemy import func, or_, select
from sqlalchemy.exc import IntegrityError

from fast import schemas
from fast.models import Follow, RefreshToken, User
from fast.security import (
    Database,
    is_right,
    issue_access,
    issue_refresh,
    optional_viewer,
    read,
    viewer,
)

app = FastAPI()
router = APIRouter(prefix="/careers/users")

Viewer = Annotated[User, Depends(viewer)]
OptionalViewer = Annotated[User | None, Depends(optional_viewer)]
BatchSize = Annotated[int, Query(ge=1, le=100)]
BatchNumber = Annotated[int, Query(ge=0)]
KEYS = {
    "username": User.username,
    "created_at": User.created_at,
    "first_name": User.first_name,
    "last_name": User.last_name,
}


async def cards(database, users, asking):
    """Return users as rows of a list; one statement says whom the viewer follows."""
    followed = set()
    if asking is not None:
        statement = select(Follow.following_id).where(
            Follow.follower_id == asking.id,
            Follow.following_id.in_([user.id for user in users]),
        )
        followed = set(await database.scalars(statement))
    found = [schemas.Card.model_validate(user) for user in users]
    for card in found:
        card.is_following = card.id in followed
    return found


async def by_name(database, username):
    """Return the user of that name, or 404."""
    user = await database.scalar(select(User).where(User.username == username))
    if user is None:
        raise HTTPException(404, "No such user")
    return user


async def count(database, *conditions):
    """Return how many edges meet the conditions."""
    return await database.scalar(select(func.count(Follow.id)).where(*conditions))


@router.get("/", response_model=schemas.Directory)
async def directory(
    database: Database,
    asking: OptionalViewer,
    search: str = "",
    ordering: str = "username",
    batch_size: BatchSize = 10,
    batch_number: BatchNumber = 0,
):
    """List and search users."""
    statement = select(User)
    if search:
        columns = (User.username, User.first_name, User.last_name, User.bio)
        statement = statement.where(
            or_(*(column.icontains(search, autoescape=True) for column in columns))
        )
    key = KEYS[ordering.removeprefix("-")]
    order = key.desc() if ordering.startswith("-") else key
    total = await database.scalar(
        select(func.count()).select_from(statement.subquery())
    )
    users = await database.scalars(
        statement.order_by(order).limit(batch_size).offset(batch_number * batch_size)
    )
    found = await cards(database, users.all(), asking)
    return {
        "message": "Users retrieved successfully",
        "users": found,
        "batch_info": {
            "current_batch": batch_number,
            "batch_size": batch_size,
            "total_users": total,
            "total_batches": ceil(total / batch_size),
            "users_in_current_batch": len(found),
        },
    }


@router.post("/login/", response_model=schemas.Tokens)
async def login(database: Database, body: schemas.Credentials):
    """Sign in."""
    user = await database.scalar(select(User).where(User.username == body.username))
    if user is None or not await run_in_threadpool(
        is_right, user.password_hash, body.password
    ):
        raise HTTPException(401, "Wrong username or password")
    refresh, row = issue_refresh(user.id)
    database.add(row)
    await database.commit()
    return {"access": issue_access(user.id), "refresh": refresh}


@router.post("/token/refresh/", response_model=schemas.AccessToken)
async def refresh(database: Database, body: schemas.RefreshToken):
    """Get a new access token, if this one is known and has not been revoked."""
    claims = read(body.refresh, "refresh")
    user = await database.scalar(
        select(User)
        .join(RefreshToken, RefreshToken.user_id == User.id)
        .where(RefreshToken.jti == claims["jti"], RefreshToken.revoked_at.is_(None))
    )
    if user is None:
        raise HTTPException(401, "Bad token")
    return {"access": issue_access(user.id)}


async def _profile(database, user, schema):
    profile = schema.model_validate(user)
    profile.followers_count = await count(database, Follow.following_id == user.id)
    profile.following_count = await count(database, Follow.follower_id == user.id)
    return profile


@router.get("/me/", response_model=schemas.OwnProfile)
async def own_profile(database: Database, asking: Viewer):
    """Get your own profile."""
    return await _profile(database, asking, schemas.OwnProfile)


@router.post("/follow/", response_model=schemas.Edge, status_code=201)
async def follow(database: Database, asking: Viewer, body: schemas.NewFollow):
    """Follow a user."""
    user = await database.get(User, body.following)
    if user is None or user.id == asking.id:
        raise HTTPException(404, "No such user")
    edge = Follow(follower_id=asking.id, following_id=user.id)
    database.add(edge)
    try:
        await database.commit()
    except IntegrityError:
        raise HTTPException(409, "You already follow this user") from None
    await database.refresh(edge)
    return {
        "id": edge.id,
        "follower": asking.id,
        "following": user.id,
        "follower_username": asking.username,
        "following_username": user.username,
        "created_at": edge.created_at,
    }


@router.get("/{username}/", response_model=schemas.Profile)
async def profile(database: Database, username: str):
    """Get a user's public profile."""
    user = await by_name(database, username)
    return await _profile(database, user, schemas.Profile)


@router.get("/{username}/followers/", response_model=schemas.Followers)
async def followers(
    database: Database,
    asking: OptionalViewer,
    username: str,
    batch_size: BatchSize = 100,
    batch_number: BatchNumber = 0,
):
    """List a user's followers, newest first."""
    user = await by_name(database, username)
    users = await database.scalars(
        select(User)
        .join(Follow, Follow.follower_id == User.id)
        .where(Follow.following_id == user.id)
        .order_by(Follow.created_at.desc())
        .limit(batch_size)
        .offset(batch_number * batch_size)
    )
    return {
        "count": await count(database, Follow.following_id == user.id),
        "results": await cards(database, users.all(), asking),
    }


app.include_router(router)
