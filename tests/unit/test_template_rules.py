"""Every kind of template that the library makes, read by cfn-lint and by cdk-nag."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from cfnlint import api as cfn_lint

from dsql_dr_constructs import (
    AlarmSetting,
    AlarmSettings,
    AlertingTopic,
    HealthAlarms,
    HealthMonitor,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
)

CFN_LINT_EXCEPTIONS = {
    "W3005": "the CDK itself writes DependsOn beside a Ref to the same resource",
}
CDK_NAG_EXCEPTIONS = {
    "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:dsql:us-east-1:<AWS::AccountId>:cluster/*]": (
        "the peer's identifier is generated and known to the registry only; a condition on its tag fences the wildcard"
    ),
    "AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:dsql:us-east-2:<AWS::AccountId>:cluster/*]": (
        "the witness Region has no cluster whose ARN could be named; a condition on the witness fences the wildcard"
    ),
    "AwsSolutions-IAM5[Resource::<Function.Arn>:*]": "versions of the very function, granted by the CDK's Provider",
    "AwsSolutions-IAM5[Resource::*]": "see WILDCARD_RESOURCES below, which names each action",
    "AwsSolutions-SF1": "the waiter's history is in its functions' logs; a log group of its own would say nothing more",
    "AwsSolutions-SF2": "the waiter polls for minutes once a deployment; nobody traces it",
    "AwsSolutions-EC23": "the rule cannot read the address range of a network that the template itself makes",
}

WILDCARD_RESOURCES = {
    "cloudwatch:PutMetricData": "has no resource type; a condition on the namespace fences it",
    "ec2:": "Lambda checks the network interfaces of a function on * when it is created",
    "xray:": "has no resource type",
    "kms:": "in a key's policy that is the key",
}

Build = Callable[[cdk.App], object]


def one_line(app: cdk.App) -> None:
    MultiRegionDsqlDr(app, "Pair")


def destroyable(app: cdk.App) -> None:
    MultiRegionDsqlDr(app, "Pair", removal_policy=cdk.RemovalPolicy.DESTROY, tags={"team": "orders"})


def in_a_stage(app: cdk.App) -> None:
    MultiRegionDsqlDr(cdk.Stage(app, "Prod"), "Pair")


def with_a_consumer(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Pair")
    stack = cdk.Stack(app, "Consumer", env=cdk.Environment(region="us-west-2"))
    pair.grant_connect(iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))


def fully_watched(app: cdk.App) -> None:
    MultiRegionDsqlDr(
        app,
        "Pair",
        witness_observer=True,
        alert_emails=["ops@example.com"],
        schedule=cdk.Duration.minutes(1),
        paging="each",
        alarm_settings=AlarmSettings(dpu_budget=AlarmSetting(threshold=1e6, period=cdk.Duration.hours(1))),
    )


def existing_clusters(app: cdk.App) -> None:
    arns = [f"arn:aws:dsql:{region}:111111111111:cluster/a" for region in ("eu-west-1", "eu-west-2")]
    MultiRegionMonitoring(app, "Pair", deployment_name="orders", cluster_arns=arns)


def monitor_with_everything(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Watch", env=cdk.Environment(region="us-east-1"))
    vpc = ec2.Vpc(stack, "Vpc", restrict_default_security_group=False)
    vpc.add_flow_log("FlowLog")
    clusters = [
        RegionalCluster.from_registry(stack, region, deployment="orders", region=region)
        for region in ("us-east-1", "us-west-2")
    ]
    monitor = HealthMonitor(
        stack,
        "Monitor",
        deployment_name="orders",
        clusters=clusters,
        vpc=vpc,
        tracing=True,
        reserved_concurrent_executions=1,
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
    )
    topic = AlertingTopic(stack, "Alerts", emails=["ops@example.com"])
    topic.add_slack_channel("dsql", workspace_id="T0123ABCD", channel_id="C0123ABCD")
    HealthAlarms(stack, "Alarms", monitor=monitor, topic=topic, warning_topic=topic)


def single_region(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Alone", env=cdk.Environment(region="us-east-1"))
    vpc = ec2.Vpc(stack, "Vpc", restrict_default_security_group=False)
    vpc.add_flow_log("FlowLog")
    RegionalCluster(
        stack,
        "Cluster",
        cluster_name="orders",
        policy_document=iam.PolicyDocument(
            statements=[
                iam.PolicyStatement(
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["dsql:DbConnect", "dsql:DbConnectAdmin"],
                    resources=["*"],
                    conditions={"Null": {"aws:SourceVpc": "true"}},
                )
            ]
        ),
    ).add_vpc_endpoint(vpc)


def _stacks(app: cdk.App) -> list[cdk.Stack]:
    found = [one for one in app.node.find_all() if isinstance(one, cdk.Stack)]
    assert found
    return found


every_template = pytest.mark.parametrize(
    "build",
    [
        one_line,
        destroyable,
        in_a_stage,
        with_a_consumer,
        fully_watched,
        existing_clusters,
        monitor_with_everything,
        single_region,
    ],
    ids=lambda build: build.__name__,
)


@every_template
def test_cfn_lint_has_nothing_to_say(build: Build) -> None:
    app = cdk.App()
    build(app)
    for stack in _stacks(app):
        template = json.dumps(assertions.Template.from_stack(stack).to_json())
        options = cfn_lint.ManualArgs(regions=[stack.region], ignore_checks=list(CFN_LINT_EXCEPTIONS))
        assert cfn_lint.lint(template, config=options) == []


@every_template
def test_the_cdk_warns_of_nothing(build: Build) -> None:
    app = cdk.App()
    build(app)
    for stack in _stacks(app):
        annotations = assertions.Annotations.from_stack(stack)
        assert annotations.find_warning("*", assertions.Match.any_value()) == []
        assert annotations.find_error("*", assertions.Match.any_value()) == []


@every_template
def test_cdk_nag_finds_what_is_accepted_and_nothing_else(build: Build, tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(cdk_nag.AwsSolutionsChecks())
    build(app)
    with pytest.raises(Exception, match="ValidationFailed"):  # there is always something to accept
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = [violation["ruleName"] for one in report["pluginReports"] for violation in one["violations"]]
    assert found
    assert {re.sub("<(Peering|Monitor).*Arn>", "<Function.Arn>", rule) for rule in found} <= set(CDK_NAG_EXCEPTIONS)


@every_template
def test_no_policy_allows_a_wildcard_action_or_an_unexplained_wildcard_resource(build: Build) -> None:
    app = cdk.App()
    build(app)
    for stack in _stacks(app):
        for statement in _statements(assertions.Template.from_stack(stack).to_json()):
            if statement["Effect"] != "Allow" or "root" in str(statement.get("Principal")):
                continue  # a Deny of everything is no permission, and without its account nobody could manage a key
            actions = _as_list(statement["Action"])
            assert not [action for action in actions if "*" in action]
            if statement.get("Resource") == "*":
                assert all(action.startswith(tuple(WILDCARD_RESOURCES)) for action in actions)
                assert "cloudwatch:PutMetricData" not in actions or "Condition" in statement


def _statements(found: Any) -> Iterator[dict[str, Any]]:
    """Every statement of every policy, wherever in the template it stands."""
    if isinstance(found, dict):
        if {"Effect", "Action"} <= set(found):
            yield found
        for one in found.values():
            yield from _statements(one)
    elif isinstance(found, list):
        for one in found:
            yield from _statements(one)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
