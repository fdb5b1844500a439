"""What a health monitor's role may do: exactly the calls of runtime/health_monitor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..runtime.health_monitor import metric_names as names
from ..runtime.health_monitor.settings import NotificationPath
from ..runtime.parameter_registry import COMPARED, evacuation_path


def permit_checks(role: iam.Role, clusters: Sequence[IRegionalCluster], stack: Stack) -> None:
    """GetCluster on both, GetParameters of those that they are read from, and PutMetricData into the own namespace.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
    """
    for cluster in clusters:
        cluster.grant_describe(role)
    folders = [folder for one in clusters if (folder := parameter_folder(one))]
    if folders:
        every = stack.format_arn(service="ssm", resource="parameter", arn_format=ArnFormat.NO_RESOURCE_NAME)
        parameters = [f"{every}{folder}/{field}" for folder in folders for field in COMPARED]
        role.add_to_policy(iam.PolicyStatement(actions=["ssm:GetParameters"], resources=parameters))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudwatch:PutMetricData"],
            resources=["*"],  # it has no resource type; the namespace limits it
            conditions={"StringEquals": {"cloudwatch:namespace": names.NAMESPACE}},
        )
    )


def permit_backup_checks(role: iam.Role, vaults: Mapping[str, str], stack: Stack) -> None:
    """Permit to describe *vaults*, names by Region, and to list their recovery points and the jobs that fill them.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
    """
    arns = [
        stack.format_arn(
            service="backup",
            region=region,
            resource="backup-vault",
            resource_name=name,
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        for region, name in vaults.items()
    ]
    of_vaults = ["backup:DescribeBackupVault", "backup:ListRecoveryPointsByBackupVault"]
    role.add_to_policy(iam.PolicyStatement(actions=of_vaults, resources=arns))
    of_jobs = ["backup:ListBackupJobs", "backup:ListCopyJobs"]
    role.add_to_policy(iam.PolicyStatement(actions=of_jobs, resources=["*"]))  # they have no resource type


def permit_evacuation_checks(
    role: iam.Role, clusters: Sequence[IRegionalCluster], deployment: str, stack: Stack
) -> None:
    """Permit to read who declared which Region of *clusters* evacuated, and when, in both Regions.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssystemsmanager.html
    """
    name = evacuation_path(deployment).strip("/")
    arns = [
        stack.format_arn(service="ssm", region=one.cluster_region, resource="parameter", resource_name=name)
        for one in clusters
    ]
    role.add_to_policy(iam.PolicyStatement(actions=["ssm:GetParameterHistory"], resources=arns))


def permit_notification_checks(
    function: lambda_.IFunction, stack: Stack, paths: Sequence[NotificationPath]
) -> list[str]:
    """Permit to read the alarms, topic and key of each of *paths*; returns the ARNs with a wildcard.

    DescribeAlarms returns composite alarms only if the permission is for ``*``. The ARN of a key is not known
    beforehand: its alias limits the permission.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    Source: https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-request-alias
    """
    function.add_to_role_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=["*"]))
    topics = [one.topic_arn for one in paths if one.asks_topic]
    if topics:
        function.add_to_role_policy(iam.PolicyStatement(actions=["sns:GetTopicAttributes"], resources=topics))
    keys = []
    for one in paths:
        if one.key_alias:
            keys.append(_keys_of(stack, one.region))
            function.add_to_role_policy(
                iam.PolicyStatement(
                    actions=["kms:DescribeKey"],
                    resources=[keys[-1]],
                    conditions={"StringEquals": {"kms:RequestAlias": one.key_alias}},
                )
            )
    return keys


def _keys_of(stack: Stack, region: str) -> str:
    return stack.format_arn(
        service="kms", region=region, resource="key", resource_name="*", arn_format=ArnFormat.SLASH_RESOURCE_NAME
    )
