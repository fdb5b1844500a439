"""State of a deployed pair: both clusters, their peering, each monitor's verdict, the alarms, who is notified."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError

from ..physical_names import (
    CLUSTER_DOWN,
    MONITORING_NOT_WORKING,
    NOTIFICATIONS_BROKEN,
    PARAMETERS_CHANGED,
    PEERING_LOST,
    alarm_name,
    monitor_name,
)
from ..runtime.health_monitor import metric_names as names
from ..runtime.parameter_registry import DEPLOYMENT_TAG, IDENTIFIER, parameter_path
from . import pair_evacuation
from .aws_session import Client
from .destinations import Destination
from .drill_clean_up import running
from .pair_alarms import deployed_alarms

_CHANGED = {"Input", "InputPath", "InputTransformer"}
"""Properties of a rule's target whose function does not receive the schedule's own event."""

Answer = Mapping[str, Any]
"""What a monitor returned."""


class StatusError(Exception):
    """The pair could not be found; the text says why, and what to do."""


@dataclass(frozen=True)
class ClusterStatus:
    """One cluster, as its own Region's control plane describes it."""

    region: str
    identifier: str
    status: str
    peered: bool
    witness_region: str
    deletion_protection: bool
    deployment: str
    """The deployment that its tag names; empty without the tag."""

    @property
    def healthy(self) -> bool:
        return self.status in names.HEALTHY_STATUSES and self.peered


@dataclass(frozen=True)
class Status:
    """A pair, as far as AWS could be asked."""

    deployment: str
    clusters: list[ClusterStatus] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    """By observing Region: the verdict with the Regions that are down, or why there is none."""
    alarms: dict[str, str] = field(default_factory=dict)
    """Region and name of each alarm, and its state."""
    destinations: list[Destination] = field(default_factory=list)
    not_monitored: list[str] = field(default_factory=list)
    """Sentences: Regions in which no monitor runs, or none on schedule."""
    nobody_notified: list[str] = field(default_factory=list)
    """Sentences: Regions, topics and alarms whose notifications of faults reach nobody."""
    warnings_lost: list[str] = field(default_factory=list)
    """Sentences: topics of warnings only, whose notifications reach nobody."""
    wrong_clusters: list[str] = field(default_factory=list)
    """Sentences: clusters that the SSM parameters name, and that are another deployment's by their tag."""
    problems: list[str] = field(default_factory=list)
    """Sentences: calls that failed."""
    notes: list[str] = field(default_factory=list)
    """Sentences: an evacuation, experiments that are running, alarms that were left out, topics that cannot be checked.

    A pair with these can be healthy.
    """
    evacuation: dict[str, str | None] | None = None
    """Region, who, when and why, as in a monitor's answer; None: no Region is evacuated."""

    @property
    def healthy(self) -> bool:
        return (
            not (self.problems or self.wrong_clusters or self.not_monitored)
            and not (self.nobody_notified or self.warnings_lost)
            and len(self.clusters) == 2
            and all(one.healthy for one in self.clusters)
            and set(self.verdicts.values()) == {"HEALTHY"}
            and {state for one, state in self.alarms.items() if not pair_evacuation.is_of_evacuations(one)} <= {"OK"}
        )


