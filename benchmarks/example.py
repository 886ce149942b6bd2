"""The cost of a call that is written as CONTRIBUTING.md says.

    python -m benchmarks.example

The example is added to a copy of the code, and asked in turns with a view of our own
that reads one row, too, on SQLite. Prints the processor time of both; exits with 1 if
the example costs more than the machine's noise above it.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.live_server import KEY, environment
from tests.project.test_contributing import copy, steps

LIMIT = 1.05
ROUNDS = 400
MEASURE = """
import json, sys, time
from pathlib import Path
import flask_migrate
from careers_users import create_app
from config import TestConfig
from tests.api import Api

key, rounds = sys.argv[1], int(sys.argv[2])
url = f"sqlite:///{Path('x.db').resolve()}"
app = create_app(TestConfig(database_url=url, jwt_secret_key=key))
with app.app_context():
    flask_migrate.upgrade()
alice = Api(app).register("alice")
client, headers = app.test_client(), {"Authorization": f"Bearer {alice.access}"}
costs = {"example": [], "ours": []}
paths = {"example": "follows-me/", "ours": "stats/"}
for _ in range(rounds):
    for name, path in paths.items():
        began = time.process_time_ns()
        for _ in range(5):
            reply = client.get(f"/careers/users/alice/{path}", headers=headers)
            assert reply.status_code == 200
        costs[name].append((time.process_time_ns() - began) / 5000)
print(json.dumps({name: min(found) for name, found in costs.items()}))
"""


def main() -> int:
    """Measure, and print both costs and their ratio."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        copy(folder)
        *code, _test, _words = steps()
        for name, text in code:
            with (folder / "careers_users" / name).open("a", encoding="utf-8") as file:
                file.write(f"\n\n{text}")
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, KEY, str(ROUNDS)],
            check=True,
            cwd=folder,
            env=environment({"PYTHONPATH": directory}),
            stdout=subprocess.PIPE,
            text=True,
        )
    found = json.loads(done.stdout.splitlines()[-1])
    ratio = found["example"] / found["ours"]
    example, ours = found["example"], found["ours"]
    print(f"example {example:.0f} us, our own {ours:.0f} us: {ratio:.2f}")
    return int(ratio > LIMIT)


if __name__ == "__main__":
    raise SystemExit(main())
