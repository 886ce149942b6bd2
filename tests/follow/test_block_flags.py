"""The flag of users with blocks: set by the first, taken back by `users recount`."""

import pytest
from flask import Flask
from sqlalchemy import select, text

from careers_users.extensions import db
from careers_users.models import User
from tests.api import Account, Api
from tests.auth.stored import change_user, rows
from tests.cli.command import run
from tests.profile.test_statements import statements


@pytest.fixture
def people(api: Api) -> list[Account]:
    """Register three users, the first of whom has blocked the second."""
    people = [api.register(name) for name in ("alice", "bob", "carol")]
    api.put("bob/block/", token=people[0].access)
    return people


def flagged(app: Flask) -> list[str]:
    """Return who has the flag."""
    statement = select(User.username).where(User.has_blocks).order_by(User.id)
    return [row["username"] for row in rows(app, statement)]


@pytest.mark.usefixtures("people")
def test_both_sides_of_a_block_have_it(app: Flask) -> None:
    assert flagged(app) == ["alice", "bob"]


def test_only_recount_takes_it_back(
    api: Api, app: Flask, people: list[Account]
) -> None:
    api.put("carol/block/", token=people[1].access)
    api.delete("bob/block/", token=people[0].access)
    assert flagged(app) == ["alice", "bob", "carol"]
    assert run(app, "users", "recount", "--check").exit_code == 0
    result = run(app, "users", "recount")
    assert result.output.splitlines() == [
        "Repaired 1 flags of blocks.",
        "All counters are right.",
    ]
    assert flagged(app) == ["bob", "carol"]
    api.delete("me/", json={"password": people[1].password}, token=people[1].access)
    run(app, "users", "recount")
    assert flagged(app) == []


@pytest.mark.usefixtures("people")
def test_one_that_is_missing_is_a_mistake(app: Flask) -> None:
    change_user(app, "bob", has_blocks=False)
    result = run(app, "users", "recount", "--check")
    assert result.exit_code == 1
    assert result.output.startswith("bob: has_blocks is false, should be true\n")
    assert flagged(app) == ["alice"]
    assert run(app, "users", "recount").exit_code == 0
    assert flagged(app) == ["alice", "bob"]
    assert run(app, "users", "recount", "--check").exit_code == 0


READS = (
    "carol/",
    "carol/stats/",
    "",
    "?batch_size=1&batch_number=1",
    "?search=carol",
    "?ids=1,2,3",
    "carol/followers/",
    "carol/following/",
    "me/followers/",
    "following/",
    "followers/",
    "relationships/?ids=2,3",
)


def test_without_it_nothing_looks_for_blocks(api: Api, people: list[Account]) -> None:
    alice, _, carol = people
    numbers = {}
    for account in (alice, carol):
        for path in READS:
            with statements(api) as seen:
                assert api.get(path, token=account.access).status_code == 200
            looks = [statement for statement in seen if "FROM blocks" in statement]
            # One's own lists have no edge to anybody with a block.
            has_none = account is carol or path in ("following/", "followers/")
            assert bool(looks) is not has_none, path
            numbers[account.username, path] = len(seen)
    for path in READS:
        assert numbers["alice", path] == numbers["carol", path] <= 3, path


def test_blocks_of_deleted_users_hide_no_user(
    api: Api, app: Flask, people: list[Account]
) -> None:
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("DELETE FROM blocks"))
    reply = api.get("", token=people[0].access).json
    assert reply["batch_info"]["total_users"] == 3
