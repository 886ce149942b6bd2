"""The extensions, not yet bound to an application, and the slots of our services."""

import warnings
from collections.abc import Callable
from typing import Generic, TypeVar

from flask import Flask, current_app
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

with warnings.catch_warnings():
    # It misses a third library, for schemas made out of models; ours are written out.
    warnings.filterwarnings("ignore", "Flask-SQLAlchemy integration", UserWarning)
    from flask_marshmallow import Marshmallow

# Constraints have names, so that migrations can drop them and conflicts can be told
# apart: `uq_users_username_key` is the same on both databases.
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


T = TypeVar("T")


class Slot(Generic[T]):
    """A place in `app.extensions` for one service, with the type of that service.

    `make`, if given, makes the service when it is first asked for.
    """

    def __init__(self, name: str, make: Callable[[Flask], T] | None = None) -> None:
        self._key, self._make = f"careers_users.{name}", make

    def set(self, app: Flask, service: T) -> None:
        """Give `app` its service."""
        app.extensions[self._key] = service

    def get(self, app: Flask = current_app) -> T:
        """Return the service of `app`; KeyError if it has none."""
        if self._make is not None and self._key not in app.extensions:
            self.set(app, self._make(app))
        service: T = app.extensions[self._key]
        return service


class Base(DeclarativeBase):
    """The declarative base of all models."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
# Without batch mode, which makes a table of SQLite anew without its triggers where a
# column is dropped. SQLite drops columns itself since 3.35.
migrate = Migrate(render_as_batch=False)
ma = Marshmallow()
