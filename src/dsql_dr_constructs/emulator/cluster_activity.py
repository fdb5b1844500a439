"""Clusters that nobody is connected to become IDLE, and a connection makes them ACTIVE again.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from .clock import Clock
from .dsql import Dsql


class ClusterActivity:
    """Counts the open connections of each cluster; a peer is a cluster of its own.

    Args:
        dsql: Has the clusters.
        clock: On which they become IDLE.
        idle_after: Seconds on that clock without a connection. Default: they stay ACTIVE.
    """

    def __init__(self, dsql: Dsql, clock: Clock, *, idle_after: float | None = None) -> None:
        self._dsql = dsql
        self._clock = clock
        self._lock = threading.Lock()  # no cluster becomes IDLE between a connection and its count
        self._open: Counter[str] = Counter()
        self._last_used: dict[str, float] = {}
        if idle_after is not None:
            clock.each_minute(lambda now: self._let_idle(now - idle_after, now))

    @contextmanager
    def connection(self, arn: str | None, *, has_logged_in: bool) -> Iterator[bool]:
        """One connection to the cluster with *arn*, if there is one: whether it is served, once the cluster is ACTIVE.

        A cluster that was INACTIVE does not serve the connections that it became ACTIVE by: they have to be tried
        again.
        """
        if not arn or not (has_logged_in or self._dsql.undocumented.woken_by == "connection"):
            yield True
            return
        with self._lock:
            self._open[arn] += 1
        try:
            while (status := self._dsql.wake(arn)) == "IDLE":
                time.sleep(0.02)
            yield status != "INACTIVE"
        finally:
            with self._lock:
                self._open[arn] -= 1
                self._last_used[arn] = self._clock.now()

    def _let_idle(self, unused_since: float, now: float) -> None:
        for arn in self._dsql.active():
            with self._lock:
                if not self._open[arn] and self._last_used.setdefault(arn, now) <= unused_since:
                    del self._last_used[arn]  # an update makes it ACTIVE without a connection
                    self._dsql.let_idle(arn)
