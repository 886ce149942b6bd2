"""Whether this process lives, and whether it can serve; for load balancers."""

import logging
from typing import Any

from flask import Blueprint, Flask, Response, current_app, jsonify
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from careers_users import checks, notices, schema_version, troubles
from careers_users.draining import draining

log = logging.getLogger(__name__)

bp = Blueprint("health", __name__, url_prefix="/health")


@bp.get("/live")
def live() -> dict[str, Any]:
    """Answer, if this process can; the database is not asked."""
    return {"status": "ok"}


@bp.get("/ready")
def ready() -> Response:
    """Answer 200 if requests can be served, else 503 and what is missing.

    `warnings` are there if there are any: what an operator should look at, though
    requests are served.
    """
    state: dict[str, Any] = {"draining": draining.is_set()}
    state["database"] = _database_state(current_app)
    is_ready = not state["draining"] and state["database"] == "ok"
    warnings = [*notices.current(), *(_warnings() if is_ready else [])]
    if warnings:
        state["warnings"] = warnings
    response = jsonify({"status": "ok" if is_ready else "unavailable", **state})
    response.status_code = 200 if is_ready else 503
    return response


def _database_state(app: Flask) -> str:
    try:
        mistake = _mistake(app)
    except SQLAlchemyError as error:
        log.error("The database is in trouble: %s", troubles.sentence(error))
        return troubles.kind(error).name
    if mistake:
        log.error("%s", mistake)
    return mistake or "ok"


def _mistake(app: Flask) -> str | None:
    try:
        return schema_version.mistake(app)
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    # The connection was a dead one of the pool: only a new one tells how it is now.
    return schema_version.mistake(app)


def _warnings() -> list[str]:
    """Return what can change while we serve, and is wrong."""
    try:
        findings = (checks.clock_of(current_app), checks.disk_of(current_app))
    except SQLAlchemyError:  # It was there a moment ago, and will be asked again.
        return []
    return [finding.message for finding in findings if finding.state != checks.OK]
