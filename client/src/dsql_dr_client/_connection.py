"""Connections that give up without an answer, and report to their endpoint. AWS's connector makes a token for each."""

from __future__ import annotations

import asyncio
import math
import time
from contextvars import ContextVar
from typing import Any, TypeVar

import psycopg
from aurora_dsql_psycopg import DSQLAsyncConnection, DSQLConnection
from botocore.credentials import CredentialProvider, Credentials
from botocore.session import Session
from dsql_core.connection_utils import ConnectionUtilities
from psycopg.abc import PQGen, PQGenConn
from typing_extensions import Self

from ._endpoint import INTERVAL, Endpoint, Guarded
from ._errors import TransactionEnded

RV = TypeVar("RV")

CANCEL_TIMEOUT = 1.0
"""Seconds in which an endpoint must have accepted that a statement is cancelled."""
_CONNECT_UNTIL: ContextVar[float] = ContextVar("connect_until", default=math.inf)


class Lent(psycopg.BaseConnection[Any]):
    """While the function of run_transaction has the connection, only run_transaction begins and ends transactions."""

    lent = False

    def _get_tx_start_command(self) -> bytes:
        """What psycopg sends with the next statement after a COMMIT or ROLLBACK that it does not know of."""
        if self.lent:
            raise TransactionEnded
        return super()._get_tx_start_command()

    def _commit_gen(self) -> PQGen[None]:
        self._check_not_lent()
        return super()._commit_gen()

    def _rollback_gen(self) -> PQGen[None]:
        self._check_not_lent()
        return super()._rollback_gen()

    def _check_not_lent(self) -> None:
        if self.lent:
            raise psycopg.ProgrammingError(
                "The function called commit() or rollback(), or used the connection in a with statement: leave COMMIT "
                "to run_transaction, and raise an exception to roll back."
            )

    def discard(self) -> None:
        """Close it, which says nothing about its endpoint."""
        self._closed = True
        self.pgconn.finish()

    def _answer_of_commit(self) -> PQGen[str]:
        result = yield from self._exec_command(b"COMMIT")
        return ((result and result.command_status) or b"").decode()


class GuardedConnection(Guarded, Lent, psycopg.Connection[Any]):
    """What this library adds to a connection class."""

    @classmethod
    def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        endpoint: Endpoint,
        answer_timeout: float,
        configure: Any = None,
        prove: bool = False,
        **kwargs: Any,
    ) -> Self:
        time.sleep(endpoint.rate.reserve())
        begun = time.monotonic()
        connection = None
        connecting = _CONNECT_UNTIL.set(begun + kwargs["connect_timeout"])
        try:
            connection = super().connect(conninfo, **kwargs)
            connection.endpoint, connection.answer_timeout = endpoint, answer_timeout
            if configure:
                configure(connection)
            if prove:
                connection.begin()
                connection.rollback()
            endpoint.made(connection, time.monotonic() - begun, read_only=_asks_for_read_only(kwargs))
        except Exception as error:
            if connection:
                connection.close()
            endpoint.refused(error)
            raise
        finally:
            _CONNECT_UNTIL.reset(connecting)
        return connection

    @classmethod
    def _connect_gen(cls, conninfo: str = "") -> PQGenConn[Self]:
        """As psycopg's, which would give each address of the host the whole connect_timeout."""
        gen, ready = super()._connect_gen(conninfo), None
        try:
            while time.monotonic() < _CONNECT_UNTIL.get():
                ready = yield gen.send(ready)  # type: ignore[arg-type] # None begins it
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
        raise psycopg.errors.ConnectionTimeout("connection timeout expired")

    def begin(self) -> None:
        """Send BEGIN now, and not with the first statement, unless autocommit is on; nobody else has it yet."""
        self.wait(self._start_query())
        self.proven = True

    def send_commit(self) -> str:
        """As commit(), for run_transaction. Returns the database's answer: a transaction that failed has ROLLBACK."""
        with self.lock:
            return self.wait(self._answer_of_commit())

    def _try_cancel(self, *, timeout: float = CANCEL_TIMEOUT) -> None:
        """Of an interrupted statement. Where it fails, psycopg would wait for the statement's answer all the same."""
        try:
            self.cancel_safe(timeout=min(timeout, CANCEL_TIMEOUT))
        except Exception:
            self.unanswered = True
            self.pgconn.finish()

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        try:
            return super().wait(gen, timeout=INTERVAL)
        except psycopg.errors._WaitTimeout:  # most answers come at once, and that is the faster way for them
            pass
        return super().wait(self.answered(gen), *args, **kwargs)


