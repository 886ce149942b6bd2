"""Suspending and restoring users in the tests' own process."""

from typing import Any

from flask import Flask

from careers_users.account import suspension
from tests.api import PASSWORD, Account, Api, Reply
from tests.live_server import ask

Pair = tuple[int, int]


def suspend(app: Flask, user: Account, reason: str = "spam", **more: Any) -> int:
    """Suspend a user who is there; return how many sessions that ended."""
    with app.app_context():
        ended = suspension.suspend(user.id, reason, **more)
    assert ended is not None
    return ended


def restore(app: Flask, user: Account, **more: Any) -> bool:
    """Restore a user; return whether there was a suspension."""
    with app.app_context():
        return suspension.restore(user.id, **more)


def log_in(api: Api, user: Account, password: str = PASSWORD) -> Reply:
    """Log in."""
    return api.post("login/", {"username": user.username, "password": password})


def follow(api: Api, one: Account, other: Account) -> None:
    """Make one user follow another."""
    reply = api.post("follow/", {"following": other.id}, token=one.access)
    assert reply.status_code == 201


def edges(url: str) -> list[Pair]:
    """Return all edges that count, in the order of their numbers."""
    return ask(url, "SELECT follower_id, following_id FROM follows ORDER BY id")


def parked(url: str) -> list[Pair]:
    """Return all edges that are parked, in the order of their numbers."""
    return ask(url, "SELECT follower_id, following_id FROM parked_follows ORDER BY id")
