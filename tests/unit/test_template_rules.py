"""Every kind of template that the library makes, read by cfn-lint, cdk-nag and checkov."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from aws_cdk import assertions
from aws_cdk import aws_backup as backup
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from cfnlint import api as cfn_lint
from cfnlint.config import ConfigMixIn
from cfnlint.decode import decode_str
from cfnlint.rules import Match, Rules
from cfnlint.runner import Runner, run_template_by_data

from dsql_dr_constructs import (
    AlarmOptions,
    AlertingTopic,
    BackupOptions,
    ClusterOptions,
    DatabasePrivilege,
    DatabaseRole,
    DrDashboard,
    DrillOptions,
    FailoverOptions,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    IRegionalCluster,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionBackup,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
    StackOptions,
)
from dsql_dr_constructs.backup import backup_events, backup_plan, recovery_point_deletion, wake_rule
from dsql_dr_constructs.clusters import adopted_cluster, cluster_interface, cluster_peering
from dsql_dr_constructs.drill import dr_drill, drill_permissions, drill_schedule
from dsql_dr_constructs.monitoring import alerting_topic, health_alarms, health_monitor
from dsql_dr_constructs.regions import MULTI_REGION, WITHOUT_FIS
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
A_FUNCTION = r"(Monitor|Peering|Deletion|AdoptedCluster)/Function/Resource|Provider/framework-\w+/Resource"
ENDPOINTS = r"(VpcEndpoint|Endpoint-(dsql|monitoring|ssm))/SecurityGroup/Resource"
NAG_FINDINGS = {
    # rule without its pack's name: resources of which the library may accept it; the reasons stand beside them
    "IAM5[Resource::arn:<AWS::Partition>:dsql:<Region>:<AWS::AccountId>:cluster/*]": "Peering/Role/DefaultPolicy/.*",
    "IAM5[Resource::arn:aws:dsql:<Region>:<AWS::AccountId>:cluster/*]": "AdoptedCluster/Role/DefaultPolicy/.*",
    "IAM5[Resource::arn:<AWS::Partition>:cloudformation:<Region>:<AWS::AccountId>:stack/<Primary>/*]": (
        "Peering/Role/DefaultPolicy/.*"
    ),
    "IAM5[Resource::<Function.Arn>:*]": (
        "Framework(OnEvent|IsComplete)Role/DefaultPolicy/Resource|waiter-state-machine/Role/DefaultPolicy/Resource"
    ),
    "IAM5[Resource::*]": "(Monitor|Deletion|Drill)/Role/DefaultPolicy/Resource",  # WILDCARD_RESOURCES names each action
    "IAM5[Resource::arn:<AWS::Partition>:backup:<Region>:<AWS::AccountId>:recovery-point:*]": (
        "Backup/Deletion/Role/DefaultPolicy/Resource"
    ),
    "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup]": (
        "Plan/Role/Resource"
    ),
    "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForRestores]": (
        "Plan/RestoreRole/Resource"
    ),
    "IAM5[Resource::arn:<AWS::Partition>:cloudwatch:<Region>:<AWS::AccountId>:alarm:*]": (
        "Drill/Role/DefaultPolicy/Resource"
    ),
    "IAM5[Resource::arn:<AWS::Partition>:fis:<Region>:<AWS::AccountId>:experiment/*]": (
        "Drill/ScheduleRole/DefaultPolicy/Resource"
    ),
    "IAM5[Resource::arn:<AWS::Partition>:s3:::drill-reports/aurora-dsql-drill-<Deployment>*]": (
        "Drill/Role/DefaultPolicy/Resource"
    ),
    "EventBusDLQ": "(Events|Wake)/Rule",
    "SF1": "waiter-state-machine/Resource",
    "SF2": "waiter-state-machine/Resource",
    "StepFunctionStateMachineXray": "waiter-state-machine/Resource",
    "EC23": ENDPOINTS,
    "EC2RestrictedCommonPorts": ENDPOINTS,
    "EC2RestrictedSSH": ENDPOINTS,
    "CloudWatchAlarmAction": "Alarms/[a-z0-9-]+/Resource",
    "CloudWatchLogGroupEncrypted": "(Monitor|Peering|Events|Deletion|AdoptedCluster|Drill|(Cluster/)?DatabaseAdmin)"
    "/Logs/Resource",
    "IAMNoInlinePolicy": ".*/DefaultPolicy/Resource",
    "LambdaConcurrency": A_FUNCTION,
    "LambdaDLQ": A_FUNCTION,
    "LambdaInsideVPC": A_FUNCTION,
    "LambdaTracing": A_FUNCTION,
    "LambdaDefaultMemorySize": r"Provider/framework-\w+/Resource",
    "LambdaAsyncFailureDestination": "Monitor/Function/EventInvokeConfig/Resource|Wake/OnFailure",
    "SQSRedrivePolicy": "Monitor/DeadLetters/Resource",
    "SNSRedrivePolicy": r".*(@example\.com|aurora-dsql)/Resource",
}

ANY_FUNCTION = r"AWS::Lambda::Function\.(Monitor|Peering|BackupDeletion|AdoptedCluster|(Cluster)?DatabaseAdmin)\w+"
CHECKOV_SKIPPED = {
    # check: resources of which the library may skip it; the reasons stand beside them
    "CKV_AWS_158": r"AWS::Logs::LogGroup\.(Monitor|Peering|Events|(Backup)?Deletion|AdoptedCluster|Drill|(Cluster)?"
    r"DatabaseAdmin)Logs\w+",
    "CKV_AWS_27": r"AWS::SQS::Queue\.MonitorDeadLetters\w+",
    "CKV_AWS_109": r"AWS::IAM::Policy\.DrillRoleDefaultPolicy\w+",
    "CKV_AWS_111": r"AWS::IAM::Policy\.(Monitor|Drill)RoleDefaultPolicy\w+",
    **dict.fromkeys(("CKV_AWS_115", "CKV_AWS_116", "CKV_AWS_117", "CKV_AWS_173"), ANY_FUNCTION),
}

WILDCARD_RESOURCES = {
    "cloudwatch:PutMetricData": "has no resource type; a condition on the namespace limits it",
    "cloudwatch:DescribeAlarms": "returns composite alarms only if the permission is for * (its API reference)",
    "backup:ListBackupJobs": "has no resource type",
    "backup:ListCopyJobs": "has no resource type",
    "dsql:InjectError": "has no resource type; conditions on the action and on the cluster limit it",
    "tag:GetResources": "has no resource type",
    "cloudwatch:GetMetricWidgetImage": "has no resource type",
    "logs:CreateLogDelivery": "has no resource type",
    "logs:PutResourcePolicy": "AWS documents it with * for the first delivery to a log group",
    "logs:DescribeResourcePolicies": "AWS documents it with * for the first delivery to a log group",
    "logs:DescribeLogGroups": "AWS documents it with * for the first delivery to a log group",
    "ec2:": "Lambda checks the network interfaces of a function on * when it is created",
    "xray:": "has no resource type",
    "kms:": "in a key's policy that is the key",
}

Build = Callable[[cdk.App], object]
Synthesized = list[tuple[cdk.Stack, Mapping[str, Any]]]


def default_configuration(app: cdk.App) -> None:
    MultiRegionDsqlDr(app, "Pair")


def destroyable(app: cdk.App) -> None:
    MultiRegionDsqlDr(app, "Pair", removal_policy=cdk.RemovalPolicy.DESTROY, tags={"team": "orders"})


def in_a_stage(app: cdk.App) -> None:
    MultiRegionDsqlDr(cdk.Stage(app, "Prod"), "Pair")


def with_a_consumer(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Pair")
    stack = cdk.Stack(app, "Consumer", env=cdk.Environment(region="us-west-2"))
    reader = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    pair.grant_connect(reader, role="reader", privileges=[DatabasePrivilege.read()])


def fully_monitored(app: cdk.App) -> None:
    MultiRegionDsqlDr(
        app,
        "Pair",
        alert_emails=["ops@example.com"],
        schedule=cdk.Duration.minutes(1),
        failover=FailoverOptions(),
        monitoring=MonitoringOptions(
            witness_observer=True,
            warning_emails=["dev@example.com"],
            alarm_options=HealthAlarmOptions(dpu_budget=AlarmOptions(threshold=1e6, period=cdk.Duration.hours(1))),
        ),
    )


def existing_clusters(app: cdk.App) -> None:
    arns = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in ("eu-west-1", "eu-west-2")]
    vaults = dict.fromkeys(("eu-west-1", "eu-west-2"), "dsql-orders")
    MultiRegionMonitoring(app, "Pair", deployment_name="orders", cluster_arns=arns, backup_vaults=vaults)


def existing_clusters_backed_up(app: cdk.App) -> None:
    arns = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in ("eu-west-1", "eu-west-2")]
    vaults: dict[str, backup.IBackupVault | str] = {"eu-west-1": "mine", "eu-west-2": "mine"}
    options = BackupOptions(vaults=vaults, monthly_retention=cdk.Duration.days(365))
    MultiRegionBackup(app, "Pair", deployment_name="orders", cluster_arns=arns, options=options)


def adopted(app: cdk.App) -> None:
    arns = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in ("us-east-1", "us-west-2")]
    MultiRegionDsqlDr(app, "Pair", cluster_arns=arns, tags={"team": "orders"})


FROM_A_NETWORK_ONLY = iam.PolicyDocument(
    statements=[
        iam.PolicyStatement(
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["dsql:DbConnect", "dsql:DbConnectAdmin"],
            resources=["*"],
            conditions={"Null": {"aws:SourceVpc": "true"}},
        )
    ]
)


def single_region(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Alone", env=cdk.Environment(region="us-east-1"))
    cluster = RegionalCluster(stack, "Cluster", cluster_name="orders", policy_document=FROM_A_NETWORK_ONLY)
    cluster.add_vpc_endpoint(network_of_the_test(stack))
    service = iam.Role(stack, "Reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    DatabaseRole(stack, "Role", cluster=cluster, role_name="orders", grantees=[service])


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
    "name_prefix": ["dr-dsql", "orders"],
    "deployment_name": [None, "orders"],
    "removal": [
        {},
        {"removal_policy": cdk.RemovalPolicy.DESTROY},
        {"deletion_protection": False},
    ],
    "peering_timeout": [None, cdk.Duration.minutes(50)],
    "repair_on_deploy": [False, True],
    "database_roles": [False, True],
    "synthesizer": [None, cdk.DefaultStackSynthesizer(qualifier="orders")],
    "termination_protection": [False, True],
    "monitoring": [True, True, False],
    "witness_observer": [False, True],
    "sql_probe": [False, True],
    "alert_emails": [[], ["ops@example.com"]],
    "topics": [False, True],
    "schedule": [None, cdk.Duration.minutes(1), cdk.Duration.minutes(60)],
    "warning_emails": [[], ["dev@example.com"]],
    "warning_topics": [False, True],
    "alarm_options": [
        HealthAlarmOptions(),
        HealthAlarmOptions(dpu_budget=AlarmOptions(threshold=1e6), commit_latency=None),
    ],
    "monitor_options": [
        None,
        MonitorOptions(tracing=True, memory_size=512, probe_timeout=cdk.Duration.seconds(10)),
    ],
    "own_keys": [False, True],
    "cluster_arns": [False, True],
    "tags": [None, {"team": "orders"}],
    "backup": [
        None,
        BackupOptions(),
        BackupOptions(
            hour=23,
            weekly_retention=cdk.Duration.days(90),
            deletion_principals=["arn:aws:iam::111111111111:role/admin"],
            lock=backup.LockConfiguration(min_retention=cdk.Duration.days(7), max_retention=cdk.Duration.days(400)),
        ),
        BackupOptions(removal_policy=cdk.RemovalPolicy.DESTROY, delete_recovery_points=True),
    ],
    "drill": ["none", "default", "all"],
    "failover": [None, FailoverOptions(), FailoverOptions(unhealthy_without_data=False)],
}
"""Every parameter of `MultiRegionDsqlDr` and its options, each with values that make a difference."""


def combined(values: dict[str, Any]) -> Build:
    """An app of `MultiRegionDsqlDr` with these values."""
    regions, removal, one = values["regions"], dict(values["removal"]), dict(values)
    cluster_options = ClusterOptions(
        deletion_protection=removal.pop("deletion_protection", None),
        **{name: one[name] for name in ("name_prefix", "peering_timeout", "repair_on_deploy", "database_roles")},
    )
    stack_options = StackOptions(**{name: one[name] for name in ("synthesizer", "termination_protection")})
    observers = [regions.get("primary_region", "us-east-1"), regions.get("secondary_region", "us-west-2")]
    if one["witness_observer"] and one["monitoring"]:
        observers.append(regions.get("witness_region", "us-east-2"))
    arns = {region: f"arn:aws:sns:{region}:111111111111:topic" for region in observers}
    if one["cluster_arns"]:
        one["account"] = "111111111111"
        removal["cluster_arns"] = [f"arn:aws:dsql:{one}:111111111111:cluster/{'a' * 26}" for one in observers[:2]]
        removal.pop("removal_policy", None)  # refused with them
    monitoring = MonitoringOptions(
        alert_topics=arns if one["topics"] else None,
        warning_topics=arns if one["warning_topics"] else None,
        monitor_options={observers[0]: one["monitor_options"]} if one["monitor_options"] else None,
        **{name: one[name] for name in ("witness_observer", "sql_probe", "warning_emails", "alarm_options")},
    )
    drills = {
        "none": None,
        "default": DrillOptions(),
        "all": DrillOptions(
            stop_alarm_arns={
                region: [f"arn:{cdk.Aws.PARTITION}:cloudwatch:{region}:{cdk.Aws.ACCOUNT_ID}:alarm:errors"]
                for region in observers[:2]
            },
            duration=cdk.Duration.minutes(20),
            expect_alarm=one["schedule"] is None,
            schedules={observers[0]: "cron(0 9 ? 1,7 TUE#2 *)", observers[1]: "cron(0 9 ? 4,10 TUE#2 *)"},
            report_buckets=dict.fromkeys(observers[:2], "drill-reports"),
            log_retention=logs.RetentionDays.THREE_YEARS,
        ),
    }
    plain = ("account", "environment_name", "deployment_name", "alert_emails", "schedule", "tags", "backup")

    def build(app: cdk.App) -> None:
        scope = cdk.Stage(app, one["stage"]) if one["stage"] else app
        scope.node.set_context("@aws-cdk/core:defaultCrossStackReferences", "strong")  # as the CDK asks users to choose
        keys = {region: key_in(scope, region, one["account"]) for region in observers} if one["own_keys"] else None
        MultiRegionDsqlDr(
            scope,
            "Pair",
            **regions,
            **removal,
            **{name: one[name] for name in plain},
            cluster_options=cluster_options,
            stack_options=stack_options,
            monitoring=monitoring if one["monitoring"] else None,
            drill=drills[one["drill"]] if one["monitoring"] else None,
            failover=one["failover"] if one["monitoring"] else None,
            encryption_keys=keys,
        )

    return build


def key_in(scope: cdk.App | cdk.Stage, region: str, account: str | None) -> kms.Key:
    stack = cdk.Stack(scope, f"Keys-{region}", env=cdk.Environment(region=region, account=account))
    return kms.Key(stack, "Key", enable_key_rotation=True)


PARTS: dict[str, list[Any]] = {
    # RegionalCluster
    "cluster_name": [None, "orders"],
    "witness_region": [None, "us-east-2"],
    "peer_cluster_arns": [[], [f"arn:aws:dsql:us-west-2:111111111111:cluster/{'a' * 26}"]],
    "removal_policy": [cdk.RemovalPolicy.RETAIN, cdk.RemovalPolicy.DESTROY],
    "key": [False, True],
    "policy": [False, True],
    "cluster_endpoint": [False, True],
    # HealthMonitor
    "evacuation": [False, True],
    "schedule": [None, cdk.Duration.minutes(5)],
    "probe_timeout": [None, cdk.Duration.seconds(10)],
    "memory_size": [256, 512],
    "log_retention": [logs.RetentionDays.ONE_MONTH, logs.RetentionDays.ONE_YEAR],
    "reserved_concurrent_executions": [None, 1],
    "tracing": [False, True],
    "backup_vaults": [None, {"us-east-1": "dsql-orders", "us-west-2": "of-the-platform"}],
    "network": ["none", "defaults", "own subnets and group", "no endpoints"],
    # AlertingTopic
    "emails": [[], ["ops@example.com"]],
    "display_name": [None, "Orders"],
    "existing_topic": ["new", "own", "imported"],
    "subscribers": [False, True],
    # HealthAlarms and DrDashboard
    "topic": [True, False],
    "warnings": [False, True],
    "options": [None, HealthAlarmOptions(query_timeouts=None)],
    "dashboard": ["all", "bare"],
    "imported_clusters": ["registry", "attributes"],
}
"""Every parameter of the smaller constructs, each with values that make a difference."""


def composed(values: dict[str, Any]) -> Build:
    """An app of the smaller constructs, as somebody writes who composes them."""
    one = dict(values)
    if not one["witness_region"]:
        one["peer_cluster_arns"] = []  # refused otherwise

    def build(app: cdk.App) -> None:
        stack = cdk.Stack(app, "Composed", env=cdk.Environment(region="us-east-1"))
        vpc = network_of_the_test(stack) if one["network"] != "none" or one["cluster_endpoint"] else None
        key = kms.Key(stack, "Key", enable_key_rotation=True) if one["key"] else None
        cluster = RegionalCluster(
            stack,
            "Cluster",
            cluster_name=one["cluster_name"],
            witness_region=one["witness_region"],
            peer_cluster_arns=one["peer_cluster_arns"],
            removal_policy=one["removal_policy"],
            encryption_key=key,
            policy_document=FROM_A_NETWORK_ONLY if one["policy"] else None,
        )
        if one["cluster_endpoint"] and vpc:
            cluster.add_vpc_endpoint(vpc)
        monitor = HealthMonitor(
            stack,
            "Monitor",
            deployment_name="orders",
            clusters=[cluster, existing(stack, one["imported_clusters"])],
            witness_region=one["witness_region"],
            schedule=one["schedule"],
            backup_vaults=one["backup_vaults"],
            evacuation=one["evacuation"],
            encryption_key=key,
            options=MonitorOptions(
                **{name: one[name] for name in MONITOR_OPTIONS}, **network_options(stack, vpc, one["network"])
            ),
        )
        topics = {name: alerting(stack, name, values, key) for name, wanted in TOPICS.items() if one[wanted]}
        alarms = HealthAlarms(
            stack,
            "Alarms",
            monitor=monitor,
            topic=topics.get("Alerts"),
            warning_topic=topics.get("Warnings"),
            options=one["options"],
        )
        whole = one["dashboard"] == "all"
        DrDashboard(
            stack,
            "Dashboard",
            deployment_name="orders",
            clusters=monitor.clusters,
            observer_regions=["us-east-1", "us-west-2", "us-east-2"] if whole else (),
            witness_region=one["witness_region"],
            alarms=[alarms] if whole else (),
            schedule=one["schedule"],
        )

    return build


TOPICS = {"Alerts": "topic", "Warnings": "warnings"}
MONITOR_OPTIONS = (
    "probe_timeout",
    "memory_size",
    "log_retention",
    "reserved_concurrent_executions",
    "tracing",
)


def network_of_the_test(stack: cdk.Stack) -> ec2.Vpc:
    vpc = ec2.Vpc(stack, "Vpc", restrict_default_security_group=False)
    vpc.add_flow_log("FlowLog")
    return vpc


def network_options(stack: cdk.Stack, vpc: ec2.Vpc | None, network: str) -> dict[str, Any]:
    if network == "none" or not vpc:
        return {}
    if network == "no endpoints":
        return {"vpc": vpc, "vpc_endpoints": False}
    if network == "defaults":
        return {"vpc": vpc}
    group = ec2.SecurityGroup(stack, "Group", vpc=vpc, allow_all_outbound=True, description="Out")
    chosen = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS, one_per_az=True)
    return {"vpc": vpc, "vpc_subnets": chosen, "security_group": group}


def existing(stack: cdk.Stack, how: str) -> IRegionalCluster:
    if how == "registry":
        return RegionalCluster.from_parameters(stack, "Other", deployment_name="orders", region="us-west-2")
    return RegionalCluster.from_cluster_attributes(stack, "Other", cluster_identifier="b" * 26, region="us-west-2")


def alerting(stack: cdk.Stack, name: str, one: dict[str, Any], key: kms.Key | None) -> AlertingTopic:
    topic = None
    if one["existing_topic"] == "imported":
        topic = sns.Topic.from_topic_arn(stack, f"{name}Import", "arn:aws:sns:us-east-1:111111111111:ops")
    elif one["existing_topic"] == "own":
        own_key = kms.Key(stack, f"{name}Key", enable_key_rotation=True)
        topic = sns.Topic(stack, f"{name}Own", master_key=own_key, enforce_ssl=True)
    found = AlertingTopic(
        stack,
        name,
        emails=one["emails"],
        existing_topic=topic,
        encryption_key=None if topic else key,
        display_name=one["display_name"],
    )
    if one["subscribers"]:
        found.add_https("https://pager.example.com/aurora-dsql")
        found.add_slack_channel(f"dsql-{name}", workspace_id="T0123ABCD", channel_id="C0123ABCD")
    return found


ROWS = {f"pairwise_{number}": combined(row) for number, row in enumerate(pairwise(OPTIONS))}
ROWS |= {f"composed_{number}": composed(row) for number, row in enumerate(pairwise(PARTS))}
HAND_PICKED: dict[str, Build] = {
    one.__name__: one
    for one in (
        default_configuration,
        destroyable,
        in_a_stage,
        with_a_consumer,
        fully_monitored,
        existing_clusters,
        existing_clusters_backed_up,
        adopted,
        single_region,
    )
}
BUILDS = {**HAND_PICKED, **ROWS}
THEIRS = r"/Vpc/|(Consumer|Alone)/Reader/|Composed/(Group|(Alerts|Warnings)Own|Key|\w+Key)/"
"""What the test brings itself, as a user would."""


def _stacks(app: cdk.App) -> list[cdk.Stack]:
    found = [one for one in app.node.find_all() if isinstance(one, cdk.Stack)]
    assert found
    return found


@pytest.fixture(scope="module", params=list(BUILDS.values()), ids=list(BUILDS))
def synthesized(request: pytest.FixtureRequest) -> Iterator[Synthesized]:
    """Stacks of one app and their templates, synthesized once for all that read them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("CDK_DEFAULT_ACCOUNT", raising=False)
        app = cdk.App()
        request.param(app)
        yield [(one, assertions.Template.from_stack(one).to_json()) for one in _stacks(app)]


