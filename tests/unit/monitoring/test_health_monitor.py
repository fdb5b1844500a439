from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs

from dsql_dr_constructs import MonitorOptions
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import PERMISSION_SECONDS, REPORT_SECONDS
from dsql_dr_constructs.runtime.parameter_registry import COMPARED
from tests.unit.monitoring.monitored_pair import REGIONS, MonitoredPair


@pytest.fixture
def pair(app: cdk.App) -> MonitoredPair:
    return MonitoredPair(app)


def function(pair: MonitoredPair) -> dict[str, Any]:
    named = [one for one in pair.properties("AWS::Lambda::Function") if "FunctionName" in one]
    return named[0]


def statements(pair: MonitoredPair) -> list[dict[str, Any]]:
    policy = pair.template().to_json()["Resources"]["MonitorRoleDefaultPolicyF93FBA6D"]
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found


def test_function_has_the_name_that_people_type_and_modest_defaults(pair: MonitoredPair) -> None:
    pair.monitor()
    found = function(pair)
    assert found["FunctionName"] == "aurora-dsql-monitor-Orders-production"
    assert (found["Architectures"], found["Runtime"], found["MemorySize"]) == (["arm64"], "python3.14", 256)
    assert found["Timeout"] == 150
    assert "ReservedConcurrentExecutions" not in found, "new accounts have too few to reserve any"
    assert "TracingConfig" not in found
    assert "VpcConfig" not in found


IDENTIFIER = "dsql-dr-Orders-production-{}-identifier"


def cluster_arn(region: str) -> str:
    return f"arn:aws:dsql:{region}:111111111111:cluster/{IDENTIFIER.format(region)}"


def test_function_has_both_clusters_from_the_parameters(pair: MonitoredPair) -> None:
    pair.monitor()
    environment = function(pair)["Environment"]["Variables"]
    assert (environment["DEPLOYMENT"], environment["WITNESS_REGION"], environment["BUDGET_SECONDS"]) == (
        "Orders-production",
        "us-east-2",
        "20",
    )
    assert json.loads(pair.written_out(environment["CLUSTERS"])) == [
        {
            "arn": cluster_arn(region),
            "endpoint": f"{IDENTIFIER.format(region)}.dsql.{region}.on.aws",
            "parameters": f"/dsql-dr/Orders-production/{region}",
        }
        for region in REGIONS
    ]


def test_role_may_do_what_the_handler_calls_and_nothing_else(pair: MonitoredPair) -> None:
    pair.monitor()
    found = [(one["Action"], one["Resource"], one.get("Condition")) for one in statements(pair)]
    write_logs, dead_letters, *look, read, put = found
    assert write_logs == (["logs:CreateLogStream", "logs:PutLogEvents"], _arn("MonitorLogsA2A2A44B"), None)
    assert dead_letters == ("sqs:SendMessage", _arn("MonitorDeadLettersBAD42EE3"), None)
    looked_at = [arn for _, resource, _ in look for arn in (resource if isinstance(resource, list) else [resource])]
    of_this_pair = {"StringEquals": {"aws:ResourceTag/dsql-dr:deployment": "Orders-production"}}
    assert {action for action, _, _ in look} == {"dsql:GetCluster"}
    assert all(condition == of_this_pair for _, _, condition in look)
    assert [pair.written_out(arn) for arn in looked_at] == [cluster_arn(one) for one in REGIONS]
    names = [f"/dsql-dr/Orders-production/{one}/{field}" for one in REGIONS for field in COMPARED]
    wanted = [_joined(f":ssm:us-east-1:111111111111:parameter{name}") for name in names]
    assert read == ("ssm:GetParameters", wanted, None)
    fence = {"StringEquals": {"cloudwatch:namespace": "Aurora/DSQL/DisasterRecovery"}}
    assert put == ("cloudwatch:PutMetricData", "*", fence)


