"""The lanes name calls that exist, and all those that hash a password."""

from flask import Flask

from careers_users.auth.passwords import HashingBusy
from careers_users.http import operation_of
from careers_users.lanes import LANES, Lane, lane_of


def test_whatever_hashes_is_slow_and_nothing_else(app: Flask) -> None:
    hashing = set()
    for rule in app.url_map.iter_rules():
        operation = operation_of(app.view_functions[rule.endpoint])
        if operation and HashingBusy in operation.refusals:
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}
            hashing |= {(method, rule.rule) for method in methods}
    assert len(hashing) == 4
    assert hashing == {call for call, lane in LANES.items() if lane is Lane.SLOW}


def test_what_is_vital_exists(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()} | {"/metrics"}
    assert {path for (_, path), lane in LANES.items() if lane is Lane.VITAL} <= rules


def test_everything_else_is_quick_also_what_could_not_be_read() -> None:
    assert lane_of("GET", "/careers/users/me/") is Lane.QUICK
    assert lane_of(None, None) is Lane.QUICK
