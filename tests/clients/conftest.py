"""The served product, and users of it with a client each."""

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from careers_users_client import CareersUsers, Tokens

from tests import postgres
from tests.clients.wire import Wire
from tests.conftest import driver_url
from tests.live_server import KEY, Server, expired

PASSWORD = "correct horse battery staple"
SERVICE_TOKEN = "the-credential-of-the-posts-service-in-tests"

_numbers = itertools.count(1)


class Served(NamedTuple):
    """The running service: where it is, and its folder, with `mail/` in it."""

    url: str
    folder: Path


@pytest.fixture(scope="session")
def served(
    database_kind: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Served]:
    """Yield the product as it is served, with all that mail turns on."""
    folder = tmp_path_factory.mktemp("served")
    if database_kind == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_template"), folder / "users.db")
        url = f"sqlite:///{folder / 'users.db'}"
    else:
        databases: postgres.Server = request.getfixturevalue("postgresql")
        url = driver_url(databases.create("served_for_clients", "template"))
    settings = {
        "DATABASE_URL": url,
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_DATA_DIR": str(folder),
        "CAREERS_USERS_MAIL": "file",
        "CAREERS_USERS_EMAIL_VERIFICATION": "optional",
        "CAREERS_USERS_EMAIL_CHANGE": "confirm",
        "CAREERS_USERS_EVENTS_TOKENS": SERVICE_TOKEN,
    }
    with Server(folder, **settings) as server:
        yield Served(f"http://127.0.0.1:{server.port}", folder)


class Person(NamedTuple):
    """A user, the client of the user, and the way that its requests take."""

    name: str
    client: CareersUsers
    wire: Wire

    @property
    def tokens(self) -> Tokens:
        """Return the tokens in the client's store."""
        tokens = self.client.store.get()
        assert tokens is not None
        return tokens

    def expire(self, *kinds: str) -> None:
        """Replace tokens by the same ones of long ago."""
        tokens = {"access": self.tokens.access, "refresh": self.tokens.refresh}
        for kind in kinds:
            tokens[kind] = expired(tokens[kind])
        self.client.store.set(Tokens(**tokens))


Join = Callable[..., Person]


@pytest.fixture
def join(served: Served) -> Iterator[Join]:
    """Return a function that registers a user and returns the user's client."""
    clients: list[CareersUsers] = []

    def register(**options: Any) -> Person:
        wire, name = Wire(), f"user{next(_numbers)}"
        client = CareersUsers(served.url, http_transport=wire, **options)
        clients.append(client)
        client.register(
            username=name,
            email=f"{name}@example.com",
            password=PASSWORD,
            password_confirm=PASSWORD,
        )
        return Person(name, client, wire)

    yield register
    for client in clients:
        client.close()


@pytest.fixture
def alice(join: Join) -> Person:
    """Return a user who has just registered."""
    return join()


@pytest.fixture
def bob(join: Join) -> Person:
    """Return another one."""
    return join()
