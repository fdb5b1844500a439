"""What all Lambda functions of this library share: their code, their role, their log group."""

from __future__ import annotations

from pathlib import Path

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

_CODE = Path(__file__).parent / "runtime"


# Made when they are used: the first object of the CDK lets Node load aws-cdk-lib, which an import should not wait for.


def runtime() -> lambda_.Runtime:
    """The newest that Lambda has."""
    return lambda_.Runtime.PYTHON_3_14


def architecture() -> lambda_.Architecture:
    """The cheaper one."""
    return lambda_.Architecture.ARM_64


def runtime_code(package: str) -> lambda_.Code:
    """The sources of ``runtime/<package>``, and nothing that differs from machine to machine."""
    return lambda_.Code.from_asset(str(_CODE), exclude=["*", f"!{package}", f"!{package}/*.py"])


def function_log_group(
    scope: Construct,
    id: str,
    *,
    retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
    encryption_key: kms.IKey | None = None,
) -> logs.LogGroup:
    """Goes with its stack. The policy of *encryption_key* is extended for CloudWatch Logs."""
    if encryption_key:
        _admit_logs(Stack.of(scope), encryption_key)
    return logs.LogGroup(
        scope, id, retention=retention, removal_policy=RemovalPolicy.DESTROY, encryption_key=encryption_key
    )


def _admit_logs(stack: Stack, key: kms.IKey) -> None:
    groups = stack.format_arn(
        service="logs", resource="log-group", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
            actions=[
                "kms:Encrypt",
                "kms:Decrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                "kms:GenerateDataKey",
                "kms:DescribeKey",
            ],
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            resources=["*"],  # in a key's policy that is the key
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )


def function_role(scope: Construct, id: str, log_group: logs.ILogGroup) -> iam.Role:
    """May write to *log_group*, and not create one: a log group born after the stack's end would stay for ever."""
    role = iam.Role(scope, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(role)
    return role


def refuse_other_sizes(memory_size: float, reserved: float | None) -> None:
    """
    Raises:
        ValueError: Lambda has no such memory or concurrency; what only a deployment knows is a float, and passes.

    Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
    """
    if isinstance(memory_size, int) and not 128 <= memory_size <= 10240:
        raise ValueError(f"memory_size is {memory_size}: 128 to 10240 MiB are allowed; 256 is the default.")
    if isinstance(reserved, int) and reserved < 0:
        raise ValueError(f"reserved_concurrent_executions is {reserved}: 0 or more are allowed; leave it out for none.")
