"""The page that links in mail lead to, as HTTP sees it."""

import re
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from careers_users.validation.limits import BASE_PATH
from tests.api import Api

PAGE = f"{BASE_PATH}/email/confirm/"
FILES = ("", "confirm.js", "confirm.css")


def get(api: Api, name: str = "", method: str = "GET") -> TestResponse:
    """Ask for the page or a file of it."""
    return api.app.test_client().open(PAGE + name, method=method)


def test_the_policy_allows_its_own_files_and_nothing_else(mail_api: Api) -> None:
    reply = get(mail_api)
    assert (reply.status_code, reply.mimetype) == (200, "text/html")
    policy = reply.headers["Content-Security-Policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    assert directives == {
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert "unsafe" not in policy
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


def test_it_is_static_and_has_no_script_or_style_of_its_own(mail_api: Api) -> None:
    page = get(mail_api).text
    assert "?" not in re.sub(r"<!.*?>", "", page), "nothing of a request is in it"
    assert not re.search(r"<style|\bstyle=|\bon\w+=|<script>|<script[^>]*>[^<]", page)
    named = re.findall(r'(?:src|href)="(.*?)"', page)
    assert sorted(named) == sorted(f"{PAGE}{name}" for name in FILES if name)
    for name in FILES:
        assert get(mail_api, name).status_code == 200
    assert get(mail_api, "confirm.js").mimetype == "text/javascript"
    assert get(mail_api, "confirm.css").mimetype == "text/css"


@pytest.mark.parametrize("name", FILES)
def test_it_can_be_stored_and_asked_for_again(mail_api: Api, name: str) -> None:
    etag = get(mail_api, name).headers["ETag"]
    client = mail_api.app.test_client()
    again = client.get(PAGE + name, headers={"If-None-Match": etag})
    assert again.status_code == 304
    assert get(mail_api, name, "HEAD").status_code == 200


def test_a_post_to_it_is_405(mail_api: Api) -> None:
    assert mail_api.post("email/confirm/", {}).status_code == 405


@pytest.mark.parametrize("name", FILES)
def test_without_mail_it_is_not_there(api: Api, name: str) -> None:
    reply = api.get(f"email/confirm/{name}")
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


def test_the_files_are_in_the_package() -> None:
    text = (Path(__file__).parents[2] / "setup.cfg").read_text("utf-8")
    assert "careers_users.http = static/*" in text
