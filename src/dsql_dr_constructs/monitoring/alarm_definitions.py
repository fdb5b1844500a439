"""The metric of each alarm, what its notification says, and who is notified."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from ..asked_once import minutes, seconds
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..physical_names import (
    CLUSTER_DOWN,
    MONITORING_NOT_WORKING,
    NOTIFICATIONS_BROKEN,
    PARAMETERS_CHANGED,
    PEERING_LOST,
    RECOVERY_POINT_AGE,
)
from ..runtime.health_monitor import metric_names as names
from .alarm_description import AlarmDescription, cluster_down, parameters_changed, peering_lost, recovery_point_age
from .alarm_description import notifications_broken as notifications_broken_description
from .alarm_options import AlarmOptions
from .health_monitor import HealthMonitor


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """One metric alarm before it is made.

    Args:
        kind: What it is about; with ``_`` for ``-`` the field of `HealthAlarmOptions`.
        cluster_region: Of the cluster that it is about. None: it is about no cluster.
        metric: Gives its metric for the length of a datapoint.
        description: What its notification says.
        period: Length of a datapoint where the options leave it out. None: the monitor's schedule.
        options: All that `HealthAlarmOptions` has no field for. None: it has one.
        notifies: Who is notified. ``itself``: the alarm's topic; ``warning``: the topic for warnings; ``somebody``: the
            topic for warnings, or the alarm's where there is none; ``nobody``; else the name of a composite alarm that
            notifies for several.
    """

    kind: str
    cluster_region: str | None = None
    metric: Callable[[Duration], cloudwatch.IMetric]
    description: AlarmDescription
    period: Duration | None = None
    options: AlarmOptions | None = None
    notifies: Literal["itself", "warning", "somebody", "nobody", "peering-lost", "monitoring-not-working"] = "warning"

    @property
    def what(self) -> str:
        """Part of its name, and its key in `HealthAlarms.alarms`."""
        return f"{self.kind}-{self.cluster_region}" if self.cluster_region else self.kind

    @property
    def option(self) -> str:
        """Field of `HealthAlarmOptions` that has its threshold."""
        return self.kind.replace("-", "_")


def alarm_definitions(monitor: HealthMonitor, region: str, peering_region: str | None) -> Iterator[AlarmDefinition]:
    """All alarms of *region*, which *monitor* is in, but that of the other Regions' notifications."""
    for cluster in monitor.clusters:
        yield from _of_health(monitor, cluster.cluster_region, region, peering_region)
    if any(map(parameter_folder, monitor.clusters)):
        yield AlarmDefinition(
            kind=PARAMETERS_CHANGED,
            metric=lambda period: monitor.metric(names.PARAMETER_HEALTH, period=period),
            description=parameters_changed(monitor, peering_region, region),
            notifies="itself",
        )
    yield from _of_monitor(monitor, region)
    if monitor.backup_vaults:
        yield AlarmDefinition(
            kind=RECOVERY_POINT_AGE,
            metric=lambda period: monitor.metric(names.RECOVERY_POINT_AGE, statistic="Maximum", period=period),
            description=recovery_point_age(monitor, region),
            notifies="somebody",
        )
    for cluster in monitor.clusters:
        if cluster.cluster_region == region:  # alarms see metrics of their own Region only
            yield from _of_cluster(cluster)


def notifications_broken(monitor: HealthMonitor, region: str, others: Sequence[str]) -> AlarmDefinition:
    """The alarm of *region* on what notifies in *others*, where *monitor* checks it."""
    return AlarmDefinition(
        kind=NOTIFICATIONS_BROKEN,
        metric=lambda period: monitor.metric(names.NOTIFICATION_HEALTH, period=period),
        period=_of_checks(monitor),
        description=notifications_broken_description(monitor, region, others),
        notifies="itself",
    )


def _of_checks(monitor: HealthMonitor) -> Duration:
    """So long that one lost run leaves none empty, or the schedule, with which each has one run."""
    schedule = seconds(monitor.schedule) / 60
    return minutes(5 if schedule < 3 else schedule)


def period_of_runs(monitor: HealthMonitor) -> Duration:
    """So long that each has a run, although metrics and Lambda's have times that are seconds apart."""
    return minutes(max(5, 2 * seconds(monitor.schedule) / 60))


def _of_health(
    monitor: HealthMonitor, region: str, observer: str, peering_region: str | None
) -> Iterator[AlarmDefinition]:
    """Of the cluster in *region*; plain metric alarms, since Route 53 health checks follow no others.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
    """

    def seen(metric_name: str) -> Callable[[Duration], cloudwatch.IMetric]:
        return lambda period: monitor.metric(metric_name, region, period=period)

    health = cache(seen(names.CLUSTER_HEALTH))  # one metric for two alarms
    yield AlarmDefinition(
        kind=CLUSTER_DOWN.removesuffix("-"),
        cluster_region=region,
        metric=health,
        description=cluster_down(monitor, region, observer),
        notifies="itself",
    )
    yield AlarmDefinition(
        kind="cluster-health",
        cluster_region=region,
        metric=health,
        description=AlarmDescription(
            fault=f"The cluster in {region} is down or has no data, as seen from {observer}. This alarm is for Route "
            "53 health checks, and notifies nobody.",
            action=f"See the alarms {CLUSTER_DOWN}{region} and {MONITORING_NOT_WORKING}, which notify.",
        ),
        notifies="nobody",
    )
    yield AlarmDefinition(
        kind="peering",
        cluster_region=region,
        metric=seen(names.PEERING_HEALTH),
        description=peering_lost(monitor, peering_region, observer),
        notifies=PEERING_LOST,
    )


