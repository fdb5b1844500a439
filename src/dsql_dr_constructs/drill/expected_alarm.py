"""After how many minutes a drill asserts that its fault was noticed."""

from __future__ import annotations

from ..asked_once import seconds
from ..monitoring.health_alarms import HealthAlarms
from ..physical_names import CLUSTER_DOWN
from .drill_options import DrillOptions

_EVALUATION_SECONDS = 60
"""Between two evaluations of an alarm."""


def minutes_until_noticed(alarms: HealthAlarms, region: str, options: DrillOptions) -> int | None:
    """How long to wait, from the fault of the cluster in *region*, before its alarm is asserted; None: it is not.

    Raises:
        ValueError: *expect_alarm* is True, and there is no such alarm, or the fault ends too early for it.
    """
    what = f"{CLUSTER_DOWN}{region}"
    wait = longest_minutes(alarms, what)
    if options.expect_alarm and wait is None:
        raise ValueError(
            f"expect_alarm is True, and {region} has no alarm {what}: leave expect_alarm out, or give cluster_down of "
            "HealthAlarmOptions."
        )
    if options.expect_alarm and wait and wait >= options.minutes:
        raise ValueError(
            f"expect_alarm is True, the alarm {what} can take {wait} minutes by its definition, and duration is "
            f"{options.minutes}: give a duration of more than {wait} minutes, or leave expect_alarm out."
        )
    expected = options.expect_alarm
    if expected is None:
        expected = alarms._monitor.sql_probe and options.share == 100
    return wait if expected and wait and wait < options.minutes else None


def longest_minutes(alarms: HealthAlarms, what: str) -> int | None:
    """Whole minutes in which *what*, an alarm on the minimum of a metric that each run puts, is in ALARM for sure.

    The fault begins when a run has just missed it. The next run notices it, and as many periods as the alarm needs
    datapoints begin with it, of which the last one needs its first run only. None: there is no such alarm.
    """
    if what not in alarms._evaluated:
        return None
    _, period, options = alarms._evaluated[what]
    schedule, length = seconds(alarms._monitor.schedule), seconds(period)
    further_periods = (options.datapoints_to_alarm or 1) - 1
    longest = schedule + seconds(alarms._monitor.longest_run) + further_periods * length + _EVALUATION_SECONDS
    longest += schedule if length % schedule else 0  # then runs are not at the same second of each period
    return int(longest // 60) + 1
