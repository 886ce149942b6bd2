"""Cross-origin headers, and the setting that lists the origins."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings import Settings, SettingsError
from config import TestConfig
from tests.api import Api, Reply

PAGE = "https://www.example.com"
OTHER = "http://localhost:3000"


@pytest.fixture
def open_api(settings: TestConfig) -> Iterator[Api]:
    """Yield a service that two origins may call."""
    app = create_app(replace(settings, cors_origins=frozenset({PAGE, OTHER})))
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def cors_headers(reply: Reply) -> dict[str, str]:
    """Return the headers that speak to browsers about origins."""
    return {
        name.removeprefix("Access-Control-"): value
        for name, value in reply.headers.items()
        if name.startswith("Access-Control-")
    }


def preflight(api: Api, path: str, origin: str = PAGE) -> Reply:
    """Ask what a browser asks before a call that is not simple."""
    headers = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    headers["Access-Control-Request-Headers"] = "authorization,content-type"
    return api.call("OPTIONS", path, headers=headers)


def test_by_default_no_origin_is_allowed(api: Api) -> None:
    for origin in (PAGE, OTHER, "null", "*"):
        reply = api.get("", headers={"Origin": origin})
        assert reply.status_code == 200
        assert cors_headers(reply) == cors_headers(preflight(api, "me/", origin)) == {}
        assert "Origin" in reply.headers.getlist("Vary")


def test_a_listed_origin_reads_replies_and_errors(open_api: Api) -> None:
    for path in ("", "nobody/", "me/", "?batch_size=x", "/nowhere", "/health/live"):
        for origin in (PAGE, OTHER):
            reply = open_api.get(path, headers={"Origin": origin})
            assert cors_headers(reply) == {
                "Allow-Origin": origin,
                "Expose-Headers": "Allow, Retry-After, WWW-Authenticate, X-Request-ID",
            }
            assert "Origin" in reply.headers.getlist("Vary")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "*",
        "http://www.example.com",
        "https://www.example.com:8443",
        "https://www.example.com.evil.example",
        "https://evil.example/https://www.example.com",
        "https://WWW.example.com",
        f"{PAGE}, {OTHER}",
    ],
)
def test_no_other_origin_is_told_anything(open_api: Api, origin: str) -> None:
    for reply in (
        open_api.get("", headers={"Origin": origin}),
        preflight(open_api, "me/", origin),
    ):
        assert cors_headers(reply) == {}
        assert "Origin" in reply.headers.getlist("Vary")
    assert "Origin" in open_api.get("").headers.getlist("Vary")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("me/update/", "OPTIONS, PATCH"),
        ("me/", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("me", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("login/", "OPTIONS, POST"),
        ("bob/unfollow/", "DELETE, OPTIONS"),
    ],
)
def test_a_preflight_names_the_methods_of_its_path(
    open_api: Api, path: str, methods: str
) -> None:
    reply = preflight(open_api, path)
    assert reply.status_code == 200
    headers = cors_headers(reply)
    assert ", ".join(sorted(headers.pop("Allow-Methods").split(", "))) == methods
    assert headers == {
        "Allow-Origin": PAGE,
        "Expose-Headers": "Allow, Retry-After, WWW-Authenticate, X-Request-ID",
        "Allow-Headers": "Authorization, Content-Type, X-Request-ID",
        "Max-Age": "7200",
    }


def test_a_preflight_of_nothing_allows_nothing(open_api: Api) -> None:
    reply = preflight(open_api, "/nowhere")
    assert reply.status_code == 404
    assert "Allow-Methods" not in cors_headers(reply)
    reply = open_api.call("OPTIONS", "me/", headers={"Origin": PAGE})
    assert "Allow-Methods" not in cors_headers(reply)


def origins_of(monkeypatch: pytest.MonkeyPatch, value: str) -> frozenset[str]:
    """Return the origins that the setting's value means."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/careers")
    monkeypatch.setenv("CAREERS_USERS_CORS_ORIGINS", value)
    return Settings.from_env().cors_origins


def test_the_setting_takes_exact_origins(monkeypatch: pytest.MonkeyPatch) -> None:
    value = (
        f" {PAGE},{OTHER}  https://EXAMPLE.org:443 http://a.example:80,http://[::1]:5"
    )
    assert origins_of(monkeypatch, value) == {
        PAGE,
        OTHER,
        # As browsers send them: in lower case, without the scheme's own port.
        "https://example.org",
        "http://a.example",
        "http://[::1]:5",
    }
    assert origins_of(monkeypatch, "") == frozenset()


@pytest.mark.parametrize(
    "value",
    [
        "*",
        "https://*.example.com",
        "null",
        "www.example.com",
        "ftp://example.com",
        "https://example.com/",
        "https://example.com/app",
        "https://user@example.com",
        "https://example.com:port",
        "https://example.com:0",
        "https://example.com:70000",
        "https://",
        "https://exämple.com",
        "https://example.com?x",
        "https://-example.com",
        f"{PAGE} *",
    ],
)
def test_anything_else_is_refused_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        origins_of(monkeypatch, value)
    assert "CAREERS_USERS_CORS_ORIGINS" in str(refusal.value)
    assert "is not an origin: list exact ones" in str(refusal.value)


def test_a_refused_origin_is_logged_now_and_then(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "careers_users.http.cors")
    # Browsers name the own origin too, in all calls but reads.
    api.get("", headers={"Origin": "http://localhost"})
    assert caplog.records == []

    for _ in range(3):
        api.get("", headers={"Origin": "https://elsewhere.example"})
    (message,) = [record.getMessage() for record in caplog.records]
    assert "https://elsewhere.example" in message
    assert "CAREERS_USERS_CORS_ORIGINS" in message
