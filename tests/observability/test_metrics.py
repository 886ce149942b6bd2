"""/metrics: what is counted, by whom it can be read, and what it never says."""

import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from flask import Flask

from careers_users import create_app
from careers_users.auth.password_hashing import passwords
from careers_users.cli.startup import NotReady, prepare
from careers_users.extensions import db
from careers_users.observability import meters
from careers_users.observability.meters import FLOWS
from config import TestConfig
from tests.api import PASSWORD, Api
from tests.live_server import KEY, PATIENCE, Server, run
from tests.observability.scraped import Samples, get, requests_in, samples

USER_RULE = "/careers/users/<username:username>/"


@pytest.fixture
def app(settings: TestConfig) -> Iterator[Flask]:
    """Yield the application with its metrics switched on."""
    app = create_app(replace(settings, metrics=True))
    yield app
    with app.app_context():
        db.engine.dispose()


def scrape(app: Flask) -> Samples:
    """Return the numbers that the application has counted."""
    reply = app.test_client().get("/metrics")
    assert reply.status_code == 200
    assert reply.content_type == "text/plain; version=0.0.4; charset=utf-8"
    return samples(reply.text)


def test_requests_are_counted_by_method_rule_and_status(api: Api, app: Flask) -> None:
    api.register("alice")
    for path in ("alice/", "alice", "ALICE/", "nobody/"):
        api.get(path)
    api.call("HEAD", "alice/")

    counted = requests_in(scrape(app))

    assert counted[("GET", USER_RULE, "200")] == 3
    assert counted[("GET", USER_RULE, "404")] == 1
    assert counted[("HEAD", USER_RULE, "200")] == 1
    assert counted[("POST", "/careers/users/register/", "201")] == 1
    assert len(counted) == 4
    # The reading of the numbers is counted too, once it is over.
    assert requests_in(scrape(app))[("GET", "/metrics", "200")] == 1


def test_times_fall_into_their_buckets(api: Api, app: Flask) -> None:
    for _ in range(5):
        api.get("")
    found = scrape(app)
    labels = ("GET", "/careers/users/", "200")
    buckets = found["careers_users_request_seconds_bucket"]
    assert buckets[("+Inf", *labels)] == 5
    ordered = [buckets[(str(bound), *labels)] for bound in meters.BUCKETS]
    assert ordered == sorted(ordered)
    assert 0 < found["careers_users_request_seconds_sum"][labels] < 5 * 60


def test_text_of_strangers_is_no_label(api: Api, app: Flask) -> None:
    api.register("alice")
    api.get("alice/followers/")
    for number in range(5):
        api.get(f"/strange-{number}")
        api.get(f"strange-{number}/strange/")
        api.get(f"strange-{number}/?search=strange-{number}", token=f"strange{number}")
        api.call(f"STRANGE{number}", "")
        api.call("OPTIONS", f"/strange-{number}")
        api.post("login/", {"username": f"strange-{number}", "password": PASSWORD})
    text = app.test_client().get("/metrics").text
    assert "strange" not in text.lower()
    assert "alice" not in text
    counted = requests_in(samples(text))
    assert counted[("GET", "unmatched", "404")] == 10
    assert counted[("OTHER", "unmatched", "405")] == 5
    assert {len(labels) for labels in counted} == {3}


def test_flows_are_counted_by_outcome(api: Api, app: Flask) -> None:
    alice, bob = api.register("alice"), api.register("bob")
    body = {"username": "alice", "email": "a@example.com", "password": PASSWORD}
    api.post("register/", {**body, "password_confirm": PASSWORD})
    api.post("login/", {"username": "alice", "password": PASSWORD})
    for _ in range(3):
        api.post("login/", {"username": "alice", "password": "wrong password"})
    api.post("login/", {})
    api.call("OPTIONS", "login/")
    api.post("token/refresh/", {"refresh": alice.refresh})
    api.post("token/refresh/", {"refresh": "x"})
    for _ in range(2):
        api.post("follow/", {"following": bob.id}, token=alice.access)
        api.delete("bob/unfollow/", token=alice.access)
    api.delete("bob/unfollow/", token=alice.access)
    # The calls that may be repeated are the same flows.
    for call in (api.put, api.delete):
        call("bob/follow/", token=alice.access)
        call("nobody/follow/", token=alice.access)

    found = scrape(app)

    def outcomes(flow: str) -> dict[str, float]:
        counts = found[f"careers_users_{flow}_total"]
        return {outcome: count for (outcome,), count in counts.items() if count}

    assert outcomes("registrations") == {"succeeded": 2, "refused": 1}
    assert outcomes("logins") == {"succeeded": 1, "refused": 3, "malformed": 1}
    assert outcomes("refreshes") == {"succeeded": 1, "refused": 1}
    assert outcomes("follows") == {"succeeded": 3, "refused": 1}
    assert outcomes("unfollows") == {"succeeded": 3, "refused": 2}
    # Every outcome is there from the beginning.
    assert found["careers_users_logins_total"][("throttled",)] == 0
    events = found["careers_users_security_events_total"]
    assert events == {("registered",): 2, ("login_succeeded",): 1, ("login_failed",): 3}
    assert set(FLOWS) <= set(app.view_functions)


