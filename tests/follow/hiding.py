"""The ways to hide a user O from a viewer V, and what is compared."""

from collections.abc import Callable

from careers_users import clock
from tests.api import Account, Api, Reply
from tests.auth.stored import change_user

NOBODY = "nobody_at_all"
State = Callable[[Api, dict[str, Account]], object]


def v_blocks(api: Api, people: dict[str, Account]) -> None:
    """V blocks O."""
    assert api.put("other/block/", token=people["viewer"].access).status_code == 200


def o_blocks(api: Api, people: dict[str, Account]) -> None:
    """O blocks V."""
    assert api.put("viewer/block/", token=people["other"].access).status_code == 200


def both_block(api: Api, people: dict[str, Account]) -> None:
    """Both block each other: the one who is blocked can still block."""
    o_blocks(api, people)
    v_blocks(api, people)


def suspended(api: Api, _people: dict[str, Account]) -> None:
    """O is suspended, and the edges not yet parked."""
    change_user(api.app, "other", suspended_at=clock.utcnow())


HIDDEN_BY_NAME = [o_blocks, both_block, suspended]
HIDDEN_IN_LISTS = [v_blocks, *HIDDEN_BY_NAME]


def usernames(reply: Reply, key: str = "results") -> list[str]:
    """Return the users that a list shows."""
    return [row["username"] for row in reply.json[key]]


def same(reply: Reply, other: Reply) -> bool:
    """Return whether two replies are the same to the byte, but for the request's id."""
    headers = [
        sorted((name, value) for name, value in each.headers if name != "X-Request-ID")
        for each in (reply, other)
    ]
    return (reply.status_code, reply.data, headers[0]) == (
        other.status_code,
        other.data,
        headers[1],
    )


def totals(reply: Reply) -> tuple[list[str], int, int]:
    """Return the names, and both totals, of a batch of the directory."""
    info = reply.json["batch_info"]
    return usernames(reply, "users"), info["total_users"], info["total_batches"]
