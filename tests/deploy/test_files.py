"""The files under deploy/: each is what it seems, and names what there is."""

import re
import runpy
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from careers_users.settings import Settings
from tests.deploy import programs
from tests.deploy.templates import DEPLOY, assert_command_exists, text_of
from tests.in_process import run
from tests.live_server import KEY, ROOT, Client, Server
from tests.project.test_docs import settings_read

UNITS = DEPLOY / "systemd"
PROGRAM = "/opt/careers_users/.venv/bin/careers-users"
ENV_FILE = DEPLOY / "careers_users.env.example"


# -- The environment file --------------------------------------------------------------


def settings_of(lines: list[str]) -> dict[str, str]:
    """Return the settings in lines of NAME=value, as systemd and docker read them."""
    return dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_0-9]+=", line))


def test_the_environment_file_is_as_the_document_says() -> None:
    module = runpy.run_path(str(ROOT / "docs/env_example.py"))
    assert text_of(ENV_FILE.name) == module["example"](), "run docs/env_example.py"


def test_the_environment_file_has_every_setting_and_no_other() -> None:
    lines = text_of(ENV_FILE.name).splitlines()
    active = settings_of(lines)
    shown = settings_of([line.removeprefix("#") for line in lines])
    assert shown.keys() == settings_read()
    assert {"DATABASE_URL", "CAREERS_USERS_JWT_SECRET_KEY"} <= active.keys()
    # Where instances differ, a file that they share must not say it.
    assert not {"HOST", "PORT"} & active.keys()
    for line in lines:
        assert line == "" or line.startswith("#") or re.match(r"[A-Z_0-9]+=\S*$", line)


def test_the_environment_file_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings_read():
        monkeypatch.delenv(name, raising=False)
    for uncommented in (False, True):
        lines = text_of(ENV_FILE.name).splitlines()
        if uncommented:
            lines = [line.removeprefix("#") for line in lines]
        for name, value in settings_of(lines).items():
            if value:
                monkeypatch.setenv(name, value)
        monkeypatch.setenv("CAREERS_USERS_JWT_SECRET_KEY", KEY)
        settings = Settings.from_env()
        assert settings.url.database == "careers"
        assert settings.processes == 2
        assert settings.trusted_proxy == ("127.0.0.1",)


# -- systemd ---------------------------------------------------------------------------


