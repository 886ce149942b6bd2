"""A copy of the database, or of the logs, is of no use for signing in."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import inspect, text

from careers_users import create_app
from careers_users.extensions import db
from careers_users.settings import rates
from config import TestConfig
from tests.api import PASSWORD, Account, Api
from tests.auth.stored import claims_of, sign
from tests.mailbox import Mailbox, Received, verified

NEW_PASSWORD = "a password that has been changed"
WRONG_PASSWORD = "a password that was mistyped"
TYPED = "typed-and-not-registered@example.org"
# As they stand in tables and log lines: words, and whatever stands in quotes.
_WORDS = re.compile(r"[^\s\"'=,;(){}\[\]<>]{6,}")


@pytest.fixture
def limited(settings: TestConfig) -> Iterator[Api]:
    """Yield a client of an application that counts tries, generously."""
    generous = {
        f"ratelimit_{name}": rates.Rate(10**6, 3600)
        for name in "login login_address login_username register refresh".split()
    }
    app = create_app(replace(settings, ratelimit_enabled=True, **generous))  # type: ignore[arg-type]
    yield Api(app)
    with app.app_context():
        db.engine.dispose()


def every_flow(api: Api) -> list[Account]:
    """Use all calls that have to do with credentials, well and badly."""
    alice, bob = api.register("alice"), api.register("bob")
    login = {"username": "alice@example.com", "password": PASSWORD}
    laptop = api.post("login/", login).json
    api.post("login/", {"username": "alice", "password": WRONG_PASSWORD})
    api.post("login/", {"username": "nobody", "password": WRONG_PASSWORD})
    api.post("token/refresh/", {"refresh": laptop["refresh"]})
    api.post("token/refresh/", {"refresh": laptop["refresh"] + "x"})
    api.get("me/", token=laptop["access"])
    api.get("me/", token=laptop["access"] + "x")
    api.patch("me/", {"email": "alice@example.org"}, token=alice.access)
    api.post("follow/", {"following": alice.id}, token=bob.access)
    api.post("logout/", {"refresh": laptop["refresh"]}, token=laptop["access"])
    body = {"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD}
    wrong = {"old_password": WRONG_PASSWORD, **body}
    api.post("me/password/", wrong, token=alice.access)
    reply = api.post(
        "me/password/", {"old_password": PASSWORD, **body}, token=alice.access
    )
    fresh = replace(alice, password=NEW_PASSWORD, **reply.json)
    return [replace(fresh, email="alice@example.org"), bob]


def dump(app: Flask) -> dict[str, list[Any]]:
    """Every value of every table, whatever tables there are."""
    with app.app_context(), db.engine.connect() as connection:
        names = inspect(connection).get_table_names()
        found: dict[str, list[Any]] = {}
        for name in names:
            rows = connection.execute(text(f'SELECT * FROM "{name}"')).all()
            found[name] = [value for row in rows for value in row if value is not None]
    return found


def metrics(api: Api) -> str:
    """Return the metrics of the service, if it has any."""
    paths = {rule.rule for rule in api.app.url_map.iter_rules()}
    client = api.app.test_client()
    return "".join(client.get(path).text for path in {"/metrics"} & paths)


def candidates(values: list[Any], texts: list[str]) -> set[str]:
    """Return what an attacker would try: values, words of texts, and their parts."""
    whole = {
        value.decode("latin-1") if isinstance(value, bytes) else str(value)
        for value in values
    }
    words = {word for text in (*texts, *whole) for word in _WORDS.findall(text)}
    return {value for value in whole | words if len(value) >= 6}


def opens(api: Api, accounts: list[Account], value: str) -> list[str]:
    """Try a value as every kind of credential; return as which it opened something."""
    opened = []
    # A value that no header can carry can't be tried there.
    sendable = value.isprintable() and value.isascii()
    if sendable and api.get("me/", token=value).status_code != 401:
        opened.append("access token")
    if sendable:
        cookies = "; ".join(
            f"{name}={value}" for name in ("session", "access_token_cookie", "token")
        )
        if api.get("me/", headers={"Cookie": cookies}).status_code != 401:
            opened.append("cookie")
        header = {"Authorization": f"Basic {value}"}
        if api.get("me/", headers=header).status_code != 401:
            opened.append("basic credentials")
    body = {"refresh": value[:4096]}
    if api.post("token/refresh/", body).status_code not in (400, 401):
        opened.append("refresh token")
    for account in accounts:
        login = {"username": account.username, "password": value[:4096]}
        if api.post("login/", login).status_code not in (400, 401):
            opened.append("password")
    # And as the key, to make a token with.
    payload = json.dumps(claims_of(accounts[0].access)).encode()
    forged = sign(value, b'{"alg":"HS256","typ":"JWT"}', payload)
    if api.get("me/", token=forged).status_code != 401:
        opened.append("signing key")
    return opened


def test_nothing_stored_or_logged_opens_anything(
    limited: Api, settings: TestConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    accounts = every_flow(limited)
    texts = [caplog.text, metrics(limited)]
    texts += [str(record.__dict__) for record in caplog.records]
    tables = dump(limited.app)
    caplog.clear()

    # The flows have left something behind everywhere: there is something to find.
    assert {"users", "refresh_tokens", "revoked_tokens", "throttle"} <= {
        name for name, values in tables.items() if values
    }
    assert "login_failed" in texts[0]
    stored = [value for values in tables.values() for value in values]
    tried = candidates(stored, texts)
    assert len(tried) > 60
    for value in tried:
        assert opens(limited, accounts, value) == [], value
    everything = "\n".join([*map(str, stored), *texts])
    secrets = {PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, settings.jwt_secret_key}
    for account in accounts:
        secrets |= {account.access, account.refresh}
        secrets |= set(account.refresh.split(".")[1:])
    assert [secret for secret in secrets if secret in everything] == []


def links_of(api: Api, mails: Mailbox) -> list[Received]:
    """Ask for a link of each kind, and type an address that is no user's."""
    alice = verified(api, mails, "alice")
    api.post("password/reset/", {"username": TYPED})
    api.post("password/reset/", {"username": "alice"})
    api.patch("me/", {"email": "new@example.org"}, token=alice.access)
    api.register("bob")
    sent = mails.fetch()
    purposes = {mail.purpose for mail in sent}
    assert purposes == {"reset", "change-old", "change-new", "verify"}
    return sent


