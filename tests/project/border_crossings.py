"""How often a request crosses from one package of careers_users into another.

`python -m tests.project.border_crossings` prints the number for each request, counted
by a profiler hook on SQLite: calls of our own functions only, once everything is warm.
"""

import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import flask_migrate
from flask import Flask

from careers_users import create_app
from config import TestConfig
from tests.api import Api

PACKAGE = str(Path(__file__).parents[2] / "careers_users")
# The most crossings of each; into another package and back counts once.
LIMITS = {"follow": 33, "login": 57, "search": 24, "profile": 23}

Crossings = Counter[tuple[str, str]]


def package_of(frame: FrameType | None) -> str | None:
    """Return the package of the function that a frame runs; None if it is not ours."""
    if frame is None or not frame.f_code.co_filename.startswith(PACKAGE):
        return None
    parts = Path(frame.f_code.co_filename).relative_to(PACKAGE).parts
    return parts[0].removesuffix(".py")


def crossings(call: Callable[[], object]) -> Crossings:
    """Count the calls from one of our packages into another while `call` runs."""
    found: Crossings = Counter()

    def on_call(frame: FrameType, event: str, _argument: object) -> None:
        mine = package_of(frame) if event == "call" else None
        if mine is None:
            return
        # Past the frames of libraries between the two.
        caller = frame.f_back
        while caller is not None and package_of(caller) is None:
            caller = caller.f_back
        theirs = package_of(caller)
        if theirs is not None and theirs != mine:
            found[theirs, mine] += 1

    sys.setprofile(on_call)
    try:
        call()
    finally:
        sys.setprofile(None)
    return found


def measured(app: Flask) -> dict[str, Crossings]:
    """Count for each request of LIMITS, once it has been made before."""
    api = Api(app)
    alice = api.register("alice")
    for number in range(4):
        api.register(f"bob{number}", first_name="Emma", last_name="Lindberg")
    followed = iter(range(4))

    def follow() -> Any:
        name = f"bob{next(followed)}"
        return api.post("follow/", {"username": name}, token=alice.access)

    requests: dict[str, Callable[[], Any]] = {
        "follow": follow,
        "login": lambda: api.post(
            "login/", {"username": "alice", "password": "password123"}
        ),
        "search": lambda: api.get("?search=emma", token=alice.access),
        "profile": lambda: api.get("bob0/", token=alice.access),
    }
    for request in requests.values():
        for _ in range(2):
            assert request().status_code < 300
    return {name: crossings(request) for name, request in requests.items()}


def fresh_app(folder: Path) -> Flask:
    """Return an application on a new SQLite database in `folder`."""
    url = f"sqlite:///{folder / 'crossings.db'}"
    app = create_app(TestConfig(database_url=url, jwt_secret_key="k" * 43))
    with app.app_context():
        flask_migrate.upgrade()
    return app


def main() -> None:
    """Print the numbers, and between which packages."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(fresh_app(Path(folder)))
    for name, between in found.items():
        sys.stdout.write(f"{name}: {between.total()} of {LIMITS[name]} at most\n")
        for (caller, called), number in between.most_common():
            sys.stdout.write(f"  {number:3} {caller} -> {called}\n")


if __name__ == "__main__":
    main()
