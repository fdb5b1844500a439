"""How many new connections a second, in simulated time."""

from __future__ import annotations

import time
from bisect import bisect_left

import pytest

from dsql_dr_client import FailoverPool
from dsql_dr_client._connection_rate import ConnectionRate
from tests.client.pair_of_endpoints import HOSTS

LIMIT = 100
"""Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html"""


def busiest_second(turns: list[float]) -> int:
    turns.sort()
    return max(bisect_left(turns, one + 0.999) - index for index, one in enumerate(turns))


def test_five_processes_with_the_default_stay_below_the_limit_of_a_cluster() -> None:
    rates = [FailoverPool(HOSTS, user="orders", open=False)._rate for _ in range(5)]
    now = time.monotonic() + 100
    for one in rates:
        one._clock = lambda: now
    busiest = busiest_second([one.reserve() for one in rates for _ in range(200)])
    assert LIMIT / 2 < busiest < LIMIT


@pytest.mark.parametrize("per_second", [0.5, 1, 3, 4, 18, 20, 90])
def test_burst_counts_in_its_second(per_second: float) -> None:
    rate = FailoverPool(HOSTS, user="orders", open=False, max_connection_rate=per_second)._rate
    now = time.monotonic() + 100
    rate._clock = lambda: now
    assert busiest_second([rate.reserve() for _ in range(500)]) <= max(1, per_second)


def test_small_pool_is_filled_at_once() -> None:
    rate = FailoverPool(HOSTS, user="orders", open=False)._rate
    assert [rate.reserve() for _ in range(4)] == [0.0] * 4
    assert rate.reserve() > 0


def test_pauses_end_when_nothing_was_connected_for_a_while() -> None:
    now = 0.0
    rate = ConnectionRate(10, at_once=2, clock=lambda: now)
    for _ in range(20):
        rate.reserve()
    now = 60.0
    assert [rate.reserve() for _ in range(2)] == [0.0, 0.0]
