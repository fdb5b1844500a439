"""The watch over one pair: a stack in each Region that looks, with its topic, alarms and the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from ..arguments import checked
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.regional_cluster import RegionalCluster
from ..deployment_name import refuse_doubled_name, validate_deployment_name
from ..physical_names import alarm_prefix, alerts_name
from ..regional_stack import (
    default_account,
    refuse_keys_elsewhere,
    refuse_options_elsewhere,
    regional_stack,
)
from ..regions import validate_observed
from .alarm_options import HealthAlarmOptions
from .alerting_topic import AlertingTopic, refuse_no_email
from .dr_dashboard import DrDashboard
from .given_arns import clusters_by_region, topics_by_region
from .health_alarms import HealthAlarms
from .health_monitor import HealthMonitor
from .monitor_options import MonitorOptions


class MultiRegionMonitoring(Construct):
    """Watches a pair that somebody else made, and never touches it.

        MultiRegionMonitoring(app, "Orders", deployment_name="Orders-production", alert_emails=["ops@example.com"],
                              cluster_arns=["arn:aws:dsql:us-east-1:...", "arn:aws:dsql:us-west-2:..."])

    makes the stacks ``Orders-PrimaryMonitoring-production`` and ``Orders-SecondaryMonitoring-production``, one in the
    Region of each cluster. `MultiRegionDsqlDr` has one for its own pair.
    """

    deployment_name: str
    """What the pair is called in the registry, in tags, metrics and names."""

    account: str | None
    """12 digits; None if it is that of whoever deploys."""

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
        primary_region: str = "us-east-1",
        secondary_region: str = "us-west-2",
        witness_region: str | None = None,
        witness_observer: bool = False,
        account: str | None = None,
        environment_name: str = "production",
        stack_prefix: str | None = None,
        alert_emails: Sequence[str] = (),
        alert_topic_arns: Sequence[str] = (),
        warning_emails: Sequence[str] = (),
        warning_topic_arns: Sequence[str] = (),
        schedule: Duration | None = None,
        alarm_options: HealthAlarmOptions | None = None,
        monitor_options: Mapping[str, MonitorOptions] | None = None,
        encryption_keys: Mapping[str, kms.IKey] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            deployment_name: What the pair is called in metrics and names, and in the registry if it has one.
            cluster_arns: Both clusters. Default: those that the registry of *deployment_name* has, which
                `ClusterPeering` writes.
            primary_region: Region of the first cluster, where the dashboard goes, too. Default: us-east-1, or that of
                the first ARN.
            secondary_region: Region of the second cluster. Default: us-west-2, or that of the second ARN.
            witness_region: Witness that both should have. Default: any.
            witness_observer: Whether the witness Region looks at both clusters, too; with a registry, it has to have
                one, see *registry_regions* of `ClusterPeering`. Default: False.
            account: 12 digits. Default: the ARNs', else the Stage's, else CDK_DEFAULT_ACCOUNT, else the account of
                whoever deploys.
            environment_name: Last part of the stacks' names. Default: production.
            stack_prefix: First part of the stacks' names. Default: *id*.
            alert_emails: Addresses that every Region notifies of faults. Default: none.
            alert_topic_arns: Topics of yours for faults, one in each observing Region; see *existing_topic* of
                `AlertingTopic`. Default: new ones.
            warning_emails: Addresses that every Region notifies of warnings. Default: none.
            warning_topic_arns: Topics of yours for warnings, one in each observing Region. Default: new ones if there
                are *warning_emails*, else none, and warnings show on the dashboard only.
            schedule: Time between two runs of a monitor; whole minutes, 1 to 60. Default: 2 minutes.
            alarm_options: Thresholds of the alarms. Default: as `HealthAlarmOptions` says.
            monitor_options: What the monitor in a Region should have, by the Region's name: a network, memory, tracing
                and the like; see `MonitorOptions`. Default: as `HealthMonitor` says.
            encryption_keys: Keys of yours for topics and monitors, one by the name of each observing Region; their
                policies admit CloudWatch and its logs. Default: a new key for each Region's topics.
            tags: Tags on every resource. Default: none.

        Raises:
            ValueError: not two ARNs of clusters in two Regions, a witness observer without a witness, a bad email or
                schedule, topics, keys or options of other Regions, or a bad or doubled deployment name.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        identifiers: dict[str, str] = {}
        if cluster_arns is not None:
            identifiers, arn_account = clusters_by_region(cluster_arns)
            primary_region, secondary_region = identifiers
            if account and account != arn_account:
                raise ValueError(f"account is {account}, and cluster_arns are of {arn_account}: leave account out.")
            account = arn_account
        validate_observed(primary_region, secondary_region, witness_region)
        self.account = account or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        self._identifiers, self._witness_region = identifiers, witness_region
        self._regions = (primary_region, secondary_region)
        observers = {"Primary": primary_region, "Secondary": secondary_region}
        if witness_observer:
            if not witness_region:
                raise ValueError("witness_observer is on and there is no witness_region: give the pair's.")
            observers["Witness"] = witness_region
        self._options, self._keys = dict(monitor_options or {}), dict(encryption_keys or {})
        refuse_options_elsewhere(self._options, observers.values())
        refuse_keys_elsewhere(self._keys, self.account, observers.values())
        self._stacks = {
            region: regional_stack(
                scope,
                f"{stack_prefix or id}-{role}Monitoring-{environment_name}",
                account=self.account,
                region=region,
                description=f"Aurora DSQL pair {self.deployment_name}: monitoring in {region}",
                tags=tags,
            )
            for role, region in observers.items()
        }
        schedule = schedule or Duration.minutes(2)
        peering_region = None if identifiers else secondary_region  # that of the stack in which ClusterPeering is
        for parameter, emails in (("alert_emails", alert_emails), ("warning_emails", warning_emails)):
            for email in emails:
                refuse_no_email(parameter, email)
        self._topics = self._alerting_topics("Alerts", alert_emails, "alert_topic_arns", alert_topic_arns)
        self._warning_topics: dict[str, AlertingTopic] = {}
        if warning_emails or warning_topic_arns:
            self._warning_topics = self._alerting_topics(
                "Warnings", warning_emails, "warning_topic_arns", warning_topic_arns
            )
        self._monitors = {region: self._monitor(stack, region, schedule) for region, stack in self._stacks.items()}
        self._alarms = {
            region: HealthAlarms(
                stack,
                "Alarms",
                monitor=self._monitors[region],
                topic=self._topics[region],
                warning_topic=self._warning_topics.get(region),
                settings=alarm_options,
                peering_region=peering_region,
            )
            for region, stack in self._stacks.items()
        }
        HealthAlarms.check_each_other(list(self._alarms.values()))
        self.dashboard = DrDashboard(
            self._stacks[primary_region],
            "Dashboard",
            deployment_name=self.deployment_name,
            clusters=self._monitors[primary_region].clusters,
            observer_regions=list(self._stacks),
            witness_region=witness_region,
            alarms=list(self._alarms.values()),
            schedule=schedule,
            peering_region=peering_region,
        )

    @checked
    def add_alarms(self, alarms: Sequence[cloudwatch.AlarmBase], *, warnings: bool = False) -> None:
        """Let alarms of yours notify as the pair's do, and give them a row on the dashboard.

        Args:
            alarms: Metric or composite alarms with names, in stacks of observing Regions.
            warnings: Whether they go to the topics for warnings. Default: False.

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
            self._alarms[region].notify(one, warning=warnings)
        self.dashboard.add_alarms(alarms)

    def _alerting_topics(
        self, id: str, emails: Sequence[str], parameter: str, existing: Sequence[str]
    ) -> dict[str, AlertingTopic]:
        """By Region; new ones share one key in each Region, and those for faults have names that can be checked."""
        arns = topics_by_region(parameter, existing, list(self._stacks))
        topic_name = alerts_name(self.deployment_name) if id == "Alerts" and not arns else None
        return {
            region: AlertingTopic(
                stack,
                id,
                emails=emails,
                encryption_key=None if arns else self._topic_key(region),
                topic_name=topic_name,
                existing_topic=sns.Topic.from_topic_arn(stack, f"{id}Topic", arns[region]) if arns else None,
                alarm_name_prefix=alarm_prefix(self.deployment_name),
            )
            for region, stack in self._stacks.items()
        }

    def _topic_key(self, region: str) -> kms.IKey | None:
        """The user's, else that of the topic for alerts, if that is made already and has one of its own."""
        alerts: AlertingTopic | None = getattr(self, "_topics", {}).get(region)
        return self._keys.get(region) or (alerts.encryption_key if alerts else None)

    def _monitor(self, stack: Stack, observer: str, schedule: Duration) -> HealthMonitor:
        return HealthMonitor(
            stack,
            "Monitor",
            deployment_name=self.deployment_name,
            clusters=[self._cluster(stack, region) for region in self._regions],
            witness_region=self._witness_region,
            schedule=schedule,
            encryption_key=self._keys.get(observer),
            **self._options.get(observer, {}),
        )

    def _cluster(self, stack: Stack, region: str) -> IRegionalCluster:
        if self._identifiers:
            return RegionalCluster.from_cluster_attributes(
                stack, region, cluster_identifier=self._identifiers[region], region=region
            )
        return RegionalCluster.from_registry(stack, region, deployment=self.deployment_name, region=region)

    @property
    def stacks(self) -> Sequence[Stack]:
        """One for each observing Region, the primary's first; they do not wait for each other."""
        return tuple(self._stacks.values())

    @property
    def monitors(self) -> Mapping[str, HealthMonitor]:
        """By observing Region."""
        return dict(self._monitors)

    @property
    def topics(self) -> Mapping[str, AlertingTopic]:
        """By observing Region; subscribe to them what you like."""
        return dict(self._topics)

    @property
    def warning_topics(self) -> Mapping[str, AlertingTopic]:
        """By observing Region; none without *warning_emails* and *warning_topic_arns*."""
        return dict(self._warning_topics)

    @property
    def alarms(self) -> Mapping[str, HealthAlarms]:
        """By observing Region."""
        return dict(self._alarms)
