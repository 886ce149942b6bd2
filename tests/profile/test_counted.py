"""Searches and batches whose totals and places are known before anybody is found."""

import random
from collections.abc import Iterator
from typing import Any

import flask_migrate
import pytest
from flask import Flask
from sqlalchemy import Text, bindparam, func, insert, select, update

from careers_users import clock
from careers_users.account import service as account
from careers_users.database import fetch, is_sqlite, ngram_counts
from careers_users.extensions import db
from careers_users.models import SearchChange, SearchGram, Total, User, UserCounters
from careers_users.profile import directory
from careers_users.validation import text
from careers_users.validation.text import fold, search_text
from tests import live_server
from tests.api import Api
from tests.auth.stored import at_once

pytestmark = pytest.mark.also_without_pg_trgm

SYLLABLES = ["ab", "ba", "c_", "%d", "éa", "ß", "İ", "張偉", "😀", "\\", "x", "yz"]
ORDERINGS = [
    sign + key
    for key in ("username", "created_at", "first_name", "last_name")
    for sign in ("", "-")
]


@pytest.fixture
def dice() -> random.Random:
    return random.Random(6)


@pytest.fixture(params=["few", "many"])
def _walked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Walk a few users only, or all of them, before all are looked up."""
    monkeypatch.setattr(directory, "_WALK", 7 if request.param == "few" else 1000)
    monkeypatch.setattr(directory, "_FAR", 1)
    directory._cards.cache_clear()
    yield
    directory._cards.cache_clear()


def person(dice: random.Random, number: int) -> dict[str, str]:
    """The names and words of somebody, made of few syllables."""
    start = dice.choice(("a", "a", "ab", "b", "z_"))
    first, last, bio = (
        "".join(dice.choices(SYLLABLES, k=dice.randrange(4))) for _ in range(3)
    )
    username = f"{start}{number:03}_x"
    return {"username": username, "first_name": first, "last_name": last, "bio": bio}


def row(names: dict[str, str]) -> dict[str, Any]:
    """The row of a person."""
    now, username = clock.utcnow(), names["username"]
    return {
        **names,
        "username_key": username,
        "email": f"{username}@example.com",
        "email_key": f"{username}@example.com",
        "password_hash": "",
        "first_name_key": fold(names["first_name"]),
        "last_name_key": fold(names["last_name"]),
        "search_text": search_text(**names),
        "created_at": now,
        "updated_at": now,
    }


def add(app: Flask, people: list[dict[str, str]]) -> None:
    """Write people as rows, whatever of the service is running."""
    with app.app_context(), db.session.begin():
        rows = [row(names) for names in people]
        ids = db.session.scalars(insert(User).returning(User.id), rows)
        db.session.execute(insert(UserCounters), [{"user_id": id_} for id_ in ids])
        new = Total.value + len(people)
        db.session.execute(update(Total).values(value=new))


def texts(app: Flask, ordering: str) -> list[tuple[str, str]]:
    """Everybody's name and searched text in an order, read and sorted here."""
    key = ordering.removeprefix("-").replace("name", "name_key")
    with app.app_context(), db.engine.connect() as connection:
        columns = (getattr(User, key), User.id, User.username, User.search_text)
        rows = sorted(tuple(row) for row in connection.execute(select(*columns)))
    if ordering.startswith("-"):
        rows.reverse()
    return [(username, searched) for _, _, username, searched in rows]


def change_some(app: Flask, dice: random.Random) -> None:
    """Let some people have other words, some go, and some of that be folded."""
    with app.app_context():
        with db.session.begin():
            ngram_counts.fold_batch(db.session, 70)
            for id_ in range(3, 60, 4):
                user = db.session.get_one(User, id_)
                user.bio = dice.choice(SYLLABLES)
                user.search_text = search_text(
                    user.username, user.first_name, user.last_name, user.bio
                )
        for id_ in range(5, 25, 5):
            with db.session.begin():
                db.session.delete(db.session.get_one(User, id_))
                db.session.execute(update(Total).values(value=Total.value - 1))


