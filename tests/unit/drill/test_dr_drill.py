from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms

from dsql_dr_constructs import (
    DrDrill,
    DrillOptions,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    MultiRegionDsqlDr,
    RegionalCluster,
)
from dsql_dr_constructs.drill.pair_drills import pair_drills
from tests.unit.intrinsics import written_out
from tests.unit.monitoring.monitored_pair import MonitoredPair

ACCOUNT = "111111111111"
DEPLOYMENT = "Orders-production"
MINUTES = cdk.Duration.minutes
TWICE_A_YEAR = "cron(0 9 ? 1,7 TUE#2 *)"
ALARMS = f"arn:aws:cloudwatch:us-west-2:{ACCOUNT}:alarm:aurora-dsql-{DEPLOYMENT}"


@cache
def pair() -> MultiRegionDsqlDr:
    """With both drills as they are by default."""
    return MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, drill=DrillOptions())


@cache
def alarms(*, region: str = "us-west-2", sql_probe: bool = False, left_out: tuple[str, ...] = ()) -> HealthAlarms:
    """Of *region*, without those that are left out; names are all that a drill takes of them."""
    monitored = MonitoredPair(cdk.App(), region)
    monitor = monitored.monitor()
    monitor.sql_probe = sql_probe
    options = HealthAlarmOptions(**dict.fromkeys(left_out))
    return HealthAlarms(monitored.stack, "Alarms", monitor=monitor, options=options)


def drill(
    of: HealthAlarms | None = None, tags: Mapping[str, str] | None = None, region: str = "us-west-2", **options: Any
) -> cdk.Stack:
    """A stack in *region* with a drill of the cluster there."""
    stack = cdk.Stack(cdk.App(), "Drill", env=cdk.Environment(account=ACCOUNT, region=region))
    for key, value in (tags or {}).items():
        cdk.Tags.of(stack).add(key, value)
    cluster = RegionalCluster.from_parameters(stack, "Cluster", deployment_name=DEPLOYMENT, region=region)
    DrDrill(stack, "Drill", cluster=cluster, alarms=of or alarms(), options=DrillOptions(**options))
    return stack


def properties(stack: cdk.Stack, kind: str) -> list[dict[str, Any]]:
    """With every reference written out; what is read from SSM by the parameter's name."""
    template = assertions.Template.from_stack(stack).to_json()
    parameters = {name: one.get("Default", "") for name, one in template.get("Parameters", {}).items()}

    def ref(name: str) -> str:
        return {"AWS::Partition": "aws"}.get(name) or parameters.get(name) or name

    resources = written_out(template["Resources"], ref, lambda resource, name: f"{resource}.{name}")
    return [one["Properties"] for one in resources.values() if one["Type"] == kind]


def experiment(stack: cdk.Stack) -> dict[str, Any]:
    [found] = properties(stack, "AWS::FIS::ExperimentTemplate")
    return found


def actions(stack: cdk.Stack) -> dict[str, Any]:
    found: dict[str, Any] = experiment(stack)["Actions"]
    return found


def warnings(stack: cdk.Stack) -> list[str]:
    found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    return [str(one.entry.data) for one in found]


def test_each_region_has_a_stack_of_its_own_that_is_deployed_after_the_monitoring_of_both() -> None:
    made = pair()
    assert [one.stack_name for one in made.stacks[-2:]] == [
        "Orders-PrimaryDrill-production",
        "Orders-SecondaryDrill-production",
    ]
    assert list(made.drills) == ["us-east-1", "us-west-2"] == [one.region for one in made.stacks[-2:]]
    for one in made.stacks[-2:]:
        assert {dependency.stack_name for dependency in one.dependencies} == {
            "Orders-PrimaryMonitoring-production",
            "Orders-SecondaryMonitoring-production",
        }


def templates(pair: MultiRegionDsqlDr) -> dict[str, bytes]:
    """By file, as they are deployed."""
    folder = Path(cdk.Stage.of(pair).synth().directory)  # type: ignore[union-attr]
    return {one.name: one.read_bytes() for one in folder.glob("*.template.json")}


