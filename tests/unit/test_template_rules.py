"""Every kind of template that the library makes, read by cfn-lint, cdk-nag and checkov."""

from __future__ import annotations

import json
import re
import subprocess
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
from tests.tools import CHECKOV
from tests.unit.pairwise import pairwise

CFN_LINT_EXCEPTIONS = {
    "W3005": "the CDK itself writes DependsOn beside a Ref to the same resource",
}
NAG_PACKS = (
    cdk_nag.AwsSolutionsChecks,
    cdk_nag.HIPAASecurityChecks,
    cdk_nag.NIST80053R5Checks,
    cdk_nag.PCIDSS321Checks,
    cdk_nag.ServerlessChecks,
)
A_FUNCTION = r"Monitor/Function/Resource|Peering/(OnEvent|IsComplete)/Resource|Provider/framework-\w+/Resource"
NAG_EXCEPTIONS = {
    # rule without its pack's name: resources that it may find, and why they stay as they are
    "IAM5[Resource::arn:<AWS::Partition>:dsql:<Region>:<AWS::AccountId>:cluster/*]": (
        "Peering/Role/DefaultPolicy/Resource",
        "a peer's identifier is generated and a witness has none; a condition on its tag, or on the witness, fences it",
    ),
    "IAM5[Resource::<Function.Arn>:*]": (
        "Framework(OnEvent|IsComplete)Role/DefaultPolicy/Resource|waiter-state-machine/Role/DefaultPolicy/Resource",
        "versions of the very function, granted by the CDK's Provider",
    ),
    "IAM5[Resource::*]": ("Monitor/Role/DefaultPolicy/Resource", "see WILDCARD_RESOURCES, which names each action"),
    "SF1": ("waiter-state-machine/Resource", "its history is in its functions' logs; one of its own would say no more"),
    "SF2": ("waiter-state-machine/Resource", "it polls for minutes once a deployment; nobody traces it"),
    "StepFunctionStateMachineXray": ("waiter-state-machine/Resource", "as SF2 says"),
    "EC23": (
        "(VpcEndpoint|Endpoint-(dsql|monitoring))/SecurityGroup/Resource",
        "the rule cannot read addresses",
    ),
    "EC2RestrictedCommonPorts": ("(VpcEndpoint|Endpoint-(dsql|monitoring))/SecurityGroup/Resource", "as EC23 says"),
    "EC2RestrictedSSH": ("(VpcEndpoint|Endpoint-(dsql|monitoring))/SecurityGroup/Resource", "as EC23 says"),
    "CloudWatchAlarmAction": (
        "Alarms/[a-z0-9-]+/Resource",
        "one composite alarm acts for all (docs/adr/0009)",
    ),
    "CloudWatchLogGroupEncrypted": (
        "(Monitor|Peering)/Logs/Resource",
        "CloudWatch Logs encrypts every log group; a key of the user's is a parameter of the monitor",
    ),
    "IAMNoInlinePolicy": (
        ".*/DefaultPolicy/Resource",
        "a policy for one role goes with it; a managed one could be attached elsewhere",
    ),
    "LambdaConcurrency": (A_FUNCTION, "reserving fails in new accounts, whose quota is 10; a parameter of the monitor"),
    "LambdaDLQ": (A_FUNCTION, "CloudFormation and the waiter wait for these functions, and hear of failures at once"),
    "LambdaInsideVPC": (A_FUNCTION, "they call public APIs of AWS over TLS; a network is a parameter of the monitor"),
    "LambdaTracing": (A_FUNCTION, "it costs, and the log says how long what took; a parameter of the monitor"),
    "LambdaDefaultMemorySize": ("Provider/framework-\\w+/Resource", "the CDK's own functions, which only pass on"),
    "LambdaAsyncFailureDestination": ("Monitor/Function/EventInvokeConfig/Resource", "its dead-letter queue has them"),
    "SQSRedrivePolicy": ("Monitor/DeadLetters/Resource", "it is the dead-letter queue"),
    "SNSRedrivePolicy": ("Topic/.*/Resource", "SNS tells failed mails in a metric; nobody would read the queue"),
}

