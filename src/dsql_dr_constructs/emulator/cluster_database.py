"""The one database behind the endpoints of a pair: a PostgreSQL with DSQL's SQL, roles, and their mapping to IAM roles.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
"""

from __future__ import annotations

import asyncio
import importlib
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import psycopg

from .private_socket import folder_and_port, private_socket
from .role_statements import DDL_KEYWORDS, INITIAL, refusal, translated

_ACCEPTS = """
SELECT FROM pg_roles WHERE rolname = %(role)s AND rolcanlogin AND NOT rolsuper AND (
    rolname = 'admin' OR %(arn)s::text IS NULL
    OR oid IN (SELECT pg_role_oid FROM sys.iam_pg_role_mappings WHERE arn = %(arn)s)
)
"""


class ClusterDatabase:
    """Gives a PostgreSQL the roles and tables of a new cluster, unless an earlier run did, and DSQL's clients access.

    Args:
        postgresql: ``folder:port`` of its unix socket, where it accepts every role without a password.
        listen_at: Unix socket, in a folder of this run, that accepts DSQL's subset of SQL only.
    """

    def __init__(self, postgresql: str, listen_at: Path) -> None:
        self._folder, self._port = folder_and_port(postgresql)
        with self._database() as database:
            if database.execute("SELECT FROM pg_namespace WHERE nspname = 'sys'").fetchone() is None:  # a row is ()
                database.execute(INITIAL)
        self._listen_at = str(listen_at)
        _serve_dsql(private_socket(postgresql), self._listen_at)

    def connect(self) -> socket.socket:
        """A connection that accepts DSQL's subset of SQL only, under the role that the client asks for."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._listen_at)
        return connection

    def accepts(self, role: str, iam_role_arn: str | None) -> bool:
        """Whether *role* exists, may connect, and is ``admin`` or mapped to *iam_role_arn*, if there is one."""
        with self._database() as database:
            return database.execute(_ACCEPTS, {"role": role, "arn": iam_role_arn}).fetchone() is not None

    def _database(self) -> psycopg.Connection:
        # without PGHOSTADDR, which is for functions
        return psycopg.connect(host=self._folder, hostaddr="", port=self._port, user="postgres", dbname="postgres")


def _serve_dsql(postgresql: Path, listen_at: str) -> None:
    """Serve DSQL's subset of SQL from a PostgreSQL.

    ministack's own proxies listen on every address of the machine; this one is a socket file in a folder of this run.
    They also connect every client as ``postgres``; here a client has the role that it names, and never a superuser.
    """
    proxy: Any = importlib.import_module("ministack.core.pgproxy")
    parse, read, validate = proxy._parse_startup_params, proxy._read_frame, proxy.validate

    def with_user(payload: bytes) -> dict[str, str]:
        parameters: dict[str, str] = parse(payload)
        database, user = parameters.get("database") or "postgres", parameters.get("user", "")
        return parameters | {"database": f"{database}\0user\0{user}"}  # the only one that is handed to connect()

    async def read_translated(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        kind, payload = await read(reader)
        return kind, translated(payload) if kind in (b"Q", b"P") else payload  # Query and Parse, which no server sends

    async def connect(
        backend_host: str, backend_port: int, database: str
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(postgresql)
        startup = struct.pack("!i", 196608) + f"database\0{database}\0\0".encode()
        writer.write(struct.pack("!i", len(startup) + 4) + startup)
        kind = b""
        while kind != b"Z":
            kind, payload = await read(reader)
            if kind == b"E" or (kind, payload) == (b"S", b"is_superuser\0on\0"):
                writer.close()
                raise ConnectionRefusedError(payload)  # which closes the client's connection
        return reader, writer

    proxy._parse_startup_params, proxy._read_frame, proxy._connect_backend = with_user, read_translated, connect
    proxy.validate = lambda statement, state=None: refusal(proxy, statement) or validate(statement, state)
    proxy._DDL_KEYWORDS |= DDL_KEYWORDS
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(listen_at)
    listener.listen(256)

    async def serve_client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy._handle_client("pair", None, None, reader, writer)

    async def serve() -> None:
        async with await asyncio.start_unix_server(serve_client, sock=listener) as server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True, name="serves-dsql").start()
