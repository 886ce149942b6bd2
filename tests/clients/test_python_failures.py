"""The Python client's errors: what they say, what is tried again, and for how long."""

import re
import socket
import time
import traceback
from pathlib import Path

import httpx
import pytest
from careers_users_client import CareersUsers, CareersUsersError, MemoryStore, Tokens

from tests.clients.conftest import PASSWORD, Join, Person, Served
from tests.clients.wire import Wire, answering
from tests.live_server import Server


def refusal(call: object, *args: object, **options: object) -> CareersUsersError:
    """Return the error of a call that fails."""
    assert callable(call)
    with pytest.raises(CareersUsersError) as caught:
        call(*args, **options)
    return caught.value


def test_an_error_says_what_the_service_says(alice: Person) -> None:
    error = refusal(alice.client.update_profile, email="none", first_name="\x00")

    assert (error.status, error.code) == (400, "validation_failed")
    assert set(error.details) == {"email", "first_name"}
    assert re.fullmatch("[0-9a-f-]{8,}", error.request_id or "")
    assert error.retry_after is None
    assert str(error) == "Validation failed (validation_failed)"


def test_a_wrong_password_is_no_matter_of_the_tokens(alice: Person) -> None:
    before = alice.tokens

    error = refusal(alice.client.login, username=alice.name, password="wrong")
    assert (error.status, error.code) == (401, "invalid_credentials")
    error = refusal(alice.client.confirm_session, password="wrong")
    assert (error.status, error.code) == (403, "wrong_password")

    assert alice.tokens == before
    assert alice.wire.count("POST token/refresh/") == 0


def test_a_lost_reply_of_a_change_is_an_error_and_nothing_is_done_twice(
    alice: Person, bob: Person
) -> None:
    alice.wire.disturb("POST follow/", alice.wire.lose_reply)

    error = refusal(alice.client.follow, username=bob.name)

    assert (error.status, error.code) == (0, "network")
    assert isinstance(error.__cause__, httpx.ReadError)
    assert alice.wire.count("POST follow/") == 1
    assert alice.client.get_own_profile()["following_count"] == 1


def test_a_lost_reply_of_a_read_is_asked_for_again(alice: Person) -> None:
    alice.wire.disturb("GET me/", alice.wire.lose_reply, alice.wire.lose_reply)

    assert alice.client.get_own_profile()["username"] == alice.name
    assert alice.wire.count("GET me/") == 3


def test_a_read_is_tried_three_times_and_no_more(alice: Person) -> None:
    alice.wire.disturb("GET me/", *[answering(503)] * 3)

    error = refusal(alice.client.get_own_profile)

    assert (error.status, error.code) == (503, "service_unavailable")
    assert alice.wire.count("GET me/") == 3


@pytest.mark.parametrize(
    ("status", "code"), [(429, "rate_limited"), (503, "overloaded")]
)
def test_a_read_waits_as_long_as_the_service_says(
    alice: Person, status: int, code: str
) -> None:
    alice.wire.disturb("GET me/", answering(status, code, Retry_After="1"))
    start = time.monotonic()

    assert alice.client.get_own_profile()["username"] == alice.name
    assert 1 <= time.monotonic() - start < 10
    assert alice.wire.count("GET me/") == 2


