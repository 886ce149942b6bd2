"""The price of 1,000 blocks: each read by a caller who has them, and by one without.

    python -m benchmarks.blocks --users 100000

Fills a database of each kind with the dataset of `careers-users demo` and with blocks,
and asks each question through Werkzeug's test client, as both callers in turn. A figure
is the least time of many: what else runs on the machine can only add to one. The first
SETTLING do not count: PostgreSQL plans a statement for its values five times, and may
then keep a plan for any values.
"""

import argparse
import random
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select, update

from benchmarks.dataset import fill
from benchmarks.serving import KEY
from careers_users import clock, create_app
from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import CELEBRITY, RARE_WORD, Size
from careers_users.database import bulk
from careers_users.extensions import db
from careers_users.models import Block, User
from careers_users.settings import Settings
from careers_users.settings.parsers import normalise_database_url
from tests import postgres

BASE = "/careers/users/"
BLOCKS = 1000  # By the caller; a tenth as many are against the caller.
SETTLING = 10
SAMPLES = 300


def questions(users: int, deep: str) -> dict[str, str]:
    """Return the paths to ask; `deep` is a page of the celebrity's followers."""
    return {
        "profile": f"{CELEBRITY}/",
        "me": "me/",
        "statistics": f"{CELEBRITY}/stats/",
        "list of 10": "?batch_size=10",
        "list of 10, newest first": "?batch_size=10&ordering=-created_at",
        "search, rare word": f"?search={RARE_WORD}",
        "search, 1% of users": "?search=ller",
        "followers, first batch": f"{CELEBRITY}/followers/?batch_size=20",
        "followers, deep by cursor": deep,
        "following, first batch": f"{CELEBRITY}/following/?batch_size=20",
        "list, half down by number": f"?batch_size=10&batch_number={users // 20}",
    }


class Caller:
    """A signed-in user who asks."""

    def __init__(self, client: FlaskClient, username: str) -> None:
        self._client = client
        body = {"username": username, "password": PASSWORD}
        tokens: Any = client.post(BASE + "login/", json=body).json
        self._headers = {"Authorization": f"Bearer {tokens['access']}"}

    def ask(self, path: str) -> Any:
        """Return the reply to a path below that of the users."""
        reply = self._client.get(BASE + path, headers=self._headers)
        assert reply.status_code == 200, (path, reply.status_code, reply.data)
        return reply.json

    def microseconds(self, path: str) -> float:
        """Return how long the reply takes."""
        began = time.perf_counter_ns()
        self.ask(path)
        return (time.perf_counter_ns() - began) / 1000


def block(user_id: int, others: list[int]) -> None:
    """Store the blocks of a user, and as many by others as make them believable."""
    dice = random.Random(1)
    pairs = {(user_id, id_) for id_ in dice.sample(others, BLOCKS)}
    pairs |= {(id_, user_id) for id_ in dice.sample(others, BLOCKS // 10)}
    while len(pairs) < len(others) // 5:
        blocker, blocked = dice.sample(others, 2)
        pairs.add((blocker, blocked))
    now = clock.utcnow()
    rows = [{"blocker_id": a, "blocked_id": b, "created_at": now} for a, b in pairs]
    blockers = {id_ for pair in pairs for id_ in pair}
    with db.engine.begin() as connection:
        bulk.write(connection, Block, rows)
        is_one = bulk.is_among(User.id, blockers)
        connection.execute(update(User).where(is_one).values(has_blocks=True))
    bulk.finish(db.engine)


def measure(url: str, size: Size) -> dict[str, tuple[float, float]]:
    """Return the least microseconds of each question, without and with blocks."""
    fill(url, size)
    app = create_app(
        Settings(
            database_url=normalise_database_url(url) or "",
            jwt_secret_key=KEY,
            ratelimit_enabled=False,
        )
    )
    found = {}
    with app.app_context():
        with db.engine.connect() as connection:
            users = select(User.id, User.username, User.has_blocks).order_by(User.id)
            rows = connection.execute(users).all()
        celebrity, plain, blocking, *others = rows
        if not blocking.has_blocks:
            block(blocking.id, [row.id for row in others])
        without, having = (
            Caller(app.test_client(), row.username) for row in (plain, blocking)
        )
        page = f"{celebrity.username}/followers/?batch_size=20&batch_number=40"
        deep = without.ask(page)["next"].partition(BASE)[2]
        for name, path in questions(size.users, deep).items():
            pairs = [
                (without.microseconds(path), having.microseconds(path))
                for _ in range(SETTLING + SAMPLES)
            ][SETTLING:]
            found[name] = (min(a for a, _ in pairs), min(b for _, b in pairs))
        db.engine.dispose()
    return found


def main() -> None:
    """Measure both databases and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=100_000)
    options = parser.parse_args()
    size = Size(users=options.users, edges=4 * options.users)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.server(folder / "postgresql"))
        # VACUUM marks only pages whose commits are flushed, as those of servers are.
        server.configure(shared_buffers="512MB", synchronous_commit="on")
        on_postgresql = measure(server.create("blocks"), size)
        on_sqlite = measure(f"sqlite:///{folder / 'blocks.db'}", size)
    columns = "without | with | ratio"
    print(f"| microseconds | PostgreSQL, {columns} | SQLite, {columns} |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for name, of_postgresql in on_postgresql.items():
        cells = [
            f"{without:.0f} | {having:.0f} | {without / having:.2f}"
            for without, having in (of_postgresql, on_sqlite[name])
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
