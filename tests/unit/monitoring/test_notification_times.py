"""Who is notified of what and when: synthesized alarms, replayed by CloudWatch's documented rules."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import AlarmOptions, HealthAlarmOptions, MonitoringOptions, MonitorOptions, MultiRegionDsqlDr
from dsql_dr_constructs.drill.expected_alarm import longest_minutes
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import PERMISSION_SECONDS, REPORT_SECONDS
from dsql_dr_constructs.runtime.health_monitor.notifications import UNCHECKED_SECONDS
from dsql_dr_constructs.runtime.health_monitor.observation import ControlPlane, ProbeResult
from dsql_dr_constructs.runtime.health_monitor.retries import (
    Surroundings,
    TransientlyUnreachable,
    Tries,
    Unreachable,
)
from tests.unit.monitoring.notification_times import BUDGET, FAULTS, main_table, notification, notification_time, table
from tests.unit.monitoring.replay import ANSWERED, GOOD, REGIONS, AlarmSet, Replay, Run, alarm_sets, see

EAST, WEST = REGIONS
ROOT = Path(__file__).parents[3]
MINUTES_30 = 1800.0
DAY = 86400.0


@cache
def alarms(minutes: int = 2) -> dict[str, AlarmSet]:
    return alarm_sets(schedule=cdk.Duration.minutes(minutes))


SLOW = {"another Region could not notify": 900, "the monitor does not run, and somebody else puts its metrics": 900}
"""What is checked less often, and how long it may take."""


@pytest.mark.parametrize("extra", [2, 3, 5])
@pytest.mark.parametrize(("minutes", "limit"), [(2, 360), (1, 240)])
@pytest.mark.parametrize("fault", FAULTS)
def test_notification_comes_in_time_however_long_cloudwatchs_evaluation_range_is(
    fault: str, minutes: int, limit: float, extra: int
) -> None:
    allowed = SLOW.get(fault, limit + (60 * minutes if fault == "the monitor does not run" else 0))
    assert 0 < notification_time(alarms(minutes)[WEST], fault, extra=extra) <= allowed


def test_documents_have_these_times_and_the_notification() -> None:
    assert main_table() in (ROOT / "README.md").read_text()
    notifications = (ROOT / "docs" / "notifications.md").read_text()
    assert table() in notifications
    assert notification() in notifications


@pytest.mark.parametrize(
    ("schedule", "alarm", "minutes"),
    [
        (2, AlarmOptions(), 6),
        (1, AlarmOptions(), 4),
        (1, AlarmOptions(evaluation_periods=5, datapoints_to_alarm=3), 5),
        (1, AlarmOptions(period=cdk.Duration.minutes(3)), 6),
        (2, AlarmOptions(period=cdk.Duration.minutes(5), evaluation_periods=1, datapoints_to_alarm=1), 6),
        (5, AlarmOptions(), 12),
    ],
)
def test_a_drill_waits_for_the_alarm_as_long_as_its_definition_may_take(
    schedule: int, alarm: AlarmOptions, minutes: int
) -> None:
    options = MonitoringOptions(alarm_options=HealthAlarmOptions(cluster_down=alarm))
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", schedule=cdk.Duration.minutes(schedule), monitoring=options)
    assert longest_minutes(pair.alarms[WEST], DOWN) == minutes
    replayed = notification_time(AlarmSet.of(pair.stacks[3]), "a Region does not answer")
    assert 60 * (minutes - 3) < replayed < 60 * minutes, "long enough, and not much longer"


def test_a_drill_waits_for_the_probe_timeout_of_its_own_region() -> None:
    slow = MonitoringOptions(monitor_options={EAST: MonitorOptions(probe_timeout=cdk.Duration.seconds(100))})
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=slow)
    assert [longest_minutes(pair.alarms[one], DOWN) for one in REGIONS] == [8, 6]


DOWN, LOST, NOT_WORKING = "cluster-down-us-east-1", "peering-lost", "monitoring-not-working"
CHANGED, BROKEN = "parameters-changed", "notifications-broken"
FAILED = ControlPlane("FAILED", "ENABLED", GOOD.peers, "us-east-2")
FAULTS_BY_KIND: dict[str, tuple[Callable[[], Run], list[str]]] = {
    "a cluster failed": (lambda: see({EAST: FAILED}), [DOWN]),
    "a cluster is deleted": (lambda: see({EAST: ControlPlane("NOT_FOUND")}), [DOWN]),
    "a cluster's key is gone": (
        lambda: see({EAST: ControlPlane("ACTIVE", "KMS_KEY_INACCESSIBLE", GOOD.peers, "us-east-2")}),
        [DOWN],
    ),
    "a cluster's status is unknown": (
        lambda: see({EAST: ControlPlane("PARTYING", "ENABLED", GOOD.peers, "us-east-2")}),
        [DOWN],
    ),
    "an endpoint refuses": (
        lambda: see(probes={EAST: ProbeResult(problem="connection refused")}, seconds=BUDGET),
        [DOWN],
    ),
    "an API does not answer": (lambda: see({EAST: ControlPlane(None, problem="no answer")}, seconds=BUDGET), [DOWN]),
    "both failed": (
        lambda: see({EAST: FAILED, WEST: FAILED}),
        [DOWN, "cluster-down-us-west-2"],
    ),
    "a cluster has no peer": (
        lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2")}),
        [LOST],
    ),
    "neither has a peer": (
        lambda: see(dict.fromkeys(REGIONS, ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2"))),
        [LOST],
    ),
    "another witness": (lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", GOOD.peers, "us-west-1")}), [LOST]),
    "a parameter was changed": (lambda: see(parameters=False), [CHANGED]),
}


@pytest.mark.parametrize("phase", [0.5, 31.0])
@pytest.mark.parametrize("fault", FAULTS_BY_KIND)
def test_each_fault_notifies_once_from_each_region_and_once_when_it_is_over(fault: str, phase: float) -> None:
    run, kinds = FAULTS_BY_KIND[fault]

    def world(at: float) -> Run:
        return run() if 600 < at < 3000 else see()

    for region in REGIONS:
        notified = Replay(alarms()[region], world, phase=phase).until(6000).notified
        assert [(kind, state) for _, kind, state in notified] == [
            (kind, state) for state in ("ALARM", "OK") for kind in kinds
        ]
        assert all(
            (600 if state == "ALARM" else 3000) < at < (960 if state == "ALARM" else 3360) for at, _, state in notified
        )


@pytest.mark.parametrize("minutes", [1, 2])
def test_a_first_run_that_waits_long_for_its_permission_notifies_nobody(minutes: int) -> None:
    for phase in range(0, 60, 10):
        for created_at in (1000.0, 1030.0):

            def world(at: float, created_at: float = created_at) -> Run:
                return see(seconds=PERMISSION_SECONDS + REPORT_SECONDS) if at < created_at else see()

            replay = Replay(alarms(minutes)[WEST], world, phase=phase + 0.5, created_at=created_at).until(2500)
            assert [one for one in replay.notified if one[2] == "ALARM"] == []
            assert set(replay.states.values()) == {"OK"}


@dataclass(frozen=True)
class Fault:
    """Something that lasts, as the monitors see it; a dead Region is what the other one sees of it."""

    planes: Mapping[str, ControlPlane] = field(default_factory=dict)
    probes: Mapping[str, ProbeResult] = field(default_factory=dict)
    stopped: frozenset[str] = frozenset()
    """Regions whose monitor does not run."""
    failing: frozenset[str] = frozenset()
    """Regions whose monitor fails."""
    dead: frozenset[str] = frozenset()
    """Regions that are dead: nobody there can be asked or notified."""
    unable_to_notify: frozenset[str] = frozenset()
    """Regions that cannot notify anybody."""
    parameters: frozenset[str] = frozenset()
    """Regions whose SSM parameters were changed."""


def _dead(region: str) -> Fault:
    return Fault(
        {region: ControlPlane(None, problem="x")}, {region: ProbeResult(problem="x")}, dead=frozenset({region})
    )


NO_PEER = ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2")
PAIRED: dict[str, Fault] = {
    "east is down": Fault(probes={EAST: ProbeResult(problem="connection refused")}),
    "west is down": Fault(probes={WEST: ProbeResult(problem="connection refused")}),
    "region east is dead": _dead(EAST),
    "region west is dead": _dead(WEST),
    "neither cluster has a peer": Fault(dict.fromkeys(REGIONS, NO_PEER)),
    "east has no peer": Fault({EAST: NO_PEER}),
    "west has another witness": Fault({WEST: ControlPlane("ACTIVE", "ENABLED", GOOD.peers, "us-west-1")}),
    "region east cannot notify": Fault(unable_to_notify=frozenset({EAST})),
    "region west cannot notify": Fault(unable_to_notify=frozenset({WEST})),
    "a parameter in east was changed": Fault(parameters=frozenset({EAST})),
    "a parameter in west was changed": Fault(parameters=frozenset({WEST})),
    "monitor east is stopped": Fault(stopped=frozenset({EAST})),
    "monitor west is stopped": Fault(stopped=frozenset({WEST})),
    "monitor east fails": Fault(failing=frozenset({EAST})),
    "monitor west fails": Fault(failing=frozenset({WEST})),
}


def _run(faults: Sequence[Fault], observer: str) -> Run | None:
    if any(observer in one.stopped for one in faults):
        return None
    if any(observer in one.failing for one in faults):
        return Run(failed=True)
    planes: dict[str, ControlPlane] = {}
    for one in sorted(faults, key=lambda one: bool(one.dead)):  # of a Region that is dead nothing else is seen
        planes |= one.planes
    probes = {region: probe for one in faults for region, probe in one.probes.items()}
    [other] = set(REGIONS) - {observer}
    return see(
        planes,
        probes,
        seconds=BUDGET if probes else 1.0,
        parameters=not any(observer in one.parameters for one in faults),
        notifications=None
        if any(other in one.dead for one in faults)
        else not any(other in one.unable_to_notify for one in faults),
    )


def _expected(world: Callable[[float], Run | None], schedule: float, end: float) -> list[tuple[float, str, str]]:
    """What should be notified: of each kind the begin and the end, as they can be seen; unseen, nothing changes."""
    causes = {(kind, one): False for kind in ("cluster-down", "peering") for one in REGIONS}
    expected, before = [], dict.fromkeys((DOWN, f"cluster-down-{WEST}", LOST, CHANGED, BROKEN, NOT_WORKING), False)
    for at in range(0, int(end), int(schedule)):
        run = world(at)
        for one in run.seen if run else ():
            causes["cluster-down", one.region] = not one.healthy
            if one.peered is not None:
                causes["peering", one.region] = not (one.peered and one.witnessed)
        now = {
            **{f"cluster-down-{one}": causes["cluster-down", one] for one in REGIONS},
            LOST: any(causes["peering", one] for one in REGIONS),
            CHANGED: before[CHANGED] if run is None or run.failed else not run.parameters,
            BROKEN: before[BROKEN] if run is None or run.failed or run.notifications is None else not run.notifications,
            NOT_WORKING: run is None or run.failed,
        }
        expected += [(float(at), kind, "ALARM" if now[kind] else "OK") for kind in now if now[kind] != before[kind]]
        before = now
    return expected


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("first", PAIRED)
def test_second_fault_is_notified_while_the_first_lasts_whichever_ends_first(first: str, minutes: int) -> None:
    limit, seen = (360, 240)[2 - minutes], set()
    for second in PAIRED.keys() - {first}:
        for first_ends, second_ends in ((3000, 4200), (4200, 3000)):
            for observer in set(REGIONS).difference(
                *(PAIRED[one].dead | PAIRED[one].unable_to_notify for one in (first, second))
            ):

                @cache
                def world(at: float) -> Run | None:
                    active = [
                        PAIRED[name]
                        for name, begin, end in ((first, 600, first_ends), (second, 1800, second_ends))  # noqa: B023
                        if begin <= at < end
                    ]
                    return _run(active, observer)  # noqa: B023

                wanted = _expected(world, 60.0 * minutes, 5400)
                notified = Replay(alarms(minutes)[observer], world, phase=31.0).until(5400).notified
                case = f"{first}, then {second}, {'first' if first_ends < second_ends else 'second'} ends first"
                seen |= {kind for _, kind, _ in wanted}
                assert [one[1:] for one in sorted(notified, key=_by_kind)] == [
                    one[1:] for one in sorted(wanted, key=_by_kind)
                ], f"{case}, from {observer}"
                for (at, kind, state), (began, *_) in zip(
                    sorted(notified, key=_by_kind), sorted(wanted, key=_by_kind), strict=True
                ):
                    late = 900 if kind == BROKEN else limit + (60 * minutes if kind == NOT_WORKING else 0)
                    assert 0 <= at - began <= late, f"{case}: {kind} {state} from {observer}"
    assert {LOST, CHANGED, BROKEN, NOT_WORKING} < seen, "the first was seen, and so were others"


def _by_kind(one: tuple[float, str, str]) -> tuple[str, float]:
    return one[1], one[0]


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("phase", [0.5, 31.0])
def test_region_that_cannot_notify_is_notified_once_by_the_other_within_10_minutes(phase: float, minutes: int) -> None:
    replay = Replay(alarms(minutes)[WEST], lambda at: see(notifications=not 600 <= at < 6000), phase=phase).until(9000)
    [(began, *alarm), (ended, *ok)] = replay.notified
    assert (alarm, ok) == ([BROKEN, "ALARM"], [BROKEN, "OK"])
    assert (600 < began <= 600 + 600, 6000 < ended <= 6000 + 600) == (True, True)


def test_single_check_that_finds_a_region_unable_to_notify_notifies_nobody() -> None:
    for begin in range(600, 1080, 60):
        for phase in range(0, 60, 7):

            def world(at: float, begin: float = begin) -> Run | None:
                return see(notifications=not begin <= at < begin + 240)

            assert Replay(alarms()[WEST], world, phase=phase).until(3600).notified == []


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("every", [1, 2, 3])
def test_disabled_monitor_whose_metrics_others_put_is_notified_however_few_they_put(every: int, minutes: int) -> None:
    """With every fourth only, there would be three periods without any, which is another alarm's."""
    schedule = 60.0 * minutes

    def world(at: float) -> Run | None:
        if not 600 <= at < 9000:
            return see()
        return see(forged=True) if at % (every * schedule) == 0 else None

    for phase in range(0, 60, 7):
        replay = Replay(alarms(minutes)[WEST], world, phase=phase + 0.5).until(12000)
        assert {kind for _, kind, _ in replay.notified} == {NOT_WORKING}
        [first, *_, last_alarm, end] = [replay.notified[0], *replay.notified]
        assert (first[2], first[0] <= 600 + 900) == ("ALARM", True)
        assert (last_alarm[2], last_alarm[0] <= 600 + 900) == ("ALARM", True), "and stays, once it is steady"
        assert (end[2], 9000 < end[0] <= 9000 + 1800) == ("OK", True)


