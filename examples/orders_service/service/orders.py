"""Orders in Aurora DSQL: this Region's endpoint first, the peer's when it fails, and no order twice."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import aurora_dsql_psycopg as dsql
import psycopg

T = TypeVar("T")

CONNECT_SECONDS = 2
"""How long an endpoint may take to let us in, before the peer is asked."""
AVOID_SECONDS = 20.0
"""How long an endpoint that failed is asked last."""
RENEW_SECONDS = 45 * 60.0
"""Aurora DSQL ends a connection after an hour: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"""
NO_ANSWER_MILLISECONDS = 3000
"""How long a connection may be without an answer from the network before it is given up."""
ENOUGH_SECONDS = 10.0
"""How long an order is tried; the function's own time-out is longer."""
LONGEST_WAIT = 0.5


class UnavailableError(Exception):
    """Neither endpoint took it in time. It may have been stored all the same: send it again with the same id."""


class OtherContentsError(Exception):
    """The id is taken by an order with other contents."""


@dataclass(frozen=True)
class Order:
    id: UUID
    item: str
    quantity: int


class Orders:
    """Keeps one connection, as a function that handles one request at a time needs.

    Args:
        endpoints: Host names by Region, the one to prefer first. Both are of one database, strongly consistent.
        user: Database role that is mapped to the function's role.

    Raises:
        ValueError: an endpoint is none of Aurora DSQL in its Region: orders would be written who knows where.
    """

    def __init__(self, endpoints: Mapping[str, str], *, user: str = "orders") -> None:
        for region, host in endpoints.items():
            # and no port, so that it is PostgreSQL's own, 5432
            if not re.fullmatch(rf"[a-z0-9]{{26}}\.dsql[a-z0-9-]*\.{re.escape(region)}\.on\.aws", host):
                raise ValueError(f"The endpoint for {region} is {host!r}, and none of Aurora DSQL there.")
        self._endpoints = list(endpoints.values())
        self._user = user
        self._connection: psycopg.Connection | None = None
        self._made_at = 0.0
        self._failed_at: dict[str, float] = {}
        self.endpoint = ""

    def accept(self, order: Order) -> bool:
        """Store *order*; False if it had been stored before. To send one again is safe, however the first try ended.

        Raises:
            OtherContentsError: its id belongs to another order.
            UnavailableError: nobody can say whether it is stored.
        """
        return self._in_transaction(lambda connection: _store(connection, order))

    def find(self, id: UUID) -> Order | None:
        return self._in_transaction(lambda connection: _find(connection, id))

    def _in_transaction(self, work: Callable[[psycopg.Connection], T]) -> T:
        """Run *work* until it commits: after a conflict, and, since it is idempotent, after an unknown outcome, too."""
        until, conflicts = time.monotonic() + ENOUGH_SECONDS, 0
        problem: Exception | None = None
        while time.monotonic() < until:
            try:
                connection = self._connected()
                with connection.transaction():
                    return work(connection)
            except psycopg.errors.SerializationFailure as error:  # 40001: somebody else was first; nothing is stored
                problem, conflicts = error, conflicts + 1
                time.sleep(random.uniform(0, min(LONGEST_WAIT, 0.01 * 2**conflicts)))  # full jitter
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:  # it may be stored, or not
                problem = error
                self._leave()
                time.sleep(random.uniform(0, 0.1))
        raise UnavailableError from problem

    def _connected(self) -> psycopg.Connection:
        now = time.monotonic()
        avoided = {one for one, when in self._failed_at.items() if now - when < AVOID_SECONDS}
        best = min(self._endpoints, key=lambda one: (one in avoided, self._failed_at.get(one, 0.0) if avoided else 0))
        old = now - self._made_at > RENEW_SECONDS
        returns = best == self._endpoints[0] != self.endpoint and best not in avoided
        if self._connection and (old or returns):
            self._connection.close()
            self._connection = None
        if not self._connection:
            self.endpoint, self._made_at = best, now
            self._connection = dsql.connect(
                host=best,
                user=self._user,
                sslmode="verify-full",
                sslrootcert="system",
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=NO_ANSWER_MILLISECONDS,
                autocommit=True,
            )
        return self._connection

    def _leave(self) -> None:
        """The endpoint failed: the next connection goes to the other one."""
        self._failed_at[self.endpoint] = time.monotonic()
        if self._connection:
            self._connection.close()
            self._connection = None


def _store(connection: psycopg.Connection, order: Order) -> bool:
    stored = connection.execute(
        "INSERT INTO orders (id, item, quantity) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING",
        (order.id, order.item, order.quantity),
    ).rowcount
    if stored:
        connection.execute("UPDATE sold SET quantity = quantity + %s WHERE item = %s", (order.quantity, order.item))
    elif _find(connection, order.id) != order:
        raise OtherContentsError
    return bool(stored)


def _find(connection: psycopg.Connection, id: UUID) -> Order | None:
    row = connection.execute("SELECT id, item, quantity FROM orders WHERE id = %s", (id,)).fetchone()
    return Order(*row) if row else None
