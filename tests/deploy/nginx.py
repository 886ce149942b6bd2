"""Debian's nginx with our site file: unprivileged, in a directory of its own.

The tests change addresses and paths of `deploy/nginx/careers_users.conf` alone.
"""

import gzip
import http.client
import json
import os
import re
import secrets
import shutil
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from careers_users.validation.limits import BASE_PATH
from tests.deploy import programs
from tests.live_server import PASSWORDS, PATIENCE, ROOT

SITE = ROOT / "deploy/nginx/careers_users.conf"
NAME = "users.example.com"
ATTEMPTS = 20  # to find two free ports
MAIN = """daemon off;
worker_processes 2;
pid {home}/nginx.pid;
error_log stderr notice;
events {{}}
http {{
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi;
    scgi_temp_path {home}/scgi;
    include {home}/site.conf;
}}
"""


def site(home: Path, upstreams: Sequence[int], tls: int, plain: int) -> str:
    """Return the site file with these ports, and all its paths in `home`."""
    text = SITE.read_text("utf-8")
    servers = re.findall(r"^ +server 127\.0\.0\.1:\d+ (.+);\n", text, re.MULTILINE)
    assert len(servers) == 2, "the site file has two instances"
    lines = "".join(
        f"    server 127.0.0.1:{port} {servers[0]};\n" for port in upstreams
    )
    text = re.sub(r"( +server 127\.0\.0\.1:\d+ .+;\n)+", lines, text)
    text = re.sub(r" +listen \[::\].+\n", "", text)
    for old, new in (
        ("listen 443", f"listen 127.0.0.1:{tls}"),
        ("listen 80", f"listen 127.0.0.1:{plain}"),
        (f"/etc/nginx/tls/{NAME}.", f"{home}/"),
        ("/var/log/nginx/careers_users.log", f"{home}/access.log"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    return text


def make_certificate(home: Path) -> None:
    """Make a key and a certificate for NAME, signed by itself."""
    command = [programs.path("openssl"), "req", "-x509", "-newkey", "rsa:2048"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={NAME}"]
    command += ["-addext", f"subjectAltName=DNS:{NAME}"]
    command += ["-keyout", f"{home}/key", "-out", f"{home}/pem"]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


class Nginx:
    """A running nginx in front of the instances on the ports `upstreams`."""

    def __init__(self, upstreams: Sequence[int]) -> None:
        # Not pytest's directory: that is closed to the user `nobody`.
        self.home = Path(tempfile.mkdtemp(prefix="careers-users-nginx-", dir="/tmp"))
        make_certificate(self.home)
        self._options: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._options = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.lines: list[str] = []
        self._start(upstreams)

    def _start(self, upstreams: Sequence[int]) -> None:
        (self.home / "nginx.conf").write_text(MAIN.format(home=self.home))
        for _ in range(ATTEMPTS):
            self.port = 20000 + secrets.randbelow(10000)
            self.plain_port = self.port - 10000
            ports = (upstreams, self.port, self.plain_port)
            (self.home / "site.conf").write_text(site(self.home, *ports))
            if os.geteuid() == 0:
                for path in (self.home, *self.home.iterdir()):
                    shutil.chown(path, "nobody", "nogroup")
            command = [programs.path("nginx"), "-c", f"{self.home}/nginx.conf"]
            self._process = subprocess.Popen(
                [*command, "-p", str(self.home), "-e", "stderr"],
                text=True,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                **self._options,
            )
            if self._listens():
                return
        raise AssertionError("".join(self.lines))

    def _listens(self) -> bool:
        """Wait until it serves, or is gone; what it says is read to the end."""
        self._decided, self._serves = threading.Event(), False
        self._reader = threading.Thread(target=self._read, args=[self._process.stderr])
        self._reader.start()
        assert self._decided.wait(PATIENCE), "nginx neither serves nor ends"
        said = "".join(self.lines)
        assert self._serves or "Address already in use" in said, said
        return self._serves

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                self.lines.append(line)
                if "start worker process " in line:
                    self._serves = True
                    self._decided.set()
        self._process.wait(PATIENCE)
        self._decided.set()

    @property
    def log(self) -> str:
        """Return the lines of the access log."""
        return (self.home / "access.log").read_text("utf-8")

    def client(self, source: str = "127.0.0.1") -> "Client":
        """Return a new client, whose address is `source`."""
        return Client(self, source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._reader.join(PATIENCE)
        shutil.rmtree(self.home)


class Answer(NamedTuple):
    """A reply through nginx."""

    status: int
    headers: http.client.HTTPMessage
    body: Any


class _Connection(http.client.HTTPSConnection):
    """Connects to the test's nginx, whatever the name in the URL resolves to."""

    port_here = 0

    def connect(self) -> None:
        self.host, self.port = "127.0.0.1", self.port_here
        http.client.HTTPConnection.connect(self)
        self.sock = self._context.wrap_socket(  # type: ignore[attr-defined]
            self.sock, server_hostname=NAME
        )


class Client:
    """A TLS connection that is kept alive, and checks the certificate."""

    def __init__(self, nginx: Nginx, source: str) -> None:
        context = ssl.create_default_context(cafile=nginx.home / "pem")
        self._connection = _Connection(
            NAME, timeout=PATIENCE, context=context, source_address=(source, 0)
        )
        self._connection.port_here = nginx.port

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Make a call; `path` is relative to the base path, or begins with a slash.

        Underscores in the names of headers stand for hyphens.
        """
        url = path if path.startswith("/") else f"{BASE_PATH}/{path}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        self._connection.request(
            method, url, data, {"Content-Type": "application/json", **given}
        )
        response = self._connection.getresponse()
        text = response.read()
        if response.headers["Content-Encoding"] == "gzip":
            text = gzip.decompress(text)
        is_json = response.headers["Content-Type"] == "application/json"
        answer = json.loads(text) if is_json else text
        return Answer(response.status, response.headers, answer)

    def register(self, username: str, **headers: str) -> Answer:
        """Register a user of that name."""
        body = {"username": username, "email": f"{username}@example.com", **PASSWORDS}
        return self.call("POST", "register/", body, **headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()


def read_or_write(client: Client, key: str) -> Answer:
    """Register, and look at the own profile: a POST and a GET."""
    answer = client.register(key)
    if answer.status != 201:
        return answer
    token = f"Bearer {answer.body['access']}"
    return client.call("GET", "me/", Authorization=token)


class Load:
    """Several clients that each make `count` calls, one after the other."""

    def __init__(
        self, nginx: Nginx, work: Callable[[Client, str], Answer], clients: int = 4
    ) -> None:
        self._nginx, self._work = nginx, work
        self._answered = threading.Semaphore(0)
        self._over = threading.Event()
        self.answers: dict[str, Answer] = {}
        self.broken: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._run, args=[f"w{number}"])
            for number in range(clients)
        ]

    def _run(self, name: str) -> None:
        with self._nginx.client() as client:
            number = 0
            while not self._over.is_set():
                number += 1
                key = f"{name}_{number}"
                try:
                    self.answers[key] = self._work(client, key)
                except Exception as error:
                    self.broken.append(error)
                    return
                finally:
                    self._answered.release()

    def wait_for(self, answers: int) -> None:
        """Let the clients get so many answers more."""
        for _ in range(answers):
            assert self._answered.acquire(timeout=PATIENCE), "the clients are stuck"
            assert not self.broken, (self.broken, self._nginx.log[-900:])

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)
