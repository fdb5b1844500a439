"""When Route 53 sends users to the other Region, by the synthesized health checks and its documented rules."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import aws_cdk as cdk
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs import FailoverOptions
from tests.unit.monitoring.failover_times import (
    BEGINS,
    Fault,
    dead,
    dead_and_evacuated,
    dead_without_metrics,
    evacuated,
    evacuated_by_command,
    failover,
    leaving_time,
    main_rows,
    monitor_stopped,
    put_by_command,
    seen_by_all,
    table,
    unseen,
)
from tests.unit.monitoring.health_check_replay import READINGS, Failover, Observed, statuses
from tests.unit.monitoring.notification_times import BUDGET, FAULTS, main_table, notification_time
from tests.unit.monitoring.replay import REGIONS, AlarmSet, Replay, Run, alarm_sets, see

EAST, WEST = REGIONS
ROOT = Path(__file__).parents[3]
DAY = 86400.0
NEVER: frozenset[str] = frozenset()
EXTRAS = (0, 2, 5)
"""Periods that the evaluation range may be longer than the alarm asks for, which AWS does not document for Route 53."""

reading = pytest.mark.parametrize("reading", READINGS)
schedule = pytest.mark.parametrize("minutes", [2, 1])


@cache
def notifying(minutes: int) -> Mapping[str, AlarmSet]:
    """The alarms that notify people of the same faults, by Region."""
    return alarm_sets(schedule=cdk.Duration.minutes(minutes))


@cache
def notified_after(minutes: int, fault: str) -> float:
    """Seconds, at most."""
    return notification_time(notifying(minutes)[WEST], fault)


def regions_by_status(pair: Failover, fault: Fault, ends: float, **options: float | str) -> list[frozenset[str]]:
    """Which Regions are unhealthy at each evaluation until *ends*, of a fault that begins at `BEGINS`."""
    observed = {one: fault(one, BEGINS) for one in pair.schedules}
    return [regions for _, regions in statuses(pair, observed, ends, **options)]  # type: ignore[arg-type]


def changes(found: list[frozenset[str]]) -> list[frozenset[str]]:
    """Without repetitions."""
    return [one for at, one in enumerate(found) if at == 0 or one != found[at - 1]]


@reading
@schedule
@pytest.mark.parametrize("fault", ["a cluster is down", "a Region does not answer"])
def test_traffic_leaves_at_most_one_period_after_the_notification(fault: str, minutes: int, reading: str) -> None:
    latest = notified_after(minutes, fault) + 60 * minutes
    for extra in EXTRAS:
        assert 0 < leaving_time(failover(minutes), seen_by_all(fault), reading=reading, extra=extra) <= latest


@reading
@schedule
def test_traffic_leaves_a_lost_region_when_the_observer_there_had_no_data_for_an_evaluation_range(
    minutes: int, reading: str
) -> None:
    for extra in EXTRAS:
        needed = 60 * minutes * (2 + extra) + 60
        left = leaving_time(failover(minutes), dead, reading=reading, extra=extra)
        assert needed - 60 < left <= needed


@reading
@schedule
def test_traffic_leaves_a_lost_region_in_time_whatever_missing_data_means_where_a_third_region_observes(
    minutes: int, reading: str
) -> None:
    pair = failover(minutes, is_witness_observing=True)
    for extra in EXTRAS:
        assert 0 < leaving_time(pair, dead, reading=reading, extra=extra) <= (320, 200)[2 - minutes]


@reading
@pytest.mark.parametrize("fault", [dead, dead_without_metrics], ids=["read", "not read"])
def test_traffic_leaves_a_lost_region_where_a_monitor_without_data_alone_is_no_reason(
    fault: Fault, reading: str
) -> None:
    pair = Failover.of(failover=FailoverOptions(unhealthy_without_data=False))
    assert 0 < leaving_time(pair, fault, reading=reading) <= 540


@reading
def test_traffic_leaves_a_region_whose_metrics_cannot_be_read_at_once(reading: str) -> None:
    assert 0 < leaving_time(failover(), dead_without_metrics, reading=reading) <= 60


@reading
@pytest.mark.parametrize("fault", [evacuated_by_command, dead_and_evacuated], ids=["serving", "lost"])
def test_evacuation_by_command_waits_for_one_evaluation_only(fault: Fault, reading: str) -> None:
    for extra in EXTRAS:
        assert 0 < leaving_time(failover(), fault, reading=reading, extra=extra) <= 60


@pytest.mark.parametrize("offset", [37.0, 61.0, 100.0])
@pytest.mark.parametrize(
    "fault",
    [seen_by_all("a cluster is down"), dead, evacuated, monitor_stopped],
    ids=["down", "lost", "evacuated", "stopped"],
)
def test_monitors_that_begin_their_runs_at_different_seconds_are_no_worse(fault: Fault, offset: float) -> None:
    assert leaving_time(failover(), fault, offsets=[offset]) <= leaving_time(failover(), fault)


PERIODS = {1: 300.0, 2: 300.0, 10: 1200.0}
"""Of the alarms on evacuations, in seconds, by schedule in minutes."""


def evacuated_one_after_the_other(pause: float, *, lasts: float = 1800.0, is_by_command: bool = True) -> Fault:
    """The first Region, and so many seconds after the end of that the other one."""

    def fault(observer: str, began: float) -> Observed:
        ends, other = began + lasts, began + lasts + pause
        puts = [*put_by_command(observer, began, EAST), *put_by_command(observer, ends, None)]
        puts += put_by_command(observer, other, WEST)
        return Observed(
            lambda at: see(evacuated=EAST if began <= at < ends else WEST if at >= other else None),
            puts if is_by_command else (),
        )

    return fault


@reading
@pytest.mark.parametrize("minutes", PERIODS)
@pytest.mark.parametrize("is_by_command", [True, False])
def test_users_are_back_two_minutes_after_the_period_when_an_evacuation_has_ended(
    minutes: int, is_by_command: bool, reading: str
) -> None:
    lasts = max(1800.0, 2 * PERIODS[minutes])
    fault = evacuated_one_after_the_other(2 * DAY, lasts=lasts, is_by_command=is_by_command)
    ends = BEGINS + lasts + PERIODS[minutes] + 1800
    for phase in (0.5, 30.5):
        for extra in EXTRAS:
            found = regions_by_status(failover(minutes), fault, ends, phase=phase, reading=reading, extra=extra)
            assert changes(found) == [NEVER, {EAST}, NEVER]
            assert found.count(frozenset({EAST})) <= (lasts + PERIODS[minutes] + 120) / 60


@reading
def test_end_of_an_evacuation_makes_no_region_healthy_whose_monitor_does_not_run(reading: str) -> None:
    def fault(observer: str, began: float) -> Observed:
        ends = began + 1800
        return Observed(monitor_stopped(observer, began).world, puts=put_by_command(observer, ends, None))

    for extra in EXTRAS:
        found = regions_by_status(failover(), fault, BEGINS + 5400, reading=reading, extra=extra)
        assert changes(found) == [NEVER, {EAST}]


@reading
@pytest.mark.parametrize("minutes", PERIODS)
def test_users_are_back_after_the_evaluation_range_when_the_other_region_was_lost_meanwhile(
    minutes: int, reading: str
) -> None:
    """What its monitor put last is 1, and nobody else puts anything there."""
    lasts = max(1800.0, 2 * PERIODS[minutes])

    def fault(observer: str, began: float) -> Observed:
        ends = began + lasts
        seen = seen_by_all("a Region does not answer")(WEST, ends).world
        if observer == EAST:
            return Observed(lambda at: see(evacuated=WEST if at >= began else None) if at < ends else None)
        put = [*put_by_command(observer, began, WEST), *put_by_command(observer, ends, None)]
        return Observed(lambda at: see(evacuated=WEST) if began <= at < ends else seen(at), put)

    for extra in EXTRAS:
        longest = PERIODS[minutes] * (1 + extra) + 60
        found = regions_by_status(failover(minutes), fault, BEGINS + lasts + 10800, reading=reading, extra=extra)
        assert changes(found)[:2] == [NEVER, {WEST}]
        assert changes(found)[-1] == {EAST}
        until = BEGINS + lasts + longest
        assert all(WEST not in one for one in found[int(until // 60) + 1 :])
        assert sum(WEST in one for one in found) > lasts / 60


@reading
@pytest.mark.parametrize("minutes", PERIODS)
def test_the_other_region_can_be_evacuated_then_and_not_before(minutes: int, reading: str) -> None:
    """Before, both are unhealthy, so Route 53 answers with both; `dsql-dr evacuate` refuses."""
    lasts = max(1800.0, 2 * PERIODS[minutes])
    after = PERIODS[minutes] + 120
    for pause, is_too_early in ((after, False), (30.0, True)):
        fault = evacuated_one_after_the_other(pause, lasts=lasts)
        found = regions_by_status(failover(minutes), fault, BEGINS + lasts + 2 * after, reading=reading)
        assert ({*REGIONS} in found) == is_too_early
        assert changes(found)[-1] == {WEST}


@reading
def test_both_regions_are_unhealthy_while_both_monitors_do_not_run(reading: str) -> None:
    """Route 53 then answers as if both were healthy."""

    def fault(observer: str, began: float) -> Observed:
        return Observed(lambda at: None if at >= began else see())

    for extra in EXTRAS:
        assert changes(regions_by_status(failover(), fault, 3600, reading=reading, extra=extra)) == [NEVER, {*REGIONS}]


def test_a_region_whose_monitor_puts_no_data_is_healthy_if_that_is_chosen() -> None:
    pair = Failover.of(failover=FailoverOptions(unhealthy_without_data=False))
    for one in READINGS:
        assert changes(regions_by_status(pair, monitor_stopped, 3600, reading=one)) == [NEVER]


@pytest.mark.parametrize("witness", [False, True])
def test_no_data_of_one_observer_decides_nothing_for_another_region(witness: bool) -> None:
    pair = failover(is_witness_observing=witness)
    for silent in pair.schedules:

        def fault(observer: str, began: float, silent: str = silent) -> Observed:
            return Observed(lambda at: None if observer == silent and at >= began else see())

        for one in READINGS:
            last = regions_by_status(pair, fault, 3600, reading=one)[-1]
            assert last == ({silent} if silent in REGIONS else NEVER)


@reading
def test_what_only_one_of_two_observers_sees_moves_no_traffic(reading: str) -> None:
    def fault(observer: str, began: float) -> Observed:
        return seen_by_all("a cluster is down")(observer, began) if observer == WEST else unseen(observer, began)

    for extra in EXTRAS:
        assert changes(regions_by_status(failover(), fault, 3600, reading=reading, extra=extra)) == [NEVER]


@reading
@schedule
def test_a_cluster_that_comes_and_goes_moves_traffic_no_more_often_than_it_notifies(minutes: int, reading: str) -> None:
    down = FAULTS["a cluster is down"]
    moved = 0
    for cycle in (4, 7, 10, 16, 25, 40):

        def world(at: float, cycle: int = cycle) -> Run | None:
            return down() if at >= BEGINS and (at - BEGINS) % (60 * cycle) < 30 * cycle else see()

        found = regions_by_status(failover(minutes), lambda observer, began: Observed(world), 7200, reading=reading)
        notified = Replay(notifying(minutes)[WEST], world, phase=0.5).until(7200).notified
        assert len(changes(found)) - 1 == len(notified)
        moved += len(notified)
    assert moved > 10


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    minutes=st.sampled_from([1, 2, 5]),
    extra=st.sampled_from([1, 2, 3, 5]),
    reading=st.sampled_from(READINGS),
    phase=st.floats(0, 60, exclude_max=True),
    offset=st.floats(0, 300, exclude_max=True),
)
def test_healthy_pair_is_never_unhealthy_though_runs_are_late_slow_and_now_and_then_lost(
    seed: int, minutes: int, extra: int, reading: str, phase: float, offset: float
) -> None:
    """For a day: every monitor loses a run now and then, as with each deployment, but not two in a row."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    lost = {
        observer: {60.0 * minutes * (10 * n + draw.randrange(8)) for n in range(int(DAY / 600 / minutes))}
        for observer in REGIONS
    }
    seconds = cache(lambda observer, at: draw.choice([0.3, 1.0, 5.0, BUDGET]))
    late = cache(lambda at: draw.uniform(0, 10))

    def fault(observer: str, _: float) -> Observed:
        def world(at: float) -> Run | None:
            on_schedule = round(at / 60) * 60.0
            return None if on_schedule in lost[observer] else see(seconds=seconds(observer, on_schedule))

        return Observed(world)

    observed = {one: fault(one, 0.0) for one in REGIONS}
    found = statuses(
        failover(minutes), observed, DAY, phase=phase, offset=offset, reading=reading, extra=extra, jitter=late
    )
    assert len(found) > DAY / 60 - 2 * minutes
    assert {one for _, one in found} == {NEVER}


@reading
@pytest.mark.parametrize("deployed", REGIONS)
def test_deployment_that_loses_a_run_moves_no_traffic_however_short_the_evaluation_range_is(
    deployed: str, reading: str
) -> None:
    for seconds in (1.0, BUDGET):
        for phase in range(0, 60, 3):

            def fault(observer: str, began: float, seconds: float = seconds) -> Observed:
                return Observed(lambda at: None if observer == deployed and at == began else see(seconds=seconds))

            found = regions_by_status(failover(), fault, 1800, phase=phase + 0.5, reading=reading, extra=0)
            assert changes(found) == [NEVER]


@reading
@schedule
def test_first_deployment_is_healthy_from_its_first_probe_on(minutes: int, reading: str) -> None:
    for phase in range(0, 60, 3):
        found = statuses(
            failover(minutes),
            {one: unseen(one, 0.0) for one in REGIONS},
            1800,
            phase=phase + 0.5,
            reading=reading,
            created_at=100.0,
        )
        assert len(found) > 25
        assert {one for _, one in found} == {NEVER}


def test_documents_have_these_times() -> None:
    assert f"{main_table()}\n{main_rows()}" in (ROOT / "README.md").read_text()
    assert table() in (ROOT / "docs" / "failover.md").read_text()
