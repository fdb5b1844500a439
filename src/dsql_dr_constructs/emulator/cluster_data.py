"""The data behind clusters: of all that were not restored in one database, and of each restored pair in its own."""

from __future__ import annotations

import itertools
import os
import re
import secrets
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cluster_database import ClusterDatabase

SHARED = "postgres"
"""The database of all clusters that were not restored."""

_OWN_NAME = re.compile(r"aws_emulator_(\d+)_\w+")


class ClusterData:
    """Snapshots of clusters' data, and which database each cluster is served from.

    Snapshots and restored data are databases of the same PostgreSQL, named by this process and removed by the next
    emulator there. Roles are the server's, and so shared by all; one that a snapshot has grants of cannot be dropped.

    Args:
        database: The PostgreSQL. Default: none; snapshots are only names.
    """

    def __init__(self, database: ClusterDatabase | None = None) -> None:
        self.database = database
        self._lock = threading.Lock()
        self._snapshots: set[str] = set()
        self._restored: dict[str, str] = {}
        run = secrets.token_hex(4)  # as another process can have the same number later
        self._names = (f"aws_emulator_{os.getpid()}_{run}_{number}" for number in itertools.count(1))
        if database:
            for name in filter(_is_of_an_ended_process, database.names()):
                database.drop(name)

    def of(self, cluster_arn: str) -> str:
        """The name of the database that the cluster is served from."""
        return self._restored.get(cluster_arn, SHARED)

    def snapshot(self, cluster_arn: str) -> str:
        """The name of a new snapshot of what is committed now. Open connections to the cluster's database are closed.

        Raises:
            RuntimeError: somebody else does not let go of the database.
        """
        with self._lock:
            name = self._copy(self.of(cluster_arn))
            self._snapshots.add(name)
            return name

    def restore(self, snapshot: str, cluster_arns: Iterable[str]) -> None:
        """Serve these clusters from a copy of *snapshot* from now on.

        Raises:
            ValueError: there is no such snapshot.
        """
        with self._lock:
            if snapshot not in self._snapshots:
                raise ValueError(f"There is no snapshot {snapshot!r} of a cluster's data: it may have been deleted.")
            name = self._copy(snapshot)
            self._restored.update(dict.fromkeys(cluster_arns, name))

    def delete(self, snapshot: str) -> None:
        """Remove *snapshot*, if it is there; what was restored from it stays."""
        with self._lock:
            if snapshot in self._snapshots:
                self._snapshots.remove(snapshot)
                if self.database:
                    self.database.drop(snapshot)

    def _copy(self, source: str) -> str:
        name = next(self._names)
        if self.database:
            self.database.copy(source, name)
        return name


def _is_of_an_ended_process(name: str) -> bool:
    found = _OWN_NAME.fullmatch(name)
    if not found:
        return False
    with suppress(PermissionError):  # of another user's process
        try:
            os.kill(int(found[1]), 0)
        except ProcessLookupError:
            return True
    return int(found[1]) == os.getpid()  # of an earlier process with this number
