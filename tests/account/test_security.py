"""`GET me/security/`: how an account is secured, and whether mail reaches it."""

from careers_users.validation.limits import BASE_PATH
from tests.api import Api
from tests.auth.stored import NOON, change_user


def test_replies_as_documented(api: Api) -> None:
    alice = api.register("alice")
    assert api.get("me/security/", token=alice.access).json == {
        "has_password": True,
        "email_verified": False,
        "mail_failed": False,
        "pending_email": None,
    }


def test_it_shows_what_is_so(api: Api) -> None:
    alice = api.register("alice")
    change_user(
        api.app,
        "alice",
        password_hash="!",
        email_verified_at=NOON,
        mail_failed_at=NOON,
        pending_email="alice@example.org",
    )
    assert api.get("me/security/", token=alice.access).json == {
        "has_password": False,
        "email_verified": True,
        "mail_failed": True,
        "pending_email": "alice@example.org",
    }


def test_it_needs_a_token(api: Api) -> None:
    reply = api.get("me/security/")
    assert (reply.status_code, reply.json["code"]) == (401, "not_authenticated")


def test_no_user_can_look_at_another_users(api: Api) -> None:
    api.register("alice")
    bob = api.register("bob")
    assert api.get("alice/security/", token=bob.access).status_code == 404
    assert f"{BASE_PATH}/<username:username>/security/" not in {
        rule.rule for rule in api.app.url_map.iter_rules()
    }
