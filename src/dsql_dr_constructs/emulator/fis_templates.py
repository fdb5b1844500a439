"""Experiment templates of AWS FIS.

Source: https://docs.aws.amazon.com/fis/latest/APIReference/API_CreateExperimentTemplate.html
Source: https://docs.aws.amazon.com/fis/latest/userguide/experiment-templates.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from . import service_model
from .backup_records import Where, is_arn
from .fis_actions import ACTIONS, CLUSTER, is_alarm
from .fis_records import Asked, FisError, Template, invalid, new_identifier, not_found, page

_MOST_STOP_CONDITIONS, _MOST_ACTIONS = 5, 20
_ALARM = "aws:cloudwatch:alarm"


class FisTemplates:
    """The templates of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch.
        target_key: Key of the target of the DSQL action.
    """

    def __init__(self, now: Callable[[], float], target_key: str) -> None:
        self._now, self._target_key = now, target_key
        self._templates: dict[str, Template] = {}
        self._by_token: dict[tuple[Where, str], tuple[Asked, str]] = {}

    def __iter__(self) -> Iterator[Template]:
        return iter(list(self._templates.values()))

    def create(self, where: Where, asked: Asked) -> Asked:
        _refuse_shape("CreateExperimentTemplate", asked)
        token = asked["clientToken"]
        before, identifier = self._by_token.get((where, token), (asked, ""))
        if before != asked:
            raise FisError("ConflictException", f"The client token {token} was used with other parameters.")
        if identifier in self._templates:
            return {"experimentTemplate": described(self._templates[identifier])}
        kept = {name: one for name, one in asked.items() if name not in ("clientToken", "tags")}
        self._refuse(where, kept := _with_defaults(kept))
        now, tags = self._now(), dict(asked.get("tags") or {})
        made = Template(where, new_identifier("EXT"), kept, tags, now, now)
        self._templates[made.identifier] = made
        self._by_token[where, token] = (asked, made.identifier)
        return {"experimentTemplate": described(made)}

    def get(self, where: Where, asked: Asked) -> Asked:
        return {"experimentTemplate": described(self.find(where, asked["id"]))}

    def list(self, where: Where, asked: Asked) -> Asked:
        names = ("id", "arn", "description", "creationTime", "lastUpdateTime", "tags")
        found = [described(one) for one in self._templates.values() if one.where == where]
        return page(asked, "experimentTemplates", [{name: one[name] for name in names} for one in found])

    def update(self, where: Where, asked: Asked) -> Asked:
        _refuse_shape("UpdateExperimentTemplate", asked)
        template = self.find(where, asked["id"])
        options = {**template.asked["experimentOptions"], **asked.get("experimentOptions", {})}
        changes = {name: one for name, one in asked.items() if name != "id"}
        new = _with_defaults({**template.asked, **changes, "experimentOptions": options})
        self._refuse(where, new)
        template.asked, template.updated = new, self._now()
        return {"experimentTemplate": described(template)}

    def delete(self, where: Where, asked: Asked) -> Asked:
        template = self.find(where, asked["id"])
        del self._templates[template.identifier]
        return {"experimentTemplate": described(template)}

    def find(self, where: Where, identifier: str) -> Template:
        """The template with this id.

        Raises:
            FisError: there is none.
        """
        template = self._templates.get(identifier)
        if not template or template.where != where:
            raise not_found("experiment template", identifier)
        return template

    def _refuse(self, where: Where, asked: Asked) -> None:
        """Raise FisError for what no model says; AWS's own sentences are not documented, but for log groups."""
        if not re.fullmatch(r"arn:[\w-]+:iam::\d{12}:role/.+", asked["roleArn"]):
            raise invalid(f"roleArn is {asked['roleArn']}: the ARN of an IAM role is needed.")
        if asked["experimentOptions"]["accountTargeting"] != "single-account":
            raise invalid("accountTargeting is multi-account: the local AWS emulator has one account, single-account.")
        _refuse_stop_conditions(asked["stopConditions"])
        for name, target in asked["targets"].items():
            _refuse_target(where, name, target)
        if not 1 <= len(asked["actions"]) <= _MOST_ACTIONS:
            raise invalid(f"The template has {len(asked['actions'])} actions: 1 to {_MOST_ACTIONS} are allowed.")
        for name, action in asked["actions"].items():
            self._refuse_action(name, action, asked)
        _refuse_cycle(asked["actions"])
        logs = asked.get("logConfiguration") or {}
        group = (logs.get("cloudWatchLogsConfiguration") or {}).get("logGroupArn")
        if group and not (re.fullmatch(r"arn:[\w-]+:logs:[\w-]+:\d{12}:log-group:[^:]+:\*", group)):
            # Source: https://github.com/hashicorp/terraform-provider-aws/pull/35941
            raise invalid(f'The logGroupArn "{group}" in cloudWatchLogsLogConfiguration is not valid.')
        if logs and logs["logSchemaVersion"] not in (1, 2):
            raise invalid(f"logSchemaVersion is {logs['logSchemaVersion']}: 1 and 2 are allowed.")

    def _refuse_action(self, name: str, action: Asked, asked: Asked) -> None:
        known = ACTIONS.get(action["actionId"])
        if not known:
            raise invalid(f"Action {name} has actionId {action['actionId']}: {', '.join(ACTIONS)} are known here.")
        parameters = action.get("parameters") or {}
        if set(parameters) != set(known.parameters):
            given, needed = sorted(parameters), sorted(known.parameters)
            raise invalid(f"Action {name} has parameters {given}: {known.identifier} takes {needed}, all required.")
        for key, value in parameters.items():
            try:
                known.parameters[key][0](value)
            except FisError as error:
                raise invalid(f"Action {name}: {error.message}") from None
        needs, targets = known.targets(self._target_key), action.get("targets") or {}
        if set(targets) != set(needs):
            raise invalid(f"Action {name} has targets {sorted(targets)}: {known.identifier} takes {sorted(needs)}.")
        for one in targets.values():
            if one not in asked["targets"]:
                raise invalid(f"Action {name} has target {one}, which the template does not define.")
        for one in action.get("startAfter") or []:
            if one not in asked["actions"]:
                raise invalid(f"Action {name} has startAfter {one}, which the template does not define.")


