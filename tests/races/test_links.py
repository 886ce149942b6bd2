"""Links used at once, beside each other and beside logins, on two servers."""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import mailbox
from tests.live_server import Client, Reply, at_once, until
from tests.mailbox import EVERYTHING, Received
from tests.races.conftest import CLIENTS
from tests.races.two_servers import outcomes, two_servers

NEW = {"password": "newpassword1", "password_confirm": "newpassword1"}
ROUNDS = 3
_numbers = itertools.count(1)


class Site(NamedTuple):
    """Clients of two servers that write mail into one directory."""

    clients: list[Client]
    directory: Path

    def register(self) -> tuple[str, str]:
        """Register a user; return name and access token."""
        name = f"linked_{next(_numbers)}"
        reply = self.clients[0].register(name)
        assert reply.status == 201
        return name, reply.body["access"]

    def mail(self, purpose: str, to: str) -> Received:
        """Return the newest mail of a purpose to an address, once it has come."""
        found: list[Received] = []

        def is_there() -> bool:
            paths = sorted(self.directory.glob(f"*-{purpose}.eml"))
            mails = [mailbox.parsed(path) for path in paths]
            found[:] = [mail for mail in mails if mail.to == to]
            return bool(found)

        until(is_there)
        return found[-1]

    def reset_token(self, name: str) -> str:
        """Ask for a reset; return the token of the link."""
        body = {"username": name}
        assert self.clients[0].call("POST", "password/reset/", body).status == 202
        return self.mail("reset", f"{name}@example.com").token


@pytest.fixture(scope="module")
def site(url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two servers with all that mail turns on."""
    folder = tmp_path_factory.mktemp("mail")
    settings = {
        f"CAREERS_USERS_{name.upper()}": EVERYTHING[name] for name in EVERYTHING
    }
    settings["CAREERS_USERS_DATA_DIR"] = str(folder)
    with two_servers(folder, url, CLIENTS, **settings) as both:
        yield Site(both.clients, folder / "mail")


def verify(client: Client, token: str) -> Reply:
    """Use a link for verification."""
    return client.call("POST", "email/verify/", {"token": token})


def test_n_verifications_at_once_are_n_times_200(site: Site) -> None:
    for _ in range(ROUNDS):
        name, access = site.register()
        token = site.mail("verify", f"{name}@example.com").token
        replies = at_once(
            partial(verify, token=token),
            site.clients,
        )
        assert outcomes(replies) == {200: CLIENTS}
        told = site.clients[0].call("GET", "me/security/", token=access)
        assert told.body["email_verified"]


def test_one_of_n_resets_of_a_link_at_once_succeeds(site: Site) -> None:
    for _ in range(ROUNDS):
        name, _ = site.register()
        token = site.reset_token(name)

        def reset(numbered: tuple[int, Client], token: str = token) -> Reply:
            number, client = numbered
            password = f"newpassword{number}"
            body = {"token": token, "password": password, "password_confirm": password}
            return client.call("POST", "password/reset/confirm/", body)

        replies = at_once(reset, list(enumerate(site.clients)))
        assert outcomes(replies) == {200: 1, "link_used": CLIENTS - 1}
        (winner,) = [n for n, reply in enumerate(replies) if reply.status == 200]
        for number in (winner, (winner + 1) % CLIENTS):
            body = {"username": name, "password": f"newpassword{number}"}
            reply = site.clients[0].call("POST", "login/", body)
            assert reply.status == (200 if number == winner else 401)


def test_a_login_beside_a_reset_leaves_no_session_of_the_old_password(
    site: Site,
) -> None:
    for _ in range(ROUNDS):
        name, _ = site.register()
        token = site.reset_token(name)

        def act(client: Client, name: str = name, token: str = token) -> Reply:
            if client is site.clients[0]:
                body = {"token": token, **NEW}
                return client.call("POST", "password/reset/confirm/", body)
            body = {"username": name, "password": "password123"}
            return client.call("POST", "login/", body)

        done, *logins = at_once(act, site.clients)
        assert done.status == 200
        assert outcomes(logins).keys() <= {200, "invalid_credentials"}
        for reply in logins:
            if reply.status == 200:
                access = reply.body["access"]
                dead = site.clients[0].call("GET", "me/", token=access)
                assert (dead.status, dead.body["code"]) == (401, "token_revoked")


def test_one_of_two_who_want_an_address_gets_it(site: Site) -> None:
    for _ in range(ROUNDS):
        wanted = f"wanted_{next(_numbers)}@example.org"
        for _ in range(2):
            _, access = site.register()
            body = {"email": wanted}
            assert site.clients[0].call("PATCH", "me/", body, access).status == 200
        tokens = two_links(site, wanted)
        replies = at_once(
            lambda pair: pair[0].call(
                "POST", "email/change/confirm/", {"token": pair[1]}
            ),
            list(zip(site.clients[:2], tokens, strict=True)),
        )
        assert outcomes(replies) == {200: 1, "email_taken": 1}


def two_links(site: Site, to: str) -> list[str]:
    """Return the tokens of both links to a new address, once they have come."""
    found: list[str] = []

    def are_there() -> bool:
        paths = sorted(site.directory.glob("*-change-new.eml"))
        mails = [mailbox.parsed(path) for path in paths]
        found[:] = [mail.token for mail in mails if mail.to == to]
        return len(found) == 2

    until(are_there)
    return found


def test_n_confirmations_of_a_change_by_one_link_are_one(site: Site) -> None:
    name, access = site.register()
    wanted = f"{name}@example.net"
    site.clients[0].call("PATCH", "me/", {"email": wanted}, access)
    token = site.mail("change-new", wanted).token
    body = {"token": token}
    replies = at_once(
        lambda client: client.call("POST", "email/change/confirm/", body), site.clients
    )
    assert outcomes(replies) == {200: 1, "link_used": CLIENTS - 1}
    assert site.clients[0].call("GET", "me/", token=access).body["email"] == wanted
