"""The files under deploy/ and the metrics they name, which must exist."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from careers_users import create_app
from careers_users.observability import meters
from config import TestConfig
from tests.conftest import KEY

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "careers-users.json"
ALERTS = ROOT / "deploy" / "prometheus" / "alerts.yml"
_METRIC = re.compile(r"\bcareers_users_[a-z_]+")


@pytest.fixture(scope="module")
def metrics() -> dict[str, str]:
    """Return the metrics that the service has, and their types."""
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    settings = TestConfig(database_url=nowhere, jwt_secret_key=KEY)
    app = create_app(replace(settings, metrics=True, database_read_url=nowhere))
    text = app.test_client().get("/metrics").text
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def is_series(name: str, metrics: dict[str, str]) -> bool:
    """Return whether there are numbers of that name."""
    for suffix in ("_bucket", "_count", "_sum"):
        base = name.removesuffix(suffix)
        if base != name and metrics.get(base) == "histogram":
            return True
    return metrics.get(name) in ("counter", "gauge")


def expressions() -> list[tuple[str, str]]:
    """Return all queries, each with where it stands."""
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    found = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel["targets"]
    ]
    variables = dashboard["templating"]["list"]
    found += [(variable["name"], variable["query"]) for variable in variables]
    return found + [(rule["alert"], rule["expr"]) for rule in alerts()]


def alerts() -> list[Any]:
    """Return all alert rules."""
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_every_metric_named_exists_and_every_metric_is_shown(
    metrics: dict[str, str],
) -> None:
    named = set()
    for place, expression in expressions():
        for name in _METRIC.findall(expression):
            assert is_series(name, metrics), f"{place}: {name}"
            named.add(re.sub("_(bucket|count|sum)$", "", name))
    assert named == set(metrics)


def test_every_metric_is_documented_and_no_other(metrics: dict[str, str]) -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    rows = re.findall(r"^\| `(careers_users_\w+)` \| (.*?) \|", text, re.MULTILINE)
    assert {name for name, _ in rows} == set(metrics)
    labels = dict(rows)
    for endpoint_metric, _ in meters.FLOWS.values():
        assert labels[f"careers_users_{endpoint_metric}_total"] == "`outcome`"
    for outcome in meters.OUTCOMES.values():
        assert f"`{outcome}`" in text


def test_outcomes_in_queries_exist() -> None:
    outcomes = {*meters.OUTCOMES.values(), "failed"}
    for place, expression in expressions():
        for outcome in re.findall(r'outcome="(\w+)"', expression):
            assert outcome in outcomes, place


def test_alerts_say_what_happened_and_what_to_do() -> None:
    names = [rule["alert"] for rule in alerts()]
    assert len(names) == len(set(names)) >= 5
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_panels_do_not_overlap() -> None:
    taken = set()
    for panel in json.loads(DASHBOARD.read_text("utf-8"))["panels"]:
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, panel["title"]
                assert x < 24
                taken.add((x, y))
