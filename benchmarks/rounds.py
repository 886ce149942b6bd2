"""The comparison: every call, on every contestant in turn, round after round."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import psycopg
from argon2 import PasswordHasher

from benchmarks import calls, wrk
from benchmarks.calls import Call, People
from benchmarks.contestants import Contestant, argon2_beside
from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import Size
from careers_users.settings import Settings

_Rounds = dict[str, list[dict[str, Any]]]


def people_of(url: str, size: Size) -> People:
    """Choose viewers and profiles among the users in PostgreSQL, evenly spread."""
    with psycopg.connect(url.replace("+psycopg", "", 1)) as connection:
        spread = (
            "SELECT id, username FROM users WHERE id %% %s = 7 ORDER BY id LIMIT %s"
        )
        viewers, profiles = (
            connection.execute(spread, [max(size.users // count, 1), count]).fetchall()
            for count in (calls.VIEWERS, calls.PROFILES)
        )
    return People(size, viewers, [username for _, username in profiles])


def compare(
    found: Sequence[Contestant],
    people: People,
    *,
    rounds: int,
    seconds: int,
    only: Sequence[Call] = calls.CALLS,
) -> dict[str, _Rounds]:
    """Return what each contestant bore, by call and contestant, a Load for each round.

    The order is turned round after each round, so that what drifts (the temperature,
    the neighbours) hits all of them alike.
    """
    for contestant in found:
        if not contestant.name.startswith("bare"):
            calls.sign_in(contestant, people)
    results = {}
    for call in only:
        results[call.name] = _compare(call, found, people, rounds, seconds)
        print(f"  {call.name}: {_summary(results[call.name])}", flush=True)
    return results


def _compare(
    call: Call, found: Sequence[Contestant], people: People, rounds: int, seconds: int
) -> _Rounds:
    loads: _Rounds = {contestant.name: [] for contestant in found}
    for number in range(rounds + 1):
        for place in range(len(found))[:: 1 if number % 2 else -1]:
            contestant = found[place]
            requests = _requests(call, contestant, people, number * len(found) + place)
            # Round 0 warms up: caches, plans, pools.
            load = wrk.run(contestant.port, requests, seconds if number else 1)
            if number:
                loads[contestant.name].append(asdict(load))
            if number and call.name == "login" and calls.is_ours(contestant):
                # In the same seconds: how fast the cores are differs by a third.
                beside = loads.setdefault(argon2_beside(contestant.name), [])
                beside.append(argon2_alone(seconds))
    return loads


def _requests(
    call: Call, contestant: Contestant, people: People, number: int
) -> list[wrk.Request]:
    if contestant.name.startswith("bare"):
        return [wrk.Request("/")]
    return call.requests(call, contestant, people, number)


def argon2_alone(seconds: int) -> dict[str, Any]:
    """Return how many passwords a second all cores verify, doing nothing else."""
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        done = pool.map(_verify_for, [seconds] * cores, chunksize=1)
    return {"per_second": round(sum(done), 1)}


def _verify_for(seconds: int) -> float:
    settings = Settings(database_url="sqlite://", jwt_secret_key="")
    hasher = PasswordHasher(
        time_cost=settings.argon2_time_cost,
        memory_cost=settings.argon2_memory_kib,
        parallelism=1,
    )
    stored = hasher.hash(PASSWORD)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        hasher.verify(stored, PASSWORD)
        count += 1
    return count / (time.perf_counter() - started)


def _summary(loads: _Rounds) -> str:
    return ", ".join(
        f"{name} {statistics.median(load['per_second'] for load in found):.0f}/s"
        for name, found in loads.items()
    )
