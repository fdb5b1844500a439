"""How a deployed pair is: both clusters, their peering, what each monitor sees now, the alarms, who is notified."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import (
    ALARM_KINDS,
    CLUSTER_DOWN,
    MONITORING_NOT_WORKING,
    NOTIFICATIONS_BROKEN,
    PARAMETERS_CHANGED,
    PEERING_LOST,
    alarm_prefix,
    monitor_name,
)
from ..runtime.health_monitor import metric_names as names
from ..runtime.registry import DEPLOYMENT_TAG, IDENTIFIER, registry_path

_CHANGED = {"Input", "InputPath", "InputTransformer"}
"""What a target has whose function does not get the schedule's own event."""

Client = Callable[[str, str], Any]
"""Gives the client of a service in a Region."""


class StatusError(Exception):
    """There is nothing to tell; the text says why, and what to do."""


@dataclass(frozen=True)
class ClusterStatus:
    """One side, as its own control plane tells."""

    region: str
    identifier: str
    status: str
    peered: bool
    witness_region: str
    deletion_protection: bool
    deployment: str
    """What its tag names as its deployment; empty without one."""

    @property
    def healthy(self) -> bool:
        return self.status in names.HEALTHY_STATUSES and self.peered


@dataclass(frozen=True)
class Destination:
    """Where alarms of a Region send notifications: an SNS topic, or an action that needs no subscription."""

    region: str
    arn: str
    confirmed: int | None = None
    """How many subscriptions receive notifications; None if this is no topic, or one that could not be asked."""
    pending: list[str] = field(default_factory=list)
    """Addresses whose owners have not confirmed their subscription, and receive nothing."""
    key_state: str | None = None
    """State of the topic's key; None if it has none, or if this is no topic, or the key could not be asked."""


@dataclass(frozen=True)
class Status:
    """A pair, as far as it answered."""

    deployment: str
    clusters: list[ClusterStatus] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    """By observing Region: the verdict, or why there is none."""
    alarms: dict[str, str] = field(default_factory=dict)
    """Region and name of each alarm, and its state."""
    destinations: list[Destination] = field(default_factory=list)
    not_monitored: list[str] = field(default_factory=list)
    """Sentences: from where nothing, or nothing on schedule, observes the pair."""
    nobody_notified: list[str] = field(default_factory=list)
    """Sentences: from where, by which topic or of what no notification reaches anybody."""
    problems: list[str] = field(default_factory=list)
    """What could not be asked."""

    @property
    def healthy(self) -> bool:
        return (
            not (self.problems or self.nobody_notified or self.not_monitored)
            and len(self.clusters) == 2
            and all(one.healthy for one in self.clusters)
            and set(self.verdicts.values()) == {"HEALTHY"}
            and set(self.alarms.values()) == {"OK"}
        )


def ask(deployment: str, region: str, client: Client) -> Status:
    """How *deployment* is, found by its registry in *region*.

    Raises:
        StatusError: *region* has no registry of it, or cannot be asked.
    """
    arns = _registered(deployment, region, client)
    status = Status(deployment)
    regions = [arn.split(":")[3] for arn in arns]
    for arn, one in zip(arns, regions, strict=True):
        with _noted(status, one):
            found = _cluster(arn, set(arns) - {arn}, client("dsql", one))
            status.clusters.append(found)
            if found.deployment != deployment:
                status.problems.append(
                    f"{one}: the tag {DEPLOYMENT_TAG} of cluster {found.identifier} is {found.deployment!r}, so it is "
                    f"not of {deployment}, whatever the SSM parameters say."
                )
    witnesses = [one.witness_region for one in status.clusters]
    for one in dict.fromkeys([*regions, *filter(None, witnesses)]):  # the witness Region may observe, too
        with _noted(status, one):
            _observer(status, one, client, regions)
    return status


@contextmanager
def _noted(status: Status, what: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        status.problems.append(f"{what}: {error}")


def _registered(deployment: str, region: str, client: Client) -> list[str]:
    ssm = client("ssm", region)
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=registry_path(deployment), Recursive=True)
        found = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
    except (BotoCoreError, ClientError) as error:
        raise StatusError(f"The registry in {region} could not be read: {error}") from error
    arns = {name: value for name, value in sorted(found.items()) if name.endswith("/arn")}
    for name, value in arns.items():
        if not re.fullmatch(rf"arn:aws[a-z-]*:dsql:{name.split('/')[-2]}:[0-9]{{12}}:cluster/{IDENTIFIER}", value):
            raise StatusError(
                f"SSM parameter {name} in {region} is {value[:100]!r}, and no ARN of a cluster there: somebody wrote "
                "it. Repair the pair, which writes the right one."
            )
    if len(arns) != 2:
        raise StatusError(
            f"{region} has no registry of a deployment {deployment!r}: give --region one of the pair's, and the "
            "deployment's name as the stacks have it, for example AuroraDsqlDR-production."
        )
    return list(arns.values())


