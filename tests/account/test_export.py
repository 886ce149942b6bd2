"""GET me/export/: everything that is held about a person."""

from flask import Flask

from tests.account.test_delete import crowd
from tests.api import PASSWORD, Api
from tests.auth.stored import change_user, claims_of
from tests.mailbox import Mailbox, verified
from tests.profile.test_statements import statements


def test_holds_all_there_is(api: Api) -> None:
    alice, bob = api.register("alice", bio="Me"), api.register("bob")
    api.post("follow/", {"following": bob.id}, token=alice.access)
    api.post("follow/", {"following": alice.id}, token=bob.access)
    gone = api.post("login/", {"username": "alice", "password": PASSWORD}).json
    api.post("logout/", {"refresh": gone["refresh"]}, token=gone["access"])

    response = api.get("me/export/", token=alice.access)

    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Cache-Control"] == "private, no-store"
    export = response.json
    profile = api.get("me/", token=alice.access).json
    stats = api.get("me/stats/", token=alice.access).json
    more = {"is_active": True, "email_verified_at": None, "pending_email": None}
    assert export["account"] == {**profile, **stats, **more}
    assert len(export["sessions"]) == 2
    ended = {row["id"]: row["ended_reason"] for row in export["sessions"]}
    assert ended[claims_of(alice.access)["sid"]] is None
    assert ended[claims_of(gone["access"])["sid"]] == "logout"
    for side in ("followers", "following"):
        (edge,) = export[side]
        assert (edge["user_id"], edge["username"]) == (bob.id, "bob")
    names = [event["event"] for event in export["activity"]]
    assert names == ["registered", "login_succeeded", "logged_out", "data_exported"]
    events = api.get("me/activity/", token=alice.access).json["results"]
    assert events[0]["event"] == "data_exported"
    assert "argon2" not in response.text
    assert "password" not in response.text
    assert api.get("me/export/").json["code"] == "not_authenticated"


def test_holds_the_mail_that_was_sent(mail_api: Api, mails: Mailbox) -> None:
    alice = verified(mail_api, mails, "alice")
    mail_api.patch("me/", {"email": "alice@example.org"}, token=alice.access)
    export = mail_api.get("me/export/", token=alice.access).json
    assert export["account"]["email_verified_at"] is not None
    assert export["account"]["pending_email"] == "alice@example.org"
    assert [(mail["purpose"], mail["state"]) for mail in export["mails"]] == [
        ("verify", "sent"),
        ("change-new", "waiting"),
        ("change-old", "waiting"),
    ]
    assert export["mails"][0]["used_at"] is not None


def test_has_blocks_and_mutes_but_not_those_of_others(api: Api) -> None:
    alice, bob, carol = (api.register(name) for name in ("alice", "bob", "carol"))
    api.put("bob/block/", token=alice.access)
    api.put("carol/mute/", token=alice.access)
    api.put("bob/mute/", token=alice.access, json={"duration": 300})
    api.put("alice/mute/", token=carol.access)
    api.put("alice/block/", token=bob.access)

    export = api.get("me/export/", token=alice.access).json
    (block,) = export["blocks"]
    assert (block["user_id"], block["username"]) == (bob.id, "bob")
    for_good, timed = export["mutes"]
    assert (for_good["username"], for_good["muted_until"]) == ("carol", None)
    assert (timed["username"], timed["muted_until"] is None) == ("bob", False)


def test_a_muted_user_who_blocks_the_owner_is_hidden(api: Api) -> None:
    alice, carol = api.register("alice"), api.register("carol")
    api.put("carol/mute/", token=alice.access)
    api.put("alice/block/", token=carol.access)
    for path, key in (("me/mutes/", "results"), ("me/export/", "mutes")):
        assert api.get(path, token=alice.access).json[key] == []
    api.delete("alice/block/", token=carol.access)
    (mute,) = api.get("me/export/", token=alice.access).json["mutes"]
    assert mute["username"] == "carol"


def test_a_star_is_read_in_bites(api: Api, app: Flask) -> None:
    star = api.register("star")
    crowd(app, star.id, 50_000)

    with statements(api) as seen:
        response = api.get("me/export/", token=star.access)

    ids = [edge["user_id"] for edge in response.json["followers"]]
    assert ids == list(range(1001, 51_001))
    assert response.json["following"] == []
    assert 50 <= len(seen) <= 63
    assert response.content_length is None, "sent as it is read"


def test_head_is_get_without_a_body(api: Api) -> None:
    alice = api.register("alice")
    same_id = {"X-Request-ID": "same"}  # Otherwise each reply has one of its own.
    get = api.get("me/export/", token=alice.access, headers=same_id)
    head = api.call("HEAD", "me/export/", token=alice.access, headers=same_id)
    assert (head.status_code, head.data) == (200, b"")
    assert dict(head.headers) == dict(get.headers)


def test_fields_hold_the_text_of_users(api: Api, app: Flask) -> None:
    alice = api.register("alice", bio='"}],\n\\', first_name="Zoë")
    change_user(app, "alice", avatar=None)
    account = api.get("me/export/", token=alice.access).json["account"]
    assert (account["bio"], account["first_name"]) == ('"}],\n\\', "Zoë")
