"""The Python client's tokens: one refresh for many calls, and what ends a session."""

from pathlib import Path

import httpx
import pytest
from careers_users_client import CareersUsers, CareersUsersError, MemoryStore, Tokens

from tests.clients.conftest import PASSWORD, Join, Person, Served
from tests.clients.wire import answering
from tests.live_server import Server, at_once, expired, until

REFRESH = "POST token/refresh/"


def test_twenty_calls_that_need_a_refresh_make_one(alice: Person) -> None:
    alice.expire("access")
    before = alice.tokens

    def all_are_refused(_: httpx.Request) -> None:
        until(lambda: alice.wire.count("GET me/") == 20)

    alice.wire.disturb(REFRESH, all_are_refused)
    replies = at_once(lambda _: alice.client.get_own_profile(), range(20))

    assert {reply["username"] for reply in replies} == {alice.name}
    assert alice.wire.count(REFRESH) == 1
    assert alice.wire.count("GET me/") == 40
    assert alice.tokens.refresh != before.refresh  # It has rotated.


def test_a_call_that_changes_something_is_made_once_more_after_a_refresh(
    alice: Person, bob: Person
) -> None:
    alice.expire("access")

    assert alice.client.follow(username=bob.name)["following_username"] == bob.name
    assert alice.wire.count("POST follow/") == 2


def test_twenty_calls_share_a_refresh_that_fails(alice: Person) -> None:
    alice.expire("access")
    before = alice.tokens

    def fail(_: httpx.Request) -> httpx.Response:
        until(lambda: alice.wire.replies["GET me/"] == 20)
        return httpx.Response(500, json={})

    def code(_: int) -> str:
        with pytest.raises(CareersUsersError) as caught:
            alice.client.get_own_profile()
        return caught.value.code

    alice.wire.disturb(REFRESH, *[fail] * 20)

    assert at_once(code, range(20)) == ["unexpected_reply"] * 20
    # A thread may come back from its call when the first refresh has failed.
    assert 1 <= alice.wire.count(REFRESH) < 10
    assert alice.tokens == before
    alice.wire.calm()
    assert alice.client.get_own_profile()["username"] == alice.name


def test_a_refresh_whose_reply_is_lost_is_made_again(alice: Person) -> None:
    alice.expire("access")
    alice.wire.disturb(REFRESH, alice.wire.lose_reply)

    assert alice.client.get_own_profile()["username"] == alice.name
    assert alice.wire.count(REFRESH) == 2
    alice.expire("access")
    assert alice.client.get_own_profile()["username"] == alice.name


@pytest.mark.parametrize("status", [0, 503])
def test_a_refresh_that_fails_by_the_network_or_a_503_keeps_the_session(
    join: Join, status: int
) -> None:
    alice = join(retries=0)
    alice.expire("access")
    before = alice.tokens
    fault = answering(503, Retry_After="1") if status else alice.wire.lose_reply
    alice.wire.disturb(REFRESH, fault)

    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()

    assert caught.value.status == status
    assert alice.tokens == before
    assert alice.client.get_own_profile()["username"] == alice.name


def test_a_refused_refresh_signs_out(alice: Person) -> None:
    alice.expire("access", "refresh")

    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()

    assert (caught.value.status, caught.value.code) == (401, "token_invalid")
    assert alice.client.store.get() is None
    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()
    assert caught.value.code == "not_authenticated"
    assert alice.wire.count(REFRESH) == 1
    with pytest.raises(CareersUsersError) as caught:
        alice.client.refresh_tokens()
    assert caught.value.code == "not_authenticated"


def test_a_session_that_has_ended_signs_out_without_a_refresh(
    alice: Person, served: Served
) -> None:
    with CareersUsers(served.url) as elsewhere:
        elsewhere.login(username=alice.name, password=PASSWORD)
        elsewhere.logout_all(keep_current=True)

    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()

    assert caught.value.code == "token_revoked"
    assert alice.client.store.get() is None
    assert alice.wire.count(REFRESH) == 0


@pytest.mark.parametrize("ended", [False, True])
def test_tokens_that_another_process_has_stored_are_used(
    alice: Person, served: Served, ended: bool
) -> None:
    with CareersUsers(served.url) as elsewhere:
        elsewhere.login(username=alice.name, password=PASSWORD)
        newer = elsewhere.store.get()
        if ended:
            elsewhere.logout_all(keep_current=True)
    if not ended:
        alice.expire("access")

    def store_newer(_: httpx.Request) -> None:
        alice.client.store.set(newer)

    alice.wire.disturb("GET me/", store_newer)

    assert alice.client.get_own_profile()["username"] == alice.name
    assert alice.client.store.get() == newer
    assert alice.wire.count(REFRESH) == 0


@pytest.mark.parametrize("tokens", [None, Tokens("a.b.c", "d.e.f")])
def test_a_sign_out_or_sign_in_during_a_refresh_counts(
    alice: Person, tokens: Tokens | None
) -> None:
    alice.expire("access")

    def change_store(_: httpx.Request) -> None:
        alice.client.store.set(tokens)

    alice.wire.disturb(REFRESH, change_store)

    with pytest.raises(CareersUsersError) as caught:
        alice.client.get_own_profile()

    assert caught.value.status == 401
    assert alice.client.store.get() == tokens


def test_an_interrupted_refresh_is_no_obstacle_for_the_next(alice: Person) -> None:
    alice.expire("access")

    def interrupt(_: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    alice.wire.disturb(REFRESH, interrupt)
    with pytest.raises(KeyboardInterrupt):
        alice.client.get_own_profile()

    assert alice.client.get_own_profile()["username"] == alice.name


@pytest.mark.parametrize("rotation", ["off", "required"])
def test_the_service_decides_whether_refresh_tokens_rotate(
    tmp_path: Path, rotation: str
) -> None:
    settings = {"CAREERS_USERS_REFRESH_ROTATION": rotation}
    with (
        Server(tmp_path, **settings) as server,
        CareersUsers(f"http://127.0.0.1:{server.port}") as client,
    ):
        client.register(
            username="alice",
            email="alice@example.com",
            password=PASSWORD,
            password_confirm=PASSWORD,
        )
        before = client.store.get()
        client.refresh_tokens()
        client.refresh_tokens()
        after = client.store.get()
        assert before is not None
        assert after is not None
        assert after.access != before.access
        assert (after.refresh != before.refresh) == (rotation == "required")


def test_two_clients_of_one_store_stay_signed_in(alice: Person, served: Served) -> None:
    store = MemoryStore(alice.tokens)
    clients = [CareersUsers(served.url, store) for _ in range(4)]
    store.set(Tokens(expired(alice.tokens.access), alice.tokens.refresh))

    names = at_once(lambda client: client.get_own_profile()["username"], clients)

    assert names == [alice.name] * 4
    for client in clients:
        client.refresh_tokens()
        client.close()
