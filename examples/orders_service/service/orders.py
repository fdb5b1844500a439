"""Orders in Aurora DSQL, in a transaction that may run again: no order twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

import psycopg

from dsql_dr_client import FailoverPool

T = TypeVar("T")


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
    """The table ``orders``, and what is ``sold`` of each item.

    Args:
        pool: Connections to both endpoints of the database.
    """

    endpoint = ""
    """That of the last transaction."""

    def __init__(self, pool: FailoverPool) -> None:
        self._pool = pool

    def accept(self, order: Order) -> bool:
        """Store *order*; False if it had been stored before. To send one again is safe, however the first try ended.

        Raises:
            OtherContentsError: its id belongs to another order.
            UnavailableError: nobody can say whether it is stored.
        """
        return self._in_transaction(lambda connection: _store(connection, order))

    def find(self, id: UUID) -> Order | None:
        """The order with this id."""
        return self._in_transaction(lambda connection: _find(connection, id))

    def _in_transaction(self, work: Callable[[psycopg.Connection], T]) -> T:
        def run(connection: psycopg.Connection) -> T:
            self.endpoint = connection.info.host
            return work(connection)

        try:
            # idempotent, since an order's id is its key: what was stored before a connection broke is found again
            return self._pool.run_transaction(run, idempotent=True)
        except psycopg.OperationalError as error:
            raise UnavailableError from error


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
