"""As `_pools`, with tasks of asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed

from ._connection import GuardedAsyncConnection
from ._events import logger
from ._pools import CATCH_UP, GRACE, IN_TRANSACTION, NOT_OPEN, is_missed
from ._routing import Router

AsyncPool = AsyncConnectionPool[GuardedAsyncConnection]


class AsyncPools:
    """As `Pools`."""

    def __init__(
        self,
        name: str,
        *,
        make: Callable[[str], AsyncPool],
        probe: Callable[[str], Awaitable[object]],
        router: Router,
    ) -> None:
        self._name, self._make, self._probe, self._router = name, make, probe, router
        self._pools: dict[str, AsyncPool] = {}
        self._task: asyncio.Task[None] | None = None
        self._change = asyncio.Event()
        self._missed = False
        self._waits_until: float | None = None
        self._probed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = True

    async def get(self, region: str) -> AsyncPool:
        """Raises:
        PoolClosed: It is not open.
        """
        if pool := self._pools.get(region):
            return pool
        if self.closed:
            raise PoolClosed(NOT_OPEN)
        pool = self._pools[region] = self._make(region)
        await pool.open()  # which waits for nobody
        return pool

    async def put(self, pool: AsyncPool, connection: GuardedAsyncConnection) -> None:
        """In a task of its own: each await of a task that is being cancelled may be cancelled again."""
        await asyncio.shield(self._task_of(_put(pool, connection)))

    def leave(self, region: str) -> None:
        """Close the pool: idle connections at once, and those in use when they are returned."""
        if pool := self._pools.pop(region, None):
            self._task_of(pool.close(GRACE))
        if not self.closed:
            self._start()
            self._change.set()

    async def catch_up(self, timeout: float) -> None:
        """As `Pools.catch_up`."""
        if self.closed:
            return
        self._start()
        at = self._router.next_probe()
        if at != self._waits_until:
            self._change.set()
        if self._missed or is_missed(at):
            self._missed = False
            self._probed.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._probed.wait(), min(timeout, CATCH_UP))

    def _task_of(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """One that is kept, and not cancelled by `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _start(self) -> None:
        if not self._task or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"{self._name}probe")

    async def close(self, timeout: float) -> None:
        self.closed = True
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.close(GRACE)
        for task in (own := [one for one in asyncio.all_tasks() if one.get_name().startswith(self._name)]):
            task.cancel()
        if own := [*own, *self._tasks]:
            await asyncio.wait(own, timeout=timeout)

    def get_stats(self) -> dict[str, dict[str, int]]:
        return {region: pool.get_stats() for region, pool in self._pools.items()}

    async def _run(self) -> None:
        try:
            while await self._next():
                if region := self._router.begin_probe():
                    await self._probe(region)
                self._missed = False
                self._probed.set()
        except Exception:
            logger.exception("Probing the endpoints failed; the next request begins again.")

    async def _next(self) -> bool:
        """Wait for the next probe. Returns False when there is none any more."""
        while True:
            self._change.clear()
            at = self._router.next_probe()
            if self.closed or at is None:
                return False
            if at <= time.monotonic():
                self._missed = is_missed(at)
                return True
            self._waits_until = at
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._change.wait(), at - time.monotonic())


async def _put(pool: AsyncPool, connection: GuardedAsyncConnection) -> None:
    try:
        if connection.pgconn.transaction_status in IN_TRANSACTION:
            await connection.rollback()
    except psycopg.Error as error:
        connection.endpoint.interrupted(connection, error)
    except BaseException:
        connection.pgconn.finish()
        raise
    finally:
        await pool.putconn(connection)
