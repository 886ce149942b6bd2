"""The input gate: bodies, queries, paths, methods and headers of whatever kind."""

import json
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from careers_users.validation.limits import BASE_PATH, ID_MAX
from tests.api import Account, Api
from tests.http.gate import BODY_MAX, LOGIN, SAME_ID, routes, send


@pytest.fixture(name="app")
def app_with_all_calls(app_with_mail: Flask) -> Flask:
    """Return an application with the calls that mail turns on, too."""
    return app_with_mail


_NOT_TEXT = {
    **dict.fromkeys(("following", "duration"), "integer"),
    **dict.fromkeys(("rotate", "keep_current"), "boolean"),
}


# ------------------------------------------------------------------------------ bodies

MALFORMED = [
    *(b"", b" ", b"null", b"true", b"1", b'"{}"', b"[]", b"[{}]", b"{} {}", b"{}]"),
    *(b"{", b'{"a"}', b'{"a":}', b"{'a': 1}", b'{"a": 1,}', b"{a: 1}", b"{} // no"),
    *(b'{"a": NaN}', b'{"a": Infinity}', b'{"a": -Infinity}', b'{"a": [{"b": NaN}]}'),
    *(b'{"a": 1, "a": 1}', b'{"a": {"b": 1, "b": 2}}', b'{"a": 1, "\\u0061": 2}'),
    *(b'{"a": [1, {"b": {"c": 1, "c": 1}}]}', b'{"": 1, "": 2}'),
    *(b'{"a": "\\ud800"}', b'{"a": "\\udc00\\ud800"}', b'{"\\ud800": 1}'),
    *(b'{"a": "\xff"}', b'{"a": "\xc0\x80"}', b'{"a": "\xed\xa0\x80"}', b'{"\xff": 1}'),
    *('{"a": 1}'.encode(code) for code in ("utf-16", "utf-16-le", "utf-32-be")),
    *(b"\xef\xbb\xbf{}", b'{"a": "\x00"}', b'{"a": "\n"}', b"\x00{}", b"{}\x00"),
    *(b'{"a": 01}', b'{"a": +1}', b'{"a": 0x1}', b'{"a": .5}', b'{"a": 1.}'),
    *(b'{"a": "\\x41"}', b'{"a": "\\u12"}', b"--boundary\r\n", b"username=alice"),
]


def test_a_body_not_one_strict_json_object_is_malformed(api: Api) -> None:
    for raw in MALFORMED:
        response = send(api, raw)
        assert response.status_code == 400, raw
        assert response.json["code"] == "malformed_json", raw
        assert isinstance(response.json["details"], str)


def test_every_route_with_a_body_reads_it_strictly(api: Api, alice: Account) -> None:
    for method, path, operation in routes(api):
        if operation.body is None or operation.auth == "service":
            continue  # Those of another service: tests/post_events/test_intake.py.
        options = {"method": method, "path": path, "token": alice.access}
        nothing = [b""] if operation.is_body_required else []
        for raw in (*nothing, b"[]", b'{"a": NaN}', b'{"a": 1, "a": 1}'):
            code = send(api, raw, **options).json["code"]
            assert code == "malformed_json", (path, raw)
        response = send(api, b'{"something else": 1}', **options)
        assert response.json["details"]["something else"] == ["Unknown field."]
        response = send(api, b"{}", content_type="text/plain", **options)
        assert response.status_code == 415, path


def test_deep_nesting_is_malformed(api: Api) -> None:
    for depth in (1_000, 20_000, 30_000):
        closed = b'{"username": ' + b"[" * depth + b"]" * depth + b"}"
        objects = b'{"a":' * min(depth, 10_000) + b"1" + b"}" * min(depth, 10_000)
        for raw in (b"[" * depth * 2, closed, objects, b'{"a": ' + b"[{" * depth):
            response = send(api, raw)
            assert response.status_code == 400, raw[:9]
            assert response.json["code"] == "malformed_json"


