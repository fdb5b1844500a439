"""The pool for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout
from typing_extensions import Self

from ._async_pools import AsyncPool, AsyncPools
from ._attempt import Attempt
from ._connection import GuardedAsyncConnection, guarded_async
from ._endpoint import describe
from ._failover import Failover
from ._routing import State
from ._transactions import run_transaction_async

T = TypeVar("T")


class AsyncFailoverPool(Failover[psycopg.AsyncConnection[Any], Awaitable[None]]):
    """Connections to the endpoint of the own Region, and to the peer's while that fails or is evacuated.

    Parameters are those of `FailoverPool`, but *configure* and *reset* are asynchronous. It belongs to one event loop,
    in which *on_event* is called.
    """

    async def open(self) -> None:
        """Accept requests; connections are made as they are needed.

        Raises:
            ValueError: There is no such deployment in the own Region.
            RuntimeError: Its SSM parameters could not be read.
        """
        async with self._opening:
            if self._deployment and not self._learned:
                self._learn(await asyncio.to_thread(self._deployment.endpoints))
        self._pools.closed = False
        if self._terms["min_size"]:
            await self._pools.get(self.region_in_use)

    async def close(self, timeout: float = 5.0) -> None:
        """Close all connections, those in use when they are returned, and end all tasks.

        Args:
            timeout: Seconds to wait for tasks that are connecting. Default: 5
        """
        self._opens_by_itself = False
        await self._pools.close(timeout)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def get_stats(self) -> dict[str, dict[str, int]]:
        """psycopg_pool's figures for each endpoint in use, by Region, since it is."""
        return self._pools.get_stats()

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection in a transaction, which is committed at the end, or rolled back after an exception.

        Args:
            timeout: Seconds in which there must be one. Default: the pool's

        Raises:
            AllEndpointsFailed: No endpoint gave one.
            psycopg_pool.PoolTimeout: All connections stayed in use, or a first login had no answer yet.
            psycopg_pool.PoolClosed: The pool is not open.
        """
        async with (
            self._acquire(time.monotonic() + (self._timeout if timeout is None else timeout)) as connection,
            connection,
        ):
            yield connection

    async def run_transaction(
        self,
        fn: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]],
        *,
        idempotent: bool = False,
        budget: float = 10.0,
        answer_timeout: float | None = None,
    ) -> T:
        """As `FailoverPool.run_transaction`."""
        return await run_transaction_async(
            self, fn, idempotent=idempotent, budget=budget, answer_timeout=answer_timeout
        )

    @asynccontextmanager
    async def _acquire(
        self, deadline: float, answer_timeout: float | None = None
    ) -> AsyncIterator[GuardedAsyncConnection]:
        """A connection in which BEGIN has been answered, until *deadline* of ``time.monotonic``.

        The caller commits. A transaction that is open at the end is rolled back, an exception that passes is reported
        to the router (`_failed`), and the connection returned, or closed if it is lost or its endpoint was left.

        Raises:
            AllEndpointsFailed: Nothing of the caller's work has run.
        """
        pool, connection = await self._take(deadline)
        connection.answer_timeout = answer_timeout or self._answer_timeout
        try:
            yield connection
            self._router.served(connection.endpoint.region)
        except BaseException as error:
            self._failed(connection, error)
            raise
        finally:
            connection.answer_timeout = self._answer_timeout
            await self._pools.put(pool, connection)

    async def _take(self, deadline: float) -> tuple[AsyncPool, GuardedAsyncConnection]:
        if self._opens_by_itself:
            await self.open()
            self._opens_by_itself = False
        self._follow_evacuation()
        attempt = Attempt(self._router, deadline)
        if not self._router.healthy:
            await self._pools.catch_up(attempt.remaining)
        while True:
            region = attempt.next()
            if region is None:
                await asyncio.sleep(attempt.pause())
                continue
            endpoint = self._endpoints[region]
            try:
                pool = await self._pools.get(region)
                connection = await pool.getconn(attempt.remaining)
            except PoolTimeout as error:
                attempt.timed_out(endpoint, error)
                raise
            except PoolClosed:
                if self._pools.closed:
                    raise
                if self._router.state(region) is State.OPEN:
                    attempt.failed(region, self._router.reason(region))
                continue
            try:
                connection.answer_timeout = attempt.answer_timeout(self._answer_timeout)
                await connection.begin()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if endpoint.dead(connection, error):
                    attempt.failed(region, describe(error))
                await self._pools.put(pool, connection)
            except BaseException:
                await self._pools.put(pool, connection)
                raise
            else:
                return pool, connection

    def _guarded(self, own: type[psycopg.AsyncConnection[Any]] | None) -> type[GuardedAsyncConnection]:
        return guarded_async(own)

    def _new_pools(self) -> None:
        self._pools = AsyncPools(self._name, make=self._make, probe=self._probe, router=self._router)

    def _begin(self, open: bool) -> None:
        self._opens_by_itself = open  # with the first request, in its event loop
        self._opening = asyncio.Lock()

    def _make(self, region: str) -> AsyncPool:
        return AsyncConnectionPool(
            connection_class=self._connection_class,
            kwargs=self._connect_parameters(region),
            name=self._name + region,
            open=False,
            **self._terms,
        )

    async def _probe(self, region: str) -> None:
        with suppress(Exception):  # the endpoint has reported it
            connection = await self._connection_class.connect(**self._connect_parameters(region), prove=True)
            await connection.close()

    def _leave(self, region: str) -> None:
        self._pools.leave(region)
