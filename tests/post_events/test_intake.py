"""POST events/: who may send, and in which envelopes."""

import json
import logging
from pathlib import Path

import pytest

from careers_users import create_app
from careers_users.settings import Settings, SettingsError
from careers_users.validation.limits import EVENTS_MAX
from config import TestConfig
from tests.api import Account, Api
from tests.conftest import KEY
from tests.post_events.posts_service import (
    BATCH,
    SINGLE,
    TOKENS,
    event,
    numbers,
    send,
    statuses,
)


def test_each_of_several_tokens_is_good(api: Api, alice: Account) -> None:
    for token in TOKENS:
        assert statuses(send(api, event("post.created", alice.id), token)) == [
            "applied"
        ]
    header = {"Authorization": f"bearer  {TOKENS[0]}"}
    batch = [event("post.created", alice.id)]
    assert statuses(send(api, batch, None, headers=header)) == ["applied"]


def test_others_are_refused(
    api: Api, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "careers_users.security")
    one = event("post.created", alice.id)
    assert send(api, one, None).json["code"] == "not_authenticated"
    bad = [alice.access, TOKENS[0][:-1], TOKENS[0] + "x", TOKENS[0].upper(), "", "é"]
    for token in bad:
        response = send(api, one, token)
        assert response.status_code == 401, token
        assert response.json["code"] == "token_invalid"
    for header in (TOKENS[0], f"Basic {TOKENS[0]}", f"Bearer{TOKENS[0]}"):
        response = send(api, one, None, headers={"Authorization": header})
        assert response.json["code"] == "token_invalid", header
    events = [record.getMessage() for record in caplog.records]
    assert events == ["events_token_refused"] * (len(bad) + 3)
    assert TOKENS[0] not in caplog.text
    assert numbers(api, "alice") == [0, 0, 0]
    # Nor is it a user's token anywhere else.
    assert api.get("me/", token=TOKENS[0]).json["code"] == "token_invalid"


def test_the_body_must_say_that_it_is_events(api: Api, alice: Account) -> None:
    one = json.dumps(event("post.created", alice.id)).encode()
    bad = [None, "", "application/json", "text/plain", "application/cloudevents"]
    for content_type in [*bad, "application/cloudevents+xml"]:
        response = send(api, one, content_type=content_type)
        assert response.status_code == 415, content_type
        assert response.json["code"] == "unsupported_media_type"
    for content_type in (f"{SINGLE}; charset=utf-8", SINGLE.upper()):
        response = send(api, one, content_type=content_type)
        assert response.status_code == 200, content_type


def test_bodies_are_read_strictly(api: Api, alice: Account) -> None:
    one = json.dumps(event("post.created", alice.id))
    bad = [b"", b"null", b"{", b'{"a": NaN}', b'{"id": "1", "id": "2"}', b'"\\ud800"']
    for raw in [*bad, f"[{one}]".encode()]:
        response = send(api, raw, content_type=SINGLE)
        assert response.json["code"] == "malformed_json", raw
    for raw in [*bad, b"{}", b"[1 2]", one.encode(), f"[{one},]".encode()]:
        response = send(api, raw, content_type=BATCH)
        assert response.json["code"] == "malformed_json", raw
    assert numbers(api, "alice") == [0, 0, 0]


@pytest.mark.usefixtures("alice")
def test_a_batch_has_at_most_hundred_events_and_fits_a_body(api: Api) -> None:
    def long(number: int) -> dict[str, object]:
        id_ = f"0190d6c5-7a1e-7b3c-9d4f-{number:012}"
        extended = event("comment.removed", "alice", number / 1_000_000, id_)
        extended |= {"subject": f"posts/123456789/comments/{number:012}"}
        extended |= {"datacontenttype": "application/json", "traceparent": "0" * 55}
        return extended | {"source": f"https://posts.example.com/{'x' * 60}/"}

    full = [long(number) for number in range(EVENTS_MAX)]
    assert statuses(send(api, full)) == ["applied"] * EVENTS_MAX
    response = send(api, [*full, long(EVENTS_MAX)])
    assert response.status_code == 400
    assert response.json["details"] == f"A batch has at most {EVENTS_MAX} events."
    response = send(api, b"[" + b" " * 65536 + b"]")
    assert response.json["code"] == "payload_too_large"


def test_events_in_vain_are_logged(
    api: Api, alice: Account, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "careers_users.post_events.service")
    send(api, event("post.created", alice.id))
    send(api, [event("post.created", alice.id), event("post.created", "nobody"), {}])
    records = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert records == [
        ("DEBUG", "Events: 1 applied"),
        ("WARNING", "Events: 1 applied, 1 invalid, 1 unknown_user"),
    ]


def test_without_a_credential_set_senders_are_to_wait(database_url: str) -> None:
    app = create_app(TestConfig(database_url=database_url, jwt_secret_key=KEY))
    for token in (None, TOKENS[0]):
        response = send(Api(app), event("post.created", 1), token)
        assert response.status_code == 503
        assert response.json["code"] == "service_unavailable"
        assert response.json["details"] == "CAREERS_USERS_EVENTS_TOKENS is not set."


def test_credentials_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/careers")
    assert Settings.from_env().events_tokens == ()
    for between in (" ", ",", " , ", "\n"):
        secret = tmp_path / "tokens"
        secret.touch(0o600)
        secret.write_text(between.join(TOKENS) + "\n")
        monkeypatch.setenv("CAREERS_USERS_EVENTS_TOKENS_FILE", str(secret))
        settings = Settings.from_env()
        assert settings.events_tokens == TOKENS
        assert TOKENS[0] not in repr(settings)
    monkeypatch.delenv("CAREERS_USERS_EVENTS_TOKENS_FILE")
    for bad in ("x" * 31, f"{TOKENS[0]} short", "x" * 31 + "é", "x" * 31 + '"'):
        monkeypatch.setenv("CAREERS_USERS_EVENTS_TOKENS", bad)
        with pytest.raises(
            SettingsError, match="CAREERS_USERS_EVENTS_TOKENS: "
        ) as info:
            Settings.from_env()
        assert bad not in str(info.value)
