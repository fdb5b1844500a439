"""What each alarm watches, what its text says, and who is notified of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..physical_names import (
    CLUSTER_DOWN,
    MONITORING_NOT_WORKING,
    NOTIFICATIONS_BROKEN,
    PARAMETERS_CHANGED,
    PEERING_LOST,
)
from ..runtime.health_monitor import metric_names as names
from .health_monitor import HealthMonitor
from .runbook import repair_parameters_step, repair_step


@dataclass(frozen=True, kw_only=True)
class AlarmDefinition:
    """One metric alarm before it is made.

    Args:
        what: Part of its name.
        setting: Field of `HealthAlarmOptions` that has its thresholds.
        metric: Gives what it watches for the length of a datapoint.
        happened: What an ALARM means.
        first_step: What to do first.
        period: Length of a datapoint where the setting leaves it out. None: the monitor's schedule.
        notifies: Who is notified. ``itself``: the alarm's topic; ``warning``: the topic for warnings; ``nobody``; else
            the name of a composite alarm that notifies for several.
    """

    what: str
    setting: str
    metric: Callable[[Duration], cloudwatch.IMetric]
    happened: str
    first_step: str
    period: Duration | None = None
    notifies: Literal["itself", "warning", "nobody", "peering-lost", "monitoring-not-working"] = "warning"


def alarm_definitions(monitor: HealthMonitor, region: str, peering_region: str | None) -> Iterator[AlarmDefinition]:
    """All alarms of *region*, which *monitor* is in, but that of the other Regions' notifications."""
    for cluster in monitor.clusters:
        yield from _of_health(monitor, cluster.cluster_region, repair_step(monitor.deployment_name, peering_region))
    if any(map(parameter_folder, monitor.clusters)):
        yield AlarmDefinition(
            what=PARAMETERS_CHANGED,
            setting="parameters",
            metric=lambda period: monitor.metric(names.PARAMETER_HEALTH, period=period),
            happened="An SSM parameter of the pair does not say what the clusters say: somebody wrote it. Applications "
            "that read it may connect elsewhere.",
            first_step=repair_parameters_step(monitor.deployment_name, peering_region),
            notifies="itself",
        )
    yield from _of_monitor(monitor, region)
    for cluster in monitor.clusters:
        if cluster.cluster_region == region:  # alarms see metrics of their own Region only
            yield from _of_cluster(cluster)


def notifications_broken(monitor: HealthMonitor) -> AlarmDefinition:
    """The alarm on what notifies in the other Regions, where *monitor* checks it."""
    return AlarmDefinition(
        what=NOTIFICATIONS_BROKEN,
        setting="notifications",
        metric=lambda period: monitor.metric(names.NOTIFICATION_HEALTH, period=period),
        period=_five_minutes(monitor),
        happened="Another Region could not notify anybody: an alarm or its actions, the topic, its key or its "
        "subscriptions.",
        first_step="Ask for the verdict, which has a sentence for each broken part (notifications), and repair these.",
        notifies="itself",
    )


def _five_minutes(monitor: HealthMonitor) -> Duration:
    """Or the schedule if that is longer, so that each period has a run."""
    return Duration.minutes(max(5, monitor.schedule.to_minutes()))


def _of_health(monitor: HealthMonitor, region: str, first_step_of_peering: str) -> Iterator[AlarmDefinition]:
    """Plain metric alarms: Route 53 health checks follow no others.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
    """

    def seen(metric_name: str) -> Callable[[Duration], cloudwatch.IMetric]:
        return lambda period: monitor.metric(metric_name, region, period=period)

    down = f"The cluster in {region} does not serve, does not answer, or cannot be reached."
    yield AlarmDefinition(
        what=f"{CLUSTER_DOWN}{region}",
        setting="cluster_down",
        metric=seen(names.CLUSTER_HEALTH),
        happened=down,
        first_step="If the other cluster is healthy, it takes reads and writes: send the application there.",
        notifies="itself",
    )
    yield AlarmDefinition(
        what=f"cluster-health-{region}",
        setting="cluster_health",
        metric=seen(names.CLUSTER_HEALTH),
        happened=f"{down} Or nothing is known of it. This alarm is for Route 53 health checks.",
        first_step="See the alarms cluster-down and monitoring-not-working.",
        notifies="nobody",
    )
    yield AlarmDefinition(
        what=f"peering-{region}",
        setting="peering",
        metric=seen(names.PEERING_HEALTH),
        happened=f"The cluster in {region} does not name the other one as its peer, or has another witness.",
        first_step=first_step_of_peering,
        notifies=PEERING_LOST,
    )


