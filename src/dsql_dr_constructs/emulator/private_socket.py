"""A PostgreSQL that accepts every role without a password, so only its owner may have access to its unix socket."""

from __future__ import annotations

import stat
from pathlib import Path


def folder_and_port(postgresql: str) -> tuple[str, int]:
    """The two of ``folder:port``.

    Raises:
        ValueError: it has another form.
    """
    folder, _, port = postgresql.rpartition(":")
    if not folder.startswith("/") or not port.isdecimal():
        raise ValueError(
            f"postgresql is {postgresql!r}: give the folder of its unix socket, from / on, and its port, as in "
            "/home/me/postgresql:5432. A PostgreSQL without a password must not listen anywhere else."
        )
    return folder, int(port)


def private_socket(postgresql: str) -> Path:
    """Where PostgreSQL has its socket.

    Raises:
        ValueError: it does not exist, or every user of this machine has access.
    """
    folder, port = folder_and_port(postgresql)
    path = Path(folder, f".s.PGSQL.{port}")
    if not path.is_socket():
        raise ValueError(f"postgresql is {postgresql!r}, and there is no socket {path}: start PostgreSQL first.")
    may_enter = all(one.stat().st_mode & stat.S_IXOTH for one in path.resolve().parents)
    if may_enter and path.stat().st_mode & stat.S_IWOTH:  # which is what it takes to connect
        raise ValueError(
            f"postgresql is {postgresql!r}, to which every user of this machine has access, without a password, and "
            "could run programs as PostgreSQL's user: give the folder mode 0700."
        )
    return path


def check_postgresql(postgresql: str) -> None:
    """Connect to it once.

    Raises:
        ValueError: as `private_socket`, or it does not accept ``postgres``, or is older than Aurora DSQL's version.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-postgresql-compatibility.html
    """
    import psycopg  # which takes a moment, and only those who have a PostgreSQL need it

    private_socket(postgresql)
    folder, port = folder_and_port(postgresql)
    try:
        with psycopg.connect(
            host=folder, hostaddr="", port=port, user="postgres", dbname="postgres", connect_timeout=10
        ) as connection:
            version = connection.info.server_version // 10_000
    except psycopg.OperationalError as error:
        raise ValueError(
            f"postgresql is {postgresql!r}, and postgres cannot connect to it without a password: {error}"
        ) from error
    if version < 16:
        raise ValueError(
            f"postgresql is {postgresql!r}, which is PostgreSQL {version}: use version 16, as Aurora DSQL has it, or a "
            "newer one."
        )
