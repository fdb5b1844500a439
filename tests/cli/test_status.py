"""The command `dsql-dr status`, of a pair on the embedded AWS, and of what only AWS itself answers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import status as command
from dsql_dr_constructs.cli import status_tables, survey
from dsql_dr_constructs.cli.cdk_cli import CdkCli
from dsql_dr_constructs.cli.drill import Drill
from dsql_dr_constructs.emulator import AwsEmulator, Fault

COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "status"]
REGIONS = ["us-east-1", "us-west-2"]


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
        app.synth()
        cli = CdkCli(one, one.directory, app=app.outdir, output=Path(app.outdir))
        cli.bootstrap()
        cli.deploy()
        Drill(one).wait_until_well()
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
        [line] = [line for line in lines if one["identifier"] in line]
        assert line.split() == [one["region"], one["identifier"], "ACTIVE", "yes", "us-east-2"]
    assert sum("HEALTHY" in line for line in lines) == 2


def test_it_is_found_from_either_region_and_speaks_json(aws: AwsEmulator) -> None:
    found = json.loads(status(aws, "Orders-production", "--region=us-west-2", "--json").stdout)
    assert found["healthy"] is True, found
    assert [one["region"] for one in found["clusters"]] == REGIONS
    assert found["verdicts"] == dict.fromkeys(REGIONS, "HEALTHY")
    assert {one.split()[0] for one in found["alarms"]} == set(REGIONS)
    assert [(one["region"], one["confirmed"]) for one in found["destinations"]] == [(one, 1) for one in REGIONS]
    assert (found["nobody_notified"], found["problems"]) == ([], [])


def test_fault_is_told_and_exits_with_1(aws: AwsEmulator) -> None:
    aws.inject(Fault("down", service="postgresql", region="us-west-2"))
    try:
        done = status(aws, "Orders-production")
    finally:
        aws.clear_faults("down")
    assert done.returncode == 1
    assert "PEER_DOWN" in done.stdout
    assert "LOCAL_DOWN" in done.stdout
    assert done.stdout.splitlines()[-1] == "The pair is not healthy."


def test_region_that_does_not_answer_is_told_beside_the_one_that_does(aws: AwsEmulator) -> None:
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
    west.delete_topic(TopicArn=gone)
    done = status(aws, "Orders-production", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["nobody_notified"] == [f"Topic {lonely} has no confirmed subscription."]
    [problem] = found["problems"]
    assert problem.startswith(f"us-west-2, topic {gone}: An error occurred (NotFound)")


def test_unknown_deployment_is_a_sentence(aws: AwsEmulator) -> None:
    done = status(aws, "Nothing")
    assert done.returncode == 1
    assert "us-east-1 has no registry of a deployment 'Nothing': give --region one of the pair's" in done.stdout
    assert "Traceback" not in done.stderr


ARN = "arn:aws:dsql:{}:111122223333:cluster/" + "a" * 26
FUNCTION = "arn:aws:lambda:{}:111122223333:function:aurora-dsql-monitor-Orders"
KINDS = ("cluster-down-us-east-1", "cluster-down-us-west-2", "peering-lost", "monitoring-not-working")
TOPIC = "arn:aws:sns:{}:111122223333:Alerts"
CONFIRMED, PENDING = "arn:aws:sns:us-east-1:111122223333:Alerts:0a1b", "PendingConfirmation"


@dataclass
class FakeAws:
    """AWS's answers about a healthy pair; each page of a list has one entry."""

    alarms: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {region: [alarm(region, one) for one in KINDS] for region in REGIONS}
    )
    subscriptions: list[tuple[str, str]] = field(default_factory=lambda: [(CONFIRMED, "ops@example.com")])
    denied: str = ""
    monitored: bool = True
    schedule: str = "ENABLED"
    targets: list[dict[str, str]] = field(default_factory=lambda: [{"Arn": FUNCTION}])
    key: dict[str, str] = field(default_factory=lambda: {"KeyState": "Enabled"})
    tag: str = "Orders"
    arn: str = ""
    """What the parameter of us-west-2 says, if it was forged."""

    def ask(self, deployment: str = "Orders") -> command.Status:
        return command.ask(deployment, "us-east-1", lambda service, region: _FakeClient(self, region))


