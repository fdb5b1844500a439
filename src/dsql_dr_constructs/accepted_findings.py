"""Reasons for the findings of scanners that are intended, written where cdk-nag 3 and checkov read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from aws_cdk import CfnResource, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct, IConstruct

_NAG_PACKS = ("AwsSolutions", "HIPAA.Security", "NIST.800.53.R5", "PCI.DSS.321", "Serverless")

_SEE_MONITOR = "a field of MonitorOptions"
LAMBDA_FINDINGS = {
    "LambdaConcurrency": f"Reserving fails in new accounts, whose quota is 10; {_SEE_MONITOR}.",
    "LambdaDLQ": "CloudFormation and the waiter wait for these functions, and get their failures at once.",
    "LambdaInsideVPC": f"They call public APIs of AWS over TLS; a network is {_SEE_MONITOR}.",
    "LambdaTracing": f"It costs money, and the log has the duration of each step; {_SEE_MONITOR}.",
    "LambdaDefaultMemorySize": "Those of the CDK's Provider only pass events on.",
    "CloudWatchLogGroupEncrypted": "CloudWatch Logs encrypts every log group; a key of yours can be given.",
    "IAMNoInlinePolicy": "A policy for one role goes with it; a managed one could be attached elsewhere.",
}
LAMBDA_CHECKS = {
    "CKV_AWS_115": LAMBDA_FINDINGS["LambdaConcurrency"],
    "CKV_AWS_116": LAMBDA_FINDINGS["LambdaDLQ"],
    "CKV_AWS_117": LAMBDA_FINDINGS["LambdaInsideVPC"],
    "CKV_AWS_173": "Lambda encrypts it, names are no secrets, and a key is a parameter of HealthMonitor.",
}
ENDPOINT_FINDINGS = dict.fromkeys(
    ("EC23", "EC2RestrictedCommonPorts", "EC2RestrictedSSH"),
    "The rule cannot read addresses: endpoints are open to their network only.",
)
MONITOR_FINDINGS = {
    **LAMBDA_FINDINGS,
    **ENDPOINT_FINDINGS,
    "IAM5[Resource::*]": "PutMetricData, X-Ray and network interfaces have no resource type; DescribeAlarms "
    "shows composite alarms for * only.",
    "LambdaAsyncFailureDestination": "Its dead-letter queue has what failed.",
    "SQSRedrivePolicy": "It is the dead-letter queue.",
}
WAITER_FINDINGS = dict.fromkeys(
    ("SF1", "SF2", "StepFunctionStateMachineXray"),
    "It polls for minutes once a deployment, and its functions' logs say what happened.",
)
LOG_CHECKS = {"CKV_AWS_158": LAMBDA_FINDINGS["CloudWatchLogGroupEncrypted"]}


def versions_of(functions: Sequence[lambda_.IFunction], stack: Stack) -> dict[str, str]:
    """The finding that the CDK's Provider may call any version of each of *functions*, which are in *stack*."""
    arns = stack.resolve([one.function_arn for one in functions])
    return {
        f"IAM5[Resource::<{arn['Fn::GetAtt'][0]}.Arn>:*]": "Versions of this very function, granted by the Provider."
        for arn in arns
    }


def polling_functions(provider: Construct) -> list[lambda_.IFunction]:
    """Those of the CDK's *provider* that its waiter calls."""
    return [
        cast("lambda_.Function", provider.node.find_child(f"framework-{one}")) for one in ("isComplete", "onTimeout")
    ]


def readable_arn(stack: Stack, arn: str) -> str:
    """*arn* as cdk-nag writes it: references in angle brackets."""
    found = stack.resolve(arn)
    parts = found["Fn::Join"][1] if isinstance(found, dict) else [found]
    return "".join(f"<{one['Ref']}>" if isinstance(one, dict) else one for one in parts)


def accept(construct: Construct, reasons: Mapping[str, str]) -> None:
    """Acknowledge for cdk-nag the findings of each rule, named without its pack, in *construct*.

    This is what ``cdk.Validations.of(construct).acknowledge`` writes, which the lowest aws-cdk-lib does not have.
    """
    rules = {f"{pack}-{rule}": reason for rule, reason in reasons.items() for pack in _NAG_PACKS}
    construct.node.add_metadata("aws:cdk:acknowledged-rules", rules)


def skip(construct: IConstruct, reasons: Mapping[type[CfnResource], Mapping[str, str]]) -> None:
    """Let checkov skip these checks of each resource of a type in *construct*.

    Source: https://www.checkov.io/2.Basics/Suppressing%20and%20Skipping%20Policies.html
    """
    every = construct.node.find_all()
    for kind, checks in reasons.items():
        skipped = [{"id": check, "comment": reason} for check, reason in checks.items()]
        for resource in every:
            if isinstance(resource, kind):
                resource.add_metadata("checkov", {"skip": skipped})
