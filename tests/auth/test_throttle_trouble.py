"""Tries while the service is in trouble: what fails for its own reasons is no try."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError, OperationalError

from careers_users.account import service as account
from careers_users.auth import audit
from careers_users.auth.password_hashing import HashingBusy, Passwords
from careers_users.database.errors import if_possible
from careers_users.models import Throttle
from careers_users.settings.rates import Rate
from tests.api import Api
from tests.auth.conftest import Make
from tests.auth.stored import rows
from tests.auth.test_throttle import log_in, statuses
from tests.live_server import PASSWORDS
from tests.profile.test_statements import statements

NEW = {"password": "another 123", "password_confirm": "another 123"}


def full(*_: Any, **__: Any) -> None:
    """Fail as a database whose disk is full."""
    raise OperationalError("INSERT", {}, Exception("disk full"))


def used(api: Api) -> int:
    """Return how many tries are counted."""
    [row] = rows(api.app, select(func.coalesce(func.sum(Throttle.used), 0).label("n")))
    return int(row["n"])


def test_a_login_without_a_turn_to_verify_is_no_try(
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


def test_a_registration_without_a_turn_to_hash_is_no_try(
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
        # A failed attempt is counted all the same.
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


def test_other_errors_than_trouble_are_not_passed_over() -> None:
    def fail() -> None:
        with if_possible("This"):
            raise IntegrityError("INSERT", {}, Exception("a bug"))

    with pytest.raises(IntegrityError):
        fail()


def test_only_the_count_of_tries_may_be_lost_with_the_power(
    throttled: Make, database_kind: str
) -> None:
    api = throttled(login=Rate(9, 300), follow=Rate(9, 300))
    alice = api.register("alice")
    bob = api.register("bob")
    with statements(api) as seen:
        log_in(api, "alice", alice.password)
        api.post("follow/", {"following": bob.id}, token=alice.access)
    lost = [n for n, each in enumerate(seen) if "set_config" in each]
    if database_kind == "sqlite":
        assert lost == []
        return
    # The tries of the login; the session, the follow and its limit are on disk.
    assert len(lost) == 1
    assert seen[lost[0] + 1].startswith("INSERT INTO throttle")