def numbers(app: Flask) -> tuple[int, int]:
    """How many changes are not folded, and how many grams are counted."""
    with app.app_context():
        counts = (
            select(func.count()).select_from(t) for t in (SearchChange, SearchGram)
        )
        with db.session.begin():
            changes, counted = (
                db.session.execute(count).scalar_one() for count in counts
            )
    return changes, counted


@pytest.mark.usefixtures("_walked")
def test_any_short_term_finds_in_any_order_whom_a_plain_filter_finds(
    api: Api, app: Flask, database_url: str, dice: random.Random
) -> None:
    add(app, [person(dice, number) for number in range(120)])
    change_some(app, dice)
    assert live_server.wrong_counters(database_url) == []
    assert min(numbers(app)) > 0
    letters = "".join(SYLLABLES) + "019q"
    terms = {
        letters[at:][:length] for at in range(len(letters)) for length in (1, 2, 3)
    }

    for number, term in enumerate(sorted(terms)):
        ordering = ORDERINGS[number % len(ORDERINGS)]
        everybody = texts(app, ordering)
        expected = [name for name, searched in everybody if fold(term) in searched]
        for size, batch in ((3, 0), (3, 1), (10, 0), (100, 0), (3, 30)):
            query = {
                "search": term,
                "ordering": ordering,
                "batch_size": str(size),
                "batch_number": str(batch),
            }
            reply = api.get("", query_string=query).json
            found = [card["username"] for card in reply["users"]]
            assert found == expected[batch * size :][:size], query
            assert reply["batch_info"]["total_users"] == len(expected), query