def test_without_drill_nothing_is_there_and_with_it_no_other_stack_differs() -> None:
    without = MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT)
    assert without.drills == {}
    before, after = templates(without), templates(pair())
    assert sorted(before.items()) == sorted(one for one in after.items() if "Drill-production" not in one[0])
    assert (len(before), len(after)) == (4, 6)


def test_no_stack_refers_to_that_of_a_drill_and_a_drill_refers_to_none() -> None:
    every = templates(pair())
    assert len(every) == 6
    for template in every.values():
        assert b"Fn::ImportValue" not in template
        assert b"Fn::GetStackOutput" not in template


def test_all_connections_to_the_cluster_of_this_region_fail_once_all_was_ok() -> None:
    found = experiment(drill())
    identifier = f"/dsql-dr/{DEPLOYMENT}/us-west-2/identifier"
    assert found["Targets"] == {
        "cluster": {
            "ResourceType": "aws:dsql:cluster",
            "ResourceArns": [f"arn:aws:dsql:us-west-2:{ACCOUNT}:cluster/{identifier}"],
            "SelectionMode": "ALL",
        }
    }
    assert found["ExperimentOptions"] == {"EmptyTargetResolutionMode": "fail"}
    assert found["Actions"] == {
        "all-alarms-ok": {
            "ActionId": "aws:cloudwatch:assert-alarm-state",
            "Parameters": {
                "alarmArns": ",".join(
                    f"{ALARMS}-{one}-from-us-west-2"
                    for one in (
                        "cluster-down-us-east-1",
                        "cluster-down-us-west-2",
                        "peering-us-east-1",
                        "peering-us-west-2",
                        "monitor-no-data",
                    )
                ),
                "alarmStates": "OK",
            },
        },
        "connection-failure": {
            "ActionId": "aws:dsql:cluster-connection-failure",
            "Parameters": {"duration": "PT10M", "percentage": "100"},
            "Targets": {"Clusters": "cluster"},
            "StartAfter": ["all-alarms-ok"],
        },
    }
    assert "100 % of the calls to the cluster in us-west-2 fail for 10 minutes" in found["Description"]


@cache
def far_pair() -> MultiRegionDsqlDr:
    """Its names are as long as they can be, and it has keys."""
    app, regions = cdk.App(), ("ap-northeast-1", "ap-northeast-3")
    keys = {
        region: kms.Key(cdk.Stack(app, region, env=cdk.Environment(account=ACCOUNT, region=region)), "Key")
        for region in regions
    }
    return MultiRegionDsqlDr(
        app,
        "Orders",
        primary_region=regions[0],
        secondary_region=regions[1],
        witness_region="ap-northeast-2",
        account=ACCOUNT,
        deployment_name="a" * 44,
        encryption_keys=dict(keys),
        drill=DrillOptions(),
    )


def test_asserted_alarms_are_metric_alarms_that_the_monitoring_stack_has_and_their_arns_fit() -> None:
    """AWS FIS takes five alarms, and a parameter of an action has 1024 characters at most."""
    made = far_pair()
    stacks = {one.region: one for one in made.stacks[2:4]}
    for region, drill in made.drills.items():
        parameter = experiment(cdk.Stack.of(drill))["Actions"]["all-alarms-ok"]["Parameters"]["alarmArns"]
        assert len(parameter) <= 1024
        names = [one["AlarmName"] for one in properties(stacks[region], "AWS::CloudWatch::Alarm")]
        asserted = [one.rpartition(":")[2] for one in parameter.split(",")]
        assert len(asserted) == 5
        assert set(asserted) <= set(names)


def test_alarm_that_was_left_out_is_not_asserted() -> None:
    found = actions(drill(alarms(left_out=("peering", "monitor_no_data"))))
    assert found["all-alarms-ok"]["Parameters"]["alarmArns"].count(":alarm:") == 2
    found = actions(drill(alarms(left_out=("peering", "monitor_no_data", "cluster_down"))))
    assert list(found) == ["connection-failure"]
    assert "StartAfter" not in found["connection-failure"]


