"""What AWS FIS may do in a drill: fail one cluster, and read and log what it needs for that."""

from __future__ import annotations

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..accepted_findings import accept, readable_arn, skip
from ..clusters.cluster_interface import IRegionalCluster
from ..physical_names import dashboard_name, drill_name

CONNECTION_FAILURE = "aws:dsql:cluster-connection-failure"
_LOG_DELIVERY = ("CreateLogDelivery", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups")


def experiment_role(scope: Construct, cluster: IRegionalCluster) -> iam.Role:
    """A role for experiments of this account and Region on *cluster*.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/getting-started-iam-service-role.html
    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-iam-condition-keys.html
    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html
    """
    stack = Stack.of(scope)
    experiments = stack.format_arn(service="fis", resource="experiment", resource_name="*")
    conditions = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": experiments}}
    role = iam.Role(scope, "Role", assumed_by=iam.ServicePrincipal("fis.amazonaws.com", conditions=conditions))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["dsql:InjectError"],
            resources=["*"],  # it has no resource type; the conditions limit it to this fault of this cluster
            conditions={
                "StringEquals": {"dsql:FisActionId": CONNECTION_FAILURE},
                "ForAllValues:ArnLike": {"dsql:FisTargetArns": cluster.cluster_arn},
            },
        )
    )
    cluster.grant_describe(role)
    role.add_to_policy(iam.PolicyStatement(actions=["tag:GetResources"], resources=["*"]))  # it has no resource type
    # IAM is asked for all alarms of the Region, whichever are named
    role.add_to_policy(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=[_alarms(stack)]))
    # the first has no resource type, and AWS documents the others, for the first delivery to a log group, with *
    logs = [f"logs:{one}" for one in _LOG_DELIVERY]
    role.add_to_policy(iam.PolicyStatement(actions=logs, resources=["*"]))
    return role


def permit_report(role: iam.Role, bucket: str, deployment: str) -> None:
    """Permit AWS FIS to write its own report into *bucket*, with the graphs of the dashboard.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/experiment-report-configuration.html
    """
    stack = Stack.of(role)
    objects = ["s3:PutObject", "s3:GetObject"]
    role.add_to_policy(iam.PolicyStatement(actions=objects, resources=[_reports(stack, bucket, deployment)]))
    role.add_to_policy(
        iam.PolicyStatement(actions=["cloudwatch:GetDashboard"], resources=[dashboard_arn(stack, deployment)])
    )
    graphs = ["cloudwatch:GetMetricWidgetImage"]
    role.add_to_policy(iam.PolicyStatement(actions=graphs, resources=["*"]))  # it has no resource type


def reports_prefix(deployment: str) -> str:
    """Of the names of reports; with its end no other deployment's name begins as this one."""
    return f"{drill_name(deployment)}/"


def dashboard_arn(stack: Stack, deployment: str) -> str:
    """Dashboards have no Region."""
    name = dashboard_name(deployment)
    return stack.format_arn(service="cloudwatch", region="", resource="dashboard", resource_name=name)


def accept_wildcards(role: iam.Role, bucket: str | None, deployment: str) -> None:
    """Say of each wildcard why it is there."""
    stack = Stack.of(role)
    reasons = {
        "IAM5[Resource::*]": "InjectError, with conditions, GetResources, CreateLogDelivery and GetMetricWidgetImage "
        "have no resource type; AWS documents the delivery of logs with *.",
        f"IAM5[Resource::{readable_arn(stack, _alarms(stack))}]": "DescribeAlarms is for all alarms of a Region.",
    }
    if bucket:
        reports = readable_arn(stack, _reports(stack, bucket, deployment))
        reasons[f"IAM5[Resource::{reports}]"] = "AWS FIS names its reports."
    accept(role, reasons)
    unlimited = "InjectError has no resource type, conditions limit it; AWS documents the delivery of logs with *."
    skip(role, {iam.CfnPolicy: dict.fromkeys(("CKV_AWS_111", "CKV_AWS_109"), unlimited)})


def _alarms(stack: Stack) -> str:
    return stack.format_arn(
        service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )


def _reports(stack: Stack, bucket: str, deployment: str) -> str:
    return f"arn:{stack.partition}:s3:::{bucket}/{reports_prefix(deployment)}*"
