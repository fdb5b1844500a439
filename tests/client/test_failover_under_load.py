"""Nothing is lost and nothing is done twice, whatever an endpoint does; and failing over is no storm."""

from __future__ import annotations

import random
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg
import pytest
from typing_extensions import LiteralString

from dsql_dr_client import CommitUnknown, FailoverPool
from tests.client.pair_of_endpoints import EAST, WEST, PairOfEndpoints, pair_of_endpoints

TRANSACTIONS, WORKERS = 20_000, 16
ACCOUNTS = 400
FAULTS = ("refused", "reset", "black-hole", "slow", "read-only", "flapping")
LONGEST_PHASE = 300
"""Seconds; one of them takes a few."""


@pytest.fixture
def pair() -> Iterator[PairOfEndpoints]:
    with pair_of_endpoints() as one:
        yield one


@dataclass
class Load:
    """Transfers by `WORKERS` threads, half of them in each Region, while endpoints fail one after the other.

    It ends with *TRANSACTIONS*, and when each endpoint had each of the faults.
    """

    pair: PairOfEndpoints
    pools: dict[str, FailoverPool]
    done: set[uuid.UUID] = field(default_factory=set)
    unknown: int = 0
    longest: dict[str, float] = field(default_factory=dict)
    _fault: str = "healthy"
    _begun_in: dict[int, str] = field(default_factory=dict)
    _finished: bool = False
    _failure: BaseException | None = None
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self) -> None:
        with ThreadPoolExecutor(WORKERS + 1) as threads:
            working = [threads.submit(self._work, worker) for worker in range(WORKERS)]
            try:
                threads.submit(self._let_endpoints_fail).result()
                self._wait(lambda: len(self.done) >= TRANSACTIONS)
            finally:
                self._finished = True
                self.pair.recover()
            for one in working:
                one.result()

    def _let_endpoints_fail(self) -> None:
        """Each fault lasts until every worker of that Region has committed in spite of it; resets meet few commits."""
        for fault in (*FAULTS, "reset", "reset"):
            for region in (EAST, WEST):
                self._enter("healthy", until=partial(self._is_at_home, region))
                own = [one for one in range(WORKERS) if (EAST, WEST)[one % 2] == region]
                self.pair.fail(region, "refused" if fault == "flapping" else fault)
                self._enter(f"{region} {fault}", own=own)
                for mode in ("healthy", "refused") * 5 if fault == "flapping" else ():
                    self.pair.endpoints[region].set(mode)
                    self._enter(f"{region} {fault}", own=[])
                self.pair.recover()

    def _is_at_home(self, region: str) -> bool:
        return self.pools[region].region_in_use == region

    def _enter(
        self, phase: str, *, own: Sequence[int] = range(WORKERS), until: Callable[[], bool] = lambda: True
    ) -> None:
        """A phase that ends when *own* have committed what they began in it, and a hundred others are committed."""
        with self._changed:
            self._fault, self._begun_in = phase, {}
            enough = len(self.done) + 100
        self._wait(lambda: len(self.done) > enough and set(own) <= self._begun_in.keys() and until())

    def _wait(self, until: Callable[[], bool]) -> None:
        """Raises: what ended a worker, for which the others would wait in vain."""
        with self._changed:
            ended = self._changed.wait_for(lambda: self._failure is not None or until(), timeout=LONGEST_PHASE)
            if self._failure:
                raise self._failure
            assert ended, f"{self._fault}: only workers {sorted(self._begun_in)} committed; {len(self.done)} in all"

    def _work(self, worker: int) -> None:
        try:
            while not self._finished:
                self._transfer(worker, (EAST, WEST)[worker % 2])
        except BaseException as error:
            with self._changed:
                self._failure = error
                self._changed.notify_all()
            raise

    def _transfer(self, worker: int, region: str) -> None:
        id, began, fault = uuid.uuid4(), time.monotonic(), self._fault
        if worker % 4 < 2:
            self._until_done_by_the_library(self.pools[region], id, fault)
        else:
            self._until_done_by_the_application(self.pools[region], id, fault)
        with self._changed:
            self.done.add(id)
            met = self._fault if fault == "healthy" else fault  # it may have begun before the fault
            own = "its own" if region in met else "the other"
            of = f"{met}, a worker whose endpoint is {own}"
            self.longest[of] = max(self.longest.get(of, 0.0), time.monotonic() - began)
            if fault == self._fault:
                self._begun_in[worker] = fault
            self._changed.notify_all()

    def _until_done_by_the_library(self, pool: FailoverPool, id: uuid.UUID, fault: str) -> None:
        """The transaction may run again: the library does it as long as its budget lasts."""

        def transfer(connection: psycopg.Connection[Any]) -> None:
            if _store(connection, id, pool, fault, "ON CONFLICT DO NOTHING"):
                _count(connection)

        while True:
            try:
                return pool.run_transaction(transfer, idempotent=True)
            except psycopg.OperationalError:
                continue  # its budget is used up

    def _until_done_by_the_application(self, pool: FailoverPool, id: uuid.UUID, fault: str) -> None:
        """The transaction may not run again: after an unknown outcome the application asks what became of it."""

        def transfer(connection: psycopg.Connection[Any]) -> None:
            _store(connection, id, pool, fault)
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
                with self._changed:
                    self.unknown += 1
            except (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction):
                continue  # it was not committed