def test_share_and_duration_are_those_given() -> None:
    parameters = actions(drill(share=40, duration=MINUTES(90)))["connection-failure"]["Parameters"]
    assert parameters == {"duration": "PT1H30M", "percentage": "40"}


def test_with_the_sql_probe_a_drill_fails_where_the_alarm_is_not_raised() -> None:
    found = actions(drill(alarms(sql_probe=True)))
    assert found["until-noticed"] == {
        "ActionId": "aws:fis:wait",
        "Parameters": {"duration": "PT6M"},
        "StartAfter": ["all-alarms-ok"],
    }
    assert found["alarm-raised"] == {
        "ActionId": "aws:cloudwatch:assert-alarm-state",
        "Parameters": {"alarmArns": f"{ALARMS}-cluster-down-us-west-2-from-us-west-2", "alarmStates": "ALARM"},
        "StartAfter": ["until-noticed"],
    }


@pytest.mark.parametrize(
    "options",
    [
        {"expect_alarm": False},
        {"share": 99},
        {"duration": MINUTES(6)},  # the alarm can need all of them
    ],
)
def test_where_the_alarm_is_not_certain_its_absence_fails_no_drill(options: dict[str, Any]) -> None:
    assert list(actions(drill(alarms(sql_probe=True), **options))) == ["all-alarms-ok", "connection-failure"]


def test_whoever_expects_the_alarm_of_a_connection_probe_may_say_so() -> None:
    assert "alarm-raised" in actions(drill(expect_alarm=True))


def test_with_the_alarm_expected_seven_minutes_are_enough_and_six_are_refused() -> None:
    assert "alarm-raised" in actions(drill(expect_alarm=True, duration=MINUTES(7)))
    with pytest.raises(ValueError, match=r"cluster-down-us-west-2 can take 6 minutes by its definition, and duration"):
        drill(expect_alarm=True, duration=MINUTES(6))


def test_alarm_that_is_expected_and_left_out_is_refused() -> None:
    with pytest.raises(ValueError, match="expect_alarm is True, and us-west-2 has no alarm cluster-down-us-west-2"):
        drill(alarms(left_out=("cluster_down",)), expect_alarm=True)


def test_template_is_found_by_its_tags_and_logs_into_a_group_of_a_known_name() -> None:
    stack = drill(tags={"team": "orders"})
    found = experiment(stack)
    ours = {"Name": f"aurora-dsql-drill-{DEPLOYMENT}", "dsql-dr:deployment": DEPLOYMENT}
    assert found["Tags"] == {**ours, "team": "orders"}
    [group] = properties(stack, "AWS::Logs::LogGroup")
    assert (group["LogGroupName"], group["RetentionInDays"]) == (f"/aws/fis/aurora-dsql-drill-{DEPLOYMENT}", 365)
    logged = found["LogConfiguration"]
    assert logged["LogSchemaVersion"] == 2
    assert re.fullmatch(r"DrillLogs\w+\.Arn", logged["CloudWatchLogsConfiguration"]["LogGroupArn"]), "it ends with :*"


def test_key_of_the_region_encrypts_the_log() -> None:
    drills = far_pair().drills
    assert len(drills) == 2
    for one in drills.values():
        [group] = properties(cdk.Stack.of(one), "AWS::Logs::LogGroup")
        assert "KmsKeyId" in group


OF_THE_OTHER = {"Source": "aws:cloudwatch:alarm", "Value": f"{ALARMS}-cluster-down-us-east-1-from-us-west-2"}
"""Stops every drill in us-west-2."""