def test_no_token_of_a_link_and_no_typed_address_is_stored_or_logged(
    mail_api: Api, mails: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    sent = links_of(mail_api, mails)
    texts = [caplog.text, metrics(mail_api)]
    texts += [str(record.__dict__) for record in caplog.records]
    stored = [value for values in dump(mail_api.app).values() for value in values]
    caplog.clear()
    everything = "\n".join([*map(str, stored), *texts])
    secrets = {TYPED} | {mail.token for mail in sent}
    secrets |= {mail.token.rpartition(".")[2] for mail in sent}
    assert [secret for secret in secrets if secret in everything] == []
    # Nor does anything in them open what a link opens, alone or as its signature.
    numbers = [mail.token.rpartition(".")[0] for mail in sent]
    body = {"password": NEW_PASSWORD, "password_confirm": NEW_PASSWORD}
    paths = {"email/verify/": {}, "password/reset/confirm/": body}
    found = {value for value in candidates(stored, texts) if len(value) == 64}
    assert found, "keyed hashes of the same form"
    for value in found:
        for token in (value, *(f"{number}.{value}" for number in numbers)):
            for path, rest in paths.items():
                reply = mail_api.post(path, {"token": token, **rest})
                assert reply.json["code"] == "link_invalid"


def test_credentials_would_have_been_found(limited: Api, settings: TestConfig) -> None:
    accounts = every_flow(limited)

    for value, kind in (
        (accounts[0].access, "access token"),
        (accounts[1].refresh, "refresh token"),
        (NEW_PASSWORD, "password"),
        (PASSWORD, "password"),
        (settings.jwt_secret_key, "signing key"),
    ):
        assert kind in opens(limited, accounts, value), kind
    assert PASSWORD in candidates([], [f"user=alice password='{PASSWORD}'"])
    assert NEW_PASSWORD in candidates([NEW_PASSWORD], [])
