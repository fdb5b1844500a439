"""The log of what AWS Backup does with a pair, for whoever looks for the reason of a missing recovery point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import LAMBDA_FINDINGS, LOG_CHECKS, accept, skip
from ..physical_names import backup_log_name, restore_role_name
from ..runtime_function import function_log_group

_JOBS = ("Backup Job State Change", "Copy Job State Change", "Restore Job State Change")


class BackupEventLog(Construct):
    """Every change of a job's state, of this Region's vault or of one of the clusters. AWS sends them at best effort.

    Args:
        deployment_name: Of the pair.
        vault_arns: Of both vaults, by Region.
        cluster_arns: Of both clusters.
        encryption_key: Key of the log group. Default: a key of AWS.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
    """

    log_group: logs.LogGroup
    """One event a line, as EventBridge sends it."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        vault_arns: Mapping[str, str],
        cluster_arns: Sequence[str],
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, id)
        stack, name = Stack.of(self), backup_log_name(deployment_name)
        arn = stack.format_arn(
            service="logs", resource="log-group", resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        self.log_group = function_log_group(
            self, "Logs", log_group_name=name, retention=logs.RetentionDays.ONE_YEAR, encryption_key=encryption_key
        )
        # The log group's own policy: an account can have ten of AWS::Logs::ResourcePolicy in a Region. By an override,
        # since the lowest aws-cdk-lib does not have the property; by a name, since a group cannot refer to itself.
        cast("logs.CfnLogGroup", self.log_group.node.default_child).add_property_override(
            "ResourcePolicyDocument", _may_be_written(arn)
        )
        pattern = _changes_of(
            stack.format_arn(
                service="iam", region="", resource="role", resource_name=restore_role_name(deployment_name)
            ),
            vault_arns[stack.region].rpartition(":")[2],
            list(vault_arns.values()),
            list(cluster_arns),
        )
        events.CfnRule(
            self,
            "Rule",
            description=f"Aurora DSQL pair {deployment_name}: log of AWS Backup",
            event_pattern=pattern,
            targets=[events.CfnRule.TargetProperty(id="Log", arn=arn)],
        ).node.add_dependency(self.log_group)
        accept(
            self,
            {
                "EventBusDLQ": "AWS Backup sends at best effort, too; what is relied on is the age of recovery points.",
                "CloudWatchLogGroupEncrypted": LAMBDA_FINDINGS["CloudWatchLogGroupEncrypted"],
            },
        )
        skip(self, {} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS})


def _changes_of(restore_role: str, vault_name: str, vaults: list[str], clusters: list[str]) -> dict[str, object]:
    """Each kind of job names what it is about in a field of its own; a restore's may not name the vault."""
    of_the_pair = {
        "backupVaultName": [vault_name],
        "sourceBackupVaultArn": vaults,
        "destinationBackupVaultArn": vaults,
        "resourceArn": clusters,
        "sourceResourceArn": clusters,
        "iamRoleArn": [restore_role],
    }
    return {
        "source": ["aws.backup"],
        "detail-type": list(_JOBS),
        "detail": {"$or": [{name: values} for name, values in of_the_pair.items()]},
    }


def _may_be_written(log_group_arn: str) -> dict[str, object]:
    """Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html"""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]},
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"{log_group_arn}:*",
    }
    return {"Version": "2012-10-17", "Statement": [statement]}
