"""Whether this process lives, and whether it can serve; for load balancers."""

import logging
import threading
import time
from concurrent.futures import Future
from typing import Any, ClassVar

from flask import Blueprint, Flask, Response, jsonify
from flask_marshmallow.schema import Schema
from marshmallow import fields
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from careers_users.database import errors, probing_engine, schema_version
from careers_users.extensions import Slot
from careers_users.http.decorators import answers
from careers_users.http.errors import Unavailable
from careers_users.observability import checks, database_checks, mail_checks
from careers_users.observability import findings as observability_findings
from careers_users.server import status
from careers_users.server.status import draining
from careers_users.settings import Settings

log = logging.getLogger(__name__)

# How long readiness takes at most: a load balancer gives its probe up after a few
# seconds, and then no reply would say what is wrong.
PROBE_SECONDS = 2
# How long an answer is given again: each question opens a connection.
KEEP_SECONDS = 1.0
NO_ANSWER = f"no answer within {PROBE_SECONDS} seconds"

bp = Blueprint("health", __name__, url_prefix="/health")


# The state of the database, "ok" or what is wrong, and warnings.
State = tuple[str, list[str]]


class Probe:
    """Asks the database how it is, in a thread of its own.

    A caller can give up waiting for the answer, whatever hangs: a name server, a
    network, a lock, a disk. All callers share one question at a time, so that a slow
    database is not asked ever more; none is asked while the last answer is younger than
    KEEP_SECONDS.
    """

    def __init__(self, app: Flask, engine: Engine) -> None:
        self._app, self._engine = app, engine
        self._lock = threading.Lock()
        self._answer: Future[State] | None = None
        self._answered = 0.0

    def state(self, seconds: float) -> State:
        """Return how the database is, after `seconds` at most.

        "ok" or what is wrong, and what is not right though requests can be served.
        """
        with self._lock:
            answer = self._answer
            if answer is None or (answer.done() and self._is_old()):
                answer = self._answer = Future()
                asking = threading.Thread(target=self._ask, args=(answer,), daemon=True)
                asking.start()
        try:
            return answer.result(seconds)
        except TimeoutError:
            log.error("The database gives no answer within %d seconds", seconds)
            return NO_ANSWER, []

    def _is_old(self) -> bool:
        return time.monotonic() - self._answered >= KEEP_SECONDS

    def _ask(self, answer: Future[State]) -> None:
        try:
            state = self._look()
        except SQLAlchemyError as error:
            log.error("The database is in trouble: %s", errors.sentence(error))
            state = errors.kind(error).name, []
        except Exception as error:
            # The callers that wait must get it, and the next question must be possible.
            answer.set_exception(error)
            return
        self._answered = time.monotonic()
        answer.set_result(state)

    def _look(self) -> State:
        mistake = schema_version.mistake(self._engine)
        if mistake:
            log.error("%s", mistake)
            return mistake, []
        findings = (
            database_checks.triggers(self._engine),
            database_checks.clock_of(self._engine),
            checks.disk_of(self._engine),
            database_checks.jobs_of(self._app, self._engine),
            mail_checks.outbox_of(self._app, self._engine),
        )
        return "ok", [
            found.message
            for found in findings
            if found.state != observability_findings.OK
        ]


_PROBE = Slot[Probe]("probe")


def init_app(app: Flask, settings: Settings) -> None:
    """Prepare the question whether the database of `app` is ready."""
    engine = probing_engine(settings, PROBE_SECONDS)
    _PROBE.set(app, Probe(app, engine))


def readiness() -> dict[str, Any]:
    """Return what /health/ready answers, of the current application."""
    is_draining = draining.is_set()
    database_state, warnings = _PROBE.get().state(PROBE_SECONDS)
    is_ready = database_state == "ok" and not is_draining
    state: dict[str, Any] = {
        "status": "ok" if is_ready else "unavailable",
        "draining": is_draining,
        "database": database_state,
    }
    if warnings := [*status.warnings(), *warnings]:
        state["warnings"] = warnings
    return state


class LiveSchema(Schema):
    """This process answers."""

    example: ClassVar[dict[str, Any]] = {"status": "ok"}

    status = fields.String()


class ReadySchema(LiveSchema):
    """Whether requests can be served, and what is missing if not."""

    example = {"status": "ok", "draining": False, "database": "ok"}

    draining = fields.Boolean()
    database = fields.String()
    warnings = fields.List(fields.String(), metadata={"optional": True})


@bp.get("/live")
@answers(LiveSchema(), 200)
def get_liveness() -> dict[str, Any]:
    """Answer, if this process can; the database is not asked.

    For a load balancer or a container engine that restarts what does not answer.
    """
    return {"status": "ok"}


@bp.get("/ready")
@answers(ReadySchema(), 200, 503)
def get_readiness() -> Response:
    """Answer 200 if requests can be served, else 503 and what is missing.

    `warnings` are there if there are any: what an operator should look at, though
    requests are served.
    """
    state = readiness()
    response = jsonify(state)
    if state["status"] != "ok":
        response.status_code = Unavailable.status
        response.headers.update(Unavailable.headers)
    return response
