"""When each alarm goes off: every threshold in one place, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import inf
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData

from ..arguments import check_fields

_COMPARISONS: dict[ComparisonOperator, Callable[[float, float], bool]] = {
    ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD: ge,
    ComparisonOperator.GREATER_THAN_THRESHOLD: gt,
    ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD: le,
    ComparisonOperator.LESS_THAN_THRESHOLD: lt,
}
_DAY, _HOUR = 86_400, 3_600


@dataclass(frozen=True, kw_only=True)
class AlarmOptions:
    """How one alarm of `HealthAlarmOptions` differs from its default. What is left out stays as that alarm has it.

    Args:
        threshold: In the metric's unit.
        comparison: How a datapoint that breaches compares with the threshold.
        period: Length of a datapoint; whole minutes.
        evaluation_periods: N: datapoints that are evaluated.
        datapoints_to_alarm: M: how many of them have to breach.
        missing_data: What a missing datapoint counts as.

    Raises:
        ValueError: a number of periods or datapoints is less than 1.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """

    threshold: float | None = None
    comparison: ComparisonOperator | None = None
    period: Duration | None = None
    evaluation_periods: int | None = None
    datapoints_to_alarm: int | None = None
    missing_data: TreatMissingData | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("evaluation_periods", "datapoints_to_alarm"):
            count: int | None = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} is {count}: a whole number from 1 on is needed.")


class _Default(NamedTuple):
    """What an alarm has by itself, and the values that its metric can have.

    Args:
        threshold: None if only the user can know it.
        m_of_n: Datapoints to alarm, and evaluation periods.
        worst: The value that the alarm is there for.
        best: The value when all is as it should be.
        minutes: Length of a datapoint. None: the monitor's schedule.
        missing_data: What a missing datapoint counts as.
    """

    threshold: float | None
    m_of_n: tuple[int, int]
    worst: float = inf
    best: float = 0
    minutes: int | None = None
    missing_data: TreatMissingData = TreatMissingData.NOT_BREACHING


_DEFAULTS = {
    "cluster_down": _Default(1, (2, 2), worst=0, best=1, missing_data=TreatMissingData.IGNORE),
    "cluster_health": _Default(1, (2, 2), worst=0, best=1, missing_data=TreatMissingData.BREACHING),
    "peering": _Default(1, (2, 2), worst=0, best=1, missing_data=TreatMissingData.IGNORE),
    "monitor_no_data": _Default(1, (3, 3), worst=0, best=inf, missing_data=TreatMissingData.BREACHING),
    "monitor_errors": _Default(1, (2, 2)),
    "data_without_runs": _Default(1, (2, 4), worst=1, missing_data=TreatMissingData.IGNORE),
    "parameters": _Default(1, (2, 2), worst=0, best=1, missing_data=TreatMissingData.IGNORE),
    "notifications": _Default(1, (2, 2), worst=0, best=1, missing_data=TreatMissingData.IGNORE),
    "monitor_throttles": _Default(1, (2, 2)),
    "monitor_duration": _Default(80, (2, 2), worst=100),
    "failed_invocations": _Default(1, (2, 2)),
    "dead_letters": _Default(1, (1, 1), minutes=5),
    "query_timeouts": _Default(10, (2, 2), minutes=5),
    "occ_conflicts": _Default(20, (3, 3), worst=100, minutes=5),
    "commit_latency": _Default(500, (3, 3), minutes=5),
    "dpu_budget": _Default(None, (1, 1), minutes=60),
}


@dataclass(frozen=True, kw_only=True)
class HealthAlarmOptions:
    """The settings of all alarms of a Region; None leaves an alarm out.

        HealthAlarmOptions(commit_latency=AlarmOptions(threshold=200), query_timeouts=None)

    Each alarm keeps what its `AlarmOptions` leaves out. Periods are the monitor's schedule unless they say otherwise.

    Args:
        cluster_down: A cluster is seen down; notifies. ``ClusterHealth``, 1 or 0. Default: < 1 in 2 of 2 periods;
            without data the alarm keeps its state, since a monitor that does not work says nothing about clusters.
        cluster_health: The same for Route 53 health checks; notifies nobody. Default: as before, but no data counts
            as 0.
        peering: A cluster does not name its peer or has another witness; notifies. ``PeeringHealth``, 1 or 0. Default:
            < 1 in 2 of 2 periods; without data the alarm keeps its state.
        monitor_no_data: Runs that put metrics, in each period; notifies. Default: < 1 in 3 of 3 periods, since
            one lost run and a slow one can leave 2 periods empty.
        monitor_errors: Runs that failed; notifies. Default: >= 1 in 2 of 2 periods.
        data_without_runs: Metrics were put and Lambda did not run the monitor, 1 or 0: somebody else puts them;
            notifies. Default: >= 1 in 2 of 4 periods of 5 minutes, or of the schedule if that is
            longer; without data the alarm keeps its state.
        parameters: An SSM parameter of the pair does not say what the clusters say; notifies. ``ParameterHealth``, 1
            or 0. Default: < 1 in 2 of 2 periods; without data the alarm keeps its state.
        notifications: Another observing Region could not notify anybody; notifies. ``NotificationHealth``, 1 or 0,
            about every 4 minutes. None: not checked either. Default: < 1 in 2 of 2 periods of 5 minutes, or of the
            schedule if that is longer; without data the alarm keeps its state.
        monitor_throttles: Runs that Lambda refused. Default: >= 1 in 2 of 2 periods.
        monitor_duration: Longest run in per cent of the time that a run has. Default: >= 80 in 2 of 2 periods.
        failed_invocations: Runs that EventBridge could not start. Default: >= 1 in 2 of 2 periods.
        dead_letters: Messages in the dead-letter queue. Default: >= 1 in 1 of 1 period of 5 minutes.
        query_timeouts: Queries in each period. Default: >= 10 in 2 of 2 periods of 5 minutes.
        occ_conflicts: Conflicts in per cent of the transactions. Default: >= 20 in 3 of 3 periods of 5 minutes.
        commit_latency: Median in milliseconds. Default: >= 500 in 3 of 3 periods of 5 minutes.
        dpu_budget: DPUs in each period, 1 of 1 period of an hour, for example ``AlarmOptions(threshold=100_000)``.
            Default: None, since a budget is yours to set.

    Raises:
        ValueError: a threshold is missing, M is not from 1 to N, a period is not whole minutes or evaluated for too
            long, or a comparison would never go off, or go off while all is as it should be.
    """

    cluster_down: AlarmOptions | None = AlarmOptions()
    cluster_health: AlarmOptions | None = AlarmOptions()
    peering: AlarmOptions | None = AlarmOptions()
    monitor_no_data: AlarmOptions | None = AlarmOptions()
    monitor_errors: AlarmOptions | None = AlarmOptions()
    data_without_runs: AlarmOptions | None = AlarmOptions()
    parameters: AlarmOptions | None = AlarmOptions()
    notifications: AlarmOptions | None = AlarmOptions()
    monitor_throttles: AlarmOptions | None = AlarmOptions()
    monitor_duration: AlarmOptions | None = AlarmOptions()
    failed_invocations: AlarmOptions | None = AlarmOptions()
    dead_letters: AlarmOptions | None = AlarmOptions()
    query_timeouts: AlarmOptions | None = AlarmOptions()
    occ_conflicts: AlarmOptions | None = AlarmOptions()
    commit_latency: AlarmOptions | None = AlarmOptions()
    dpu_budget: AlarmOptions | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for one in fields(self):
            given: AlarmOptions | None = getattr(self, one.name)
            if given:
                object.__setattr__(self, one.name, _complete(one.name, given))


def _complete(name: str, given: AlarmOptions) -> AlarmOptions:
    """*given* with the defaults of the alarm *name* in place of None; the period may still be the schedule's."""
    default = _DEFAULTS[name]
    own: dict[str, Any] = {
        "threshold": default.threshold,
        "comparison": ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        if default.worst > default.best
        else ComparisonOperator.LESS_THAN_THRESHOLD,
        "period": Duration.minutes(default.minutes) if default.minutes and not given.period else None,
        "evaluation_periods": default.m_of_n[1],
        "datapoints_to_alarm": default.m_of_n[0],
        "missing_data": default.missing_data,
    }
    whole = replace(given, **{key: value for key, value in own.items() if getattr(given, key) is None})
    _refuse_what_would_not_alarm(name, whole, default)
    return whole


