"""The one database behind the endpoints of a pair: a PostgreSQL with DSQL's SQL, roles, and their mapping to IAM roles.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import socket
import struct
import threading
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from .private_socket import folder_and_port, private_socket
from .role_statements import DDL_KEYWORDS, INITIAL, refusal, translated

_ACCEPTS = """
SELECT FROM pg_roles WHERE rolname = %(role)s AND rolcanlogin AND NOT rolsuper AND (
    rolname = 'admin' OR %(arn)s::text IS NULL
    OR oid IN (SELECT pg_role_oid FROM sys.iam_pg_role_mappings WHERE arn = %(arn)s)
)
"""

_END_SESSIONS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = %(database)s AND backend_type = 'client backend' AND application_name <> %(own)s
"""
_OWN_SESSIONS = "local AWS emulator"  # which are short, and have no data
_TRIES = 5


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
        self._copying = threading.Lock()  # new connections wait for its end
        _serve_dsql(private_socket(postgresql), self._listen_at)

    def connect(self, startup: bytes, name: str) -> socket.socket:
        """A connection to database *name*, which a client began with *startup*, under the role that it asks for.

        It accepts DSQL's subset of SQL only.
        """
        with self._copying:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(self._listen_at)
            startup = _in_database(startup, name)
            connection.sendall(struct.pack("!i", len(startup) + 4) + startup)
            return connection

    def accepts(self, role: str, iam_role_arn: str | None, name: str) -> bool:
        """Whether *role* may connect to *name*, and is ``admin`` or mapped to *iam_role_arn* there, if there is one."""
        with self._database(name) as database:
            return database.execute(_ACCEPTS, {"role": role, "arn": iam_role_arn}).fetchone() is not None

    def names(self) -> list[str]:
        """All databases of the PostgreSQL."""
        with self._database() as database:
            return [name for (name,) in database.execute("SELECT datname FROM pg_database").fetchall()]

    def copy(self, source: str, name: str) -> None:
        """Make database *name*, with what is committed in *source*; sessions there are ended.

        Raises:
            RuntimeError: sessions of others come back each time.
        """
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(source))
        with self._copying, self._database("template1", autocommit=True) as database:
            for _ in range(_TRIES):
                database.execute(_END_SESSIONS, {"database": source, "own": _OWN_SESSIONS})
                with contextlib.suppress(psycopg.errors.ObjectInUse):  # after 5 seconds of waiting for their end
                    database.execute(copy)
                    database.execute(sql.SQL("GRANT CREATE ON DATABASE {} TO admin").format(sql.Identifier(name)))
                    return
        raise RuntimeError(f"Database {source} cannot be copied: end the sessions that others open in it.")

    def drop(self, name: str) -> None:
        """Remove database *name*, also while it is in use."""
        with self._database("template1", autocommit=True) as database:
            database.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _database(self, name: str = "postgres", *, autocommit: bool = False) -> psycopg.Connection:
        return psycopg.connect(
            host=self._folder,
            hostaddr="",  # without PGHOSTADDR, which is for functions
            port=self._port,
            user="postgres",
            dbname=name,
            autocommit=autocommit,
            application_name=_OWN_SESSIONS,
        )


def _in_database(startup: bytes, name: str) -> bytes:
    """A client's startup message for database *name*, where the client asks for DSQL's only one."""
    fields = startup[4:].split(b"\0")
    parameters = {key: value for key, value in zip(fields[::2], fields[1::2], strict=False) if key}
    if parameters.get(b"database", b"postgres") == b"postgres":
        parameters[b"database"] = name.encode()
    return startup[:4] + b"".join(key + b"\0" + value + b"\0" for key, value in parameters.items()) + b"\0"


def _serve_dsql(postgresql: Path, listen_at: str) -> None:
    """Serve DSQL's subset of SQL from a PostgreSQL.

    ministack's own proxies listen on every address of the machine; this one is a socket file in a folder of this run.
    They also connect every client as ``postgres``; here a client has the role that it names, and never a superuser.
    """
    proxy: Any = importlib.import_module("ministack.core.pgproxy")
    parse, read, validate = proxy._parse_startup_params, proxy._read_frame, proxy.validate
    plain_relay = proxy._backend_relay

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

    async def relay(state: Any, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await plain_relay(state, reader, client)
        if state.capture:  # for a statement of the proxy's own
            state.capture.put_nowait((b"Z", b"I"))
        client.close()  # or it would wait for the answer of a session that has ended

    proxy._parse_startup_params, proxy._read_frame, proxy._connect_backend = with_user, read_translated, connect
    proxy._backend_relay = relay
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
