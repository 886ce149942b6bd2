"""GET me/stats/ and GET {username}/stats/"""

from sqlalchemy import update

from careers_users.extensions import db
from careers_users.models import UserCounters
from tests.api import Api

NOTHING = {
    "posts_count": 0,
    "followers_count": 0,
    "following_count": 0,
    "likes_received": 0,
    "comments_received": 0,
}


def test_replies_as_documented(api: Api) -> None:
    alice = api.register("alice")
    # The numbers of the document; who writes them is another service's call to make.
    numbers = {
        "posts_count": 15,
        "followers_count": 42,
        "following_count": 28,
        "likes_received": 156,
        "comments_received": 2**40,
    }

    assert api.get("me/stats/", token=alice.access).json == NOTHING
    with api.app.app_context(), db.session.begin():
        db.session.execute(update(UserCounters).values(**numbers))

    assert api.get("me/stats/", token=alice.access).json == numbers
    assert api.get("alice/stats/").json == numbers
    profile = api.get("alice/").json
    own = api.get("me/", token=alice.access).json
    for counter in ("posts_count", "followers_count", "following_count"):
        assert profile[counter] == own[counter] == numbers[counter]


def test_counts_follow_the_actions_of_users(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")

    api.post("follow/", {"following": bob.id}, token=alice.access)

    assert api.get("alice/stats/").json == NOTHING | {"following_count": 1}
    assert api.get("bob/stats/").json == NOTHING | {"followers_count": 1}

    api.delete("bob/unfollow/", token=alice.access)

    assert api.get("alice/stats/").json == NOTHING
    assert api.get("me/stats/", token=bob.access).json == NOTHING


def test_anyone_may_ask_for_anyones_whatever_the_case(api: Api) -> None:
    alice = api.register("alice")
    bob = api.register("bob")

    for path in ("alice/stats/", "ALICE/stats/", "alice/stats"):
        assert api.get(path).json == NOTHING
        assert api.get(path, token=bob.access).json == NOTHING
        assert api.get(path, token=alice.access).json == NOTHING
        assert api.get(path, token="bad").status_code == 401
    assert api.get("nobody/stats/").json["code"] == "user_not_found"


def test_mine_take_a_token(api: Api) -> None:
    response = api.get("me/stats/")

    assert (response.status_code, response.json["code"]) == (401, "not_authenticated")
