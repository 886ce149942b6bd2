"""The Dockerfile, read line by line: no engine is needed."""

import ast
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.deploy.templates import assert_command_exists, text_of
from tests.live_server import ROOT, Server, environment
from tests.project.test_docs import settings_read


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, in order, each with what follows it."""
    text = re.sub(r"^#.*\n", "", text_of("Dockerfile"), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]
    pairs = [line.split(None, 1) for line in lines]
    return [(word, rest.strip()) for word, rest in pairs]


def test_the_image_runs_the_service_as_an_unprivileged_user() -> None:
    found = instructions()
    known = "ARG FROM ENV WORKDIR RUN COPY USER VOLUME EXPOSE STOPSIGNAL HEALTHCHECK"
    assert {word for word, _ in found} == {*known.split(), "ENTRYPOINT", "CMD"}
    last_from = max(n for n, (word, _) in enumerate(found) if word == "FROM")
    final = dict(found[last_from:])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", final["USER"])
    assert final["STOPSIGNAL"] == "SIGTERM"
    # The exec form: the service itself is process 1, and gets the signal.
    program, *words = ast.literal_eval(final["ENTRYPOINT"]) + ast.literal_eval(
        final["CMD"]
    )
    assert program == "careers-users"
    assert_command_exists(words)
    names = set(re.findall(r"\b([A-Z_]+)=", final["ENV"])) - {
        "PATH",
        "PYTHONUNBUFFERED",
    }
    assert names <= settings_read()
    assert f"PORT={final['EXPOSE']}" in final["ENV"]


def test_files_that_the_image_copies_are_there_and_not_ignored() -> None:
    ignored, *admitted = [
        line
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert ignored == "*"
    kept = {line[1:].rstrip("/") for line in admitted if line.startswith("!")}
    copied: set[str] = set()
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest:
            copied |= set(rest.split()[:-1])
    assert copied == kept
    for name in copied:
        assert (ROOT / name).exists(), name
    for secret in ("instance/jwt_secret_key", ".env", ".git/config", "tests/api.py"):
        assert not any(fnmatch(secret, f"{name}*") for name in kept)


def test_the_image_installs_a_whole_package(tmp_path: Path) -> None:
    """The image has the files that setup.cfg reads: a build of the copies works."""
    for word, rest in instructions():
        if word == "COPY" and "--from" not in rest and "requirements" not in rest:
            for name in rest.split()[:-1]:
                (tmp_path / name).symlink_to(ROOT / name)
    code = "import setuptools; d = setuptools.setup(); print(*d.packages)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, "--name"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "careers_users.migrations.versions" in done.stdout


def test_the_health_check_asks_the_service(tmp_path: Path) -> None:
    """Run the check itself, against a server that is alive and against none."""

    check = dict(instructions())["HEALTHCHECK"].partition("CMD ")[2]
    program, *words = ast.literal_eval(check)
    assert program == "python3"
    with Server(tmp_path) as server:
        env = environment({"PORT": str(server.port)})
        command = [sys.executable, *words]
        assert subprocess.call(command, env=env, timeout=60) == 0
        server.kill()
        with Path(os.devnull).open("w") as nowhere:
            assert subprocess.call(command, env=env, stderr=nowhere, timeout=60) != 0
