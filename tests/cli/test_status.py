"""The command `dsql-dr status`, of a pair on the local AWS emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import HealthAlarmOptions, MonitoringOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkCli
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT
from tests.end_to_end.drill import Drill

COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "status"]
REGIONS = ["us-east-1", "us-west-2"]
ANOTHER_ACCOUNTS = "arn:aws:sns:{}:444455556666:on-call"


def status(aws: AwsEmulator, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        env=aws.environment() | {"COLUMNS": "80"},
        check=False,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=REGIONS, time_scale=1 / 10) as one:
        app = cdk.App(outdir=str(one.directory / "cdk.out"))
        MultiRegionDsqlDr(app, "Orders", alert_emails=["ops@example.com"])
        MultiRegionDsqlDr(
            app,
            "Few",
            account=ACCOUNT,  # so that another one is known
            monitoring=MonitoringOptions(
                alert_topics={region: ANOTHER_ACCOUNTS.format(region) for region in REGIONS},
                alarm_options=HealthAlarmOptions(peering=None),
            ),
        )
        app.synth()
        cli = CdkCli(one, one.directory, app=app.outdir, output=Path(app.outdir))
        cli.bootstrap()
        cli.deploy()
        Drill(one).wait_until_healthy()
        yield one


def test_healthy_pair_exits_with_0_and_fits_a_terminal(aws: AwsEmulator) -> None:
    done = status(aws, "Orders-production")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "The pair is healthy."
    assert max(map(len, lines)) <= 80
    assert "Nobody is notified" not in done.stdout
    assert "\x1b" not in done.stdout
    for one in survey.clusters(aws):
        if one["tags"]["dsql-dr:deployment"] != "Orders-production":
            continue
        [line] = [line for line in lines if one["identifier"] in line]
        assert line.split() == [one["region"], one["identifier"], "ACTIVE", "yes", "us-east-2"]
    assert sum("HEALTHY" in line for line in lines) == 2


def test_extra_cli_is_enough_without_emulator_node_or_cdk(aws: AwsEmulator, with_cli_extra: Path) -> None:
    done = subprocess.run(
        [with_cli_extra / "dsql-dr", "status", "Orders-production"],
        env={**aws.variables(), "PATH": os.devnull, "PYTHONPROFILEIMPORTTIME": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "The pair is healthy."
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "boto3" in imported
    assert imported & {"aws_cdk", "jsii", "dsql_dr_constructs.emulator"} == set()


def test_pair_is_found_from_either_region_and_shown_as_json(aws: AwsEmulator) -> None:
    found = json.loads(status(aws, "Orders-production", "--region=us-west-2", "--json").stdout)
    assert found["healthy"] is True, found
    assert [one["region"] for one in found["clusters"]] == REGIONS
    assert found["verdicts"] == dict.fromkeys(REGIONS, "HEALTHY")
    assert {one.split()[0] for one in found["alarms"]} == set(REGIONS)
    assert [(one["region"], one["confirmed"]) for one in found["destinations"]] == [(one, 1) for one in REGIONS]
    assert (found["nobody_notified"], found["problems"]) == ([], [])


def test_fault_is_shown_and_exits_with_1(aws: AwsEmulator) -> None:
    aws.inject(Fault("down", service="postgresql", region="us-west-2"))
    try:
        done = status(aws, "Orders-production")
    finally:
        aws.clear_faults("down")
    assert done.returncode == 1
    assert done.stdout.count("CLUSTER_DOWN us-west-2") == 2
    assert done.stdout.splitlines()[-1] == "The pair is not healthy."


def test_region_that_does_not_answer_is_reported_beside_the_one_that_does(aws: AwsEmulator) -> None:
    aws.inject(Fault("denied", service="dsql", region="us-west-2", error="AccessDeniedException"))
    try:
        done = status(aws, "Orders-production", "--json")
    finally:
        aws.clear_faults("denied")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert [one["region"] for one in found["clusters"]] == ["us-east-1"]
    assert "us-west-2: An error occurred (AccessDeniedException)" in found["problems"][0]


def test_topic_that_is_gone_is_a_problem_and_a_region_without_subscription_notifies_nobody(aws: AwsEmulator) -> None:
    east, west = (aws.client("sns", region) for region in REGIONS)
    [gone] = [one["TopicArn"] for one in west.list_topics()["Topics"]]
    [lonely] = [one["TopicArn"] for one in east.list_topics()["Topics"]]
    for one in east.list_subscriptions_by_topic(TopicArn=lonely)["Subscriptions"]:
        east.unsubscribe(SubscriptionArn=one["SubscriptionArn"])
    aws.inject(Fault("gone", service="sns", region="us-west-2", call="ListSubscriptionsByTopic", error="NotFound"))
    try:
        done = status(aws, "Orders-production", "--json")
    finally:
        aws.clear_faults("gone")
        east.subscribe(TopicArn=lonely, Protocol="email", Endpoint="ops@example.com")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["nobody_notified"] == [f"Topic {lonely} has no confirmed subscription."]
    [problem] = found["problems"]
    assert problem.startswith(f"us-west-2, topic {gone}: An error occurred (NotFound)")


def test_pair_with_an_alarm_left_out_and_topics_of_another_account_is_healthy(aws: AwsEmulator) -> None:
    done = status(aws, "Few-production", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, found
    assert {f"{region} was deployed without alarm peering-lost." for region in REGIONS} < set(found["notes"])
    assert len(found["notes"]) == 4, "and one for each topic"


def test_alarm_that_was_deleted_is_not_taken_for_one_that_was_left_out(aws: AwsEmulator) -> None:
    name = "aurora-dsql-Few-production-cluster-down-us-west-2-from-us-east-1"
    cloudwatch = aws.client("cloudwatch", "us-east-1")
    given = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    [alarm] = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    cloudwatch.delete_alarms(AlarmNames=[name])
    try:
        done = status(aws, "Few-production", "--json")
    finally:
        cloudwatch.put_metric_alarm(**{one: value for one, value in alarm.items() if one in given})
        Drill(aws).wait_until_healthy()
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["nobody_notified"] == ["us-east-1 has no alarm cluster-down-us-west-2."]
    assert found["verdicts"]["us-west-2"] == "NOTIFICATIONS_BROKEN"


def test_unknown_deployment_is_a_sentence(aws: AwsEmulator) -> None:
    done = status(aws, "Nothing")
    assert done.returncode == 1
    assert "us-east-1 has no SSM parameters of a deployment 'Nothing': give --region one of the pair's" in done.stdout
    assert "Traceback" not in done.stderr
