"""A database full of believable people, the same ones for the same numbers.

    python -m benchmarks.dataset --database-url postgresql://... --users 100000

Everybody's password is `password123`. The account `celebrity` has by far the most
followers; what users follow is skewed otherwise too, as it is in real networks.
"""

import argparse
import random
import sqlite3
import time
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import flask_migrate
import psycopg
from psycopg.sql import SQL, Identifier
from sqlalchemy import Table

from careers_users import create_app, text
from careers_users.extensions import db
from careers_users.models import Follow, User, UserCounters
from careers_users.setting_kinds import normalise_database_url
from careers_users.settings import Settings

USERS = 100_000
EDGES = 1_000_000
SEED = 1
CELEBRITY = "celebrity"
CELEBRITY_FOLLOWERS = 50_000
PASSWORD = "password123"
# Of PASSWORD, with the service's own parameters; hashing for each would take an hour.
PASSWORD_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$JpopNXD9+Q6e99pV71yfvQ"
    "$O8ehoc7OkexJ8w5PhcaBtoU7RM85n2IkKPIHB2PsuQs"
)
# In the bio of one user in so many.
RARE_WORD = "ornithology"
RARE_EVERY = 5000
BEGINNING = datetime(2021, 3, 1, 8, tzinfo=UTC)
DAYS = 1000  # from the first user to the last, and again from there to the last edge

FIRST_NAMES = (
    "Ada Adam Agnes Ahmed Aisha Alan Alba Alice Amara Amir Ana Andre Anita Anja Anna "
    "Anton Arjun Arthur Astrid Aya Beatriz Ben Bianca Björn Boris Camille Carla "
    "Carlos Celia Chen Chiara Chloé Clara Claudia Connor Dalia Daniel Daria David "
    "Deniz Diana Diego Dmitri Elena Elias Elif Emil Emma Eric Esther Eva Fatima Felix "
    "Fiona Frida Gabriel George Giulia Grace Greta Hana Hannah Hassan Helen Hugo "
    "Ibrahim Ida Ines Ingrid Irene Isaac Ivan Jana Jasper Javier Jelena Jin João "
    "Jonas José Julia June Kai Karim Katja Kofi Laila Lara Lars Laura Layla Leo Lina "
    "Linh Lucas Lucía Luis Magda Malik Marco Maria Marie Marta Matteo Maya Mei Mia "
    "Miguel Mila Milan Mina Mohamed Nadia Naomi Nia Nico Nina Noah Nora Olga Oliver "
    "Omar Oscar Pablo Pascal Paula Petra Philip Priya Quinn Rafael Ravi René Rita "
    "Robin Rosa Ruth Sami Samuel Sara Selma Sofia Sören Stella Sven Tara Theo Tomás "
    "Uma Valeria Vera Victor Viola Walter Wanda William Xenia Yara Yasmin Yuki Yusuf "
    "Zara Zoë Zofia"
).split()
LAST_NAMES = (
    "Abbott Adeyemi Ahlberg Ali Allen Almeida Andersen Archer Bailey Baker Barros "
    "Bauer Becker Bell Bennett Berg Bianchi Blanc Bondar Bose Braun Brown Burke "
    "Campos Carter Castro Chandra Chen Clarke Cohen Conti Cooper Costa Cruz Dahl Das "
    "Davies Delgado Diaz Dogan Dubois Duval Eklund Ellis Engel Evans Faber Farah "
    "Fernández Ferrari Fischer Flores Fontaine Foster Fox García Gill Girard Gomes "
    "González Gray Greco Green Gupta Haas Hall Hansen Harris Hassan Hayes Hoffmann "
    "Holm Horvat Hughes Hunt Ibáñez Ito Ivanov Jansen Jensen Johansson Jones Kaiser "
    "Kapoor Kaya Keller Khan Kim King Klein Kovač Kowalski Kumar Lang Larsen Lee "
    "Lehmann Lima Lindgren Lopes López Lund Maier Marin Martin Mbeki Medina Mehta "
    "Mendes Meyer Molina Moore Moreau Müller Murphy Nagy Navarro Ndiaye Nguyen "
    "Nielsen Novák Nowak Okafor Olsen Ortiz Osman Owen Papadopoulos Park Patel "
    "Pereira Petrov Pham Popov Quist Ramos Rao Reyes Ricci Rivera Rossi Roth Ruiz "
    "Russo Sala Santos Sato Schmidt Schulz Serrano Shah Silva Simon Singh Smith Sousa "
    "Stein Stone Suzuki Tanaka Taylor Torres Tran Turner Usman Vargas Vega Virtanen "
    "Wagner Walker Wang Weber White Wolf Wright Yamamoto Yilmaz Young Zhang"
).split()
TITLES = (
    "Software developer;Software engineer;Software tester;Teacher;Nurse;Carpenter;"
    "Data analyst;Designer;Product manager;Electrician;Accountant;Architect;Translator;"
    "Mechanical engineer;Chef;Librarian;Physiotherapist;Project lead;Recruiter;Writer;"
    "System administrator;Lawyer;Photographer;Research assistant;Sales manager"
).split(";")
CITIES = (
    "Accra Athens Barcelona Bergen Bogotá Bremen Chennai Dakar Dublin Gdańsk Ghent "
    "Glasgow Hanoi Helsinki Istanbul Kraków Leeds Lima Lisbon Lyon Málaga Malmö "
    "Montreal Nairobi Osaka Oslo Porto Prague Quito Riga Seoul Seville Tbilisi Turin "
    "Vienna Zürich"
).split()
INTERESTS = (
    "hiking;chess;jazz;cycling;gardening;pottery;old maps;open source;bread;sailing;"
    "volleyball;board games;choir;climbing;astronomy;crosswords;running;street food;"
    "film cameras;languages;woodwork;swimming;poetry;trains;volunteering;radio plays"
).split(";")
SENTENCES = (
    "{title} in {city}.",
    "{title}, based in {city} since {year}.",
    "I work as a {lower} and care about {interest}.",
    "{title} with a weakness for {interest} and {other}.",
    "Looking for my next role as a {lower} in {city}.",
    "{title}. Born in {city}, at home anywhere; {interest}, {other} and coffee.",
    "Ten years a {lower}, always learning. Ask me about {interest}.",
)