@dataclass
class _FakeClient:
    aws: FakeAws
    region: str

    class exceptions:  # noqa: N801 - as botocore has it
        class ResourceNotFoundException(Exception):  # noqa: N818 - AWS's name
            pass

    def get_paginator(self, operation: str) -> _FakeClient:
        return type(self)(self.aws, f"{operation} {self.region}")

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        operation, region = self.region.split()
        if operation == self.aws.denied:
            raise ClientError({"Error": {"Code": "AuthorizationError", "Message": "No."}}, operation)
        if operation == "get_parameters_by_path":
            for one in REGIONS:
                arn = ARN.format(one)
                if one == "us-west-2" and self.aws.arn:
                    arn = self.aws.arn
                yield {"Parameters": [{"Name": f"{request['Path']}/{one}/arn", "Value": arn}]}
        elif operation == "describe_alarms":
            for entry in self.aws.alarms.get(region, []):
                if entry["AlarmName"].startswith(request["AlarmNamePrefix"]):
                    yield {"MetricAlarms": [entry], "CompositeAlarms": []}
        else:
            for arn, endpoint in self.aws.subscriptions:
                yield {"Subscriptions": [{"SubscriptionArn": arn, "Endpoint": endpoint}]}

    def get_cluster(self, identifier: str) -> dict[str, Any]:
        arns = [ARN.format(one) for one in REGIONS]
        return {
            "identifier": identifier,
            "status": "ACTIVE",
            "multiRegionProperties": {"clusters": arns, "witnessRegion": "us-east-2"},
            "deletionProtectionEnabled": True,
            "tags": {"dsql-dr:deployment": self.aws.tag},
        }

    def describe_rule(self, **request: Any) -> dict[str, Any]:
        return {"State": self.aws.schedule}

    def list_targets_by_rule(self, **request: Any) -> dict[str, Any]:
        return {"Targets": [one | {"Arn": one["Arn"].format(self.region)} for one in self.aws.targets]}

    def get_topic_attributes(self, **request: Any) -> dict[str, Any]:
        return {"Attributes": {"KmsMasterKeyId": "1234"} if self.aws.key else {}}

    def describe_key(self, **request: Any) -> dict[str, Any]:
        return {"KeyMetadata": self.aws.key}

    def invoke(self, **request: Any) -> dict[str, Any]:
        if not self.aws.monitored or self.region not in REGIONS:
            raise self.exceptions.ResourceNotFoundException
        return {"Payload": io.BytesIO(b'{"verdict": "HEALTHY"}')}


def alarm(
    region: str, what: str, *, deployment: str = "Orders", enabled: bool = True, actions: list[str] | None = None
) -> dict[str, Any]:
    return {
        "AlarmName": f"aurora-dsql-{deployment}-{what}-from-{region}",
        "StateValue": "OK",
        "ActionsEnabled": enabled,
        "AlarmActions": [TOPIC.format(region)] if actions is None else actions,
    }


def shown(found: command.Status) -> str:
    """Its lines in one, words apart by one space."""
    console = Console(file=io.StringIO(), width=80)
    status_tables.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


def test_every_subscription_is_counted_and_an_address_that_has_not_confirmed_is_shown() -> None:
    chat = "https://global.sns-api.chatbot.amazonaws.com"
    found = FakeAws(subscriptions=[(PENDING, "new@example.com"), (CONFIRMED, chat), (CONFIRMED, "b@example.com")]).ask()
    assert [(one.confirmed, one.pending) for one in found.destinations] == [(2, ["new@example.com"])] * 2
    assert found.healthy, "somebody is notified"
    assert "us-west-2 Alerts 2 new@example.com" in shown(found)


def test_pending_endpoint_of_an_incident_tool_is_shown_without_its_key() -> None:
    found = FakeAws(
        subscriptions=[(PENDING, "https://user:word@events.pagerduty.com/integration/SECRET/enqueue")]
    ).ask()
    assert found.destinations[0].pending == ["https://events.pagerduty.com/…"]


@pytest.mark.parametrize("subscriptions", [[], [(PENDING, "ops@example.com")], [("Deleted", "ops@example.com")]])
def test_topic_without_a_confirmed_subscription_is_not_healthy(subscriptions: list[tuple[str, str]]) -> None:
    found = FakeAws(subscriptions=subscriptions).ask()
    assert not found.healthy
    assert found.nobody_notified == [f"Topic {TOPIC.format(one)} has no confirmed subscription." for one in REGIONS]
    assert f"Nobody is notified: topic {TOPIC.format('us-east-1')} has no confirmed subscription." in shown(found)


@pytest.mark.parametrize(
    "silent", [{"actions": []}, {"enabled": False}, {"actions": ["arn:aws:ssm:us-west-2:111122223333:opsitem:3"]}]
)
@pytest.mark.parametrize("what", KINDS)
def test_alarm_without_an_enabled_action_is_not_healthy(silent: dict[str, Any], what: str) -> None:
    aws = FakeAws()
    aws.alarms["us-west-2"][KINDS.index(what)] = alarm("us-west-2", what, **silent)
    found = aws.ask()
    assert not found.healthy
    assert found.nobody_notified == [f"Alarm {what} in us-west-2 has no enabled action that notifies."]
    del aws.alarms["us-west-2"][KINDS.index(what)]
    assert not aws.ask().healthy
    assert aws.ask().nobody_notified == [f"us-west-2 has no alarm {what}."]


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_alarm_that_is_not_ok_is_not_healthy(state: str) -> None:
    aws = FakeAws()
    aws.alarms["us-east-1"][0]["StateValue"] = state
    assert not aws.ask().healthy


