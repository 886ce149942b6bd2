"""Tries while the service is in trouble: what fails for its own reasons is no try."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError

from careers_users.account import service as account
from careers_users.auth import audit, pruning, throttle
from careers_users.auth.password_hashing import HashingBusy, Passwords
from careers_users.database.errors import if_possible
from careers_users.models import Throttle
from careers_users.settings.rates import Rate
from tests.api import Api
from tests.auth.conftest import Make
from tests.auth.stored import rows
from tests.auth.test_throttle import log_in, statuses
from tests.live_server import PASSWORDS

NEW = {"password": "another 123", "password_confirm": "another 123"}


def full(*_: Any, **__: Any) -> None:
    """Fail as a database whose disk is full."""
    raise OperationalError("INSERT", {}, Exception("disk full"))


def used(api: Api) -> int:
    """How many tries are counted."""
    [row] = rows(api.app, select(func.coalesce(func.sum(Throttle.used), 0).label("n")))
    return int(row["n"])


def test_who_finds_no_turn_to_be_verified_has_not_tried(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = throttled(login=Rate(1, 300))
    alice = api.register("alice")

    def busy(*_: Any) -> bool:
        raise HashingBusy

    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "verify", busy)
        assert statuses(*[log_in(api, "alice") for _ in range(3)]) == [503] * 3
    assert log_in(api, "alice", alice.password).status_code == 200


def test_who_finds_no_turn_to_be_hashed_has_not_tried(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = throttled(register=Rate(1, 300))

    def busy(*_: Any) -> str:
        raise HashingBusy

    body = {"username": "alice", "email": "alice@example.com", **PASSWORDS}
    with monkeypatch.context() as patch:
        patch.setattr(Passwords, "hash", busy)
        tries = [api.post("register/", body) for _ in range(3)]
        assert statuses(*tries) == [503] * 3
    alice = api.register("alice")

    # A hash of other parameters is renewed by a login; not by one that finds no turn.
    monkeypatch.setattr(Passwords, "is_outdated", lambda *_: True)
    monkeypatch.setattr(Passwords, "hash", busy)
    assert log_in(api, "alice", alice.password).status_code == 200


def test_a_right_password_is_no_wrong_one_because_the_database_fails(
    throttled: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = Rate(2, 300)
    api = throttled(login=rate, login_address=rate, password=rate)
    alice = api.register("alice")

    with monkeypatch.context() as patch:
        patch.setattr(audit.Trail, "record_with", full)
        tries = [log_in(api, "alice", alice.password) for _ in range(3)]
        assert statuses(*tries) == [503] * 3
        assert used(api) == 0
        # Who errs is counted all the same.
        assert log_in(api, "alice").status_code == 401
        assert used(api) == 2
        change = {"old_password": alice.password, **NEW}
        for _ in range(3):
            changed = api.post("me/password/", change, token=alice.access)
            assert changed.status_code == 503
    with monkeypatch.context() as patch:
        patch.setattr(account, "delete_account", full)
        for _ in range(3):
            body = {"password": alice.password}
            assert api.delete("me/", json=body, token=alice.access).status_code == 503
    assert used(api) == 2
    assert log_in(api, "alice", alice.password).status_code == 200


def test_a_name_that_is_taken_is_a_try_to_register(throttled: Make) -> None:
    api = throttled(register=Rate(5, 300))
    api.register("alice")
    body = {"username": "alice", "email": "other@example.com", **PASSWORDS}
    assert api.post("register/", body).status_code == 409
    assert used(api) == 2


@contextmanager
def pruned_by_all(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have everybody prune, in vain."""
    with monkeypatch.context() as patch:
        patch.setattr("secrets.randbelow", lambda _: 0)
        patch.setattr(throttle, "prune_batch", full)
        patch.setattr(pruning, "prune_batch", full)
        yield


def test_what_is_done_is_not_refused_because_nothing_can_be_pruned(
    throttled: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    api = throttled(login=Rate(2, 300))
    alice = api.register("alice")
    with pruned_by_all(monkeypatch):
        login = log_in(api, "alice", alice.password)
        assert login.status_code == 200
        body = {"refresh": login.json["refresh"]}
        token = login.json["access"]
        assert api.post("logout/", body, token=token).status_code == 200
    assert used(api) == 0
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "Tries could not be pruned" in said
    assert "What is over could not be pruned" in said


def test_other_errors_than_trouble_are_not_passed_over() -> None:
    def fail() -> None:
        with if_possible("This"):
            raise IntegrityError("INSERT", {}, Exception("a bug"))

    with pytest.raises(IntegrityError):
        fail()