def test_region_without_an_alarm_of_the_users_is_a_warning_that_has_the_line_to_add() -> None:
    arn = f"arn:aws:cloudwatch:us-west-2:{ACCOUNT}:alarm:errors"
    stopped = drill(stop_alarm_arns={"us-west-2": [arn]})
    assert experiment(stopped)["StopConditions"] == [OF_THE_OTHER, {"Source": "aws:cloudwatch:alarm", "Value": arn}]
    assert warnings(stopped) == []
    unstopped = drill(stop_alarm_arns={"us-east-1": [arn.replace("us-west-2", "us-east-1")]})
    assert experiment(unstopped)["StopConditions"] == [OF_THE_OTHER]
    [found] = warnings(unstopped)
    line = 'DrillOptions(stop_alarm_arns={"us-west-2": ["arn:aws:cloudwatch:us-west-2:<account>:alarm:<name>"]})'
    assert line in found
    assert found.endswith("[ack: dsql-dr-constructs:noStopCondition]")


def test_region_without_experiment_templates_is_a_warning_with_the_date_of_the_list() -> None:
    def found(region: str) -> str:
        return "\n".join(warnings(drill(alarms(region=region), region=region)))

    assert "had no AWS::FIS::ExperimentTemplate in ca-west-1 in 2026-11" in found("ca-west-1")
    assert "AWS::FIS" not in found("us-west-2")


def test_alarm_of_the_other_cluster_stops_a_drill_and_that_of_the_failed_one_is_refused() -> None:
    other = f"{ALARMS}-cluster-down-us-east-1-from-us-west-2"
    given = drill(stop_alarm_arns={"us-west-2": [other]})
    assert (warnings(given), experiment(given)["StopConditions"]) == ([], [OF_THE_OTHER]), "which stops it anyway"
    for kind in ("cluster-down", "cluster-health"):
        own = f"{ALARMS}-{kind}-us-west-2-from-us-west-2"
        for arn in (own, own.replace(ACCOUNT, cdk.Aws.ACCOUNT_ID)):
            with pytest.raises(ValueError, match="for us-west-2, which the drill itself raises: give an alarm on the"):
                drill(stop_alarm_arns={"us-west-2": [arn]})


def test_alarm_of_a_stack_of_the_app_stops_a_drill_which_is_deployed_after_that_stack() -> None:
    app = cdk.App()
    here = cdk.Environment(account=ACCOUNT, region="us-west-2")
    service, stack = cdk.Stack(app, "Service", env=here), cdk.Stack(app, "Drills", env=here)
    errors = cloudwatch.Metric(namespace="Orders", metric_name="Errors")
    alarm = cloudwatch.Alarm(service, "Alarm", metric=errors, threshold=1, evaluation_periods=1)
    cluster = RegionalCluster.from_parameters(stack, "Cluster", deployment_name=DEPLOYMENT, region="us-west-2")
    options = DrillOptions(stop_alarm_arns={"us-west-2": [alarm.alarm_arn]})
    DrDrill(stack, "Drill", cluster=cluster, alarms=alarms(), options=options)
    _, condition = experiment(stack)["StopConditions"]
    assert condition["Source"] == "aws:cloudwatch:alarm"
    assert service in stack.dependencies
    assert [one for one in warnings(stack) if "dsql-dr-constructs" in one] == []


def test_stop_alarm_of_another_account_is_refused() -> None:
    arn = "arn:aws:cloudwatch:us-west-2:222222222222:alarm:errors"
    with pytest.raises(ValueError, match="stop_alarm_arns has an alarm of account 222222222222 for us-west-2, and the"):
        drill(stop_alarm_arns={"us-west-2": [arn]})


def test_stop_alarm_that_is_known_to_be_a_composite_is_a_warning() -> None:
    arn = f"{ALARMS}-monitoring-not-working-from-us-west-2"
    [found] = warnings(drill(stop_alarm_arns={"us-west-2": [arn]}))
    assert "a composite alarm, and AWS does not say whether AWS FIS follows those" in found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stop_alarm_arns", [f"arn:aws:cloudwatch:us-east-2:{ACCOUNT}:alarm:errors"]),
        ("schedules", TWICE_A_YEAR),
        ("report_buckets", "reports"),
    ],
)
def test_what_is_given_for_another_region_is_refused(field: str, value: Any) -> None:
    sentence = f"{field} has us-east-2: the clusters are in us-east-1 and us-west-2; give {field} by the names"
    options: dict[str, Any] = {field: {"us-east-2": value}}
    with pytest.raises(ValueError, match=f"^{sentence}"):
        pair_drills(lambda *_: cdk.Stack(), list(pair().drills), pair().monitoring, {}, DrillOptions(**options))