def test_pair_that_nothing_monitors_is_not_healthy() -> None:
    found = FakeAws(alarms={}, monitored=False).ask()
    assert not found.healthy
    for region in REGIONS:
        assert f"No monitor in {region} observes this pair." in shown(found)
    assert "Nobody is notified: us-east-1 has no alarm peering-lost." in shown(found)


def test_schedule_that_is_disabled_is_not_healthy() -> None:
    found = FakeAws(schedule="DISABLED").ask()
    assert not found.healthy
    assert found.not_monitored == [f"The schedule of the monitor in {one} is disabled." for one in REGIONS]


@pytest.mark.parametrize(
    "targets", [[], [{"Arn": FUNCTION + "-other"}], [{"Arn": FUNCTION, "Input": '{"RequestType": "Delete"}'}]]
)
def test_schedule_that_does_not_call_the_monitor_is_not_healthy(targets: list[dict[str, str]]) -> None:
    found = FakeAws(targets=targets).ask()
    assert not found.healthy
    assert [one.partition(" does not call it")[0] for one in found.not_monitored] == [
        f"The schedule of the monitor in {one}" for one in REGIONS
    ]


@pytest.mark.parametrize("what", ["parameters-changed", "notifications-broken"])
def test_notifying_alarm_that_may_be_left_out_notifies_where_it_is(what: str) -> None:
    aws = FakeAws()
    aws.alarms["us-east-1"].append(alarm("us-east-1", what, enabled=False))
    assert aws.ask().nobody_notified == [f"Alarm {what} in us-east-1 has no enabled action that notifies."]


def test_alarm_with_a_name_like_theirs_does_not_take_the_place_of_theirs() -> None:
    aws = FakeAws()
    aws.alarms["us-east-1"][0]["StateValue"] = "ALARM"
    decoy = alarm("us-east-1", "cluster-down-us-east-1")
    aws.alarms["us-east-1"].append(decoy | {"AlarmName": "aurora-dsql-Orders-cluster-down-us-east-1"})
    assert aws.ask().alarms["us-east-1 cluster-down-us-east-1"] == "ALARM"
    assert not aws.ask().healthy


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion"])
def test_topic_whose_key_cannot_be_used_is_not_healthy(state: str) -> None:
    found = FakeAws(key={"KeyState": state}).ask()
    assert not found.healthy
    assert found.nobody_notified == [f"The key of topic {TOPIC.format(one)} is {state}." for one in REGIONS]
    assert FakeAws(key={}).ask().healthy, "a topic of the user's may have no key"


@pytest.mark.parametrize(
    "arn",
    [
        "*",
        ARN.format("us-west-2")[:-1],
        ARN.format("us-east-1"),
        f"{ARN.format('us-west-2')} --region x; rm -rf /",
        ARN.format("us-west-2").replace("dsql", "s3"),
    ],
)
def test_parameter_that_is_no_arn_is_a_sentence_and_nobody_is_asked(arn: str) -> None:
    with pytest.raises(command.StatusError, match="and no ARN of a cluster there: somebody wrote it") as told:
        FakeAws(arn=arn).ask()
    assert "/dsql-dr/Orders/us-west-2/arn in us-east-1" in str(told.value)


def test_cluster_of_another_deployment_is_not_this_pairs() -> None:
    found = FakeAws(tag="Other").ask()
    assert not found.healthy
    assert "us-west-2: the tag dsql-dr:deployment of cluster" in found.problems[1]
    assert "is 'Other', so it is not of Orders, whatever the SSM parameters say." in found.problems[1]


def test_action_that_is_no_topic_needs_no_subscription() -> None:
    plan = "arn:aws:ssm-incidents::111122223333:response-plan/on-call"
    alarms = {region: [alarm(region, one, actions=[plan]) for one in KINDS] for region in REGIONS}
    found = FakeAws(alarms=alarms).ask()
    assert [(one.arn, one.confirmed) for one in found.destinations] == [(plan, None)] * 2
    assert found.healthy


def test_what_could_not_be_asked_is_a_problem_and_not_said_to_notify_nobody() -> None:
    found = FakeAws(denied="list_subscriptions_by_topic").ask()
    assert not found.healthy
    assert found.nobody_notified == []
    assert [one.confirmed for one in found.destinations] == [None, None]
    assert found.problems[0].startswith(f"us-east-1, topic {TOPIC.format('us-east-1')}: ")
    assert f"Could not be asked: us-east-1, topic {TOPIC.format('us-east-1')}: An error" in shown(found)
    found = FakeAws(denied="describe_alarms").ask()
    assert found.nobody_notified == []
    assert len(found.problems) == 3, "one for each Region that may observe"


def test_alarms_are_called_by_what_they_are_for_and_other_deployments_stay_out() -> None:
    aws = FakeAws()
    aws.alarms["us-east-1"] += [alarm("us-east-1", "commit-latency", deployment="Orders-two")]
    assert list(aws.ask().alarms) == [f"{region} {what}" for region in REGIONS for what in KINDS]
    assert list(aws.ask("Orders-two").alarms) == ["us-east-1 commit-latency"]
