"""GET relationships/"""

from careers_users.validation.limits import ID_MAX, IDS_MAX
from tests.api import Api
from tests.profile.test_statements import statements


def test_tells_both_directions_in_the_order_asked(api: Api) -> None:
    alice, bob, carol, dave = (
        api.register(name) for name in ("alice", "bob", "carol", "dave")
    )
    edge = api.put("bob/follow/", token=alice.access).json
    api.put("dave/follow/", token=alice.access)
    for follower in (bob, carol):
        api.put("alice/follow/", token=follower.access)

    ids = f"{carol.id},{bob.id},{dave.id},{alice.id}"
    with statements(api) as seen:
        response = api.get(f"relationships/?ids={ids}", token=alice.access)

    assert len(seen) == 2, seen  # The viewer's, and one.
    rows = response.json["results"]
    shown = [(row["id"], row["following"], row["followed_by"]) for row in rows]
    assert shown == [
        (carol.id, False, True),
        (bob.id, True, True),
        (dave.id, True, False),
        (alice.id, False, False),
    ]
    times = {row["id"]: row["followed_at"] for row in rows}
    assert times[bob.id] == edge["created_at"]
    assert times[dave.id] is not None
    assert times[carol.id] is times[alice.id] is None


def test_unknown_ids_are_left_out_and_repeated_ones_answered_once(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    query = f"ids=999,{bob.id},{ID_MAX},{bob.id}"
    response = api.get(f"relationships/?{query}", token=alice.access)
    assert [row["id"] for row in response.json["results"]] == [bob.id]
    for nobody in ("", "?ids=", "?ids=999"):
        response = api.get(f"relationships/{nobody}", token=alice.access)
        assert response.json == {"results": []}


def test_asks_for_at_most_hundred(api: Api) -> None:
    alice = api.register("alice")
    most = ",".join(str(number + 1) for number in range(IDS_MAX))
    response = api.get(f"relationships/?ids={most}", token=alice.access)
    assert len(response.json["results"]) == 1
    response = api.get(f"relationships/?ids={most},101", token=alice.access)
    assert response.json["details"] == {"ids": ["More than 100 users."]}


def test_junk_is_refused(api: Api) -> None:
    alice = api.register("alice")
    junk = [
        "0",
        "-1",
        "+1",
        "1.0",
        "01",
        "1,",
        ",1",
        "1,,2",
        "1, 2",
        "x",
        "%EF%BC%91",
        "1_0",
    ]
    for ids in [*junk, str(ID_MAX + 1), "9" * 5000, "%00"]:
        response = api.get(f"relationships/?ids={ids}", token=alice.access)
        assert response.status_code == 400, ids
        assert list(response.json["details"]) == ["ids"], ids


def test_other_parameters_are_refused(api: Api) -> None:
    alice = api.register("alice")
    for query, name in (("ids=1&ids=1", "ids"), ("ids=1&id=1", "id"), ("IDS=1", "IDS")):
        response = api.get(f"relationships/?{query}", token=alice.access)
        assert list(response.json["details"]) == [name], query


def test_needs_a_token(api: Api) -> None:
    assert api.get("relationships/?ids=1").json["code"] == "not_authenticated"
