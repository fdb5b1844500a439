"""How a deployed pair is: both clusters, their peering, what each monitor sees now, the alarms, who is notified."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.table import Table

from ..physical_names import ALARM_KINDS, alarm_prefix, monitor_name
from ..runtime.cluster_peering.registry import registry_path
from ..runtime.health_monitor import metric_names as names

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
    nobody_notified: list[str] = field(default_factory=list)
    """Sentences: from where, or by which topic, no notification reaches anybody."""
    problems: list[str] = field(default_factory=list)
    """What could not be asked."""

    @property
    def healthy(self) -> bool:
        return (
            not self.problems
            and not self.nobody_notified
            and len(self.clusters) == 2
            and all(one.healthy for one in self.clusters)
            and all(one == "HEALTHY" for one in self.verdicts.values())
            and "ALARM" not in self.alarms.values()
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
            status.clusters.append(_cluster(arn, set(arns) - {arn}, client("dsql", one)))
    witnesses = [one.witness_region for one in status.clusters]
    for one in dict.fromkeys([*regions, *filter(None, witnesses)]):  # the witness Region may observe, too
        with _noted(status, one):
            _observer(status, one, client)
    if not (status.verdicts or status.alarms or status.problems):
        status.nobody_notified.append("No Region monitors this pair.")
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
    arns = [value for name, value in sorted(found.items()) if name.endswith("/arn")]
    if len(arns) != 2:
        raise StatusError(
            f"{region} has no registry of a deployment {deployment!r}: give --region one of the pair's, and the "
            "deployment's name as the stacks have it, for example AuroraDsqlDR-production."
        )
    return arns


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
    )


def _verdict(deployment: str, region: str, functions: Any) -> dict[str, str]:
    try:
        answer = functions.invoke(FunctionName=monitor_name(deployment), Payload=b"{}")
    except functions.exceptions.ResourceNotFoundException:
        return {}  # nothing observes from there, as its owner decided
    said = json.load(answer["Payload"])
    return {region: str(said.get("verdict") or said.get("errorMessage"))}


def _observer(status: Status, region: str, client: Client) -> None:
    """What is seen from *region*, if anything observes from there, and who is notified of it."""
    status.verdicts.update(_verdict(status.deployment, region, client("lambda", region)))
    alarms = list(_alarms(status.deployment, region, client("cloudwatch", region)))
    status.alarms.update({f"{region} {what}": one["StateValue"] for what, one in alarms})
    enabled = [one for _, one in alarms if one.get("ActionsEnabled", True)]
    actions = [action for one in enabled for action in one.get("AlarmActions", [])]
    if not actions and (alarms or region in status.verdicts):
        status.nobody_notified.append(f"No alarm in {region} has an enabled action.")
    for arn in dict.fromkeys(actions):
        destination = Destination(region, arn)
        if arn.split(":")[2] == "sns":
            with _noted(status, f"{region}, topic {arn}"):
                destination = _topic(region, arn, client("sns", region))
        if destination.confirmed == 0:
            status.nobody_notified.append(f"Topic {arn} has no confirmed subscription.")
        status.destinations.append(destination)


def _alarms(deployment: str, region: str, cloudwatch: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each alarm of *deployment*, and no other's whose name begins with it, by what it is for."""
    prefix = alarm_prefix(deployment)
    types = ["MetricAlarm", "CompositeAlarm"]
    for page in cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, AlarmTypes=types):
        for one in (*page["MetricAlarms"], *page["CompositeAlarms"]):
            what = one["AlarmName"].removeprefix(prefix).removesuffix(f"-from-{region}")
            if what.startswith(ALARM_KINDS):
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


def _public(endpoint: str) -> str:
    """*endpoint* without what follows the host of a URL: incident tools put their key there."""
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.hostname}/…" if url.scheme.startswith("http") else endpoint


def to_json(status: Status) -> str:
    return json.dumps({"healthy": status.healthy, **asdict(status)}, indent=2)


def show(status: Status, console: Console) -> None:
    """Tables for a terminal of 80 columns."""
    for one in _tables(status):
        console.print(one, width=80 if isinstance(one, Table) else None)
    for problem in status.problems:
        console.print(f"Could not be asked: {problem}")
    console.print("The pair is healthy." if status.healthy else "The pair is not healthy.")


def _tables(status: Status) -> Iterator[Table | str]:
    clusters = _table("Region", "Cluster", "Status", "Peered", "Witness")
    for one in status.clusters:
        clusters.add_row(one.region, one.identifier, one.status, "yes" if one.peered else "NO", one.witness_region)
    yield clusters
    unprotected = [one.region for one in status.clusters if not one.deletion_protection]
    if unprotected:
        yield f"Deletion protection is off in {' and '.join(unprotected)}."
    if status.verdicts:
        seen = _table("Seen from", "Verdict")
        for region, said in status.verdicts.items():
            seen.add_row(region, said)
        yield seen
    else:
        yield "No monitor observes it."
    raised = _table("Region", "Alarm", "State")
    for name, state in status.alarms.items():
        if state != "OK":
            raised.add_row(*name.split(" ", 1), state)
    if raised.row_count:
        yield raised
    yield f"{sum(state == 'OK' for state in status.alarms.values())} of {len(status.alarms)} alarms are OK."
    if status.destinations:
        notified = _table("Region", "Notifies", "Confirmed", "Not yet confirmed")
        for to in status.destinations:
            confirmed = "" if to.confirmed is None else str(to.confirmed)
            notified.add_row(to.region, to.arn.rpartition(":")[2], confirmed, "\n".join(to.pending))
        yield notified
    for sentence in status.nobody_notified:
        yield f"Nobody is notified: {sentence[0].lower()}{sentence[1:]}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for one in columns:
        table.add_column(one, overflow="fold")
    return table