def test_huge_numbers_are_400(api: Api, alice: Account) -> None:
    numbers = ["1e400", "-1e400", "9" * 400, "9" * 5_000, "-" + "9" * 5_000]
    for number in [*numbers, "0." + "9" * 5_000, "1e-9999", str(2**64), "1.0", "1e0"]:
        for name in ("following", "username"):
            raw = f'{{"{name}": {number}}}'.encode()
            response = send(api, raw, "follow/", token=alice.access)
            assert response.status_code == 400, raw[:30]
    for number in ("0", "-1", str(ID_MAX + 1), str(2**64)):
        raw = f'{{"following": {number}}}'.encode()
        response = send(api, raw, "follow/", token=alice.access)
        assert list(response.json["details"]) == ["following"], number
    response = api.post("follow/", {"following": ID_MAX}, token=alice.access)
    assert response.json["code"] == "user_not_found"


@pytest.mark.usefixtures("alice")
def test_the_body_must_say_that_it_is_json(api: Api) -> None:
    raw = json.dumps(LOGIN).encode()
    good = ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON"]
    bad = [None, "", ";", "text/plain", "text/json", "application/jsonx", "application"]
    bad += ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    bad += ["application/json, text/html", "text/html; application/json", "json", "é"]

    for json_type in good:
        assert send(api, raw, content_type=json_type).status_code == 200
    for content_type in bad:
        response = send(api, raw, content_type=content_type)
        assert response.status_code == 415, content_type
        assert response.json["code"] == "unsupported_media_type"


def test_a_body_has_at_most_64_kib(api: Api, alice: Account) -> None:
    login = json.dumps(LOGIN).encode()
    fits, too_large = login.ljust(BODY_MAX), login.ljust(BODY_MAX + 1)

    assert send(api, fits).status_code == 200
    for path, token in (("login/", None), ("follow/", alice.access)):
        response = send(api, too_large, path, token=token)
        assert response.status_code == 413
        assert response.json["code"] == "payload_too_large"
    # A body of unknown length, as a proxy passes on what comes in chunks.
    for raw, status in ((fits, 200), (too_large, 413)):
        response = api.post(
            "login/",
            input_stream=BytesIO(raw),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )
        assert response.status_code == status


@pytest.mark.usefixtures("alice")
def test_a_length_that_is_no_number_is_400(api: Api) -> None:
    for length in ("", "-1", "x", "1.5", "1 2", "１", "0"):
        overrides = {"CONTENT_LENGTH": length}
        response = send(api, json.dumps(LOGIN).encode(), environ_overrides=overrides)
        assert response.status_code == 400, length


def test_no_string_anywhere_may_hold_nul(api: Api, alice: Account) -> None:
    tried = set()
    for method, path, operation in routes(api):
        for name in operation.body.fields if operation.body else ():
            if operation.auth == "service":
                continue  # tests/post_events/test_invalid.py has them.
            tried.add(name)
            body = {name: "a\x00b"}
            response = api.call(method, path, json=body, token=alice.access)
            assert response.status_code == 400, (path, name)
            reason = _NOT_TEXT.get(name, "NUL")
            assert reason in response.json["details"][name][0], (path, name)
        for name in operation.query.fields if operation.query else ():
            tried.add(name)
            for value in ("%00", "a%00b"):
                response = api.get(f"{path}?{name}={value}", token=alice.access)
                assert response.status_code == 400, (path, name)
                assert list(response.json["details"]) == [name]
    # The walk has not walked past anything.
    assert tried >= {"username", "email", "password", "bio", "avatar", "refresh"}
    assert tried >= {"search", "q", "ordering", "batch_size", "cursor", "following"}


# ----------------------------------------------------------------------------- queries


