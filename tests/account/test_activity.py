"""GET me/activity/, the trail behind it, and careers-users users audit."""

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from careers_users import create_app
from careers_users.extensions import db
from config import TestConfig
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import NOON, change, change_user, set_clock
from tests.jobs.run import run_jobs
from tests.profile.test_statements import statements

LOGIN = {"username": "alice", "password": PASSWORD}
WRONG = {**LOGIN, "password": "a wrong guess"}
MINUTE = timedelta(minutes=1)


@pytest.fixture
def alice(api: Api, monkeypatch: pytest.MonkeyPatch) -> Account:
    """Return a user who signed in at noon."""
    set_clock(monkeypatch, NOON)
    return api.register("alice")


def trail(app: Flask) -> list[tuple[str, str]]:
    """Event and details of all rows, the oldest first."""
    with app.app_context(), db.engine.connect() as connection:
        statement = text("SELECT event, details FROM security_events ORDER BY id")
        return [(row[0], row[1]) for row in connection.execute(statement)]


def test_tells_what_happened_newest_first(
    api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = api.register("bob")
    set_clock(monkeypatch, NOON + MINUTE)
    agent = {"HTTP_USER_AGENT": "Phone/1", "REMOTE_ADDR": "192.0.2.7"}
    api.post("login/", LOGIN, environ_overrides=agent)
    api.post("login/", WRONG)
    other = api.post("login/", LOGIN).json
    api.patch("me/update/", {"email": "new@example.com"}, token=alice.access)
    api.patch("me/update/", {"email": "new@example.com"}, token=alice.access)
    api.patch("me/update/", {"bio": "new"}, token=alice.access)
    api.post("logout/", {"refresh": other["refresh"]}, token=other["access"])
    api.post("logout/all/", {"keep_current": True}, token=alice.access)

    reply = api.get("me/activity/", token=alice.access).json

    events = "logged_out_everywhere logged_out email_changed login_succeeded"
    events += " login_failed login_succeeded registered"
    assert [event["event"] for event in reply["results"]] == events.split()
    assert reply["results"][0]["details"] == {"count": 1}
    assert (reply["next"], reply["previous"]) == (None, None)
    phone = reply["results"][5]
    assert phone == {
        "id": phone["id"],
        "event": "login_succeeded",
        "created_at": "2031-05-17T12:01:00Z",
        "address": "192.0.2.7",
        "device": "Phone/1",
        "details": {},
    }
    theirs = api.get("me/activity/", token=bob.access).json["results"]
    assert [event["event"] for event in theirs] == ["registered"]
    assert api.get("me/activity/").json["code"] == "not_authenticated"


def test_is_walked_by_cursor_both_ways(api: Api, alice: Account) -> None:
    for _ in range(6):
        api.post("login/", LOGIN)
    everything = api.get("me/activity/", token=alice.access).json["results"]
    walked, path = [], "me/activity/?batch_size=3"
    pages = []
    while path:
        with statements(api) as seen:
            page = api.get(path, token=alice.access).json
        assert len(seen) == 2
        api.post("login/", LOGIN)  # Newer ones do not disturb the walk.
        pages.append(page)
        walked += page["results"]
        path = page["next"]
    assert walked == everything
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    back = api.get(pages[2]["previous"], token=alice.access).json
    assert back["results"] == pages[1]["results"]
    for query in ("batch_size=0", "batch_size=x", "cursor=x", "batch_number=1"):
        reply = api.get(f"me/activity/?{query}", token=alice.access)
        assert reply.status_code == 400, query
    assert len(api.get("me/activity/?batch_size=101", token=alice.access).json) == 3


@pytest.mark.usefixtures("alice")
def test_a_flood_of_failed_logins_is_one_row_a_minute(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(20):
        assert api.post("login/", WRONG).status_code == 401
    set_clock(monkeypatch, NOON + MINUTE)
    for _ in range(5):
        api.post("login/", WRONG)
    assert trail(app)[1:] == [
        ("login_failed", "{}"),
        ("login_failed", '{"unrecorded_before":19}'),
    ]
    api.post("login/", {"username": "nobody", "password": "a wrong guess"})
    assert len(trail(app)) == 4, "one without a user"
    change_user(app, "alice", is_active=False)
    set_clock(monkeypatch, NOON + 3 * MINUTE)
    api.post("login/", LOGIN)
    assert trail(app)[-1] == ("login_failed", '{"unrecorded_before":4}')


def test_strangers_keep_nothing_out_of_the_trail_that_takes_a_token(
    api: Api, alice: Account
) -> None:
    for name in ("bob", "carol"):
        api.register(name)
    for name in ("bob", "carol", "alice"):
        api.post("login/", {**WRONG, "username": name})
    wrong = {"password": WRONG["password"]}
    body = {"old_password": WRONG["password"], "password": "my next password"}
    body["password_confirm"] = body["password"]
    for _ in range(2):
        assert api.get("me/export/", token=alice.access).status_code == 200
        assert api.delete("me/", json=wrong, token=alice.access).status_code == 403
        assert api.post("me/password/", body, token=alice.access).status_code == 400
    events = api.get("me/activity/", token=alice.access).json["results"]
    expected = "password_change_failed confirmation_failed data_exported login_failed"
    expected += " registered"
    assert [event["event"] for event in events] == expected.split()


def test_all_instances_record_a_repeated_event_once_a_minute(
    api: Api,
    app: Flask,
    alice: Account,
    settings: TestConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S4: the trail of a user grows by at most one such row a minute."""
    others = [api, Api(create_app(settings))]
    for instance in others * 3:
        assert instance.get("me/export/", token=alice.access).status_code == 200
        for name in ("one", "two"):
            body = {"email": f"{name}@example.com"}
            assert instance.patch("me/", body, token=alice.access).status_code == 200
    set_clock(monkeypatch, NOON + MINUTE)
    assert others[1].get("me/export/", token=alice.access).status_code == 200
    assert trail(app)[1:] == [
        ("data_exported", "{}"),
        ("email_changed", "{}"),
        ("data_exported", '{"unrecorded_before":5}'),
    ]
    with others[1].app.app_context():
        db.engine.dispose()


@pytest.mark.usefixtures("alice")
def test_a_failed_login_is_written_before_its_reply(api: Api, app: Flask) -> None:
    client = api.app.test_client()
    assert client.post("/careers/users/login/", json=WRONG).status_code == 401
    assert len(trail(app)) == 2
    change(app, text("ALTER TABLE security_events RENAME TO elsewhere"))
    for name in ("bob", "carol"):
        reply = api.post("login/", {**WRONG, "username": name})
        assert reply.status_code == 503


def test_an_event_is_there_if_and_only_if_what_it_tells_is(
    api: Api, app: Flask, alice: Account
) -> None:
    before = trail(app)
    api.register("bob", email="taken@example.com")
    change(app, text("DELETE FROM security_events WHERE user_id <> 1"))
    body = {"email": "taken@example.com"}
    assert api.patch("me/update/", body, token=alice.access).status_code == 409
    body = {**LOGIN, "email": "a@example.com", "password_confirm": PASSWORD}
    assert api.post("register/", body).status_code == 409
    assert trail(app) == before


@pytest.mark.usefixtures("alice")
def test_old_events_are_pruned(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for days, left in ((90, 1), (91, 0)):
        set_clock(monkeypatch, NOON + timedelta(days=days))
        run_jobs(app)
        assert len(trail(app)) == left
    app.config["AUDIT_RETENTION_DAYS"] = 1
    api.post("login/", LOGIN)
    set_clock(monkeypatch, NOON + timedelta(days=93))
    run_jobs(app)
    assert trail(app) == []


def test_words_below_me_and_logout_take_no_names(api: Api) -> None:
    for name in ("activity", "all"):
        account = api.register(name)
        assert api.get(f"{name}/").json["username"] == name
        assert api.get("me/activity/", token=account.access).status_code == 200
    assert api.get("logout/all/").status_code == 405


def test_the_command_shows_the_trail(api: Api, app: Flask, alice: Account) -> None:
    agent = {"HTTP_USER_AGENT": "Phone/1", "REMOTE_ADDR": "192.0.2.7"}
    api.post("login/", LOGIN, environ_overrides=agent)

    def audit_of(*words: str) -> tuple[int, list[str]]:
        result = app.test_cli_runner().invoke(args=["users", "audit", *words])
        return result.exit_code, result.output.splitlines()

    code, lines = audit_of("ALICE")
    assert code == 0
    assert lines[0] == "2031-05-17T12:00:00Z  login_succeeded  192.0.2.7  Phone/1"
    assert [line.split()[1] for line in lines] == ["login_succeeded", "registered"]
    assert audit_of("alice@example.com") == (0, lines)
    assert audit_of("alice", "--limit", "1") == (0, lines[:1])
    assert audit_of("nobody") == (1, ["careers-users: There is no such user."])
    api.delete("me/", json={"password": PASSWORD}, token=alice.access)
    code, lines = audit_of(str(alice.id))
    assert (code, lines) == (0, ["2031-05-17T12:00:00Z  account_deleted  by=owner"])
    assert audit_of("99") == (0, ["Nothing is recorded."])