def _of_monitor(monitor: HealthMonitor, region: str) -> Iterator[AlarmDefinition]:
    function, first = monitor.function, monitor.clusters[0].cluster_region
    yield AlarmDefinition(
        kind="monitor-no-data",
        metric=lambda period: cloudwatch.MathExpression(
            expression="FILL(runs, 0)",  # with missing data alone it would take periods longer (docs/adr/0008)
            using_metrics={"runs": monitor.metric(names.PROBE_ATTEMPTS, first, statistic="SampleCount", period=period)},
            period=period,
            label="Runs that put their metrics",
        ),
        description=AlarmDescription(
            fault=f"The monitor in {region} puts no metrics, so it reports no fault of the clusters. They do not "
            "depend on it.",
            action="Get the verdict from another Region, then read the log of the monitor's function.",
        ),
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        kind="data-without-runs",
        metric=lambda period: cloudwatch.MathExpression(
            expression="IF(FILL(puts, 0) > 0, IF(FILL(runs, 0) < 1, 1, 0), 0)",
            using_metrics={
                "puts": monitor.metric(names.PROBE_ATTEMPTS, first, statistic="SampleCount", period=period),
                "runs": function.metric_invocations(period=period, statistic="Sum"),  # nobody but AWS writes it
            },
            period=period,
            label="Metrics put without a run",
        ),
        period=period_of_runs(monitor),
        description=AlarmDescription(
            fault=f"The monitor in {region} does not run, and somebody else puts its metrics, so they are not true. "
            "The clusters do not depend on it.",
            action="Find out who disabled its rule or changed its function (CloudTrail), and who may PutMetricData.",
        ),
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        kind="monitor-errors",
        metric=lambda period: function.metric_errors(period=period, statistic="Sum"),
        description=AlarmDescription(
            fault=f"Runs of the monitor in {region} fail, so it may report no fault of the clusters. They do not "
            "depend on it.",
            action="Read the log of the monitor's function: the reason is under errors in its last line.",
        ),
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        kind="monitor-throttles",
        metric=lambda period: function.metric_throttles(period=period, statistic="Sum"),
        description=AlarmDescription(
            fault=f"Lambda throttles the monitor in {region}, since the concurrency of the account is used up. The "
            "clusters do not depend on it.",
            action="Raise the quota, or give the monitor reserved_concurrent_executions.",
        ),
    )
    yield AlarmDefinition(
        kind="monitor-duration",
        metric=lambda period: cloudwatch.MathExpression(
            expression=f"100 * duration / {1000 * seconds(monitor.longest_run):g}",
            using_metrics={"duration": function.metric_duration(period=period, statistic="Maximum")},
            period=period,
            label="Longest run, % of the time that it has",
        ),
        description=AlarmDescription(
            fault=f"Runs of the monitor in {region} take almost all the time that they have. They still report.",
            action="Read in the log which part is slow: checks_ms or report_ms.",
        ),
    )
    yield AlarmDefinition(
        kind="failed-invocations",
        metric=lambda period: cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="FailedInvocations",
            dimensions_map={"RuleName": monitor.rule.rule_name},
            period=period,
            statistic="Sum",
        ),
        description=AlarmDescription(
            fault=f"EventBridge cannot invoke the monitor in {region}. The clusters do not depend on it.",
            action="Read the reason in the dead-letter queue (ERROR_MESSAGE), and deploy the app again.",
        ),
    )
    yield AlarmDefinition(
        kind="dead-letters",
        metric=lambda period: monitor.dead_letter_queue.metric_approximate_number_of_messages_visible(
            period=period, statistic="Maximum"
        ),
        description=AlarmDescription(
            fault=f"Runs of the monitor in {region} failed or did not start. Their events are in its dead-letter "
            "queue. The clusters do not depend on it.",
            action="Read the messages, then purge the queue, which ends this alarm.",
        ),
    )


def _of_cluster(cluster: IRegionalCluster) -> Iterator[AlarmDefinition]:
    """On Aurora DSQL's own metrics."""
    region = cluster.cluster_region
    yield AlarmDefinition(
        kind="query-timeouts",
        metric=lambda period: cluster.metric_query_timeouts(period=period),
        description=AlarmDescription(
            fault=f"Queries in {region} time out. The cluster still runs other queries.",
            action="Look for a new query or a missing index.",
        ),
    )
    yield AlarmDefinition(
        kind="occ-conflicts",
        metric=lambda period: cloudwatch.MathExpression(
            expression="IF(total > 0, 100 * conflicts / total, 0)",
            using_metrics={
                "conflicts": cluster.metric_occ_conflicts(period=period),
                "total": cluster.metric_total_transactions(period=period),
            },
            period=period,
            label="Conflicts, % of transactions",
        ),
        description=AlarmDescription(
            fault=f"Many transactions in {region} conflict (SQLSTATE 40001) and have to be retried. Others commit.",
            action="Look for a row that many transactions write, perhaps in both Regions.",
        ),
    )
    yield AlarmDefinition(
        kind="commit-latency",
        metric=lambda period: cluster.metric_commit_latency(period=period),
        description=AlarmDescription(
            fault=f"Commits in {region} are slow, and succeed.",
            action="Compare with the other Region. If both are slow, look at the network between them and the witness "
            "Region.",
        ),
    )
    yield AlarmDefinition(
        kind="dpu-budget",
        metric=lambda period: cluster.metric_total_dpu(period=period),
        description=AlarmDescription(
            fault=f"The cluster in {region} uses more DPUs than its budget. It is not limited by that.",
            action="See on the dashboard which kind of DPU grows: write, read, compute or multi-Region write.",
        ),
    )
