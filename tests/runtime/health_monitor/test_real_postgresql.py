"""The knock at a real PostgreSQL with TLS: what it expects, and nothing in its log but what a hang-up leaves."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from dsql_dr_constructs.runtime.health_monitor.knock import knock
from dsql_dr_constructs.runtime.health_monitor.retries import Unreachable
from tests.runtime.health_monitor.tls_server import HOST, SSL_REQUEST
from tests.tools import POSTGRESQL


class Postgresql:
    """One server in a folder of its own. It refuses to run as root, so where tests do, it runs as another user."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        home = folder / "postgresql"
        shutil.copytree(POSTGRESQL.folder / "native", home, symlinks=True)  # where the other user can read it
        self.authority = trustme.CA()
        certificate = self.authority.issue_cert(HOST)
        certificate.private_key_pem.write_to_path(folder / "key.pem")
        certificate.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
        (folder / "key.pem").chmod(0o600)
        run: dict[str, Any] = {"cwd": folder, "env": {"LD_LIBRARY_PATH": str(home / "lib")}}
        if os.geteuid() == 0:
            run["user"] = "nobody"
            for one in (folder, folder / "key.pem"):
                shutil.chown(one, "nobody")
        (folder / "password").write_text("unused")
        initdb = [str(home / "bin" / "initdb"), "--pgdata=data", "--auth=scram-sha-256", "--pwfile=password"]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, **run)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        where = ["-D", "data", "-h", "127.0.0.1", "-p", str(self.port), "-k", str(folder)]
        files = {"ssl_cert_file": folder / "certificate.pem", "ssl_key_file": folder / "key.pem"}
        settings = {"ssl": "on", "log_connections": "on", "log_disconnections": "on", **files}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            command = [str(home / "bin" / "postgres"), *where, *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **run)
        self._wait_for("ready to accept connections")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def log_after(self, visits: int) -> list[str]:
        """What it has written since it was ready, once *visits* have come; a stopped server writes no more."""
        self._wait_for("connection received", visits)
        self.stop()
        lines = self._log.read_text().splitlines()
        ready = next(number for number, line in enumerate(lines) if "ready to accept connections" in line)
        done = next(number for number, line in enumerate(lines) if "shutdown request" in line)
        return lines[ready + 1 : done]

    def _wait_for(self, text: str, times: int = 1) -> None:
        until = time.monotonic() + 30
        while self._log.read_text().count(text) < times:
            assert time.monotonic() < until, self._log.read_text()
            time.sleep(0.05)


@pytest.fixture
def server() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder))
        yield one
        one.stop()


def test_knock_is_what_the_server_expects_and_leaves_what_a_hang_up_leaves(server: Postgresql) -> None:
    tls = ssl.create_default_context()
    server.authority.configure_trust(tls)
    for _ in range(3):
        knock(HOST, server.port, tls, lambda: 5.0)
    with socket.create_connection((HOST, server.port)) as hangs_up:
        hangs_up.sendall(SSL_REQUEST)
        hangs_up.recv(1)
    with pytest.raises(Unreachable, match="certificate of an unknown issuer"):
        knock(HOST, server.port, ssl.create_default_context(), lambda: 5.0)
    lines = server.log_after(visits=5)
    assert sum("connection received" in line for line in lines) == 5
    others = [line for line in lines if "connection received" not in line]
    assert [line for line in others if "SSL" not in line] == []
    assert len(others) <= 2, "of the client that hung up and of the one that did not trust; none of the knocks"
