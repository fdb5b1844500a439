"""The one line: an active-active Aurora DSQL pair with a witness, in one stack for each Region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .arguments import checked
from .clusters.cluster_interface import IRegionalCluster
from .clusters.cluster_peering import ClusterPeering, deploy_after
from .clusters.parameter_registry import ParameterRegistry
from .clusters.regional_cluster import RegionalCluster, add_outputs
from .deployment_name import default_deployment_name, refuse_doubled_name, validate_deployment_name
from .monitoring.alarm_options import HealthAlarmOptions
from .monitoring.alerting_topic import AlertingTopic
from .monitoring.dr_dashboard import DrDashboard
from .monitoring.health_alarms import HealthAlarms
from .monitoring.health_monitor import HealthMonitor
from .monitoring.monitor_options import MonitorOptions
from .monitoring.multi_region_monitoring import MultiRegionMonitoring
from .regional_stack import default_account, refuse_keys_elsewhere, regional_stack, warn_of_stages_region
from .regions import validate_topology
from .resource_policies import warn


class MultiRegionDsqlDr(Construct):
    """Two peered clusters that both take reads and writes, strongly consistent, in two Regions.

        app = cdk.App()
        MultiRegionDsqlDr(app, "AuroraDsqlDR", alert_emails=["ops@example.com"])
        app.synth()

    makes the stacks ``AuroraDsqlDR-Primary-production`` and ``AuroraDsqlDR-Secondary-production``, and two that watch
    them, ``AuroraDsqlDR-PrimaryMonitoring-production`` and ``AuroraDsqlDR-SecondaryMonitoring-production``;
    ``cdk deploy --all`` brings all up and ``cdk destroy --all`` takes it down.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html
    """

    deployment_name: str
    """What the pair is called in the registry, in tags, metrics and names."""

    account: str | None
    """12 digits; None if it is that of whoever deploys."""

    primary: RegionalCluster
    """The cluster in *primary_region*."""

    secondary: RegionalCluster
    """The cluster in *secondary_region*; both are equal, the name only tells which stack is deployed first."""

    peering: ClusterPeering
    """What peers them, in the secondary's stack."""

    monitoring: MultiRegionMonitoring | None
    """What watches them; None with *monitoring* off."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        primary_region: str = "us-east-1",
        secondary_region: str = "us-west-2",
        witness_region: str = "us-east-2",
        account: str | None = None,
        environment_name: str = "production",
        cluster_prefix: str = "dr-dsql",
        deployment_name: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        deletion_protection: bool | None = None,
        peering_timeout: Duration | None = None,
        repair_on_deploy: bool = False,
        monitoring: bool = True,
        witness_observer: bool = False,
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
            primary_region: Region of the first cluster. Default: us-east-1.
            secondary_region: Region of the second cluster. Default: us-west-2.
            witness_region: Region of the witness, which keeps the log and serves nobody. Default: us-east-2.
            account: 12 digits. Default: the Stage's, else CDK_DEFAULT_ACCOUNT, else the account of whoever deploys.
            environment_name: Last part of stack names and of the deployment name. Default: production.
            cluster_prefix: First part of the clusters' ``Name`` tags. Default: dr-dsql.
            deployment_name: What the pair is called in the registry. Default: Stage, *id* and *environment_name*,
                joined with ``-``.
            removal_policy: What ``cdk destroy`` does to the clusters. Default: RETAIN, they live on, peered.
            deletion_protection: Whether DSQL refuses to delete them. Default: on, unless *removal_policy* is DESTROY.
            peering_timeout: How long peering may take; 1 to 50 minutes. Default: 30 minutes.
            repair_on_deploy: Whether every deployment repairs the pair, and not only the command on demand; see
                `ClusterPeering`. Default: False.
            monitoring: Whether the pair is monitored, in stacks of their own. Default: True.
            witness_observer: Whether the witness Region monitors both clusters, too. Default: False.
            alert_emails: Addresses that every Region notifies of faults. Default: none.
            alert_topic_arns: Topics of yours for faults, one in each observing Region. Default: new ones.
            warning_emails: Addresses that every Region notifies of warnings. Default: none.
            warning_topic_arns: Topics of yours for warnings, one in each observing Region. Default: new ones if there
                are *warning_emails*, else none.
            schedule: Time between two runs of a monitor; whole minutes, 1 to 60. Default: 2 minutes.
            alarm_options: Thresholds of the alarms. Default: as `HealthAlarmOptions` says.
            monitor_options: What the monitor in a Region should have, by the Region's name: a network, memory, tracing
                and the like; see `MonitorOptions`. Default: as `HealthMonitor` says.
            encryption_keys: Keys of yours for clusters, logs, monitors and topics, one by the name of each Region that
                has a stack; their policies admit Aurora DSQL, CloudWatch and its logs. Default: keys of AWS, and a new
                one for each topic.
            tags: Tags on every resource of all stacks. Default: none.

        Raises:
            ValueError: Regions that cannot form a pair, a bad or doubled deployment name, a bad email or schedule,
                topics, keys or options of other Regions, or DESTROY with deletion protection on.
        """
        super().__init__(scope, id)
        warnings = validate_topology(primary_region, secondary_region, witness_region)
        self.deployment_name = validate_deployment_name(
            deployment_name or default_deployment_name(self, environment_name)
        )
        self.account = account or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        keys = dict(encryption_keys or {})
        observed = witness_observer and monitoring
        refuse_keys_elsewhere(
            keys, self.account, [primary_region, secondary_region, *([witness_region] if observed else [])]
        )
        self._stacks: list[Stack] = []
        clusters = []
        for role, region in (("Primary", primary_region), ("Secondary", secondary_region)):
            stack = regional_stack(
                scope,
                f"{id}-{role}-{environment_name}",
                account=self.account,
                region=region,
                description=f"Aurora DSQL pair {self.deployment_name}: {role.lower()} cluster",
                tags=tags,
            )
            self._stacks.append(stack)
            cluster = RegionalCluster(
                stack,
                "Cluster",
                cluster_name=f"{cluster_prefix}-{role.lower()}",
                witness_region=witness_region,
                removal_policy=removal_policy,
                deletion_protection=deletion_protection,
                encryption_key=keys.get(region),
            )
            add_outputs(cluster)
            clusters.append(cluster)
        self.primary, self.secondary = clusters
        for warning in warnings:  # in a stack, since the CDK drops what is said beside it
            warn(self.primary, "unknownRegion", warning)
        self.peering = ClusterPeering(
            self._stacks[1],
            "Peering",
            cluster=self.secondary,
            peer=self.primary,
            witness_region=witness_region,
            deployment_name=self.deployment_name,
            removal_policy=removal_policy,
            registry_regions=[witness_region] if observed else [],
            timeout=peering_timeout,
            repair_on_deploy=repair_on_deploy,
            encryption_key=keys.get(secondary_region),
        )
        self.monitoring = None
        if not monitoring and (alert_emails or alert_topic_arns or warning_emails or warning_topic_arns):
            warn(
                self.primary, "monitoringOff", "monitoring is off, so nobody whom alert_ or warning_ names is notified."
            )
        if monitoring:
            self.monitoring = MultiRegionMonitoring(
                scope,
                f"{id}-Monitoring",
                deployment_name=self.deployment_name,
                primary_region=primary_region,
                secondary_region=secondary_region,
                witness_region=witness_region,
                witness_observer=witness_observer,
                account=self.account,
                environment_name=environment_name,
                stack_prefix=id,
                alert_emails=alert_emails,
                alert_topic_arns=alert_topic_arns,
                warning_emails=warning_emails,
                warning_topic_arns=warning_topic_arns,
                schedule=schedule,
                alarm_options=alarm_options,
                monitor_options=monitor_options,
                encryption_keys=encryption_keys,
                tags=tags,
            )
            for stack in self.monitoring.stacks:
                deploy_after(stack, self._stacks[1])
            self._stacks.extend(self.monitoring.stacks)
        warn_of_stages_region(self.primary, [primary_region, secondary_region])
        self._registry = ParameterRegistry(self, self.deployment_name, self.peering.registry_regions, self._stacks)
        self.node.add_validation(self._registry)

    @property
    def stacks(self) -> Sequence[Stack]:
        """In the order of their deployment: primary, secondary, then those of the monitoring."""
        return tuple(self._stacks)

    @property
    def monitors(self) -> Mapping[str, HealthMonitor]:
        """By observing Region; none with *monitoring* off."""
        return self.monitoring.monitors if self.monitoring else {}

    @property
    def topics(self) -> Mapping[str, AlertingTopic]:
        """By observing Region; subscribe to them what you like. None with *monitoring* off."""
        return self.monitoring.topics if self.monitoring else {}

    @property
    def warning_topics(self) -> Mapping[str, AlertingTopic]:
        """By observing Region; none with *monitoring* off, or without *warning_emails* and *warning_topic_arns*."""
        return self.monitoring.warning_topics if self.monitoring else {}

    @property
    def alarms(self) -> Mapping[str, HealthAlarms]:
        """By observing Region; none with *monitoring* off."""
        return self.monitoring.alarms if self.monitoring else {}

    @property
    def dashboard(self) -> DrDashboard | None:
        """In the primary's monitoring stack; None with *monitoring* off."""
        return self.monitoring.dashboard if self.monitoring else None

    @checked
    def add_alarms(self, alarms: Sequence[cloudwatch.AlarmBase], *, warnings: bool = False) -> None:
        """Let alarms of yours notify as the pair's do, and give them a row on the dashboard.

        Args:
            alarms: Metric or composite alarms with names, in stacks of observing Regions.
            warnings: Whether they go to the topics for warnings. Default: False.

        Raises:
            ValueError: *monitoring* is off, or an alarm has no name, or is in a Region without a topic.
        """
        if not self.monitoring:
            raise ValueError(f"{self.node.path!r} has monitoring off, and so no topic: turn it on to add alarms.")
        self._registry.refuse_in_a_clusters_stack(alarms)
        self.monitoring.add_alarms(alarms, warnings=warnings)

    @checked
    def clusters(self, scope: Construct) -> Mapping[str, IRegionalCluster]:
        """Both clusters by Region, as a stack of yours can name them: for endpoints, grants, metrics, VPC endpoints.

            endpoint = pair.clusters(stack)["us-west-2"].cluster_endpoint

        Attributes of `primary` and `secondary` belong to the pair's own stacks; these are read from the parameter
        registry when your stack is deployed, which is after the pair.

        Args:
            scope: Your stack, or what is in it, in a Region that has the registry.

        Raises:
            ValueError: *scope* is in one of the pair's own stacks, in a Region that has no registry, or in another
                Stage.
        """
        return self._registry.clusters(scope)

    @checked
    def endpoints(self, scope: Construct) -> Mapping[str, str]:
        """Host name of both clusters by Region; see `clusters`."""
        return {region: one.cluster_endpoint for region, one in self.clusters(scope).items()}

    @checked
    def grant_connect(self, grantee: iam.IGrantable) -> Sequence[iam.Grant]:
        """Allow *grantee* to connect to both clusters as a database role mapped to it, so that it can fail over.

        Its policy names both ARNs, which its stack reads from the parameter registry; so that stack is deployed after
        the pair.

        Args:
            grantee: A role, function or the like in a stack of yours, in a Region that has the registry; also an
                imported one.

        Raises:
            ValueError: *grantee* is in no stack, such as a service, or in another account, or where `clusters` cannot
                be read.
        """
        return self._registry.grant_connect(grantee, self.account)