def test_drill_without_monitoring_is_refused() -> None:
    sentence = "drill is given and monitoring is None: a drill asserts alarms of the monitoring; leave one of them out."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        MultiRegionDsqlDr(cdk.App(), "Orders", monitoring=None, drill=DrillOptions())


def test_nothing_starts_a_drill_by_itself_unless_there_is_a_schedule() -> None:
    elsewhere = drill(schedules={"us-east-1": TWICE_A_YEAR})
    assert properties(elsewhere, "AWS::Scheduler::Schedule") == []
    [schedule] = properties(drill(schedules={"us-west-2": TWICE_A_YEAR}), "AWS::Scheduler::Schedule")
    assert schedule["Name"] == f"aurora-dsql-drill-{DEPLOYMENT}"
    assert schedule["ScheduleExpression"] == TWICE_A_YEAR
    assert (schedule["ScheduleExpressionTimezone"], schedule["FlexibleTimeWindow"]) == ("UTC", {"Mode": "OFF"})
    target = schedule["Target"]
    assert target["Arn"] == "arn:aws:scheduler:::aws-sdk:fis:startExperiment"
    started = json.loads(target["Input"])
    assert re.fullmatch(r"DrillTemplate\w+\.Id", started["ExperimentTemplateId"])
    assert started["Tags"] == {"Name": f"aurora-dsql-drill-{DEPLOYMENT}", "dsql-dr:deployment": DEPLOYMENT}
    assert started["ClientToken"] == "<aws.scheduler.execution-id>", "a retry starts no second experiment"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 300}


def test_only_fis_for_experiments_of_this_account_and_region_can_assume_the_role() -> None:
    stack = drill(schedules={"us-west-2": TWICE_A_YEAR})
    trusted = [one["AssumeRolePolicyDocument"]["Statement"] for one in properties(stack, "AWS::IAM::Role")]
    assert [(one["Principal"]["Service"], one["Condition"]) for [one] in trusted] == [
        (
            "fis.amazonaws.com",
            {
                "StringEquals": {"aws:SourceAccount": ACCOUNT},
                "ArnLike": {"aws:SourceArn": f"arn:aws:fis:us-west-2:{ACCOUNT}:experiment/*"},
            },
        ),
        (
            "scheduler.amazonaws.com",
            {
                "StringEquals": {
                    "aws:SourceAccount": ACCOUNT,
                    "aws:SourceArn": f"arn:aws:scheduler:us-west-2:{ACCOUNT}:schedule-group/default",
                }
            },
        ),
    ]


def test_report_of_fis_goes_to_the_bucket_of_the_region_with_the_graphs_of_the_dashboard() -> None:
    assert "ExperimentReportConfiguration" not in experiment(drill(report_buckets={"us-east-1": "reports"}))
    dashboard = f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/Aurora-DSQL-DR-Dashboard-{DEPLOYMENT}"
    reported = drill(report_buckets={"us-west-2": "reports-111111111111"})
    assert experiment(reported)["ExperimentReportConfiguration"] == {
        "Outputs": {
            "ExperimentReportS3Configuration": {
                "BucketName": "reports-111111111111",
                "Prefix": f"aurora-dsql-drill-{DEPLOYMENT}/",
            }
        },
        "DataSources": {"CloudWatchDashboards": [{"DashboardIdentifier": dashboard}]},
        "PreExperimentDuration": "PT5M",
        "PostExperimentDuration": "PT15M",
    }
    [policy] = properties(reported, "AWS::IAM::Policy")
    statements = policy["PolicyDocument"]["Statement"]
    assert [one["Resource"] for one in statements if "s3:PutObject" in one["Action"]] == [
        f"arn:aws:s3:::reports-111111111111/aurora-dsql-drill-{DEPLOYMENT}/*"
    ], "no longer name's reports"


