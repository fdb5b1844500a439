"""A pool of connections to the endpoint of the own Region, and to the peer's while that fails."""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import ConnectionPool, PoolClosed, PoolTimeout
from typing_extensions import Self

from ._connection import Endpoint, FailoverConnection, GuardedConnection, SharedCredentials, describe
from ._connection_rate import ConnectionRate
from ._errors import AllEndpointsFailed
from ._events import CIRCUIT, EVACUATED, Event
from ._routing import Router, State

logger = logging.getLogger("dsql_dr_client")


class FailoverPool:
    """A pool of connections to the endpoint of the own Region, and to the peer's while that fails.

    Args:
        endpoints: Host names by Region.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str] | None = None,
        *,
        deployment: str | None = None,
        region: str | None = None,
        user: str,
        dbname: str = "postgres",
        min_size: int = 0,
        max_size: int = 4,
        timeout: float = 10.0,
        max_lifetime: float = 2700.0,
        max_idle: float = 600.0,
        connect_timeout: float = 3.0,
        answer_timeout: float | None = None,
        return_after: float = 30.0,
        max_connection_rate: float = 20.0,
        kwargs: Mapping[str, Any] | None = None,
        configure: Callable[[psycopg.Connection[Any]], None] | None = None,
        reset: Callable[[psycopg.Connection[Any]], None] | None = None,
        on_event: Callable[[Event], object] | None = None,
        open: bool = True,
        connection_class: type[GuardedConnection] = FailoverConnection,
    ) -> None:
        assert endpoints
        own = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        regions = sorted(endpoints, key=lambda one: one != own)
        self._timeout = timeout
        self._answer_timeout = connect_timeout if answer_timeout is None else answer_timeout
        self._on_event = on_event
        self._lock = threading.Lock()
        self._closed = True
        self._router = Router(regions, return_after=return_after, emit=self._report)
        rate = ConnectionRate(max_connection_rate, at_once=max(1, min(max_size, int(max_connection_rate))))
        self._endpoints = {
            one: Endpoint(
                one, endpoints[one], router=self._router, rate=rate, report=self._report, leave=self._leave
            )
            for one in regions
        }
        self._connection_class = connection_class
        self._connecting = {
            "user": user,
            "dbname": dbname,
            "sslmode": "verify-full",
            "sslrootcert": "system",
            "connect_timeout": connect_timeout,
            "tcp_user_timeout": int(self._answer_timeout * 1000),
            **(kwargs or {}),
        }
        if issubclass(connection_class, FailoverConnection):
            self._connecting.setdefault("custom_credentials_provider", SharedCredentials())
        self._terms: dict[str, Any] = {
            "min_size": min_size,
            "max_size": max_size,
            "max_lifetime": max_lifetime,
            "max_idle": max_idle,
            "reconnect_timeout": 15.0,
            "configure": configure,
            "reset": reset,
        }
        self._pools: dict[str, ConnectionPool[GuardedConnection]] = {}
        self._left: list[ConnectionPool[GuardedConnection]] = []
        self._work = threading.Condition(self._lock)
        self._keeper: threading.Thread | None = None
        if open:
            self.open()

    @property
    def region_in_use(self) -> str:
        """Region of the endpoint to which the next request goes."""
        return self._router.region

    def open(self) -> None:
        """Accept requests; connections are made as they are needed."""
        self._closed = False
        if self._terms["min_size"]:
            self._pool(self._router.region)

    def close(self, timeout: float = 5.0) -> None:
        """Close all connections, those in use when they are returned, and end all threads."""
        with self._lock:
            self._closed = True
            pools = [*self._pools.values(), *self._left]
            self._pools.clear()
            self._left.clear()
            keeper = self._keeper
            self._work.notify_all()
        for endpoint in self._endpoints.values():
            endpoint.close()
        for pool in pools:
            pool.close(timeout)
        if keeper:
            keeper.join(timeout)

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get_stats(self) -> dict[str, dict[str, int]]:
        """psycopg_pool's figures of each endpoint that was used, by Region."""
        return {region: pool.get_stats() for region, pool in dict(self._pools).items()}

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        """A connection in a transaction that is committed at the end, or rolled back after an exception."""
        with (
            self._acquire(time.monotonic() + (self._timeout if timeout is None else timeout)) as connection,
            connection,
        ):
            yield connection

    @contextmanager
    def _acquire(self, deadline: float, answer_timeout: float | None = None) -> Iterator[psycopg.Connection[Any]]:
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
            if connection.pgconn.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
                with suppress(psycopg.Error):
                    connection.rollback()
            pool.putconn(connection)

    def _failed(self, connection: psycopg.Connection[Any], error: BaseException) -> None:
        """Report to the router what *error* says of the connection's endpoint; `_acquire` does it by itself."""
        assert isinstance(connection, GuardedConnection)
        connection.endpoint.failed(connection, error)

    def _report(self, event: Event) -> None:
        """Act on what the router decided, and hand it on."""
        if event.name == CIRCUIT:
            self._wake_keeper()
        elif event.name == EVACUATED:
            self._leave(str(event.attributes["cloud.region"]))
        if self._on_event:
            try:
                self._on_event(event)
            except Exception:
                logger.exception("on_event failed for %s", event)

    def _take(self, deadline: float) -> tuple[ConnectionPool[GuardedConnection], GuardedConnection]:
        begun, rounds = time.monotonic(), 0
        reasons: dict[str, str] = {}
        tried: set[str] = set()
        while True:
            remaining = deadline - time.monotonic()
            region = self._router.choose(tried)
            if region is None:
                pause = random.uniform(0, min(1.0, 0.05 * 2**rounds))
                if pause >= remaining:
                    raise AllEndpointsFailed(reasons, deadline - begun)
                time.sleep(pause)
                rounds += 1
                tried.clear()
                continue
            try:
                pool = self._pool(region)
                connection = pool.getconn(remaining)
            except PoolTimeout as error:
                limit = self._endpoints[region].limit
                if not reasons and not limit:
                    raise
                reasons[region] = limit or describe(error)
                raise AllEndpointsFailed(reasons, deadline - begun) from error
            except PoolClosed:
                if self._closed:
                    raise
                if self._router.state(region) is State.OPEN:
                    reasons[region] = self._router.reason(region)
                    tried.add(region)
                continue
            try:
                connection.begin()
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if connection.silent or not connection.proven:
                    reasons[region] = describe(error)
                    tried.add(region)
                    if connection.silent:
                        self._router.silent(region, reasons[region])
                    else:
                        self._endpoints[region].give_up(reasons[region])
                pool.putconn(connection)
            except BaseException:
                pool.putconn(connection)
                raise
            else:
                return pool, connection

    def _pool(self, region: str) -> ConnectionPool[GuardedConnection]:
        pool = self._pools.get(region)
        if pool is None:
            with self._lock:
                if self._closed:
                    raise PoolClosed("The pool is not open: call open(), or use it in a with statement.")
                pool = self._pools.get(region)
                if pool is None:
                    pool = ConnectionPool(
                        connection_class=self._connection_class,
                        kwargs=self._parameters(region),
                        name=f"dsql-{region}",
                        open=True,
                        **self._terms,
                    )
                    self._pools[region] = pool
        return pool

    def _parameters(self, region: str) -> dict[str, Any]:
        endpoint = self._endpoints[region]
        own = {"host": endpoint.host, "endpoint": endpoint, "answer_timeout": self._answer_timeout}
        return {**self._connecting, **own}

    def _leave(self, region: str) -> None:
        """Close its idle connections at once and those in use when they are returned; who waits for one goes elsewhere."""
        with self._lock:
            pool = self._pools.pop(region, None)
            if pool:
                self._left.append(pool)
        self._wake_keeper()

    def _wake_keeper(self) -> None:
        with self._lock:
            if self._closed:
                return
            if self._keeper is None:
                self._keeper = threading.Thread(target=self._keep, name="dsql-keeper", daemon=True)
                self._keeper.start()
            self._work.notify_all()

    def _keep(self) -> None:
        """Close what was left, and probe what is not healthy, until nothing is."""
        while True:
            with self._lock:
                left, self._left = self._left, []
            for pool in left:
                pool.close(0.05)
            region = self._router.begin_probe()
            if region:
                with suppress(Exception):  # it has reported to the router what came of it
                    self._connection_class.connect(**self._parameters(region)).close()
                continue
            with self._lock:
                at = self._router.next_probe()
                if self._closed or (at is None and not self._left):
                    self._keeper = None
                    return
                if not self._left and at is not None:
                    self._work.wait(max(0.0, at - time.monotonic()))
