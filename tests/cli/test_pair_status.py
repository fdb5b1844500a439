"""What `dsql-dr status` reports of a pair, with answers of AWS that the tests make."""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
)
from rich.console import Console

from dsql_dr_constructs.cli import pair_status, status, status_tables
from dsql_dr_constructs.runtime.evacuation import NOTHING_DECLARED, Declaration

REGIONS = ["us-east-1", "us-west-2"]
ARN = "arn:aws:dsql:{}:111122223333:cluster/" + "a" * 26
FUNCTION = "arn:aws:lambda:{}:111122223333:function:aurora-dsql-monitor-Orders"
KINDS = ("cluster-down-us-east-1", "cluster-down-us-west-2", "peering-lost", "monitoring-not-working")
TOPIC = "arn:aws:sns:{}:111122223333:Alerts"
ALICE = "arn:aws:sts::111122223333:assumed-role/ops/alice"
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
    notifications: dict[str, Any] | None = None
    """What each monitor found of the other Region's notifications."""
    experiments: list[dict[str, Any]] = field(default_factory=list)
    """Of AWS FIS in us-west-2."""
    arn: str = ""
    """Value of the parameter of us-west-2, if it was forged."""
    declared: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Versions of the parameter of evacuations, as their time and value, by Region that has it."""
    asked: list[str] = field(default_factory=list)
    """Regions that were asked for these."""

    def ask(self, deployment: str = "Orders") -> pair_status.Status:
        return pair_status.ask(deployment, "us-east-1", lambda service, region, **_: _FakeClient(self, region))


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
        elif operation == "get_parameter_history":
            assert request["Name"] == "/dsql-dr/Orders/evacuation"
            self.aws.asked.append(region)
            for when, value in self.aws.declared[region]:
                at = datetime.fromisoformat(f"2026-11-26T{when}:00+00:00")
                yield {"Parameters": [{"Value": value, "LastModifiedUser": ALICE, "LastModifiedDate": at}]}
        elif operation == "list_experiments":
            yield {"experiments": []}
            yield {"experiments": self.aws.experiments if region == "us-west-2" else []}
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
        answer: dict[str, Any] = {"verdict": "HEALTHY", "regions_down": []}
        if self.aws.notifications:
            answer["notifications"] = self.aws.notifications
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


def alarm(
    region: str, what: str, *, deployment: str = "Orders", enabled: bool = True, actions: list[str] | None = None
) -> dict[str, Any]:
    return {
        "AlarmName": f"aurora-dsql-{deployment}-{what}-from-{region}",
        "StateValue": "OK",
        "ActionsEnabled": enabled,
        "AlarmActions": [TOPIC.format(region)] if actions is None else actions,
    }


def shown(found: pair_status.Status) -> str:
    """Its lines in one, words apart by one space."""
    console = Console(file=io.StringIO(), width=80)
    status_tables.show(found, console)
    assert isinstance(console.file, io.StringIO)
    return " ".join(console.file.getvalue().split())


@pytest.mark.parametrize(
    "error",
    [
        ConnectTimeoutError(endpoint_url="https://example", error="no route"),
        ReadTimeoutError(endpoint_url="https://example", error="no answer"),
        EndpointConnectionError(endpoint_url="https://example", error="refused"),
    ],
)
def test_region_that_does_not_answer_is_asked_once_only(error: BotoCoreError) -> None:
    """Each call would take its time-out, and a person waits."""
    aws, called = FakeAws(), list[str]()

    class Silent:
        def __getattr__(self, operation: str) -> Any:
            def call(**request: Any) -> Any:
                called.append(operation)
                raise error

            return call

    def client(service: str, region: str, /, *, attempts: int = 2) -> Any:
        return Silent() if region == "us-west-2" else _FakeClient(aws, region)

    found = pair_status.ask("Orders", "us-east-1", client)
    assert called == ["get_cluster"]
    assert found.problems == [f"us-west-2: {error}"]
    assert [one.region for one in found.clusters] == ["us-east-1"]
    assert found.verdicts["us-east-1"] == "HEALTHY"
    assert not found.healthy


def test_commands_wait_for_a_monitor_and_not_for_anything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: dict[str, float] = {}
    options = argparse.Namespace(profile=None, region="us-east-1", deployment="Orders", json=False)

    def ask(deployment: str, region: str, client: Any) -> pair_status.Status:
        for service in ("dsql", "lambda"):
            waits[service] = client(service, region).meta.config.read_timeout
        return pair_status.Status(deployment)

    monkeypatch.setattr(pair_status, "ask", ask)
    status.status(options, Console(file=io.StringIO()))
    assert waits == {"dsql": 10, "lambda": 60}


def test_every_subscription_is_counted_and_an_address_that_has_not_confirmed_is_shown() -> None:
    chat = "https://global.sns-api.chatbot.amazonaws.com"
    found = FakeAws(subscriptions=[(PENDING, "new@example.com"), (CONFIRMED, chat), (CONFIRMED, "b@example.com")]).ask()
    assert [(one.confirmed, one.pending) for one in found.destinations] == [(2, ["new@example.com"])] * 2
    assert found.healthy, "somebody is notified"
    assert "us-west-2 Alerts 2 new@example.com" in shown(found)


def test_queue_that_a_killed_drill_left_is_nobody() -> None:
    queue = "arn:aws:sqs:us-east-1:111122223333:aurora-dsql-drill-Orders"
    found = FakeAws(subscriptions=[(CONFIRMED, queue)]).ask()
    assert found.nobody_notified == [f"Topic {TOPIC.format(one)} has no confirmed subscription." for one in REGIONS]


def test_subscription_that_a_killed_drill_left_beside_others_is_named_and_the_pair_is_healthy() -> None:
    queue = "arn:aws:sqs:us-east-1:111122223333:aurora-dsql-drill-Orders-3f2a91bc"
    found = FakeAws(subscriptions=[(CONFIRMED, "ops@example.com"), (f"{CONFIRMED}2", queue)]).ask()
    assert found.healthy
    assert [(one.confirmed, one.left) for one in found.destinations] == [(1, [f"{CONFIRMED}2"])] * 2
    assert [f"unsubscribe --region {one} --subscription-arn {CONFIRMED}2" in shown(found) for one in REGIONS] == [
        True,
        True,
    ]
    assert "the monitors of other Regions count it as somebody's" in shown(found)


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
    "broken", [{"actions": []}, {"enabled": False}, {"actions": ["arn:aws:ssm:us-west-2:111122223333:opsitem:3"]}]
)
@pytest.mark.parametrize("what", KINDS)
def test_alarm_without_an_enabled_action_is_not_healthy(broken: dict[str, Any], what: str) -> None:
    aws = FakeAws()
    aws.alarms["us-west-2"][KINDS.index(what)] = alarm("us-west-2", what, **broken)
    found = aws.ask()
    assert not found.healthy
    assert found.nobody_notified == [f"Alarm {what} in us-west-2 has no enabled action that notifies."]
    del aws.alarms["us-west-2"][KINDS.index(what)]
    assert not aws.ask().healthy
    assert aws.ask().nobody_notified == [f"us-west-2 has no alarm {what}."]


def without_peering_alarm(notifications: dict[str, Any] | None) -> FakeAws:
    aws = FakeAws(notifications=notifications)
    del aws.alarms["us-west-2"][KINDS.index("peering-lost")]
    return aws


def test_alarm_that_was_left_out_is_named_and_the_pair_is_healthy() -> None:
    found = without_peering_alarm({"healthy": True, "problems": [], "unanswered": []}).ask()
    assert found.nobody_notified == []
    assert found.notes == ["us-west-2 was deployed without alarm peering-lost."]
    assert found.notes[0] in shown(found)
    assert found.healthy


@pytest.mark.parametrize(
    "notifications",
    [
        None,
        {"healthy": None, "problems": [], "unanswered": ["us-west-2: no answer"]},
        {
            "healthy": False,
            "problems": ["alarm aurora-dsql-Orders-peering-lost-from-us-west-2 does not exist"],
            "unanswered": [],
        },
    ],
)
def test_alarm_that_is_missing_is_not_healthy_unless_a_monitor_has_checked_that_it_was_left_out(
    notifications: dict[str, Any] | None,
) -> None:
    found = without_peering_alarm(notifications).ask()
    assert found.nobody_notified == ["us-west-2 has no alarm peering-lost."]
    assert not found.healthy


def test_topic_of_another_account_is_not_checked_and_the_pair_is_healthy() -> None:
    topics = [f"arn:aws:sns:{region}:444455556666:on-call" for region in REGIONS]
    alarms = {
        region: [alarm(region, one, actions=[topic]) for one in KINDS]
        for region, topic in zip(REGIONS, topics, strict=True)
    }
    found = FakeAws(alarms=alarms, denied="list_subscriptions_by_topic").ask()
    assert found.problems == []
    assert found.notes == [
        f"Topic {one} is in another account, so its subscriptions and its key are not checked." for one in topics
    ]
    assert found.healthy


def experiment(status: str, tags: dict[str, str] | None = None) -> dict[str, Any]:
    return {"id": f"EXP{status}", "experimentTemplateId": "EXT1", "state": {"status": status}, "tags": tags or {}}


def test_experiment_that_is_running_is_shown_with_the_command_that_stops_it_and_the_pair_can_be_healthy() -> None:
    of_pair = {"dsql-dr:deployment": "Orders", "Name": "aurora-dsql-drill-Orders"}
    found = FakeAws(
        experiments=[experiment("running", of_pair), experiment("completed"), experiment("initiating")]
    ).ask()
    begin, stop = (
        "An experiment of AWS FIS is running in us-west-2: ",
        "aws fis stop-experiment --region us-west-2 --id",
    )
    assert found.notes == [
        f"{begin}EXPrunning, a drill of this pair. To stop it: {stop} EXPrunning",
        f"{begin}EXPinitiating, of template EXT1. To stop it: {stop} EXPinitiating",
    ]
    assert found.notes[0] in shown(found)
    assert found.healthy


def test_experiments_that_may_not_be_listed_are_a_note_and_no_failed_call() -> None:
    found = FakeAws(denied="list_experiments").ask()
    assert [one.partition(": ")[0] for one in found.notes] == [
        f"Whether an experiment of AWS FIS is running in {one} is not known" for one in REGIONS
    ]
    assert found.problems == []
    assert found.healthy


def test_topic_of_warnings_without_subscription_does_not_say_that_nobody_is_notified() -> None:
    aws = FakeAws(subscriptions=[])
    for one in aws.alarms["us-east-1"]:
        one["AlarmActions"] = ["arn:aws:ssm-incidents::111122223333:response-plan/on-call"]
    aws.alarms["us-east-1"].append(alarm("us-east-1", "commit-latency"))
    del aws.alarms["us-west-2"]
    found = aws.ask()
    topic = TOPIC.format("us-east-1")
    assert found.warnings_lost == [f"Topic {topic} has no confirmed subscription."]
    assert f"Nobody receives warnings: topic {topic} has no confirmed subscription." in shown(found)
    assert found.nobody_notified == [f"us-west-2 has no alarm {what}." for what in KINDS]
    assert not found.healthy


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
    with pytest.raises(
        pair_status.StatusError, match="which is not the ARN of a cluster there: it was changed"
    ) as raised:
        FakeAws(arn=arn).ask()
    assert "/dsql-dr/Orders/us-west-2/arn in us-east-1" in str(raised.value)


def test_cluster_of_another_deployment_is_not_this_pairs() -> None:
    found = FakeAws(tag="Other").ask()
    assert not found.healthy
    assert found.problems == []
    east, west = found.wrong_clusters
    assert west == east.replace("us-east-1", "us-west-2")
    sentence = (
        f"the tag dsql-dr:deployment of cluster {'a' * 26} in us-west-2 is 'Other', so it does not belong to Orders, "
        "although the SSM parameters name it."
    )
    assert f"Wrong cluster: {sentence}" in shown(found)


def test_action_that_is_no_topic_needs_no_subscription() -> None:
    plan = "arn:aws:ssm-incidents::111122223333:response-plan/on-call"
    alarms = {region: [alarm(region, one, actions=[plan]) for one in KINDS] for region in REGIONS}
    found = FakeAws(alarms=alarms).ask()
    assert [(one.arn, one.confirmed) for one in found.destinations] == [(plan, None)] * 2
    assert found.healthy


def test_failed_call_is_a_problem_and_not_reported_as_notifying_nobody() -> None:
    found = FakeAws(denied="list_subscriptions_by_topic").ask()
    assert not found.healthy
    assert found.nobody_notified == []
    assert [one.confirmed for one in found.destinations] == [None, None]
    assert found.problems[0].startswith(f"us-east-1, topic {TOPIC.format('us-east-1')}: ")
    assert f"Failed call: us-east-1, topic {TOPIC.format('us-east-1')}: An error" in shown(found)
    found = FakeAws(denied="describe_alarms").ask()
    assert found.nobody_notified == []
    assert len(found.problems) == 3, "one for each Region that may observe"


def test_alarms_are_named_by_what_they_are_for_and_other_deployments_are_left_out() -> None:
    aws = FakeAws()
    aws.alarms["us-east-1"] += [alarm("us-east-1", "commit-latency", deployment="Orders-two")]
    assert list(aws.ask().alarms) == [f"{region} {what}" for region in REGIONS for what in KINDS]
    assert list(aws.ask("Orders-two").alarms) == ["us-east-1 commit-latency"]


DEPLOYED = ("08:00", NOTHING_DECLARED)
EVACUATED = ("09:00", Declaration.value("us-east-1", "planned work"))
ENDED = ("10:00", Declaration.value(None, ""))


def with_failover(east: list[tuple[str, str]], west: list[tuple[str, str]], *, state: str = "OK") -> FakeAws:
    """*state* is that of both alarms on an evacuation of us-east-1."""
    aws = FakeAws(declared={"us-east-1": [DEPLOYED, *east], "us-west-2": [DEPLOYED, *west]})
    for observer in REGIONS:
        for one in REGIONS:
            found = alarm(observer, f"evacuated-{one}", actions=[])
            aws.alarms[observer].append({**found, "StateValue": state if one == "us-east-1" else "OK"})
    return aws


def test_pair_that_was_never_evacuated_says_nothing_of_it() -> None:
    found = with_failover([], []).ask()
    assert (found.healthy, found.notes, found.evacuation) == (True, [], None)
    assert json.loads(pair_status.to_json(found))["evacuation"] is None


def test_evacuation_is_said_with_its_end_and_the_pair_is_healthy() -> None:
    found = with_failover([EVACUATED], [EVACUATED], state="ALARM").ask()
    assert found.healthy
    assert found.notes == [
        f"us-east-1 is evacuated: {ALICE} declared it at 2026-11-26 09:00:00 UTC, because 'planned work'. To end it: "
        "dsql-dr evacuate Orders us-east-1 --back --region us-west-2"
    ]
    assert found.notes[0] in shown(found)
    assert json.loads(pair_status.to_json(found))["evacuation"] == {
        "region": "us-east-1",
        "who": ALICE,
        "when": "2026-11-26T09:00:00+00:00",
        "why": "planned work",
    }


@pytest.mark.parametrize(
    ("west", "command"),
    [
        ([], "us-east-1 --why …"),
        ([EVACUATED, ENDED], "us-east-1 --back --region us-west-2"),
    ],
)
def test_declaration_that_only_one_region_took_is_to_be_repeated(west: list[tuple[str, str]], command: str) -> None:
    found = with_failover([EVACUATED], west).ask()
    assert found.healthy
    [sentence] = [
        one for one in found.notes if one.startswith("The SSM parameters of both Regions do not say the same")
    ]
    assert sentence.endswith(f"so that it is in both: dsql-dr evacuate Orders {command}")


def test_region_that_never_was_evacuated_is_not_another_word_than_one_whose_evacuation_has_ended() -> None:
    assert with_failover([], [EVACUATED, ENDED]).ask().notes == []


def test_alarm_that_takes_a_region_out_of_service_without_a_declaration_is_said() -> None:
    found = with_failover([], [], state="ALARM").ask()
    assert found.healthy
    assert len(found.notes) == 2
    for one, observer in zip(found.notes, REGIONS, strict=True):
        assert one.startswith(f"Alarm evacuated-us-east-1 in {observer} is in ALARM, and us-east-1 is not declared")


def test_where_the_declarations_cannot_be_read_the_pair_is_healthy_and_that_is_said() -> None:
    aws = with_failover([EVACUATED], [EVACUATED])
    aws.denied = "get_parameter_history"
    found = aws.ask()
    assert (found.healthy, found.evacuation) == (True, None)
    assert [one.split(":")[0] for one in found.notes] == [
        f"Whether a Region is evacuated could not be read in {one}" for one in REGIONS
    ]


def test_pair_without_failover_is_not_asked_for_evacuations() -> None:
    aws = FakeAws()
    assert aws.ask().evacuation is None
    assert aws.asked == []
    aws = with_failover([], [])
    aws.ask()
    assert aws.asked == REGIONS
