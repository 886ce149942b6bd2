"""Two PostgreSQL nodes with Patroni, etcd and HAProxy, all of it on this machine.

From the files beside this one; what is changed is addresses, directories and passwords.
Everything lives in a temporary directory and is ended by process id.
"""

import http.client
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from deploy.ha.processes import (
    NODES,
    PATIENCE,
    ClusterError,
    Ports,
    program,
    server_programs,
    signal_all,
    until,
)

HERE = Path(__file__).resolve().parent


class Cluster:
    """The running cluster; as a context it is started and ended."""

    def __init__(self) -> None:
        self.ports = Ports()
        self.home = Path(tempfile.mkdtemp(prefix="careers-users-ha-", dir="/tmp"))
        self.passwords = {
            name: secrets.token_urlsafe(12)
            for name in ("postgres", "replicator", "rewinder", "owner", "service")
        }
        self._options: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._options = {"user": user.pw_uid, "group": user.pw_gid}
            self._options["extra_groups"] = []
            os.chown(self.home, user.pw_uid, user.pw_gid)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    # -- Addresses ---------------------------------------------------------------------

    def hosts_url(self, who: str, name: str = "careers") -> str:
        """Return the URL that names all nodes, and means whichever leads."""
        hosts = "&".join(
            f"host=127.0.0.1:{self.ports.postgres[node]}" for node in NODES
        )
        return f"postgresql://{who}@/{name}?{hosts}&target_session_attrs=read-write"

    def haproxy_url(self, who: str, name: str = "careers") -> str:
        """Return the URL of HAProxy, which knows who leads."""
        return f"postgresql://{who}@127.0.0.1:{self.ports.leader}/{name}"

    @property
    def service(self) -> str:
        """Name and password of the role that serves."""
        return f"careers:{self.passwords['service']}"

    @property
    def owner(self) -> str:
        """Name and password of the role that migrates."""
        return f"careers_owner:{self.passwords['owner']}"

    # -- Starting and ending -----------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._start_etcd()
            for node in NODES:
                self.start_node(node)
            self._start_haproxy()
            self._prepare_database()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for node in NODES:
            self.kill_node(node)
        for one in self._running.values():
            signal_all(signal.SIGKILL, one.pid)
            one.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def _run(self, name: str, *words: str, **settings: str) -> None:
        env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"}
        with (self.home / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                words,
                cwd=self.home,
                env=env | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._options,
            )

    def log(self, name: str, lines: int = 15) -> str:
        """Return the end of what a part has said."""
        text = (self.home / f"{name}.log").read_text("utf-8", "replace")
        return "\n".join(text.splitlines()[-lines:])

    def _start_etcd(self) -> None:
        here = f"http://127.0.0.1:{self.ports.etcd}"
        peers = f"http://127.0.0.1:{self.ports.peers}"
        words = [program("etcd"), "--name", "etcd1", "--data-dir", f"{self.home}/etcd"]
        words += ["--listen-client-urls", here, "--advertise-client-urls", here]
        words += ["--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers]
        self._run("etcd", *words, "--initial-cluster", f"etcd1={peers}")
        until(lambda: _get(self.ports.etcd, "/health")[0] == 200, "etcd is healthy")

    def start_node(self, node: str) -> None:
        """Start Patroni on a node, and wait until the node leads or follows."""
        settings = self._settings_of(node)
        text = (HERE / "patroni.yml").read_text("utf-8")
        assert "hosts: 127.0.0.1:2379" in text
        text = text.replace("127.0.0.1:2379", f"127.0.0.1:{self.ports.etcd}")
        (self.home / "patroni.yml").write_text(text)
        self._run(node, program("patroni"), f"{self.home}/patroni.yml", **settings)
        try:
            until(lambda: self._has_arrived(node), f"{node} leads or follows")
        except ClusterError as error:
            raise ClusterError(f"{error}\n{self.log(node)}") from None

    def _settings_of(self, node: str) -> dict[str, str]:
        """Return deploy/ha/patroni.env as a node on this machine has it."""
        lines = (HERE / "patroni.env").read_text("utf-8").splitlines()
        settings = dict(line.split("=", 1) for line in lines if line[:1] == "P")
        rest = f"127.0.0.1:{self.ports.rest[node]}"
        postgres = f"127.0.0.1:{self.ports.postgres[node]}"
        changed = {
            "PATRONI_NAME": node,
            "PATRONI_RESTAPI_LISTEN": rest,
            "PATRONI_RESTAPI_CONNECT_ADDRESS": rest,
            "PATRONI_POSTGRESQL_LISTEN": postgres,
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS": postgres,
            "PATRONI_POSTGRESQL_DATA_DIR": f"{self.home}/{node}",
            "PATRONI_POSTGRESQL_BIN_DIR": server_programs(),
            "PATRONI_POSTGRESQL_PGPASS": f"{self.home}/{node}.pgpass",
        }
        for kind in ("SUPERUSER", "REPLICATION", "REWIND"):
            name = settings[f"PATRONI_{kind}_USERNAME"]
            changed[f"PATRONI_{kind}_PASSWORD"] = self.passwords[name]
        assert changed.keys() <= settings.keys()
        return settings | changed

    def _has_arrived(self, node: str) -> bool:
        code = self._running[node].poll()
        if code is not None:
            raise ClusterError(f"{node} has ended with {code}")
        return self.roles().get(node) in ("leader", "sync_standby")

    def _start_haproxy(self) -> None:
        text = (HERE / "haproxy.cfg").read_text("utf-8")
        ports, here = self.ports, "127.0.0.1"
        for old, new in (
            (f"bind {here}:5000", f"bind {here}:{ports.leader}"),
            (f"bind {here}:5001", f"bind {here}:{ports.standbys}"),
            (f"{here}:5432 ", f"{here}:{ports.postgres['node1']} "),
            (f"{here}:5433 ", f"{here}:{ports.postgres['node2']} "),
            ("port 8008", f"port {ports.rest['node1']}"),
            ("port 8009", f"port {ports.rest['node2']}"),
        ):
            assert old in text, old
            text = text.replace(old, new)
        (self.home / "haproxy.cfg").write_text(text)
        self._run(
            "haproxy", program("haproxy"), "-db", "-f", f"{self.home}/haproxy.cfg"
        )

    def _prepare_database(self) -> None:
        """Make database and roles, by the documented file, through HAProxy."""
        admin = f"postgres:{self.passwords['postgres']}"
        words = [program("psql"), "-q", "-v", "ON_ERROR_STOP=1"]
        words += ["-v", f"owner_password={self.passwords['owner']}"]
        words += ["-v", f"password={self.passwords['service']}"]
        words += ["-f", str(HERE.parent / "postgresql.sql")]
        words += [self.haproxy_url(admin, "postgres")]
        done: list[subprocess.CompletedProcess[str]] = []

        def is_made() -> bool:
            done.append(
                subprocess.run(
                    words,
                    check=False,
                    capture_output=True,
                    text=True,
                    timeout=PATIENCE,
                )
            )
            return done[-1].returncode == 0

        try:
            until(is_made, "database and roles are made", 20)
        except ClusterError:
            raise ClusterError(done[-1].stderr) from None

    # -- Who leads ---------------------------------------------------------------------

    def roles(self) -> dict[str, str]:
        """Return the role of each node that runs: leader, sync_standby, replica."""
        for node in NODES:
            status, said = _get(self.ports.rest[node], "/cluster")
            if status == 200:
                return {
                    member["name"]: member["role"]
                    for member in said["members"]
                    if member["state"] in ("running", "streaming")
                }
        return {}

    def leader(self) -> str | None:
        """Return the node that says it leads, if there is one."""
        for node in NODES:
            if _get(self.ports.rest[node], "/primary")[0] == 200:
                return node
        return None

    def _pids(self, node: str) -> list[int]:
        """Return the processes of a node: Patroni and PostgreSQL's first one."""
        pids = [self._running[node].pid] if node in self._running else []
        with suppress(OSError, ValueError, IndexError):
            pid_file = self.home / node / "postmaster.pid"
            pids.append(int(pid_file.read_text().split()[0]))
        return pids

    def kill_node(self, node: str) -> None:
        """End all that runs on a node with kill -9, as if its power failed."""
        signal_all(signal.SIGKILL, *self._pids(node))
        if node in self._running:
            self._running.pop(node).wait()

    def freeze_node(self, node: str) -> None:
        """Stop all that runs on a node, whose kernel still takes what is sent to it."""
        signal_all(signal.SIGSTOP, *self._pids(node))

    def switch_over(self) -> None:
        """Let the standby lead, as before maintenance, and wait until it does."""
        leader = self.leader()
        standby = next(node for node in NODES if node != leader)
        body = {"leader": leader, "candidate": standby}
        assert leader is not None
        status, said = _get(self.ports.rest[leader], "/switchover", body)
        if status != 200:
            raise ClusterError(f"the switchover was refused: {status} {said}")
        until(lambda: self.leader() == standby, f"{standby} leads")

    def wait_for_both(self) -> None:
        """Wait until one node leads and the other follows it, commit by commit."""
        both = ["leader", "sync_standby"]
        until(lambda: sorted(self.roles().values()) == both, "both nodes work")


def _get(port: int, path: str, body: Any = None) -> tuple[int, Any]:
    """Ask for a path, or post a body; return status and JSON (0 without an answer)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    if body is None:
        connection.timeout = 3
    try:
        data = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, data)
        response = connection.getresponse()
        text = response.read().decode()
        is_json = re.match(r"\s*[{\[]", text)
        return response.status, json.loads(text) if is_json else text
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
