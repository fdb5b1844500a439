"""When each alarm goes off: every threshold in one place, each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData

from .arguments import check_fields


@dataclass(frozen=True, kw_only=True)
class AlarmSetting:
    """One alarm's threshold and patience.

    Args:
        threshold: In the metric's unit.
        comparison: How a datapoint that breaches compares with it. Default: greater or equal.
        period: Length of a datapoint. Default: the monitor's schedule.
        evaluation_periods: N: datapoints that are looked at. Default: 2.
        datapoints_to_alarm: M: how many of them have to breach. Default: 2, so that one alone pages nobody.
        missing_data: What a missing datapoint counts as. Default: not breaching.

    Raises:
        ValueError: M is more than N, or less than 1, or a period that CloudWatch does not have.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
    """

    threshold: float
    comparison: ComparisonOperator = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    period: Duration | None = None
    evaluation_periods: int = 2
    datapoints_to_alarm: int = 2
    missing_data: TreatMissingData = TreatMissingData.NOT_BREACHING

    def __post_init__(self) -> None:
        check_fields(self)
        seconds = self.period.to_seconds(integral=False) if self.period else 60
        if seconds not in (10, 20, 30) and (seconds % 60 or not 60 <= seconds <= 86400):
            raise ValueError(
                f"An alarm's period is {seconds:g} seconds: 10, 20, 30 or a multiple of 60 up to a day are allowed."
            )
        if not 1 <= self.datapoints_to_alarm <= self.evaluation_periods:
            raise ValueError(
                f"An alarm cannot ask for {self.datapoints_to_alarm} of {self.evaluation_periods} datapoints: give "
                "datapoints_to_alarm from 1 to evaluation_periods."
            )


_LESS = ComparisonOperator.LESS_THAN_THRESHOLD


def _in_5_minutes(threshold: float, *, m_of_n: tuple[int, int]) -> Callable[[], AlarmSetting]:
    """A default that is made when it is used: an import should not wait for Node to load aws-cdk-lib."""
    datapoints, periods = m_of_n
    return lambda: AlarmSetting(
        threshold=threshold,
        period=Duration.minutes(5),
        evaluation_periods=periods,
        datapoints_to_alarm=datapoints,
    )


@dataclass(frozen=True, kw_only=True)
class AlarmSettings:
    """The settings of all alarms of a Region; None leaves an alarm out.

        AlarmSettings(commit_latency=AlarmSetting(threshold=200), query_timeouts=None)

    Args:
        cluster_health: For each cluster, 1 or 0. Default: 0 in 2 of 2 runs; no data counts as 0.
        peering: 1 or 0. Default: 0 in 2 of 2 runs; no data, which the others tell, counts as 1.
        monitor_silent: Runs that put metrics, in each period. Default: fewer than 1 in 3 of 3 periods, since one lost
            run and a slow one can leave 2 periods empty.
        monitor_errors: Runs that failed. Default: 1 in 2 of 2 periods.
        monitor_throttles: Runs that Lambda refused. Default: 1 in 2 of 2 periods.
        monitor_duration: Longest run in per cent of the time-out. Default: 80 in 2 of 2 periods.
        failed_invocations: Runs that EventBridge could not start. Default: 1 in 2 of 2 periods.
        dead_letters: Messages in the dead-letter queue. Default: 1 in 1 of 1 period of 5 minutes.
        query_timeouts: Queries in each period. Default: 10 in 2 of 2 periods of 5 minutes.
        occ_conflicts: Conflicts in per cent of the transactions. Default: 20 in 3 of 3 periods of 5 minutes.
        commit_latency: Median in milliseconds. Default: 500 in 3 of 3 periods of 5 minutes.
        dpu_budget: DPUs in each period. Default: None, since a budget is yours to set, for example
            ``AlarmSetting(threshold=100_000, period=Duration.hours(1), evaluation_periods=1, datapoints_to_alarm=1)``.
    """

    cluster_health: AlarmSetting | None = AlarmSetting(
        threshold=1, comparison=_LESS, missing_data=TreatMissingData.BREACHING
    )
    peering: AlarmSetting | None = AlarmSetting(threshold=1, comparison=_LESS)
    monitor_silent: AlarmSetting | None = AlarmSetting(
        threshold=1,
        comparison=_LESS,
        evaluation_periods=3,
        datapoints_to_alarm=3,
        missing_data=TreatMissingData.BREACHING,
    )
    monitor_errors: AlarmSetting | None = AlarmSetting(threshold=1)
    monitor_throttles: AlarmSetting | None = AlarmSetting(threshold=1)
    monitor_duration: AlarmSetting | None = AlarmSetting(threshold=80)
    failed_invocations: AlarmSetting | None = AlarmSetting(threshold=1)
    dead_letters: AlarmSetting | None = field(default_factory=_in_5_minutes(1, m_of_n=(1, 1)))
    query_timeouts: AlarmSetting | None = field(default_factory=_in_5_minutes(10, m_of_n=(2, 2)))
    occ_conflicts: AlarmSetting | None = field(default_factory=_in_5_minutes(20, m_of_n=(3, 3)))
    commit_latency: AlarmSetting | None = field(default_factory=_in_5_minutes(500, m_of_n=(3, 3)))
    dpu_budget: AlarmSetting | None = None

    def __post_init__(self) -> None:
        check_fields(self)
