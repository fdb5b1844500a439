"""The one database behind the endpoints of a pair: a PostgreSQL with DSQL's SQL, roles, and their mapping to IAM roles.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
"""

from __future__ import annotations

import asyncio
import importlib
import re
import socket
import threading
from collections.abc import Callable
from typing import Any

import psycopg

_BORN_WITH = """
CREATE ROLE admin LOGIN CREATEROLE;
GRANT CREATE ON DATABASE postgres TO admin;
GRANT CREATE ON SCHEMA public TO admin;
CREATE SCHEMA sys;
GRANT USAGE ON SCHEMA sys TO PUBLIC;
CREATE TABLE sys.iam_pg_role_mappings (
    iam_oid bigint GENERATED ALWAYS AS IDENTITY,
    arn text,
    pg_role_oid oid,
    pg_role_name text NOT NULL,
    grantor_pg_role_oid oid DEFAULT current_user::regrole,
    grantor_pg_role_name text DEFAULT current_user,
    PRIMARY KEY (arn, pg_role_oid)
);
GRANT SELECT ON sys.iam_pg_role_mappings TO PUBLIC;
GRANT INSERT, DELETE ON sys.iam_pg_role_mappings TO admin;
"""

_IAM_STATEMENT = re.compile(
    rb"""(?P<before>\A|\0)\s*AWS\s+IAM\s+(?:GRANT\s+(?P<granted>"[^"\0]+"|\w+)\s+TO|REVOKE\s+(?P<revoked>"[^"\0]+"|\w+)\s+FROM)"""
    rb"""\s+'(?P<arn>[^'\0]+)'\s*;?\s*(?=\0)""",
    re.IGNORECASE,
)
_GRANT = (
    rb"INSERT INTO sys.iam_pg_role_mappings (arn, pg_role_oid, pg_role_name) "
    rb"SELECT '%s', oid, rolname FROM pg_roles WHERE oid = '%s'::regrole"
)
_REVOKE = rb"DELETE FROM sys.iam_pg_role_mappings WHERE arn = '%s' AND pg_role_oid = '%s'::regrole"
_LETS_IN = """
SELECT FROM pg_roles WHERE rolname = %(role)s AND rolcanlogin AND NOT rolsuper AND (
    rolname = 'admin' OR %(arn)s::text IS NULL
    OR oid IN (SELECT pg_role_oid FROM sys.iam_pg_role_mappings WHERE arn = %(arn)s)
)
"""


class ClusterDatabase:
    """Gives a PostgreSQL what a cluster is born with, and lets DSQL's clients reach it.

    Args:
        postgresql: ``host:port``; it lets every role in without a password.
    """

    def __init__(self, postgresql: str) -> None:
        host, _, port = postgresql.rpartition(":")
        self._where = f"host={host} port={port} user=postgres dbname=postgres"
        with psycopg.connect(self._where) as database:
            if not database.execute("SELECT FROM pg_namespace WHERE nspname = 'sys'").fetchone():
                database.execute(_BORN_WITH)
        self._address = _speak_dsql(host, int(port), translated)

    def connect(self) -> socket.socket:
        """To where only DSQL's subset of SQL can be had, under the role that the client asks for."""
        return socket.create_connection(self._address)

    def lets_in(self, role: str, iam_role_arn: str | None) -> bool:
        """Whether *role* is there to connect as, and is ``admin`` or mapped to *iam_role_arn*, if there is one."""
        with psycopg.connect(self._where) as database:
            return database.execute(_LETS_IN, {"role": role, "arn": iam_role_arn}).fetchone() is not None


def translated(message: bytes) -> bytes:
    """A client's message with ``AWS IAM GRANT`` and ``AWS IAM REVOKE`` as PostgreSQL understands them."""
    return _IAM_STATEMENT.sub(_in_sql, message)


def _in_sql(found: re.Match[bytes]) -> bytes:
    statement, role = (_GRANT, found["granted"]) if found["granted"] else (_REVOKE, found["revoked"])
    return found["before"] + statement % (found["arn"], role.replace(b"'", b"''"))


def _speak_dsql(host: str, port: int, translate: Callable[[bytes], bytes]) -> tuple[str, int]:
    """Where DSQL's subset of SQL can be had of a PostgreSQL; *translate* sees each message that asks for some.

    ministack's own proxies listen at every address of the machine; this one is of loopback. They also let everybody be
    ``postgres``; here a client is who it says, since PostgreSQL takes the last of two users in a startup message.
    """
    proxy: Any = importlib.import_module("ministack.core.pgproxy")
    parse, read = proxy._parse_startup_params, proxy._read_frame

    def as_itself(payload: bytes) -> dict[str, str]:
        parameters: dict[str, str] = parse(payload)
        database, user = parameters.get("database") or "postgres", parameters.get("user", "")
        return parameters | {"database": f"{database}\0user\0{user}"}

    async def read_translated(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        kind, payload = await read(reader)
        return kind, translate(payload) if kind in (b"Q", b"P") else payload  # Query and Parse, which no server sends

    proxy._parse_startup_params, proxy._read_frame = as_itself, read_translated
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not for a socket that it is given

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy._handle_client("pair", host, port, reader, writer)

    async def serve() -> None:
        async with await asyncio.start_server(visit, sock=listener) as server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True, name="speaks-dsql").start()
    address: tuple[str, int] = listener.getsockname()
    return address
