"""Numbers as Prometheus scrapes them."""

import http.client
from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from tests.live_server import PATIENCE

Samples = dict[str, dict[tuple[str, ...], float]]


def samples(text: str) -> Samples:
    """Return the numbers in an exposition, by name and by the values of the labels."""
    found: Samples = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sample.labels.values())] = sample.value
    return found


def requests_in(found: Samples) -> dict[tuple[str, ...], float]:
    """Return how many requests there were, by method, rule and status."""
    return found["careers_users_request_seconds_count"]


def get(port: int, path: str, **headers: str) -> tuple[int, str]:
    """Ask over a connection of its own, so that any of the processes may answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)
    try:
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()
