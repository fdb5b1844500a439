"""What dsql-dr-client costs on a healthy pair, against psycopg_pool with AWS's connector, on one PostgreSQL.

`python -m benchmarks.client` prints it. A transaction stores a row, over TLS on loopback: a fraction of a millisecond,
where one of Aurora DSQL takes several.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from aurora_dsql_psycopg import AuroraDSQLPool

from dsql_dr_client import FailoverPool
from tests.client.pair_of_endpoints import EAST, HOSTS
from tests.postgresql import HOST, Postgresql

from .turns import ratio, spread

ROUNDS, TRANSACTIONS = 30, 300


def main() -> list[tuple[str, str]]:
    """Rows of the report."""
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder))
        where = {"host": HOST, "port": database.port, "user": "postgres", "password": "unused", "sslmode": "require"}
        with psycopg.connect(**where) as connection:
            connection.execute("CREATE TABLE orders (id bigserial PRIMARY KEY, item text NOT NULL)")

        class Directly(psycopg.Connection[Any]):
            @classmethod
            def connect(cls, conninfo: str = "", **given: Any) -> Directly:
                return super().connect(conninfo, **{**given, **where, "dbname": "postgres", "sslrootcert": None})

        bare = AuroraDSQLPool(connection_class=Directly, min_size=1, max_size=1, open=True)
        failover = FailoverPool(HOSTS, region=EAST, user="postgres", connection_class=Directly, min_size=1, max_size=1)
        with bare, failover:
            below, above = _in_turns(bare.run_transaction, failover.run_transaction)
        database.stop()
    added = [1e6 * (one.processor - other.processor) for one, other in zip(above, below, strict=True)]
    return [
        ("a transaction by psycopg_pool with AWS's connector", spread([1000 * one.clock for one in below], " ms")),
        ("a transaction by dsql-dr-client", spread([1000 * one.clock for one in above], " ms")),
        ("**ratio, goal 1.05**", ratio([one.clock for one in above], [one.clock for one in below])),
        ("processor time that it adds", spread(added, " µs")),
    ]


class Seconds(NamedTuple):
    """Of one transaction."""

    clock: float
    processor: float


def _in_turns(*run_transaction: Callable[[Callable[[Any], object]], object]) -> list[list[Seconds]]:
    """By round; the first one only warms up."""
    found: list[list[Seconds]] = [[] for _ in run_transaction]
    for _ in range(ROUNDS + 1):
        for seconds, one in zip(found, run_transaction, strict=True):
            began, processor = time.perf_counter(), time.process_time()
            for _ in range(TRANSACTIONS):
                one(_store)
            ended = time.perf_counter() - began, time.process_time() - processor
            seconds.append(Seconds(*(each / TRANSACTIONS for each in ended)))
    return [one[1:] for one in found]


def _store(connection: Any) -> None:
    connection.execute("INSERT INTO orders (item) VALUES (%s) RETURNING id", ("apple",)).fetchone()


if __name__ == "__main__":
    for name, value in main():
        print(f"{name:50} {value}")
