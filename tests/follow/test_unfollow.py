"""DELETE {username}/unfollow/"""

from tests.api import Api


def test_ends_it_and_names_the_user_as_typed(api: Api) -> None:
    alice = api.register("alice")
    bob = api.register("Bob")
    for name in ("Bob", "bob", "BOB"):
        api.post("follow/", {"following": bob.id}, token=alice.access)

        response = api.delete(f"{name}/unfollow/", token=alice.access)

        assert response.status_code == 200
        assert response.json == {"message": "Stopped following Bob"}
        assert api.get("bob/").json["followers_count"] == 0
        assert api.get("alice/").json["following_count"] == 0
        assert api.get("following/", token=alice.access).json["results"] == []


def test_ends_only_the_viewer_s_own_edge(api: Api) -> None:
    alice, bob, carol = (api.register(name) for name in ("alice", "bob", "carol"))
    for follower, star in ((alice, bob), (carol, bob), (bob, alice)):
        api.post("follow/", {"following": star.id}, token=follower.access)

    assert api.delete("bob/unfollow/", token=alice.access).status_code == 200

    followers = api.get("bob/followers/").json
    assert [card["username"] for card in followers["results"]] == ["carol"]
    assert followers["count"] == 1
    assert api.get("alice/").json["followers_count"] == 1


def test_a_user_who_is_not_followed_is_not_found(api: Api) -> None:
    alice = api.register("alice")
    bob = api.register("bob")
    # That bob follows alice does not matter.
    api.post("follow/", {"following": alice.id}, token=bob.access)
    for _ in range(2):
        response = api.delete("bob/unfollow/", token=alice.access)
        assert response.status_code == 404
        assert response.json["code"] == "not_following"
    assert api.get("bob/").json["followers_count"] == 0

    api.post("follow/", {"following": bob.id}, token=alice.access)
    replies = [api.delete("bob/unfollow/", token=alice.access) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [200, 404]
    assert api.get("bob/").json["followers_count"] == 0


def test_an_unknown_user_is_not_found(api: Api) -> None:
    alice = api.register("alice")
    for name in ("nobody", "no such form", "b%00b", "%F0%9F%A6%84", "%", "n" * 300):
        response = api.delete(f"{name}/unfollow/", token=alice.access)
        assert response.status_code == 404, name
        assert response.json["code"] == "user_not_found"


def test_oneself_is_refused(api: Api) -> None:
    alice = api.register("alice")
    for name in ("alice", "ALICE", "me", "ME"):
        response = api.delete(f"{name}/unfollow/", token=alice.access)
        assert response.status_code == 400, name
        assert response.json["code"] == "cannot_follow_self"


def test_needs_a_token(api: Api) -> None:
    api.register("bob")
    for name in ("bob", "nobody", "me"):
        response = api.delete(f"{name}/unfollow/")
        assert response.status_code == 401
        assert response.json["code"] == "not_authenticated"


def test_following_again_puts_the_user_first(api: Api) -> None:
    alice = api.register("alice")
    for name in ("bob", "carol"):
        api.register(name)
        api.post("follow/", {"username": name}, token=alice.access)
    api.delete("bob/unfollow/", token=alice.access)
    again = api.post("follow/", {"username": "bob"}, token=alice.access)

    rows = api.get("following/", token=alice.access).json["results"]
    assert [row["following_username"] for row in rows] == ["bob", "carol"]
    assert rows[0] == again.json
