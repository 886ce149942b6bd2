"""All rows of a list that comes in batches."""

from collections.abc import Iterator
from typing import Any, TypedDict

from careers_users_client.connection import Connection


class Batch(TypedDict):
    """A batch of a list with a `next`."""

    next: str | None
    results: list[Any]


def rows(connection: Connection, batch: Batch) -> Iterator[Any]:
    """Yield the rows of a batch and of those that follow.

    The connection refuses a `next` that leads away from the service.
    """
    yield from batch["results"]
    while (link := batch["next"]) is not None:
        batch = connection.call(Batch, "GET", link)
        yield from batch["results"]
