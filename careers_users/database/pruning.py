"""Deletion of rows that are past their time, in batches that hold few locks."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from flask import current_app
from sqlalchemy import CursorResult, Delete, bindparam, delete, inspect, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from careers_users import clock
from careers_users.extensions import db

# Rows deleted in one transaction: few enough that no request waits long for its end.
PRUNE_ROWS = 1000


def step(
    column: InstrumentedAttribute[datetime], days: str | None = None
) -> Callable[[], int]:
    """Return the step of a job that deletes rows whose `column` is past.

    Or for longer than the days that the application's configuration names `days`.
    """

    def delete_some() -> int:
        age = timedelta(days=current_app.config[days] if days else 0)
        return delete_batch(column, clock.utcnow() - age)

    return delete_some


def delete_batch(column: InstrumentedAttribute[datetime], before: datetime) -> int:
    """Delete up to PRUNE_ROWS rows whose `column` is before a time; return how many.

    Rows that other transactions hold are left for the next batch.
    """
    with db.session.begin():
        result = db.session.execute(
            _statement(column),
            {"before": before, "rows": PRUNE_ROWS},
            execution_options={"synchronize_session": False},
        )
    assert isinstance(result, CursorResult)
    return result.rowcount


@cache
def _statement(column: InstrumentedAttribute[Any]) -> Delete:
    key = inspect(column.class_).primary_key
    batch = (
        select(*key)
        .where(column < bindparam("before"))
        .order_by(column)
        .limit(bindparam("rows"))
        .with_for_update(skip_locked=True)
    )
    return delete(column.class_).where(tuple_(*key).in_(batch))
