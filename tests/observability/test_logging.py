"""Secrets that no log and no command shows: passwords, tokens, hashes, keys."""

import logging
from pathlib import Path

import pytest
from sqlalchemy import select, text

from careers_users import clock, create_app
from careers_users.cli.startup import NotReady, prepare
from careers_users.extensions import db
from careers_users.models import User
from careers_users.settings import Settings, SettingsError
from config import TestConfig
from tests.api import Account, Api
from tests.conftest import KEY

PASSWORD = "a password that nobody may read"
WRONG = "another one, mistyped by its owner"
DB_PASSWORD = "open-sesame"
OVERLONG = "secret-" * 60


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> None:
    """Log as much as an operator can ask for, statements included."""
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "careers_users")
    caplog.set_level(logging.INFO, "sqlalchemy.engine")
    caplog.set_level(logging.DEBUG, "sqlalchemy.pool")


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """Return all that was logged: messages, their parts, tracebacks."""
    parts = [f"{record.msg} {record.args}" for record in caplog.records]
    return "\n".join([caplog.text, *parts])


def sessions(api: Api, alice: Account) -> list[str]:
    """Log in, refresh and log out, well and badly; return the tokens."""
    good = {"username": "alice", "password": PASSWORD}
    reply = api.post("login/", good).json
    tokens = [alice.access, alice.refresh, reply["access"], reply["refresh"]]
    tokens.append(api.post("token/refresh/", {"refresh": alice.refresh}).json["access"])
    for password in (WRONG, PASSWORD + "x", OVERLONG):
        api.post("login/", good | {"password": password})
        api.post("login/", {"username": password, "password": PASSWORD})
    for token in (*tokens, alice.access[:-2], OVERLONG):
        api.post("token/refresh/", {"refresh": token, "access": token})
        api.post("token/refresh/", {"refresh": token + "x"})
        api.post("logout/", {"refresh": token + "x"}, token=alice.access)
        api.get("me/", token=token + "x")
        api.get("me/", headers={"Authorization": token})
        api.get(f"?search={token[:150]}&access_token={token}")
    api.post("logout/", {"refresh": alice.refresh}, token=alice.access)
    api.get("me/", token=alice.access)
    return tokens


def registrations(api: Api) -> None:
    """Register badly in all the ways there are."""
    body = {"username": "bob", "email": "bob@example.com", "password": PASSWORD}
    confirmed = body | {"password_confirm": PASSWORD}
    for changes in (
        {"username": "ALICE"},
        {"email": "ALICE@example.com"},
        {"password_confirm": WRONG},
        {"password": [PASSWORD]},
        {"pasword": WRONG},
        {"password": OVERLONG, "password_confirm": OVERLONG},
        {"password": WRONG + "\x00", "password_confirm": WRONG + "\x00"},
    ):
        assert api.post("register/", confirmed | changes).status_code in (400, 409)
    raw = f'{{"password": "{WRONG}", "password": "{PASSWORD}"}}'
    for content_type in ("application/json", "text/plain"):
        api.post("register/", data=raw, content_type=content_type)
        api.post("register/", data=raw[:-1], content_type=content_type)


def break_database(api: Api, alice: Account) -> list[str]:
    """Make statements with secrets in them fail; return the hashes they held."""
    with api.app.app_context(), db.session.begin():
        hashes = [*db.session.execute(select(User.password_hash)).scalars()]
        db.session.execute(text("ALTER TABLE refresh_tokens RENAME TO lost"))
    body = {"username": "carol", "password": PASSWORD, "password_confirm": PASSWORD}
    response = api.post("register/", body | {"email": "carol@example.com"})
    assert response.status_code == 503
    api.post("login/", {"username": "alice", "password": PASSWORD})
    api.post("token/refresh/", {"refresh": alice.refresh})
    return hashes


def break_everything(api: Api, alice: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail with tracebacks, in the middle of work with secrets."""
    naive = clock.utcnow().replace(tzinfo=None)
    client = api.app.test_client()
    headers = {"Authorization": f"Bearer {alice.access}"}
    body = {"username": "alice", "password": PASSWORD}
    for wrong in (lambda: naive, lambda: 1 / 0):
        monkeypatch.setattr("careers_users.clock.utcnow", wrong)
        for path, json in (
            ("login", body),
            ("token/refresh", {"refresh": alice.refresh}),
        ):
            client.post(f"/careers/users/{path}/", json=json, headers=headers)
        client.get("/careers/users/me/", headers=headers)
    monkeypatch.undo()


def test_no_flow_logs_a_secret(
    api: Api, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = api.register("alice", password=PASSWORD, email="alice@example.com")
    secrets = sessions(api, alice)
    registrations(api)
    break_everything(api, alice, monkeypatch)
    secrets += break_database(api, alice)

    secrets += [PASSWORD, WRONG, OVERLONG, OVERLONG[:40], KEY, "$argon2", "eyJ"]
    log = logged(caplog)
    assert "INSERT INTO users" in log
    assert "Traceback" in log
    assert "The database is in trouble" in log
    for secret in secrets:
        assert secret not in log, secret[:20]


def test_settings_do_not_show_their_secrets() -> None:
    url = f"postgresql+psycopg://alice:{DB_PASSWORD}@127.0.0.1:1/nowhere"
    secretive = TestConfig(database_url=url, jwt_secret_key=KEY)

    for shown in (repr(secretive), str(secretive), f"{secretive}", f"{secretive.url}"):
        assert DB_PASSWORD not in shown
        assert KEY not in shown


def test_a_database_that_refuses_is_named_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = f"postgresql+psycopg://alice:{DB_PASSWORD}@127.0.0.1:1/nowhere"
    settings = TestConfig(database_url=url, jwt_secret_key=KEY)
    app = create_app(settings)

    with pytest.raises(NotReady) as refusal:
        prepare(app, settings)
    assert Api(app).get("").status_code == 503
    app.test_client().get("/health/ready")

    assert "127.0.0.1" in str(refusal.value)
    assert DB_PASSWORD not in f"{refusal.value!r} {refusal.value.__cause__!r}"
    assert DB_PASSWORD not in logged(caplog)


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://alice:{DB_PASSWORD}@127.0.0.1/users",
        f"mysql+pymysql://alice:{DB_PASSWORD}@127.0.0.1/users",
        f"postgresql://alice:{DB_PASSWORD}@127.0.0.1:port/users",
        f"postgresql:/alice:{DB_PASSWORD}@127.0.0.1/users",
        f"postgresql+psycopg2://alice:{DB_PASSWORD}@127.0.0.1/users",
        f"alice:{DB_PASSWORD}@127.0.0.1/users",
        f"://alice:{DB_PASSWORD}@127.0.0.1/users",
        f"postgresql://alice:{DB_PASSWORD}@[::1/users",
        f"sqlite://alice:{DB_PASSWORD}@127.0.0.1/",
        DB_PASSWORD,
    ],
)
def test_a_wrong_database_url_is_refused_without_its_password(
    url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    key_file = tmp_path / "key"
    key_file.touch(0o600)
    key_file.write_text("too-short-a-key")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CAREERS_USERS_JWT_SECRET_KEY_FILE", str(key_file))

    with pytest.raises(SettingsError) as refusal:
        Settings.from_env()

    assert "DATABASE_URL" in str(refusal.value)
    assert "CAREERS_USERS_JWT_SECRET_KEY" in str(refusal.value)
    for shown in (f"{refusal.value!r} {refusal.value.__cause__!r}", logged(caplog)):
        assert DB_PASSWORD not in shown
        assert "too-short-a-key" not in shown
