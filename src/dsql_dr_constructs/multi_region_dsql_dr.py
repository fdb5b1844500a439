"""An active-active Aurora DSQL pair with a witness, in one stack for each Region, and its monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from .arguments import checked
from .clusters.cluster_options import ClusterOptions
from .clusters.cluster_peering import ClusterPeering, deploy_after
from .clusters.database_admin import DatabaseRoleStacks
from .clusters.parameter_registry import ParameterRegistry
from .clusters.regional_cluster import RegionalCluster, add_outputs
from .deployment_name import default_deployment_name, refuse_doubled_name, validate_deployment_name
from .monitoring.monitor_options import refuse_other_schedules
from .monitoring.monitored_pair import MonitoredPair
from .monitoring.monitoring_options import MonitoringOptions
from .monitoring.multi_region_monitoring import MultiRegionMonitoring
from .monitoring.subscriptions import refuse_no_email
from .regional_stack import default_account, refuse_elsewhere, regional_stack, warn_of_stages_region
from .regions import validate_topology
from .resource_policies import warn
from .stack_options import StackOptions


class MultiRegionDsqlDr(MonitoredPair):
    """Two peered clusters in two Regions that both take reads and writes, strongly consistent.

        app = cdk.App()
        MultiRegionDsqlDr(app, "AuroraDsqlDR", alert_emails=["ops@example.com"])
        app.synth()

    This app has the stacks ``AuroraDsqlDR-Primary-production`` and ``AuroraDsqlDR-Secondary-production`` with the
    clusters, and ``AuroraDsqlDR-PrimaryMonitoring-production`` and ``AuroraDsqlDR-SecondaryMonitoring-production``,
    which monitor them. ``cdk deploy --all`` creates everything. ``cdk destroy --all`` deletes the stacks; the clusters
    are kept, peered and with their data, unless *removal_policy* is DESTROY.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/what-is-aurora-dsql.html
    """

    deployment_name: str
    """As given, or the default."""

    primary: RegionalCluster
    """The cluster in *primary_region*."""

    secondary: RegionalCluster
    """The cluster in *secondary_region*. Both are equal: the names say only which stack is deployed first."""

    peering: ClusterPeering
    """What peers the clusters, in the secondary's stack."""

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
        deployment_name: str | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        encryption_keys: Mapping[str, kms.IKey] | None = None,
        tags: Mapping[str, str] | None = None,
        alert_emails: Sequence[str] = (),
        schedule: Duration | None = None,
        cluster_options: ClusterOptions | None = None,
        stack_options: StackOptions | None = None,
        monitoring: MonitoringOptions | None = MonitoringOptions(),  # noqa: B008 - frozen
    ) -> None:
        """
        Args:
            scope: The App, a Stage, or any construct in one of them, also a Stack: the stacks of the pair are created
                there, and nothing in a stack of yours.
            primary_region: Region of the first cluster, whose stack is deployed first. Default: us-east-1.
            secondary_region: Region of the second cluster. Default: us-west-2.
            witness_region: Region of the witness, which stores the transaction log only and has no endpoint. Default:
                us-east-2.
            account: Account of the stacks, 12 digits. Default: the Stage's, else CDK_DEFAULT_ACCOUNT, else that of
                whoever deploys.
            environment_name: Last part of stack names and of the deployment name. Default: production.
            deployment_name: Name of the pair in metrics, names, tags and SSM parameters. Default: name of the Stage,
                *id* and *environment_name*, joined with ``-``.
            removal_policy: What happens to both clusters when their stacks are deleted. Default: RETAIN, the clusters
                are kept with their data, and stay peered.
            encryption_keys: Keys of yours for clusters, logs, monitors and topics, one by the name of each Region that
                has a stack; Aurora DSQL and CloudWatch are added to their policies. Default: keys of AWS, and a new one
                for the topics of each Region.
            tags: Tags on every resource of all stacks. Default: none.
            alert_emails: Addresses that every observing Region notifies of faults. AWS asks the owner of each to
                confirm once for each Region. Default: none.
            schedule: Time between two runs of a monitor; whole minutes, 1 to 60. Default: 2 minutes.
            cluster_options: Name tags, deletion protection and peering of the clusters. Default: as `ClusterOptions`
                says.
            stack_options: Synthesizer and termination protection of all stacks. Default: as `StackOptions` says.
            monitoring: Observers, topics, thresholds and monitors; None leaves monitoring out. Default: as
                `MonitoringOptions` says.

        Raises:
            ValueError: Regions that cannot form a pair, a bad or repeated deployment name, a bad email or schedule,
                topics, keys or options of other Regions, or DESTROY with deletion protection on.
        """
        super().__init__(scope, id)
        warnings = validate_topology(primary_region, secondary_region, witness_region)
        self.deployment_name = validate_deployment_name(
            deployment_name or default_deployment_name(self, environment_name)
        )
        self.account = account or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        self._keys, self._witness_region = dict(encryption_keys or {}), witness_region
        regions = {"Primary": primary_region, "Secondary": secondary_region}
        further = [witness_region] if monitoring and monitoring.witness_observer else []
        refuse_elsewhere("encryption_keys", "key", encryption_keys, self.account, [*regions.values(), *further])
        options = cluster_options or ClusterOptions()
        regional = partial(self._regional_stack, scope, id, environment_name, tags, stack_options)
        self._stacks = [regional(role, region, f"{role.lower()} cluster") for role, region in regions.items()]
        self.primary, self.secondary = (
            self._cluster(role.lower(), stack, region, removal_policy, options)
            for stack, (role, region) in zip(self._stacks, regions.items(), strict=True)
        )
        self.peering = self._peer(removal_policy, further, options)
        self._roles = DatabaseRoleStacks(
            regional,
            self.deployment_name,
            self.peering.parameter_regions,
            self._keys,
            of_the_pair=self._stacks,
            needed=options.database_roles or bool(monitoring and monitoring.sql_probe),
        )
        self.monitoring = self._monitor(
            scope, id, environment_name, tags, alert_emails, schedule, stack_options, monitoring
        )
        self._stacks.extend(self.monitoring.stacks if self.monitoring else ())
        self._warn_of_regions(warnings)
        self._registry = ParameterRegistry(
            self, self.deployment_name, self.peering.parameter_regions, self._stacks, self._roles
        )
        self.node.add_validation(self._registry)

    def _regional_stack(
        self,
        scope: Construct,
        id: str,
        environment_name: str,
        tags: Mapping[str, str] | None,
        options: StackOptions | None,
        role: str,
        region: str,
        what: str,
    ) -> Stack:
        return regional_stack(
            scope,
            f"{id}-{role}-{environment_name}",
            account=self.account,
            region=region,
            description=f"Aurora DSQL pair {self.deployment_name}: {what}",
            tags=tags,
            options=options,
        )

    def _cluster(
        self, role: str, stack: Stack, region: str, removal_policy: RemovalPolicy, options: ClusterOptions
    ) -> RegionalCluster:
        cluster = RegionalCluster(
            stack,
            "Cluster",
            cluster_name=f"{options.name_prefix}-{role}",
            witness_region=self._witness_region,
            removal_policy=removal_policy,
            deletion_protection=options.deletion_protection,
            encryption_key=self._keys.get(region),
        )
        add_outputs(cluster)
        return cluster

    def _peer(
        self, removal_policy: RemovalPolicy, parameter_regions: Sequence[str], options: ClusterOptions
    ) -> ClusterPeering:
        return ClusterPeering(
            self._stacks[1],
            "Peering",
            cluster=self.secondary,
            peer=self.primary,
            witness_region=self._witness_region,
            deployment_name=self.deployment_name,
            removal_policy=removal_policy,
            parameter_regions=parameter_regions,
            timeout=options.peering_timeout,
            repair_on_deploy=options.repair_on_deploy,
            encryption_key=self._keys.get(self.secondary.cluster_region),
        )

    def _monitor(
        self,
        scope: Construct,
        id: str,
        environment_name: str,
        tags: Mapping[str, str] | None,
        alert_emails: Sequence[str],
        schedule: Duration | None,
        stack_options: StackOptions | None,
        options: MonitoringOptions | None,
    ) -> MultiRegionMonitoring | None:
        if not options:
            self._warn_of_no_monitoring(alert_emails, schedule)
            return None
        monitoring = MultiRegionMonitoring(
            scope,
            f"{id}-Monitoring",
            deployment_name=self.deployment_name,
            primary_region=self.primary.cluster_region,
            secondary_region=self.secondary.cluster_region,
            witness_region=self._witness_region,
            account=self.account,
            environment_name=environment_name,
            stack_prefix=id,
            encryption_keys=self._keys or None,
            tags=tags,
            alert_emails=alert_emails,
            schedule=schedule,
            stack_options=stack_options,
            options=options,
        )
        for stack in monitoring.stacks:
            deploy_after(stack, self._stacks[1])
            if options.sql_probe:
                self._roles.deploy_before(stack)
        return monitoring

    def _warn_of_no_monitoring(self, alert_emails: Sequence[str], schedule: Duration | None) -> None:
        """Of what is given for it; a wrong value is refused as with monitoring."""
        for email in alert_emails:
            refuse_no_email("alert_emails", email)
        if schedule:
            refuse_other_schedules(schedule)
        effects = ["nobody in alert_emails is notified"] * bool(alert_emails) + ["schedule has no effect"] * bool(
            schedule
        )
        if effects:
            warn(self.primary, "monitoringOff", f"monitoring is None, so {' and '.join(effects)}.")

    def _warn_of_regions(self, warnings: Sequence[str]) -> None:
        """In a stack, since the CDK drops warnings of what is in none."""
        for warning in warnings:
            warn(self.primary, "unknownRegion", warning)
        warn_of_stages_region(self.primary, [one.cluster_region for one in (self.primary, self.secondary)])

    @property
    def stacks(self) -> Sequence[Stack]:
        """In the order of their deployment: primary, secondary, then those of database roles and of monitoring."""
        return tuple(self._stacks)
