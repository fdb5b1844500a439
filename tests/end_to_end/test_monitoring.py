"""The monitoring of a deployed pair: schedules run, functions check, alarms change, notifications arrive."""

from __future__ import annotations

import shutil
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs

from dsql_dr_constructs import MonitoringOptions, MonitorOptions, MultiRegionDsqlDr, runtime_function
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator import Fault
from tests.end_to_end.drill import Drill, Inbox
from tests.end_to_end.project import DESTROY, Project

EAST, WEST = "us-east-1", "us-west-2"
FAST = {"time_scale": 1 / 20}
"""A monitor runs every 6 s then, which a busy machine can keep up with."""
MONITOR = "aurora-dsql-monitor-Orders-production"
NAMESPACE = "Aurora/DSQL/DisasterRecovery"
CLUSTER_STACKS = ("Orders-Primary-production", "Orders-Secondary-production")
MONITORING_STACKS = ("Orders-PrimaryMonitoring-production", "Orders-SecondaryMonitoring-production")


def notifying_queues(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        removal_policy=DESTROY,
        alert_emails=["ops@example.com"],
        # a run that fails takes its whole time by the real clock, and has to end before the next one
        monitoring=MonitoringOptions(
            monitor_options={region: MonitorOptions(probe_timeout=cdk.Duration.seconds(5)) for region in (EAST, WEST)}
        ),
    )
    for region, topic in pair.topics.items():
        topic.add_queue(sqs.Queue(cdk.Stack.of(topic), "Notifications", queue_name=f"notifications-{region}"))


def verdicts(project: Project) -> list[str]:
    return [one["verdict"] for one in Drill(project.aws).verdicts()]


def average(project: Project, region: str, name: str, **dimensions: str) -> float | None:
    """As `aws cloudwatch get-metric-statistics` has it, in the last hour."""
    now = datetime.now(timezone.utc)
    found = project.aws.client("cloudwatch", region).get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=1),
        Period=3600,
        Statistics=["Average"],
    )
    return next((point["Average"] for point in found["Datapoints"]), None)


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_every_region_runs_reports_notifies_once_and_recovers(project: Project) -> None:
    project.deploy(notifying_queues)
    drill = Drill(project.aws)
    for region in (EAST, WEST):
        drill.wait_for_runs(region)
        assert average(project, region, "ClusterHealth") == 1, "the command of the recipe's README has an answer"
        for cluster in (EAST, WEST):
            where = {"Deployment": "Orders-production", "ClusterRegion": cluster, "ObserverRegion": region}
            for name in ("ClusterHealth", "PeeringHealth", "EndpointReachable"):
                assert average(project, region, name, **where) == 1
            assert (average(project, region, "ProbeLatency", **where) or 0) > 0

    drill.wait_until_healthy()
    inbox = Inbox({one: project.queue(one) for one in (EAST, WEST)})
    inbox.rest()  # of the first OK

    drill.break_cluster(EAST)
    assert [(notification.region, notification.state) for notification in inbox.next_of_each_region()] == [
        (EAST, "ALARM"),
        (WEST, "ALARM"),
    ]
    seen = drill.verdicts()  # after the alarm, which a datapoint beside the schedule's could raise twice
    assert [(one["verdict"], one["regions_down"]) for one in seen] == [("CLUSTER_DOWN", [EAST])] * 2
    assert all("this cluster is down (drill)" in str(one["clusters"][0]["problems"]) for one in seen)

    for region in (EAST, WEST):
        drill.wait_for_runs(region)  # so that the datapoints of `verdicts` are past, too, when the fault ends
    drill.restore_cluster()
    recovered = inbox.next_of_each_region()
    assert [(notification.region, notification.state) for notification in recovered] == [(EAST, "OK"), (WEST, "OK")]
    assert [notification.alarm for notification in recovered] == [
        f"aurora-dsql-Orders-production-cluster-down-{EAST}-from-{region}" for region in (EAST, WEST)
    ]
    assert inbox.rest() == []


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_stopped_region_is_reported_by_the_other_one(project: Project) -> None:
    project.deploy(notifying_queues)
    drill = Drill(project.aws)
    drill.wait_until_healthy()
    inbox = Inbox({WEST: project.queue(WEST)})
    inbox.rest()
    project.aws.inject(Fault("stopped", "timeout", region=EAST))
    [notification] = inbox.next_of_each_region()
    assert notification.state == "ALARM"
    assert (
        notification.subject == f'ALARM: "aurora-dsql-Orders-production-cluster-down-{EAST}-from-{WEST}" in us-west-2'
    )
    result = drill.verdict(WEST, MONITOR)
    assert (result["verdict"], result["regions_down"]) == ("CLUSTER_DOWN", [EAST])
    assert {problem.partition(":")[0] for problem in result["clusters"][0]["problems"]} == {"GetCluster", "endpoint"}


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_a_region_without_notifications_forged_parameters_and_forged_metrics_are_reported(
    project: Project,
) -> None:
    project.deploy(notifying_queues)
    drill = Drill(project.aws)
    drill.wait_until_healthy()
    inbox = Inbox({EAST: project.queue(EAST)})
    inbox.rest()
    assert verdicts(project) == ["HEALTHY", "HEALTHY"], "by exactly its permissions"

    kms = project.aws.client("kms", WEST)
    key = kms.describe_key(KeyId="alias/aurora-dsql-alerts-Orders-production")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    [notification] = inbox.next_of_each_region()
    assert (notification.alarm, notification.state) == (
        f"aurora-dsql-Orders-production-notifications-broken-from-{EAST}",
        "ALARM",
    )
    seen = drill.verdict(EAST, MONITOR)
    [problem] = seen["notifications"]["problems"]
    assert (seen["verdict"], "is Disabled: CloudWatch cannot publish" in problem) == ("NOTIFICATIONS_BROKEN", True)
    kms.enable_key(KeyId=key)
    [notification] = inbox.next_of_each_region()
    assert notification.state == "OK"

    endpoint = f"/dsql-dr/Orders-production/{WEST}/endpoint"
    ssm = project.aws.client("ssm", EAST)
    ssm.put_parameter(Name=endpoint, Value="evil.example", Overwrite=True)
    [notification] = inbox.next_of_each_region()
    assert (notification.alarm, notification.state) == (
        f"aurora-dsql-Orders-production-parameters-changed-from-{EAST}",
        "ALARM",
    )
    assert drill.verdict(EAST, MONITOR)["verdict"] == "PARAMETERS_CHANGED"
    assert project.repair()["done"]
    [notification] = inbox.next_of_each_region()
    assert (notification.state, drill.verdict(EAST, MONITOR)["verdict"]) == ("OK", "HEALTHY")

    project.aws.client("events", EAST).disable_rule(Name=MONITOR)
    forged = [
        {
            "MetricName": name,
            "Value": 1.0,
            "Dimensions": [
                {"Name": "Deployment", "Value": "Orders-production"},
                {"Name": "ClusterRegion", "Value": cluster},
                {"Name": "ObserverRegion", "Value": EAST},
            ],
        }
        for name in ("ClusterHealth", "PeeringHealth", "ProbeAttempts")
        for cluster in (EAST, WEST)
    ]
    until, notifications = time.monotonic() + 90, inbox.rest()
    while not notifications and time.monotonic() < until:
        project.aws.client("cloudwatch", EAST).put_metric_data(Namespace=NAMESPACE, MetricData=forged)
        time.sleep(1)
        notifications = inbox.rest()
    assert [(notification.alarm, notification.state) for notification in notifications] == [
        (f"aurora-dsql-Orders-production-monitoring-not-working-from-{EAST}", "ALARM")
    ]


