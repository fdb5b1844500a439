"""The monitoring of one pair: a stack in each observing Region, with monitor, topic and alarms, and one dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from ..arguments import checked
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.given_clusters import clusters_by_region, given_cluster
from ..deployment_name import refuse_doubled_name, validate_deployment_name
from ..physical_names import alarm_prefix, alerts_name
from ..regional_stack import default_account, refuse_elsewhere, refuse_options_elsewhere, regional_stack
from ..regions import validate_observed
from ..stack_options import StackOptions
from .alerting_topic import AlertingTopic
from .dr_dashboard import DrDashboard
from .given_arns import refuse_topics_elsewhere
from .health_alarms import HealthAlarms
from .health_monitor import HealthMonitor
from .monitoring_options import MonitoringOptions
from .subscriptions import refuse_no_email


class MultiRegionMonitoring(Construct):
    """Monitors a pair that this app does not create, and never changes it.

        MultiRegionMonitoring(app, "Orders", deployment_name="Orders-production", alert_emails=["ops@example.com"],
                              cluster_arns=["arn:aws:dsql:us-east-1:...", "arn:aws:dsql:us-west-2:..."])

    This app has the stacks ``Orders-PrimaryMonitoring-production`` and ``Orders-SecondaryMonitoring-production``, one
    in the Region of each cluster. `MultiRegionDsqlDr` creates a `MultiRegionMonitoring` for its own pair.
    """

    deployment_name: str
    """As in `MultiRegionDsqlDr`."""

    account: str | None
    """As in `MultiRegionDsqlDr`."""

    dashboard: DrDashboard
    """In the stack of the primary Region."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        cluster_arns: Sequence[str] | None = None,
        primary_region: str | None = None,
        secondary_region: str | None = None,
        witness_region: str | None = None,
        account: str | None = None,
        environment_name: str = "production",
        stack_prefix: str | None = None,
        encryption_keys: Mapping[str, kms.IKey] | None = None,
        tags: Mapping[str, str] | None = None,
        alert_emails: Sequence[str] = (),
        backup_vaults: Mapping[str, str] | None = None,
        evacuation: bool = False,
        schedule: Duration | None = None,
        stack_options: StackOptions | None = None,
        options: MonitoringOptions | None = None,
    ) -> None:
        """
        Args:
            scope: As in `MultiRegionDsqlDr`.
            deployment_name: As in `MultiRegionDsqlDr`, but required.
            cluster_arns: ARNs of both clusters; the first one is the primary's. Default: the clusters that the SSM
                parameters of *deployment_name* name, which `ClusterPeering` writes.
            primary_region: As in `MultiRegionDsqlDr`; the dashboard is created there. Default: that of the first ARN,
                else us-east-1.
            secondary_region: As in `MultiRegionDsqlDr`. Default: that of the second ARN, else us-west-2.
            witness_region: As in `HealthMonitor`; needed for *witness_observer*. Default: any witness is right.
            account: As in `MultiRegionDsqlDr`. Default: the ARNs' account, else as there.
            environment_name: As in `MultiRegionDsqlDr`, for stack names only.
            stack_prefix: First part of the stacks' names. Default: *id*.
            encryption_keys: As in `MultiRegionDsqlDr`, for topics, logs and monitors, by observing Region.
            tags: As in `MultiRegionDsqlDr`.
            alert_emails: As in `MultiRegionDsqlDr`.
            backup_vaults: As in `HealthMonitor`, for all monitors. Default: none, and recovery points are not checked.
            evacuation: As in `HealthMonitor`, for the monitors beside the clusters. Default: False.
            schedule: As in `MultiRegionDsqlDr`.
            stack_options: As in `MultiRegionDsqlDr`.
            options: Observers, topics, thresholds and monitors. With *witness_observer*, and without *cluster_arns*,
                the witness Region has to have the SSM parameters: see *parameter_regions* of `ClusterPeering`.
                Default: as `MonitoringOptions` says.

        Raises:
            ValueError: not two ARNs of clusters in two Regions, or of other Regions than given, a witness observer
                without a witness, a bad email or schedule, topics, keys, vaults or options of other Regions, or a bad
                or repeated deployment name.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._options, self._keys = options or MonitoringOptions(), dict(encryption_keys or {})
        self._schedule = schedule or Duration.minutes(2)
        self._backup_vaults, self._evacuation = backup_vaults, evacuation
        self._identifiers, owner = clusters_by_region(cluster_arns, account, primary_region, secondary_region)
        self._regions = list(self._identifiers) or [primary_region or "us-east-1", secondary_region or "us-west-2"]
        self._witness_region = witness_region
        validate_observed(self._regions[0], self._regions[1], witness_region)
        self.account = owner or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        observers = self._observers()
        self._refuse_wrong_regions(alert_emails, encryption_keys, list(observers))
        regional = partial(regional_stack, scope, account=self.account, tags=tags, options=stack_options)
        self._stacks = {
            region: regional(
                f"{stack_prefix or id}-{role}Monitoring-{environment_name}",
                region=region,
                description=f"Aurora DSQL pair {self.deployment_name}: monitoring in {region}",
            )
            for region, role in observers.items()
        }
        self._topics = self._alerting_topics("Alerts", alert_emails, self._options.alert_topics)
        self._warning_topics = self._topics_for_warnings()
        self._monitors = {region: self._monitor(stack, region) for region, stack in self._stacks.items()}
        self._alarms = {region: self._health_alarms(stack, region) for region, stack in self._stacks.items()}
        HealthAlarms.check_each_other(list(self._alarms.values()))
        self.dashboard = self._dashboard()

    def _observers(self) -> dict[str, str]:
        """Role by observing Region."""
        observers = dict(zip(self._regions, ("Primary", "Secondary"), strict=True))
        if self._options.witness_observer:
            if not self._witness_region:
                raise ValueError("witness_observer is on and there is no witness_region: give the pair's.")
            observers[self._witness_region] = "Witness"
        return observers

    def _refuse_wrong_regions(
        self, alert_emails: Sequence[str], keys: Mapping[str, kms.IKey] | None, regions: Sequence[str]
    ) -> None:
        for email in alert_emails:
            refuse_no_email("alert_emails", email)
        options = self._options
        refuse_options_elsewhere(options.monitor_options or {}, regions)
        refuse_elsewhere("encryption_keys", "key", keys, self.account, regions)
        refuse_topics_elsewhere("alert_topics", options.alert_topics, self.account, regions)
        refuse_topics_elsewhere("warning_topics", options.warning_topics, self.account, regions)

    @checked
    def add_alarms(self, alarms: Sequence[cloudwatch.AlarmBase], *, warnings: bool = False) -> None:
        """As `MultiRegionDsqlDr.add_alarms`.

        Args:
            alarms: As in `MultiRegionDsqlDr.add_alarms`.
            warnings: As in `MultiRegionDsqlDr.add_alarms`.

        Raises:
            ValueError: an alarm has no name, or is in a Region without a topic.
        """
        for one in alarms:
            region = Stack.of(one).region
            if region not in self._alarms:
                raise ValueError(
                    f"Alarm {one.node.path!r} is in {region!r}: topics are in {', '.join(self._alarms)}, and an alarm "
                    "notifies topics of its own Region only."
                )
            self._alarms[region].notify(one, warnings=warnings)
        self.dashboard.add_alarms(alarms)

    def _alerting_topics(
        self, id: str, emails: Sequence[str], existing: Mapping[str, sns.ITopic | str] | None
    ) -> dict[str, AlertingTopic]:
        """By Region; new ones share one key in each Region, and those for faults have names that can be checked."""
        topic_name = alerts_name(self.deployment_name) if id == "Alerts" and not existing else None
        return {
            region: AlertingTopic(
                stack,
                id,
                emails=emails,
                encryption_key=None if existing else self._topic_key(region),
                topic_name=topic_name,
                existing_topic=_imported(stack, f"{id}Topic", existing[region]) if existing else None,
                alarm_name_prefix=alarm_prefix(self.deployment_name),
            )
            for region, stack in self._stacks.items()
        }

    def _topics_for_warnings(self) -> dict[str, AlertingTopic]:
        emails, existing = self._options.warning_emails, self._options.warning_topics
        return self._alerting_topics("Warnings", emails, existing) if emails or existing else {}

    def _topic_key(self, region: str) -> kms.IKey | None:
        """The user's, else that of the topic for alerts, if that is made already and has one of its own."""
        alerts: AlertingTopic | None = getattr(self, "_topics", {}).get(region)
        return self._keys.get(region) or (alerts.encryption_key if alerts else None)

    def _monitor(self, stack: Stack, region: str) -> HealthMonitor:
        return HealthMonitor(
            stack,
            "Monitor",
            deployment_name=self.deployment_name,
            clusters=[self._cluster(stack, one) for one in self._regions],
            witness_region=self._witness_region,
            schedule=self._schedule,
            sql_probe=self._options.sql_probe,
            backup_vaults=self._backup_vaults,
            evacuation=self._evacuation and region in self._regions,
            encryption_key=self._keys.get(region),
            options=(self._options.monitor_options or {}).get(region),
        )

    def _health_alarms(self, stack: Stack, region: str) -> HealthAlarms:
        return HealthAlarms(
            stack,
            "Alarms",
            monitor=self._monitors[region],
            topic=self._topics[region],
            warning_topic=self._warning_topics.get(region),
            options=self._options.alarm_options,
            peering_region=self._peering_region(),
        )

    def _dashboard(self) -> DrDashboard:
        primary = self._regions[0]
        return DrDashboard(
            self._stacks[primary],
            "Dashboard",
            deployment_name=self.deployment_name,
            clusters=self._monitors[primary].clusters,
            observer_regions=list(self._stacks),
            witness_region=self._witness_region,
            alarms=list(self._alarms.values()),
            schedule=self._schedule,
            peering_region=self._peering_region(),
            sql_probe=self._options.sql_probe,
        )

    def _cluster(self, stack: Stack, region: str) -> IRegionalCluster:
        return given_cluster(stack, region, identifiers=self._identifiers, deployment_name=self.deployment_name)

    def _peering_region(self) -> str | None:
        """Of the stack with the `ClusterPeering`."""
        return None if self._identifiers else self._regions[1]

    @property
    def stacks(self) -> Sequence[Stack]:
        """One for each observing Region, the primary's first; none of them depends on another."""
        return tuple(self._stacks.values())

    @property
    def monitors(self) -> Mapping[str, HealthMonitor]:
        """By observing Region."""
        return dict(self._monitors)

    @property
    def topics(self) -> Mapping[str, AlertingTopic]:
        """Topics for faults, by observing Region."""
        return dict(self._topics)

    @property
    def warning_topics(self) -> Mapping[str, AlertingTopic]:
        """As in `MultiRegionDsqlDr`."""
        return dict(self._warning_topics)

    @property
    def alarms(self) -> Mapping[str, HealthAlarms]:
        """By observing Region."""
        return dict(self._alarms)


def _imported(stack: Stack, id: str, topic: sns.ITopic | str) -> sns.ITopic:
    return sns.Topic.from_topic_arn(stack, id, topic) if isinstance(topic, str) else topic
