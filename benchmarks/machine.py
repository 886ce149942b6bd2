"""The machine of the figures, in words that name no place and no person."""

import os
import platform
import sqlite3
from importlib.metadata import version
from pathlib import Path

import psycopg

LIBRARIES = ("flask", "werkzeug", "sqlalchemy", "psycopg", "waitress")


def describe(postgresql_url: str) -> dict[str, str]:
    """Return processor, cores, system and the versions of what has a say."""
    with psycopg.connect(postgresql_url.replace("+psycopg", "", 1)) as connection:
        server = connection.execute("SHOW server_version").fetchall()[0][0]
        buffers = connection.execute("SHOW shared_buffers").fetchall()[0][0]
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "PostgreSQL": f"{str(server).split()[0]}, shared_buffers {buffers}",
        "SQLite": sqlite3.sqlite_version,
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    return names[0] if names else "unknown"
