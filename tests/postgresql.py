"""A real PostgreSQL for tests."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import trustme

from tests.tools import POSTGRESQL

HOST = "localhost"


class Postgresql:
    """One server in a folder of its own. It refuses to run as root, so where tests do, it runs as another user.

    With ``auth="trust"`` it has no port, and only a socket in that folder, where no other user may enter.
    """

    def __init__(self, folder: Path, *, auth: str = "scram-sha-256", **settings: str) -> None:
        folder.chmod(0o700)
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
        initdb = [
            str(home / "bin" / "initdb"),
            "--pgdata=data",
            "--encoding=UTF8",  # as DSQL has it
            "--username=postgres",
            f"--auth={auth}",
            "--pwfile=password",
        ]
        subprocess.run([*initdb, "--no-sync"], check=True, capture_output=True, **run)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.socket_folder = folder
        where = ["-D", "data", "-h", "" if auth == "trust" else "127.0.0.1", "-p", str(self.port), "-k", str(folder)]
        files = {"ssl_cert_file": f"{folder}/certificate.pem", "ssl_key_file": f"{folder}/key.pem"}
        settings |= {"ssl": "on", "log_connections": "on", "log_disconnections": "on", **files}
        options = [f"--{name}={value}" for name, value in settings.items()]
        self._log = folder / "log"
        with self._log.open("wb") as log:
            command = [str(home / "bin" / "postgres"), *where, *options]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **run)
        self._wait_for("ready to accept connections")

    @property
    def unix_socket(self) -> str:
        """As `AwsEmulator` takes it."""
        return f"{self.socket_folder}:{self.port}"

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