@cache
def lint_rules() -> Rules:
    """Made once; `cfnlint.api.lint` makes them for each template, in half of its time."""
    return Runner(ConfigMixIn()).rules


def lint(template: Mapping[str, Any], *regions: str) -> list[Match]:
    config = ConfigMixIn(**cfn_lint.ManualArgs(regions=list(regions), ignore_checks=list(CFN_LINT_EXCEPTIONS)))
    decoded, errors = decode_str(json.dumps(template))
    return errors or list(run_template_by_data(decoded, config, lint_rules()))


def test_cfn_lint_has_nothing_to_say(synthesized: Synthesized) -> None:
    """Of a stack in each Region with the same constructs, the primary's; the next test reads the others, too."""
    for stack, found in synthesized:
        if re.search("(Secondary|Witness)(Monitoring|DatabaseRoles|Drill|Failover)", stack.stack_name):
            continue
        assert lint(found, stack.region) == []


def test_each_known_region_has_every_service_that_a_pair_is_made_of(app: cdk.App) -> None:
    monitoring = MonitoringOptions(sql_probe=True, witness_observer=True)
    drill = DrillOptions(schedules={"us-east-1": "cron(0 9 ? 1,7 TUE#2 *)"})
    MultiRegionDsqlDr(app, "Pair", monitoring=monitoring, drill=drill, failover=FailoverOptions())
    regions = [region for continent in MULTI_REGION.values() for region in continent]
    missing: dict[str, set[str]] = {}
    for stack in _stacks(app):
        template = assertions.Template.from_stack(stack).to_json()
        lacking = WITHOUT_FIS if "Drill-" in stack.stack_name else ()
        assert lint(template, *(region for region in regions if region not in lacking)) == []
        for region in lacking:
            missing.setdefault(region, set()).update(str(one.message) for one in lint(template, region))
    wrong = {one: {f"Resource type 'AWS::FIS::ExperimentTemplate' does not exist in '{one}'"} for one in WITHOUT_FIS}
    assert missing == wrong, "the list of Regions without it is that of this release of cfn-lint"


