"""Nothing is lost and nothing is done twice, whatever an endpoint does; and failing over is no storm."""

from __future__ import annotations

import random
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from dsql_dr_client import CommitUnknown, FailoverPool

from tests.client.pair_of_endpoints import EAST, WEST, PairOfEndpoints, pair_of_endpoints

TRANSACTIONS, WORKERS = 20_000, 16
ACCOUNTS = 40
PHASES = ["healthy", "refused", "reset", "black-hole", "slow", "read-only", "flapping"]
"""Of the eastern endpoint, then of the western one, each for the same number of transactions."""


@pytest.fixture
def pair() -> Iterator[PairOfEndpoints]:
    with pair_of_endpoints() as one:
        yield one


@dataclass
class Load:
    """Transfers by *WORKERS* threads, half of them in each Region, with endpoints that fail one after the other."""

    pair: PairOfEndpoints
    pools: dict[str, FailoverPool]
    done: set[uuid.UUID] = field(default_factory=set)
    unknown: int = 0
    longest: dict[str, float] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(TRANSACTIONS)))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _phase: str = "healthy"

    def work(self, worker: int) -> None:
        region = (EAST, WEST)[worker % 2]
        for number in self._taken():
            id, began = uuid.uuid4(), time.monotonic()
            phase = f"{self._phase}, own Region {region}"
            if worker % 4 < 2:
                self._until_done_by_the_library(self.pools[region], id, worker)
            else:
                self._until_done_by_the_application(self.pools[region], id, worker)
            self._note(number, id, phase, time.monotonic() - began)

    def _taken(self) -> Iterator[int]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
                if number is None:
                    return
                self._enter(number)
            yield number

    def _enter(self, number: int) -> None:
        """The phase that transaction *number* belongs to; the worker that takes its first one changes it."""
        size = TRANSACTIONS // (2 * len(PHASES))
        index, within = divmod(number, size)
        phase, region = PHASES[index % len(PHASES)], (EAST, WEST)[index // len(PHASES) % 2]
        if within == 0:
            self.pair.recover()
            self._phase = f"{region} {phase}"
            if phase not in ("healthy", "flapping"):
                self.pair.fail(region, phase)
        elif phase == "flapping" and within % 100 == 0:
            self.pair.fail(region, "refused" if within // 100 % 2 else "healthy")

    def _until_done_by_the_library(self, pool: FailoverPool, id: uuid.UUID, worker: int) -> None:
        """The transaction may run again: the library does it as long as its budget lasts."""

        def transfer(connection: psycopg.Connection[Any]) -> None:
            new = connection.execute("INSERT INTO transfers VALUES (%s, %s) ON CONFLICT DO NOTHING", (id, worker))
            if new.rowcount:
                _count(connection)

        while True:
            try:
                return pool.run_transaction(transfer, idempotent=True)
            except psycopg.OperationalError:
                continue  # its budget is used up

    def _until_done_by_the_application(self, pool: FailoverPool, id: uuid.UUID, worker: int) -> None:
        """The transaction may not run again: after an unknown outcome the application asks what became of it."""

        def transfer(connection: psycopg.Connection[Any]) -> None:
            connection.execute("INSERT INTO transfers VALUES (%s, %s)", (id, worker))
            _count(connection)

        def is_there(connection: psycopg.Connection[Any]) -> bool:
            return bool(connection.execute("SELECT FROM transfers WHERE id = %s", (id,)).rowcount)

        asked = False
        while True:
            try:
                if asked and pool.run_transaction(is_there):
                    return None
                return pool.run_transaction(transfer)
            except psycopg.errors.UniqueViolation:
                assert asked, "it was stored, and nobody said that the outcome is unknown"
                return None
            except CommitUnknown:
                asked = True
                with self._lock:
                    self.unknown += 1
            except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
                continue  # it was not committed

    def _note(self, number: int, id: uuid.UUID, phase: str, seconds: float) -> None:
        with self._lock:
            self.done.add(id)
            self.longest[phase] = max(self.longest.get(phase, 0.0), seconds)


def _count(connection: psycopg.Connection[Any]) -> None:
    account = random.randrange(ACCOUNTS)  # noqa: S311 - some conflict
    connection.execute("UPDATE totals SET transfers = transfers + 1 WHERE account = %s", (account,))


def test_no_transaction_is_lost_or_done_twice_while_endpoints_fail(pair: PairOfEndpoints) -> None:
    pair.ask("INSERT INTO totals SELECT account, 0 FROM generate_series(0, %s) AS account", ACCOUNTS - 1)
    with (
        pair.pool(EAST, max_size=8, connect_timeout=2, return_after=0.5) as east,
        pair.pool(WEST, max_size=8, connect_timeout=2, return_after=0.5) as west,
    ):
        load = Load(pair, {EAST: east, WEST: west})
        with ThreadPoolExecutor(WORKERS) as workers:
            list(workers.map(load.work, range(WORKERS)))
    for phase, seconds in sorted(load.longest.items()):
        print(f"longest transaction that began with {phase}: {seconds:.2f} s")  # noqa: T201 - it is to be read
    print(f"outcomes that were unknown: {load.unknown}")  # noqa: T201
    stored = pair.ask("SELECT id FROM transfers")
    assert len(stored) == TRANSACTIONS
    assert set(stored) == load.done
    assert pair.ask("SELECT sum(transfers)::integer FROM totals") == [TRANSACTIONS], "lost or doubled"
    assert load.unknown, "no connection broke at a commit, so that nothing was proven"


def test_many_workers_that_fail_over_at_once_open_no_more_connections_than_their_pools_have(
    pair: PairOfEndpoints,
) -> None:
    workers, size = 200, 25
    pools = [pair.pool(EAST, max_size=size, timeout=60) for _ in range(4)]
    everybody, failed = threading.Barrier(workers + 1), threading.Event()

    def work(number: int) -> str:
        pool = pools[number % len(pools)]
        before = pool.run_transaction(_region)
        everybody.wait()
        failed.wait()
        while True:
            try:
                return f"{before} {pool.run_transaction(_region, budget=60)}"
            except psycopg.OperationalError:
                continue

    with ThreadPoolExecutor(workers) as threads:
        found = [threads.submit(work, number) for number in range(workers)]
        everybody.wait()
        pair.fail(EAST, "refused")
        failed.set()
        assert {one.result() for one in found} == {f"{EAST} {WEST}"}
    for one in pools:
        one.close()
    seen = pair.endpoints[WEST].set("healthy")
    assert 0 < seen["peak"] <= size * len(pools)
    assert _most_in_a_second(seen["opened"]) <= 100, (
        "https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"
    )


def _region(connection: psycopg.Connection[Any]) -> str:
    [(region,)] = connection.execute("SELECT current_setting('application_name')")
    return str(region)


def _most_in_a_second(opened: list[float]) -> int:
    return max(bisect_left(opened, one + 1) - index for index, one in enumerate(opened))
