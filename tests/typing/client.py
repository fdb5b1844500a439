"""The client as a typed user writes it, read as api.py is."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from dsql_dr_client import (
    AllEndpointsFailed,
    AsyncFailoverPool,
    CommitUnknown,
    ConflictBudgetExceeded,
    Event,
    FailoverPool,
)

ENDPOINTS: Mapping[str, str] = {"us-east-1": "own", "us-west-2": "peer"}


def seen(event: Event) -> None:
    name: str = event.name
    attributes: Mapping[str, str | float] = event.attributes
    assert name, attributes


def pools() -> tuple[FailoverPool, AsyncFailoverPool]:
    given = FailoverPool(
        ENDPOINTS,
        region="us-east-1",
        user="orders",
        min_size=1,
        max_size=8,
        timeout=5.0,
        answer_timeout=2.0,
        return_after=60.0,
        max_connection_rate=10.0,
        kwargs={"application_name": "orders"},
        on_event=seen,
    )
    return given, AsyncFailoverPool(deployment="orders", user="orders", open=False)


def count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM orders").fetchone()
    return int(row[0]) if row else 0


def a_request(pool: FailoverPool) -> int | None:
    try:
        with pool.connection(timeout=1.0) as connection:
            connection.execute("SELECT 1")
        stored: int = pool.run_transaction(count, idempotent=True, budget=5.0, answer_timeout=1.0)
    except (AllEndpointsFailed, CommitUnknown, ConflictBudgetExceeded) as error:
        state: str | None = error.sqlstate
        assert state
        return None
    return stored if pool.region_in_use == "us-east-1" else 0


async def count_async(connection: psycopg.AsyncConnection) -> int:
    row = await (await connection.execute("SELECT count(*) FROM orders")).fetchone()
    return int(row[0]) if row else 0


async def an_asynchronous_request(pool: AsyncFailoverPool) -> int:
    async with pool, pool.connection() as connection:
        await connection.execute("SELECT 1")
        stored: int = await pool.run_transaction(count_async, idempotent=True)
        return stored