OF_THE_APP = (
    r"\[ack: dsql-dr-constructs:(nobodyNotified|monitoringOff|adoptedClusters|importedPolicy|importedNetwork"
    r"|noStopCondition)\]"
)
"""Warnings of ours, where an app of these subscribes nobody or brings what it did not make."""


def test_the_cdk_warns_of_nothing_but_what_the_app_left_open(synthesized: Synthesized) -> None:
    for stack, _ in synthesized:
        annotations = assertions.Annotations.from_stack(stack)
        warnings = [str(one.entry.data) for one in annotations.find_warning("*", assertions.Match.any_value())]
        assert [one for one in warnings if not re.search(OF_THE_APP, one)] == []
        assert annotations.find_error("*", assertions.Match.any_value()) == []


@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_cdk_nag_finds_nothing_since_each_finding_is_accepted_beside_its_construct(
    build: Build, tmp_path: Path
) -> None:
    assert [one for one in nag(build, tmp_path) if not re.search(THEIRS, one[1])] == []


@pytest.mark.parametrize(
    "build", [default_configuration, fully_monitored, adopted, single_region, *list(ROWS.values())[::3]]
)
def test_no_finding_is_accepted_of_a_resource_that_nobody_thought_of(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_backups = (adopted_cluster, backup_events, backup_plan, recovery_point_deletion, wake_rule)
    of_drills = (dr_drill, drill_permissions, drill_schedule)
    of_monitoring = (alerting_topic, cluster_interface, cluster_peering, health_alarms, health_monitor)
    for module in (*of_monitoring, *of_backups, *of_drills):
        monkeypatch.setattr(module, "accept", lambda construct, reasons: None)
    found = nag(build, tmp_path)
    unexplained = [
        f"{rule} of {path}"
        for rule, path in found
        if not re.search(THEIRS, path) and not re.search(f"(^|/)({NAG_FINDINGS.get(rule, 'nothing')})$", path)
    ]
    assert unexplained == []
    assert found, "there is always something to accept"


def nag(build: Build, folder: Path) -> list[tuple[str, str]]:
    """Rules and the paths of what they find."""
    app = cdk.App(outdir=str(folder))
    cdk.Validations.of(app).add_plugins(*(pack() for pack in NAG_PACKS))
    build(app)
    with suppress(RuntimeError):  # it ends so if it finds something
        app.synth()
    report = json.loads((folder / "validation-report.json").read_text())
    return [
        (_rule(violation["ruleName"]), resource["constructPath"])
        for one in report["pluginReports"]
        for violation in one["violations"]
        for resource in violation["violatingConstructs"]
    ]


WITH_ONE_PARSER = """
import sys
import ply.yacc
from checkov.main import Checkov
plain, parsers = ply.yacc.yacc, {}
def yacc(**options):
    kind = type(options["module"]), options["start"]
    return parsers.get(kind) or parsers.setdefault(kind, plain(**options))
ply.yacc.yacc = yacc
sys.exit(Checkov().run())
"""
"""checkov, which else makes the tables of its parser again for each expression, in a third of its time."""


def test_checkov_finds_nothing_and_skips_what_is_accepted_of_a_resource(tmp_path: Path) -> None:
    every_second = dict(list(ROWS.items())[::2])  # it takes longer than all other rules together
    read = set[str]()
    for name, build in {**HAND_PICKED, **every_second}.items():
        app = cdk.App()
        build(app)
        for stack in _stacks(app):
            template = dict(assertions.Template.from_stack(stack).to_json())
            same = {id: json.dumps(one).replace(stack.region, "") for id, one in template["Resources"].items()}
            template["Resources"] = {id: one for id, one in template["Resources"].items() if same[id] not in read}
            read.update(same.values())  # one that is the same but for its Region is read once
            (tmp_path / f"{name}-{stack.stack_name}.json").write_text(json.dumps(template))
    options = ["--framework=cloudformation", "--skip-download", "--output=json", "--compact"]
    command = [str(CHECKOV.with_name("python")), "-c", WITH_ONE_PARSER, f"--directory={tmp_path}", *options]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 1000
    found = [
        f"{one['check_id']} of {one['resource']}: {one['check_name']}"
        for one in report["results"]["failed_checks"]
        if not re.search(r"\.Vpc", one["resource"])  # the test's own network
    ]
    assert found == []
    skipped = report["results"]["skipped_checks"]
    assert skipped
    for one in skipped:
        assert re.fullmatch(CHECKOV_SKIPPED.get(one["check_id"], "nothing"), one["resource"]), one["check_id"]
        assert one["check_result"]["suppress_comment"].endswith(".")


def _rule(name: str) -> str:
    """The same rule in any pack, of any function and in any Region."""
    plain = re.sub(r"^(AwsSolutions|HIPAA\.Security|NIST\.800\.53\.R5|PCI\.DSS\.321|Serverless)-", "", name)
    arn = r":(dsql|cloudformation|backup|cloudwatch|fis):[a-z0-9-]+:(\d{12}|<AWS::AccountId>):"
    plain = re.sub(arn, r":\1:<Region>:<AWS::AccountId>:", plain)
    plain = re.sub(r"(aurora-dsql-drill-)[\w-]+", r"\1<Deployment>", plain)
    plain = re.sub(r":stack/[\w-]+-Primary-production/", ":stack/<Primary>/", plain)
    return re.sub("<(Peering|Monitor|BackupDeletion|AdoptedCluster).*Arn>", "<Function.Arn>", plain)


def test_no_policy_allows_a_wildcard_action_or_an_unexplained_wildcard_resource(
    synthesized: Synthesized,
) -> None:
    for _, template in synthesized:
        for statement in _statements(template):
            if statement["Effect"] != "Allow" or "root" in str(statement.get("Principal")):
                continue  # a Deny of everything is no permission, and without its account nobody could manage a key
            actions = _as_list(statement["Action"])
            assert not [action for action in actions if "*" in action]
            if statement.get("Resource") == "*":
                assert all(action.startswith(tuple(WILDCARD_RESOURCES)) for action in actions)
                limited = {"cloudwatch:PutMetricData", "dsql:InjectError"}
                assert not limited & set(actions) or "Condition" in statement


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
