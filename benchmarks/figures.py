"""Ratios out of what contestants bore: of one round each, then their median."""

import statistics
from collections.abc import Mapping, Sequence

from benchmarks.contestants import THREADS, argon2_beside, bare, ours

Loads = Mapping[str, Sequence[Mapping[str, float]]]
# The demand on the comparison of a call: at most this between median and p99.
P99_MOST = 3.0
GROWTH_MOST = 1.3
LEAST_PER_SECOND = 0.5


def ratio(loads: Loads, one: str, other: str) -> float | None:
    """Return the median over the rounds of the ratio of requests a second.

    Both were loaded within seconds of each other, so what else the machine did has
    mostly hit both. A server that answered nothing in a round counts as
    answering one request in two seconds.
    """
    if not loads.get(one) or not loads.get(other):
        return None
    rounds = zip(loads[one], loads[other], strict=True)
    return statistics.median(
        mine["per_second"] / max(theirs["per_second"], LEAST_PER_SECOND)
        for mine, theirs in rounds
    )


def middle(loads: Loads, name: str, what: str = "per_second") -> float:
    """Return the median over the rounds of one figure of a contestant."""
    return statistics.median(load[what] for load in loads[name])


def best_threads(loads: Loads, kind: str = "postgresql") -> int:
    """Return with how many threads the service bore more, beside its bare route.

    Or beside argon2, if that was measured: it is what a login is compared with.
    """

    def share(threads: int) -> float:
        name = ours(kind, threads)
        argon2 = argon2_beside(name)
        return ratio(loads, name, argon2 if argon2 in loads else bare(threads)) or 0

    return max(THREADS, key=share)


def refusals(loads: Loads) -> dict[str, float]:
    """Return who answered with errors, and how often in all rounds."""
    counted = {
        name: sum(load.get("refused", 0) + load.get("broken", 0) for load in found)
        for name, found in loads.items()
    }
    return {name: number for name, number in counted.items() if number}
