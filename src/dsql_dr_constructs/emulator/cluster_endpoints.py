"""The endpoints of the emulator's clusters: TLS, SNI and PostgreSQL's protocol up to the token, and SQL.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/troubleshooting.html
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import trustme

from ..runtime.postgresql import SSL_REQUEST
from .access_control import AccessControl
from .cluster_activity import ClusterActivity
from .cluster_data import ClusterData
from .dsql import Dsql
from .faults import Fault, Faults
from .function_permissions import refusal

SERVICE = "postgresql"
"""The endpoints, as a fault names them."""
CONNECT, LOGIN, QUERY = "Connect", "Login", "Query"
"""A new connection, one that has sent its token, and each message of an open one, as a fault names them."""

_PASSWORD_WANTED = b"R" + struct.pack("!ii", 8, 3)  # DSQL takes the token as the password
_SERVING = frozenset({"ACTIVE", "IDLE", "INACTIVE", "UPDATING"})
_TIMEOUT_SECONDS = 60.0
_CLOCK_SKEW = timedelta(minutes=5)

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
    """One listener for all clusters, on a free port of loopback; SNI selects the cluster.

    Args:
        dsql: Has the clusters.
        access_control: Identifies the credentials that a token was signed with.
        faults: ``error`` and ``timeout`` of the calls ``Connect``, ``Login`` and ``Query`` of the service
            ``postgresql`` are for here.
        activity: Makes them ACTIVE for connections.
        data: Answers SQL, where it has a database; a pair has the same.
    """

    def __init__(
        self, dsql: Dsql, access_control: AccessControl, faults: Faults, activity: ClusterActivity, data: ClusterData
    ) -> None:
        self._dsql = dsql
        self._access_control = access_control
        self._faults = faults
        self._activity = activity
        self._data = data
        self._authority = trustme.CA()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True, name="cluster-endpoints").start()

    def variables(self, folder: Path) -> dict[str, str]:
        """What a function's process needs to find the endpoints by name and to trust them; files go to *folder*."""
        folder.mkdir(parents=True, exist_ok=True)
        certificate = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(certificate))
        port = str(self._listener.getsockname()[1])
        (folder / "sitecustomize.py").write_text(_RESOLVER.replace("{port}", port))
        for_libpq = {"PGHOSTADDR": "127.0.0.1", "PGPORT": port}
        return {"SSL_CERT_FILE": str(certificate), "PYTHONPATH": str(folder), **for_libpq}

    def _listen(self) -> None:
        while True:
            plain, _ = self._listener.accept()
            threading.Thread(target=self._connection, args=(plain,), daemon=True).start()

    def _connection(self, plain: socket.socket) -> None:
        with plain, contextlib.suppress(OSError):
            plain.settimeout(_TIMEOUT_SECONDS)
            if plain.recv(8, socket.MSG_WAITALL) != SSL_REQUEST:
                return
            plain.sendall(b"S")
            asked: list[str] = []
            with self._context(asked).wrap_socket(plain, server_side=True) as encrypted:
                name = asked[0] if asked else None
                startup = _read(encrypted)
                arn = self._dsql.arn_at(name) if name else None
                with self._activity.connection(arn, has_logged_in=False) as is_served:
                    answer = self._answer(name) if is_served else _WAKING_UP
                    encrypted.sendall(answer)
                    password = _read(encrypted, typed=True) if answer is _PASSWORD_WANTED else b""
                    if name and arn and password:
                        self._log_in(name, arn, encrypted, startup, password.rstrip(b"\0").decode())

    def _log_in(self, name: str, arn: str, client: ssl.SSLSocket, startup: bytes, token: str) -> None:
        refused = self._refusal(name, startup, token)
        fault = self._fault(("error", "timeout"), name, LOGIN)
        if fault:
            if fault.effect == "timeout":
                time.sleep(_TIMEOUT_SECONDS)
            client.sendall(_error("08006", fault.message))
        elif refused:
            client.sendall(_error("08006", "unable to accept connection, access denied", refused))
        if fault or refused:
            return
        with self._activity.connection(arn, has_logged_in=True) as is_served:
            if not is_served:
                client.sendall(_WAKING_UP)
            elif not self._data.database:
                client.sendall(
                    _error("28000", "no database is behind this endpoint: give AwsEmulator its argument postgresql")
                )
            else:
                self._serve(name, client, self._data.database.connect(startup, self._data.of(arn)))

    def _serve(self, name: str, client: ssl.SSLSocket, database: socket.socket) -> None:
        with database, selectors.DefaultSelector() as selector:  # select.select() refuses files from number 1024 on
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each message takes 40 ms longer
            for one in (client, database):
                selector.register(one, selectors.EVENT_READ, one)
            while True:
                for one in [client] if client.pending() else [key.data for key, _ in selector.select()]:
                    data = one.recv(65536)
                    fault = self._fault(("error", "timeout"), name, QUERY)
                    if fault and fault.effect == "timeout":
                        time.sleep(_TIMEOUT_SECONDS)
                    if not data or fault:
                        return
                    (database if one is client else client).sendall(data)

    def _refusal(self, name: str, startup: bytes, token: str) -> str | None:
        """Why a token does not open this endpoint to this role, now, and by IAM; None if it does.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/authentication-authorization.html
        """
        host, _, query = token.partition("/?")
        found = dict(parse_qsl(query))
        fields = startup[4:].split(b"\0")
        user = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"user", b"").decode()
        action = "DbConnectAdmin" if user == "admin" else "DbConnect"
        access_key = found.get("X-Amz-Credential", "").partition("/")[0]
        caller = self._access_control.identify(access_key, found.get("X-Amz-Security-Token", ""))
        arn = self._dsql.arn_at(name)
        try:
            signed = datetime.strptime(found["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
            age = timedelta(seconds=int(found["X-Amz-Expires"]))
        except (KeyError, ValueError):
            return "The password is not a token of Aurora DSQL."
        if not caller:
            return "The token is not signed with credentials of this local AWS emulator."
        if host != name or not arn:
            return f"The token is for {host}."
        if found.get("Action") != action:
            return f"Wrong user to action mapping. user: {user}, action: {found.get('Action')}"
        if signed - datetime.now(timezone.utc) > _CLOCK_SKEW:
            return f"Signature not yet current: it was signed at {signed:%H:%M:%S}."
        if datetime.now(timezone.utc) - signed > age:
            return f"Signature expired: it was signed at {signed:%H:%M:%S} for {age.seconds} s."
        role, tags = caller.role, self._dsql.tags_seen(arn, _region(name))
        refused = refusal(role, f"dsql:{action}", arn, _region(name), tags) if role else None
        database = self._data.database
        if not refused and database and not database.accepts(user, role, self._data.of(arn)):
            return (
                f"{role or 'The account'} is not mapped to the database role {user}, or that role does not exist: use "
                "AWS IAM GRANT."
            )
        return refused

    def _fault(self, effects: tuple[str, ...], name: str, call: str) -> Fault | None:
        cluster = (self._dsql.arn_at(name) or "").rpartition("/")[2]
        return self._faults.affecting(effects, _region(name), SERVICE, call, cluster)

    def _context(self, asked: list[str]) -> ssl.SSLContext:
        """For one connection; its server name is appended to *asked*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(encrypted: Any, server_name: str | None, _: ssl.SSLContext) -> None:
            if server_name:
                asked.append(server_name)
                encrypted.context = self._certified(server_name)
                if self._fault(("timeout",), server_name, CONNECT):
                    time.sleep(_TIMEOUT_SECONDS)

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
        fault = self._fault(("error",), name, CONNECT)
        if fault:
            return _error("XX000", fault.message)
        status = self._dsql.status_at(name)
        if status not in _SERVING:
            return _error("57P03", f"unable to accept connection, cluster is {status}")
        return _PASSWORD_WANTED


def _read(client: ssl.SSLSocket, *, typed: bool = False) -> bytes:
    """One message without its length, and without its type if it is *typed*; nothing if the client has gone."""
    head = b""
    while len(head) < 4 + typed:
        more = client.recv(4 + typed - len(head))
        if not more:
            return b""
        head += more
    missing = int.from_bytes(head[-4:], "big") - 4
    body = b""
    while len(body) < missing:
        more = client.recv(missing - len(body))
        if not more:
            return b""
        body += more
    return body


def _region(name: str) -> str:
    return name.split(".")[2] if name.count(".") > 2 else ""


def _error(sqlstate: str, message: str, hint: str = "") -> bytes:
    fields = f"SFATAL\0VFATAL\0C{sqlstate}\0M{message}\0{f'H{hint}' + chr(0) if hint else ''}\0".encode()
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


_WAKING_UP = _error("57P03", "unable to accept connection, waking up cluster, please retry later")