def unit(name: str) -> dict[str, list[str]]:
    """Return the settings of a unit file; some come more than once."""
    found: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Return the unit files as installed, with the path of this program."""
    program = Path(sys.executable).with_name("careers-users")
    if not program.exists():  # The package is not installed, only on the path.
        program = tmp_path / "careers-users"
        program.touch(mode=0o755)
    drop_in = tmp_path / "careers-users@8001.service.d"
    drop_in.mkdir()
    for path in UNITS.iterdir():
        name = path.name.replace("@", "@8001")
        folder = drop_in if path.suffix == ".conf" else tmp_path
        text = path.read_text("utf-8").replace(PROGRAM, str(program))
        text = text.replace("/opt/careers_users/backup", f"{DEPLOY}/backup")
        (folder / name).write_text(text, "utf-8")
    return tmp_path


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    """Run systemd-analyze, which needs no running systemd for this."""
    command = [programs.path("systemd-analyze"), *words]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60
    )


@pytest.mark.deploy("systemd-analyze")
def test_systemd_has_nothing_to_say_against_the_units(units: Path) -> None:
    files = sorted(path for path in units.iterdir() if path.is_file())
    assert [path.name for path in files] == [
        "careers-users-backup.service",
        "careers-users-backup.timer",
        "careers-users@8001.service",
        "careers-users@8001.socket",
    ]
    done = analyze("verify", *map(str, files))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.deploy("systemd-analyze")
@pytest.mark.parametrize(
    ("name", "level"), [("careers-users@8001", 15), ("careers-users-backup", 30)]
)
def test_the_unit_is_hardened(units: Path, name: str, level: int) -> None:
    # The level is ten times what systemd shows: 1.5 of 10, where less is better.
    done = analyze(
        "security",
        "--offline=true",
        f"--threshold={level}",
        str(units / f"{name}.service"),
    )
    assert done.returncode == 0, done.stdout
    assert "Overall exposure level" in done.stdout


def test_the_units_fit_the_service() -> None:
    service = unit("careers-users@.service")
    program, *words = shlex.split(service["ExecStart"][0].replace("%i", "8001"))
    assert program == PROGRAM
    assert_command_exists(words)
    # The grace that the service gives itself, and what it gives stuck workers.
    assert int(service["TimeoutStopSec"][0]) > Settings.drain_timeout + 5
    assert service["KillMode"] == ["mixed"]
    assert service["Type"] == ["notify"]
    assert int(service["TimeoutStartSec"][0]) > 2 * Settings.db_start_timeout
    held = unit("careers-users@.socket")
    assert held["ListenStream"] == ["127.0.0.1:%i"]
    assert held["Accept"] == ["no"]
    names = {line.partition("=")[0] for line in service["Environment"]}
    assert names <= settings_read()


def test_the_service_takes_its_credentials(tmp_path: Path) -> None:
    drop_in = unit("credentials.conf")
    # As systemd gives them: readable, and no more, in a directory of the service's own.
    contents = {"database_url": "sqlite:///a.db", "jwt_secret_key": KEY}
    for line in drop_in["LoadCredential"]:
        name, source = line.split(":")
        assert source == f"/etc/careers_users/{name}"
        (tmp_path / name).write_text(contents.pop(name))
        (tmp_path / name).chmod(0o440)
    assert not contents
    settings = settings_of(
        [line.replace("%d", str(tmp_path)) for line in drop_in["Environment"]]
    )
    upgraded = run(tmp_path, "db", "upgrade", **settings)
    assert upgraded.returncode == 0, upgraded.stderr
    with Server(tmp_path, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201


def test_a_wrong_setting_is_not_tried_again(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", PORT="none")
    prevented = unit("careers-users@.service")["RestartPreventExitStatus"]
    assert [str(done.returncode)] == prevented


# -- High availability -----------------------------------------------------------------


def test_patroni_loses_nothing_and_is_waited_for() -> None:
    text = text_of("ha/patroni.yml")
    dcs = yaml.safe_load(text)["bootstrap"]["dcs"]
    assert dcs["synchronous_mode"] is True
    # Patroni's own rule; and what docs/high-availability.md says of the service's.
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"]
    assert dcs["ttl"] < min(Settings.db_statement_timeout, Settings.db_start_timeout)
    # A node's own address and the passwords are not in the file that all nodes share.
    assert not {"name", "restapi"} & yaml.safe_load(text).keys()
    assert "password:" not in text


def test_a_node_says_who_it_is_and_has_no_password_yet() -> None:
    settings = settings_of(text_of("ha/patroni.env").splitlines())
    assert settings["PATRONI_NAME"]
    passwords = {name for name in settings if name.endswith("_PASSWORD")}
    assert len(passwords) == 3
    assert {settings[name] for name in passwords} == {""}


def test_haproxy_asks_the_nodes_where_they_answer() -> None:
    text = text_of("ha/haproxy.cfg")
    node = settings_of(text_of("ha/patroni.env").splitlines())
    address = node["PATRONI_POSTGRESQL_CONNECT_ADDRESS"]
    port = node["PATRONI_RESTAPI_CONNECT_ADDRESS"].rpartition(":")[2]
    assert text.count(f"server node1 {address} check port {port}\n") == 2
    assert text.count("on-marked-down shutdown-sessions") == 2


# -- Windows ---------------------------------------------------------------------------


def test_the_windows_service_fits_the_service() -> None:
    root = ElementTree.fromstring(text_of("windows/careers-users.xml"))
    assert root.tag == "service"
    executable = root.findtext("executable") or ""
    assert executable.endswith(r"\.venv\Scripts\careers-users.exe")
    assert_command_exists((root.findtext("arguments") or "").split())
    names = {element.attrib["name"] for element in root.iter("env")}
    assert {name.removesuffix("_FILE") for name in names} <= settings_read()
    seconds = int((root.findtext("stoptimeout") or "").removesuffix(" sec"))
    assert seconds > Settings.drain_timeout + 5
    port = re.search(r"--port (\d+)", root.findtext("arguments") or "")
    assert port
    assert root.findtext("id") == f"careers-users-{port[1]}"


def test_iis_passes_on_what_nginx_does() -> None:
    root = ElementTree.fromstring(text_of("windows/web.config"))
    rule = next(r for r in root.iter("rule") if r.attrib["name"] == "careers_users")
    pattern = rule.find("match")
    action = rule.find("action")
    assert pattern is not None
    assert action is not None
    for path in ("careers/users", "careers/users/", "careers/users/me/stats/"):
        assert re.search(pattern.attrib["url"], path)
    for path in ("careers/usersx", "health/ready", "x/careers/users/"):
        assert not re.search(pattern.attrib["url"], path)
    target = urlsplit(action.attrib["url"].replace("{R:0}", "careers/users/"))
    assert (target.hostname, target.path) == ("127.0.0.1", "/careers/users/")
    assert f"--port {target.port}" in text_of("windows/careers-users.xml")
    sent = {e.attrib["name"]: e.attrib["value"] for e in rule.iter("set")}
    assert sent["HTTP_X_FORWARDED_FOR"] == ""
    assert sent["HTTP_X_FORWARDED_PROTO"] == "https"
    limits = next(root.iter("requestLimits"))
    limit = limits.attrib["maxAllowedContentLength"]
    assert int(limit) == Settings.max_request_body_size


# -- The image -------------------------------------------------------------------------