def test_every_query_is_read_strictly(api: Api, alice: Account) -> None:
    rows = [
        ("batch_size=1&batch_size=1", {"batch_size"}),
        ("batch_size=1&batch%5Fsize=2&x=1", {"batch_size"}),
        ("nothing=1", {"nothing"}),
        ("batch_size=1&Batch_size=1", {"Batch_size"}),
        ("batch_size", {"batch_size"}),
        ("=1", {""}),
        ("batch_size=1;batch_number=2", {"batch_size"}),
        ("&&batch_number=x&", {"batch_number"}),
        ("batch_number=1%", {"batch_number"}),
        ("%F0%9F%98%80=1", {"😀"}),
    ]
    improper = ["a=%FF", "%FF=1", "batch_size=1&a=%ED%A0%80", "a=%C0%80", "a=%F0%9F"]
    improper += ["a=\xff", "&".join(f"a{n}=1" for n in range(1_000))]
    for _, path, operation in routes(api):
        if operation.query is None or "batch_size" not in operation.query.fields:
            continue
        for query, names in rows:
            response = get_query(api, path, query, alice)
            assert response.status_code == 400, (path, query)
            assert response.json["details"].keys() == names, (path, query)
        for query in improper:
            response = get_query(api, path, query, alice)
            assert response.status_code == 400, (path, query)
            assert isinstance(response.json["details"], str), (path, query)
        assert get_query(api, path, "&&", alice).status_code == 200


def get_query(api: Api, path: str, query: str, viewer: Account) -> Any:
    """GET with a query as its bytes come over the wire."""
    overrides = {"QUERY_STRING": query}
    return api.get(path, environ_overrides=overrides, token=viewer.access)


# ------------------------------------------------------------------- paths and methods


# ----------------------------------------------------------------------------- headers


@pytest.mark.usefixtures("alice")
def test_whatever_the_host_is_the_answer_names_none(api: Api) -> None:
    hosts = [
        "evil.example",
        "evil example",
        "evil/../x",
        "<evil>",
        "[evil",
        "evil:99999",
    ]
    hosts += [
        "",
        "é",
        "evil:1:2",
        "evil" * 1_000,
        "evil\t",
        "u@evil",
        "..",
        "%00",
        "\xff",
    ]
    hosts += [
        "evil,evil",
        "evil:",
        ":80",
        "[::1]:80",
        "-evil",
        "evil..example",
        "evil..",
    ]
    for host in hosts:
        for path in ("", "alice", "alice/stats", "nothing/at/all", "login"):
            response = api.get(path, headers={"Host": host})
            assert response.status_code in (200, 400, 404, 405), host[:20]
            assert "evil" not in f"{response.headers}{response.text}", host[:20]


@pytest.mark.usefixtures("alice")
def test_headers_that_mean_nothing_here_change_nothing(api: Api) -> None:
    expected = api.get("alice/", headers=SAME_ID)
    rows = [
        *(("Accept", "text/html"), ("Accept", "image/*;q=x"), ("Cookie", "a=\xff; b")),
        *(("X-HTTP-Method-Override", "DELETE"), ("X-Forwarded-Prefix", "/x")),
        *(("Content-Type", "text/plain"), ("Range", "bytes=0-1"), ("Origin", "null")),
        *(
            ("If-Modified-Since", "never"),
            ("If-None-Match", "*"),
            ("Accept-Encoding", ""),
        ),
    ]
    for name, value in rows:
        response = api.get("alice/", headers={name: value, **SAME_ID})
        assert response.data == expected.data, name
        assert dict(response.headers) == dict(expected.headers), name
    assert api.get("alice/", data=b"{", content_type="text/html").data == expected.data


RAW = st.binary(max_size=30).map(lambda raw: raw.decode("latin-1"))


def test_no_bytes_whatever_make_a_500_or_a_page(api: Api) -> None:
    # Equal examples each time: a run should not fail by chance.
    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(
        method=st.sampled_from(["GET", "POST", "PATCH", "DELETE"]),
        path=st.sampled_from(["", "/me/", "/login/", "/alice/"]) | RAW,
        query=RAW,
        body=st.binary(max_size=60),
        value=RAW,
    )
    def check(method: str, path: str, query: str, body: bytes, value: str) -> None:
        overrides = {
            "PATH_INFO": BASE_PATH + path,
            "QUERY_STRING": query,
            "HTTP_AUTHORIZATION": value,
            "HTTP_USER_AGENT": value,
            "HTTP_X_FORWARDED_FOR": value,
        }
        response = send(api, body, method=method, path="/", environ_overrides=overrides)
        assert 400 <= response.status_code < 500

    check()
