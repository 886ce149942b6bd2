"""Whether this process lives, and whether it can serve; for load balancers."""

import logging
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from careers_users import schema_version
from careers_users.draining import draining

log = logging.getLogger(__name__)

bp = Blueprint("health", __name__, url_prefix="/health")


@bp.get("/live")
def live() -> dict[str, Any]:
    """Answer, if this process can; the database is not asked."""
    return {"status": "ok"}


@bp.get("/ready")
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
