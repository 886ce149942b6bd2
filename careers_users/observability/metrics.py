"""`/metrics` for Prometheus, where it is switched on: needs the extra `metrics`."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import NotFound

from careers_users import database
from careers_users.database import replica
from careers_users.extensions import Slot, db
from careers_users.http import context
from careers_users.http.client_address import FORWARDED
from careers_users.jobs import runner
from careers_users.mail import outbox
from careers_users.observability import (
    checks,
    health,
    mail_meters,
    meters,
    security_log,
)
from careers_users.observability.meters import Meters, Watch
from careers_users.server import status
from careers_users.settings import Settings

# How proxies say for whom they ask; and the mark of our own server, which takes these
# headers away.
FORWARDING = ("X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")
_METERS = Slot[Meters]("meters")

bp = Blueprint("metrics", __name__)


def init_app(app: Flask, settings: Settings, watch_hashing: Watch) -> None:
    """Count what `app` does and serve it at `/metrics`, if the settings want it.

    Otherwise, or without the extra, nothing is counted and the address is a 404. After
    the database, the jobs and the mail. `watch_hashing` is `Passwords.watch` of this
    application.
    """
    if not (settings.metrics and meters.AVAILABLE):
        return
    mine = Meters()
    _METERS.set(app, mine)
    context.observe(app, began=mine.began, ended=mine.ended)
    security_log.listen(app, mine.security_event)
    status.watch_refusals(mine.overloaded)
    mine.watch_hashing(watch_hashing)
    runner.observe(app, ran=mine.job_ran, saw=mine.jobs_seen)
    mail_meters.watch(mine, outbox.outbox(app))
    with app.app_context():
        mine.watch_pool(db.engine, settings.db_pool_size)
        if (copy := replica.current()) is not None:
            mine.watch_replica(copy)
    app.register_blueprint(bp)


@contextmanager
def counting_together(settings: Settings) -> Iterator[Callable[[int], None]]:
    """Give the processes of one server a private directory to count in together.

    Gives a function to call with the number of each process that has ended. In the end
    the directory is removed. Makes none where there is nothing to share.
    """
    if not (settings.metrics and meters.AVAILABLE and settings.processes > 1):
        yield lambda _pid: None
        return
    with tempfile.TemporaryDirectory(prefix="careers-users-metrics-") as directory:
        os.environ[meters.DIRECTORY] = directory
        try:
            yield meters.forget
        finally:
            del os.environ[meters.DIRECTORY]


@bp.get("/metrics")
def metrics() -> Response:
    """Answer with the metrics; a request that came through a proxy gets a 404.

    The numbers are the operator's. A forwarded request comes from outside, by a proxy
    that forwards more than it should.
    """
    if FORWARDED in request.environ or any(n in request.headers for n in FORWARDING):
        raise NotFound
    mine = _METERS.get()
    mine.looked(
        is_ready=health.readiness()["status"] == "ok",
        free_bytes=checks.free_bytes(database.reader()),
    )
    return Response(mine.exposition(), content_type=meters.CONTENT_TYPE)
