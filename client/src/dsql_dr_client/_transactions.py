"""Transactions of both pools: what an error says about COMMIT, and whether the work runs again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from contextvars import ContextVar, Token
from enum import Enum, auto
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, Protocol, TypeVar

import psycopg
from psycopg.pq import PipelineStatus, TransactionStatus

from ._connection import GuardedAsyncConnection, GuardedConnection
from ._errors import CommitUnknown, ConflictBudgetExceeded, TransactionEnded
from ._events import RETRIES, Event

T = TypeVar("T")

CONFLICTS: Final = frozenset({"40001", "OC000", "OC001"})
"""Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/working-with-concurrency-control.html"""

READ_ONLY: Final = "25006"
ENDPOINT_LOST: Final = ("08", "57P", READ_ONLY)
"""Connection exceptions, a server that ends, and one that does not write: the endpoint's fault, not the statement's.

Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

SAYS_NOTHING_OF_COMMIT: Final = ("08", "57", "58", "XX", "40003")
"""Of an error at COMMIT: the transaction may be committed all the same."""

FIRST_PAUSE, LONGEST_PAUSE = 0.01, 0.5
"""Seconds. A pause is a random part of what doubles from one to the other, so that those who collided spread out.

Source: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
"""


NOT_RUN_YET: Final = (CoroutineType, GeneratorType, AsyncGeneratorType)
"""What a function of the wrong kind returns at once."""


class Pool(Protocol):
    def _acquire(
        self, deadline: float, answer_timeout: float | None = None
    ) -> AbstractContextManager[GuardedConnection]: ...

    def _report(self, event: Event) -> None: ...


class AsyncPool(Protocol):
    def _acquire(
        self, deadline: float, answer_timeout: float | None = None
    ) -> AbstractAsyncContextManager[GuardedAsyncConnection]: ...

    def _report(self, event: Event) -> None: ...


