"""The watch over a pair, as it lives: a schedule fires, functions look, alarms change, pages arrive."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sqs as sqs

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.cli.drill import Drill, Inbox
from dsql_dr_constructs.emulator import Fault
from tests.end_to_end.project import DESTROY, Project

EAST, WEST = "us-east-1", "us-west-2"
FAST = {"time_scale": 1 / 20}
"""A monitor runs every 6 s then, which a busy machine can keep up with."""
MONITOR = "aurora-dsql-monitor-Orders-production"
NAMESPACE = "Aurora/DSQL/DisasterRecovery"
CLUSTER_STACKS = ("Orders-Primary-production", "Orders-Secondary-production")
MONITORING_STACKS = ("Orders-PrimaryMonitoring-production", "Orders-SecondaryMonitoring-production")


def paging_into_queues(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        removal_policy=DESTROY,
        alert_emails=["ops@example.com"],
        # a run in vain takes its whole budget by the real clock, and has to end before the next one
        monitor_options={region: {"probe_budget": cdk.Duration.seconds(5)} for region in (EAST, WEST)},
    )
    for region, topic in pair.topics.items():
        topic.add_queue(sqs.Queue(cdk.Stack.of(topic), "Pages", queue_name=f"pages-{region}"))


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


def wait_for_scheduled_runs(project: Project, region: str) -> None:
    """Two runs that put their metrics; nobody but the schedule has asked for them."""
    until = time.monotonic() + 90
    while [one["name"] for one in project.aws.calls() if one["role"] and one["region"] == region].count(
        "PutMetricData"
    ) < 2:
        assert time.monotonic() < until, "the schedule does not fire"
        time.sleep(0.2)


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_every_region_runs_tells_pages_once_and_recovers(project: Project) -> None:
    project.deploy(paging_into_queues)
    project.aws.forget_calls()
    for region in (EAST, WEST):
        wait_for_scheduled_runs(project, region)
        assert average(project, region, "ClusterHealth") == 1, "the command of the recipe's README has an answer"
        for cluster in (EAST, WEST):
            where = {"Deployment": "Orders-production", "ClusterRegion": cluster, "ObserverRegion": region}
            for name in ("ClusterHealth", "PeeringHealth", "EndpointReachable"):
                assert average(project, region, name, **where) == 1
            assert (average(project, region, "ProbeLatency", **where) or 0) > 0

    drill = Drill(project.aws)
    drill.wait_until_well()
    inbox = Inbox({one: queue(project, one) for one in (EAST, WEST)})
    inbox.rest()  # of the first OK

    drill.break_cluster(EAST)
    told = drill.verdicts()
    assert [one["verdict"] for one in told] == ["LOCAL_DOWN", "PEER_DOWN"]
    assert all("this cluster is down (drill)" in str(one["clusters"][0]["problems"]) for one in told)
    assert [(page.region, page.state) for page in inbox.next_of_each_region()] == [(EAST, "ALARM"), (WEST, "ALARM")]

    drill.heal_cluster()
    recovered = inbox.next_of_each_region()
    assert [(page.region, page.state) for page in recovered] == [(EAST, "OK"), (WEST, "OK")]
    assert [page.alarm for page in recovered] == [
        f"aurora-dsql-Orders-production-cluster-down-{EAST}-from-{region}" for region in (EAST, WEST)
    ]
    assert inbox.rest() == []


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_stopped_region_is_told_by_the_other_one(project: Project) -> None:
    project.deploy(paging_into_queues)
    drill = Drill(project.aws)
    drill.wait_until_well()
    inbox = Inbox({WEST: queue(project, WEST)})
    inbox.rest()
    project.aws.inject(Fault("stopped", "silence", region=EAST))
    [page] = inbox.next_of_each_region()
    assert page.state == "ALARM"
    assert page.subject == f'ALARM: "aurora-dsql-Orders-production-cluster-down-{EAST}-from-{WEST}" in us-west-2'
    result = drill.verdict(WEST, MONITOR)
    assert result["verdict"] == "PEER_DOWN"
    assert {problem.partition(":")[0] for problem in result["clusters"][0]["problems"]} == {"GetCluster", "endpoint"}


@pytest.mark.parametrize("project", [FAST], indirect=True)
def test_attacks_on_what_is_believed_are_told_a_mute_region_forged_parameters_and_forged_metrics(
    project: Project,
) -> None:
    project.deploy(paging_into_queues)
    drill = Drill(project.aws)
    drill.wait_until_well()
    inbox = Inbox({EAST: queue(project, EAST)})
    inbox.rest()
    assert verdicts(project) == ["HEALTHY", "HEALTHY"], "by exactly its permissions"

    kms = project.aws.client("kms", WEST)
    key = kms.describe_key(KeyId="alias/aurora-dsql-alerts-Orders-production")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    [page] = inbox.next_of_each_region()
    assert (page.alarm, page.state) == (f"aurora-dsql-Orders-production-notifications-broken-from-{EAST}", "ALARM")
    told = drill.verdict(EAST, MONITOR)
    [problem] = told["notifications"]["problems"]
    assert (told["verdict"], "is Disabled: CloudWatch cannot publish" in problem) == ("NOTIFICATIONS_BROKEN", True)
    kms.enable_key(KeyId=key)
    [page] = inbox.next_of_each_region()
    assert page.state == "OK"

    endpoint = f"/dsql-dr/Orders-production/{WEST}/endpoint"
    ssm = project.aws.client("ssm", EAST)
    ssm.put_parameter(Name=endpoint, Value="evil.example", Overwrite=True)
    [page] = inbox.next_of_each_region()
    assert (page.alarm, page.state) == (f"aurora-dsql-Orders-production-parameters-changed-from-{EAST}", "ALARM")
    assert drill.verdict(EAST, MONITOR)["verdict"] == "PARAMETERS_CHANGED"
    assert project.repair()["done"]
    [page] = inbox.next_of_each_region()
    assert (page.state, drill.verdict(EAST, MONITOR)["verdict"]) == ("OK", "HEALTHY")

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
    until, pages = time.monotonic() + 90, inbox.rest()
    while not pages and time.monotonic() < until:
        project.aws.client("cloudwatch", EAST).put_metric_data(Namespace=NAMESPACE, MetricData=forged)
        time.sleep(1)
        pages = inbox.rest()
    assert [(page.alarm, page.state) for page in pages] == [
        (f"aurora-dsql-Orders-production-monitoring-not-working-from-{EAST}", "ALARM")
    ]


@pytest.mark.parametrize("project", [{"regions": [EAST, WEST, "us-east-2"]}], indirect=True)
def test_monitoring_is_destroyed_and_deployed_again_and_no_cluster_notices(project: Project) -> None:
    project.deploy(monitoring=True, witness_observer=True, alert_emails=["ops@example.com"])
    assert verdicts(project) == ["HEALTHY", "HEALTHY", "HEALTHY"], "from the witness Region, too"
    before = project.clusters()

    project.cdk.destroy(*MONITORING_STACKS, "Orders-WitnessMonitoring-production")
    left = survey.leftovers(project.aws)
    assert {one.partition(" ")[0] for one in left["AWS::CloudFormation::Stack"]} == set(CLUSTER_STACKS)
    gone = {"CloudWatch::Alarm", "CloudWatch::Dashboard", "Events::Rule", "SNS::Topic", "SQS::Queue", "KMS::Key"}
    assert not {f"AWS::{one}" for one in gone | {"KMS::Alias"}} & set(left)
    assert project.clusters() == before

    project.deploy(monitoring=True, witness_observer=True, alert_emails=["ops@example.com"])
    assert project.clusters() == before
    assert verdicts(project) == ["HEALTHY", "HEALTHY", "HEALTHY"]
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_permission_that_the_monitors_policy_lacks_fails_its_first_probe_with_a_sentence(project: Project) -> None:
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


def queue(project: Project, region: str) -> tuple[Any, str]:
    client = project.aws.client("sqs", region)
    return client, client.get_queue_url(QueueName=f"pages-{region}")["QueueUrl"]
