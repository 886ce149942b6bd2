"""Commands and settings that the documents show, done as they say."""

import os
import re
import stat
from pathlib import Path

from tests.deploy import shell
from tests.live_server import ROOT, Client, Server

OPERATIONS = "operations.md"


def test_a_shell_gets_the_settings_that_systemd_reads(tmp_path: Path) -> None:
    # Characters with a meaning to a shell: & and $ in an address, spaces, quotes.
    settings = {
        "DATABASE_URL": "postgresql://u:p$w'@/careers?host=10.0.0.1&host=10.0.0.2",
        "CAREERS_USERS_TRUSTED_PROXY_HEADERS": "x-forwarded-for x-forwarded-proto",
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    file = tmp_path / "careers_users.env"
    file.write_text("\n".join(["# A comment", "#PORT=1", "", *lines, ""]), "utf-8")
    script = shell.block(OPERATIONS, "Operations")
    assert f"/etc/careers_users/{file.name}" in script
    script = script.replace(f"/etc/careers_users/{file.name}", str(file))
    seen = shell.run(shell.checkout(tmp_path), f"{script}\nenv").splitlines()
    assert set(lines) <= set(seen)
    assert not any(line.startswith("PORT=") for line in seen)


def test_the_service_runs_on_the_key_ring(tmp_path: Path) -> None:
    folder = shell.checkout(tmp_path)
    script = shell.block(OPERATIONS, "A ring of keys")
    # A place and an owner that there are here too; the command fails for any other.
    script = script.replace("/etc/careers", str(tmp_path / "etc/careers"))
    script = script.replace(
        "chown careers_users:", f"chown {os.getuid()}:{os.getgid()}"
    )
    shell.run(folder, script)
    ring = tmp_path / "etc/careers/keys.json"
    assert stat.S_IMODE(ring.stat().st_mode) == 0o600
    settings = {"CAREERS_USERS_JWT_KEY_RING": str(ring)}
    with Server(folder, **settings) as server, Client(server.port) as client:
        assert client.register("alice").status == 201
        assert len(client.call("GET", "/.well-known/jwks.json").body["keys"]) == 1
    rotated = shell.run(
        folder, shell.block(OPERATIONS, "A ring of keys", 1), **settings
    )
    assert "published, signs from" in rotated


def test_an_instance_elsewhere_differs_in_its_address_alone() -> None:
    text = (ROOT / "docs/high-availability.md").read_text("utf-8")
    shown = re.search(r"```ini\n(.*?)```", text, re.DOTALL)
    assert shown
    unit = (ROOT / "deploy/systemd/careers-users@.service").read_text("utf-8")
    start = re.search(r"^ExecStart=.*$", unit, re.MULTILINE)
    assert start
    here = start[0].replace("--host 127.0.0.1", "--host 10.0.0.5")
    assert here != start[0]
    # The empty line drops what the unit says; with both it would not start.
    assert shown[1].splitlines() == ["[Service]", "ExecStart=", here]