@dataclass(frozen=True)
class Size:
    """How much of everything; the seed decides who exactly."""

    users: int = USERS
    edges: int = EDGES
    seed: int = SEED

    def __post_init__(self) -> None:
        if self.users < 10 or not 0 <= self.edges <= self.users * (self.users - 1) // 8:
            raise ValueError("At least 10 users, and edges for an eighth of all pairs.")

    @property
    def celebrity_followers(self) -> int:
        """How many follow the celebrity: half of all who can, but no more than most."""
        return min(CELEBRITY_FOLLOWERS, self.users // 2, self.edges)


def people(size: Size) -> Iterator[dict[str, Any]]:
    """Yield the rows of the users, by their columns' names."""
    dice = random.Random(size.seed)
    taken: Counter[str] = Counter()
    for number in range(1, size.users + 1):
        first_name, last_name = dice.choice(FIRST_NAMES), dice.choice(LAST_NAMES)
        username = CELEBRITY
        if number > 1:
            base = _ascii(first_name + dice.choice("._-") + last_name)
            username = base = base.lower() if dice.random() < 0.8 else base
            taken[base.lower()] += 1
            if taken[base.lower()] > 1:
                username += str(taken[base.lower()])
        bio = _bio(dice)
        if number % RARE_EVERY == min(RARE_EVERY, size.users) // 2:
            bio = f"{bio} Amateur of {RARE_WORD}.".strip()
        created_at = BEGINNING + timedelta(days=DAYS) * (number / size.users)
        avatar = f"https://pictures.example.com/{number:06d}.jpg"
        email = f"{username}@example.com"
        yield {
            "id": number,
            "username": username,
            "username_key": text.fold(username),
            "email": email,
            "email_key": text.fold(email),
            "password_hash": PASSWORD_HASH,
            "first_name": first_name,
            "first_name_key": text.fold(first_name),
            "last_name": last_name,
            "last_name_key": text.fold(last_name),
            "bio": bio,
            "avatar": avatar if dice.random() < 0.6 else None,
            "search_text": text.search_text(username, first_name, last_name, bio),
            "is_active": True,
            "token_version": 1,
            "created_at": created_at,
            "updated_at": created_at,
        }


def _ascii(name: str) -> str:
    return unicodedata.normalize("NFD", name).encode("ascii", "ignore").decode()


def _bio(dice: random.Random) -> str:
    """Return none, one or two sentences about somebody."""
    count = dice.choice((0, 1, 1, 1, 2, 2))
    sentences = []
    for template in dice.sample(SENTENCES, count):
        title = dice.choice(TITLES)
        sentences.append(
            template.format(
                title=title,
                lower=title[0].lower() + title[1:],
                city=dice.choice(CITIES),
                year=dice.randrange(1990, 2024),
                interest=dice.choice(INTERESTS),
                other=dice.choice(INTERESTS),
            )
        )
    return " ".join(sentences)


def pairs(size: Size) -> list[tuple[int, int]]:
    """Return who follows whom, each pair once, in the order in which it came about."""
    dice = random.Random(size.seed + 1)
    fans = dice.sample(range(2, size.users + 1), size.celebrity_followers)
    found = {(fan, 1) for fan in fans}
    while len(found) < size.edges:
        # Some follow many, many follow few; early users are followed by the most.
        follower = int(size.users * dice.random() ** 2) + 1
        following = int((size.users - 1) * dice.random() ** 3) + 2
        if follower != following:
            found.add((follower, following))
    ordered = sorted(found)
    dice.shuffle(ordered)
    return ordered


def follows(size: Size, ordered: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the edges, all of them made after everybody had come."""
    start = BEGINNING + timedelta(days=DAYS)
    step = timedelta(days=DAYS) / max(size.edges, 1)
    for index, (follower, following) in enumerate(ordered):
        yield {
            "id": index + 1,
            "follower_id": follower,
            "following_id": following,
            "created_at": start + step * index,
        }


def counters(size: Size, ordered: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """Yield the rows of the counters, counted from the edges."""
    following = Counter(follower for follower, _ in ordered)
    followers = Counter(following for _, following in ordered)
    for number in range(1, size.users + 1):
        yield {
            "user_id": number,
            "followers_count": followers[number],
            "following_count": following[number],
            "posts_count": 0,
            "likes_received": 0,
            "comments_received": 0,
        }


def fill(url: str, size: Size) -> None:
    """Migrate the database at `url` and put the dataset into it, unless it is there.

    Raises ValueError if there are other users in it.
    """
    url = normalise_database_url(url) or ""
    settings = Settings(database_url=url, jwt_secret_key="")
    app = create_app(settings)
    with app.app_context():
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM follows)"
            ).one()
            wanted = (size.users, size.edges)
        db.engine.dispose()
    if tuple(found) == wanted:
        print(f"The dataset of {found[0]:,} users and {found[1]:,} edges is there.")
        return
    if found[0]:
        raise ValueError(f"There are {found[0]:,} users in this database already.")
    ordered = pairs(size)
    tables: list[tuple[Table, Iterable[dict[str, Any]]]] = [
        (db.metadata.tables[User.__tablename__], people(size)),
        (db.metadata.tables[UserCounters.__tablename__], counters(size, ordered)),
        (db.metadata.tables[Follow.__tablename__], follows(size, ordered)),
    ]
    write = _fill_sqlite if settings.is_sqlite else _fill_postgresql
    write(settings, tables)


def _fill_sqlite(
    settings: Settings, tables: list[tuple[Table, Iterable[dict[str, Any]]]]
) -> None:
    connection = sqlite3.connect(str(settings.url.database), isolation_level=None)
    # Indexes grow at random places: room for all of them saves writing them twice.
    connection.execute("PRAGMA cache_size = -524288")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN IMMEDIATE")
    for table, rows in tables:
        started = time.perf_counter()
        columns = table.columns.keys()
        marks = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
        connection.executemany(
            statement, ([_sqlite(row[name]) for name in columns] for row in rows)
        )
        _report(table.name, started)
    connection.execute(
        "UPDATE totals SET value = (SELECT count(*) FROM users) WHERE name = 'users'"
    )
    connection.execute("COMMIT")
    started = time.perf_counter()
    connection.execute("ANALYZE")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    _report("statistics", started)
    connection.close()


def _sqlite(value: Any) -> Any:
    """Return a value as SQLAlchemy stores it: times in UTC, without saying so."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "microseconds")
    return value


def _fill_postgresql(
    settings: Settings, tables: list[tuple[Table, Iterable[dict[str, Any]]]]
) -> None:
    url = settings.url.set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url) as connection:
        for table, rows in tables:
            started = time.perf_counter()
            columns = table.columns.keys()
            names = SQL(", ").join(map(Identifier, columns))
            order = SQL("COPY {} ({}) FROM STDIN").format(Identifier(table.name), names)
            with connection.cursor() as cursor, cursor.copy(order) as copy:
                for row in rows:
                    copy.write_row([row[name] for name in columns])
            if "id" in columns:
                sequence = (
                    "SELECT setval(pg_get_serial_sequence({0}, 'id'), max(id)) FROM {1}"
                )
                connection.execute(
                    SQL(sequence).format(table.name, Identifier(table.name))
                )
            _report(table.name, started)
        connection.execute(
            "UPDATE totals SET value = (SELECT count(*) FROM users)"
            " WHERE name = 'users'"
        )
    started = time.perf_counter()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    _report("statistics", started)


def _report(what: str, started: float) -> None:
    print(f"  {what}: {time.perf_counter() - started:.1f} s", flush=True)


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


if __name__ == "__main__":
    main()
