"""One dashboard for the pair: whether each cluster is healthy, and since when; then why, and what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ..arguments import checked
from ..asked_once import minutes
from ..clusters.cluster_interface import IRegionalCluster
from ..deployment_name import validate_deployment_name
from ..physical_names import NOTIFICATIONS_BROKEN, PARAMETERS_CHANGED, dashboard_name, monitor_name
from ..resource_policies import name_of
from ..runtime.health_monitor import metric_names as names
from .alarm_status import AlarmStatus
from .dashboard_graphs import COUNT, HOURS, MILLISECONDS, WIDTH, ZERO_TO_ONE, Axis, graph
from .health_alarms import HealthAlarms
from .health_metric import health_metric
from .runbook import runbook

_LAMBDA, _EVENTS = "AWS/Lambda", "AWS/Events"


class DrDashboard(Construct):
    """``Aurora-DSQL-DR-Dashboard-<deployment>``: both Regions side by side.

        DrDashboard(stack, "Dashboard", deployment_name="Orders-production", clusters=clusters)

    Dashboards belong to no Region, and show metrics of any; so one is enough, and it is there when a Region is not.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cross_region_dashboard.html
    """

    dashboard: cloudwatch.Dashboard
    """The CDK's own, for widgets of yours."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        clusters: Sequence[IRegionalCluster],
        observer_regions: Sequence[str] = (),
        witness_region: str | None = None,
        alarms: Sequence[HealthAlarms] = (),
        schedule: Duration | None = None,
        peering_region: str | None = None,
        sql_probe: bool = False,
    ) -> None:
        """
        Args:
            deployment_name: As in `MultiRegionDsqlDr`, but required.
            clusters: As in `HealthMonitor`.
            observer_regions: Regions with a `HealthMonitor`. Default: those of the clusters.
            witness_region: Named in the runbook. Default: not named.
            alarms: Those of any Region, for the first row. Default: none, the row shows the metrics alone.
            schedule: As in `MultiRegionDsqlDr`; it is the length of a datapoint. Default: 2 minutes.
            peering_region: As in `HealthAlarms`, for the runbook. Default: none.
            sql_probe: As in `MonitoringOptions`.

        Raises:
            ValueError: a bad deployment name.
        """
        super().__init__(scope, id)
        self._deployment = validate_deployment_name(deployment_name)
        self._clusters = tuple(clusters)
        self._observers = tuple(observer_regions) or tuple(one.cluster_region for one in clusters)
        self._period = schedule or Duration.minutes(2)
        self._sql_probe = sql_probe
        stack = Stack.of(self)
        self._partition, self._account = stack.partition, stack.account  # read once: each read is a call to Node
        self.dashboard = cloudwatch.Dashboard(
            self,
            "Resource",
            dashboard_name=dashboard_name(self._deployment),
            default_interval=Duration.hours(3),
            widgets=[
                self._health(alarms),
                self._causes(alarms),
                *([self._sql()] if sql_probe else []),
                *self._evacuations(alarms),
                *self._backups(alarms),
                [self._runbook(witness_region, peering_region, alarms)],
                *self._cluster_metrics(),
                self._monitors(),
            ],
        )

    @checked
    def add_alarms(self, alarms: Sequence[cloudwatch.AlarmBase], *, title: str = "Your alarms") -> None:
        """Add a row with *alarms* of any Region and stack.

        Args:
            alarms: Metric or composite alarms, each with a name.
            title: Title of the row. Default: "Your alarms".

        Raises:
            ValueError: an alarm has no name.
        """
        arns = [self._arn(Stack.of(one).region, name_of(one)) for one in alarms]
        self.dashboard.add_widgets(AlarmStatus(title, arns, WIDTH, max(2, math.ceil(1.3 + 0.65 * len(arns) / 6))))

    def _health(self, alarms: Sequence[HealthAlarms]) -> list[cloudwatch.IWidget]:
        """A line for each cluster and observer, which falls from 1 to 0 when a fault begins; beside it the alarms."""
        names_in = {one: one.names for one in alarms}
        rows = math.ceil(sum(map(len, names_in.values())) / 3)
        height = max(6, math.ceil(1.3 + 0.95 * rows))  # so that all alarms are visible
        health = graph(
            "Cluster health (1: healthy, 0: down)",
            self._by_observer(names.CLUSTER_HEALTH),
            ZERO_TO_ONE,
            width=WIDTH // 2 if alarms else WIDTH,
            height=height,
        )
        arns = [self._arn(one.region, name) for one, found in names_in.items() for name in found]
        if not arns:
            return [health]
        return [health, AlarmStatus("Alarms", arns, WIDTH // 2, height)]

    def _causes(self, alarms: Sequence[HealthAlarms]) -> list[cloudwatch.IWidget]:
        """The first graph has the metrics of no cluster, too, where there are alarms on them."""
        also = [
            health_metric(
                self._deployment,
                metric,
                cluster_region=None,
                observer_region=one.region,
                period=self._period,
                label=f"{label}, seen from {one.region}",
            )
            for what, metric, label in (
                (PARAMETERS_CHANGED, names.PARAMETER_HEALTH, "SSM parameters"),
                (NOTIFICATIONS_BROKEN, names.NOTIFICATION_HEALTH, "Notifications of other Regions"),
            )
            for one in alarms
            if what in one.alarms
        ]
        title = "Peering, SSM parameters, notifications (1: as configured)" if also else "Peering (1: as configured)"
        return [
            graph(title, [*self._by_observer(names.PEERING_HEALTH), *also], ZERO_TO_ONE),
            self._observed("Endpoint reachable (1: yes, 0: no)", names.ENDPOINT_REACHABLE, ZERO_TO_ONE),
            self._observed("Connection time (ms)", names.PROBE_LATENCY, MILLISECONDS),
        ]

    def _sql(self) -> list[cloudwatch.IWidget]:
        return [
            self._observed("SQL serves (1: yes, 0: no)", names.SQL_SERVES, ZERO_TO_ONE),
            self._observed("Commit time through each endpoint (ms)", names.COMMIT_LATENCY, MILLISECONDS),
            self._observed("Read-back time (ms)", names.READ_BACK_LATENCY, MILLISECONDS),
        ]

    def _evacuations(self, alarms: Sequence[HealthAlarms]) -> list[list[cloudwatch.IWidget]]:
        """Where a monitor with *alarms* reads what is declared."""
        observers = [one.region for one in alarms if one._monitor.evacuation]
        title = "Evacuated Regions (1: somebody declared it, and Route 53 sends users to the other Region)"
        lines = self._by_observer(names.EVACUATED, "Maximum", observers)
        return [[graph(title, lines, ZERO_TO_ONE, WIDTH)]] if observers else []

    def _backups(self, alarms: Sequence[HealthAlarms]) -> list[list[cloudwatch.IWidget]]:
        """Where a monitor with *alarms* checks recovery points."""
        ages: list[cloudwatch.IMetric] = [
            health_metric(
                self._deployment,
                names.RECOVERY_POINT_AGE,
                cluster_region=None,
                observer_region=one.region,
                statistic="Maximum",
                period=minutes(15),
                label=f"Seen from {one.region}",
            )
            for one in alarms
            if one._monitor.backup_vaults
        ]
        title = "Age of the newest recovery point that both Regions hold (hours)"
        return [[graph(title, ages, HOURS, WIDTH)]] if ages else []

    def _arn(self, region: str, alarm: str) -> str:
        return f"arn:{self._partition}:cloudwatch:{region}:{self._account}:alarm:{alarm}"

    def _runbook(
        self, witness_region: str | None, peering_region: str | None, alarms: Sequence[HealthAlarms]
    ) -> cloudwatch.TextWidget:
        repairs = [command for one in alarms for command in one._repair_of_notifications()]
        pair = (self._deployment, self._clusters, self._observers)
        backed_up = [region for one in alarms for region in one._monitor.backup_vaults]
        sql, evacuation = self._sql_probe, any(one._monitor.evacuation for one in alarms)
        known = (*pair, witness_region, peering_region, repairs, backed_up)
        text = runbook(*known, sql_probe=sql, evacuation=evacuation)
        height = 9 + (4 if sql else 3) * len(self._observers) + (2 if backed_up else 0) + (2 if evacuation else 0)
        return cloudwatch.TextWidget(markdown=text, width=WIDTH, height=height)

    def _cluster_metrics(self) -> list[list[cloudwatch.IWidget]]:
        """Both clusters side by side, the same metrics at the same height."""
        rows: list[tuple[str, Axis, Callable[[IRegionalCluster], list[cloudwatch.IMetric]]]] = [
            (
                "Transactions",
                COUNT,
                lambda one: [one.metric_total_transactions(), one.metric_read_only_transactions()],
            ),
            (
                "Conflicts and query timeouts",
                COUNT,
                lambda one: [one.metric_occ_conflicts(), one.metric_query_timeouts()],
            ),
            ("Commit latency, median (ms)", MILLISECONDS, lambda one: [one.metric_commit_latency()]),
            (
                "DPUs",
                COUNT,
                lambda one: [
                    one.metric_write_dpu(),
                    one.metric_read_dpu(),
                    one.metric_compute_dpu(),
                    one.metric_multi_region_write_dpu(),
                ],
            ),
        ]
        return [
            [
                graph(f"{title}: {one.cluster_region}", metrics(one), axis, WIDTH // 2, one.cluster_region)
                for one in self._clusters
            ]
            for title, axis, metrics in rows
        ]

    def _monitors(self) -> list[cloudwatch.IWidget]:
        return [
            graph(
                "Monitor: runs and errors",
                [self._of_monitor(_LAMBDA, "Invocations", one) for one in self._observers]
                + [self._of_monitor(_LAMBDA, "Errors", one) for one in self._observers],
                COUNT,
            ),
            graph(
                "Monitor: longest run (ms)",
                [self._of_monitor(_LAMBDA, "Duration", one, statistic="Maximum") for one in self._observers],
                MILLISECONDS,
            ),
            graph(
                "Schedule: invocations and failures",
                [self._of_monitor(_EVENTS, "Invocations", one) for one in self._observers]
                + [self._of_monitor(_EVENTS, "FailedInvocations", one) for one in self._observers],
                COUNT,
            ),
        ]

    def _observed(self, title: str, metric_name: str, axis: Axis) -> cloudwatch.GraphWidget:
        """The worst value of each datapoint."""
        worst = "Maximum" if axis is MILLISECONDS else "Minimum"
        return graph(title, self._by_observer(metric_name, worst), axis)

    def _by_observer(
        self, metric_name: str, statistic: str = "Minimum", observers: Sequence[str] | None = None
    ) -> list[cloudwatch.IMetric]:
        return [
            health_metric(
                self._deployment,
                metric_name,
                cluster_region=cluster.cluster_region,
                observer_region=observer,
                statistic=statistic,
                period=self._period,
                label=f"{cluster.cluster_region}, seen from {observer}",
            )
            for cluster in self._clusters
            for observer in (self._observers if observers is None else observers)
        ]

    def _of_monitor(
        self, namespace: str, metric_name: str, region: str, *, statistic: str = "Sum"
    ) -> cloudwatch.Metric:
        dimension = "FunctionName" if namespace == _LAMBDA else "RuleName"
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=metric_name,
            dimensions_map={dimension: monitor_name(self._deployment)},
            region=region,
            statistic=statistic,
            period=self._period,
            label=f"{metric_name}, {region}",
        )