def described(template: Template) -> Asked:
    """As GetExperimentTemplate answers."""
    return {
        "id": template.identifier,
        "arn": template.arn,
        **template.asked,
        "creationTime": template.created,
        "lastUpdateTime": template.updated,
        "tags": template.tags,
        "targetAccountConfigurationsCount": 0,
    }


def _with_defaults(asked: Asked) -> Asked:
    options = {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"}
    given = {"targets": {}, **asked, "experimentOptions": {**options, **(asked.get("experimentOptions") or {})}}
    return {name: one for name, one in given.items() if one or name not in ("logConfiguration",)}


def _refuse_shape(call: str, asked: Asked) -> None:
    if wrong := service_model.violation(asked, service_model.input_shape("fis", call)):
        raise invalid(wrong)


def _refuse_stop_conditions(conditions: list[Asked]) -> None:
    if not 1 <= len(conditions) <= _MOST_STOP_CONDITIONS:
        count = len(conditions)
        raise invalid(f"The template has {count} stop conditions: 1 to {_MOST_STOP_CONDITIONS} are allowed.")
    for one in conditions:
        source, value = one["source"], one.get("value")
        if source == "none" and (value or len(conditions) > 1):
            raise invalid("A stop condition with source none has no value, and is the only one.")
        if source not in ("none", _ALARM):
            raise invalid(f"A stop condition has source {source}: none and {_ALARM} are allowed.")
        if source == _ALARM and not is_alarm(value or ""):
            raise invalid(f"A stop condition has value {value}: the ARN of a CloudWatch alarm is needed.")


def _refuse_target(where: Where, name: str, target: Asked) -> None:
    """Source: https://docs.aws.amazon.com/fis/latest/userguide/targets.html"""
    arns, tags = target.get("resourceArns"), target.get("resourceTags")
    if target["resourceType"] != CLUSTER:
        raise invalid(f"Target {name} has resourceType {target['resourceType']}: {CLUSTER} is known here.")
    if bool(arns) == bool(tags):
        raise invalid(f"Target {name} needs either resourceArns or resourceTags.")
    if target.get("filters"):
        raise invalid(f"Target {name} has filters: the local AWS emulator has none, and AWS none with resourceArns.")
    if target.get("parameters"):
        raise invalid(f"Target {name} has parameters: {CLUSTER} has none.")
    for arn in arns or []:
        if not is_arn(arn, "cluster/") or arn.split(":")[2:5] != ["dsql", where.region, where.account]:
            needed = f"an Aurora DSQL cluster of this account in {where.region}"
            raise invalid(f"Target {name} has {arn}: the ARN of {needed} is needed.")
    mode = re.fullmatch(r"ALL|COUNT\(([1-9]\d*)\)|PERCENT\(([1-9]\d?|100)\)", target["selectionMode"])
    if not mode:
        raise invalid(f"Target {name} has selectionMode {target['selectionMode']}: ALL, COUNT(n) or PERCENT(n).")


def _refuse_cycle(actions: Asked) -> None:
    done: set[str] = set()
    before = {name: set(one.get("startAfter") or []) for name, one in actions.items()}
    while ready := {name for name in actions if name not in done and before[name] <= done}:
        done |= ready
    if left := sorted(set(actions) - done):
        raise invalid(f"The actions {', '.join(left)} start after one another, and so never.")


def selected(arns: list[str], mode: str) -> list[str]:
    """What of *arns* a selection mode takes; AWS takes it at random, the emulator from the beginning."""
    found: Any = re.fullmatch(r"(\w+)(?:\((\d+)\))?", mode)
    if found[1] == "ALL":
        return arns
    count = int(found[2]) if found[1] == "COUNT" else len(arns) * int(found[2]) // 100
    return arns[: max(1, count)]
