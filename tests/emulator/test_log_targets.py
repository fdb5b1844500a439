"""Rules of EventBridge whose target is a log group."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dsql_dr_constructs.emulator import AwsEmulator

GROUP = "/aws/events/orders"
ARN = f"arn:aws:logs:us-east-1:000000000000:log-group:{GROUP}"


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=["us-east-1"]) as aws:
        yield aws


def allow(logs: Any, service: str, resource: str) -> None:
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    logs.put_resource_policy(policyName="events", policyDocument=document)


def test_log_group_receives_events_once_a_resource_policy_allows_it(aws: AwsEmulator) -> None:
    logs, events = aws.client("logs", "us-east-1"), aws.client("events", "us-east-1")
    logs.create_log_group(logGroupName=GROUP)
    events.put_rule(Name="orders", EventPattern=json.dumps({"source": ["orders"]}))
    events.put_targets(Rule="orders", Targets=[{"Id": "log", "Arn": ARN}])
    for number, (service, resource) in enumerate(
        [
            ("lambda.amazonaws.com", f"{ARN}:*"),
            ("events.amazonaws.com", f"{ARN}-other:*"),
            ("events.amazonaws.com", f"{ARN}:*"),
        ]
    ):
        allow(logs, service, resource)
        detail = json.dumps({"number": number})
        events.put_events(Entries=[{"Source": "orders", "DetailType": "Order", "Detail": detail}])
    while not (found := logs.filter_log_events(logGroupName=GROUP)["events"]):
        time.sleep(0.02)
    [event] = [json.loads(one["message"]) for one in found]
    assert (event["source"], event["detail-type"], event["detail"]) == ("orders", "Order", {"number": 2})
