"""What dsql-dr-client costs on a healthy pair, against psycopg_pool with AWS's connector, on one PostgreSQL.

`python -m benchmarks.client` prints it. A transaction stores a row, over TLS on loopback: a fraction of a millisecond,
where one of Aurora DSQL takes several.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
    return [
        ("a transaction by psycopg_pool with AWS's connector", spread([1000 * one for one in below], " ms")),
        ("a transaction by dsql-dr-client", spread([1000 * one for one in above], " ms")),
        ("**ratio, goal 1.05**", ratio(above, below)),
    ]


def _in_turns(*run_transaction: Callable[[Callable[[Any], object]], object]) -> list[list[float]]:
    """Seconds of a transaction, by round; the first one only warms up."""
    found: list[list[float]] = [[] for _ in run_transaction]
    for _ in range(ROUNDS + 1):
        for seconds, one in zip(found, run_transaction, strict=True):
            began = time.perf_counter()
            for _ in range(TRANSACTIONS):
                one(_store)
            seconds.append((time.perf_counter() - began) / TRANSACTIONS)
    return [one[1:] for one in found]


def _store(connection: Any) -> None:
    connection.execute("INSERT INTO orders (item) VALUES (%s) RETURNING id", ("apple",)).fetchone()


if __name__ == "__main__":
    for name, value in main():
        print(f"{name:50} {value}")
