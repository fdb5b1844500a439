"""What dsql-dr-client costs on a healthy pair, against psycopg_pool with AWS's connector, on one PostgreSQL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from aurora_dsql_psycopg import AuroraDSQLPool

from dsql_dr_client import FailoverPool
from tests.client.pair_of_endpoints import EAST, HOSTS
from tests.postgresql import Postgresql

from .turns import ratio, spread

ROUNDS, TRANSACTIONS = 30, 500


def main() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust", fsync="off")
        where = {"host": folder, "port": database.port, "user": "postgres", "dbname": "postgres"}

        class Directly(psycopg.Connection[Any]):
            @classmethod
            def connect(cls, conninfo: str = "", **given: Any) -> Directly:
                return super().connect(conninfo, **{**given, **where, "sslmode": "disable"})

        bare = AuroraDSQLPool(connection_class=Directly, min_size=1, max_size=1, open=True)
        failover = FailoverPool(
            HOSTS, region=EAST, user="postgres", connection_class=Directly, min_size=1, max_size=1, open=True
        )
        with bare, failover:
            yield (
                "a transaction by dsql-dr-client / by the connector's pool",
                ratio(*_runs(failover, bare, time.perf_counter)),
            )
            more = [
                (one - other) / TRANSACTIONS * 1e6
                for one, other in zip(*_runs(failover, bare, time.process_time), strict=True)
            ]
            yield "CPU time that dsql-dr-client adds to a transaction", spread(more, " µs")
        database.stop()


def _runs(failover: FailoverPool, bare: AuroraDSQLPool, clock: Callable[[], float]) -> list[list[float]]:
    """Seconds of each round, of which the first only warms up."""
    runs: list[list[float]] = [[], []]
    for _ in range(ROUNDS + 1):
        for seconds, pool in zip(runs, (failover, bare), strict=True):
            seconds.append(_timed(pool.run_transaction, clock))
    return [one[1:] for one in runs]


def _timed(run_transaction: Callable[[Callable[[Any], object]], object], clock: Callable[[], float]) -> float:
    began = clock()
    for _ in range(TRANSACTIONS):
        run_transaction(lambda connection: connection.execute("SELECT 1"))
    return clock() - began
