"""How long a notification takes by the alarms' definitions, and what it says: tables and example of the documents.

`python -m tests.unit.monitoring.notification_times` prints all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.runtime.health_monitor.observation import ControlPlane, ProbeResult
from tests.unit.monitoring.replay import GOOD, AlarmSet, Replay, Run, alarm_sets, see

EAST = "us-east-1"
BUDGET = 20.0
"""Seconds that a run takes which tries in vain until its budget is used up."""

FAULTS: dict[str, Callable[[], Run | None]] = {
    "a cluster is down": lambda: see(
        {EAST: ControlPlane("FAILED", "ENABLED", GOOD.peers, "us-east-2")}, seconds=BUDGET
    ),
    "a Region does not answer": lambda: see(
        {EAST: ControlPlane(None, problem="no answer")}, {EAST: ProbeResult(problem="no answer")}, seconds=BUDGET
    ),
    "a cluster lost its peer": lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", frozenset(), "us-east-2")}),
    "the witness was changed": lambda: see({EAST: ControlPlane("ACTIVE", "ENABLED", GOOD.peers, "us-west-1")}),
    "an SSM parameter was changed": lambda: see(parameters=False),
    "another Region could not notify": lambda: see(notifications=False),
    "the monitor fails": lambda: Run(failed=True),
    "the monitor does not run": lambda: None,
    "the monitor does not run, and somebody else puts its metrics": lambda: see(forged=True),
}


CHECKED_EVERY = {"another Region could not notify": 240.0}
"""Seconds between two checks of what not every run checks."""


def notification_time(alarms: AlarmSet, name: str, *, extra: int = 2) -> float:
    """Seconds from the fault *name* to its notification in the worst case, whenever in the life of a run and of an
    evaluation it begins."""
    worst, fault = 0.0, FAULTS[name]
    for phase in range(0, 60, 7):
        for begin in range(1, int(CHECKED_EVERY.get(name, alarms.schedule)), 17):
            began = 600.0 + begin

            def world(at: float, began: float = began) -> Run | None:
                return fault() if at >= began else see()

            notified = Replay(alarms, world, phase=phase + 0.5, extra=extra).until(began + 1800).notified
            [(notified_at, _, state)] = notified
            assert state == "ALARM"
            worst = max(worst, notified_at - began)
    return worst


MAIN_FAULTS = ("a cluster is down", "a cluster lost its peer", "the monitor does not run")
"""Those that README.md has; docs/notifications.md has all."""


def table(
    faults: Iterable[str] = tuple(FAULTS),
    *,
    what: str = "From the fault to the notification, at most",
    prefix: str = "",
) -> str:
    """Markdown: the worst case of each of *faults*, for two schedules."""
    default = alarm_sets()["us-west-2"]
    every_minute = alarm_sets(schedule=cdk.Duration.minutes(1))["us-west-2"]
    lines = [
        f"| {what} | every 2 minutes (default) | every minute |",
        "|---|---|---|",
    ]
    for name in faults:
        times = [notification_time(one, name) for one in (default, every_minute)]
        lines.append(f"| {prefix}{name} | {' | '.join(map(rounded_up, times))} |")
    return "\n".join(lines)


def main_table() -> str:
    """That of README.md, which `failover_times.main_rows` follow."""
    return table(MAIN_FAULTS, what="From the fault, at most", prefix="to the notification: ")


def notification() -> str:
    """Subject and text of a notification in the secondary Region of the README's quick start."""
    pair = MultiRegionDsqlDr(cdk.App(), "AuroraDsqlDR")
    template = assertions.Template.from_stack(pair.stacks[3])
    alarms = [one["Properties"] for one in template.find_resources("AWS::CloudWatch::Alarm").values()]
    [alarm] = [one for one in alarms if "-cluster-down-us-east-1-" in one["AlarmName"]]
    return f'Subject: ALARM: "{alarm["AlarmName"]}" in US West (Oregon)\n\n{alarm["AlarmDescription"]}'


def rounded_up(seconds: float) -> str:
    """As the documents have it."""
    minutes, rest = divmod(10 * math.ceil(seconds / 10), 60)
    return f"{minutes} min {rest:02d} s"


if __name__ == "__main__":
    from tests.unit.monitoring import failover_times  # which uses this module

    print(f"{main_table()}\n{failover_times.main_rows()}", table(), notification(), sep="\n\n")  # noqa: T201 - that is what it is for
    print(f"\n{failover_times.table()}")  # noqa: T201
