"""The calls that are not treated as all others while they wait."""

from flask import Flask

from careers_users.__main__ import VITAL, calls_that_hash


def test_the_slow_calls_are_those_that_hash_a_password(app: Flask) -> None:
    assert calls_that_hash(app) == {
        ("POST", "/careers/users/register/"),
        ("POST", "/careers/users/login/"),
        ("POST", "/careers/users/me/password/"),
        ("DELETE", "/careers/users/me/"),
    }


def test_what_is_vital_exists(app: Flask) -> None:
    rules = {rule.rule for rule in app.url_map.iter_rules()} | {"/metrics"}
    assert {path for _, path in VITAL} <= rules
