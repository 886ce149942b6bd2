"""The queries of the dashboard and the alerts, in a real Prometheus."""

import json
import re
import socket
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import programs
from tests.deploy.test_monitoring import ALERTS, DASHBOARD, alerts
from tests.live_server import PATIENCE, ROOT, Client, Server, until

pytestmark = pytest.mark.deploy("prometheus", "promtool")
JOB = 'job="careers-users",instance="one"'
REQUESTS = "careers_users_request_seconds"
RULE = 'rule="/careers/users/"'
RISING = "0+60x60"  # From 0 in steps of 60, one a minute.
# For each alert a series that it must not fire for, and one that it must: in promtool's
# notation, a value a minute for an hour.
CASES = {
    "CareersUsersDown": ({f"up{{{JOB}}}": "1x60"}, {f"up{{{JOB}}}": "0x60"}),
    "CareersUsersAbsent": (
        {f"up{{{JOB}}}": "1x60"},
        {'up{job="another"}': "1x60"},
    ),
    "CareersUsersNotReady": (
        {f"careers_users_ready{{{JOB}}}": "1x60"},
        {f"careers_users_ready{{{JOB}}}": "0x60"},
    ),
    "CareersUsersDiskFull": (
        {f"careers_users_disk_free_bytes{{{JOB}}}": "20000000000x60"},
        {f"careers_users_disk_free_bytes{{{JOB}}}": "20000000x60"},
    ),
    "CareersUsersErrors": (
        {f'{REQUESTS}_count{{{JOB},{RULE},status="200"}}': RISING},
        {
            f'{REQUESTS}_count{{{JOB},{RULE},status="200"}}': RISING,
            f'{REQUESTS}_count{{{JOB},{RULE},status="503"}}': "0+6x60",
        },
    ),
    "CareersUsersSlow": (
        {
            f'{REQUESTS}_bucket{{{JOB},{RULE},le="0.1"}}': RISING,
            f'{REQUESTS}_bucket{{{JOB},{RULE},le="+Inf"}}': RISING,
        },
        {
            f'{REQUESTS}_bucket{{{JOB},{RULE},le="0.1"}}': "0+30x60",
            f'{REQUESTS}_bucket{{{JOB},{RULE},le="1"}}': RISING,
            f'{REQUESTS}_bucket{{{JOB},{RULE},le="+Inf"}}': RISING,
        },
    ),
    "CareersUsersLoginsRefused": (
        {
            f'careers_users_logins_total{{{JOB},outcome="refused"}}': RISING,
            f'careers_users_logins_total{{{JOB},outcome="succeeded"}}': RISING,
        },
        {
            f'careers_users_logins_total{{{JOB},outcome="refused"}}': "0+600x60",
            f'careers_users_logins_total{{{JOB},outcome="succeeded"}}': RISING,
        },
    ),
    "CareersUsersOverloaded": (
        {f"careers_users_overloaded_total{{{JOB}}}": "5x60"},
        {f"careers_users_overloaded_total{{{JOB}}}": RISING},
    ),
    "CareersUsersJobLate": (
        {f'careers_users_job_due_timestamp_seconds{{{JOB},task="a"}}': "3600x60"},
        {f'careers_users_job_due_timestamp_seconds{{{JOB},task="a"}}': "-7200x60"},
    ),
    "CareersUsersReplicaUnused": (
        {f"careers_users_replica_in_use{{{JOB}}}": "2x60"},
        {f"careers_users_replica_in_use{{{JOB}}}": "0x60"},
    ),
    "CareersUsersMailWaiting": (
        {f"careers_users_mail_oldest_seconds{{{JOB}}}": "60x60"},
        {f"careers_users_mail_oldest_seconds{{{JOB}}}": "1800x60"},
    ),
    "CareersUsersMailFailed": (
        {f'careers_users_mails_total{{{JOB},outcome="failed"}}': "0x60"},
        {f'careers_users_mails_total{{{JOB},outcome="failed"}}': RISING},
    ),
    "CareersUsersDatabaseConnections": (
        {
            f"careers_users_database_connections_in_use{{{JOB}}}": "3x60",
            f"careers_users_database_connections_max{{{JOB}}}": "8x60",
        },
        {
            f"careers_users_database_connections_in_use{{{JOB}}}": "8x60",
            f"careers_users_database_connections_max{{{JOB}}}": "8x60",
        },
    ),
}


