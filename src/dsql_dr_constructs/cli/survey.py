"""What is in the local AWS emulator: clusters, SSM parameters, what a destroyed app left, why a deployment failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..emulator.aws_emulator import AwsEmulator
from ..emulator.cloudformation_failures import STILL_NEEDED
from .catalogued_fault import Aws

_TOOLKIT = ("CDKToolkit", "cdk-", "/cdk-bootstrap/")


def clusters(aws: Aws) -> list[dict[str, Any]]:
    """GetCluster's answer for every cluster of every Region, with its ``region`` and ``peers`` added."""
    found = []
    for region in aws.regions:
        dsql = aws.client("dsql", region)
        for one in dsql.list_clusters()["clusters"]:
            cluster = dsql.get_cluster(identifier=one["identifier"])
            del cluster["ResponseMetadata"]
            named = cluster.get("multiRegionProperties", {}).get("clusters", [])
            found.append({**cluster, "region": region, "peers": [arn for arn in named if arn != cluster["arn"]]})
    return found


def parameters(aws: Aws, region: str) -> dict[str, str]:
    """The SSM parameters of all deployments in *region*, by name."""
    pages = aws.client("ssm", region).get_paginator("get_parameters_by_path").paginate(Path="/dsql-dr", Recursive=True)
    entries = {entry["Name"]: entry["Value"] for page in pages for entry in page["Parameters"]}
    return dict(sorted(entries.items()))


def leftovers(aws: AwsEmulator) -> dict[str, list[str]]:
    """Everything that stacks created and that still exists, by resource type, without the CDK's bootstrap stack."""
    found: dict[str, list[str]] = {}
    for region in aws.regions:
        for resource_type, name in _resources(aws, region):
            if not name.startswith(_TOOLKIT):
                found.setdefault(resource_type, []).append(f"{name} ({region})")
    return found


def _resources(aws: AwsEmulator, region: str) -> Iterator[tuple[str, str]]:
    for stack in aws.client("cloudformation", region).describe_stacks()["Stacks"]:
        yield "AWS::CloudFormation::Stack", stack["StackName"]
    for cluster in aws.client("dsql", region).list_clusters()["clusters"]:
        yield "AWS::DSQL::Cluster", cluster["identifier"]
    for name in parameters(aws, region):
        yield "AWS::SSM::Parameter", name
    for function in aws.client("lambda", region).list_functions()["Functions"]:
        yield "AWS::Lambda::Function", function["FunctionName"]
    for machine in aws.client("stepfunctions", region).list_state_machines()["stateMachines"]:
        yield "AWS::StepFunctions::StateMachine", machine["name"]
    cloudwatch = aws.client("cloudwatch", region)
    alarms = cloudwatch.describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    for alarm in (*alarms["MetricAlarms"], *alarms["CompositeAlarms"]):
        yield "AWS::CloudWatch::Alarm", alarm["AlarmName"]
    for dashboard in cloudwatch.list_dashboards()["DashboardEntries"]:
        yield "AWS::CloudWatch::Dashboard", dashboard["DashboardName"]
    for rule in aws.client("events", region).list_rules()["Rules"]:
        yield "AWS::Events::Rule", rule["Name"]
    for topic in aws.client("sns", region).list_topics()["Topics"]:
        yield "AWS::SNS::Topic", topic["TopicArn"].rpartition(":")[2]
    for url in aws.client("sqs", region).list_queues().get("QueueUrls", []):
        yield "AWS::SQS::Queue", url.rpartition("/")[2]
    kms = aws.client("kms", region)
    for key in kms.list_keys()["Keys"]:
        found = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if found["KeyManager"] == "CUSTOMER" and found["KeyState"] != "PendingDeletion":
            yield "AWS::KMS::Key", key["KeyId"]
    yield from _backups(aws.client("backup", region))
    for alias in kms.list_aliases()["Aliases"]:
        if not alias["AliasName"].startswith("alias/aws/"):
            yield "AWS::KMS::Alias", alias["AliasName"]
    for group in aws.client("logs", region).describe_log_groups()["logGroups"]:
        yield "AWS::Logs::LogGroup", group["logGroupName"]
    if region == aws.regions[0]:  # roles have no Region
        for role in aws.client("iam", region).list_roles()["Roles"]:
            yield "AWS::IAM::Role", role["RoleName"]


def _backups(backup: Any) -> Iterator[tuple[str, str]]:
    for plan in backup.list_backup_plans()["BackupPlansList"]:
        yield "AWS::Backup::BackupPlan", plan["BackupPlanName"]
    for vault in backup.list_backup_vaults()["BackupVaultList"]:
        yield "AWS::Backup::BackupVault", vault["BackupVaultName"]
        points = backup.get_paginator("list_recovery_points_by_backup_vault")
        for page in points.paginate(BackupVaultName=vault["BackupVaultName"]):
            for point in page["RecoveryPoints"]:
                yield "recovery point", point["RecoveryPointArn"].rpartition(":")[2]


def failures(aws: AwsEmulator) -> list[str]:
    """The CloudFormation events that explain a failure, oldest first: stack, resource and reason."""
    found = []
    for region in aws.regions:
        cloudformation = aws.client("cloudformation", region)
        for stack in cloudformation.describe_stacks()["Stacks"]:
            if stack["StackName"].startswith(_TOOLKIT):
                continue
            events = cloudformation.describe_stack_events(StackName=stack["StackId"])["StackEvents"]
            found += [event for event in events if _explains(event)]
    found.sort(key=lambda event: event["Timestamp"])
    return [f"{one['StackName']} / {one['LogicalResourceId']}: {one['ResourceStatusReason']}" for one in found]


def _explains(event: dict[str, Any]) -> bool:
    reason = event.get("ResourceStatusReason", "")
    of_resource = event["ResourceType"] != "AWS::CloudFormation::Stack"
    consequence = "cancelled" in reason or reason.startswith(STILL_NEEDED)
    return of_resource and event["ResourceStatus"].endswith("_FAILED") and not consequence
