"""`next`, `previous` and `cursor` of the lists of followers and followed."""

import itertools
import shutil
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from careers_users import create_app
from careers_users.extensions import db
from careers_users.validation.cursor import Cursor, Direction, encode
from careers_users.validation.limits import ID_MAX
from config import TestConfig
from tests.api import Account, Api
from tests.follow.followers import MANY, add_followers


@pytest.fixture
def star(api: Api, others: list[Account]) -> Account:
    """Return a user whom all six follow, in their order."""
    star = api.register("star")
    for other in others:
        api.post("follow/", {"following": star.id}, token=other.access)
    return star


def names(reply: Any) -> str:
    """Return the digits of the users in a reply's order: "654" for user_6, _5, _4."""
    return "".join(card["username"].removeprefix("user_") for card in reply["results"])


def walk(api: Api, reply: Any, link: str) -> list[str]:
    """Follow a link of a reply to the end; return what each step listed."""
    return [names(step) for step in replies(api, reply, link)]


def replies(api: Api, reply: Any, link: str) -> Iterator[Any]:
    """Yield the replies along a link of a reply, to the end."""
    for _ in range(MANY):
        if reply[link] is None:
            return
        reply = api.get(reply[link]).json
        yield reply
    raise AssertionError("The walk does not end.")


# -- Walks -----------------------------------------------------------------------------


@pytest.mark.usefixtures("star")
def test_next_leads_to_the_end_and_previous_back(api: Api) -> None:
    expected = {
        1: ["6", "5", "4", "3", "2", "1"],
        2: ["65", "43", "21"],
        4: ["6543", "21"],
        5: ["65432", "1"],
        6: ["654321"],
    }
    for size, steps in expected.items():
        first = api.get(f"star/followers/?batch_size={size}").json
        assert [names(first), *walk(api, first, "next")] == steps
        assert first["previous"] is None
        *_, last = [first, *replies(api, first, "next")]
        assert last["next"] is None
        # Back from the end: batches are filled from there, so their limits may differ.
        back = [names(last), *walk(api, last, "previous")]
        assert "".join(reversed(back)) == "654321"
        assert all(len(step) == size for step in back[1:-1])


def test_links_name_the_same_list_on_the_same_host(api: Api, star: Account) -> None:
    base = "/careers/users/"
    for path in ("star/followers/", "me/followers/", "followers/", "STAR/followers"):
        reply = api.get(
            f"{path}?batch_size=2",
            token=star.access,
            headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"},
        ).json
        assert reply["next"].startswith(f"{base}{path}?batch_size=2&cursor="), path
        following = api.get(reply["next"], token=star.access).json
        assert len(following["results"]) == 2
        assert following["previous"].startswith(f"{base}{path}?batch_size=2&cursor=")


@pytest.mark.usefixtures("star")
def test_links_of_a_numbered_batch_lead_on_from_there(api: Api) -> None:
    reply = api.get("star/followers/?batch_size=2&batch_number=1").json
    assert names(reply) == "43"
    assert walk(api, reply, "next") == ["21"]
    assert walk(api, reply, "previous") == ["65"]
    # Past the end there is a way back.
    reply = api.get("star/followers/?batch_size=2&batch_number=9").json
    assert (names(reply), reply["next"]) == ("", None)
    assert walk(api, reply, "previous") == ["21", "43", "65"]


@pytest.mark.usefixtures("star")
def test_a_turn_on_an_empty_batch_misses_no_user(
    api: Api, others: list[Account]
) -> None:
    first = api.get("star/followers/?batch_size=5").json
    assert names(first) == "65432"
    api.delete("star/unfollow/", token=others[0].access)
    end = api.get(first["next"]).json
    assert (names(end), end["next"], end["count"]) == ("", None, 5)
    assert walk(api, end, "previous") == ["65432"]

    second = api.get("star/followers/?batch_size=2&batch_number=1").json
    assert names(second) == "43"
    for other in others[4:]:
        api.delete("star/unfollow/", token=other.access)
    start = api.get(second["previous"]).json
    assert (names(start), start["previous"], start["count"]) == ("", None, 3)
    assert walk(api, start, "next") == ["43", "2"]


