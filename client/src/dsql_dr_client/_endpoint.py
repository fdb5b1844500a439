"""What a pool learns of one endpoint from the connections to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.waiting import READY_NONE

from ._connection_rate import ConnectionRate
from ._errors import NoAnswer
from ._events import CONNECTION_CREATED, Event
from ._routing import Router, State

LIMITS = ("53300", "53400")
"""Too many connections, or too many new ones a second: the endpoint is healthy, and the peer would not be more so."""
LIMIT_MESSAGES = (
    "too many open connections",
    "rate exceeded",
    "too many clients",
    "too many connections",
    "connection slots are reserved",
)
"""libpq gives no SQLSTATE when a login is refused; the first two are those of Aurora DSQL, the others of PostgreSQL.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html
"""
READ_ONLY_SETTINGS = ("default_transaction_read_only", "in_hot_standby")
"""Reported by PostgreSQL at each login."""

RV = TypeVar("RV")

INTERVAL = 0.1
"""Seconds after which psycopg resumes what waits for its socket."""


class Guarded(psycopg.BaseConnection[Any]):
    """What a pool has to know of a connection."""

    endpoint: Endpoint
    answer_timeout: float | None = None
    """Seconds."""
    unanswered = False
    """Whether it was closed because a statement was not answered."""
    proven = False
    """Whether it has answered a statement since its login."""

    def answered(self, gen: PQGen[RV]) -> PQGen[RV]:
        """*gen*, which has had no answer for `INTERVAL`; psycopg resumes it when its socket is ready, and as often.

        Raises:
            NoAnswer: Nothing has come for `answer_timeout`; the connection is closed.
        """
        try:
            wanted = gen.send(READY_NONE)
            until = time.monotonic() - INTERVAL + self.answer_timeout if self.answer_timeout else 0.0
            while True:
                ready = yield wanted
                if ready or not self.answer_timeout:
                    until = 0.0
                elif not until:
                    until = time.monotonic() - INTERVAL + self.answer_timeout
                if until and time.monotonic() >= until:
                    self.unanswered = True
                    self.pgconn.finish()
                    raise NoAnswer(f"There was no answer to a statement within {self.answer_timeout:g} s.")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]


class Endpoint:
    """Connections report to it what happened to them, and it decides what the router has to know.

    Args:
        region: Its Region.
        host: Its host name.
        router: Of all endpoints of the pool.
        rate: Of new connections of the pool.
        report: Takes events.
        leave: Called with the Region when its connections are to be closed.
    """

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
        self.region, self.host, self.rate = region, host, rate
        self.limit = ""
        """Why it took no new connection though it is healthy; empty since it took one."""
        self._router, self._report, self._leave = router, report, leave

    def made(self, connection: psycopg.BaseConnection[Any], seconds: float, *, read_only: bool) -> None:
        """A login succeeded.

        Raises:
            psycopg.errors.ReadOnlySqlTransaction: Its sessions cannot write, and the caller did not ask for that.
            psycopg.ProgrammingError: The caller's *configure* did not end its transaction.
        """
        if not read_only and any(connection.info.parameter_status(name) == "on" for name in READ_ONLY_SETTINGS):
            raise psycopg.errors.ReadOnlySqlTransaction("sessions are read-only")
        if connection.info.transaction_status != TransactionStatus.IDLE:
            raise psycopg.ProgrammingError("configure left a transaction open: end it there with commit().")
        self.limit = ""
        attributes: dict[str, str | float] = {"cloud.region": self.region, "server.address": self.host}
        self._report(Event(CONNECTION_CREATED, attributes | {"seconds": seconds}))
        self._router.connected(self.region)

    def refused(self, error: BaseException) -> None:
        """No connection could be made."""
        text = describe(error)
        sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
        at_limit = sqlstate in LIMITS or any(message in text for message in LIMIT_MESSAGES)
        if at_limit and self._router.state(self.region) is State.CLOSED:
            self.limit = text
        else:
            self._fail(text)

    def dead(self, connection: Guarded, error: Exception) -> bool:
        """BEGIN was not answered. Returns whether the endpoint is to blame, and not only an old connection."""
        if connection.unanswered:
            self._suspect(error)
        elif not connection.proven:
            self._router.lost(self.region, describe(error))
        return connection.unanswered

    def interrupted(self, connection: Guarded, error: BaseException) -> None:
        """*error* ended a transaction."""
        if connection.unanswered:
            self._suspect(error)
        elif _read_only(error) and not connection.read_only:
            self._fail(describe(error))
        elif connection.broken:
            self._router.lost(self.region, describe(error))

    def _suspect(self, error: BaseException) -> None:
        """The idle connections are as old and would take as long, and so would a new one for those who wait."""
        self._router.unanswered(self.region, describe(error))
        self._leave(self.region)

    def _fail(self, reason: str) -> None:
        self._router.failed(self.region, reason)
        self._leave(self.region)


def describe(error: BaseException) -> str:
    """In one line."""
    return " ".join(str(error).split()) or type(error).__name__


def _read_only(error: BaseException | None) -> bool:
    """Also if the caller's code made its own exception of it."""
    seen = set[int]()  # of ``raise error from error``
    while error and id(error) not in seen:
        if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False
