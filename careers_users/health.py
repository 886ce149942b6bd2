"""Whether this process lives, and whether it can serve; for load balancers."""

import logging
from typing import Any, ClassVar

from flask import Blueprint, Flask, Response, current_app, jsonify
from flask_marshmallow.schema import Schema
from marshmallow import fields
from sqlalchemy.exc import SQLAlchemyError

from careers_users import schema_version
from careers_users.draining import draining
from careers_users.http import answers

log = logging.getLogger(__name__)

bp = Blueprint("health", __name__, url_prefix="/health")


class LiveSchema(Schema):
    """This process answers."""

    example: ClassVar[dict[str, Any]] = {"status": "ok"}

    status = fields.String()


class ReadySchema(LiveSchema):
    """Whether requests can be served, and what is missing if not."""

    example = {"status": "ok", "draining": False, "database": "ok"}

    draining = fields.Boolean()
    database = fields.String()


@bp.get("/live")
@answers(LiveSchema(), 200)
def live() -> dict[str, Any]:
    """Answer, if this process can; the database is not asked."""
    return {"status": "ok"}


@bp.get("/ready")
@answers(ReadySchema(), 200, 503)
def ready() -> Response:
    """Answer 200 if requests can be served, else 503 and what is missing."""
    checks = {"draining": draining.is_set(), "database": _database_state(current_app)}
    is_ready = not checks["draining"] and checks["database"] == "ok"
    response = jsonify({"status": "ok" if is_ready else "unavailable", **checks})
    response.status_code = 200 if is_ready else 503
    return response


def _database_state(app: Flask) -> str:
    try:
        mistake = schema_version.mistake(app)
    except SQLAlchemyError as error:
        log.error("The database is in trouble: %s", error)
        return "unreachable"
    return mistake or "ok"
