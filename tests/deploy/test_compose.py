"""deploy/compose.yaml, its parts held against each other: no engine is needed."""

import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from careers_users.settings import Settings
from tests.deploy.templates import DEPLOY, assert_command_exists, text_of
from tests.live_server import environment
from tests.project.test_docs import settings_read

OURS = ("migrate", "service", "worker")
FILE = re.compile(r"/run/secrets/(\w+)$")


@pytest.fixture(scope="module")
def compose() -> Any:
    """Return the content of the file."""
    return yaml.safe_load(text_of("compose.yaml"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the first lines of the file; return the directory with what they make."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "nginx").mkdir()
    shutil.copy(DEPLOY / "nginx/careers_users.conf", folder / "nginx")
    head = text_of("compose.yaml").partition("\nname:")[0]
    lines = re.findall(r"^#   (.*)$", head, re.MULTILINE)
    assert lines.pop() == "docker compose up --build --detach"
    # Giving a file to another user takes root.
    script = "chown() { :; }\n" + "\n".join(lines)
    subprocess.run(
        ["bash", "-eu"], input=script, cwd=folder, check=True, text=True, timeout=60
    )
    return folder


def services(compose: Any) -> dict[str, Any]:
    """Return the services, by name."""
    found: dict[str, Any] = compose["services"]
    return found


def test_our_containers_run_commands_that_there_are(compose: Any) -> None:
    for name in OURS:
        service = services(compose)[name]
        assert service["image"] == "careers_users"
        assert_command_exists(list(service["command"]))
        names = {each.removesuffix("_FILE") for each in service["environment"]}
        assert names <= settings_read()
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        seconds = int(service["stop_grace_period"].removesuffix("s"))
        assert seconds > Settings.drain_timeout + 5
    built = services(compose)["migrate"]["build"]
    assert (DEPLOY / built["context"] / built["dockerfile"]).exists()


def test_every_secret_is_made_and_private(compose: Any, made: Path) -> None:
    declared = {name: each["file"] for name, each in compose["secrets"].items()}
    files = {f"./secrets/{path.name}" for path in (made / "secrets").iterdir()}
    assert set(declared.values()) == files
    used = set()
    for service in services(compose).values():
        used |= set(service.get("secrets", ()))
        for value in service.get("environment", {}).values():
            if found := FILE.match(value):
                assert found[1] in service["secrets"]
    assert used == declared.keys()
    for path in (made / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o400
        assert path.read_text().strip()


@pytest.mark.parametrize(
    ("name", "role"),
    [("migrate", "careers_owner"), ("service", "careers"), ("worker", "careers")],
)
def test_the_service_takes_the_settings(
    compose: Any, made: Path, monkeypatch: pytest.MonkeyPatch, name: str, role: str
) -> None:
    for variable in settings_read():
        monkeypatch.delenv(variable, raising=False)
    for variable, value in services(compose)[name]["environment"].items():
        secret = FILE.match(value)
        monkeypatch.setenv(
            variable, str(made / "secrets" / secret[1]) if secret else value
        )
    settings = Settings.from_env()
    # As deploy/postgresql.sql names them, at the host that is the database's container.
    assert (settings.url.username, settings.url.database) == (role, "careers")
    assert settings.url.host in services(compose)
    assert f"\\set owner {role}" in text_of("postgresql.sql") or role == "careers"


def test_the_database_is_made_by_our_script(compose: Any) -> None:
    postgresql = services(compose)["postgresql"]
    mounts = dict(each.split(":", 1) for each in postgresql["volumes"])
    assert mounts["./postgresql.sql"] == "/careers_users/postgresql.sql:ro"
    script = DEPLOY / "compose-database.sh"
    assert mounts[f"./{script.name}"].startswith("/docker-entrypoint-initdb.d/")
    # One that is not executable is sourced by the image.
    assert script.stat().st_mode & stat.S_IXOTH
    subprocess.run(["bash", "-n", str(script)], check=True, timeout=60)
    text = script.read_text("utf-8")
    assert "--file=/careers_users/postgresql.sql" in text
    for name in re.findall(r"/run/secrets/(\w+)", text):
        assert name in postgresql["secrets"]


def test_the_database_script_hands_on_the_passwords(tmp_path: Path) -> None:
    for name in ("owner_password", "password"):
        (tmp_path / name).write_text(f"the {name}\n")
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\necho "$OWNER_PASSWORD|$PASSWORD|$*"\n')
    psql.chmod(0o755)
    script = text_of("compose-database.sh").replace("/run/secrets", str(tmp_path))
    env = environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    said = subprocess.check_output(["bash"], input=script, env=env, text=True)
    owner, password, words = said.strip().split("|")
    assert (owner, password) == ("the owner_password", "the password")
    assert "password" not in words.replace("--no-password", "")


def test_nginx_reaches_the_service_which_believes_it(compose: Any, made: Path) -> None:
    text = (made / "compose-nginx.conf").read_text("utf-8")
    upstream = re.findall(r"^ +server ([\w.]+):(\d+) ", text, re.MULTILINE)
    assert upstream == [("service", "8000")]
    assert "EXPOSE 8000" in text_of("Dockerfile")
    nginx, service = (services(compose)[name] for name in ("nginx", "service"))
    mounts = dict(each.split(":", 1) for each in nginx["volumes"])
    assert mounts["./compose-nginx.conf"].startswith("/etc/nginx/conf.d/")
    assert set(re.findall(r"ssl_certificate\S* +(/\S+)/", text)) == {"/etc/nginx/tls"}
    assert mounts["./tls"] == "/etc/nginx/tls:ro"
    (shared,) = set(nginx["networks"]) & set(service["networks"])
    (subnet,) = compose["networks"][shared]["ipam"]["config"]
    trusted = service["environment"]["CAREERS_USERS_TRUSTED_PROXY"]
    assert trusted == subnet["subnet"]


def test_no_outsider_reaches_the_database(compose: Any) -> None:
    (network,) = services(compose)["postgresql"]["networks"]
    assert compose["networks"][network]["internal"] is True
    assert network not in services(compose)["nginx"]["networks"]
    published = {name for name, each in services(compose).items() if "ports" in each}
    assert published == {"nginx"}