def run_transaction(
    pool: Pool,
    fn: Callable[[psycopg.Connection[Any]], T],
    *,
    idempotent: bool = False,
    budget: float = 10.0,
    answer_timeout: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> T:
    """As `FailoverPool.run_transaction`."""
    with Run(pool, idempotent=idempotent, budget=budget, clock=clock) as run:
        while True:
            try:
                with pool._acquire(run.deadline, answer_timeout) as connection, run.attempt(connection):
                    result = fn(connection)
                    run.before_commit(connection, result)
                    run.committed(connection.send_commit())
            except Exception as error:
                if not run.is_committed:
                    sleep(run.pause(error))
                    continue
            return result


async def run_transaction_async(
    pool: AsyncPool,
    fn: Callable[[psycopg.AsyncConnection[Any]], Awaitable[T]],
    *,
    idempotent: bool = False,
    budget: float = 10.0,
    answer_timeout: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> T:
    """As `AsyncFailoverPool.run_transaction`."""
    with Run(pool, idempotent=idempotent, budget=budget, clock=clock) as run:
        while True:
            try:
                async with pool._acquire(run.deadline, answer_timeout) as connection:
                    with run.attempt(connection):
                        result = await fn(connection)
                        run.before_commit(connection, result)
                        run.committed(await connection.send_commit())
            except Exception as error:
                if not run.is_committed:
                    await sleep(run.pause(error))
                    continue
            return result


class _Step(Enum):
    CONNECTING = auto()
    WORKING = auto()
    COMMITTING = auto()
    COMMITTED = auto()


class Run:
    """One call of run_transaction, without I/O: where it is, and what an error means there."""

    def __init__(self, pool: Pool | AsyncPool, *, idempotent: bool, budget: float, clock: Callable[[], float]) -> None:
        self._pool = pool
        self._idempotent = idempotent
        self._clock = clock
        self.deadline = clock() + budget
        self._attempts = 0
        self._region = ""
        self._step = _Step.CONNECTING
        self._unknown = False  # whether an attempt before this one may have committed
        self._token: Token[tuple[Run, ...]] | None = None

    def __enter__(self) -> Run:
        outer = _RUNNING.get()
        if any(one._pool is self._pool and one._token for one in outer):
            raise psycopg.ProgrammingError(
                "run_transaction was called by the function that it runs, which would be a second transaction, kept "
                "when the first is not: hand the connection on instead."
            )
        self._token = _RUNNING.set((*outer, self))
        return self

    def __exit__(self, *error: object) -> None:
        if self._token:
            _RUNNING.reset(self._token)
            self._token = None

    @contextmanager
    def attempt(self, connection: GuardedConnection | GuardedAsyncConnection) -> Iterator[None]:
        """While the function has *connection*.

        Raises:
            psycopg.ProgrammingError: It is in no transaction, or was in none any more when the function raised.
        """
        if connection.autocommit:
            raise psycopg.ProgrammingError(
                "autocommit is on, so that each statement would be stored at once: leave it out of kwargs and "
                "configure, or use pool.connection()."
            )
        self._attempts += 1
        self._connection, self._region = connection, connection.endpoint.region
        self._step = _Step.WORKING
        connection.lent = True
        try:
            yield
        except Exception as error:
            ended = self._step is _Step.WORKING and connection.pgconn.transaction_status == TransactionStatus.IDLE
            if ended and not isinstance(error, TransactionEnded):
                raise TransactionEnded from error
            raise
        finally:
            connection.lent = False

    def before_commit(self, connection: GuardedConnection | GuardedAsyncConnection, result: object) -> None:
        """Raises:
        psycopg.ProgrammingError: The function did with the transaction what is not its own to do.
        psycopg.errors.InFailedSqlTransaction: COMMIT would be answered with ROLLBACK.
        """
        if isinstance(result, NOT_RUN_YET):
            if isinstance(result, CoroutineType):
                result.close()  # or Python warns that nobody awaited it
            raise psycopg.ProgrammingError(
                f"The function returned a {type(result).__name__}, which would run after COMMIT: FailoverPool takes a "
                "plain function, AsyncFailoverPool one that is async."
            )
        status = connection.pgconn.transaction_status
        if status == TransactionStatus.IDLE:
            raise TransactionEnded
        if connection.pgconn.pipeline_status != PipelineStatus.OFF:
            connection.discard()  # who has it next would be in that pipeline, too
            raise psycopg.ProgrammingError(
                "The function returned while a pipeline is still open: leave its with statement before that."
            )
        if status == TransactionStatus.ACTIVE:
            raise psycopg.ProgrammingError(
                "The function returned while a statement is still running: read its rows to the end."
            )
        if status != TransactionStatus.INTRANS:
            raise psycopg.errors.InFailedSqlTransaction(
                "The function caught an error of the database and returned, but that error had ended the transaction: "
                "nothing is stored; let the error leave the function."
            )
        self._step = _Step.COMMITTING

    def committed(self, answer: str) -> None:
        if answer != "COMMIT":
            raise psycopg.errors.InFailedSqlTransaction(f"COMMIT was answered with {answer}: nothing is stored.")
        self._step = _Step.COMMITTED

    @property
    def is_committed(self) -> bool:
        return self._step is _Step.COMMITTED

    def pause(self, error: Exception) -> float:
        """Seconds until the function runs again after *error*.

        Raises:
            CommitUnknown: This attempt, or one before it, may have committed.
            ConflictBudgetExceeded: No attempt has.
            Exception: It does not run again after *error*, which is raised as it is.
        """
        reason, from_function = self._reason(error), self._step is _Step.WORKING
        self._step = _Step.CONNECTING
        self._unknown |= reason == "commit unknown"
        pause = random.uniform(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._attempts, 10)))
        repeatable = reason == "conflict" or (reason is not None and self._idempotent)
        if repeatable and self._clock() + pause < self.deadline:
            attributes: dict[str, str | float] = {"reason": reason or "", "attempt": self._attempts}
            self._pool._report(Event(RETRIES, {**attributes, "cloud.region": self._region}))
            return pause
        if from_function and reason is None and not isinstance(error, psycopg.Error):
            raise error
        if self._unknown:
            raise CommitUnknown(self._attempts, self._region) from error
        if reason == "conflict":
            raise ConflictBudgetExceeded(self._attempts, self._region) from error
        raise error

    def _reason(self, error: Exception) -> str | None:
        """Why the transaction may run again. None: it may not."""
        sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
        if self._step is _Step.CONNECTING:
            return None
        if sqlstate in CONFLICTS:
            return "conflict"
        if self._step is _Step.COMMITTING:
            return None if _surely_not_committed(error) else "commit unknown"
        return "connection lost" if self._lost(error) else None

    def _lost(self, error: Exception) -> bool:
        if not isinstance(error, psycopg.OperationalError | psycopg.errors.ReadOnlySqlTransaction):
            return False
        if error.sqlstate == READ_ONLY:
            return not self._connection.read_only  # where that was asked for, it is the function's own mistake
        return error.sqlstate.startswith(ENDPOINT_LOST) if error.sqlstate else bool(self._connection.closed)


def _surely_not_committed(error: Exception) -> bool:
    """Whether the database answered COMMIT with an error that ends the transaction, not the session."""
    if not isinstance(error, psycopg.Error) or not error.sqlstate:
        return False
    ends_session = error.diag.severity_nonlocalized in ("FATAL", "PANIC")
    return not ends_session and not error.sqlstate.startswith(SAYS_NOTHING_OF_COMMIT)


_RUNNING: ContextVar[tuple[Run, ...]] = ContextVar("dsql_dr_client_running", default=())
