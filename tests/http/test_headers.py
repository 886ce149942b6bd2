"""The headers of every reply: what caches and browsers may do with it."""

from typing import Any

from werkzeug.test import TestResponse

from tests.api import PASSWORD, Account, Api

# All headers that a reply may have: none that names the software, none left over from
# pages, and no cookie.
EXPECTED = {
    "Content-Type",
    "Content-Length",
    "X-Content-Type-Options",
    "Content-Security-Policy",
    "Vary",
    "Cache-Control",
    "X-Request-ID",
}
PUBLIC_READS = ("", "alice/", "alice/stats/", "alice/followers/", "alice/following/")
OWN_READS = ("me/", "me/stats/", "followers/", "following/", "me/followers/")


def check(response: TestResponse, cache_control: str, *more: str) -> None:
    """Assert that a reply has exactly the documented headers."""
    headers = response.headers
    assert headers["Cache-Control"] == cache_control, response.request.path
    assert headers["Content-Type"] == "application/json"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    assert headers.getlist("Vary") == ["Authorization", "Origin"]
    assert {*headers.keys()} == {*EXPECTED, *more}


def test_an_anonymous_read_may_be_kept_and_must_be_asked_about(api: Api) -> None:
    api.register("alice")

    for path in (*PUBLIC_READS, "?search=alice", "/health/live"):
        check(api.get(path), "no-cache")


def test_a_read_with_a_token_is_not_kept(api: Api) -> None:
    alice = api.register("alice")

    for path in (*PUBLIC_READS, *OWN_READS):
        check(api.get(path, token=alice.access), "private, no-store")


def test_a_write_is_not_kept(api: Api) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    writes: list[tuple[str, str, Any]] = [
        ("POST", "login/", {"username": "alice", "password": PASSWORD}),
        ("POST", "token/refresh/", {"refresh": alice.refresh}),
        ("PATCH", "me/", {"bio": "Hello"}),
        ("POST", "follow/", {"following": bob.id}),
        ("DELETE", "bob/unfollow/", None),
        ("POST", "logout/", {"refresh": alice.refresh}),
    ]

    for method, path, body in writes:
        response = api.call(method, path, json=body, token=alice.access)
        assert response.status_code in (200, 201), path
        check(response, "no-store")


def errors(api: Api, alice: Account) -> list[tuple[int, TestResponse]]:
    """Return a reply of each kind that is an error, and its status."""
    large = {"bio": "x" * 70_000}
    follow = {"following": alice.id}
    return [
        (400, api.post("login/", {})),
        (400, api.get("?batch_size=x")),
        (400, api.post("follow/", follow, token=alice.access)),
        (404, api.get("nobody/")),
        (404, api.get("/nothing/at/all")),
        (404, api.get("nobody/", token=alice.access)),
        (413, api.patch("me/", large, token=alice.access)),
        (415, api.post("login/", data=b"{}", content_type="text/plain")),
    ]


def test_an_error_is_not_kept(api: Api) -> None:
    alice = api.register("alice")

    for status, response in errors(api, alice):
        assert response.status_code == status
        check(response, "no-store")
    for token in (None, "bad"):
        response = api.get("me/", token=token)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        check(response, "no-store", "WWW-Authenticate")
    body = {"username": "alice", "password": "wrong password"}
    check(api.post("login/", body), "no-store", "WWW-Authenticate")
    check(api.delete("me/stats/"), "no-store", "Allow")


def test_a_token_in_any_spelling_is_a_token(api: Api) -> None:
    alice = api.register("alice")

    for header in (f"bearer {alice.access}", f"BEARER  {alice.access}"):
        response = api.get("alice/", headers={"Authorization": header})
        check(response, "private, no-store")
