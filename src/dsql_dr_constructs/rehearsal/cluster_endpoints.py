"""The endpoints of the embedded clusters: TLS, SNI and PostgreSQL's protocol up to the request for authentication.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from pathlib import Path
from typing import Any

import trustme

from .dsql import Dsql
from .faults import Faults

SERVICE = "postgresql"
"""What faults call the endpoints."""
CALL = "Connect"

_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
_PASSWORD_WANTED = b"R" + struct.pack("!ii", 8, 3)  # DSQL takes the token as the password
_SERVING = frozenset({"ACTIVE", "IDLE", "INACTIVE", "UPDATING"})
_SILENCE_SECONDS = 60.0

_RESOLVER = """\
import socket

_resolve = socket.getaddrinfo


def _getaddrinfo(host, port, *arguments, **options):
    if isinstance(host, str) and host.endswith(".on.aws"):
        host, port = "127.0.0.1", {port}
    return _resolve(host, port, *arguments, **options)


socket.getaddrinfo = _getaddrinfo
"""


class ClusterEndpoints:
    """One listener for all clusters, on a free port of loopback; SNI says which one is meant.

    Args:
        dsql: Knows the clusters.
        faults: ``error`` and ``silence`` of the call ``Connect`` of the service ``postgresql`` are for here.
    """

    def __init__(self, dsql: Dsql, faults: Faults) -> None:
        self._dsql = dsql
        self._faults = faults
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True, name="cluster-endpoints").start()

    def variables(self, folder: Path) -> dict[str, str]:
        """What a function's process needs to find the endpoints by name and to trust them; files go to *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(certificate))
        (folder / "sitecustomize.py").write_text(_RESOLVER.replace("{port}", str(self._listener.getsockname()[1])))
        return {"SSL_CERT_FILE": str(certificate), "PYTHONPATH": str(folder)}

    def _listen(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            threading.Thread(target=self._visit, args=(plain,), daemon=True).start()

    def _visit(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError):
            plain.settimeout(_SILENCE_SECONDS)
            if plain.recv(8, socket.MSG_WAITALL) != _SSL_REQUEST:
                return
            plain.sendall(b"S")
            asked: list[str] = []
            with self._context(asked).wrap_socket(plain, server_side=True) as encrypted:
                (length,) = struct.unpack("!i", encrypted.recv(4))
                encrypted.recv(length - 4)
                encrypted.sendall(self._answer(asked[0] if asked else None))
                encrypted.recv(1)

    def _context(self, asked: list[str]) -> ssl.SSLContext:
        """For one visit, which notes in *asked* whom it is for."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(encrypted: Any, server_name: str | None, _: ssl.SSLContext) -> None:
            if server_name:
                asked.append(server_name)
                encrypted.context = self._certified(server_name)
                if self._faults.strike(("silence",), _region(server_name), SERVICE, CALL):
                    time.sleep(_SILENCE_SECONDS)

        self._authority.issue_cert("localhost").configure_cert(context)
        context.sni_callback = choose
        return context

    def _certified(self, name: str) -> ssl.SSLContext:
        if name not in self._contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._authority.issue_cert(name).configure_cert(context)
            self._contexts[name] = context
        return self._contexts[name]

    def _answer(self, name: str | None) -> bytes:
        if name is None:
            return _error("28000", "unable to accept connection, sni was not received")
        fault = self._faults.strike(("error",), _region(name), SERVICE, CALL)
        if fault:
            return _error("XX000", fault.message)
        status = self._dsql.status_at(name)
        if status not in _SERVING:
            return _error("57P03", f"unable to accept connection, cluster is {status}")
        return _PASSWORD_WANTED


def _region(name: str) -> str:
    return name.split(".")[2] if name.count(".") > 2 else ""


def _error(sqlstate: str, message: str) -> bytes:
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields
