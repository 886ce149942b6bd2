"""All calls of three users and a moderator, in any order, against sets in Python."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from tests.account import suspending
from tests.api import Account, Api, Reply
from tests.follow.graph_model import Answer, Graph
from tests.live_server import wrong_counters

WHO = st.integers(0, 2)
NOBODY = "nobody_at_all"
_numbers = itertools.count(1)


def test_every_reply_is_that_of_the_sets(api: Api, database_url: str) -> None:
    class Bound(Machine):
        """The machine, on this test's database."""

    Bound.api, Bound.url = api, database_url
    run_state_machine_as_test(
        Bound,
        settings=settings(
            max_examples=10,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            # Runs share a database: a failure is shown as it is, not made smaller.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def answer(reply: Reply) -> Answer:
    """Return a reply's status or, of a refusal, its code."""
    if reply.status_code < 400:
        return reply.status_code
    code: str = reply.json["code"]
    return code


def usernames(reply: Reply, key: str = "results") -> list[str]:
    """Return whom a list shows."""
    return [row["username"] for row in reply.json[key]]


class Machine(RuleBasedStateMachine):
    """Three new users, in a database that has those of earlier runs."""

    api: Api
    url: str

    def __init__(self) -> None:
        super().__init__()
        number = next(_numbers)
        self.mark = f"crew{number:04}"
        names = [f"{letter}{number:04}" for letter in "abc"]
        self.users = [self.api.register(name, first_name=self.mark) for name in names]
        self.graph = Graph(names)

    # -- calls -------------------------------------------------------------------------

    @rule(one=WHO, other=WHO, is_put=st.booleans())
    def follow(self, one: int, other: int, is_put: bool) -> None:
        """Follow by POST or PUT."""
        him = self.users[other]
        if is_put:
            call = self.caller("PUT", f"{him.username}/follow/")
        else:
            call = self.caller("POST", "follow/", json={"following": him.id})
        self.expect(one, call, lambda v, o: self.graph.follow(v, o, is_put=is_put), him)

    @rule(one=WHO, other=WHO, way=st.sampled_from(["unfollow", "follow", "remove"]))
    def end(self, one: int, other: int, way: str) -> None:
        """End an edge in one of the three ways."""
        him = self.users[other]
        path = f"{him.username}/{way}/"
        if way == "remove":
            path = f"me/followers/{him.username}/"
        missing: dict[str, Answer] = {
            "unfollow": "not_following",
            "follow": 200,
            "remove": "not_a_follower",
        }

        def expected(viewer: str, other: str) -> Answer:
            edge = (other, viewer) if way == "remove" else (viewer, other)
            return self.graph.end(viewer, other, edge, missing[way])

        self.expect(one, self.caller("DELETE", path), expected, him)

    @rule(one=WHO, other=WHO, is_on=st.booleans())
    def block(self, one: int, other: int, is_on: bool) -> None:
        """Block, or take it back."""
        him, graph = self.users[other], self.graph
        call = self.caller("PUT" if is_on else "DELETE", f"{him.username}/block/")
        self.expect(
            one,
            call,
            graph.block if is_on else lambda v, o: graph.take_back(graph.blocks, v, o),
            him,
        )

    @rule(one=WHO, other=WHO, is_on=st.booleans())
    def mute(self, one: int, other: int, is_on: bool) -> None:
        """Mute, or take it back."""
        him, graph = self.users[other], self.graph
        call = self.caller("PUT" if is_on else "DELETE", f"{him.username}/mute/")
        self.expect(
            one,
            call,
            graph.mute if is_on else lambda v, o: graph.take_back(graph.mutes, v, o),
            him,
        )

    @rule(who=WHO)
    def suspend(self, who: int) -> None:
        """Suspend a user, as a moderator."""
        suspending.suspend(self.api.app, self.users[who])
        self.graph.suspend(self.users[who].username)

    @rule(who=WHO)
    def restore(self, who: int) -> None:
        """Restore a user, who signs in again."""
        user = self.users[who]
        was_suspended = suspending.restore(self.api.app, user)
        assert was_suspended is (user.username in self.graph.suspended)
        if was_suspended:
            self.graph.restore(user.username)
            access = suspending.log_in(self.api, user).json["access"]
            self.users[who] = replace(user, access=access)

    def caller(self, method: str, path: str, **options: Any) -> Callable[[str], Reply]:
        """Return a call that waits for its token."""
        return lambda token: self.api.call(method, path, token=token, **options)

    def expect(
        self,
        one: int,
        call: Callable[[str], Reply],
        expected: Callable[[str, str], Answer],
        him: Account,
    ) -> None:
        """Make a call, and compare its answer with that of the model."""
        me = self.users[one]
        reply = call(me.access)
        if me.username in self.graph.suspended:
            assert answer(reply) == "token_revoked"
        else:
            assert answer(reply) == expected(me.username, him.username)

    # -- looks -------------------------------------------------------------------------

    @rule(who=WHO)
    def look(self, who: int) -> None:
        """Compare all that a viewer sees with the model."""
        me, token = self.users[who].username, self.users[who].access
        if me in self.graph.suspended:
            assert answer(self.api.get("me/", token=token)) == "token_revoked"
            return
        for other in self.users:
            self.look_at(me, token, other.username)
        self.look_at_lists(me, token)
        self.look_at_directory(me, token)
        self.look_at_relationships(me, token)

    def look_at(self, me: str, token: str, other: str) -> None:
        """Compare what a viewer sees of one user."""
        get = self.api.get
        nobody = get(f"{NOBODY}/", token=token).data
        paths = ("", "stats/", "followers/", "following/")
        replies = [get(f"{other}/{path}", token=token) for path in paths]
        if not self.graph.meets(me, other):
            assert [reply.status_code for reply in replies] == [404] * 4
            assert {reply.data for reply in replies} == {nobody}
            return
        numbers = self.graph.numbers(other)
        for reply in replies[:2]:
            shown = reply.json["followers_count"], reply.json["following_count"]
            assert shown == numbers
        assert (replies[2].json["count"], replies[3].json["count"]) == numbers
        assert usernames(replies[2]) == self.graph.followers(me, other)
        assert usernames(replies[3]) == self.graph.following(me, other)

    def look_at_lists(self, me: str, token: str) -> None:
        """Compare a viewer's own lists, which have as many rows as they say."""
        graph, following = self.graph, self.graph.following(me, me)
        fed = [name for name in following if (me, name) not in graph.mutes]
        for path, expected, key in (
            ("following/", following, "following_username"),
            ("following/?muted=exclude", fed, "following_username"),
            ("followers/", graph.followers(me, me), "follower_username"),
            ("me/following/?muted=exclude", fed, "username"),
            ("me/blocks/", graph.blocked(me), "username"),
            ("me/mutes/", graph.muted(me), "username"),
        ):
            reply = self.api.get(path, token=token).json
            assert [row[key] for row in reply["results"]] == expected, path
            assert reply["count"] == len(expected), path
        export = self.api.get("me/export/", token=token).json
        assert [row["username"] for row in export["blocks"]][::-1] == graph.blocked(me)

    def look_at_directory(self, me: str, token: str) -> None:
        """Compare searches; and the total of all, with the number of the rows."""
        expected = self.graph.directory(me)
        ids = ",".join(str(user.id) for user in self.users)
        for query in (f"search={self.mark}", f"ids={ids}"):
            reply = self.api.get(f"?{query}", token=token)
            assert usernames(reply, "users") == expected
            assert reply.json["batch_info"]["total_users"] == len(expected)
        whole = self.api.get("?batch_size=100", token=token)
        assert len(whole.json["users"]) == whole.json["batch_info"]["total_users"]
        shown = {*usernames(whole, "users")} & {*self.graph.names}
        assert shown == {*expected}

    def look_at_relationships(self, me: str, token: str) -> None:
        """Compare how a viewer and each user stand."""
        ids = ",".join(str(user.id) for user in self.users)
        rows = self.api.get(f"relationships/?ids={ids}", token=token).json["results"]
        graph = self.graph
        assert [
            (row["following"], row["followed_by"], row["blocking"], row["muting"])
            for row in rows
        ] == [
            (
                (me, other) in graph.edges,
                (other, me) in graph.edges,
                (me, other) in graph.blocks,
                (me, other) in graph.mutes,
            )
            for other in graph.names
            if graph.meets(me, other)
        ]

    @rule()
    def look_signed_out(self) -> None:
        """Compare what is visible without a token: blocks hide nothing."""
        for name in self.graph.names:
            status = 404 if name in self.graph.suspended else 200
            assert self.api.get(f"{name}/").status_code == status
        reply = self.api.get(f"?search={self.mark}")
        expected = [n for n in self.graph.names if n not in self.graph.suspended]
        assert usernames(reply, "users") == expected

    def teardown(self) -> None:
        """Let everybody look in the end, and compare counters with their rows."""
        for who in range(3):
            self.look(who)
        assert wrong_counters(self.url) == []
