"""The measure of all: a Flask route with constant JSON, served as the service is.

python -m benchmarks.bare PORT PROCESSES THREADS
"""

import sys
from dataclasses import replace
from typing import Any

from flask import Flask

from careers_users import server
from careers_users.http.refusals import refuser
from careers_users.server import Application
from careers_users.settings import Settings


def make_app() -> Application:
    """Return an application with one route, and nothing that could be left out."""
    app = Flask("bare", static_folder=None)

    @app.get("/")
    def constant() -> dict[str, Any]:
        return {"message": "Nothing is looked up", "answer": 42}

    return Application(app, refuser(()))


def main() -> int:
    """Serve until terminated."""
    port, processes, threads = map(int, sys.argv[1:])
    settings = replace(
        Settings(database_url="sqlite://", jwt_secret_key=""),
        port=port,
        processes=processes,
        threads=threads,
    )
    return server.run(settings, make_app)


if __name__ == "__main__":
    raise SystemExit(main())