def test_it_runs_every_two_minutes_by_a_rule_of_its_name_and_is_never_tried_again(pair: MonitoredPair) -> None:
    pair.monitor()
    [rule] = pair.properties("AWS::Events::Rule")
    assert (rule["Name"], rule["ScheduleExpression"]) == ("aurora-dsql-monitor-Orders-production", "rate(2 minutes)")
    assert rule["Targets"][0]["RetryPolicy"] == {"MaximumEventAgeInSeconds": 120, "MaximumRetryAttempts": 0}
    [config] = pair.properties("AWS::Lambda::EventInvokeConfig")
    assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (0, 120)


def test_what_fails_and_what_cannot_be_started_goes_to_an_encrypted_queue_over_tls(pair: MonitoredPair) -> None:
    pair.monitor()
    [queue] = pair.properties("AWS::SQS::Queue")
    assert queue == {"MessageRetentionPeriod": 14 * 86400, "SqsManagedSseEnabled": True}
    queue_arn = _arn("MonitorDeadLettersBAD42EE3")
    assert function(pair)["DeadLetterConfig"] == {"TargetArn": queue_arn}
    assert pair.properties("AWS::Events::Rule")[0]["Targets"][0]["DeadLetterConfig"] == {"Arn": queue_arn}
    [policy] = pair.properties("AWS::SQS::QueuePolicy")
    deny, allow = policy["PolicyDocument"]["Statement"]
    assert deny["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert allow["Condition"] == {"ArnEquals": {"aws:SourceArn": _arn("MonitorSchedule8012EAAD")}}


def test_first_probe_runs_once_the_role_and_the_schedule_are_there(pair: MonitoredPair) -> None:
    pair.monitor()
    probe = pair.template().to_json()["Resources"]["MonitorFirstProbeC2F77E52"]
    assert probe["Type"] == "Custom::DsqlFirstProbe"
    assert {"MonitorRoleDefaultPolicyF93FBA6D", "MonitorSchedule8012EAAD"} <= set(probe["DependsOn"])


def test_time_out_leaves_the_run_during_deployment_its_time_for_permissions(pair: MonitoredPair) -> None:
    pair.monitor()
    last_tries = 2 * (3 + 5)  # of GetCluster and of PutMetricData, as the handler's clients connect and read
    assert function(pair)["Timeout"] >= PERMISSION_SECONDS + REPORT_SECONDS + last_tries


def test_time_out_leaves_every_run_its_budget(pair: MonitoredPair) -> None:
    monitor = pair.monitor(
        schedule=cdk.Duration.minutes(5), options=MonitorOptions(probe_timeout=cdk.Duration.seconds(200))
    )
    assert function(pair)["Timeout"] == monitor.longest_run.to_seconds() == 220


def test_schedule_and_budget_can_be_chosen(pair: MonitoredPair) -> None:
    monitor = pair.monitor(
        schedule=cdk.Duration.minutes(1), options=MonitorOptions(probe_timeout=cdk.Duration.seconds(30))
    )
    assert pair.properties("AWS::Events::Rule")[0]["ScheduleExpression"] == "rate(1 minute)"
    assert monitor.longest_run.to_seconds() == 30 + 20, "the budget, and room to report"
    metric = monitor.metric("ClusterHealth", "us-west-2")
    assert (metric.period.to_seconds(), metric.namespace, metric.region) == (
        60,
        "Aurora/DSQL/DisasterRecovery",
        "us-east-1",
    )
    assert metric.dimensions == {
        "Deployment": "Orders-production",
        "ClusterRegion": "us-west-2",
        "ObserverRegion": "us-east-1",
    }


@pytest.mark.parametrize(
    ("metric_name", "cluster_region"), [("ClusterHealth", None), ("ParameterHealth", "us-east-1"), ("Other", None)]
)
def test_metric_without_the_dimensions_that_it_has_is_refused(
    pair: MonitoredPair, metric_name: str, cluster_region: str | None
) -> None:
    with pytest.raises(
        ValueError,
        match="give cluster_region for all metrics but ParameterHealth, NotificationHealth, RecoveryPointAge",
    ):
        pair.monitor().metric(metric_name, cluster_region)


def test_metric_of_no_cluster_has_no_clusters_region(pair: MonitoredPair) -> None:
    found = pair.monitor().metric("ParameterHealth").dimensions
    assert found == {"Deployment": "Orders-production", "ObserverRegion": "us-east-1"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"schedule": cdk.Duration.seconds(30)}, "schedule is 30 seconds: whole minutes from 1 to 60 are allowed"),
        ({"schedule": cdk.Duration.seconds(90)}, "whole minutes from 1 to 60 are allowed"),
        ({"schedule": cdk.Duration.hours(2)}, "whole minutes from 1 to 60 are allowed"),
        (
            {"options": MonitorOptions(probe_timeout=cdk.Duration.seconds(2))},
            "probe_timeout is 2 seconds: 5 to 100 seconds are allowed",
        ),
        ({"options": MonitorOptions(probe_timeout=cdk.Duration.minutes(2))}, "5 to 100 seconds are allowed"),
        ({"clusters": []}, "give two clusters, in two Regions"),
        ({"deployment_name": "Orders/EU"}, "give deployment_name='Orders-EU'"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(pair: MonitoredPair, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        pair.monitor(**options)


def test_two_clusters_of_one_region_are_no_pair(pair: MonitoredPair) -> None:
    with pytest.raises(ValueError, match=r"has clusters in \['us-east-1', 'us-east-1'\]: give two"):
        pair.monitor(clusters=[pair.clusters[0], pair.clusters[0]])


def test_logs_are_kept_as_long_as_asked_and_encrypted_with_an_own_key_as_is_the_environment(
    pair: MonitoredPair,
) -> None:
    key = kms.Key(pair.stack, "Key", enable_key_rotation=True)
    pair.monitor(encryption_key=key, options=MonitorOptions(log_retention=logs.RetentionDays.ONE_YEAR))
    arn = pair.stack.resolve(key.key_arn)
    [group] = pair.properties("AWS::Logs::LogGroup")
    assert (group["RetentionInDays"], group["KmsKeyId"]) == (365, arn)
    assert function(pair)["KmsKeyArn"] == arn
    assert {"Action": "kms:Decrypt", "Effect": "Allow", "Resource": arn} in statements(pair)
    [policy] = pair.properties("AWS::KMS::Key")
    logging = policy["KeyPolicy"]["Statement"][-1]
    assert logging["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
    assert "kms:EncryptionContext:aws:logs:arn" in logging["Condition"]["ArnLike"]


def test_tracing_and_concurrency_can_be_asked_for(pair: MonitoredPair) -> None:
    pair.monitor(options=MonitorOptions(tracing=True, reserved_concurrent_executions=1, memory_size=512))
    found = function(pair)
    assert (found["TracingConfig"], found["ReservedConcurrentExecutions"], found["MemorySize"]) == (
        {"Mode": "Active"},
        1,
        512,
    )


def test_in_a_network_it_may_go_out_to_apis_and_clusters_and_nothing_comes_in(pair: MonitoredPair) -> None:
    vpc = ec2.Vpc(pair.stack, "Vpc")
    pair.monitor(options=MonitorOptions(vpc=vpc))
    groups = pair.template().find_resources("AWS::EC2::SecurityGroup")
    [ours] = [one["Properties"] for id, one in groups.items() if id.startswith("MonitorSecurityGroup")]
    assert [(rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) for rule in ours["SecurityGroupEgress"]] == [
        ("tcp", 443, 443),
        ("tcp", 5432, 5432),
    ]
    assert "SecurityGroupIngress" not in ours
    services = [one["ServiceName"] for one in pair.properties("AWS::EC2::VPCEndpoint")]
    assert services == ["com.amazonaws.us-east-1.monitoring", "com.amazonaws.us-east-1.dsql"]
    private = [pair.stack.resolve(one.subnet_id) for one in vpc.private_subnets]
    assert function(pair)["VpcConfig"]["SubnetIds"] == private
    assert any("ec2:CreateNetworkInterface" in one["Action"] for one in statements(pair))


def test_network_of_a_monitor_that_reads_evacuations_has_an_endpoint_of_ssm_too(pair: MonitoredPair) -> None:
    pair.monitor(options=MonitorOptions(vpc=ec2.Vpc(pair.stack, "Vpc")), evacuation=True)
    services = [one["ServiceName"].rpartition(".")[2] for one in pair.properties("AWS::EC2::VPCEndpoint")]
    assert services == ["monitoring", "dsql", "ssm"]


def test_network_can_have_its_endpoints_and_groups_already(pair: MonitoredPair) -> None:
    vpc = ec2.Vpc(pair.stack, "Vpc")
    group = ec2.SecurityGroup(pair.stack, "Ours", vpc=vpc)
    pair.monitor(options=MonitorOptions(vpc=vpc, security_group=group, vpc_endpoints=False))
    assert pair.properties("AWS::EC2::VPCEndpoint") == []
    assert function(pair)["VpcConfig"]["SecurityGroupIds"] == [pair.stack.resolve(group.security_group_id)]


def test_network_whose_addresses_are_not_known_is_refused_if_it_gets_endpoints(pair: MonitoredPair) -> None:
    vpc = ec2.Vpc.from_vpc_attributes(
        pair.stack, "Vpc", vpc_id="vpc-1", availability_zones=["a"], private_subnet_ids=["subnet-1"]
    )
    with pytest.raises(ValueError, match=r"give vpc_cidr_block to .*, or leave the endpoints out"):
        pair.monitor(options=MonitorOptions(vpc=vpc))


def test_subnets_without_a_way_out_are_refused(pair: MonitoredPair) -> None:
    isolated = ec2.SubnetConfiguration(name="isolated", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    vpc = ec2.Vpc(pair.stack, "Vpc", subnet_configuration=[isolated])
    subnets = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_ISOLATED)
    options = MonitorOptions(vpc=vpc, vpc_subnets=subnets)
    with pytest.raises(ValueError, match="are isolated, and the other Region's cluster is outside of their network"):
        pair.monitor(options=options)


def monitor_asset(app: cdk.App, pair: MonitoredPair) -> Path:
    pair.monitor()
    [asset] = [one for one in Path(app.synth().directory).glob("asset.*") if (one / "runtime").exists()]
    return asset


def test_package_is_small_and_holds_the_runtime_and_nothing_else(
    app: cdk.App, pair: MonitoredPair, tmp_path: Path
) -> None:
    asset = monitor_asset(app, pair)
    files = [one for one in asset.rglob("*") if one.is_file()]
    modules = (
        "__init__",
        "asking",
        "cluster_check",
        "handler",
        "connection_probe",
        "evacuation_check",
        "failed_jobs",
        "metric_names",
        "metrics",
        "alarm_digest",
        "topic_policy",
        "notifications",
        "parameters",
        "recovery_point_check",
        "retries",
        "settings",
        "observation",
        "monitoring_run",
    )
    assert {str(one.relative_to(asset / "runtime")) for one in files} == {
        "__init__.py",
        "answer_time.py",
        "aws_errors.py",
        "evacuation.py",
        "full_jitter.py",
        "parameter_registry.py",
        "postgresql.py",
        "recovery_points.py",
        *(f"health_monitor/{one}.py" for one in modules),
    }
    with zipfile.ZipFile(tmp_path / "package.zip", "w") as package:
        for one in files:
            package.write(one)
    assert (tmp_path / "package.zip").stat().st_size < 128 * 1024


def _joined(end: str) -> dict[str, Any]:
    return {"Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, end]]}


def _arn(logical_id: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [logical_id, "Arn"]}


def test_handler_loads_as_lambda_loads_it(app: cdk.App, pair: MonitoredPair) -> None:
    asset = monitor_asset(app, pair)
    module, _, name = function(pair)["Handler"].rpartition(".")
    code = f"import importlib; print(importlib.import_module({module!r}).{name}.__name__)"
    environment = {
        **os.environ,
        "AWS_REGION": "us-east-1",
        "DEPLOYMENT": "Orders-production",
        "CLUSTERS": "[]",
        "BUDGET_SECONDS": "20",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=asset, env=environment, check=False, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.stderr) == ("handle", "")
