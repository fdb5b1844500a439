"""The pools of psycopg_pool behind a `FailoverPool`, one for each endpoint that is used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed

from ._connection import GuardedConnection
from ._events import logger
from ._routing import Router

GRACE = 0.05
"""Seconds for the workers of a pool that was left: those who wait in it are sent on after that."""
MISSED = 0.25
"""A probe that is so many seconds late was missed: the process was frozen, as a Lambda function is between requests."""
CATCH_UP = 0.3
"""Seconds for which one request waits for such a probe: there may be no other time in which the process runs."""

NOT_OPEN = "The pool is not open: call open(), or use it in a with statement."

IN_TRANSACTION = (TransactionStatus.INTRANS, TransactionStatus.INERROR)

Pool = ConnectionPool[GuardedConnection]


class Pools:
    """A pool that waits for connections to a dead endpoint cannot be stopped, but it can be closed.

    psycopg_pool tries again and again in the background while those who wait time out. So a pool whose endpoint failed
    is closed, which sends them on, and a new one is made when the endpoint is used again. A thread does that, another
    one the probes; they exist only while something is not healthy.

    Args:
        name: With which the names of all threads begin.
        make: Makes an open pool for a Region.
        probe: Connects to the endpoint of a Region, and lets the router know.
        router: Says when a probe is due.
    """

    def __init__(
        self, name: str, *, make: Callable[[str], Pool], probe: Callable[[str], object], router: Router
    ) -> None:
        self._name, self._make, self._probe, self._router = name, make, probe, router
        self._pools: dict[str, Pool] = {}
        self.left: list[Pool] = []
        self._thread: threading.Thread | None = None
        self._change = threading.Condition()
        self._missed = False
        """Whether a probe was missed, and is made now, and nobody waits for it."""
        self._probes = 0
        self._waits_until: float | None = None
        self.closed = True

    def open(self) -> None:
        self.closed = False

    def get(self, region: str) -> Pool:
        """Raises:
        PoolClosed: It is not open.
        """
        if pool := self._pools.get(region):
            return pool
        with self._change:
            if self.closed:
                raise PoolClosed(NOT_OPEN)
            if region not in self._pools:
                self._pools[region] = self._make(region)
            return self._pools[region]

    def leave(self, region: str) -> None:
        """Close the pool: idle connections at once, and those in use when they are returned."""
        with self._change:
            if pool := self._pools.pop(region, None):
                self.left.append(pool)
            if not self.closed:
                self._start()
                self._change.notify_all()

    def catch_up(self, timeout: float) -> None:
        """For each request while something is not healthy: the thread may be missing, or frozen between requests."""
        with self._change:
            if self.closed:
                return
            self._start()
            at = self._router.next_probe()
            if at != self._waits_until:
                self._change.notify_all()
            if self._missed or is_missed(at):
                self._missed, probes = False, self._probes
                self._change.wait_for(lambda: self.closed or self._probes != probes, min(timeout, CATCH_UP))

    def _start(self) -> None:
        """The threads that are needed: they may be missing, also after a fork."""
        if self.left and self._thread_for("close", _close, self.left):
            self.left = []
        if not (self._thread and self._thread.is_alive()):
            self._thread = self._thread_for("probe", self._run)

    def _thread_for(self, name: str, target: Callable[..., None], *arguments: object) -> threading.Thread | None:
        thread = threading.Thread(target=target, args=arguments, name=f"{self._name}{name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            logger.exception("No thread could be started for what has failed; the next request tries again.")
            return None
        return thread

    def close(self, timeout: float) -> None:
        until = time.monotonic() + timeout
        with self._change:
            self.closed = True
            pools = [*self._pools.values(), *self.left]
            self._pools, self.left = {}, []
            self._change.notify_all()
        for pool in pools:
            pool.close(GRACE)
        for thread in threading.enumerate():  # of pools that were left, too
            if thread.name.startswith(self._name):
                thread.join(max(0.0, until - time.monotonic()))

    def get_stats(self) -> dict[str, dict[str, int]]:
        return {region: pool.get_stats() for region, pool in dict(self._pools).items()}

    def _run(self) -> None:
        try:
            while self._next():
                if region := self._router.begin_probe():
                    self._probe(region)
                with self._change:
                    self._missed, self._probes = False, self._probes + 1
                    self._change.notify_all()
        except Exception:
            logger.exception("Probing the endpoints failed; the next request begins again.")

    def _next(self) -> bool:
        """Wait for the next probe. Returns False when there is none any more."""
        with self._change:
            while True:
                at = self._router.next_probe()
                if self.closed or at is None:
                    self._thread = None
                    return False
                if at <= time.monotonic():
                    self._missed = is_missed(at)
                    return True
                self._waits_until = at
                self._change.wait(at - time.monotonic())


def _close(pools: list[Pool]) -> None:
    for pool in pools:
        pool.close(GRACE)


def is_missed(at: float | None) -> bool:
    return at is not None and time.monotonic() - at > MISSED


def put(pool: Pool, connection: GuardedConnection) -> None:
    """Return it, in no transaction. It is closed if that is interrupted; its place is free in any case."""
    try:
        if connection.pgconn.transaction_status in IN_TRANSACTION:
            connection.rollback()
    except psycopg.Error as error:
        connection.endpoint.interrupted(connection, error)
    except BaseException:
        connection.pgconn.finish()
        raise
    finally:
        pool.putconn(connection)
