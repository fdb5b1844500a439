from __future__ import annotations

from collections.abc import Callable

import pytest

from dsql_dr_constructs.runtime.health_monitor.retries import (
    NotAllowedYet,
    Surroundings,
    TransientlyUnreachable,
    Tries,
    Unreachable,
)


class Time:
    """Passes by sleeping only, and by what each try takes."""

    def __init__(self, draw: float = 0.5) -> None:
        self.now = 100.0
        self.slept: list[float] = []
        self.surroundings = Surroundings(clock=lambda: self.now, sleep=self.sleep, draw=lambda: draw)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def failing(times: int, error: Exception) -> Callable[[], str]:
    left = [error] * times

    def call() -> str:
        if left:
            raise left.pop()
        return "answer"

    return call


def test_transient_failure_is_tried_again() -> None:
    time = Time()
    tries = Tries(time.now + 20, time.surroundings)
    assert tries.of(failing(2, TransientlyUnreachable("busy"))) == "answer"
    assert tries.attempts == 3


def test_other_failure_is_not() -> None:
    time = Time()
    tries = Tries(time.now + 20, time.surroundings)
    with pytest.raises(Unreachable, match="expired"):
        tries.of(failing(1, Unreachable("expired")))
    assert (tries.attempts, time.slept) == (1, [])


def test_pause_is_a_random_part_of_a_doubling_bound() -> None:
    always, never = Time(draw=1.0), Time(draw=0.0)
    for time in (always, never):
        Tries(time.now + 100, time.surroundings).of(failing(6, TransientlyUnreachable("busy")))
    assert always.slept == [0.2, 0.4, 0.8, 1.6, 3.0, 3.0]
    assert never.slept == [0.0] * 6


def test_it_gives_up_before_the_budget_ends_with_the_last_reason() -> None:
    time = Time(draw=1.0)
    tries = Tries(time.now + 20, time.surroundings)
    with pytest.raises(TransientlyUnreachable, match="busy"):
        tries.of(failing(1000, TransientlyUnreachable("busy")))
    assert time.now <= 120
    assert tries.attempts > 5


def test_time_left_is_that_of_waiting_for_a_permission_only_while_it_is_missing() -> None:
    time = Time(draw=1.0)
    tries = Tries(time.now + 20, time.surroundings, permission_until=time.now + 120)
    left: list[float] = []
    denied = failing(1, NotAllowedYet("no"))

    def call() -> str:
        left.append(tries.time_left)
        return denied()

    assert tries.of(call) == "answer"
    assert left == [20.0, pytest.approx(119.8)]
