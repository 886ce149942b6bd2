"""Fills a database with the dataset that is measured: that of `careers-users demo`.

    python -m benchmarks.dataset --database-url postgresql://... --users 100000

Everybody's password is `password123`. The account `celebrity` has by far the most
followers; what users follow is skewed otherwise too, as it is in real networks.
"""

import argparse

import flask_migrate
from sqlalchemy import func, select

from careers_users import create_app
from careers_users.cli import console
from careers_users.cli.demo import fill as demo_fill
from careers_users.cli.demo.people import EDGES, SEED, USERS, Size
from careers_users.extensions import db
from careers_users.http.errors import ServiceError
from careers_users.models import Follow, User
from careers_users.settings import Settings
from careers_users.settings.parsers import normalise_database_url


def fill(url: str, size: Size) -> None:
    """Migrate the database at `url` and put the dataset into it, unless it is there.

    Raises ValueError if there are other users in it.
    """
    url = normalise_database_url(url) or ""
    app = create_app(Settings(database_url=url, jwt_secret_key=""))
    with app.app_context():
        flask_migrate.upgrade()
        try:
            if _counted() == (size.users, size.edges):
                print(f"The dataset of {size.users:,} users is there.")
            else:
                demo_fill.fill(size, console.progress)
        except ServiceError as error:
            raise ValueError(error.details) from error
        finally:
            db.engine.dispose()


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how large the dataset is."""
    parser.add_argument(
        "--users", type=int, default=USERS, help="users (default %(default)s)"
    )
    parser.add_argument(
        "--edges", type=int, default=EDGES, help="follow edges (default %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=SEED, help="another seed, other people"
    )


def main() -> None:
    """Fill the database that the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--database-url",
        required=True,
        help="sqlite:///file.db or postgresql://...; without users, or with these ones",
    )
    add_size_options(parser)
    options = parser.parse_args()
    try:
        size = Size(options.users, options.edges, options.seed)
        fill(options.database_url, size)
    except ValueError as error:
        parser.error(str(error))


def _counted() -> tuple[int, int]:
    """Return how many users and edges there are."""
    with db.engine.connect() as connection:
        users = connection.execute(select(func.count()).select_from(User)).scalar_one()
        edges = connection.execute(select(func.count()).select_from(Follow))
        return users, edges.scalar_one()


if __name__ == "__main__":
    main()