# -- Cursors ---------------------------------------------------------------------------


def test_forged_cursors_are_refused(api: Api, star: Account) -> None:
    good = encode(Cursor("older", 12))
    texts = ["older:-1", "older:03", f"newer:{ID_MAX + 1}", "Older:3", "older:3 "]
    texts += ["", "3", "older:", "older:3\n", "older:\uff13", "between:3", "older:3.0"]
    forged = [urlsafe_b64encode(text.encode()).rstrip(b"=").decode() for text in texts]
    garbage = ["x", "%00", "%C3%A9", "a%20b", "A" * 1000, "older:12", f"{good}%3D"]
    for word in (*forged, *garbage, good[:-1]):
        for path in ("star/followers/", "star/following/", "followers/", "following/"):
            response = api.get(f"{path}?cursor={word}", token=star.access)
            assert response.status_code == 400, word
            assert response.json["code"] == "validation_failed"
            assert list(response.json["details"]) == ["cursor"]


@pytest.mark.usefixtures("star")
def test_cursor_and_batch_number_exclude_each_other(api: Api) -> None:
    cursor = encode(Cursor("older", 3))
    response = api.get(f"star/followers/?cursor={cursor}&batch_number=1")
    assert response.status_code == 400
    assert list(response.json["details"]) == ["cursor"]


def test_a_cursor_shows_nothing_of_another_list(
    api: Api, star: Account, others: list[Account]
) -> None:
    lonely = api.register("lonely")
    api.post("follow/", {"following": lonely.id}, token=star.access)
    link = api.get("star/followers/?batch_size=1").json["next"]
    for path in ("lonely/followers", "star/following", "user_1/followers"):
        reply = api.get(link.replace("star/followers", path)).json
        assert {card["username"] for card in reply["results"]} <= {"star", "lonely"}
    assert others[0].id not in {lonely.id, star.id}


@pytest.mark.usefixtures("star")
def test_every_link_can_be_followed_whatever_the_cursor(api: Api) -> None:
    directions: tuple[Direction, ...] = ("older", "newer")
    numbers = (0, 1, 3, 7, 2**31, 2**53, ID_MAX - 1, ID_MAX)
    for direction, edge_id in itertools.product(directions, numbers):
        cursor = Cursor(direction, edge_id)
        reply = api.get(f"star/followers/?batch_size=2&cursor={encode(cursor)}").json
        assert reply["count"] == 6
        for link in ("next", "previous"):
            if reply[link] is not None:
                response = api.get(reply[link])
                assert response.status_code == 200, (cursor, link)


# -- Cost ------------------------------------------------------------------------------


def test_a_step_costs_the_same_however_deep(
    sqlite_template: Path, tmp_path: Path
) -> None:
    """On SQLite, which counts the instructions of its virtual machine for us."""
    path = tmp_path / "crowd.db"
    shutil.copy(sqlite_template, path)
    key = "a signing key for tests, and for nothing else"
    app = create_app(TestConfig(database_url=f"sqlite:///{path}", jwt_secret_key=key))
    instructions = itertools.count()
    with app.app_context():
        engine = db.engine

    @event.listens_for(engine, "connect")
    def count(connection: Any, _record: object) -> None:
        connection.set_progress_handler(lambda: next(instructions) < 0, 1)

    api = Api(app)
    star = api.register("star")
    add_followers(app, star.id, 1000)
    first = api.get("star/followers/?batch_size=50").json
    counts = [next(instructions)]
    counts += [next(instructions) for _ in replies(api, first, "next")]
    costs = [after - before for before, after in itertools.pairwise(counts)]
    with app.app_context():
        db.engine.dispose()

    assert len(costs) == 19
    assert min(costs) > 500
    # The last one is cheaper: there is no row after it to look at.
    assert max(costs) - min(costs[:-1]) <= 10
