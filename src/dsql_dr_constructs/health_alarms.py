"""The alarms of one observing Region, and the one among them that wakes people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from .accepted_findings import accept
from .alarm_settings import AlarmSetting, AlarmSettings
from .alerting_topic import AlertingTopic
from .arguments import checked
from .health_monitor import HealthMonitor
from .physical_names import alarm_name
from .regional_cluster import IRegionalCluster
from .runbook import ask_for_verdict, dashboard_url
from .runtime.health_monitor import metric_names as names

Paging = Literal["composite", "each"]


class HealthAlarms(Construct):
    """Alarms on what a `HealthMonitor` sees and on the monitor itself.

        HealthAlarms(stack, "Alarms", monitor=monitor, topic=AlertingTopic(stack, "Alerts", emails=[...]))

    The alarms on the clusters, their peering, and a silent or failing monitor make up one composite alarm, which pages;
    so one fault makes one page, and one message when all is well again. All others are warnings: they show on the
    dashboard, and go to *warning_topic* if there is one. They are no part of the page, since a warning that lasts would
    hide the next fault.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm.html
    """

    page: cloudwatch.CompositeAlarm | None
    """``aurora-dsql-<deployment>-unhealthy``, which pages; None with paging "each", or if nothing is left to page."""

    region: str
    """Region that the alarms are in, and see from."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        monitor: HealthMonitor,
        topic: AlertingTopic | None = None,
        paging: Paging = "composite",
        settings: AlarmSettings | None = None,
        warning_topic: AlertingTopic | None = None,
    ) -> None:
        """
        Args:
            monitor: Whose metrics are watched, in the same stack.
            topic: Where pages go. Default: nowhere, the alarms show on the dashboard.
            paging: ``"composite"``: one alarm pages for all; ``"each"``: each alarm pages for itself. Default:
                composite.
            settings: Thresholds, periods, M of N, missing data; None for an alarm leaves it out. Default: as
                `AlarmSettings` says.
            warning_topic: Where warnings go. Default: nowhere, they show on the dashboard.
        """
        super().__init__(scope, id)
        self.region = Stack.of(self).region
        self._monitor = monitor
        self._settings = settings or AlarmSettings()
        self._alarms: dict[str, cloudwatch.Alarm] = {}
        self._add_health()
        self._add_monitor_faults()
        paging_alarms = list(self._alarms.values())
        self._add_monitor_warnings()
        for cluster in monitor.clusters:
            if cluster.cluster_region == self.region:
                self._add_cluster_warnings(cluster)
        warnings = [one for one in self._alarms.values() if one not in paging_alarms]
        self.page = self._composite(paging_alarms) if paging == "composite" and paging_alarms else None
        for one in [self.page] if self.page else paging_alarms:
            _notify(one, topic)
        for one in warnings:
            _notify(one, warning_topic)
        self.node.add_dependency(monitor.first_probe)
        accept(self, {"CloudWatchAlarmAction": "One composite alarm acts for all; the others are warnings."})

    @property
    def alarms(self) -> Mapping[str, cloudwatch.Alarm]:
        """Every metric alarm by what it watches, for example ``alarms["health-us-east-1"]``.

        Those for health are plain metric alarms, which Route 53 health checks can follow.

        Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
        """
        return dict(self._alarms)

    @property
    def names(self) -> Sequence[str]:
        """Physical names of all alarms, the one that pages first; they hold in any Region's stack."""
        deployment = self._monitor.deployment_name
        return [alarm_name(deployment, what) for what in (*(["unhealthy"] if self.page else []), *self._alarms)]

    def _add_health(self) -> None:
        for region in [cluster.cluster_region for cluster in self._monitor.clusters]:
            self._add(
                f"health-{region}",
                self._settings.cluster_health,
                partial(self._seen, names.CLUSTER_HEALTH, region),
                f"The cluster in {region} does not serve, does not answer, or cannot be reached.",
                "If the other one is well, it takes reads and writes: send the application there.",
            )
        self._add(
            "peering",
            self._settings.peering,
            lambda period: cloudwatch.MathExpression(
                expression="MIN([first, second])",
                using_metrics={
                    name: self._seen(names.PEERING_HEALTH, cluster.cluster_region, period)
                    for name, cluster in zip(("first", "second"), self._monitor.clusters, strict=True)
                },
                period=period,
                label="Both name their peer and their witness",
            ),
            "A cluster no longer names the other one as its peer, or has another witness.",
            "Find out who changed it (CloudTrail, UpdateCluster), then deploy the app again, which mends it.",
        )

    def _add_monitor_faults(self) -> None:
        function = self._monitor.function
        first = self._monitor.clusters[0].cluster_region
        self._add(
            "monitor-silent",
            self._settings.monitor_silent,
            lambda period: cloudwatch.MathExpression(
                expression="FILL(runs, 0)",  # with missing data alone it would take periods longer (docs/adr/0008)
                using_metrics={"runs": self._seen(names.PROBE_ATTEMPTS, first, period, statistic="SampleCount")},
                period=period,
                label="Runs that told what they saw",
            ),
            f"The monitor in {self.region} tells nothing: nobody looks at the pair from there.",
            "Ask for the verdict in another Region, then read the function's log.",
        )
        self._add(
            "monitor-errors",
            self._settings.monitor_errors,
            lambda period: function.metric_errors(period=period, statistic="Sum"),
            f"The monitor in {self.region} fails: a permission, or CloudWatch itself.",
            "Read the function's log, which has the reason in its last line.",
        )

    def _add_monitor_warnings(self) -> None:
        function, timeout = self._monitor.function, self._monitor.function.timeout
        assert timeout  # noqa: S101 - the monitor sets it
        self._add(
            "monitor-throttles",
            self._settings.monitor_throttles,
            lambda period: function.metric_throttles(period=period, statistic="Sum"),
            "Lambda has no room for the monitor: the account's concurrency is used up.",
            "Raise the quota, or give the monitor reserved_concurrent_executions.",
        )
        self._add(
            "monitor-duration",
            self._settings.monitor_duration,
            lambda period: cloudwatch.MathExpression(
                expression=f"100 * duration / {timeout.to_milliseconds():g}",
                using_metrics={"duration": function.metric_duration(period=period, statistic="Maximum")},
                period=period,
                label="Longest run, % of the time-out",
            ),
            "Runs come near the function's time-out.",
            "See in the log what takes long (look_ms, report_ms).",
        )
        self._add(
            "monitor-not-invoked",
            self._settings.failed_invocations,
            lambda period: cloudwatch.Metric(
                namespace="AWS/Events",
                metric_name="FailedInvocations",
                dimensions_map={"RuleName": self._monitor.rule.rule_name},
                period=period,
                statistic="Sum",
            ),
            "EventBridge cannot call the monitor.",
            "Read the dead letters, which have the reason (ERROR_MESSAGE), and deploy the app again.",
        )
        self._add(
            "monitor-dead-letters",
            self._settings.dead_letters,
            lambda period: self._monitor.dead_letter_queue.metric_approximate_number_of_messages_visible(
                period=period, statistic="Maximum"
            ),
            "Runs of the monitor failed or were never started; they lie in the dead-letter queue.",
            "Read them, then purge the queue; until then this alarm stays.",
        )

    def _add_cluster_warnings(self, cluster: IRegionalCluster) -> None:
        """What DSQL says of the cluster in this Region; alarms see metrics of their own Region only."""
        self._add(
            "query-timeouts",
            self._settings.query_timeouts,
            lambda period: cluster.metric_query_timeouts(period=period),
            "Queries end because they take too long.",
            "Look for a new query or a missing index.",
        )
        self._add(
            "occ-conflicts",
            self._settings.occ_conflicts,
            lambda period: cloudwatch.MathExpression(
                expression="IF(total > 0, 100 * conflicts / total, 0)",
                using_metrics={
                    "conflicts": cluster.metric_occ_conflicts(period=period),
                    "total": cluster.metric_total_transactions(period=period),
                },
                period=period,
                label="Conflicts, % of transactions",
            ),
            "Many transactions conflict (SQLSTATE 40001) and have to be tried again.",
            "Look for a hot row, or one that both Regions write.",
        )
        self._add(
            "commit-latency",
            self._settings.commit_latency,
            lambda period: cluster.metric_commit_latency(period=period),
            "Commits are slow.",
            "Compare with the other Region: if both are slow, look at the network between them and the witness.",
        )
        self._add(
            "dpu-budget",
            self._settings.dpu_budget,
            lambda period: cluster.metric_total_dpu(period=period),
            "The cluster uses more DPUs than its budget.",
            "See on the dashboard which kind grows: write, read, compute or multi-Region write.",
        )

    def _seen(
        self, metric_name: str, cluster_region: str, period: Duration, *, statistic: str = "Minimum"
    ) -> cloudwatch.Metric:
        return self._monitor.metric(metric_name, cluster_region, statistic=statistic, period=period)

    def _add(
        self,
        what: str,
        setting: AlarmSetting | None,
        metric: Callable[[Duration], cloudwatch.IMetric],
        happened: str,
        first_step: str,
    ) -> None:
        """One alarm, if its setting is not None; *metric* gives what it watches for a period."""
        if setting is None:
            return
        self._alarms[what] = cloudwatch.Alarm(
            self,
            what,
            alarm_name=alarm_name(self._monitor.deployment_name, what),
            alarm_description=self._description(happened, first_step),
            metric=metric(setting.period or self._monitor.schedule),
            threshold=setting.threshold,
            comparison_operator=setting.comparison,
            evaluation_periods=setting.evaluation_periods,
            datapoints_to_alarm=setting.datapoints_to_alarm,
            treat_missing_data=setting.missing_data,
        )

    def _composite(self, children: list[cloudwatch.Alarm]) -> cloudwatch.CompositeAlarm:
        return cloudwatch.CompositeAlarm(
            self,
            "unhealthy",
            composite_alarm_name=alarm_name(self._monitor.deployment_name, "unhealthy"),
            alarm_description=self._description(
                "ALARM: a cluster of the pair is down, their peering is broken, or nobody looks; the alarm that "
                "triggered this one says which. OK: all of that is over.",
                "Ask for the verdict.",
            ),
            alarm_rule=cloudwatch.AlarmRule.any_of(
                *(cloudwatch.AlarmRule.from_alarm(one, cloudwatch.AlarmState.ALARM) for one in children)
            ),
        )

    def _description(self, happened: str, first_step: str) -> str:
        """What happened, what comes first, and where the rest of the runbook is."""
        deployment = self._monitor.deployment_name
        lines = (
            f"{happened} Seen from {self.region}, Aurora DSQL pair {deployment}.",
            f"First: {first_step}",
            f"Verdict: {ask_for_verdict(deployment, self.region)}",
            f"Runbook: {dashboard_url(deployment, self.region)}",
        )
        return "\n".join(lines)


def _notify(alarm: cloudwatch.AlarmBase, topic: AlertingTopic | None) -> None:
    if topic:
        action = actions.SnsAction(topic.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
