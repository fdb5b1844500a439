"""Thresholds, periods and evaluation periods of every alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from math import inf
from operator import ge, gt, le, lt
from typing import Any, NamedTuple

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData

from ..arguments import check_fields
from ..asked_once import minutes, seconds
from ..runtime.health_monitor.settings import STALE_HOURS

_COMPARISONS: dict[ComparisonOperator, Callable[[float, float], bool]] = {
    ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD: ge,
    ComparisonOperator.GREATER_THAN_THRESHOLD: gt,
    ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD: le,
    ComparisonOperator.LESS_THAN_THRESHOLD: lt,
}
_DAY, _HOUR = 86_400, 3_600


@dataclass(frozen=True, kw_only=True)
class AlarmOptions:
    """How one alarm of `HealthAlarmOptions` differs from its default. A field that is left out keeps that default.

    Args:
        threshold: Value that datapoints are compared with, in the metric's unit. Default: the alarm's.
        comparison_operator: How a breaching datapoint compares with the threshold. Default: the alarm's.
        period: As in `RegionalCluster.metric`, but whole minutes. Default: the alarm's.
        evaluation_periods: N: number of datapoints that are evaluated. Default: the alarm's.
        datapoints_to_alarm: M: number of these datapoints that must be breaching. Default: the alarm's.
        treat_missing_data: What a missing datapoint counts as. Default: the alarm's.

    Raises:
        ValueError: a field has a value of another type, or a number of periods or datapoints is less than 1.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """

    threshold: float | None = None
    comparison_operator: ComparisonOperator | None = None
    period: Duration | None = None
    evaluation_periods: int | None = None
    datapoints_to_alarm: int | None = None
    treat_missing_data: TreatMissingData | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for name in ("evaluation_periods", "datapoints_to_alarm"):
            count: int | None = getattr(self, name)
            if count is not None and count < 1:
                raise ValueError(f"{name} is {count}: a whole number from 1 on is needed.")


class _Default(NamedTuple):
    """The defaults of one alarm, and the values that its metric can have.

    Args:
        threshold: None if only the user can know it.
        m_of_n: Datapoints to alarm, and evaluation periods.
        worst: The worst value, at which the alarm has to go into ALARM.
        best: The best value, at which it has to stay in OK.
        minutes: Length of a datapoint. None: the monitor's schedule.
        missing: What a missing datapoint counts as.
    """

    threshold: float | None
    m_of_n: tuple[int, int]
    worst: float = inf
    best: float = 0
    minutes: int | None = None
    missing: TreatMissingData = TreatMissingData.NOT_BREACHING


_DEFAULTS = {
    "cluster_down": _Default(1, (2, 2), worst=0, best=1, missing=TreatMissingData.IGNORE),
    "cluster_health": _Default(1, (2, 2), worst=0, best=1, missing=TreatMissingData.BREACHING),
    "peering": _Default(1, (2, 2), worst=0, best=1, missing=TreatMissingData.IGNORE),
    "monitor_no_data": _Default(1, (3, 3), worst=0, best=inf, missing=TreatMissingData.BREACHING),
    "monitor_errors": _Default(1, (2, 2)),
    "data_without_runs": _Default(1, (2, 4), worst=1, missing=TreatMissingData.IGNORE),
    "parameters_changed": _Default(1, (2, 2), worst=0, best=1, missing=TreatMissingData.IGNORE),
    "notifications_broken": _Default(1, (2, 2), worst=0, best=1, missing=TreatMissingData.IGNORE),
    "monitor_throttles": _Default(1, (2, 2)),
    "monitor_duration": _Default(80, (2, 2), worst=100),
    "failed_invocations": _Default(1, (2, 2)),
    "dead_letters": _Default(1, (1, 1), minutes=5),
    "recovery_point_age": _Default(STALE_HOURS, (1, 1), minutes=60, missing=TreatMissingData.IGNORE),
    "query_timeouts": _Default(10, (2, 2), minutes=5),
    "occ_conflicts": _Default(20, (3, 3), worst=100, minutes=5),
    "commit_latency": _Default(500, (3, 3), minutes=5),
    "dpu_budget": _Default(None, (1, 1), minutes=60),
}


@dataclass(frozen=True, kw_only=True)
class HealthAlarmOptions:
    """Every alarm of an observing Region; None leaves an alarm out.

        HealthAlarmOptions(commit_latency=AlarmOptions(threshold=200), query_timeouts=None)

    An alarm keeps its default for each field that its `AlarmOptions` leaves out. Unless a default says otherwise, the
    period is the monitor's schedule. The first eight notify of faults, but for ``cluster_health``; the others are
    warnings.

    Args:
        cluster_down: A cluster is down: ``ClusterHealth``, 1 or 0. One alarm for each cluster. Default: < 1 in 2 of 2
            periods; missing data keeps the state, since a monitor that does not work says nothing about the clusters.
        cluster_health: The same metric for Route 53 health checks; notifies nobody. Default: < 1 in 2 of 2 periods;
            missing data is breaching.
        peering: A cluster does not name the other one as its peer, or has another witness: ``PeeringHealth``, 1 or 0.
            Default: < 1 in 2 of 2 periods; missing data keeps the state.
        monitor_no_data: Number of runs that put metrics in each period. Default: < 1 in 3 of 3 periods, since a lost
            run and a slow one can leave 2 periods empty.
        monitor_errors: Number of failed runs in each period. Default: >= 1 in 2 of 2 periods.
        data_without_runs: 1 if metrics were put although Lambda did not run the monitor, so that somebody else puts
            them, else 0. Default: >= 1 in 2 of 4 periods of 5 minutes, or of twice the schedule if that is longer;
            missing data keeps the state.
        parameters_changed: An SSM parameter of the pair does not say what the clusters say: ``ParameterHealth``, 1 or
            0. Default: < 1 in 2 of 2 periods; missing data keeps the state.
        notifications_broken: Another observing Region cannot notify anybody: ``NotificationHealth``, 1 or 0, checked
            about every 4 minutes. None leaves the check out, too. Default: < 1 in 2 of 2 periods of 5 minutes, or of
            the schedule if that is 3 minutes or more; missing data keeps the state.
        monitor_throttles: Number of runs that Lambda throttled in each period. Default: >= 1 in 2 of 2 periods.
        monitor_duration: Longest run, in per cent of the time that a run has. Default: >= 80 in 2 of 2 periods.
        failed_invocations: Number of runs that EventBridge could not start in each period. Default: >= 1 in 2 of 2
            periods.
        dead_letters: Messages in the monitor's dead-letter queue. Default: >= 1 in 1 of 1 period of 5 minutes.
        recovery_point_age: Hours since the newest recovery point that the backup vaults of both Regions hold, where
            these are given; give more for a backup and copy that take longer than an hour. Default: >= 26 in 1 of 1
            period of an hour; missing data keeps the state.
        query_timeouts: Number of query time-outs in each period. Default: >= 10 in 2 of 2 periods of 5 minutes.
        occ_conflicts: Conflicts, in per cent of the transactions. Default: >= 20 in 3 of 3 periods of 5 minutes.
        commit_latency: Median commit latency in milliseconds. Default: >= 500 in 3 of 3 periods of 5 minutes.
        dpu_budget: DPUs in each period, 1 of 1 period of an hour, for example ``AlarmOptions(threshold=100_000)``.
            Default: None, since no budget suits everybody.

    Raises:
        ValueError: a threshold is missing, M is not from 1 to N, a period is not whole minutes or all periods are
            longer than CloudWatch allows, or an alarm would never, or always, be in ALARM.
    """

    cluster_down: AlarmOptions | None = AlarmOptions()
    cluster_health: AlarmOptions | None = AlarmOptions()
    peering: AlarmOptions | None = AlarmOptions()
    monitor_no_data: AlarmOptions | None = AlarmOptions()
    monitor_errors: AlarmOptions | None = AlarmOptions()
    data_without_runs: AlarmOptions | None = AlarmOptions()
    parameters_changed: AlarmOptions | None = AlarmOptions()
    notifications_broken: AlarmOptions | None = AlarmOptions()
    monitor_throttles: AlarmOptions | None = AlarmOptions()
    monitor_duration: AlarmOptions | None = AlarmOptions()
    failed_invocations: AlarmOptions | None = AlarmOptions()
    dead_letters: AlarmOptions | None = AlarmOptions()
    recovery_point_age: AlarmOptions | None = AlarmOptions()
    query_timeouts: AlarmOptions | None = AlarmOptions()
    occ_conflicts: AlarmOptions | None = AlarmOptions()
    commit_latency: AlarmOptions | None = AlarmOptions()
    dpu_budget: AlarmOptions | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for one in fields(self):
            given: AlarmOptions | None = getattr(self, one.name)
            if given and given is not one.default:
                completed(one.name, given)


def completed(name: str, given: AlarmOptions) -> AlarmOptions:
    """*given* with the defaults of the alarm *name* for what it leaves out.

    The period is None where the monitor's schedule decides. Defaults are made when they are used: a Duration lets Node
    load aws-cdk-lib, which an import should not wait for.

    Raises:
        ValueError: as `HealthAlarmOptions`.
    """
    default = _DEFAULTS[name]
    own: dict[str, Any] = {
        "threshold": default.threshold,
        "comparison_operator": ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        if default.worst > default.best
        else ComparisonOperator.LESS_THAN_THRESHOLD,
        "period": minutes(default.minutes) if default.minutes and not given.period else None,
        "evaluation_periods": default.m_of_n[1],
        "datapoints_to_alarm": default.m_of_n[0],
        "treat_missing_data": default.missing,
    }
    whole = replace(given, **{key: value for key, value in own.items() if getattr(given, key) is None})
    _refuse_what_would_not_alarm(name, whole, default)
    return whole


def _refuse_what_would_not_alarm(name: str, one: AlarmOptions, default: _Default) -> None:
    n, m, threshold = one.evaluation_periods or 0, one.datapoints_to_alarm or 0, one.threshold
    if threshold is None:
        raise ValueError(f"{name} has no threshold, and no default suits everybody: give AlarmOptions(threshold=...).")
    if not 1 <= m <= n:
        raise ValueError(
            f"{name} asks for {m} of {n} datapoints: give datapoints_to_alarm from 1 to evaluation_periods, which are "
            f"{default.m_of_n[0]} and {default.m_of_n[1]} where they are left out."
        )
    if one.period:
        refuse_period(name, one.period, n)
    operator = one.comparison_operator
    breaches = _COMPARISONS.get(operator) if operator else None
    if operator is None or breaches is None:
        raise ValueError(
            f"{name} has the comparison_operator {operator}, which needs an anomaly detection band: choose one that "
            "ends with _THRESHOLD alone."
        )
    asked = f"{name} would be in ALARM at values {operator.name} {threshold:g}"
    if not breaches(default.worst, threshold):
        raise ValueError(f"{asked}, and so never: the worst value of its metric is {default.worst:g}.")
    if breaches(default.best, threshold):
        raise ValueError(f"{asked}, and so always: the best value of its metric is {default.best:g}.")


def refuse_period(name: str, period: Duration, evaluation_periods: int) -> None:
    """
    Raises:
        ValueError: CloudWatch would refuse *period*, or so many of them.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
    """
    length = seconds(period)
    longest = 7 * _DAY if length >= _HOUR else _DAY
    if length % 60 or not length or length * evaluation_periods > longest:
        raise ValueError(
            f"{name} evaluates {evaluation_periods} periods of {period.to_human_string()}: a period is whole minutes, "
            "and all periods together are one day at most, or seven days with periods of an hour or more."
        )
