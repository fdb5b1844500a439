"""Who is woken when: synthesized alarms, replayed by CloudWatch's documented rules."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import aws_cdk as cdk
import pytest

from dsql_dr_constructs.runtime.health_monitor.retries import (
    Surroundings,
    TransientlyUnreachable,
    Tries,
    Unreachable,
)
from dsql_dr_constructs.runtime.health_monitor.sighting import ControlPlane, Knock
from tests.unit.page_times import BUDGET, FAULTS, page, page_time, table
from tests.unit.replay import ANSWERED, GOOD, REGIONS, AlarmSet, Replay, Run, alarm_sets, see

EAST, WEST = REGIONS
README = Path(__file__).parents[2] / "README.md"
MINUTES_30 = 1800.0
DAY = 86400.0


@cache
def alarms(minutes: int = 2) -> dict[str, AlarmSet]:
    return alarm_sets(schedule=cdk.Duration.minutes(minutes))


@pytest.mark.parametrize("extra", [2, 3, 5])
@pytest.mark.parametrize(("minutes", "limit"), [(2, 360), (1, 240)])
@pytest.mark.parametrize("fault", FAULTS)
def test_page_comes_in_time_however_long_cloudwatchs_evaluation_range_is(
    fault: str, minutes: int, limit: float, extra: int
) -> None:
    allowed = limit + (60 * minutes if fault == "the monitor is dead" else 0)
    assert 0 < page_time(alarms(minutes)[WEST], FAULTS[fault], extra=extra) <= allowed


def test_readme_tells_these_times_and_shows_the_page() -> None:
    assert table() in README.read_text()
    assert page() in README.read_text()


FAULTS_BY_VERDICT: dict[str, Callable[[], Run]] = {
    "the local cluster failed": lambda: see({WEST: ControlPlane("FAILED")}),
    "the peer failed": lambda: see({EAST: ControlPlane("FAILED")}),
    "the peer is deleted": lambda: see({EAST: ControlPlane("NOT_FOUND")}),
    "the peer's key is gone": lambda: see(
        {EAST: ControlPlane("ACTIVE", "KMS_KEY_INACCESSIBLE", GOOD.peers, "us-east-2")}
    ),
    "the peer's status is new to us": lambda: see({EAST: ControlPlane("PARTYING", "ENABLED", GOOD.peers, "us-east-2")}),
    "the peer's endpoint refuses": lambda: see(knocks={EAST: Knock(problem="connection refused")}, seconds=BUDGET),
    "the peer's API is silent": lambda: see({EAST: ControlPlane(None, problem="no answer")}, seconds=BUDGET),
    "both failed": lambda: see({EAST: ControlPlane("FAILED"), WEST: ControlPlane("FAILED")}),
    "unpeered": lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2")}),
    "both unpeered": lambda: see(dict.fromkeys(REGIONS, ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2"))),
    "another witness": lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", GOOD.peers, "us-west-1")}),
}


@pytest.mark.parametrize("phase", [0.5, 31.0])
@pytest.mark.parametrize("fault", FAULTS_BY_VERDICT)
def test_each_fault_makes_one_page_in_each_region_and_one_recovery(fault: str, phase: float) -> None:
    def world(at: float) -> Run:
        return FAULTS_BY_VERDICT[fault]() if 600 < at < 3000 else see()

    for region in REGIONS:
        notified = Replay(alarms()[region], world, phase=phase).until(6000).notified
        assert [state for _, state in notified] == ["ALARM", "OK"]
        assert 600 < notified[0][0] < 3000 < notified[1][0] < 3000 + 360


@pytest.mark.parametrize("phase", [0.5, 31.0])
def test_lost_region_makes_one_page_in_the_surviving_one_and_one_recovery(phase: float) -> None:
    gone = see({EAST: ControlPlane(None, problem="x")}, {EAST: Knock(problem="x")}, seconds=BUDGET)
    survivor = Replay(alarms()[WEST], lambda at: gone if 600 < at < 6000 else see(), phase=phase).until(9000)
    assert [state for _, state in survivor.notified] == ["ALARM", "OK"]


@pytest.mark.parametrize("phase", [0.5, 31.0])
@pytest.mark.parametrize("dead", [None, Run(failed=True)], ids=["dead", "failing"])
def test_monitor_that_is_dead_or_fails_makes_one_page_and_one_recovery(dead: Run | None, phase: float) -> None:
    notified = Replay(alarms()[WEST], lambda at: dead if 600 < at < 6000 else see(), phase=phase).until(9000).notified
    assert [state for _, state in notified] == ["ALARM", "OK"]


ONE_BAD_RUN: dict[str, Run | None] = {
    "sees the peer down": see({EAST: ControlPlane("FAILED")}),
    "sees nothing in time": see(
        dict.fromkeys(REGIONS, ControlPlane(None, problem="x")),
        dict.fromkeys(REGIONS, Knock(problem="x")),
        seconds=BUDGET,
    ),
    "fails": Run(failed=True),
    "is lost": None,
}


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("bad", ONE_BAD_RUN)
def test_single_bad_run_pages_nobody(bad: str, minutes: int) -> None:
    schedule = 60.0 * minutes
    for slow in (0.3, BUDGET):  # the runs beside it may be slow

        def world(at: float, slow: float = slow) -> Run | None:
            return ONE_BAD_RUN[bad] if at == 10 * schedule else see(seconds=slow if at > 600 else 1.0)

        for phase in range(0, 60, 3):
            replay = Replay(alarms(minutes)[WEST], world, phase=phase + 0.5)
            assert replay.until(MINUTES_30 + 600).notified == []


@pytest.mark.parametrize("minutes", [2, 1])
def test_first_deployment_pages_nobody(minutes: int) -> None:
    for phase in range(0, 60, 3):
        replay = Replay(alarms(minutes)[WEST], lambda at: see(), phase=phase + 0.5, created_at=100.0).until(MINUTES_30)
        assert [state for _, state in replay.notified] == ["OK"], "CloudWatch tells a new alarm's first state, once"
        assert set(replay.states.values()) == {"OK"}


def test_without_the_first_probe_it_would() -> None:
    """Why the probe is there: a new alarm that takes silence for the worst goes off at its first evaluation."""
    silent = Replay(alarms()[WEST], lambda at: None if at < 100 else see(), phase=0.5, created_at=100.0).until(300)
    assert silent.notified[0][1] == "ALARM"


@pytest.mark.parametrize("region", REGIONS)
def test_a_month_of_single_failures_and_idle_nights_pages_nobody(region: str) -> None:
    """1 % of all single calls fail; every retry is another call. Clusters go idle at night."""
    draw = random.Random(region)  # noqa: S311 - no secret
    retried = [0]

    def answers() -> bool:
        now = [0.0]
        tries = Tries(
            BUDGET, Surroundings(clock=lambda: now[0], sleep=lambda s: now.__setitem__(0, now[0] + s), draw=draw.random)
        )

        def call() -> bool:
            if draw.random() < 0.01:
                raise TransientlyUnreachable("a single failure")
            return True

        try:
            return tries.of(call)
        except Unreachable:
            return False
        finally:
            retried[0] += tries.attempts > 1

    def world(at: float) -> Run | None:
        night = (at % DAY) / 3600 < 6
        status = ControlPlane("IDLE" if night else "ACTIVE", "ENABLED", GOOD.peers, "us-east-2")
        planes = {one: status if answers() else ControlPlane(None, problem="x") for one in REGIONS}
        knocks = {one: ANSWERED if answers() else Knock(problem="x") for one in REGIONS}
        return see(planes, knocks) if answers() else Run(failed=True)

    replay = Replay(alarms()[region], world, phase=0.5).until(30 * DAY)
    assert replay.notified == []
    assert retried[0] > 500, "failures did happen"