@pytest.mark.parametrize("phase", [0.5, 31.0])
def test_region_that_answers_and_cannot_be_checked_is_notified_once_half_an_hour_later(phase: float) -> None:
    def world(at: float) -> Run:
        if not 600 <= at < 6000:
            return see()
        return see(notifications=None, failed=at - 600 >= UNCHECKED_SECONDS)

    [(began, *alarm), (ended, *ok)] = Replay(alarms()[WEST], world, phase=phase).until(9000).notified
    assert (alarm, ok) == ([NOT_WORKING, "ALARM"], [NOT_WORKING, "OK"])
    assert (2400 < began <= 2400 + 480, 6000 < ended <= 6000 + 480) == (True, True)


JITTERED = (
    "a cluster is down",
    "a cluster lost its peer",
    "another Region could not notify",
    "the monitor does not run",
)
"""Not those whose alarms are on Lambda's metrics, which have the time at which a run really began."""


@pytest.mark.parametrize("minutes", [2, 5])
@pytest.mark.parametrize("fault", JITTERED)
def test_fault_notifies_once_though_the_schedule_is_seconds_off_and_a_run_is_lost(fault: str, minutes: int) -> None:
    """Runs are late by up to 10 s, around the second at which alarms are evaluated; one is lost near begin and end."""
    schedule = 60 * minutes
    alarm_set = alarms(minutes)[WEST]
    for seed in range(4):
        draw = random.Random(seed)  # noqa: S311 - no secret
        begin, end = (20 * schedule + draw.uniform(0, 2 * schedule) + more for more in (0, 15 * schedule))
        lost = (
            {(at // schedule + draw.randrange(-1, 9)) * schedule for at in (begin, end)}
            if seed % 2 and FAULTS[fault]()
            else set()
        )
        late = cache(lambda at, draw=draw: draw.uniform(0, 10))

        def world(at: float, begin: float = begin, end: float = end, lost: set[float] = lost) -> Run | None:
            if at in lost:
                return None
            return FAULTS[fault]() if begin <= at < end else see()

        replay = Replay(alarm_set, world, phase=draw.uniform(0, 10), jitter=late)
        assert [one[2] for one in replay.until(end + 15 * schedule).notified] == ["ALARM", "OK"], f"seed {seed}"


@pytest.mark.parametrize("phase", [0.5, 31.0])
def test_dead_region_is_notified_once_by_the_surviving_one(phase: float) -> None:
    down = ControlPlane(None, problem="x")
    gone = see({EAST: down}, {EAST: ProbeResult(problem="x")}, seconds=BUDGET, notifications=None)
    survivor = Replay(alarms()[WEST], lambda at: gone if 600 < at < 6000 else see(), phase=phase).until(9000)
    assert [one[1:] for one in survivor.notified] == [(DOWN, "ALARM"), (DOWN, "OK")]


@pytest.mark.parametrize("phase", [0.5, 31.0])
@pytest.mark.parametrize("dead", [None, Run(failed=True)], ids=["dead", "failing"])
def test_monitor_that_does_not_work_is_no_cluster_that_is_down(dead: Run | None, phase: float) -> None:
    notified = Replay(alarms()[WEST], lambda at: dead if 600 < at < 6000 else see(), phase=phase).until(9000).notified
    assert [one[1:] for one in notified] == [(NOT_WORKING, "ALARM"), (NOT_WORKING, "OK")]


ONE_BAD_RUN: dict[str, Run | None] = {
    "sees the peer down": see({EAST: FAILED}),
    "sees nothing in time": see(
        dict.fromkeys(REGIONS, ControlPlane(None, problem="x")),
        dict.fromkeys(REGIONS, ProbeResult(problem="x")),
        seconds=BUDGET,
    ),
    "fails": Run(failed=True),
    "is lost": None,
}


@pytest.mark.parametrize("minutes", [2, 1])
@pytest.mark.parametrize("bad", ONE_BAD_RUN)
def test_single_bad_run_notifies_nobody(bad: str, minutes: int) -> None:
    schedule = 60.0 * minutes
    for slow in (0.3, BUDGET):  # the runs beside it may be slow

        def world(at: float, slow: float = slow) -> Run | None:
            return ONE_BAD_RUN[bad] if at == 10 * schedule else see(seconds=slow if at > 600 else 1.0)

        for phase in range(0, 60, 3):
            replay = Replay(alarms(minutes)[WEST], world, phase=phase + 0.5)
            assert replay.until(MINUTES_30 + 600).notified == []


@pytest.mark.parametrize("minutes", [2, 1])
def test_first_deployment_notifies_of_no_fault(minutes: int) -> None:
    for phase in range(0, 60, 3):
        replay = Replay(alarms(minutes)[WEST], lambda at: see(), phase=phase + 0.5, created_at=100.0).until(MINUTES_30)
        first = [(kind, state) for _, kind, state in replay.notified]
        kinds = {f"cluster-down-{one}" for one in REGIONS} | {LOST, CHANGED, BROKEN, NOT_WORKING}
        assert sorted(first) == sorted((kind, "OK") for kind in kinds), "a new alarm's first state is notified, once"
        assert set(replay.states.values()) == {"OK"}


def test_first_deployment_without_the_first_run_would_notify() -> None:
    """Why the first run is there: a new alarm that takes missing data as breaching goes off at its first evaluation."""
    without = Replay(alarms()[WEST], lambda at: None if at < 100 else see(), phase=0.5, created_at=100.0).until(300)
    assert (NOT_WORKING, "ALARM") in [one[1:] for one in without.notified]


@pytest.mark.parametrize("region", REGIONS)
def test_a_month_of_single_failures_and_idle_nights_notifies_nobody(region: str) -> None:
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
        probes = {one: ANSWERED if answers() else ProbeResult(problem="x") for one in REGIONS}
        return see(planes, probes) if answers() else Run(failed=True)

    replay = Replay(alarms()[region], world, phase=0.5).until(30 * DAY)
    assert replay.notified == []
    assert retried[0] > 500, "failures did happen"
