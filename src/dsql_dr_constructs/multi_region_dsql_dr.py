"""An active-active Aurora DSQL pair with a witness, in one stack for each Region, and its monitoring."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from .arguments import checked
from .backup.backup_options import BackupOptions
from .backup.multi_region_backup import MultiRegionBackup, inform_of_no_backup
from .clusters.adopted_cluster import adopt_clusters
from .clusters.cluster_interface import IRegionalCluster
from .clusters.cluster_options import ClusterOptions
from .clusters.cluster_peering import ClusterPeering, deploy_after
from .clusters.database_admin import DatabaseRoleStacks
from .clusters.given_clusters import clusters_by_region
from .clusters.parameter_registry import ParameterRegistry
from .clusters.regional_cluster import create_clusters
from .deployment_name import default_deployment_name, refuse_doubled_name, validate_deployment_name
from .drill.dr_drill import DrDrill
from .drill.drill_options import DrillOptions
from .drill.pair_drills import pair_drills
from .failover.failover_options import FailoverOptions
from .failover.pair_failover import FailoverPair, pair_failover
from .monitoring.monitored_pair import warn_of_no_monitoring
from .monitoring.monitoring_options import MonitoringOptions
from .monitoring.multi_region_monitoring import MultiRegionMonitoring
from .regional_stack import default_account, refuse_elsewhere, regional_stack, warn_of_stages_region
from .regions import validate_topology
from .resource_policies import warn
from .stack_options import StackOptions


class MultiRegionDsqlDr(FailoverPair):
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

    primary: IRegionalCluster
    """The cluster in *primary_region*: a `RegionalCluster`, unless it was there before (*cluster_arns*)."""

    secondary: IRegionalCluster
    """The cluster in *secondary_region*. Both are equal: the names say only which stack is deployed first."""

    peering: ClusterPeering
    """What peers the clusters, in the secondary's stack."""

    backup: MultiRegionBackup | None
    """What backs the pair up; None without *backup*."""

    drills: Mapping[str, DrDrill]
    """By the Region of the cluster that fails; none without *drill*."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_arns: Sequence[str] | None = None,
        primary_region: str | None = None,
        secondary_region: str | None = None,
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
        backup: BackupOptions | None = None,
        drill: DrillOptions | None = None,
        failover: FailoverOptions | None = None,
    ) -> None:
        """
        Args:
            scope: The App, a Stage, or any construct in one of them, also a Stack: the stacks of the pair are created
                there, and nothing in a stack of yours.
            cluster_arns: ARNs of two clusters that exist, the primary's first: the pair takes them over, and its stacks
                create none. They are tagged, peered if they are not, and never deleted; clusters that the pair had
                before are kept. Default: none, new clusters.
            primary_region: Region of the first cluster, whose stack is deployed first. Default: that of the first ARN,
                else us-east-1.
            secondary_region: Region of the second cluster. Default: that of the second ARN, else us-west-2.
            witness_region: Region of the witness, which stores the transaction log only and has no endpoint. Default:
                us-east-2.
            account: Account of the stacks, 12 digits. Default: the ARNs', else the Stage's, else CDK_DEFAULT_ACCOUNT,
                else that of whoever deploys.
            environment_name: Last part of stack names and of the deployment name. Default: production.
            deployment_name: Name of the pair in metrics, names, tags and SSM parameters. Default: name of the Stage,
                *id* and *environment_name*, joined with ``-``.
            removal_policy: What happens to both clusters when their stacks are deleted. Default: RETAIN, the clusters
                are kept with their data, and stay peered.
            encryption_keys: Keys of yours for clusters, logs, monitors, topics and backup vaults, one by the name of
                each Region that has a stack; Aurora DSQL and CloudWatch are added to their policies. Default: keys of
                AWS, and new ones for the topics and for the vault of each Region.
            tags: Tags on every resource of all stacks. Default: none.
            alert_emails: Addresses that every observing Region notifies of faults. AWS asks the owner of each to
                confirm once for each Region. Default: none.
            schedule: Time between two runs of a monitor; whole minutes, 1 to 60. Default: 2 minutes.
            cluster_options: Name tags, deletion protection and peering of the clusters. Default: as `ClusterOptions`
                says.
            stack_options: Synthesizer and termination protection of all stacks. Default: as `StackOptions` says.
            monitoring: Observers, topics, thresholds and monitors; None leaves monitoring out. Default: as
                `MonitoringOptions` says.
            backup: A backup a day of both clusters' data, kept in both Regions, by stacks of their own and with the
                functions of *database_roles*; ``BackupOptions()`` has good defaults. Default: None, nothing is backed
                up, and nothing undoes a mistake, which peering replicates, too.
            drill: An experiment template of AWS FIS in each Region that fails the cluster there for a while, in stacks
                of their own; ``dsql-dr drill`` starts it. Default: None, no drills.
            failover: Route 53 health checks of both Regions for your records, in stacks of their own, and evacuations
                by ``dsql-dr evacuate``. Default: None, no health checks.

        Raises:
            ValueError: Regions that cannot form a pair, a bad or repeated deployment name, a bad email or schedule,
                topics, keys, vaults or options of other Regions, DESTROY with deletion protection on or with
                *cluster_arns*, *cluster_arns* that are not of two clusters in two Regions or in other Regions than
                given, or *drill* or *failover* without *monitoring*, or what Route 53 cannot follow.
        """
        super().__init__(scope, id)
        adopted, owner = clusters_by_region(cluster_arns, account, primary_region, secondary_region)
        primary_region, secondary_region = adopted or (primary_region or "us-east-1", secondary_region or "us-west-2")
        warnings = validate_topology(primary_region, secondary_region, witness_region)
        self.deployment_name = validate_deployment_name(
            deployment_name or default_deployment_name(self, environment_name)
        )
        self.account = owner or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        self._keys, self._witness_region = dict(encryption_keys or {}), witness_region
        regions = {"Primary": primary_region, "Secondary": secondary_region}
        further = [witness_region] if monitoring and monitoring.witness_observer else []
        refuse_elsewhere("encryption_keys", "key", encryption_keys, self.account, [*regions.values(), *further])
        options, evacuation = cluster_options or ClusterOptions(), failover is not None
        shared: dict[str, Any] = {
            "deployment_name": self.deployment_name,
            "primary_region": primary_region,
            "secondary_region": secondary_region,
            "account": self.account,
            "environment_name": environment_name,
            "stack_prefix": id,
            "tags": tags,
            "stack_options": stack_options,
        }
        regional = partial(self._regional_stack, scope, shared)
        self._stacks = [regional(role, region, f"{role.lower()} cluster") for role, region in regions.items()]
        self.primary, self.secondary = self._both(cluster_arns, removal_policy, options)
        self.peering = self._peer(removal_policy, further, options)
        roles_needed = options.database_roles or bool(monitoring and monitoring.sql_probe)
        self._roles = self._role_stacks(regional, needed=roles_needed, backed_up=backup is not None)
        self.backup = self._back_up(scope, shared, backup)
        self.monitoring = self._monitor(scope, shared, alert_emails, schedule, monitoring, evacuation)
        self.drills = pair_drills(regional, list(regions.values()), self.monitoring, self._keys, drill)
        self._stacks.extend(map(Stack.of, self.drills.values()))
        self.health_checks = pair_failover(regional, list(regions.values()), self.monitoring, failover)
        self._warn_of_regions(warnings)
        found = self.peering.parameter_regions, self._stacks, self._roles, bool(adopted), evacuation
        self._registry = ParameterRegistry(self, self.deployment_name, *found)
        self.node.add_validation(self._registry)

    def _regional_stack(self, scope: Construct, shared: Mapping[str, Any], role: str, region: str, what: str) -> Stack:
        return regional_stack(
            scope,
            f"{shared['stack_prefix']}-{role}-{shared['environment_name']}",
            account=self.account,
            region=region,
            description=f"Aurora DSQL pair {self.deployment_name}: {what}",
            tags=shared["tags"],
            options=shared["stack_options"],
        )

    def _both(
        self, cluster_arns: Sequence[str] | None, removal_policy: RemovalPolicy, options: ClusterOptions
    ) -> Sequence[IRegionalCluster]:
        given = self._witness_region, self._keys, removal_policy, options
        if cluster_arns:
            return adopt_clusters(self._stacks, cluster_arns, *given)
        return create_clusters(self._stacks, *given)

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

    def _role_stacks(
        self, regional: Callable[[str, str, str], Stack], *, needed: bool, backed_up: bool
    ) -> DatabaseRoleStacks:
        return DatabaseRoleStacks(
            regional,
            self.deployment_name,
            self.peering.parameter_regions,
            self._keys,
            of_the_pair=self._stacks,
            needed=needed,
            wakes_in=self.primary.cluster_region if backed_up else None,
        )

    def _back_up(
        self, scope: Construct, shared: Mapping[str, Any], options: BackupOptions | None
    ) -> MultiRegionBackup | None:
        if not options:
            inform_of_no_backup(self.primary, self.deployment_name)
            return None
        regions = [one.cluster_region for one in (self.primary, self.secondary)]
        backup = MultiRegionBackup(
            scope,
            f"{shared['stack_prefix']}-Backup",
            **shared,
            encryption_keys={region: self._keys[region] for region in regions} if self._keys else None,
            database_roles=True,
            options=options,
        )
        for stack in backup.stacks:
            self._roles.deploy_before(stack)
        self._stacks.extend(backup.stacks)
        return backup

    def _monitor(
        self,
        scope: Construct,
        shared: Mapping[str, Any],
        alert_emails: Sequence[str],
        schedule: Duration | None,
        options: MonitoringOptions | None,
        evacuation: bool,
    ) -> MultiRegionMonitoring | None:
        if not options:
            warn_of_no_monitoring(self.primary, alert_emails, schedule)
            return None
        monitoring = MultiRegionMonitoring(
            scope,
            f"{shared['stack_prefix']}-Monitoring",
            **shared,
            witness_region=self._witness_region,
            encryption_keys=self._keys or None,
            alert_emails=alert_emails,
            schedule=schedule,
            backup_vaults=self.backup.vault_names if self.backup else None,
            evacuation=evacuation,
            options=options,
        )
        for stack in monitoring.stacks:
            deploy_after(stack, self._stacks[1])
            if options.sql_probe:
                self._roles.deploy_before(stack)
            if self.backup:
                deploy_after(stack, self.backup.stacks[-1])
        self._stacks.extend(monitoring.stacks)
        return monitoring

    def _warn_of_regions(self, warnings: Sequence[str]) -> None:
        """In a stack, since the CDK drops warnings of what is in none."""
        for warning in warnings:
            warn(self.primary, "unknownRegion", warning)
        warn_of_stages_region(self.primary, [one.cluster_region for one in (self.primary, self.secondary)])

    @property
    def stacks(self) -> Sequence[Stack]:
        """In the order of their deployment: primary, secondary, then database roles, backup, monitoring, drills and
        health checks."""
        return (*self._stacks, *map(Stack.of, self.health_checks.values()))
