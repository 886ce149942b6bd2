"""DELETE me/: the account goes, the numbers of others stay exact, the name is kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import inspect, select, text

from careers_users.auth import tokens
from careers_users.auth.device import Device
from careers_users.auth.password_hashing import Passwords
from careers_users.auth.sessions import end_all, log_out
from careers_users.extensions import db
from careers_users.http.errors import TokenRevoked
from careers_users.models import SecurityEvent
from tests import live_server
from tests.api import PASSWORD, Account, Api, Reply
from tests.auth.stored import NOON, SECOND, at_once, change, rows, set_clock
from tests.jobs.run import run_jobs

WRONG = {"username": "alice", "password": "a wrong guess"}


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return a user with edges both ways and two sessions."""
    set_clock(monkeypatch, NOON)
    alice, bob, carol = (api.register(name) for name in ("Alice", "bob", "carol"))
    for follower, other in ((alice, bob), (bob, alice), (carol, alice), (bob, carol)):
        api.post("follow/", {"following": other.id}, token=follower.access)
    api.post("login/", {"username": "alice", "password": PASSWORD})
    return alice


def delete(api: Api, account: Account, password: str = PASSWORD) -> Reply:
    """Delete the account."""
    return api.delete("me/", json={"password": password}, token=account.access)


def numbers(api: Api, username: str) -> tuple[int, int]:
    """Return how many follow the user, and whom the user follows."""
    stats = api.get(f"{username}/stats/").json
    return stats["followers_count"], stats["following_count"]


def test_nothing_is_left_and_the_numbers_of_others_are_exact(
    api: Api, app: Flask, alice: Account
) -> None:
    assert (numbers(api, "bob"), numbers(api, "carol")) == ((1, 2), (1, 1))

    reply = delete(api, alice)

    assert (reply.status_code, reply.json) == (200, {"message": "Account deleted"})
    assert (numbers(api, "bob"), numbers(api, "carol")) == ((0, 1), (1, 0))
    assert live_server.wrong_counters(app.config["SQLALCHEMY_DATABASE_URI"]) == []
    assert api.get("alice/").json["code"] == "user_not_found"
    assert api.get("").json["batch_info"]["total_users"] == 2
    assert [user["username"] for user in api.get("?search=alice").json["users"]] == []
    assert api.get("bob/followers/").json["results"] == []
    assert api.get("me/", token=alice.access).json["code"] == "token_revoked"
    body = {"refresh": alice.refresh}
    assert api.post("token/refresh/", body).json["code"] == "token_invalid"
    login = {"username": "alice", "password": PASSWORD}
    assert api.post("login/", login).json["code"] == "invalid_credentials"
    assert delete(api, alice).json["code"] == "token_revoked"


def test_no_table_holds_anything_of_the_person_but_the_reserved_name(
    api: Api, app: Flask, alice: Account
) -> None:
    agent = {"HTTP_USER_AGENT": "Remarkable/9", "REMOTE_ADDR": "192.0.2.99"}
    login = {"username": "alice", "password": PASSWORD}
    api.post("login/", login, environ_overrides=agent)
    delete(api, alice)

    with app.app_context(), db.engine.connect() as connection:
        tables = {
            name: repr(connection.execute(text(f'SELECT * FROM "{name}"')).all())
            for name in inspect(connection).get_table_names()
            if not name.startswith("users_search")
        }
        events = connection.execute(
            text(
                "SELECT event, address, user_agent FROM security_events WHERE user_id=1"
            )
        ).all()
    assert "alice" in tables.pop("reserved_usernames")
    for name, content in tables.items():
        assert "alice" not in content.lower(), name
        assert "Remarkable/9" not in content, name
        assert "192.0.2.99" not in content, name
    assert [tuple(event) for event in events] == [("account_deleted", "", "")]


def test_a_wrong_password_is_403_and_changes_nothing(api: Api, alice: Account) -> None:
    for _ in range(3):
        reply = delete(api, alice, "password124")
        assert (reply.status_code, reply.json["code"]) == (403, "wrong_password")
        assert reply.json["details"] == {"password": ["Wrong."]}
    assert numbers(api, "bob") == (1, 2)
    events = api.get("me/activity/", token=alice.access).json["results"]
    assert [event["event"] for event in events].count("confirmation_failed") == 1
    for body in ({}, {"password": ""}, {"password": 1}, {"password": "x", "y": 1}):
        reply = api.delete("me/", json=body, token=alice.access)
        assert reply.json["code"] == "validation_failed", body
    assert api.delete("me/", token=alice.access).status_code == 415
    reply = api.delete("me/", json={"password": PASSWORD})
    assert reply.json["code"] == "not_authenticated"
    assert api.get("me/", token=alice.access).status_code == 200


