"""The unix socket of a PostgreSQL that accepts every role without a password, so only its owner may have access."""

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
