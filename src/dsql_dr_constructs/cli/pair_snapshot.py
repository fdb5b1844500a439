"""What of a pair on the local AWS emulator can be changed by a fault, to compare it before and after."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..physical_names import alarm_prefix, alerts_name, monitor_name
from . import survey
from .catalogued_fault import Aws

_OF_THE_MOMENT = {
    *("StateValue", "StateReason", "StateReasonData", "StateUpdatedTimestamp", "StateTransitionedTimestamp"),
    *("AlarmConfigurationUpdatedTimestamp", "EvaluationState", "ResponseMetadata", "creationTime"),
    *("LastModified", "RevisionId", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"),
    *("SubscriptionsConfirmed", "SubscriptionsPending", "SubscriptionsDeleted", "State", "StateReasonCode"),
}
"""Fields that change by themselves."""


def snapshot(aws: Aws, deployment: str) -> dict[str, str]:
    """What there is, in JSON by what it is and its Region."""
    found: dict[str, str] = {}
    for one in survey.clusters(aws):
        found[f"cluster in {one['region']}"] = _text(one)
    for region in aws.regions:
        found[f"SSM parameters in {region}"] = _text(survey.parameters(aws, region))
        for what, value in (
            *_alarms(aws.client("cloudwatch", region), deployment),
            *_monitor(aws, deployment, region),
            *_topic(aws, deployment, region),
        ):
            found[f"{what} in {region}"] = value
    return found


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """A sentence for each part that is not as before."""
    return [
        f"The {what} is not as before the fault: it was {before.get(what, 'missing')}, and is "
        f"{after.get(what, 'missing')}."
        for what in sorted({*before, *after})
        if before.get(what) != after.get(what)
    ]


def _alarms(cloudwatch: Any, deployment: str) -> Iterator[tuple[str, str]]:
    for one in alarms(cloudwatch, deployment):
        yield f"alarm {one['AlarmName']}", _text(one)


def alarms(cloudwatch: Any, deployment: str) -> list[dict[str, Any]]:
    """Every alarm of *deployment* in a Region."""
    pages = cloudwatch.get_paginator("describe_alarms").paginate(
        AlarmNamePrefix=alarm_prefix(deployment), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return [one for page in pages for one in (*page["MetricAlarms"], *page["CompositeAlarms"])]


def _monitor(aws: Aws, deployment: str, region: str) -> Iterator[tuple[str, str]]:
    """Its function, role and rule."""
    name = monitor_name(deployment)
    functions, events, iam = aws.client("lambda", region), aws.client("events", region), aws.client("iam", region)
    if name not in [one["FunctionName"] for one in functions.list_functions()["Functions"]]:
        return
    function = functions.get_function_configuration(FunctionName=name)
    yield "monitor's function", _text(function)
    yield "monitor's concurrency", _text(functions.get_function_concurrency(FunctionName=name))
    role = function["Role"].rpartition("/")[2]
    policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
    documents = {one: iam.get_role_policy(RoleName=role, PolicyName=one)["PolicyDocument"] for one in policies}
    yield "policies of the monitor's role", _text(documents)
    rules = [one for one in events.list_rules(NamePrefix=name)["Rules"] if one["Name"] == name]
    yield "monitor's rule", json.dumps(rules, sort_keys=True)
    if rules:
        yield "target of the monitor's rule", _text(events.list_targets_by_rule(Rule=name)["Targets"])


def _topic(aws: Aws, deployment: str, region: str) -> Iterator[tuple[str, str]]:
    """That for faults, its subscriptions and its key."""
    sns, kms = aws.client("sns", region), aws.client("kms", region)
    [*topics] = [one["TopicArn"] for one in sns.list_topics()["Topics"]]
    for arn in topics:
        if arn.rpartition(":")[2] != alerts_name(deployment):
            continue
        attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
        yield "topic for faults", _text(attributes)
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
        subscribed = [
            (one["Protocol"], one["Endpoint"], one["SubscriptionArn"].startswith("arn:"))
            for page in pages
            for one in page["Subscriptions"]
        ]
        yield "list of subscriptions", _text(sorted(subscribed))
        if key := attributes.get("KmsMasterKeyId"):
            yield "state of the topic's key", kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
            identifier = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyId"]
            policy = kms.get_key_policy(KeyId=identifier, PolicyName="default")["Policy"]
            yield "policy of the topic's key", _text(json.loads(policy))


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = {key: one for key, one in value.items() if key not in _OF_THE_MOMENT}
    return json.dumps(value, sort_keys=True, default=str)