def test_a_failure_is_counted_as_one(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("careers_users.clock.utcnow", fail)
        body = {"username": "alice", "email": "a@example.com", "password": PASSWORD}
        body["password_confirm"] = PASSWORD
        app.test_client().post("/careers/users/register/", json=body)
    found = scrape(app)
    assert requests_in(found)[("POST", "/careers/users/register/", "500")] == 1
    assert found["careers_users_registrations_total"][("failed",)] == 1
    assert found["careers_users_requests_in_flight"][()] == 1, "the scrape itself"


def test_connections_are_counted(app: Flask, settings: TestConfig) -> None:
    def connections() -> list[float]:
        found = scrape(app)
        names = ("in_use", "open", "max")
        return [found[f"careers_users_database_connections_{n}"][()] for n in names]

    most = settings.db_pool_size
    assert connections() == [0, 0, most]
    with app.app_context():
        with db.engine.connect(), db.engine.connect():
            assert connections() == [2, 2, most]
        assert connections() == [0, 2, most]
        db.engine.dispose()
    assert connections() == [0, 0, most]


def test_hashing_is_counted(settings: TestConfig) -> None:
    app = create_app(replace(settings, metrics=True, hash_concurrency=1))
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), passwords()._turn():
            entered.set()
            leave.wait(PATIENCE)

    def hashing() -> tuple[float, float]:
        found = scrape(app)
        waiting = found["careers_users_hashes_waiting"][()]
        return waiting, found["careers_users_hashes_running"][()]

    def wait_for_turn() -> None:
        with app.app_context():
            passwords().hash("password123")

    assert hashing() == (0, 0)
    holder = threading.Thread(target=hold)
    holder.start()
    assert entered.wait(PATIENCE)
    waiter = threading.Thread(target=wait_for_turn)
    waiter.start()
    try:
        while hashing() != (1, 1):
            assert waiter.is_alive()
    finally:
        leave.set()
        holder.join()
        waiter.join()
    assert hashing() == (0, 0)


# -- Who can read it -------------------------------------------------------------------


def test_it_is_off_by_default(settings: TestConfig) -> None:
    reply = Api(create_app(settings)).get("/metrics")
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


def test_without_the_extra_it_is_a_404_and_a_start_is_refused(
    settings: TestConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meters, "AVAILABLE", False)
    asked_for = replace(settings, metrics=True)
    app = create_app(asked_for)
    api = Api(app)
    assert api.get("/metrics").status_code == 404
    assert api.get("/health/live").status_code == 200
    with pytest.raises(NotReady, match=r"careers_users\[metrics\]"):
        prepare(app, asked_for)


def test_the_package_is_whole_without_the_extra(
    tmp_path: Path, sqlite_template: Path
) -> None:
    script = (
        "import sys; sys.modules['prometheus_client'] = None;"
        "from careers_users.__main__ import main; main()"
    )
    settings = {
        "DATABASE_URL": f"sqlite:///{sqlite_template}",
        "CAREERS_USERS_JWT_SECRET_KEY": KEY,
    }
    command = (sys.executable, "-c", script, "serve")
    with Server(tmp_path, command=command, **settings) as server:
        assert get(server.port, "/careers/users/")[0] == 200
        assert get(server.port, "/metrics")[0] == 404
        assert server.stop() == 0
    refused = run(tmp_path, command=command, CAREERS_USERS_METRICS="true", **settings)
    assert refused.returncode == 78
    assert "prometheus-client is not installed" in refused.stderr


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
def test_a_request_through_a_proxy_reads_nothing(app: Flask, name: str) -> None:
    reply = app.test_client().get("/metrics", headers={name: "192.0.2.1"})
    assert reply.status_code == 404
    assert "careers_users_" not in reply.text


# -- Several processes -----------------------------------------------------------------
