"""A registration or a login costs one statement more with mail on, at most.

It is one of the transaction that is there anyway.
"""

from collections.abc import Callable

import pytest

from tests.api import PASSWORD, Api, Reply
from tests.profile.test_statements import statements

LOGIN = {"username": "alice", "password": PASSWORD}


def cost(api: Api, call: Callable[[Api], Reply]) -> list[str]:
    """Return the statements of a call that succeeds."""
    with statements(api) as seen:
        assert call(api).status_code < 300
    return seen


def log_in(agent: str) -> Callable[[Api], Reply]:
    """Sign in with a program."""
    return lambda api: api.post("login/", LOGIN, headers={"User-Agent": agent})


def register_body(name: str) -> dict[str, str]:
    """Return the body of a registration."""
    passwords = {"password": PASSWORD, "password_confirm": PASSWORD}
    return {"username": name, "email": f"{name}@example.com", **passwords}


def register(name: str) -> Callable[[Api], Reply]:
    """Register a user."""
    return lambda api: api.post("register/", register_body(name))


@pytest.mark.parametrize(("agent", "more"), [("known", 0), ("unknown", 1)])
def test_a_login_with_mail_on_is_one_statement_more_at_most(
    api: Api, mail_api: Api, agent: str, more: int
) -> None:
    mail_api.post("register/", register_body("alice"), headers={"User-Agent": "known"})
    off, on = cost(api, log_in(agent)), cost(mail_api, log_in(agent))
    assert len(on) == len(off) + more, (off, on)
    assert "mails" not in str(off)
    assert len([s for s in on if "INTO mails" in s]) == more


def test_a_registration_with_mail_on_is_one_statement_more(
    api: Api, mail_api: Api
) -> None:
    off, on = cost(api, register("alice")), cost(mail_api, register("bob"))
    assert len(on) == len(off) + 1, (off, on)
    assert "mails" not in str(off)