def test_the_name_is_reserved_for_a_time_and_the_address_is_not(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(api, alice)
    body = {
        "username": "aLICE",
        "email": "alice@example.com",
        "password": PASSWORD,
        "password_confirm": PASSWORD,
    }
    for moment in (NOON, NOON + timedelta(days=30) - SECOND):
        set_clock(monkeypatch, moment)
        reply = api.post("register/", body)
        assert (reply.status_code, reply.json["code"]) == (409, "username_taken")
        assert reply.json["details"] == {"username": ["Already taken."]}
    assert live_server.wrong_counters(app.config["SQLALCHEMY_DATABASE_URI"]) == []
    # Another user with the same address.
    api.register("dora", email="Alice@example.com")

    set_clock(monkeypatch, NOON + timedelta(days=30))
    again = api.register("aLICE", email="again@example.com")
    assert again.id > alice.id
    # And once more, while the old reservation has not been pruned.
    assert delete(api, again).status_code == 200
    assert api.post("register/", {**body, "email": "x@example.com"}).status_code == 409


def test_the_reservation_may_be_turned_off(
    api: Api, app: Flask, alice: Account
) -> None:
    app.config["USERNAME_RESERVED_DAYS"] = 0
    delete(api, alice)
    assert api.register("alice").id > alice.id


def test_reservations_are_pruned(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reserved() -> int:
        with app.app_context(), db.engine.connect() as connection:
            statement = text("SELECT count(*) FROM reserved_usernames")
            return int(connection.execute(statement).scalar_one())

    delete(api, alice)
    for days, left in ((29, 1), (31, 0)):
        set_clock(monkeypatch, NOON + timedelta(days=days))
        run_jobs(app)
        assert reserved() == left


def test_one_of_two_deletions_at_once_succeeds(
    api: Api, app: Flask, alice: Account
) -> None:
    replies = at_once(*[lambda: delete(api, alice)] * 3)
    codes = sorted(reply.json.get("code", "done") for reply in replies)
    assert codes.count("done") == 1
    assert set(codes) <= {"done", "token_revoked", "wrong_password"}
    assert live_server.wrong_counters(app.config["SQLALCHEMY_DATABASE_URI"]) == []


def events(app: Flask, user_id: int) -> list[str]:
    """Return the names of the events in the trail of a user."""
    statement = select(SecurityEvent.event).where(SecurityEvent.user_id == user_id)
    return [row["event"] for row in rows(app, statement)]


def test_a_failed_login_is_not_written_when_the_account_has_gone(
    api: Api, app: Flask, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify = Passwords.verify

    def slowly(self: Passwords, stored: str | None, password: str) -> bool:
        monkeypatch.setattr(Passwords, "verify", verify)
        assert delete(api, alice).status_code == 200  # In between.
        return verify(self, stored, password)

    monkeypatch.setattr(Passwords, "verify", slowly)
    assert api.post("login/", WRONG).status_code == 401
    assert events(app, alice.id) == ["account_deleted"]


def test_a_failed_login_waits_for_a_deletion_under_way(
    api: Api, app: Flask, alice: Account
) -> None:
    with app.app_context(), ThreadPoolExecutor() as pool, db.engine.begin() as ending:
        is_postgresql = ending.dialect.name == "postgresql"
        for table, column in (("security_events", "user_id"), ("users", "id")):
            ending.execute(text(f"DELETE FROM {table} WHERE {column} = {alice.id}"))
        login = pool.submit(api.post, "login/", WRONG)
        if is_postgresql:
            live_server.until(lambda: login.done() or is_somebody_waiting(app))
        ending.commit()
        assert login.result(live_server.PATIENCE).status_code == 401
    assert events(app, alice.id) == []


def is_somebody_waiting(app: Flask) -> bool:
    """Return whether a connection waits for a lock in the database, on PostgreSQL."""
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    return bool(live_server.ask(app.config["SQLALCHEMY_DATABASE_URI"], waiting))


def test_a_logout_is_not_written_when_the_account_has_gone(
    api: Api, app: Flask, alice: Account
) -> None:
    with app.app_context():
        viewer = tokens.read(alice.access)
    delete(api, alice)
    # Its token was good a moment ago.
    device = Device("192.0.2.99", "Remarkable/9")
    with app.app_context():
        with pytest.raises(TokenRevoked):
            end_all(viewer, device, keep_current=False)
        with pytest.raises(TokenRevoked):
            log_out(viewer, alice.refresh, device)
    assert events(app, alice.id) == ["account_deleted"]


def test_an_account_with_fifty_thousand_followers_goes_in_one_piece(
    api: Api, app: Flask
) -> None:
    star = api.register("star")
    crowd(app, star.id, 50_000)
    assert numbers(api, "star") == (50_000, 0)

    assert delete(api, star).status_code == 200

    assert live_server.wrong_counters(app.config["SQLALCHEMY_DATABASE_URI"]) == []
    assert numbers(api, "fan000007") == (0, 0)


def crowd(app: Flask, star_id: int, size: int) -> None:
    """Add users who all follow the star, with all the numbers right."""
    numbers = (
        "WITH RECURSIVE n(i) AS"
        f" (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {size})"
    )
    name = "'fan' || substr('000000' || i, -6)"
    if not app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
        name = "'fan' || lpad(i::text, 6, '0')"
    now = "'2024-01-15 10:30:00'"
    columns = (
        "id, username, username_key, email, email_key, password_hash, first_name,"
        " first_name_key, last_name, last_name_key, bio, search_text, is_active,"
        " token_version, created_at, updated_at"
    )
    counters = (
        "user_id, followers_count, following_count, posts_count, likes_received,"
        " comments_received"
    )
    active = "true"
    for statement in (
        f"INSERT INTO users ({columns}) {numbers} SELECT 1000 + i, {name}, {name},"
        f" {name} || '@example.com', {name} || '@example.com', '', '', '', '', '', '',"
        f" {name}, {active}, 1, {now}, {now} FROM n",
        f"INSERT INTO user_counters ({counters}) {numbers}"
        " SELECT 1000 + i, 0, 1, 0, 0, 0 FROM n",
        f"INSERT INTO follows (follower_id, following_id, created_at) {numbers}"
        f" SELECT 1000 + i, {star_id}, {now} FROM n",
        f"UPDATE user_counters SET followers_count = {size} WHERE user_id = {star_id}",
    ):
        change(app, text(statement))
