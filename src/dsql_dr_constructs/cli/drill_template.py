"""The experiment template of a Region: checked by what it says itself, and copied for another duration or share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..physical_names import CLUSTER_DOWN, PEERING_LOST, drill_name
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from . import drill_stacks
from .aws_session import Client
from .pair_alarms import deployed_alarms, own_alarm

COPY_TAG = "dsql-dr:drill-copy"
"""Tag of a template that one drill made for itself."""

FAULT = "aws:dsql:cluster-connection-failure"
_ASSERT, _WAIT = "aws:cloudwatch:assert-alarm-state", "aws:fis:wait"
_KNOWN = {FAULT, _ASSERT, _WAIT}
_OF_REQUEST = (
    "stopConditions",
    "targets",
    "roleArn",
    "logConfiguration",
    "experimentOptions",
    "experimentReportConfiguration",
)
"""What CreateExperimentTemplate takes as GetExperimentTemplate answers it."""


class DrillError(Exception):
    """A drill is not possible; the text says why, and what to do."""


@dataclass(frozen=True)
class Template:
    """An experiment template whose one target is the pair's cluster in its Region.

    Args:
        region: It is in.
        found: As GetExperimentTemplate answers it.
        stack: Name of the stack that made it.
    """

    region: str
    found: Mapping[str, Any]
    stack: str

    @property
    def id(self) -> str:
        return str(self.found["id"])

    @property
    def role(self) -> str:
        return str(self.found["roleArn"])

    @property
    def seconds(self) -> float:
        """Of the fault."""
        return _seconds(self._fault["parameters"]["duration"])

    @property
    def share(self) -> int:
        """Percentage of connections that fail."""
        return int(self._fault["parameters"]["percentage"])

    @property
    def expects_alarm(self) -> bool:
        """Whether the experiment fails unless an alarm is raised."""
        return bool(self._raised)

    @property
    def stop_alarms(self) -> list[str]:
        """ARNs of the alarms that stop the experiment."""
        return [one["value"] for one in self.found["stopConditions"] if one["source"] != "none"]

    def stop_alarms_of_users(self, deployment: str) -> list[str]:
        """ARNs of those that are not alarms of the pair."""
        return [one for one in self.stop_alarms if not _own_alarm(deployment, one)]

    @property
    def log_group(self) -> str:
        """ARN of its log group; empty if it has none."""
        logs = self.found.get("logConfiguration", {}).get("cloudWatchLogsConfiguration", {})
        return str(logs.get("logGroupArn", "")).removesuffix(":*")

    @property
    def _fault(self) -> Mapping[str, Any]:
        [found] = [one for one in self.found["actions"].values() if one["actionId"] == FAULT]
        return dict(found)

    @property
    def _raised(self) -> set[str]:
        """Names of the actions that find out whether an alarm was raised."""
        return {
            name
            for name, one in self.found["actions"].items()
            if one["actionId"] == _ASSERT and one["parameters"].get("alarmStates") == "ALARM"
        }

    @property
    def _waits(self) -> dict[str, float]:
        """Seconds of each wait, by its name."""
        return {
            name: _seconds(one["parameters"]["duration"])
            for name, one in self.found["actions"].items()
            if one["actionId"] == _WAIT
        }

    def still_expects(self, seconds: float, share: int) -> bool:
        """Whether an alarm can be raised in time by a fault of another duration or share."""
        return self.expects_alarm and share >= self.share and max(self._waits.values(), default=0.0) < seconds

    def changed(self, seconds: float, share: int) -> dict[str, Any]:
        """Request for a copy with another fault, which expects an alarm only if that can be raised in time."""
        actions = {name: {**one} for name, one in self.found["actions"].items()}
        if not self.still_expects(seconds, share):
            dropped = self._raised | set(self._waits)
            actions = {
                name: {**one, "startAfter": [other for other in one.get("startAfter", []) if other not in dropped]}
                for name, one in actions.items()
                if name not in dropped
            }
        for one in actions.values():
            if one["actionId"] == FAULT:
                one["parameters"] = {"duration": f"PT{round(seconds / 60)}M", "percentage": str(share)}
            if not one.get("startAfter", True):
                del one["startAfter"]
        return {
            **{name: self.found[name] for name in _OF_REQUEST if self.found.get(name)},
            "clientToken": str(uuid.uuid4()),
            "description": f"Temporary copy of {self.id}; dsql-dr drill --clean-up deletes it."[:512],
            "actions": actions,
            "tags": {**_own(self.found.get("tags", {})), COPY_TAG: self.id},
        }


def _own(tags: Mapping[str, str]) -> dict[str, str]:
    """Without CloudFormation's, which nobody else may set."""
    return {name: value for name, value in tags.items() if not name.startswith("aws:")}


def is_of(deployment: str, tags: Mapping[str, str]) -> bool:
    """Whether a template or an experiment is one of the drills of *deployment*."""
    return tags.get("Name") == drill_name(deployment) and tags.get(DEPLOYMENT_TAG) == deployment


def listed(deployment: str, fis: Any) -> Iterator[dict[str, Any]]:
    """The templates of *deployment* in a Region, copies among them."""
    for page in fis.get_paginator("list_experiment_templates").paginate():
        yield from (one for one in page["experimentTemplates"] if is_of(deployment, one.get("tags", {})))


