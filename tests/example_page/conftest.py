"""The example page, built once, and a service for each test."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.example_page.served import EXAMPLE, Site, Vite, copied
from tests.live_server import KEY, Server, on_socket
from tests.mailbox import EVERYTHING
from tests.node import Node, installed


@pytest.fixture(scope="session")
def vite(pytestconfig: pytest.Config) -> Node:
    """Return the programs that the page is built with."""
    return installed(EXAMPLE, pytestconfig)


@pytest.fixture(scope="session")
def listener() -> Iterator[socket.socket]:
    """Yield the socket of the service, whose address goes into the page."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture(scope="session")
def page_origin(
    vite: Node, listener: socket.socket, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Build the page and serve it; yield its origin."""
    folder = copied(tmp_path_factory.mktemp("page"), vite.modules)
    service = f"http://127.0.0.1:{listener.getsockname()[1]}"
    program = str(vite.modules / ".bin/vite")
    with Vite(folder, program, "build", service=service) as build:
        assert build.ended() == 0, build.log
    with Vite(folder, program, "preview", "--port", "0", service=service) as preview:
        yield preview.origin


@pytest.fixture
def site(
    page_origin: str, listener: socket.socket, database_url: str, tmp_path: Path
) -> Iterator[Site]:
    """Serve the page and the service, with mail as files."""
    values = {f"CAREERS_USERS_{name.upper()}": EVERYTHING[name] for name in EVERYTHING}
    settings = {
        **values,
        "DATABASE_URL": database_url,
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
        "CAREERS_USERS_DATA_DIR": str(tmp_path),
        "CAREERS_USERS_CORS_ORIGINS": page_origin,
        "CAREERS_USERS_LINK_URL": f"{page_origin}/",
    }
    with Server(tmp_path, command=on_socket(listener), **settings) as server:
        made = Site(page_origin, server, tmp_path)
        with made.client:
            yield made