def promtool(*words: str) -> None:
    """Run promtool, which must have nothing to say against its files."""
    command = [programs.path("promtool"), *words]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_when_it_should_and_not_otherwise(tmp_path: Path) -> None:
    rules = {rule["alert"]: rule["expr"] for rule in alerts()}
    assert rules.keys() == CASES.keys()
    tests = [
        {
            "interval": "1m",
            "name": f"{name} {'fires' if fires else 'is silent'}",
            "input_series": [
                {"series": one, "values": values} for one, values in series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": f"count({rules[name]})",
                    "eval_time": "30m",
                    "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
                }
            ],
        }
        for name, cases in CASES.items()
        for fires, series in enumerate(cases)
    ]
    path = tmp_path / "tests.yml"
    path.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "tests": tests}))
    promtool("test", "rules", str(path))


class Prometheus:
    """A Prometheus that scrapes a service as docs/monitoring.md says."""

    def __init__(self, folder: Path, target: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        text = (ROOT / "docs/monitoring.md").read_text("utf-8")
        shown = re.search(r"```yaml\n(scrape_configs:.*?)```", text, re.DOTALL)
        assert shown
        config = yaml.safe_load(shown[1])
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [
            f"127.0.0.1:{target}"
        ]
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(ALERTS)]
        path = folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(config))
        promtool("check", "config", str(path))
        self.log = (folder / "prometheus.log").open("w+")
        self.process = subprocess.Popen(
            [
                programs.path("prometheus"),
                f"--config.file={path}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )

    def ask(self, path: str, **query: str) -> Any:
        """Return what its API answers, which must be a success."""
        address = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        url = f"{address}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
            answer = json.load(reply)
        assert answer["status"] == "success", answer
        return answer["data"]

    def is_up(self) -> bool:
        """Return whether it answers."""
        assert self.process.poll() is None, Path(self.log.name).read_text()
        try:
            self.ask("status/buildinfo")
        except OSError:
            return False
        return True

    def values(self, expression: str) -> list[Any]:
        """Return what an expression gives now."""
        found: list[Any] = self.ask("query", query=expression)["result"]
        return found

    def rules(self) -> list[Any]:
        """Return the alerts, as it has understood them."""
        found: list[Any] = self.ask("rules")["groups"][0]["rules"]
        return found


@pytest.fixture
def scraped(tmp_path: Path) -> Iterator[tuple[Server, Prometheus]]:
    """Serve with metrics, and have a Prometheus scrape that."""
    settings = {"CAREERS_USERS_METRICS": "true", "CAREERS_USERS_THREADS": "2"}
    with Server(tmp_path, **settings) as server:
        prometheus = Prometheus(tmp_path, server.port)
        try:
            until(prometheus.is_up)
            yield server, prometheus
        finally:
            prometheus.process.terminate()
            prometheus.process.wait(PATIENCE)
            prometheus.log.close()


def queries() -> list[tuple[str, str]]:
    """Return the queries as Grafana sends them, each with its panel's title."""
    return [
        (
            panel["title"],
            target["expr"]
            .replace("$__rate_interval", "1m")
            .replace("$instance", "127.0.0.1:.*"),
        )
        for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]
        for target in panel["targets"]
    ]


def test_every_query_finds_something(scraped: tuple[Server, Prometheus]) -> None:
    server, prometheus = scraped
    with Client(server.port) as client:
        alice = client.register("alice").body["access"]
        client.register("bob")
        client.call("POST", "follow/", {"username": "bob"}, alice)
        # Rates need two scrapes, with something between them for those by status.
        until(lambda: prometheus.values('up{job="careers-users"} == 1'))
        client.call("GET", "bob/")

    for title, query in queries():
        # There is no replica and no mail; the queries are right all the same.
        if "replica" in query or "_mail" in query:
            assert isinstance(prometheus.values(query), list), title
        else:
            until(partial(prometheus.values, query))
    assert {rule["name"] for rule in prometheus.rules()} == {
        rule["alert"] for rule in alerts()
    }
    until(lambda: {rule["health"] for rule in prometheus.rules()} == {"ok"})
    assert prometheus.values("careers_users_ready == 1")


def test_a_service_that_is_gone_is_an_alert(
    scraped: tuple[Server, Prometheus],
) -> None:
    server, prometheus = scraped
    until(lambda: prometheus.values('up{job="careers-users"} == 1'))
    server.kill()

    def pending() -> bool:
        found = prometheus.ask("alerts")["alerts"]
        return "CareersUsersDown" in {each["labels"]["alertname"] for each in found}

    until(pending)