def _store(
    connection: psycopg.Connection[Any], id: uuid.UUID, pool: FailoverPool, fault: str, more: LiteralString = ""
) -> int:
    own = next(iter(pool._endpoints))
    statement = "INSERT INTO transfers VALUES (%s, %s, %s, current_setting('application_name')) "
    return connection.execute(statement + more, (id, fault, own)).rowcount


def _count(connection: psycopg.Connection[Any]) -> None:
    account = random.randrange(ACCOUNTS)  # noqa: S311 - some conflict
    connection.execute("UPDATE totals SET transfers = transfers + 1 WHERE account = %s", (account,))


def test_no_transaction_is_lost_or_done_twice_while_endpoints_fail(pair: PairOfEndpoints) -> None:
    pair.ask("INSERT INTO totals SELECT account, 0 FROM generate_series(0, %s) AS account", ACCOUNTS - 1)
    options = {"max_size": 8, "connect_timeout": 2, "return_after": 0.2}
    with pair.pool(EAST, **options) as east, pair.pool(WEST, **options) as west:
        load = Load(pair, {EAST: east, WEST: west})
        load.run()
    for what, seconds in sorted(load.longest.items()):
        print(f"longest transaction, {what}: {seconds:.2f} s")  # noqa: T201 - it is to be read
    print(f"{len(load.done)} transactions, outcomes that were unknown: {load.unknown}")  # noqa: T201
    stored = pair.ask("SELECT id FROM transfers")
    assert len(stored) == len(load.done) >= TRANSACTIONS
    assert set(stored) == load.done
    assert pair.ask("SELECT sum(transfers)::integer FROM totals") == [len(stored)], "lost or doubled"
    left = {f"{region} {fault}" for region in (EAST, WEST) for fault in FAULTS if fault != "slow"}
    query = "SELECT DISTINCT fault FROM transfers WHERE region <> own AND starts_with(fault, own)"
    assert left <= set(pair.ask(query)), "workers went to the other endpoint in each of these faults"
    assert load.unknown, "no connection broke at a commit, so that nothing was proven"


def test_many_workers_that_fail_over_at_once_open_no_more_connections_than_their_pools_have(
    pair: PairOfEndpoints,
) -> None:
    workers, size = 200, 25
    pools = [pair.pool(EAST, max_size=size, timeout=60) for _ in range(5)]
    everybody, failed = threading.Barrier(workers + 1, timeout=120), threading.Event()

    def work(number: int) -> str:
        pool = pools[number % len(pools)]
        before = pool.run_transaction(_region, budget=60)
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
    assert _most_in_a_second(seen["opened"]) < 100, (
        "https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"
    )


def _region(connection: psycopg.Connection[Any]) -> str:
    [(region,)] = connection.execute("SELECT current_setting('application_name')")
    return str(region)


def _most_in_a_second(opened: list[float]) -> int:
    return max(bisect_left(opened, one + 1) - index for index, one in enumerate(opened))