def _refuse_what_would_not_alarm(name: str, one: AlarmOptions, default: _Default) -> None:
    n, m, threshold = one.evaluation_periods or 0, one.datapoints_to_alarm or 0, one.threshold
    if threshold is None:
        raise ValueError(f"{name} has no threshold, and none that suits everybody: give AlarmOptions(threshold=...).")
    if not 1 <= m <= n:
        raise ValueError(
            f"{name} asks for {m} of {n} datapoints: give datapoints_to_alarm from 1 to evaluation_periods, which are "
            f"{default.m_of_n[0]} and {default.m_of_n[1]} where they are left out."
        )
    if one.period:
        refuse_period(name, one.period, n)
    breaches = _COMPARISONS.get(one.comparison) if one.comparison else None
    if breaches is None:
        raise ValueError(f"{name} compares with {one.comparison}, which needs a band: choose one with THRESHOLD alone.")
    asked = f"{name} would go off at values {one.comparison.name} {threshold:g}" if one.comparison else ""
    if not breaches(default.worst, threshold):
        raise ValueError(f"{asked}, and so never: the worst that its metric can be is {default.worst:g}.")
    if breaches(default.best, threshold):
        raise ValueError(f"{asked}, and so always: {default.best:g} is the value when all is as it should be.")


def refuse_period(name: str, period: Duration, evaluation_periods: int) -> None:
    """
    Raises:
        ValueError: CloudWatch would not take *period*, or not so many of them.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    seconds = period.to_seconds(integral=False)
    longest = 7 * _DAY if seconds >= _HOUR else _DAY
    if seconds % 60 or not seconds or seconds * evaluation_periods > longest:
        raise ValueError(
            f"{name} looks at {evaluation_periods} periods of {period.to_human_string()}: a period is whole minutes, "
            "and CloudWatch looks back one day at most, or seven with periods of an hour or more."
        )
