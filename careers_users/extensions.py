"""The extensions, not yet bound to an application."""

import warnings

from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from careers_users.keys import TokenManager

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


class Base(DeclarativeBase):
    """The declarative base of all models."""

    metadata = MetaData(naming_convention=NAMING_CONVENTION)


db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate()
jwt = TokenManager()
ma = Marshmallow()