def _cluster(arn: str, peers: set[str], dsql: Any) -> ClusterStatus:
    found = dsql.get_cluster(identifier=arn.rpartition("/")[2])
    together = found.get("multiRegionProperties", {})
    return ClusterStatus(
        region=arn.split(":")[3],
        identifier=found["identifier"],
        status=found["status"],
        peered=peers <= set(together.get("clusters", [])),
        witness_region=together.get("witnessRegion", ""),
        deletion_protection=found["deletionProtectionEnabled"],
        deployment=found.get("tags", {}).get(DEPLOYMENT_TAG, ""),
    )


def _verdict(deployment: str, region: str, functions: Any) -> dict[str, str]:
    try:
        answer = functions.invoke(FunctionName=monitor_name(deployment), Payload=b"{}")
    except functions.exceptions.ResourceNotFoundException:
        return {}  # nothing observes from there, as its owner decided
    said = json.load(answer["Payload"])
    return {region: str(said.get("verdict") or said.get("errorMessage"))}


def _observer(status: Status, region: str, client: Client, regions: list[str]) -> None:
    """What is seen from *region*, and who is notified of it; something has to observe from the clusters' *regions*."""
    verdict = _verdict(status.deployment, region, client("lambda", region))
    status.verdicts.update(verdict)
    alarms = list(_alarms(status.deployment, region, client("cloudwatch", region)))
    status.alarms.update({f"{region} {what}": one["StateValue"] for what, one in alarms})
    if not (verdict or alarms or region in regions):
        return
    if not verdict:
        status.not_monitored.append(f"No monitor in {region} observes this pair.")
    else:
        status.not_monitored.extend(_unscheduled(monitor_name(status.deployment), region, client("events", region)))
    status.nobody_notified.extend(_silent(region, regions, dict(alarms)))
    actions = [action for _, one in alarms if one["ActionsEnabled"] for action in one["AlarmActions"]]
    for arn in dict.fromkeys(actions):
        destination = Destination(region, arn)
        if arn.split(":")[2] == "sns":
            with _noted(status, f"{region}, topic {arn}"):
                destination = _topic(region, arn, client("sns", region))
        if destination.confirmed is not None:
            with _noted(status, f"{region}, key of topic {arn}"):
                destination = replace(destination, key_state=_key_state(region, arn, client))
        if destination.confirmed == 0:
            status.nobody_notified.append(f"Topic {arn} has no confirmed subscription.")
        if destination.key_state not in (None, "Enabled"):
            status.nobody_notified.append(f"The key of topic {arn} is {destination.key_state}.")
        status.destinations.append(destination)


def _unscheduled(name: str, region: str, events: Any) -> Iterator[str]:
    """The rule has the function's name, and calls it with an event that says nothing."""
    if events.describe_rule(Name=name)["State"] == "DISABLED":
        yield f"The schedule of the monitor in {region} is disabled."
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    if not any(one["Arn"].endswith(f":function:{name}") and not _CHANGED & one.keys() for one in targets):
        yield f"The schedule of the monitor in {region} does not call it, or not as it was deployed."


def _silent(region: str, regions: list[str], alarms: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The faults that no alarm of *region* notifies of."""
    required = (*(f"{CLUSTER_DOWN}{one}" for one in regions), PEERING_LOST, MONITORING_NOT_WORKING)
    for what in (*required, PARAMETERS_CHANGED, NOTIFICATIONS_BROKEN):
        if what not in alarms:
            if what in required:
                yield f"{region} has no alarm {what}."
        elif not (alarms[what]["ActionsEnabled"] and any(map(_reaches_people, alarms[what]["AlarmActions"]))):
            yield f"Alarm {what} in {region} has no enabled action that notifies."


def _reaches_people(action: str) -> bool:
    """An SNS topic, or a response plan of Incident Manager."""
    return action.split(":")[2] in ("sns", "ssm-incidents")


def _alarms(deployment: str, region: str, cloudwatch: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each alarm of *deployment*, and no other's whose name begins with it, by what it is for."""
    prefix = alarm_prefix(deployment)
    types = ["MetricAlarm", "CompositeAlarm"]
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, AlarmTypes=types):
        for one in (*page["MetricAlarms"], *page["CompositeAlarms"]):
            what, suffix, _ = one["AlarmName"].removeprefix(prefix).partition(f"-from-{region}")
            if suffix and what.startswith(ALARM_KINDS):
                yield what, one


def _topic(region: str, arn: str, sns: Any) -> Destination:
    """Only a confirmed subscription has an ARN; until then it says "PendingConfirmation".

    Source: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    endpoints = [(one["SubscriptionArn"], one["Endpoint"]) for page in pages for one in page["Subscriptions"]]
    return Destination(
        region,
        arn,
        confirmed=sum(subscription.startswith("arn:") for subscription, _ in endpoints),
        pending=[_public(endpoint) for subscription, endpoint in endpoints if subscription == "PendingConfirmation"],
    )


def _key_state(region: str, topic: str, client: Client) -> str | None:
    key = client("sns", region).get_topic_attributes(TopicArn=topic)["Attributes"].get("KmsMasterKeyId")
    return client("kms", region).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] if key else None


def _public(endpoint: str) -> str:
    """*endpoint* without what follows the host of a URL: incident tools put their key there."""
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.hostname}/…" if url.scheme.startswith("http") else endpoint


def to_json(status: Status) -> str:
    return json.dumps({"healthy": status.healthy, **asdict(status)}, indent=2)