@pytest.mark.parametrize("project", [{"regions": [EAST, WEST, "us-east-2"]}], indirect=True)
def test_monitoring_is_destroyed_and_deployed_again_without_a_change_of_the_clusters(project: Project) -> None:
    project.deploy(monitoring=MonitoringOptions(witness_observer=True), alert_emails=["ops@example.com"])
    assert verdicts(project) == ["HEALTHY", "HEALTHY", "HEALTHY"], "from the witness Region, too"
    before = project.clusters()

    project.cdk.destroy(*MONITORING_STACKS, "Orders-WitnessMonitoring-production")
    left = survey.leftovers(project.aws)
    assert {one.partition(" ")[0] for one in left["AWS::CloudFormation::Stack"]} == set(CLUSTER_STACKS)
    gone = {"CloudWatch::Alarm", "CloudWatch::Dashboard", "Events::Rule", "SNS::Topic", "SQS::Queue", "KMS::Key"}
    assert not {f"AWS::{one}" for one in gone | {"KMS::Alias"}} & set(left)
    assert project.clusters() == before

    project.deploy(monitoring=MonitoringOptions(witness_observer=True), alert_emails=["ops@example.com"])
    assert project.clusters() == before
    assert verdicts(project) == ["HEALTHY", "HEALTHY", "HEALTHY"]
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_permission_that_the_monitors_policy_lacks_fails_its_first_probe_with_a_sentence(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With functions that wait a tenth of the 120 s for a permission to hold."""
    shutil.copytree(runtime_function._CODE / "runtime", tmp_path / "runtime")
    run = tmp_path / "runtime" / "health_monitor" / "monitoring_run.py"
    run.write_text(run.read_text().replace("PERMISSION_SECONDS = 120.0", "PERMISSION_SECONDS = 12.0"))
    monkeypatch.setattr(runtime_function, "_CODE", tmp_path)

    def without_get_cluster(app: cdk.App) -> None:
        pair = MultiRegionDsqlDr(app, "Orders", removal_policy=DESTROY)
        policy = pair.monitors[WEST].node.find_child("Role").node.find_child("DefaultPolicy").node.default_child
        assert isinstance(policy, iam.CfnPolicy)
        other = "arn:aws:dsql:us-east-1:000000000000:cluster/other"
        policy.add_property_override("PolicyDocument.Statement.2.Resource", other)

    with pytest.raises(CdkError, match=r"GetCluster in us-east-1 was refused: AccessDeniedException"):
        project.deploy(without_get_cluster)
    assert "Orders-SecondaryMonitoring-production / MonitorFirstProbe" in "".join(survey.failures(project.aws))
    project.assert_peered()
