"""What empties a vault before CloudFormation deletes it, where both were asked for."""

from __future__ import annotations

from aws_cdk import ArnFormat, CustomResource, Duration, Stack, custom_resources
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import (
    LAMBDA_CHECKS,
    LAMBDA_FINDINGS,
    LOG_CHECKS,
    WAITER_FINDINGS,
    accept,
    polling_functions,
    readable_arn,
    skip,
    versions_of,
)
from ..runtime_function import deployment_function, function_log_group, function_role, polling_provider

_TIMEOUT = 50 * 60
"""Seconds; a custom resource has an hour."""


class RecoveryPointDeletion(Construct):
    """Deletes all recovery points of one vault when its stack is deleted, and at no other time.

    Args:
        vault_name: Of the vault, in this Region.
        encryption_key: Key of the log group. Default: a key of AWS.
    """

    role: iam.Role
    """Of the function; the vault's policy has to admit it."""

    function: lambda_.Function
    """What deletes."""

    def __init__(self, scope: Construct, id: str, *, vault_name: str, encryption_key: kms.IKey | None) -> None:
        super().__init__(scope, id)
        self._vault_name, self._stack = vault_name, Stack.of(self)
        self._encryption_key = encryption_key
        self._log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        self.role = function_role(self, "Role", self._log_group)
        for statement in self._statements():
            self.role.add_to_policy(statement)
        self.function = deployment_function(
            self,
            package="recovery_point_deletion",
            description=f"Deletes the recovery points of {vault_name} with their stack",
            environment={
                "VAULT": vault_name,
                "STACK_ID": self._stack.stack_id,
                "TIMEOUT_SECONDS": str(_TIMEOUT),
            },
            role=self.role,
            log_group=self._log_group,
        )

    def empties(self, vault: Construct) -> CustomResource:
        """The custom resource, which is deleted before *vault*; what fills that has to depend on it."""
        provider = polling_provider(self, self.function, self._log_group, Duration.seconds(_TIMEOUT + 300))
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DsqlRecoveryPointDeletion",
            service_token=provider.service_token,
            properties={"Vault": self._vault_name},
        )
        resource.node.add_dependency(self.role, vault)
        self._accept_findings(provider)
        return resource

    def _statements(self) -> list[iam.PolicyStatement]:
        """Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html"""
        return [
            iam.PolicyStatement(
                actions=["backup:ListRecoveryPointsByBackupVault"],
                resources=[self._arn("backup-vault", self._vault_name)],
            ),
            iam.PolicyStatement(actions=["backup:DeleteRecoveryPoint"], resources=[self._arn("recovery-point", "*")]),
            iam.PolicyStatement(actions=["backup:ListBackupJobs", "backup:ListCopyJobs"], resources=["*"]),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[self._stack.stack_id]),
        ]

    def _arn(self, kind: str, name: str) -> str:
        return self._stack.format_arn(
            service="backup", resource=kind, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )

    def _accept_findings(self, provider: custom_resources.Provider) -> None:
        points = readable_arn(self._stack, self._arn("recovery-point", "*"))
        accept(
            self,
            {
                **LAMBDA_FINDINGS,
                **WAITER_FINDINGS,
                **versions_of([self.function, *polling_functions(provider)], self._stack),
                f"IAM5[Resource::{points}]": "Recovery points have generated ids; it deletes those of its vault only.",
                "IAM5[Resource::*]": "ListBackupJobs and ListCopyJobs have no resource type.",
            },
        )
        with_key = self._encryption_key is not None
        skip(self, {lambda_.CfnFunction: LAMBDA_CHECKS, **({} if with_key else {logs.CfnLogGroup: LOG_CHECKS})})