def _of_monitor(monitor: HealthMonitor, region: str) -> Iterator[AlarmDefinition]:
    function, first = monitor.function, monitor.clusters[0].cluster_region
    yield AlarmDefinition(
        what="monitor-no-data",
        setting="monitor_no_data",
        metric=lambda period: cloudwatch.MathExpression(
            expression="FILL(runs, 0)",  # with missing data alone it would take periods longer (docs/adr/0008)
            using_metrics={"runs": monitor.metric(names.PROBE_ATTEMPTS, first, statistic="SampleCount", period=period)},
            period=period,
            label="Runs that put their metrics",
        ),
        happened=f"The monitor in {region} puts no metrics: nothing is known of the pair from there.",
        first_step="Ask for the verdict in another Region, then read the function's log.",
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        what="data-without-runs",
        setting="data_without_runs",
        metric=lambda period: cloudwatch.MathExpression(
            expression="IF(FILL(puts, 0) > 0, IF(FILL(runs, 0) < 1, 1, 0), 0)",
            using_metrics={
                "puts": monitor.metric(names.PROBE_ATTEMPTS, first, statistic="SampleCount", period=period),
                "runs": function.metric_invocations(period=period, statistic="Sum"),  # nobody but AWS writes it
            },
            period=period,
            label="Metrics put without a run",
        ),
        period=_five_minutes(monitor),
        happened=f"Somebody else puts the metrics of the monitor in {region}, which does not run: they say nothing.",
        first_step="Find out who disabled its rule or changed its function (CloudTrail), and who may PutMetricData.",
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        what="monitor-errors",
        setting="monitor_errors",
        metric=lambda period: function.metric_errors(period=period, statistic="Sum"),
        happened=f"The monitor in {region} fails: a permission, or CloudWatch itself.",
        first_step="Read the function's log, which has the reason in its last line.",
        notifies=MONITORING_NOT_WORKING,
    )
    yield AlarmDefinition(
        what="monitor-throttles",
        setting="monitor_throttles",
        metric=lambda period: function.metric_throttles(period=period, statistic="Sum"),
        happened="Lambda has no room for the monitor: the account's concurrency is used up.",
        first_step="Raise the quota, or give the monitor reserved_concurrent_executions.",
    )
    yield AlarmDefinition(
        what="monitor-duration",
        setting="monitor_duration",
        metric=lambda period: cloudwatch.MathExpression(
            expression=f"100 * duration / {monitor.longest_run.to_milliseconds():g}",
            using_metrics={"duration": function.metric_duration(period=period, statistic="Maximum")},
            period=period,
            label="Longest run, % of the time that it has",
        ),
        happened="Runs come near the end of the time that they have.",
        first_step="See in the log what takes long (look_ms, report_ms).",
    )
    yield AlarmDefinition(
        what="failed-invocations",
        setting="failed_invocations",
        metric=lambda period: cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name="FailedInvocations",
            dimensions_map={"RuleName": monitor.rule.rule_name},
            period=period,
            statistic="Sum",
        ),
        happened="EventBridge cannot call the monitor.",
        first_step="Read the dead letters, which have the reason (ERROR_MESSAGE), and deploy the app again.",
    )
    yield AlarmDefinition(
        what="dead-letters",
        setting="dead_letters",
        metric=lambda period: monitor.dead_letter_queue.metric_approximate_number_of_messages_visible(
            period=period, statistic="Maximum"
        ),
        happened="Runs of the monitor failed or were never started; they are in the dead-letter queue.",
        first_step="Read them, then purge the queue; until then this alarm stays.",
    )


def _of_cluster(cluster: IRegionalCluster) -> Iterator[AlarmDefinition]:
    """What Aurora DSQL itself measures."""
    yield AlarmDefinition(
        what="query-timeouts",
        setting="query_timeouts",
        metric=lambda period: cluster.metric_query_timeouts(period=period),
        happened="Queries end because they take too long.",
        first_step="Look for a new query or a missing index.",
    )
    yield AlarmDefinition(
        what="occ-conflicts",
        setting="occ_conflicts",
        metric=lambda period: cloudwatch.MathExpression(
            expression="IF(total > 0, 100 * conflicts / total, 0)",
            using_metrics={
                "conflicts": cluster.metric_occ_conflicts(period=period),
                "total": cluster.metric_total_transactions(period=period),
            },
            period=period,
            label="Conflicts, % of transactions",
        ),
        happened="Many transactions conflict (SQLSTATE 40001) and have to be tried again.",
        first_step="Look for a hot row, or one that both Regions write.",
    )
    yield AlarmDefinition(
        what="commit-latency",
        setting="commit_latency",
        metric=lambda period: cluster.metric_commit_latency(period=period),
        happened="Commits are slow.",
        first_step="Compare with the other Region: if both are slow, look at the network between them and the witness.",
    )
    yield AlarmDefinition(
        what="dpu-budget",
        setting="dpu_budget",
        metric=lambda period: cluster.metric_total_dpu(period=period),
        happened="The cluster uses more DPUs than its budget.",
        first_step="See on the dashboard which kind grows: write, read, compute or multi-Region write.",
    )
