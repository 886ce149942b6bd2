"""PUT and DELETE {username}/follow/, which may be repeated."""

from tests.api import Api


def test_put_follows_and_then_shows_the_same_edge(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("Bob")

    first = api.put("bob/follow/", token=alice.access)
    assert first.status_code == 201
    assert first.json["following_username"] == "Bob"
    assert (first.json["follower"], first.json["following"]) == (alice.id, bob.id)
    for name in ("bob", "BOB"):
        again = api.put(f"{name}/follow/", token=alice.access)
        assert again.status_code == 200
        assert again.json == first.json
    assert api.get("following/", token=alice.access).json["results"] == [first.json]
    assert api.get("bob/").json["followers_count"] == 1
    assert api.get("alice/").json["following_count"] == 1


def test_put_finds_an_edge_that_post_made(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    made = api.post("follow/", {"following": bob.id}, token=alice.access).json
    assert api.put("bob/follow/", token=alice.access).json == made
    again = api.post("follow/", {"following": bob.id}, token=alice.access)
    assert again.json["code"] == "already_following"


def test_delete_ends_it_and_may_be_repeated(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("Bob")
    api.put("alice/follow/", token=bob.access)
    api.put("bob/follow/", token=alice.access)
    messages = ["Stopped following Bob", "You don't follow Bob", "You don't follow Bob"]
    for message in messages:
        response = api.delete("bob/follow/", token=alice.access)
        assert response.status_code == 200
        assert response.json == {"message": message}
        assert api.get("bob/").json["followers_count"] == 0
        assert api.get("alice/").json["following_count"] == 0
    # The other direction is another edge.
    assert api.get("alice/").json["followers_count"] == 1
    assert api.put("bob/follow/", token=alice.access).status_code == 201


def test_unknown_users_and_oneself_are_refused(api: Api) -> None:
    alice = api.register("alice")
    for call in (api.put, api.delete):
        for name in ("nobody", "no such form", "%F0%9F%A6%84"):
            response = call(f"{name}/follow/", token=alice.access)
            assert response.status_code == 404, name
            assert response.json["code"] == "user_not_found"
        for name in ("alice", "ME"):
            response = call(f"{name}/follow/", token=alice.access)
            assert response.status_code == 400
            assert response.json["code"] == "cannot_follow_self"
        assert call("alice/follow/").json["code"] == "not_authenticated"
