"""Connections that reads keep for each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, QueuePool, create_engine, event

from careers_users.database import kept
from careers_users.database.kept import Kept


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with room for four connections, and none that waits for one."""
    made = create_engine(
        f"sqlite:///{tmp_path}/kept.db",
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=0,
        pool_timeout=0.01,
    )
    yield made
    made.dispose()


def out_of(engine: Engine) -> int:
    """How many connections the pool has given out."""
    assert isinstance(engine.pool, QueuePool)
    return engine.pool.checkedout()


def test_the_last_used_is_the_next(engine: Engine) -> None:
    mine = Kept(engine, 2)
    one, other = mine.take(), mine.take()
    mine.give_back(one)
    mine.give_back(other)
    assert len(mine) == 2
    assert mine.take() is other
    assert mine.take() is one
    assert len(mine) == 0


def test_no_more_are_kept_than_allowed(engine: Engine) -> None:
    mine = Kept(engine, 1)
    for connection in [mine.take(), mine.take(), mine.take()]:
        mine.give_back(connection)
    assert len(mine) == 1
    assert out_of(engine) == 1


def test_what_was_invalidated_is_not_kept(engine: Engine) -> None:
    mine = Kept(engine, 2)
    connection = mine.take()
    connection.invalidate()
    mine.give_back(connection)
    assert len(mine) == 0
    assert out_of(engine) == 0


def test_what_is_open_is_rolled_back_and_not_kept(engine: Engine) -> None:
    mine = Kept(engine, 2)
    connection = mine.take()
    driver = connection.driver_connection
    assert driver is not None
    driver.execute("BEGIN")
    mine.give_back(connection)
    assert len(mine) == 0
    assert not driver.in_transaction


@pytest.mark.parametrize("lives", [True, False])
def test_the_idle_are_asked_whether_they_live(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, lives: bool
) -> None:
    mine = Kept(engine, 2)
    connection = mine.take()
    before = connection.driver_connection
    mine.give_back(connection)
    monkeypatch.setattr(kept, "IDLE_SECONDS", -1)
    if not lives:
        assert before is not None
        before.close()
    connection = mine.take()
    assert (connection.driver_connection is before) is lives
    assert connection.driver_connection is not None
    assert connection.driver_connection.execute("SELECT 1").fetchone() == (1,)
    mine.give_back(connection)
    assert out_of(engine) == 1


def test_an_engine_that_is_disposed_of_keeps_none(engine: Engine) -> None:
    closed = []
    event.listen(engine, "close", lambda *_: closed.append(1))
    mine = Kept(engine, 3)
    for connection in [mine.take(), mine.take()]:
        mine.give_back(connection)
    engine.dispose()
    assert len(mine) == 0
    assert len(closed) == 2
    mine.give_back(mine.take())
    assert len(mine) == 1


def test_whoever_counts_is_told(engine: Engine) -> None:
    mine = Kept(engine, 1)
    said: list[int] = []
    mine.told = said.append
    one, other = mine.take(), mine.take()
    assert said == []
    mine.give_back(one)
    mine.give_back(other)
    assert said == [1]
    mine.take().close()
    assert said == [1, -1]
    mine.give_back(mine.take())
    mine.drop()
    assert said == [1, -1, 1, -1]