def ask(deployment: str, region: str, client: Client) -> Status:
    """The state of *deployment*, found by its SSM parameters in *region*.

    Raises:
        StatusError: *region* has none of them, or they cannot be read.
    """
    arns = cluster_arns(deployment, region, client)
    status = Status(deployment)
    regions = [arn.split(":")[3] for arn in arns]
    unanswered: set[str] = set()
    for arn, one in zip(arns, regions, strict=True):
        with _noted(status, one, unanswered):
            found = _cluster(arn, set(arns) - {arn}, client("dsql", one))
            status.clusters.append(found)
            if found.deployment != deployment:
                status.wrong_clusters.append(
                    f"The tag {DEPLOYMENT_TAG} of cluster {found.identifier} in {one} is {found.deployment!r}, so it "
                    f"does not belong to {deployment}, although the SSM parameters name it."
                )
        if one not in unanswered:
            status.notes.extend(_experiments(deployment, one, client))
    witnesses = [one.witness_region for one in status.clusters]
    answers: dict[str, Answer] = {}
    observing = dict.fromkeys([*regions, *filter(None, witnesses)])  # the witness Region may observe, too
    for one in [one for one in observing if one not in unanswered]:  # each call there would take its time-out
        with _noted(status, one):
            answers[one] = _answer(deployment, client("lambda", one))
    account = arns[0].split(":")[4]
    for one in answers:
        with _noted(status, one):
            _observer(status, one, client, regions=regions, account=account, answers=answers)
    if any(map(pair_evacuation.is_of_evacuations, status.alarms)):
        declared = pair_evacuation.read(deployment, regions, client)
        status.notes.extend(pair_evacuation.notes(deployment, declared, status.alarms))
        return replace(status, evacuation=declared.evacuation.to_json() if declared.evacuation else None)
    return status


@contextmanager
def _noted(status: Status, what: str, unanswered: set[str] | None = None) -> Iterator[None]:
    """Calls whose failure is a problem of *what*, which is added to *unanswered* if nothing answered."""
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        status.problems.append(f"{what}: {error}")
        if unanswered is not None and isinstance(error, HTTPClientError | NoConnectionError):
            unanswered.add(what)


def _experiments(deployment: str, region: str, client: Client) -> Iterator[str]:
    """Drills, and what else AWS FIS does in *region*; a pair without drills needs no permission for it."""
    try:
        found = list(running(region, client))
    except (BotoCoreError, ClientError) as error:
        yield f"Whether an experiment of AWS FIS is running in {region} is not known: {error}"
        return
    for one in found:
        whose = "a drill of this pair" if one.is_of(deployment) else f"of template {one.found['experimentTemplateId']}"
        yield (
            f"An experiment of AWS FIS is running in {region}: {one.id}, {whose}. To stop it: "
            f"aws fis stop-experiment --region {region} --id {one.id}"
        )


