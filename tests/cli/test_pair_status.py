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
