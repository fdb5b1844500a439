"""How long it takes until Route 53 answers with the other Region only: the table of the documents."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache

import aws_cdk as cdk

from dsql_dr_constructs import MonitoringOptions
from dsql_dr_constructs.emulator.alarm_evaluation import EXTRA_PERIODS
from tests.unit.monitoring.health_check_replay import Failover, Observed, statuses
from tests.unit.monitoring.notification_times import EAST, FAULTS, rounded_up
from tests.unit.monitoring.replay import REGIONS, Run, see

WEST = REGIONS[1]
BEGINS = 240.0
LASTS = 1200.0

Fault = Callable[[str, float], Observed]
"""What an observer sees of a fault that begins at that second."""


def unseen(observer: str, began: float) -> Observed:
    """Nothing happens."""
    return Observed(lambda at: see())


def seen_by_all(name: str) -> Fault:
    """A fault of `FAULTS`, as every observer sees it."""
    run = FAULTS[name]
    return lambda observer, began: Observed(lambda at: run() if at >= began else see())


def _dead(observer: str, began: float, *, is_read: bool) -> Observed:
    if observer == EAST:
        return Observed(lambda at: None if at >= began else see(), silent=(math.inf if is_read else began, math.inf))
    return seen_by_all("a Region does not answer")(observer, began)


def dead(observer: str, began: float) -> Observed:
    """A Region in which nothing runs; what its metrics had before can still be read."""
    return _dead(observer, began, is_read=True)


def dead_without_metrics(observer: str, began: float) -> Observed:
    """And whose metrics nobody can read either."""
    return _dead(observer, began, is_read=False)


def monitor_stopped(observer: str, began: float) -> Observed:
    """The Region and its cluster serve."""
    return Observed(lambda at: None if observer == EAST and at >= began else see())


def evacuated(observer: str, began: float) -> Observed:
    """By the SSM parameter alone: the monitors read it."""
    return Observed(lambda at: see(evacuated=EAST if at >= began else None))


def put_by_command(observer: str, at: float, region: str | None) -> list[tuple[float, str, float]]:
    """What `dsql-dr evacuate` of *region* puts beside *observer*, or with ``--back``, where there is none."""
    return [(at, one, float(one == region)) for one in REGIONS if region == one or one != observer]


def evacuated_by_command(observer: str, began: float) -> Observed:
    """The command puts the metric, too."""
    return Observed(evacuated(observer, began).world, puts=put_by_command(observer, began, EAST))


def dead_and_evacuated(observer: str, began: float) -> Observed:
    """A dead Region that is evacuated by command at once, from the other one."""
    gone = dead(observer, began)
    if observer != WEST:
        return gone

    def world(at: float) -> Run | None:
        return see(evacuated=EAST, seconds=20.0) if at >= began else see()

    return Observed(world, puts=put_by_command(WEST, began, EAST))


LEAVING: Mapping[str, tuple[Fault, bool]] = {
    "a cluster is down": (seen_by_all("a cluster is down"), False),
    "a Region does not answer": (seen_by_all("a Region does not answer"), False),
    "a Region is lost, and its monitor with it": (dead, False),
    "the same with `witness_observer=True`": (dead, True),
    "only the monitor of a Region does not run": (monitor_stopped, False),
    "a Region is evacuated by `dsql-dr evacuate`, lost or not": (evacuated_by_command, False),
    "a Region is evacuated by its SSM parameter alone": (evacuated, False),
}
"""Each with whether the witness Region observes the pair, too."""

MAIN_LEAVING = ("a cluster is down", "a Region is lost, and its monitor with it")
"""Those that README.md has."""


@cache
def failover(minutes: int = 2, *, is_witness_observing: bool = False) -> Failover:
    """Of a pair with that schedule."""
    monitoring = MonitoringOptions(witness_observer=is_witness_observing)
    return Failover.of(schedule=cdk.Duration.minutes(minutes), monitoring=monitoring)


def leaving_time(
    pair: Failover,
    fault: Fault,
    *,
    reading: str = "alarm",
    extra: int = EXTRA_PERIODS,
    offsets: Iterable[float] = (0.0,),
    lasts: float = LASTS,
) -> float:
    """Seconds until Route 53 answers with the other Region only, in the worst case, and does so from then on.

    Whenever in the life of a run and of an evaluation of Route 53 the fault begins. Both monitors beginning their runs
    at the same second is the worst case: of several statuses that are needed, the last one decides, and of several that
    are enough, the first one.
    """
    worst = 0.0
    for phase in range(0, 60, 7):
        for offset in offsets:
            for begin in range(1, int(pair.schedules[EAST].schedule), 17):
                began = BEGINS + begin
                observed = {one: fault(one, began) for one in pair.schedules}
                found = statuses(
                    pair, observed, began + lasts, phase=phase + 0.5, offset=offset, reading=reading, extra=extra
                )
                left = next((at for at, regions in found if EAST in regions), math.inf)
                assert all(regions == ({EAST} if at >= left else set()) for at, regions in found)
                worst = max(worst, left - began)
    return worst


def rows(names: Iterable[str] = tuple(LEAVING), *, prefix: str = "") -> str:
    """Of the table for each of *names*, for two schedules."""
    lines = []
    for name in names:
        fault, is_witness_observing = LEAVING[name]
        pairs = [failover(minutes, is_witness_observing=is_witness_observing) for minutes in (2, 1)]
        times = [rounded_up(leaving_time(one, fault)) for one in pairs]
        lines.append(f"| {prefix}{name} | {' | '.join(times)} |")
    return "\n".join(lines)


def table() -> str:
    """Markdown: the worst case of each of `LEAVING`."""
    what = "From the fault to Route 53 answering with the other Region only, at most"
    return "\n".join([f"| {what} | every 2 minutes (default) | every minute |", "|---|---|---|", rows()])


def main_rows() -> str:
    """Those of README.md, which follow `notification_times.main_table`."""
    return rows(MAIN_LEAVING, prefix="with `failover`, to Route 53 answering with the other Region only: ")
