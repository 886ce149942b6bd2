"""A primary and a replica whose replay tests hold up."""

from dataclasses import dataclass
from functools import partial

from flask import Flask

from careers_users import create_app
from careers_users.database import replica
from careers_users.extensions import db
from config import TestConfig
from tests import live_server, postgres_replica
from tests.api import Account, Api
from tests.conftest import KEY, driver_url
from tests.profile.test_statements import statements

LONG = 3600  # Seconds: no test takes as long as that.


MADE_LONG_AGO = "UPDATE {} SET changed_at = now() - interval '1 day'"


@dataclass
class Pair:
    """A database with its replica, and applications that use both."""

    name: str
    standby: postgres_replica.Replica

    @property
    def url(self) -> str:
        """Return the URL of the database itself."""
        return driver_url(self.standby.primary.url(self.name))

    @property
    def read_url(self) -> str:
        """Return the URL of its replica."""
        return driver_url(self.standby.url(self.name))

    def settings(self, max_lag: int = LONG) -> TestConfig:
        """Return the settings of an instance."""
        return TestConfig(
            database_url=self.url,
            database_read_url=self.read_url,
            db_read_max_lag=max_lag,
            jwt_secret_key=KEY,
        )

    def api(self, max_lag: int = LONG) -> Api:
        """Return a client of an instance of its own."""
        return Api(create_app(self.settings(max_lag)))

    def fall_behind(self, *apis: Api) -> None:
        """Replay nothing more, once these instances have read from the replica."""
        for api in apis:
            live_server.until(partial(is_read_elsewhere, api))
        self.standby.pause()

    def register(self, *names: str) -> list[Account]:
        """Users who have done nothing for long, as far as the replica knows too."""
        api = self.api()
        accounts = [api.register(name) for name in names]
        for changed in ("users", "user_counters"):
            live_server.ask(self.url, MADE_LONG_AGO.format(changed))
        self.standby.catch_up()
        close(api.app)
        return accounts


def is_read_elsewhere(api: Api) -> bool:
    """Return whether a read takes nothing from the primary but a mark, now and then."""
    with statements(api) as primary:
        api.get("")
    return all("pg_current_wal" in text for text in primary)


def close(app: Flask) -> None:
    """Give up the connections of an application."""
    with app.app_context():
        db.engine.dispose()
        copy = replica.current()
        assert copy is not None
        copy.engine.dispose()


def lists(api: Api, path: str, token: str | None) -> list[str]:
    """Return the names in a list of users."""
    reply = api.get(path, token=token).json
    return [card["username"] for card in reply.get("users", reply.get("results"))]


def metric(api: Api) -> str:
    """Return the number in /metrics that says whether the replica is used."""
    text = api.app.test_client().get("/metrics").text
    return text.rpartition("\ncareers_users_replica_in_use ")[2].partition("\n")[0]
