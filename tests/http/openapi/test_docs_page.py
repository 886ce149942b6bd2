"""The page that shows the API: what is served for it, and how strictly."""

import re
from urllib.parse import urljoin

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from careers_users import create_app
from careers_users.validation.usernames import reserved_names
from config import TestConfig
from tests.conftest import KEY

PAGES = ("/", "/docs/", "/docs", "/docs/page.js", "/openapi.json")


def make(docs: bool = True) -> Flask:
    """Return an application whose database is not asked."""
    url = "sqlite:////nowhere/none.db"
    return create_app(TestConfig(database_url=url, jwt_secret_key=KEY, docs=docs))


def get(path: str, docs: bool = True) -> TestResponse:
    """Return the reply to a GET."""
    return make(docs).test_client().get(path)


def test_the_bare_address_leads_to_the_page_whatever_the_host_is_called() -> None:
    response = make().test_client().get("/", headers={"Host": "evil.example"})

    assert response.status_code == 302
    assert response.headers["Location"] == "/docs/"
    assert response.data == b""


def test_the_page_runs_only_files_of_this_host() -> None:
    response = get("/docs/")

    assert response.status_code == 200
    assert response.mimetype == "text/html"
    policy = dict(
        part.strip().split(" ", 1)
        for part in response.headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<style|\bstyle=|\bon\w+=|<script>", response.text)


def test_all_that_the_page_needs_is_served() -> None:
    client = make().test_client()
    page = client.get("/docs/").text
    needed = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert len(needed) >= 5
    for address in needed:
        assert address.startswith("/"), "from this host"
        response = client.get(urljoin("/docs/", address))
        assert response.status_code == 200, address
        assert response.data, address
        kinds = {"js": "text/javascript", "css": "text/css", "png": "image/png"}
        kind = kinds.get(address.rpartition(".")[2], "application/json")
        assert response.mimetype == kind, address
        tag = response.headers["ETag"]
        again = client.get(address, headers={"If-None-Match": tag})
        assert again.status_code == 304, address


def test_nothing_else_that_lies_beside_those_files_is_served() -> None:
    client = make().test_client()
    for name in (
        *("index.html", "swagger-ui.js", "oauth2-redirect.html", "LICENSE", ""),
        *("../__init__.py", "..%2f__init__.py", "page.js/..", "dist/swagger-ui.css"),
    ):
        status = client.get(f"/docs/{name}").status_code
        assert status == (404 if name else 200), name


@pytest.mark.parametrize("path", PAGES)
def test_an_operator_can_turn_it_off(path: str) -> None:
    response = get(path, docs=False)

    assert response.status_code == 404
    assert response.is_json
    assert response.json is not None
    assert response.json["code"] == "not_found"


def test_no_name_is_free_because_it_is_off() -> None:
    assert reserved_names(make(docs=False)) == reserved_names(make())