class GuardedAsyncConnection(Guarded, Lent, psycopg.AsyncConnection[Any]):
    """As `GuardedConnection`."""

    @classmethod
    async def connect(  # type: ignore[override]
        cls,
        conninfo: str = "",
        *,
        endpoint: Endpoint,
        answer_timeout: float,
        configure: Any = None,
        prove: bool = False,
        **kwargs: Any,
    ) -> Self:
        await asyncio.sleep(endpoint.rate.reserve())
        begun = time.monotonic()
        connection = None
        try:
            # for each address that the host has, psycopg would wait as long
            connecting = super().connect(conninfo, **kwargs)
            connection = await asyncio.wait_for(connecting, kwargs["connect_timeout"])
            connection.endpoint, connection.answer_timeout = endpoint, answer_timeout
            if configure:
                await configure(connection)
            if prove:
                await connection.begin()
                await connection.rollback()
            endpoint.made(connection, time.monotonic() - begun, read_only=_asks_for_read_only(kwargs))
        except Exception as error:
            if connection:
                await connection.close()
            endpoint.refused(error)
            raise
        return connection

    async def begin(self) -> None:
        """As `GuardedConnection.begin`."""
        await self.wait(self._start_query())
        self.proven = True

    async def send_commit(self) -> str:
        """As `GuardedConnection.send_commit`."""
        async with self.lock:
            return await self.wait(self._answer_of_commit())

    async def _try_cancel(self, *, timeout: float = CANCEL_TIMEOUT) -> None:
        """As `GuardedConnection._try_cancel`."""
        try:
            await self.cancel_safe(timeout=min(timeout, CANCEL_TIMEOUT))
        except Exception:
            self.unanswered = True
            self.pgconn.finish()

    async def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        try:
            return await super().wait(gen, timeout=INTERVAL)
        except psycopg.errors._WaitTimeout:
            pass
        return await super().wait(self.answered(gen), *args, **kwargs)


class AsyncDSQLConnection(DSQLAsyncConnection):  # type: ignore[misc]
    """The connector would make the token in the event loop, which takes tens of milliseconds, and as long as IAM."""

    @classmethod
    async def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        names = ("autocommit", "prepare_threshold", "context", "row_factory", "cursor_factory")
        own = {name: kwargs.pop(name) for name in names if name in kwargs}
        make = ConnectionUtilities.parse_properties_and_set_token
        parameters = await asyncio.to_thread(make, conninfo, kwargs, driver_name="psycopg")
        connection: Self = await super(DSQLAsyncConnection, cls).connect(**own, **parameters)
        return connection


def guarded(own: type[psycopg.Connection[Any]] | None) -> type[GuardedConnection]:
    """*own* as a pool needs it. Default: AWS's."""
    own = own or DSQLConnection
    return type(own.__name__, (GuardedConnection, own), {})


def guarded_async(own: type[psycopg.AsyncConnection[Any]] | None) -> type[GuardedAsyncConnection]:
    """As `guarded`."""
    own = own or AsyncDSQLConnection
    return type(own.__name__, (GuardedAsyncConnection, own), {})


class SharedCredentials(CredentialProvider):  # type: ignore[misc]
    """One set of credentials for all connections of a pool; the connector would ask for new ones for each."""

    METHOD = "dsql-dr-client"

    def __init__(self) -> None:
        self._session = Session()

    def load(self) -> Credentials | None:
        return self._session.get_credentials()  # kept by the session, and renewed by themselves


def dsql_parameters() -> dict[str, Any]:
    """For AWS's connection class, which by itself does not verify whom it talks to."""
    return {
        "sslmode": "verify-full",
        "sslrootcert": "system",
        "custom_credentials_provider": SharedCredentials(),
    }


def _asks_for_read_only(kwargs: dict[str, Any]) -> bool:
    return "read_only" in str(kwargs.get("options"))
