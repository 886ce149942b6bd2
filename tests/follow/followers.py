"""Many users who follow one, made faster than by registering them."""

from flask import Flask
from sqlalchemy import insert, update

from careers_users import clock
from careers_users.extensions import db
from careers_users.models import Follow, User, UserCounters
from careers_users.validation.words import searchable

MANY = 50  # steps, more than any walk here has


def add_followers(app: Flask, user_id: int, number: int) -> None:
    """Add `number` new users who follow the user, who had no followers till now."""
    now = clock.utcnow()
    names = [f"follower_{n:04}" for n in range(number)]
    users = [
        {
            "username": name,
            "username_key": name,
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "password_hash": "!",
            **searchable(name, "", "", ""),
            "created_at": now,
            "updated_at": now,
        }
        for name in names
    ]
    with app.app_context(), db.session.begin():
        ids = list(db.session.scalars(insert(User).returning(User.id), users))
        edges = [
            {"follower_id": id_, "following_id": user_id, "created_at": now}
            for id_ in ids
        ]
        db.session.execute(insert(Follow), edges)
        counters = [{"user_id": id_, "following_count": 1} for id_ in ids]
        db.session.execute(insert(UserCounters), counters)
        db.session.execute(
            update(UserCounters)
            .where(UserCounters.user_id == user_id)
            .values(followers_count=number)
        )
