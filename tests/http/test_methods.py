"""Paths and methods: each address takes its own, with and without its slash."""

import itertools

import pytest

from tests.api import Account, Api
from tests.http.gate import METHODS, SAME_ID, canonical, routes


def allowed(api: Api) -> dict[str, set[str]]:
    """Return the methods that each path takes."""
    result: dict[str, set[str]] = {}
    for rule in api.app.url_map.iter_rules():
        result.setdefault(canonical(rule), set()).update(rule.methods or ())
    return result


def refusals(api: Api, path: str, methods: set[str]) -> list[str]:
    """Return the wrong replies to methods that a path does not take."""
    wrong = []
    for method in sorted(METHODS - methods):
        response = api.call(method, path)
        if response.status_code != 405:
            wrong.append(f"{method} {path} is {response.status_code}")
        elif set(response.allow or ()) != methods:
            wrong.append(f"{method} {path} allows {response.headers['Allow']}")
    return wrong


def test_a_wrong_method_is_405_with_those_that_are_right(api: Api) -> None:
    assert api.get("login/").json["code"] == "method_not_allowed"
    wrong = [refusals(api, path, methods) for path, methods in allowed(api).items()]
    assert list(itertools.chain(*wrong)) == []


def test_a_wrong_method_is_405_also_without_a_slash(api: Api) -> None:
    wrong = [
        refusals(api, path.rstrip("/"), methods)
        for path, methods in allowed(api).items()
    ]
    assert list(itertools.chain(*wrong)) == []


def test_options_tells_the_methods(api: Api) -> None:
    wrong = []
    for path, methods in allowed(api).items():
        for address in (path, path.rstrip("/")):
            response = api.call("OPTIONS", address)
            assert response.status_code in (200, 204), address
            if set(response.allow or ()) != methods:
                wrong.append(f"{address} allows {response.headers.get('Allow')}")
    assert wrong == []


def test_options_is_answered_without_a_page(api: Api) -> None:
    for path in allowed(api):
        response = api.call("OPTIONS", path)
        assert response.data == b""
        assert "html" not in response.headers.get("Content-Type", ""), path


@pytest.mark.usefixtures("alice")
def test_head_is_get_without_a_body(api: Api) -> None:
    for path in ("", "alice/", "alice/followers/", "nobody/", "?batch_size=x", "me/"):
        get, head = (api.call(m, path, headers=SAME_ID) for m in ("GET", "HEAD"))
        assert head.data == b""
        assert head.status_code == get.status_code
        assert dict(head.headers) == dict(get.headers), path


def test_without_the_slash_the_same_answer_comes(api: Api, alice: Account) -> None:
    for method, path, _ in routes(api):
        for token in (None, alice.access) if method == "GET" else (None,):
            expected = api.call(method, path, json={}, token=token)
            for address in (path.rstrip("/"), path + "/"):
                response = api.call(method, address, json={}, token=token)
                assert response.status_code == expected.status_code, address
                assert response.json.keys() == expected.json.keys()
                assert response.json.get("code") == expected.json.get("code")


def test_an_address_of_nothing_is_404_and_never_a_redirect(api: Api) -> None:
    nothing = ["/careers", "/careers/", "/careers/user/", "/careers/usersx"]
    nothing += ["/careers//users/", "/careers/users//alice/", "/x"]
    nothing += ["/careers/users/alice/x/", "/careers/users/a/b/c/d/", "/favicon.ico"]
    nothing += ["/careers/users/token/", "/careers/users/../users/", "/CAREERS/USERS/"]
    nothing += ["/careers/users/alice//stats/", "/static/x", "/\xff", "/\x00", "*"]
    nothing += ["/careers/users/alice/followers/1", "/index.html", "/robots.txt/../x"]
    nothing += ["/careers/users/token/refresh/x", "http://example.com/careers/users/"]
    for path in nothing:
        for method in ("GET", "POST", "DELETE", "OPTIONS"):
            overrides = {"PATH_INFO": path}
            response = api.call(method, "/", json={}, environ_overrides=overrides)
            assert response.status_code == 404, (method, path)
            if method != "OPTIONS":
                assert response.json["code"] == "not_found", (method, path)