def test_drill_of_a_cluster_by_its_arn_asserts_alarms_of_another_stack_by_name() -> None:
    stack = cdk.Stack(cdk.App(), "Drills", env=cdk.Environment(account=ACCOUNT, region="us-west-2"))
    cluster = RegionalCluster.from_cluster_attributes(stack, "Cluster", cluster_identifier="a" * 26)
    made = DrDrill(stack, "Drill", cluster=cluster, alarms=alarms())
    found = experiment(stack)
    assert found["Targets"]["cluster"]["ResourceArns"] == [f"arn:aws:dsql:us-west-2:{ACCOUNT}:cluster/{'a' * 26}"]
    assert f"{ALARMS}-monitor-no-data-from-us-west-2" in found["Actions"]["all-alarms-ok"]["Parameters"]["alarmArns"]
    assert stack.resolve(made.experiment_template.role_arn) == stack.resolve(made.role.role_arn)


def test_cluster_or_alarms_of_another_region_are_refused() -> None:
    stack = cdk.Stack(cdk.App(), "Drills", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    here, there = (
        RegionalCluster.from_cluster_attributes(stack, region, cluster_identifier="a" * 26, region=region)
        for region in ("us-east-1", "us-west-2")
    )
    with pytest.raises(ValueError, match="is in us-east-1, and its cluster in us-west-2: a drill fails the cluster of"):
        DrDrill(stack, "One", cluster=there, alarms=alarms())
    with pytest.raises(ValueError, match="is in us-east-1, and its alarms in us-west-2"):
        DrDrill(stack, "Other", cluster=here, alarms=alarms())


def test_cluster_of_another_pair_than_the_alarms_is_refused() -> None:
    stack = cdk.Stack(cdk.App(), "Drills", env=cdk.Environment(account=ACCOUNT, region="us-west-2"))
    another = RegionalCluster.from_parameters(stack, "Cluster", deployment_name="Two-production", region="us-west-2")
    sentence = (
        "Drill 'Drills/Drill' has alarms of Orders-production, which are on another cluster in us-west-2 than its"
    )
    with pytest.raises(ValueError, match=f"^{sentence}"):
        DrDrill(stack, "Drill", cluster=another, alarms=alarms())


def test_cluster_with_another_identifier_than_that_of_the_alarms_is_refused() -> None:
    stack = cdk.Stack(cdk.App(), "Drills", env=cdk.Environment(account=ACCOUNT, region="us-west-2"))
    known = {
        identifier: RegionalCluster.from_cluster_attributes(stack, identifier, cluster_identifier=identifier * 26)
        for identifier in "ab"
    }
    there = RegionalCluster.from_cluster_attributes(stack, "c", cluster_identifier="c" * 26, region="us-east-1")
    monitor = HealthMonitor(stack, "Monitor", deployment_name=DEPLOYMENT, clusters=[known["a"], there])
    of_a = HealthAlarms(stack, "Alarms", monitor=monitor)
    assert DrDrill(stack, "Drill", cluster=known["a"], alarms=of_a).role
    with pytest.raises(ValueError, match="which are on another cluster in us-west-2 than its own: a drill that fails"):
        DrDrill(stack, "Wrong", cluster=known["b"], alarms=of_a)


def test_second_drill_of_a_pair_in_one_region_is_refused() -> None:
    app = cdk.App()
    region = cdk.Environment(account=ACCOUNT, region="us-west-2")
    one, other = (cdk.Stack(app, name, env=region) for name in ("One", "Other"))
    clusters = [
        RegionalCluster.from_parameters(stack, "Cluster", deployment_name=DEPLOYMENT, region="us-west-2")
        for stack in (one, other)
    ]
    DrDrill(one, "Drill", cluster=clusters[0], alarms=alarms())
    sentence = f"'Other/Drill' and 'One/Drill' are both the drill of '{DEPLOYMENT}' in us-west-2, with one log group"
    with pytest.raises(ValueError, match=f"^{sentence}"):
        DrDrill(other, "Drill", cluster=clusters[1], alarms=alarms())
