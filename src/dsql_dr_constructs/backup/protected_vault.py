"""Where the recovery points of one Region are kept, and who may not delete them."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_backup as backup
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ..physical_names import backup_vault_name
from ..resource_policies import refuse_unusable_key
from .backup_options import BackupOptions
from .recovery_point_deletion import RecoveryPointDeletion

_TAKES_A_POINT_AWAY = ("backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle")
"""What the Config rule backup-recovery-point-manual-deletion-disabled asks for, but for PutBackupVaultAccessPolicy:
a vault whose policy nobody may change could not be deployed again.
"""


class ProtectedVault(Construct):
    """The vault of this Region, its key, its access policy and its lock.

    The key needs no statement for AWS Backup, which uses it in the name of the backup's role; a key of the CDK lets the
    policies of the account decide. It is kept as the vault is: without it nobody can restore anything.

    Args:
        deployment_name: Of the pair.
        encryption_key: Key of the recovery points. Default: a new one, rotated every year.
        options: Of the pair's backups.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html
    """

    vault: backup.BackupVault
    """The vault, whose name is fixed."""

    ready: Construct
    """What fills the vault depends on this, so that it is deleted before the vault is emptied."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        encryption_key: kms.IKey | None,
        options: BackupOptions,
    ) -> None:
        super().__init__(scope, id)
        refuse_unusable_key(self, encryption_key, "a backup vault")
        name, may_delete = backup_vault_name(deployment_name), list(options.deletion_principals)
        deletion = (
            RecoveryPointDeletion(self, "Deletion", vault_name=name, encryption_key=encryption_key)
            if options.delete_recovery_points
            else None
        )
        if deletion:
            may_delete.append(deletion.role.role_arn)
        key = encryption_key or kms.Key(
            self,
            "Key",
            enable_key_rotation=True,
            removal_policy=options.removal_policy,
            description=f"Aurora DSQL pair {deployment_name}: recovery points",
        )
        self.vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=name,
            access_policy=_deletion_denied(may_delete),
            encryption_key=key,
            lock_configuration=options.lock,
            removal_policy=options.removal_policy,
        )
        self.ready = deletion.empties(self.vault) if deletion else self.vault


def _deletion_denied(except_for: Sequence[str]) -> iam.PolicyDocument:
    return iam.PolicyDocument(
        statements=[
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=list(_TAKES_A_POINT_AWAY),
                resources=["*"],  # in a vault's policy that is what is in it
                conditions={"ArnNotEquals": {"aws:PrincipalArn": list(except_for)}} if except_for else None,
            )
        ]
    )
