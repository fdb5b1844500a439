"""The pool for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from typing_extensions import Self

from ._attempt import Attempt
from ._connection import GuardedConnection, guarded
from ._endpoint import describe
from ._failover import Failover
from ._pools import Pool, Pools, put
from ._routing import State
from ._transactions import run_transaction

T = TypeVar("T")


class FailoverPool(Failover[psycopg.Connection[Any], None]):
    """Connections to the endpoint of the own Region, and to the peer's while that fails or is evacuated.

    It has a pool of psycopg_pool for each endpoint, and that one's terms. Threads may share it.

    Args:
        endpoints: Host names of the clusters' endpoints by Region; or give *deployment*.
        deployment: Name of the deployment, as the CDK library has it: the endpoints are read from its SSM parameters
            in the own Region, and a Region that `dsql-dr evacuate` declares evacuated is left.
        region: The own Region, whose endpoint is used while it is healthy. Default: AWS_REGION, then
            AWS_DEFAULT_REGION, then the first of *endpoints*.
        user: Database role; "admin" is for administration.
        dbname: Default: postgres, the only database of a cluster.
        min_size: Connections kept to each endpoint that has been used. Default: 0
        max_size: Most connections to one endpoint; those in use when it was left come on top of them. Default: 4
        timeout: Seconds in which a request must have a connection to either endpoint. Default: 10
        max_lifetime: Seconds after which a connection is replaced, less up to 5 %. Aurora DSQL ends it after an hour.
            Default: 2700
        max_idle: Seconds after which connections that are not needed are closed. Default: 600
        connect_timeout: Seconds in which an endpoint must have accepted a login; at least 2. Default: 3
        answer_timeout: Seconds in which each statement must be answered; after that the connection is closed and the
            endpoint probed. Longer than your slowest statement. Default: *connect_timeout*
        return_after: Seconds for which a failed endpoint must be healthy before it is used again. Default: 30
        max_connection_rate: Most new connections in any second. A cluster accepts 100 from all its clients.
            Default: 18
        kwargs: Further parameters of psycopg's connect, such as ``row_factory``.
        configure: Called with each new connection.
        reset: Called with each connection that is returned.
        on_event: Called with each `Event`; must not block. What it raises is logged.
        open: Whether connections may be asked for at once. Default: True
        connection_class: A class of psycopg's connections, for tests without Aurora DSQL.

    Raises:
        ValueError: An argument is not as described.
    """

    def open(self) -> None:
        """Accept requests; connections are made as they are needed.

        Raises:
            ValueError: There is no such deployment in the own Region.
            RuntimeError: Its SSM parameters could not be read.
        """
        if self._deployment and not self._learned:
            self._learn(self._deployment.endpoints())
        self._pools.open()
        if self._terms["min_size"]:
            self._pools.get(self.region_in_use)

    def close(self, timeout: float = 5.0) -> None:
        """Close all connections, those in use when they are returned, and end all threads.

        Args:
            timeout: Seconds to wait for threads that are connecting. Default: 5
        """
        self._pools.close(timeout)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get_stats(self) -> dict[str, dict[str, int]]:
        """psycopg_pool's figures for each endpoint in use, by Region, since it is."""
        return self._pools.get_stats()

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        """A connection in a transaction, which is committed at the end, or rolled back after an exception.

        Args:
            timeout: Seconds in which there must be one. Default: the pool's

        Raises:
            AllEndpointsFailed: No endpoint gave one.
            psycopg_pool.PoolTimeout: All connections stayed in use, or a first login had no answer yet.
            psycopg_pool.PoolClosed: The pool is not open.
        """
        with (
            self._acquire(time.monotonic() + (self._timeout if timeout is None else timeout)) as connection,
            connection,
        ):
            yield connection

    def run_transaction(
        self,
        fn: Callable[[psycopg.Connection[Any]], T],
        *,
        idempotent: bool = False,
        budget: float = 10.0,
        answer_timeout: float | None = None,
    ) -> T:
        """Run *fn* in a transaction and commit it; after a conflict run it again, until the budget is used up.

        Args:
            fn: Gets the connection, in a transaction, and neither commits nor rolls back: it raises to roll back.
                What it does outside of the database may happen again.
            idempotent: Whether *fn* may run again when a connection was lost, also at COMMIT, where it may be that the
                transaction is stored already. Default: False
            budget: Seconds after which *fn* does not run again. Default: 10
            answer_timeout: As the pool's, for this transaction and its COMMIT. Default: the pool's

        Raises:
            CommitUnknown: The connection was lost at COMMIT, so that the transaction is stored or not.
            ConflictBudgetExceeded: Nothing is stored, since others were first each time.
            AllEndpointsFailed: No endpoint gave a connection; nothing is stored.
            psycopg.Error: As the database, or *fn*, raised it; nothing is stored.
        """
        return run_transaction(self, fn, idempotent=idempotent, budget=budget, answer_timeout=answer_timeout)

    @contextmanager
    def _acquire(self, deadline: float, answer_timeout: float | None = None) -> Iterator[GuardedConnection]:
        """A connection in which BEGIN has been answered, until *deadline* of ``time.monotonic``.

        The caller commits. A transaction that is open at the end is rolled back, an exception that passes is reported
        to the router (`_failed`), and the connection returned, or closed if it is lost or its endpoint was left.

        Raises:
            AllEndpointsFailed: Nothing of the caller's work has run.
        """
        pool, connection = self._take(deadline)
        connection.answer_timeout = answer_timeout or self._answer_timeout
        try:
            yield connection
            self._router.served(connection.endpoint.region)
        except BaseException as error:
            self._failed(connection, error)
            raise
        finally:
            connection.answer_timeout = self._answer_timeout
            put(pool, connection)

    def _take(self, deadline: float) -> tuple[Pool, GuardedConnection]:
        self._follow_evacuation()
        attempt = Attempt(self._router, deadline)
        if not self._router.healthy or self._pools.left:
            self._pools.catch_up(attempt.remaining)
        while True:
            region = attempt.next()
            if region is None:
                time.sleep(attempt.pause())
                continue
            endpoint = self._endpoints[region]
            try:
                pool = self._pools.get(region)
                connection = pool.getconn(attempt.remaining)
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
                connection.begin()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if endpoint.dead(connection, error):
                    attempt.failed(region, describe(error))
                put(pool, connection)
            except BaseException:
                put(pool, connection)
                raise
            else:
                return pool, connection

    def _guarded(self, own: type[psycopg.Connection[Any]] | None) -> type[GuardedConnection]:
        return guarded(own)

    def _new_pools(self) -> None:
        self._pools = Pools(self._name, make=self._make, probe=self._probe, router=self._router)

    def _begin(self, open: bool) -> None:
        if open:
            self.open()

    def _make(self, region: str) -> Pool:
        return ConnectionPool(
            connection_class=self._connection_class,
            kwargs=self._connect_parameters(region),
            name=self._name + region,
            open=True,
            **self._terms,
        )

    def _probe(self, region: str) -> None:
        with suppress(Exception):  # the endpoint has reported it
            self._connection_class.connect(**self._connect_parameters(region), prove=True).close()

    def _leave(self, region: str) -> None:
        self._pools.leave(region)
