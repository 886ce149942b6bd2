"""`POST me/confirm/`: the password once more, for ten minutes of this session."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from careers_users.models import RefreshToken
from careers_users.settings.rates import Rate
from tests.api import PASSWORD, Api
from tests.auth.conftest import Make
from tests.auth.stored import NOON, change, set_clock

MINUTE = timedelta(minutes=1)


def test_the_right_password_answers_until_when(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = api.register("alice")
    reply = api.post("me/confirm/", {"password": PASSWORD}, token=alice.access)
    assert reply.status_code == 200
    assert reply.json == {"confirmed_until": "2031-05-17T12:10:00Z"}
    events = api.get("me/activity/", token=alice.access).json["results"]
    assert [event["event"] for event in events] == ["session_confirmed", "registered"]


def test_a_wrong_password_is_403_and_in_the_trail(api: Api) -> None:
    alice = api.register("alice")
    reply = api.post("me/confirm/", {"password": "wrong"}, token=alice.access)
    assert (reply.status_code, reply.json["code"]) == (403, "wrong_password")
    events = api.get("me/activity/", token=alice.access).json["results"]
    assert events[0]["event"] == "confirmation_failed"


def test_wrong_passwords_count_with_the_others_of_the_account(
    throttled: Make,
) -> None:
    api = throttled(password=Rate(3, 3600))
    alice = api.register("alice")
    wrong = {"password": "wrong"}
    new = {"password": "password456", "password_confirm": "password456"}
    replies = [
        api.post("me/confirm/", wrong, token=alice.access),
        api.post("me/password/", {"old_password": "no", **new}, token=alice.access),
        api.delete("me/", json=wrong, token=alice.access),
        api.post("me/confirm/", {"password": PASSWORD}, token=alice.access),
    ]
    assert [reply.status_code for reply in replies] == [403, 400, 403, 429]


def test_right_passwords_do_not_count(throttled: Make) -> None:
    api = throttled(password=Rate(2, 3600))
    alice = api.register("alice")
    for _ in range(4):
        reply = api.post("me/confirm/", {"password": PASSWORD}, token=alice.access)
        assert reply.status_code == 200


def test_it_is_of_this_session_alone(
    mail_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_clock(monkeypatch, NOON)
    alice = mail_api.register("alice")
    login = {"username": "alice", "password": PASSWORD}
    other = mail_api.post("login/", login).json["access"]
    set_clock(monkeypatch, NOON + 15 * MINUTE)
    mail_api.post("me/confirm/", {"password": PASSWORD}, token=alice.access)
    body = {"email": "alice@example.org"}
    assert mail_api.patch("me/", body, token=alice.access).status_code == 200
    body = {"email": "alice@example.net"}
    assert mail_api.patch("me/", body, token=other).status_code == 403
    # A login counts.
    fresh = mail_api.post("login/", login).json["access"]
    assert mail_api.patch("me/", body, token=fresh).status_code == 200


def test_a_session_that_is_over_can_not_be_confirmed(api: Api) -> None:
    alice = api.register("alice")
    change(api.app, delete(RefreshToken))  # Expired, and pruned.
    reply = api.post("me/confirm/", {"password": PASSWORD}, token=alice.access)
    assert (reply.status_code, reply.json["code"]) == (401, "token_revoked")


@pytest.mark.parametrize("body", [{}, {"password": ""}, {"password": "x", "more": 1}])
def test_bad_input_is_400(api: Api, body: dict[str, str]) -> None:
    alice = api.register("alice")
    assert api.post("me/confirm/", body, token=alice.access).status_code == 400
