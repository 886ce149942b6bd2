"""Assertions about tokens that are refused."""

from typing import Any

from werkzeug.test import TestResponse

from tests.api import Api

NEEDS_TOKEN, TAKES_TOKEN = "me/", "alice/"


OTHER_KEY = "a key of somebody else, of the same length"


def assert_refused(response: TestResponse, code: str, case: object) -> None:
    """Assert that it is a 401 with this code; its form and header the client checks."""
    assert response.status_code == 401, (case, response.text)
    assert response.json is not None
    assert response.json["code"] == code, case


def assert_refused_everywhere(api: Api, token: str, code: str, case: object) -> None:
    """Assert that a token is refused, where one is needed and where it is not."""
    for path in (NEEDS_TOKEN, TAKES_TOKEN):
        assert_refused(api.get(path, token=token), code, (case, path))


def alter(claim: str, *values: Any) -> list[dict[str, Any]]:
    """Return one change for each value of a claim; see `forge`."""
    return [{claim: value} for value in values]