@pytest.mark.parametrize("wait", ["11", "3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_longer_wait_is_left_to_the_caller(alice: Person, wait: str) -> None:
    alice.wire.disturb("GET me/", answering(429, "rate_limited", Retry_After=wait))

    error = refusal(alice.client.get_own_profile)

    assert error.retry_after is not None
    assert error.retry_after > 10
    assert alice.wire.count("GET me/") == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_change_is_not_tried_again(alice: Person, status: int) -> None:
    alice.wire.disturb("PATCH me/update/", answering(status, "x", Retry_After="0"))

    error = refusal(alice.client.update_profile, bio="New")

    assert (error.status, error.retry_after) == (status, 0)
    assert alice.wire.count("PATCH me/update/") == 1


def test_too_many_sign_ins_are_the_services_429(tmp_path: Path) -> None:
    settings = {"CAREERS_USERS_RATELIMIT_ENABLED": "true"}
    with (
        Server(tmp_path, **settings) as server,
        CareersUsers(f"http://127.0.0.1:{server.port}") as client,
    ):
        for _ in range(50):
            error = refusal(client.login, username="alice", password=PASSWORD)
            if error.status != 401:
                break
    assert (error.status, error.code) == (429, "rate_limited")
    assert error.retry_after is not None
    assert error.retry_after >= 1


def test_no_service_and_a_silent_one_are_two_errors() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with CareersUsers(url, timeout=0.2, retries=0) as client:
            error = refusal(client.list_users)
    assert (error.status, error.code) == (0, "timeout")
    assert isinstance(error.__cause__, httpx.ReadTimeout)

    with CareersUsers(url, retries=1) as client:
        error = refusal(client.list_users)
    assert (error.status, error.code) == (0, "network")
    assert isinstance(error.__cause__, httpx.ConnectError)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, text="<html>Sign in to the hotel's network</html>"),
        httpx.Response(302, headers={"Location": "https://elsewhere.example/"}),
        httpx.Response(404, text="Not Found"),
        httpx.Response(500, json=["code"]),
        httpx.Response(401, json={"code": 1}),
    ],
)
def test_a_reply_that_is_not_the_services(alice: Person, reply: httpx.Response) -> None:
    before = alice.tokens
    alice.wire.disturb("GET me/", lambda _: reply)

    error = refusal(alice.client.get_own_profile)

    assert (error.status, error.code) == (reply.status_code, "unexpected_reply")
    assert alice.tokens == before
    assert len(alice.wire.requests) == 2  # The registration was the first.


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/careers/users/followers/",
        "//elsewhere.example/careers/users/followers/",
        "http://127.0.0.1:1/careers/users/followers/",
        "http://me:secret@{host}/careers/users/followers/",
        "https://{host}/careers/users/followers/",
        "/elsewhere/",
        "/careers/users/../../elsewhere/",
        "/careers/users/%2e%2e/elsewhere/",
    ],
)
def test_a_next_that_leads_away_is_refused(alice: Person, link: str) -> None:
    host = alice.wire.requests[0].url.netloc.decode()
    page = {"next": link.format(host=host), "results": [{"id": 1}]}
    alice.wire.disturb("GET followers/", lambda _: httpx.Response(200, json=page))
    rows = alice.client.iter_own_followers()

    assert next(rows)["id"] == 1
    assert refusal(next, rows).code == "unexpected_reply"
    assert len(alice.wire.requests) == 2


@pytest.mark.parametrize("name", ["", ".", "..", "me/sessions", "/", "a/.."])
def test_a_name_that_would_be_another_call_is_not_sent(
    alice: Person, name: str
) -> None:
    assert refusal(alice.client.list_followers, name).status == 404
    assert len(alice.wire.requests) == 1


@pytest.mark.parametrize("name", ["a?b#c", "a..b", "%2e%2e", "a b", "é", "\udc80"])
def test_other_names_reach_the_service_as_they_are(alice: Person, name: str) -> None:
    assert refusal(alice.client.get_profile, name).code in (
        "user_not_found",
        "not_found",
    )


@pytest.mark.parametrize(
    "url", ["ftp://users.example.com", "users.example.com", "https://a:b@example.com"]
)
def test_a_url_that_is_none_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base_url is an http or https URL"):
        CareersUsers(url)


def test_no_password_and_no_token_is_shown(join: Join) -> None:
    alice = join(retries=0)
    secrets = [PASSWORD, alice.tokens.access, alice.tokens.refresh]
    shown = [repr(alice.client), repr(alice.tokens), repr(MemoryStore(alice.tokens))]
    for fault in (alice.wire.lose_reply, answering(503), answering(400)):
        alice.wire.disturb("POST login/", fault)
        alice.wire.disturb("POST token/refresh/", fault)
        login = refusal(alice.client.login, username=alice.name, password=PASSWORD)
        for error in (login, refusal(alice.client.refresh_tokens)):
            shown += [repr(error), *traceback.format_exception(error)]

    assert [secret for secret in secrets if secret in "".join(shown)] == []


@pytest.mark.parametrize("access", ["a\r\nb: c", "é", "\x00", ""])
def test_a_damaged_token_is_refused_by_the_service(served: Served, access: str) -> None:
    store = MemoryStore(Tokens(access, "d.e.f"))
    with CareersUsers(served.url, store, http_transport=Wire()) as client:
        error = refusal(client.get_own_profile)
    assert (error.status, error.code) == (401, "token_invalid")
    assert store.get() is None
