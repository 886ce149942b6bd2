"""DELETE me/followers/{username}/"""

from tests.api import Api


def test_the_user_does_not_follow_any_more(api: Api) -> None:
    alice, bob, carol = (api.register(name) for name in ("alice", "Bob", "carol"))
    for follower, star in ((bob, "alice"), (carol, "alice"), (alice, "bob")):
        api.put(f"{star}/follow/", token=follower.access)

    response = api.delete("me/followers/bob/", token=alice.access)

    assert response.status_code == 200
    assert response.json == {"message": "Bob does not follow you any more"}
    followers = api.get("alice/followers/").json
    assert [card["username"] for card in followers["results"]] == ["carol"]
    assert followers["count"] == 1
    counts = [
        (profile["followers_count"], profile["following_count"])
        for profile in (api.get(f"{name}/").json for name in ("alice", "bob", "carol"))
    ]
    # That alice follows bob stays so.
    assert counts == [(1, 1), (1, 0), (0, 1)]
    assert api.put("alice/follow/", token=bob.access).status_code == 201


def test_a_user_who_does_not_follow_is_not_found(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    api.put("bob/follow/", token=alice.access)
    for _ in range(2):
        response = api.delete("me/followers/bob/", token=alice.access)
        assert response.status_code == 404
        assert response.json["code"] == "not_a_follower"
    api.put("alice/follow/", token=bob.access)
    replies = [api.delete("me/followers/bob/", token=alice.access) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 404]
    assert api.get("alice/").json["followers_count"] == 0
    assert api.get("bob/").json["followers_count"] == 1


def test_unknown_users_and_oneself_are_refused(api: Api) -> None:
    alice = api.register("alice")
    response = api.delete("me/followers/nobody/", token=alice.access)
    assert (response.status_code, response.json["code"]) == (404, "user_not_found")
    for name in ("alice", "me"):
        response = api.delete(f"me/followers/{name}/", token=alice.access)
        assert response.json["code"] == "cannot_follow_self"
    response = api.delete("me/followers/alice/")
    assert response.json["code"] == "not_authenticated"
    # Only of one's own followers.
    response = api.delete("alice/followers/bob/", token=alice.access)
    assert response.json["code"] == "not_found"
