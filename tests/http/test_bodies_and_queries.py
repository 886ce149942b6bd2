"""How requests come in: media types, encodings, queries as clients write them (S8)."""

import gzip
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from careers_users.validation.limits import BASE_PATH
from tests import live_server
from tests.api import Api

LOGIN = {"username": "alice", "password": "password123"}
EVENTS = "application/cloudevents+json"


def login(api: Api, body: bytes | None = None, **headers: str) -> Any:
    """Log in with a body as it is and these headers."""
    data = json.dumps(LOGIN).encode() if body is None else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.call("POST", "login/", data=data, headers=named)


@pytest.mark.parametrize(
    "media_type",
    ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"],
)
def test_a_body_is_json(api: Api, media_type: str) -> None:
    api.register("alice")
    assert login(api, Content_Type=media_type).status_code == 200


@pytest.mark.parametrize(
    "media_type",
    [
        *(
            "application/vnd.api+json",
            "application/problem+json",
            "application/ld+json",
        ),
        *("text/json", "application/x-www-form-urlencoded", "text/plain", "", EVENTS),
    ],
)
def test_a_body_of_another_media_type_is_415(api: Api, media_type: str) -> None:
    reply = login(api, Content_Type=media_type)
    assert (reply.status_code, reply.json["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "encoding", ["gzip", "deflate", "br", "identity", "x", "gzip, br"]
)
def test_a_body_with_an_encoding_is_415(api: Api, encoding: str) -> None:
    body = gzip.compress(json.dumps(LOGIN).encode())
    headers: Any = {"Content_Type": "application/json", "Content_Encoding": encoding}
    reply = login(api, body, **headers)
    assert (reply.status_code, reply.json["code"]) == (415, "unsupported_media_type")
    assert reply.headers["Accept-Encoding"] == "identity"
    assert login(api, **headers).status_code == 415


def test_a_call_without_a_body_does_not_mind_an_encoding(api: Api) -> None:
    assert api.get("", headers={"Content-Encoding": "gzip"}).status_code == 200


@pytest.mark.parametrize("word", ["張", "José", "%E5%BC%B5", "Łódź 😀"])
def test_utf_8_in_a_query_may_come_as_it_is(api: Api, word: str) -> None:
    api.register("alice", first_name="張 José Łódź 😀")
    raw = f"search={word}".replace(" ", "%20").encode().decode("latin-1")
    reply = api.get("", environ_overrides={"QUERY_STRING": raw})
    assert reply.status_code == 200
    assert reply.json["batch_info"]["total_users"] == 1


@pytest.mark.parametrize("raw", ["search=\xff", "search=%ff", "search=\xe5\xbc"])
def test_a_query_that_is_not_utf_8_is_refused(api: Api, raw: str) -> None:
    reply = api.get("", environ_overrides={"QUERY_STRING": raw})
    assert (reply.status_code, reply.json["code"]) == (400, "validation_failed")


def test_an_unknown_parameter_matters_where_there_are_any(api: Api) -> None:
    alice = api.register("alice")
    for path in ("", "me/followers/", "alice/following/", "me/activity/"):
        reply = api.get(path, query_string={"nothing": "1"}, token=alice.access)
        assert reply.status_code == 400, path
        assert list(reply.json["details"]) == ["nothing"], path
    for path in ("me/", "alice/", "alice/stats/", "me/sessions/", "me/export/"):
        reply = api.get(path, query_string={"nothing": "1"}, token=alice.access)
        assert reply.status_code == 200, path


def test_the_server_reads_what_curl_sends(tmp_path: Path) -> None:
    with live_server.Server(
        tmp_path, CAREERS_USERS_DATA_DIR=str(tmp_path / "data")
    ) as server:
        with live_server.Client(server.port) as client:
            assert client.register("alice").status == 201
            token = client.call("POST", "login/", LOGIN).body["access"]
            assert client.call("PATCH", "me/", {"bio": "張"}, token).status == 200
        for target in ("?search=張", f"?search={quote('張')}"):
            status, body = sent(server.port, target)
            assert (status, body["batch_info"]["total_users"]) == (200, 1), target
        assert sent(server.port, "張/")[0] == 404
        assert sent(server.port, "?search=张")[1]["batch_info"]["total_users"] == 0


def sent(port: int, target: str) -> tuple[int, Any]:
    """Send a request target as the UTF-8 it is; return the status and the body."""
    request = (
        f"GET {BASE_PATH}/{target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(request.encode())
        with connection.makefile("rb") as reply:
            head, _, body = reply.read().partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)
