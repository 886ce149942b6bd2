"""The release: its wheel and sdist, built, installed into a new venv and served."""

import json
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from careers_users_client import __version__ as client_version

from tests.live_server import KEY, Client, Server, run
from tests.project.documents import ROOT, text_of
from tests.project.test_packaging import setup_cfg, tracked

VERSION = setup_cfg()["metadata"]["version"]
BY_CLIENT = """
import sys
from careers_users_client import CareersUsers
with CareersUsers(sys.argv[1]) as client:
    client.login(username="alice", password="password123")
    print(client.get_own_profile()["username"])
"""

Venv = Callable[..., "subprocess.CompletedProcess[str]"]


def build(project: Path, folder: Path) -> tuple[Path, Path]:
    """Build an sdist and, from that, a wheel, out of the tracked files alone."""
    source = folder / "source"
    for path in tracked():
        if path.is_relative_to(project):
            copy = source / path.relative_to(project)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    done = subprocess.run(
        [*command, str(source)], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the sdist and the wheel of the service."""
    return build(ROOT, tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the sdist and the wheel of the Python client."""
    return build(ROOT / "clients/python", tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="module")
def scripts(
    service: tuple[Path, Path],
    client: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the programs of a new venv with both wheels.

    The libraries are those of the tests' environment. Its own .pth files, which would
    lead to the code of the repository, are not read.
    """
    venv = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    scripts = venv / ("Scripts" if sys.platform == "win32" else "bin")
    python = str(scripts / "python")
    words = ["install", "--quiet", "--no-index", "--no-deps"]
    wheels = [str(service[1]), str(client[1])]
    subprocess.run([python, "-m", "pip", *words, *wheels], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", where], check=True, stdout=subprocess.PIPE)
    libraries = Path(done.stdout.decode().strip()) / "libraries.pth"
    libraries.write_text(sysconfig.get_path("purelib"))
    return scripts


def test_sdist_and_wheel_hold_all_of_the_package(service: tuple[Path, Path]) -> None:
    sdist, wheel = service
    assert sdist.name == f"careers_users-{VERSION}.tar.gz"
    code = [path.relative_to(ROOT).as_posix() for path in tracked()]
    code = [name for name in code if name.startswith(("careers_users/", "migrations/"))]
    assert len(code) > 200
    with tarfile.open(sdist) as archive:
        members = {name.partition("/")[2] for name in archive.getnames()}
    assert {*code, "LICENSE", "README.md", "pyproject.toml", "setup.cfg"} <= members
    in_wheel = {
        name.replace("migrations/", "careers_users/migrations/", 1)
        if name.startswith("migrations/")
        else name
        for name in code
    }
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert names == in_wheel


def test_the_clients_wheel_is_typed(client: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(client[1]) as archive:
        assert "careers_users_client/py.typed" in archive.namelist()


def test_the_wheel_migrates_and_serves(scripts: Path, tmp_path: Path) -> None:
    program = str(scripts / "careers-users")
    settings = {"DATABASE_URL": f"sqlite:///{tmp_path / 'users.db'}", "PYTHONPATH": ""}
    settings |= {"CAREERS_USERS_DATA_DIR": str(tmp_path), "CAREERS_USERS_MAIL": "file"}
    settings |= {"CAREERS_USERS_JWT_SECRET_KEY": KEY}
    settings |= {"CAREERS_USERS_EMAIL_VERIFICATION": "optional"}
    settings |= {"CAREERS_USERS_EMAIL_CHANGE": "confirm"}
    done = run(tmp_path, "--version", command=[program], **settings)
    assert done.stdout.split()[-1] == VERSION
    done = run(tmp_path, "db", "upgrade", command=[program], **settings)
    assert done.returncode == 0, done.stderr
    with Server(tmp_path, command=[program, "serve"], **settings) as server:
        with Client(server.port) as client:
            assert client.call("GET", "/health/ready").body["status"] == "ok"
            assert client.register("alice").status == 201
            paths = client.call("GET", "/openapi.json").body["paths"]
        assert paths.keys() == json.loads(text_of("docs/openapi.json"))["paths"].keys()
        url = f"http://127.0.0.1:{server.port}"
        with urllib.request.urlopen(f"{url}/docs/") as page:
            assert b"swagger" in page.read()
        done = run(
            tmp_path,
            BY_CLIENT,
            url,
            command=[str(scripts / "python"), "-c"],
            PYTHONPATH="",
        )
    assert done.stdout == "alice\n", done.stderr


def test_the_versions_agree() -> None:
    package = json.loads(text_of("clients/typescript/package.json"))
    assert {client_version, package["version"]} == {VERSION}
    assert f"\n## {VERSION} (" in text_of("CHANGELOG.md")
    assert f"| {VERSION} |" in text_of("docs/upgrading.md")