def cluster_arns(deployment: str, region: str, client: Client) -> list[str]:
    """ARNs of the clusters of *deployment* by its SSM parameters in *region*, each in the form of one of its Region.

    Raises:
        StatusError: *region* has none of them, or they cannot be read.
    """
    ssm = client("ssm", region)
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=parameter_path(deployment), Recursive=True)
        found = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
    except (BotoCoreError, ClientError) as error:
        raise StatusError(f"The SSM parameters of {deployment} in {region} could not be read: {error}") from error
    arns = {name: value for name, value in sorted(found.items()) if name.endswith("/arn")}
    for name, value in arns.items():
        if not re.fullmatch(rf"arn:aws[a-z-]*:dsql:{name.split('/')[-2]}:[0-9]{{12}}:cluster/{IDENTIFIER}", value):
            raise StatusError(
                f"SSM parameter {name} in {region} is {value[:100]!r}, which is not the ARN of a cluster "
                "there: it was changed. Repair the pair, which writes the right value."
            )
    if len(arns) != 2:
        raise StatusError(
            f"{region} has no SSM parameters of a deployment {deployment!r}: give --region one of the pair's Regions, "
            "and the deployment's name as its stacks have it, for example AuroraDsqlDR-production. A pair that "
            "MultiRegionMonitoring monitors by cluster_arns has none."
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


def _answer(deployment: str, functions: Any) -> Answer:
    """Empty if no monitor was deployed there."""
    try:
        answer = functions.invoke(FunctionName=monitor_name(deployment), Payload=b"{}")
    except functions.exceptions.ResourceNotFoundException:
        return {}
    found: Answer = json.load(answer["Payload"])
    return found


def _observer(
    status: Status, region: str, client: Client, *, regions: list[str], account: str, answers: Mapping[str, Answer]
) -> None:
    """The verdict and alarms of *region*, and who they notify; each of the clusters' *regions* needs a monitor."""
    answer = answers[region]
    alarms = dict(deployed_alarms(status.deployment, region, client("cloudwatch", region)))
    status.alarms.update({f"{region} {what}": one["StateValue"] for what, one in alarms.items()})
    if not (answer or alarms or region in regions):
        return
    if answer:
        verdict = (
            [answer["verdict"], *answer["regions_down"]] if answer.get("verdict") else [answer.get("errorMessage")]
        )
        status.verdicts[region] = " ".join(map(str, verdict))
        status.not_monitored.extend(_unscheduled(monitor_name(status.deployment), region, client("events", region)))
    else:
        status.not_monitored.append(f"No monitor in {region} observes this pair.")
    of_faults = [*(f"{CLUSTER_DOWN}{one}" for one in regions), PEERING_LOST, MONITORING_NOT_WORKING]
    for what in of_faults:
        if what not in alarms:
            if _left_out(alarm_name(status.deployment, what, region), region, answers):
                status.notes.append(f"{region} was deployed without alarm {what}.")
            else:
                status.nobody_notified.append(f"{region} has no alarm {what}.")
    of_faults += [PARAMETERS_CHANGED, NOTIFICATIONS_BROKEN]
    status.nobody_notified.extend(_not_notifying(region, {what: alarms[what] for what in of_faults if what in alarms}))
    notified = {what: one["AlarmActions"] if one["ActionsEnabled"] else [] for what, one in alarms.items()}
    faults_to = {arn for what in of_faults for arn in notified.get(what, ())}
    for arn in dict.fromkeys(arn for actions in notified.values() for arn in actions):
        found = _destination(status, region, arn, client, account)
        (status.nobody_notified if arn in faults_to else status.warnings_lost).extend(found.broken())
        status.notes.extend(found.notes())
        status.destinations.append(found)


def _left_out(name: str, region: str, answers: Mapping[str, Answer]) -> bool:
    """Whether another Region's monitor has just checked the alarms that were deployed in *region*, without this one."""
    checks = [one["notifications"] for other, one in answers.items() if other != region and one.get("notifications")]
    complete = [one for one in checks if not one["unanswered"]]
    return bool(complete) and not any(name in problem for one in complete for problem in one["problems"])


def _destination(status: Status, region: str, arn: str, client: Client, account: str) -> Destination:
    found = Destination(region, arn)
    if arn.split(":")[2] != "sns":
        return found
    if arn.split(":")[4] != account:
        status.notes.append(f"Topic {arn} is in another account, so its subscriptions and its key are not checked.")
        return found
    with _noted(status, f"{region}, topic {arn}"):
        found = found.with_subscriptions(client("sns", region))
        with _noted(status, f"{region}, key of topic {arn}"):
            found = found.with_key_state(client("sns", region), client("kms", region))
    return found


def _unscheduled(name: str, region: str, events: Any) -> Iterator[str]:
    """The rule has the function's name, and calls it without an input of its own."""
    if events.describe_rule(Name=name)["State"] == "DISABLED":
        yield f"The schedule of the monitor in {region} is disabled."
    targets = events.list_targets_by_rule(Rule=name)["Targets"]
    if not any(one["Arn"].endswith(f":function:{name}") and not _CHANGED & one.keys() for one in targets):
        yield f"The schedule of the monitor in {region} does not call it, or calls it with another input than deployed."


def _not_notifying(region: str, alarms: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    for what, one in alarms.items():
        if not (one["ActionsEnabled"] and any(map(_reaches_people, one["AlarmActions"]))):
            yield f"Alarm {what} in {region} has no enabled action that notifies."


def _reaches_people(action: str) -> bool:
    """An SNS topic, or a response plan of Incident Manager."""
    return action.split(":")[2] in ("sns", "ssm-incidents")


def to_json(status: Status) -> str:
    return json.dumps({"healthy": status.healthy, **asdict(status)}, indent=2)
