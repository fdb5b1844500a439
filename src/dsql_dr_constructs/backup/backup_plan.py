"""When AWS Backup backs up the primary's cluster, where to, and as whom."""

from __future__ import annotations

from collections.abc import Iterator

from aws_cdk import RemovalPolicy
from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..accepted_findings import accept
from ..clusters.cluster_interface import IRegionalCluster
from ..physical_names import backup_vault_name, restore_role_name
from .backup_options import BackupOptions

_MINUTE = 10
"""Of the hour: by then the cluster is awake, which is begun with the hour."""
_START_WINDOW_MINUTES = 60
"""The shortest that AWS Backup takes: so long it tries again to begin."""
_COMPLETION_WINDOW_MINUTES = 24 * 60
"""So that one backup has ended when the next begins."""
_FOR_BACKUP, _FOR_RESTORES = "AWSBackupServiceRolePolicyForBackup", "AWSBackupServiceRolePolicyForRestores"


class PairBackupPlan(Construct):
    """One backup a day of one cluster of the pair, and its identical copy in the Region of the other.

    Where several rules are due at once, AWS Backup keeps one backup, for the longest retention of them.

    Args:
        deployment_name: Of the pair.
        cluster: The primary's.
        vault_name: Of the vault in this Region.
        copy_to: ARN of the other Region's vault.
        options: Of the pair's backups.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
    """

    resource: backup.CfnBackupPlan
    """The CloudFormation resource."""

    role: iam.Role
    """As whom AWS Backup backs the cluster up, copies, and deletes what its retention has ended: kept as the vaults."""

    restore_role: iam.Role
    """As whom it restores the pair; whoever restores it passes it on, by its fixed name."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        cluster: IRegionalCluster,
        vault_name: str,
        copy_to: str,
        options: BackupOptions,
    ) -> None:
        super().__init__(scope, id)
        self._vault_name, self._copy_to, self._options = vault_name, copy_to, options
        self.role = self._service_role("Role", _FOR_BACKUP)
        if options.removal_policy != RemovalPolicy.DESTROY:
            self.role.apply_removal_policy(RemovalPolicy.RETAIN)  # without it recovery points would never be deleted
        self.restore_role = self._service_role("RestoreRole", _FOR_RESTORES, restore_role_name(deployment_name))
        self.resource = backup.CfnBackupPlan(
            self,
            "Plan",
            backup_plan=backup.CfnBackupPlan.BackupPlanResourceTypeProperty(
                backup_plan_name=backup_vault_name(deployment_name), backup_plan_rule=list(self._rules())
            ),
        )
        backup.CfnBackupSelection(
            self,
            "Selection",
            backup_plan_id=self.resource.attr_backup_plan_id,
            backup_selection=backup.CfnBackupSelection.BackupSelectionResourceTypeProperty(
                # CloudFormation makes another one for another cluster before it deletes this one
                selection_name=cluster.cluster_identifier,
                iam_role_arn=self.role.role_arn,
                resources=[cluster.cluster_arn],  # by ARN it needs no opt-in of the account
            ),
        )

    def _rules(self) -> Iterator[backup.CfnBackupPlan.BackupRuleResourceTypeProperty]:
        days, time = self._options.retention_days, f"{_MINUTE} {self._options.hour}"
        schedules = {
            "retention": ("daily", f"cron({time} * * ? *)"),
            "weekly_retention": ("weekly", f"cron({time} ? * SUN *)"),
            "monthly_retention": ("monthly", f"cron({time} 1 * ? *)"),
        }
        for name, kept in days.items():
            rule, schedule = schedules[name]
            lifecycle = backup.CfnBackupPlan.LifecycleResourceTypeProperty(delete_after_days=kept)
            yield backup.CfnBackupPlan.BackupRuleResourceTypeProperty(
                rule_name=rule,
                target_backup_vault=self._vault_name,
                schedule_expression=schedule,
                start_window_minutes=_START_WINDOW_MINUTES,
                completion_window_minutes=_COMPLETION_WINDOW_MINUTES,
                lifecycle=lifecycle,
                copy_actions=[
                    backup.CfnBackupPlan.CopyActionResourceTypeProperty(
                        destination_backup_vault_arn=self._copy_to, lifecycle=lifecycle
                    )
                ],
            )

    def _service_role(self, id: str, policy: str, name: str | None = None) -> iam.Role:
        """With AWS's own policy (docs/adr/0019)."""
        role = iam.Role(
            self,
            id,
            role_name=name,
            assumed_by=iam.ServicePrincipal("backup.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(f"service-role/{policy}")],
        )
        reason = "AWS Backup documents what it needs as this policy, and changes it with what it can do."
        accept(role, {f"IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/{policy}]": reason})
        return role
