"""Connections that give up on silence, and report to the router what their endpoint does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from aurora_dsql_psycopg import DSQLConnection
from botocore.credentials import CredentialProvider, Credentials
from botocore.session import Session
from psycopg.abc import PQGen
from psycopg_pool import PoolClosed

from ._connection_rate import ConnectionRate
from ._errors import NoAnswer
from ._events import CONNECTION_CREATED, Event
from ._routing import Router

RV = TypeVar("RV")

LIMITS = ("53300", "53400")
"""Too many connections, or too many new ones a second: the endpoint is healthy, and the peer would not be more so."""
LIMIT_MESSAGES = ("too many open connections", "rate exceeded", "too many clients", "connection slots are reserved")
"""libpq gives no SQLSTATE when a login is refused.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html
"""


class SharedCredentials(CredentialProvider):
    """One set of credentials for all connections of a pool; the connector would ask for new ones for each."""

    METHOD = "dsql-dr-client"

    def __init__(self, session: Session | None = None) -> None:
        self._session = session or Session()

    def load(self) -> Credentials | None:
        credentials: Credentials | None = self._session.get_credentials()  # kept by the session, renewed by itself
        return credentials


class Endpoint:
    """What all connections to one endpoint have in common."""

    def __init__(
        self,
        region: str,
        host: str,
        *,
        router: Router,
        rate: ConnectionRate,
        report: Callable[[Event], object],
        leave: Callable[[str], object],
    ) -> None:
        self.region, self.host = region, host
        self.limit = ""
        """Why it took no new connection though it is healthy; empty since it took one."""
        self._router, self._rate, self._report, self._leave = router, rate, report, leave
        self._closing = threading.Event()

    def close(self) -> None:
        """End the wait of connections for their turn."""
        self._closing.set()

    def wait_for_turn(self) -> None:
        seconds = self._rate.reserve()
        if seconds and self._closing.wait(seconds):
            raise PoolClosed("the pool is closed")

    def made(self, connection: psycopg.BaseConnection[Any], begun: float, *, may_be_read_only: bool) -> None:
        """A login succeeded.

        Raises:
            psycopg.errors.ReadOnlySqlTransaction: Its sessions cannot write.
        """
        read_only = (connection.info.parameter_status(name) for name in ("default_transaction_read_only", "in_hot_standby"))
        if "on" in read_only and not may_be_read_only:
            raise psycopg.errors.ReadOnlySqlTransaction("its sessions are read-only")
        self.limit = ""
        attributes: dict[str, str | float] = {"cloud.region": self.region, "server.address": self.host}
        self._report(Event(CONNECTION_CREATED, attributes | {"seconds": time.monotonic() - begun}))
        self._router.connected(self.region)

    def refused(self, error: Exception) -> None:
        """No connection could be made."""
        text = describe(error)
        sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
        if sqlstate in LIMITS or any(message in text for message in LIMIT_MESSAGES):
            self.limit = text
        else:
            self.give_up(text)

    def give_up(self, reason: str) -> None:
        self._router.failed(self.region, reason)
        self._leave(self.region)

    def failed(self, connection: GuardedConnection, error: BaseException) -> None:
        """*error* ended a transaction in *connection*."""
        if connection.silent:
            self._router.silent(self.region, describe(error))
        elif _read_only(error) and not connection.read_only:
            self.give_up(describe(error))
        elif connection.broken:
            self._router.lost(self.region, describe(error))


class GuardedConnection(psycopg.Connection[Any]):
    """What this library adds to a connection class."""

    endpoint: Endpoint
    answer_timeout: float | None = None
    silent = False
    """Whether it was closed because a statement was not answered."""
    proven = False
    """Whether it has answered a statement since its login."""

    @classmethod
    def connect(cls, conninfo: str = "", *, endpoint: Endpoint, answer_timeout: float, **kwargs: Any) -> Any:  # type: ignore[override]
        endpoint.wait_for_turn()
        begun = time.monotonic()
        connection = None
        try:
            connection = super().connect(conninfo, **kwargs)
            endpoint.made(connection, begun, may_be_read_only="read_only" in str(kwargs.get("options")))
        except Exception as error:
            if connection is not None:
                connection.close()
            endpoint.refused(error)
            raise
        connection.endpoint, connection.answer_timeout = endpoint, answer_timeout
        return connection

    def begin(self) -> None:
        """Send BEGIN now, and not with the first statement, unless autocommit is on."""
        with self.lock:
            self.wait(self._start_query())
        self.proven = True

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        if timeout is not None or self.answer_timeout is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.answer_timeout)
        except psycopg.errors._WaitTimeout:
            self.silent = True
            self.pgconn.finish()
            raise NoAnswer(f"There was no answer to a statement within {self.answer_timeout:g} s.") from None


class FailoverConnection(GuardedConnection, DSQLConnection):  # type: ignore[misc]
    """AWS's connector makes a token for each."""


def describe(error: BaseException) -> str:
    """In one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _read_only(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return True
        error = error.__cause__ or error.__context__
    return False
