"""The backups of one pair: a stack in the Region of each cluster, with a vault, and one plan in the primary's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from ..arguments import checked
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.cluster_peering import deploy_after
from ..clusters.database_admin import DatabaseAdmin
from ..clusters.given_clusters import clusters_by_region, given_cluster
from ..deployment_name import refuse_doubled_name, validate_deployment_name
from ..physical_names import backup_vault_name, roles_name
from ..regional_stack import default_account, refuse_elsewhere, regional_stack
from ..regions import validate_observed
from ..resource_policies import inform, warn
from ..stack_options import StackOptions
from .backup_events import BackupEventLog
from .backup_options import BackupOptions, days_of
from .backup_plan import PairBackupPlan
from .given_vaults import vault_names
from .protected_vault import ProtectedVault
from .wake_rule import WakeRule


class MultiRegionBackup(Construct):
    """Backs up a pair that this app does not create, and never changes it.

        MultiRegionBackup(app, "Orders", deployment_name="Orders-production",
                          cluster_arns=["arn:aws:dsql:us-east-1:...", "arn:aws:dsql:us-west-2:..."])

    This app has the stacks ``Orders-SecondaryBackup-production`` and ``Orders-PrimaryBackup-production``, each with a
    vault; the second one has the plan, too, which copies each backup to the first one's vault: a pair is restored from
    a recovery point and its identical copy. `MultiRegionDsqlDr` creates a `MultiRegionBackup` for its own pair.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
    """

    deployment_name: str
    """As in `MultiRegionDsqlDr`."""

    account: str | None
    """As in `MultiRegionDsqlDr`."""

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
        account: str | None = None,
        environment_name: str = "production",
        stack_prefix: str | None = None,
        encryption_keys: Mapping[str, kms.IKey] | None = None,
        tags: Mapping[str, str] | None = None,
        stack_options: StackOptions | None = None,
        database_roles: bool = False,
        options: BackupOptions | None = None,
    ) -> None:
        """
        Args:
            scope: As in `MultiRegionDsqlDr`.
            deployment_name: As in `MultiRegionDsqlDr`, but required.
            cluster_arns: As in `MultiRegionMonitoring`.
            primary_region: As in `MultiRegionMonitoring`.
            secondary_region: As in `MultiRegionMonitoring`.
            account: As in `MultiRegionMonitoring`.
            environment_name: As in `MultiRegionMonitoring`.
            stack_prefix: As in `MultiRegionMonitoring`.
            encryption_keys: As in `MultiRegionDsqlDr`, for vaults and logs.
            tags: As in `MultiRegionDsqlDr`.
            stack_options: As in `MultiRegionDsqlDr`.
            database_roles: Whether the pair's own function for database roles wakes the primary's cluster, as in
                `MultiRegionDsqlDr`, whose stack in the primary Region then has to be there. Default: False, a function
                of the primary's stack does, which may connect as ``admin`` to that cluster.
            options: Schedule, retention, vaults and what becomes of them. Default: as `BackupOptions` says.

        Raises:
            ValueError: not two ARNs of clusters in two Regions, or of other Regions than given, keys or vaults of
                other Regions, or a bad or repeated deployment name.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._options, self._keys = options or BackupOptions(), dict(encryption_keys or {})
        self._identifiers, owner = clusters_by_region(cluster_arns, account, primary_region, secondary_region)
        self._regions = list(self._identifiers) or [primary_region or "us-east-1", secondary_region or "us-west-2"]
        validate_observed(self._regions[0], self._regions[1], None)
        self.account = owner or default_account(self)
        refuse_doubled_name(self, self.deployment_name, self.account)
        refuse_elsewhere("encryption_keys", "key", encryption_keys, self.account, self._regions)
        self._names = self._vault_names()
        regional = partial(regional_stack, scope, account=self.account, tags=tags, options=stack_options)
        self._stacks = {
            region: regional(
                f"{stack_prefix or id}-{role}Backup-{environment_name}",
                region=region,
                description=f"Aurora DSQL pair {self.deployment_name}: backups in {region}",
            )
            for region, role in zip(self._regions, ("Primary", "Secondary"), strict=True)
        }
        deploy_after(self._stacks[self._regions[0]], self._stacks[self._regions[1]])
        self._clusters = {region: self._both_clusters(stack) for region, stack in self._stacks.items()}
        self._protected = {region: self._protected_vault(stack, region) for region, stack in self._stacks.items()}
        self._logs = {region: self._log(stack, region) for region, stack in self._stacks.items()}
        self._plan = self._primary_plan()
        self._wake(database_roles)
        self._warn_of_compliance()

    def _vault_names(self) -> dict[str, str]:
        if self._options.vaults is not None:
            return vault_names(self._options.vaults, self.account, self._regions)
        return dict.fromkeys(self._regions, backup_vault_name(self.deployment_name))

    def _both_clusters(self, stack: Stack) -> dict[str, IRegionalCluster]:
        return {region: self._cluster(stack, region) for region in self._regions}

    def _cluster(self, stack: Stack, region: str) -> IRegionalCluster:
        return given_cluster(stack, region, identifiers=self._identifiers, deployment_name=self.deployment_name)

    def _protected_vault(self, stack: Stack, region: str) -> ProtectedVault | None:
        """None for one of the user's."""
        if self._options.vaults is not None:
            return None
        return ProtectedVault(
            stack,
            "Backup",
            deployment_name=self.deployment_name,
            encryption_key=self._keys.get(region),
            options=self._options,
        )

    def _log(self, stack: Stack, region: str) -> BackupEventLog:
        return BackupEventLog(
            stack,
            "Events",
            deployment_name=self.deployment_name,
            vault_arns={one: self._vault_arn(stack, one) for one in self._regions},
            cluster_arns=[one.cluster_arn for one in self._clusters[region].values()],
            encryption_key=self._keys.get(region),
        )

    def _primary_plan(self) -> PairBackupPlan:
        primary, secondary = self._regions
        stack = self._stacks[primary]
        plan = PairBackupPlan(
            stack,
            "Plan",
            deployment_name=self.deployment_name,
            cluster=self._clusters[primary][primary],
            vault_name=self._names[primary],
            copy_to=self._vault_arn(stack, secondary),
            options=self._options,
        )
        if protected := self._protected[primary]:
            plan.resource.node.add_dependency(protected.ready)  # which it names, and does not refer to
        return plan

    def _wake(self, database_roles: bool) -> None:
        primary = self._regions[0]
        stack = self._stacks[primary]
        name = roles_name(self.deployment_name)
        arn = stack.format_arn(
            service="lambda", resource="function", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        if not database_roles:
            function = DatabaseAdmin(
                stack,
                "DatabaseAdmin",
                clusters=[self._clusters[primary][primary]],
                encryption_key=self._keys.get(primary),
                wakes=True,
            ).function
            name, arn = function.function_name, function.function_arn
        WakeRule(
            stack,
            "Wake",
            function_name=name,
            function_arn=arn,
            plan=self._plan.resource,
            hour=self._options.hour,
            deployment_name=self.deployment_name,
        )

    def _warn_of_compliance(self) -> None:
        lock = self._options.lock
        if lock and lock.changeable_for:
            days = days_of("lock.changeable_for", lock.changeable_for)
            warn(
                self._stacks[self._regions[0]],
                "complianceLock",
                f"lock has changeable_for, so {days} days after the vaults of {self.deployment_name!r} are deployed "
                "nobody can undo it, not AWS either: from then on no recovery point can be deleted before its "
                "retention ends, and no vault that has one. Leave changeable_for out for governance mode.",
            )

    def _vault_arn(self, stack: Stack, region: str) -> str:
        """By its name: no stack refers to another Region's."""
        return stack.format_arn(
            service="backup",
            region=region,
            resource="backup-vault",
            resource_name=self._names[region],
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    @property
    def stacks(self) -> Sequence[Stack]:
        """In the order of their deployment: secondary, primary."""
        return tuple(reversed(self._stacks.values()))

    @property
    def vaults(self) -> Mapping[str, backup.BackupVault]:
        """New ones, by Region; none with *vaults*."""
        return {region: one.vault for region, one in self._protected.items() if one}

    @property
    def vault_names(self) -> Mapping[str, str]:
        """By Region, known when the app is synthesized, for stacks of any Region."""
        return dict(self._names)

    @property
    def backup_role(self) -> iam.Role:
        """As whom AWS Backup backs up and copies, in the primary's stack."""
        return self._plan.role

    @property
    def restore_role(self) -> iam.Role:
        """As whom AWS Backup restores the pair, in the primary's stack."""
        return self._plan.restore_role


def inform_of_no_backup(scope: IConstruct, deployment_name: str) -> None:
    inform(
        scope,
        "noBackup",
        f"Nothing undoes a mistake in {deployment_name!r}: a dropped table is dropped in both Regions. Give "
        "backup=BackupOptions() for a backup a day, kept in both.",
    )
