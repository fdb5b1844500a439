"""What AWS Backup may do for an account: as the role that a job names, and with the key of a vault.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/iam-service-roles.html
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable
from typing import Any

from . import key_policies
from .backup_records import Check
from .function_permissions import refusal

SERVICE = "backup.amazonaws.com"
_BACKUP = (
    "dsql:StartBackupJob",
    "dsql:GetBackupJob",
    "dsql:StopBackupJob",
    "dsql:GetCluster",
    "dsql:ListClusters",
    "dsql:ListTagsForResource",
    "kms:DescribeKey",
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:ReEncryptTo",
    "kms:ReEncryptFrom",
    "backup:DescribeBackupVault",
    "backup:CopyIntoBackupVault",
    "backup:CopyFromBackupVault",
    "backup:TagResource",
)
_RESTORE = (
    "dsql:StartRestoreJob",
    "dsql:GetRestoreJob",
    "dsql:StopRestoreJob",
    "dsql:TagResource",
    "dsql:CreateCluster",
    "dsql:PutMultiRegionProperties",
    "dsql:PutWitnessRegion",
    "dsql:UpdateCluster",
    "dsql:AddPeerCluster",
    "dsql:RemovePeerCluster",
    "dsql:GetCluster",
    "kms:DescribeKey",
    "kms:CreateGrant",
    "kms:Encrypt",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptTo",
    "kms:ReEncryptFrom",
)
MANAGED_POLICIES = {
    "service-role/AWSBackupServiceRolePolicyForBackup": _BACKUP,
    "service-role/AWSBackupServiceRolePolicyForRestores": _RESTORE,
}
"""What AWS's managed policies allow for Aurora DSQL, on every resource.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html
"""


def add_managed_policies() -> None:
    """Give ministack the managed policies that it lacks."""
    iam: Any = importlib.import_module("ministack.services.iam")
    for name, actions in MANAGED_POLICIES.items():
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        record = iam._make_aws_managed_record(name, json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        iam._aws_managed_policies[record["Arn"]] = record


class BackupRoles:
    """Roles of this account, as IAM has them now.

    Args:
        enforce: Whether the policies of a role are checked; who may assume it always is.
    """

    def __init__(self, *, enforce: bool) -> None:
        self._enforce = enforce

    def untrusted(self, role: str) -> str | None:
        """Why AWS Backup cannot assume *role*, in AWS's words; None if it can.

        Source: https://github.com/hashicorp/terraform-provider-aws/issues/10511
        """
        iam: Any = importlib.import_module("ministack.services.iam")
        evaluator: Any = importlib.import_module("ministack.core.iam_evaluator")
        account = role.split(":")[4] if role.count(":") >= 5 else ""
        found = iam._roles.get_scoped(account, None, role.rpartition("/")[2])
        request = evaluator.EvalContext(
            principal_arn="*",  # a service is no principal of the account
            principal_type="Service",
            principal_account="",
            action="sts:AssumeRole",
            resource_arn=role,
            region="",
            service_context={"aws:sourceaccount": account},
        )
        policy = found["AssumeRolePolicyDocument"] if found and found["Arn"] == role else "{}"
        decision = evaluator.evaluate_resource_policy(policy, request, service=SERVICE).decision
        return None if decision == "Allow" else f"IAM Role {role} cannot be assumed by AWS Backup"

    def denied(self, role: str, checks: Iterable[Check]) -> str | None:
        """IAM's sentence for the first of *checks* that the policies of *role* do not allow."""
        if not self._enforce:
            return None
        found = (refusal(role, action, arn, arn.split(":")[3], context) for action, arn, context in checks)
        return next((one for one in found if one), None)

    def unusable(self, key: str, vault_arn: str, role: str) -> str | None:
        """Why AWS Backup cannot use *key* of a vault for *role*; None if it can."""
        return key_policies.vault_key_refusal(key, vault_arn, role)
