"""Deletion of rows that are past their time, in batches that hold few locks."""

from collections.abc import Callable
from datetime import datetime, timedelta

from flask import current_app
from sqlalchemy import CursorResult, bindparam, delete, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import clock
from careers_users.extensions import db

# Rows deleted in one transaction: few enough that no request waits long for its end.
PRUNE_ROWS = 1000


def step(
    column: InstrumentedAttribute[datetime], days: str | None = None
) -> Callable[[], int]:
    """Return a job's step, which deletes up to PRUNE_ROWS rows whose `column` is past.

    Or for longer than the days that the application's configuration names `days`. Rows
    that other transactions hold are left for the next step.
    """
    key = inspect(column.class_).primary_key
    batch = (
        select(*key)
        .where(column < bindparam("before"))
        .order_by(column)
        .limit(bindparam("rows"))
        .with_for_update(skip_locked=True)
    )
    statement = delete(column.class_).where(tuple_(*key).in_(batch))

    def delete_some() -> int:
        age = timedelta(days=current_app.config[days] if days else 0)
        with db.session.begin():
            result = db.session.execute(
                statement,
                {"before": clock.utcnow() - age, "rows": PRUNE_ROWS},
                execution_options={"synchronize_session": False},
            )
        assert isinstance(result, CursorResult)
        return result.rowcount

    return delete_some