ANY_FUNCTION = r"AWS::Lambda::Function\.(Monitor|Peering)\w+"
CHECKOV_EXCEPTIONS = {
    # check: resources that it may find, and why they stay as they are
    "CKV_AWS_158": (r"AWS::Logs::LogGroup\.(Monitor|Peering)Logs\w+", "as CloudWatchLogGroupEncrypted says"),
    "CKV_AWS_27": (r"AWS::SQS::Queue\.MonitorDeadLetters\w+", "SQS encrypts it with its own key; checkov wants KMS"),
    "CKV_AWS_117": (ANY_FUNCTION, "as LambdaInsideVPC says"),
    "CKV_AWS_115": (ANY_FUNCTION, "as LambdaConcurrency says"),
    "CKV_AWS_116": (ANY_FUNCTION, "as LambdaDLQ says"),
    "CKV_AWS_111": (
        r"AWS::IAM::Policy\.MonitorRoleDefaultPolicy\w+",
        "see WILDCARD_RESOURCES, which names each action",
    ),
    "CKV_AWS_173": (ANY_FUNCTION, "Lambda encrypts it, names are no secrets, and a key is a parameter of the monitor"),
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


OPTIONS: dict[str, list[Any]] = {
    "regions": [
        {},
        {"primary_region": "eu-west-1", "secondary_region": "eu-central-1", "witness_region": "eu-west-3"},
        {
            "primary_region": "ap-northeast-1",
            "secondary_region": "ap-northeast-3",
            "witness_region": "ap-northeast-2",
        },
    ],
    "account": [None, "111111111111"],
    "stage": ["", "Prod"],
    "environment_name": ["production", "staging"],
    "cluster_prefix": ["dr-dsql", "orders"],
    "deployment_name": [None, "orders"],
    "removal": [
        {},
        {"removal_policy": cdk.RemovalPolicy.DESTROY},
        {"removal_policy": cdk.RemovalPolicy.RETAIN, "deletion_protection": False},
    ],
    "peering_timeout": [None, cdk.Duration.minutes(60)],
    "verify_on_deploy": [True, False],
    "monitoring": [True, True, False],
    "witness_observer": [False, True],
    "alert_emails": [[], ["ops@example.com"]],
    "topics": [False, True],
    "schedule": [None, cdk.Duration.minutes(1), cdk.Duration.minutes(60)],
    "paging": ["composite", "each"],
    "alarm_settings": [None, AlarmSettings(dpu_budget=AlarmSetting(threshold=1e6), commit_latency=None)],
    "tags": [None, {"team": "orders"}],
}
"""Every parameter of the one line, each with values that make a difference."""


def combined(values: dict[str, Any]) -> Build:
    """An app with these options."""
    options = dict(values)
    regions, removal = options.pop("regions"), options.pop("removal")
    stage, topics = options.pop("stage"), options.pop("topics")
    observers = [
        regions.get("primary_region", "us-east-1"),
        regions.get("secondary_region", "us-west-2"),
        *([regions.get("witness_region", "us-east-2")] if options["witness_observer"] else []),
    ]
    arns = [f"arn:aws:sns:{region}:111111111111:ops" for region in observers] if topics else []

    def build(app: cdk.App) -> None:
        scope = cdk.Stage(app, stage) if stage else app
        MultiRegionDsqlDr(scope, "Pair", **regions, **removal, **options, alert_topic_arns=arns)

    return build


PAIRWISE = {f"pairwise_{number}": combined(row) for number, row in enumerate(pairwise(OPTIONS))}


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
        *PAIRWISE.values(),
    ],
    ids=[
        "one_line",
        "destroyable",
        "in_a_stage",
        "with_a_consumer",
        "fully_watched",
        "existing_clusters",
        "monitor_with_everything",
        "single_region",
        *PAIRWISE,
    ],
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
def test_cdk_nag_finds_what_is_accepted_of_a_resource_and_nothing_else(build: Build, tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path))
    cdk.Validations.of(app).add_plugins(*(pack() for pack in NAG_PACKS))
    build(app)
    with pytest.raises(Exception, match="ValidationFailed"):  # there is always something to accept
        app.synth()
    report = json.loads((tmp_path / "validation-report.json").read_text())
    found = [
        (_rule(violation["ruleName"]), resource["constructPath"])
        for one in report["pluginReports"]
        for violation in one["violations"]
        for resource in violation["violatingConstructs"]
        if "/Vpc/" not in resource["constructPath"]  # the test's own network
    ]
    assert found
    unexplained = [
        f"{rule} of {path}"
        for rule, path in found
        if rule not in NAG_EXCEPTIONS or not re.search(f"(^|/)({NAG_EXCEPTIONS[rule][0]})$", path)
    ]
    assert unexplained == []


def test_checkov_finds_what_is_accepted_of_a_resource_and_nothing_else(tmp_path: Path) -> None:
    builds = {"one_line": one_line, "fully_watched": fully_watched, "everything": monitor_with_everything, **PAIRWISE}
    for name, build in builds.items():
        app = cdk.App()
        build(app)
        for stack in _stacks(app):
            template = assertions.Template.from_stack(stack).to_json()
            (tmp_path / f"{name}-{stack.stack_name}.json").write_text(json.dumps(template))
    command = ["checkov", f"--directory={tmp_path}", "--framework=cloudformation", "--skip-download", "--output=json"]
    done = subprocess.run([*CHECKOV, "--offline", *command], check=False, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000
    unexplained = [
        f"{one['check_id']} of {one['resource']}: {one['check_name']}"
        for one in report["results"]["failed_checks"]
        if ".Vpc" not in one["resource"]  # the test's own network
        and not re.fullmatch(CHECKOV_EXCEPTIONS.get(one["check_id"], ("nothing",))[0], one["resource"])
    ]
    assert unexplained == []


def _rule(name: str) -> str:
    """The same rule in any pack, of any function and in any Region."""
    plain = re.sub(r"^(AwsSolutions|HIPAA\.Security|NIST\.800\.53\.R5|PCI\.DSS\.321|Serverless)-", "", name)
    plain = re.sub(r":dsql:[a-z0-9-]+:(\d{12}|<AWS::AccountId>):", ":dsql:<Region>:<AWS::AccountId>:", plain)
    return re.sub("<(Peering|Monitor).*Arn>", "<Function.Arn>", plain)


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
