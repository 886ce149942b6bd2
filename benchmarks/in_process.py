"""Has a change made a call dearer? Its processor time against another commit's.

    python -m benchmarks.in_process HEAD~1 --rounds 9

Each commit's own code fills an SQLite database and answers through Werkzeug's test
client, in a process of its own, in turns with the other's. A figure is the least of
many samples: what else runs on the machine can only add to one, so that the ratios
scatter by two hundredths where those of `benchmarks.against`, which loads the servers,
scatter by ten and more on two cores. A ratio above 1: the working tree is cheaper.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.against import SIZE, Version, installed
from benchmarks.serving import KEY, environment
from careers_users.cli.demo.fill import PASSWORD
from careers_users.cli.demo.people import CELEBRITY, RARE_WORD

# Runs in either version: nothing of the service but its factory and its settings.
MEASURE = """
import json, os, sys, time
from careers_users import create_app
from careers_users.settings import Settings

password, celebrity, rare = sys.argv[1:4]
app = create_app(Settings.from_env())
client, base = app.test_client(), "/careers/users/"

def call(method, path, body=None, status=200):
    reply = client.open(base + path, method=method, json=body, headers=headers)
    assert reply.status_code == status, (path, reply.status_code, reply.data)
    return reply

headers = {}
name = call("GET", "?batch_size=1&batch_number=70").json["users"][0]["username"]
other = call("GET", "?batch_size=1&batch_number=77").json["users"][0]["username"]
tokens = call("POST", "login/", {"username": name, "password": password}).json
headers = {"Authorization": "Bearer " + tokens["access"]}
deep = call("GET", f"{celebrity}/followers/?batch_size=20&batch_number=40").json["next"]
deep = deep.partition(base)[2]

def follow():
    call("POST", "follow/", {"username": other}, 201)
    call("DELETE", other + "/unfollow/")

calls = {
    "profile": lambda: call("GET", other + "/"),
    "me": lambda: call("GET", "me/"),
    "list of 10": lambda: call("GET", "?batch_size=10"),
    "search, rare word": lambda: call("GET", "?search=" + rare),
    "followers, first batch": lambda: call("GET", celebrity + "/followers/?batch_size=20"),
    "followers, deep": lambda: call("GET", deep),
    "follow and unfollow": follow,
    "token/refresh": lambda: call("POST", "token/refresh/", {"refresh": tokens["refresh"]}),
}
client.delete(base + other + "/unfollow/", headers=headers)
least = {}
for label, make in calls.items():
    for _ in range(20):
        make()
    for _ in range(60):
        began = time.process_time_ns()
        for _ in range(4):
            make()
        used = (time.process_time_ns() - began) / 4000
        least[label] = min(least.get(label, used), used)
print(json.dumps(least))
"""  # noqa: E501


def measure(python: str, folder: Path, url: str) -> dict[str, float]:
    """Return the least microseconds of each call, by the version that `python` has."""
    variables = environment(
        DATABASE_URL=url,
        CAREERS_USERS_JWT_SECRET_KEY=KEY,
        CAREERS_USERS_RATELIMIT_ENABLED="false",
    )
    command = [python, "-c", MEASURE, PASSWORD, CELEBRITY, RARE_WORD]
    done = subprocess.run(
        command, check=True, cwd=folder, env=variables, stdout=subprocess.PIPE
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    """Measure, and print a row for each call."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.in_process",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("revision", help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    least: dict[str, dict[str, float]] = {"before": {}, "now": {}}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        before = stack.enter_context(installed(options.revision, folder))
        now = Version("now", (sys.executable, "-m", "careers_users"))
        pythons = {
            "before": str(Path(before.command[0]).with_name("python")),
            "now": sys.executable,
        }
        urls = {name: f"sqlite:///{folder}/{name}.db" for name in pythons}
        for version in (before, now):
            version.fill(urls[version.name])
        for number in range(options.rounds):
            for name in list(pythons)[:: 1 if number % 2 else -1]:
                found = measure(pythons[name], folder, urls[name])
                for call, used in found.items():
                    least[name][call] = min(least[name].get(call, used), used)
    print(f"SQLite, {SIZE.users} users; microseconds of processor time, the least")
    for call, used in least["now"].items():
        other = least["before"][call]
        print(f"{call:24} {other:7.0f} before {used:7.0f} now  {other / used:.2f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
