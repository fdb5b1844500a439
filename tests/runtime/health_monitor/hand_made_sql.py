"""One database behind two endpoints, which answer the SQL probe, or fail as set up."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from dsql_dr_constructs.runtime.database_session import LoginRefusedError, NoConnectionError, SqlError

REGIONS = ("us-east-1", "us-west-2")
_INSERT = re.compile(
    r"INSERT INTO (\S+) .*\nVALUES \('([a-z0-9-]+)', '([0-9a-f]{32})', now\(\)\)\nON CONFLICT", re.DOTALL
)
_SELECT = re.compile(r"SELECT beat, written_at FROM (\S+)\nWHERE endpoint = '([a-z0-9-]+)'")

Fault = Callable[[str, str], None]
"""Raises what an endpoint does instead of answering: given the Region, and login, write or reading."""


class Database:
    """Rows by endpoint; what is committed is there at once, except through an endpoint in *stale*."""

    def __init__(self, fault: Fault = lambda region, what: None) -> None:
        self.fault = fault
        self.stale: set[str] = set()
        """Regions whose endpoint shows only what was committed through itself."""
        self.forgetful: set[str] = set()
        """Regions whose endpoint shows nothing."""
        self.rows: dict[str, tuple[str, datetime]] = {}
        self.transactions = 0
        self.open: list[Session] = []
        self.tokens: list[str] = []
        self._lock = threading.Lock()

    def connect(
        self, host: str, port: int, *, role: str, token: str, tls: Any, time_left: Callable[[], float]
    ) -> Session:
        assert (port, role, token) == (5432, "dsql_dr_us_east_1", f"token for {host}")
        region = host.partition(".")[0]
        self.fault(region, "login")
        session = Session(self, region)
        self.open.append(session)
        self.tokens.append(token)
        return session

    def commit(self, endpoint: str, beat: str) -> datetime:
        with self._lock:
            self.transactions += 1
            written_at = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=self.transactions)
            self.rows[endpoint] = beat, written_at
            return written_at


class Session:
    """One session with the endpoint in *region*."""

    def __init__(self, database: Database, region: str) -> None:
        self._database = database
        self._region = region

    def run(self, statement: str) -> list[list[Any]]:
        assert self in self._database.open
        if found := _INSERT.match(statement):
            table, endpoint, beat = found.groups()
            assert endpoint == self._region, "each endpoint has a row of its own"
            self._database.fault(self._region, "write")
            answer: list[Any] = [self._database.commit(endpoint, beat)]
        else:
            table, endpoint = _SELECT.fullmatch(statement).groups()  # type: ignore[union-attr]
            self._database.fault(self._region, "reading")
            row = self._database.rows.get(endpoint)
            stale = self._region in self._database.stale and endpoint != self._region
            if not row or stale or self._region in self._database.forgetful:
                return []
            answer = [*row]
        assert table == 'dsql_dr."beat_us_east_1"'
        return [answer]

    def close(self) -> None:
        self._database.open.remove(self)


def no_connection() -> SqlError:
    return NoConnectionError("the connection failed: Connection refused")


def denied() -> SqlError:
    return LoginRefusedError("the login: unable to accept connection, access denied (08006)", "08006")


def refused(sqlstate: str) -> SqlError:
    return SqlError(f"STATEMENT: no ({sqlstate})", sqlstate)