@pytest.mark.usefixtures("_walked")
def test_every_batch_far_down_the_list_is_the_right_one(
    api: Api, app: Flask, dice: random.Random
) -> None:
    assert api.get("?batch_number=5").json["users"] == []
    add(app, [person(dice, number) for number in range(120)])
    change_some(app, dice)

    for ordering in ORDERINGS:
        everybody = [username for username, _ in texts(app, ordering)]
        for size in (1, 7):
            for batch in range(0, 120 // size + 2, 3):
                path = f"?ordering={ordering}&batch_size={size}&batch_number={batch}"
                reply = api.get(path).json
                found = [card["username"] for card in reply["users"]]
                assert found == everybody[batch * size :][:size], path
                assert reply["batch_info"]["total_users"] == len(everybody)


def test_changes_are_folded_by_those_who_make_them_and_by_the_daily_command(
    api: Api, app: Flask, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngram_counts, "FOLD_ONE_IN", 10**9)
    alice = api.register("alice", bio="xy")
    api.patch("me/", {"bio": "yz"}, token=alice.access)
    api.patch("me/", {"email": "alice@example.org"}, token=alice.access)
    assert numbers(app) == (2, 0)  # Another address is nothing to search for.

    reply = app.test_cli_runner().invoke(args=["auth", "prune-tokens"])
    assert reply.exit_code == 0, reply.output
    changes, counted = numbers(app)
    assert (changes, counted) == (0, len(text.grams("alice\x1f\x1f\x1fyz")))

    monkeypatch.setattr(ngram_counts, "FOLD_ONE_IN", 1)
    api.register("bob")
    assert numbers(app)[0] == 0
    api.patch("me/", {"bio": "qq"}, token=alice.access)
    assert numbers(app)[0] == 0
    assert api.get("?search=yz").json["users"] == []
    assert live_server.wrong_counters(database_url) == []


def test_a_fold_that_the_database_refuses_is_no_failure(
    api: Api, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ngram_counts, "FOLD_ONE_IN", 1)
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE search_grams RENAME TO gone")

    assert api.register("alice").id == 1


def test_whoever_leaves_leaves_no_words_behind(api: Api, app: Flask) -> None:
    alice = api.register("alice", bio="xyzzy")
    api.patch("me/", {"bio": "plugh"}, token=alice.access)
    api.register("bob")

    api.delete("me/", json={"password": alice.password}, token=alice.access)

    assert numbers(app) == (0, len(text.grams("bob\x1f\x1f\x1f")))


def test_a_recount_finds_what_is_wrong_and_repairs_it(
    api: Api, app: Flask, database_url: str
) -> None:
    api.register("alice", bio="xy")
    with app.app_context():
        ngram_counts.fold_all()
        api.register("bob", bio="xyz")
        with db.session.begin():
            for gram, value in (("xy", 9), ("\x1fal", 2)):
                wrong = update(SearchGram).where(SearchGram.gram == gram)
                db.session.execute(wrong.values(users=value))
            db.session.execute(insert(SearchGram).values(gram="q", users=1))
    recount = ["users", "recount"]

    check = app.test_cli_runner().invoke(args=[*recount, "--check"])
    assert check.exit_code == 1, check.exception
    assert check.output.splitlines() == [
        "usernames from 'al' is 2, should be 1",
        "users with 'q' is 1, should be 0",
        "users with 'xy' is 10, should be 2",
    ]
    repaired = app.test_cli_runner().invoke(args=recount)
    assert "Repaired 3 counters." in repaired.output
    assert live_server.wrong_counters(database_url) == []
    again = app.test_cli_runner().invoke(args=[*recount, "--check"])
    assert again.output == "All counters are right.\n"


def test_who_was_there_before_the_migration_is_counted_by_it(
    app: Flask, database_url: str, dice: random.Random
) -> None:
    with app.app_context():
        flask_migrate.downgrade(revision="0005")
    add(app, [person(dice, number) for number in range(100)])

    def upgrade() -> None:
        with app.app_context():
            flask_migrate.upgrade()

    def register() -> None:
        for number in range(1000, 1030):
            add(app, [person(dice, number)])

    at_once(upgrade, register)

    assert numbers(app)[1] > 0
    assert live_server.wrong_counters(database_url) == []


def test_totals_are_exact_at_every_moment_of_a_race(
    app: Flask, database_url: str, dice: random.Random
) -> None:
    add(app, [person(dice, number) for number in range(60)])
    rounds = 12

    def change(worker: int) -> None:
        for turn in range(rounds):
            id_ = worker + 3 * turn + 1
            with app.app_context():
                if worker == 2:
                    account.delete_account(id_, by="operator")
                    continue
                words = search_text(f"n{id_}", "", "", SYLLABLES[turn])
                change = update(User).where(User.id == id_).values(search_text=words)
                with db.session.begin():
                    db.session.execute(change)
                add(app, [person(random.Random(id_), 1000 + id_)])

    def fold_them() -> None:
        for _ in range(rounds):
            with app.app_context():
                ngram_counts.fold_all()

    def look() -> list[tuple[str, int, int]]:
        with app.app_context():
            seen = [totals(("ab", "x", "_x", "1", "張")[n % 5]) for n in range(60)]
        return [one for one in seen if one[1] != one[2]]

    *_, wrong = at_once(*(lambda n=n: change(n) for n in range(3)), fold_them, look)

    assert wrong == []
    assert live_server.wrong_counters(database_url) == []


def totals(term: str) -> tuple[str, int, int]:
    """A term, its total as a search knows it, and counted among all, at one moment."""
    position = func.instr if is_sqlite() else func.strpos

    def contains(searched: Any) -> Any:
        return position(searched, bindparam("alone", type_=Text())) > 0

    counted = ngram_counts.total(contains).subquery("counted")
    plain = select(func.count()).where(contains(User.search_text))
    both = select(counted.c.total, plain.scalar_subquery().label("plain"))
    (found,) = fetch(both, {"alone": term})
    return term, found["total"], found["plain"]