def find(deployment: str, cluster_arn: str, client: Client) -> Template:
    """The template that the drill stack made in the Region of *cluster_arn*.

    Raises:
        DrillError: there is none, there are several, or it is not one for this cluster alone.
    """
    region = cluster_arn.split(":")[3]
    fis = client("fis", region)
    found = [one["id"] for one in listed(deployment, fis) if COPY_TAG not in one["tags"]]
    if not found:
        raise DrillError(
            f"{region} has no experiment template of {deployment}: give MultiRegionDsqlDr(...) "
            "drill=DrillOptions(), and deploy it."
        )
    if len(found) > 1:
        raise DrillError(
            f"{region} has several experiment templates with the tags of {deployment}: {', '.join(found)}. Delete "
            "those that the pair's drill stack did not make."
        )
    template = fis.get_experiment_template(id=found[0])["experimentTemplate"]
    stack, properties = drill_stacks.deployed(template, client("cloudformation", region))
    own = {what for what, _ in deployed_alarms(deployment, region, client("cloudwatch", region))}
    for problem in (
        *_problems(template, cluster_arn),
        *_other_than_deployed(template, properties),
        *_not_safe(template, deployment, region, own),
    ):
        raise DrillError(
            f"Experiment template {found[0]} in {region} is not as it was deployed: {problem}. Find out who changed it "
            "(CloudTrail), and deploy the drill stack again."
        )
    return Template(region, template, stack)


def _problems(template: Mapping[str, Any], cluster_arn: str) -> Iterator[str]:
    targets, actions = template.get("targets", {}), template.get("actions", {})
    unknown = sorted({one["actionId"] for one in actions.values()} - _KNOWN)
    if unknown:
        yield f"it has the action {', '.join(unknown)}"
    aims = [(one["resourceType"], one.get("resourceArns"), one.get("resourceTags")) for one in targets.values()]
    if aims != [("aws:dsql:cluster", [cluster_arn], None)] and aims != [("aws:dsql:cluster", [cluster_arn], {})]:
        yield f"its one target has to be {cluster_arn}"
    faults = [one for one in actions.values() if one["actionId"] == FAULT]
    if len(faults) != 1:
        yield f"it has {len(faults)} actions {FAULT}, and not one"
        return
    parameters = faults[0].get("parameters", {})
    if not _ISO.fullmatch(parameters.get("duration", "")) or not parameters.get("percentage", "").isdecimal():
        yield f"its action {FAULT} has the parameters {parameters}"
    if list(faults[0].get("targets", {}).values()) != list(targets):
        yield f"its action {FAULT} has another target"
    account = cluster_arn.split(":")[4]
    if not re.fullmatch(rf"arn:aws[a-z-]*:iam::{account}:role/.+", template["roleArn"]):
        yield f"its role {template['roleArn']} is not one of account {account}"


def _other_than_deployed(template: Mapping[str, Any], properties: Mapping[str, Any]) -> Iterator[str]:
    """*properties*: as the stack has them."""
    if not properties:
        yield f"no stack made it together with its role {template['roleArn']}"
        return
    deployed = {name: one.get("Parameters", {}) for name, one in properties["Actions"].items()}
    if set(template["actions"]) != set(deployed):
        yield f"its actions are {', '.join(template['actions'])}, and were deployed as {', '.join(deployed)}"
        return
    for name, one in template["actions"].items():
        found, as_deployed = one.get("parameters", {}), deployed[name]
        if one["actionId"] in (FAULT, _WAIT) and found != as_deployed:
            yield f"its action {name} has the parameters {found}, and was deployed with {as_deployed}"


def _not_safe(template: Mapping[str, Any], deployment: str, region: str, own: set[str]) -> Iterator[str]:
    """The *own* alarms of the pair that every drill asserts first, and the one that stops it."""
    actions = template["actions"]
    first = [
        actions[name] for one in actions.values() if one["actionId"] == FAULT for name in one.get("startAfter", ())
    ]
    asserted = {
        _own_alarm(deployment, arn)
        for one in first
        if one["actionId"] == _ASSERT and one["parameters"].get("alarmStates") == "OK"
        for arn in one["parameters"]["alarmArns"].split(",")
    }
    needed = {one for one in own - {PEERING_LOST} if one.startswith((CLUSTER_DOWN, "peering-", "monitor-no-data"))}
    if needed - asserted:
        yield f"its fault begins without the assertion that these alarms are OK: {', '.join(sorted(needed - asserted))}"
    stops = {_own_alarm(deployment, one["value"]) for one in template["stopConditions"] if one["source"] != "none"}
    for one in sorted({one for one in own if one.startswith(CLUSTER_DOWN)} - {f"{CLUSTER_DOWN}{region}"} - stops):
        yield f"alarm {one} does not stop it"


def _own_alarm(deployment: str, arn: str) -> str:
    return own_alarm(deployment, arn.split(":")[3], arn.split(":", 6)[6])


_ISO = re.compile(r"PT(?=[0-9])(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+)S)?")


def _seconds(duration: str) -> float:
    """Of a duration as FIS has it."""
    found = _ISO.fullmatch(duration)
    hours, minutes, seconds = (int(one or 0) for one in found.groups()) if found else (0, 0, 0)
    return 3600.0 * hours + 60.0 * minutes + seconds
