"""The programs that the deployment tests need, and what happens where one is missing.

A test says `@pytest.mark.deploy("nginx", ...)`. Where a program is missing the test is
skipped, and pytest's header says so; with CAREERS_USERS_TEST_DEPLOY=required it fails.
"""

import os
import shutil
from pathlib import Path

import pytest

# Each program, and the Debian package that brings it.
PACKAGES = {
    "ip": "iproute2",
    "iptables": "iptables",
    "nginx": "nginx",
    "node": "nodejs",
    "npm": "npm",
    "openssl": "openssl",
    "pgbouncer": "pgbouncer",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "psql": "postgresql-client",
    "pg_dump": "postgresql-client",
    "pg_restore": "postgresql-client",
    "systemd-analyze": "systemd",
    "unshare": "util-linux",
}
# Where Debian keeps what users are not expected to call.
_PLACES = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def find(name: str) -> Path | None:
    """Return where a program is; None if it is not on this machine."""
    found = shutil.which(name, path=_PLACES)
    return Path(found) if found else None


def path(name: str) -> str:
    """Return where a program is, which must be there."""
    found = find(name)
    assert found, f"install {PACKAGES[name]}"
    return str(found)


def are_required() -> bool:
    """Return whether a missing program is a failure."""
    return os.environ.get("CAREERS_USERS_TEST_DEPLOY") == "required"


def header() -> str:
    """Return the line of pytest's header about the programs."""
    missing = sorted({PACKAGES[name] for name in PACKAGES if find(name) is None})
    if not missing:
        return "deployment: all programs are here"
    fate = "FAIL" if are_required() else "are skipped"
    return f"deployment: tests {fate} that need the packages {', '.join(missing)}"


def require(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, or fail it where they are required."""
    for marker in item.iter_markers("deploy"):
        for name in marker.args:
            if find(name) is None:
                reason = f"needs {name}: install {PACKAGES[name]}"
                (pytest.fail if are_required() else pytest.skip)(reason)
