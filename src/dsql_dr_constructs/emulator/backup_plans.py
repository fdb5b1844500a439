"""Backup plans, their selections, and which of their rules begin a job in a minute.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
"""

from __future__ import annotations

import base64
import copy
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from .backup_records import (
    BackupError,
    Where,
    checked_lifecycle,
    filled,
    invalid,
    is_arn,
    not_found,
    page,
    refused,
    retention,
)
from .backup_schedule import Schedule
from .backup_vaults import NAME, Asked
from .clock import MINUTE

DEFAULT_SCHEDULE = "cron(0 5 ? * * *)"
DEFAULT_START_WINDOW, DEFAULT_COMPLETION_WINDOW = 480, 10_080
"""Minutes: 8 hours and 7 days."""
SHORTEST_START_WINDOW = 60
_RULE_NAME = re.compile(r"[a-zA-Z0-9\-_.]{1,50}")


@dataclass
class Selection:
    """What a plan backs up, and with which role."""

    asked: dict[str, Any]
    created: float
    request_id: str | None = None
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))

    def selects(self, arn: str, tags: dict[str, str]) -> bool:
        """Whether it has this resource; with conditions on tags, any of them is enough."""
        named, excluded = (self.asked.get(one) or [] for one in ("Resources", "NotResources"))
        conditions = self.asked.get("ListOfTags") or []
        selected = any(fnmatchcase(arn, one) for one in named)
        selected |= any(tags.get(one["ConditionKey"]) == one["ConditionValue"] for one in conditions)
        return selected and not any(fnmatchcase(arn, one) for one in excluded)


@dataclass
class Plan:
    """A plan and its present version."""

    where: Where
    created: float
    document: dict[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    request_id: str | None = None
    executed: float | None = None
    selections: dict[str, Selection] = field(default_factory=dict)
    version: str = field(default_factory=lambda: _new_version())
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        account, region = self.where
        return f"arn:aws:backup:{region}:{account}:backup-plan:{self.identifier}"

    def creator(self, rule: dict[str, Any]) -> dict[str, Any]:
        """What its jobs and their recovery points have as CreatedBy."""
        return {
            "BackupPlanId": self.identifier,
            "BackupPlanArn": self.arn,
            "BackupPlanName": self.document["BackupPlanName"],
            "BackupPlanVersion": self.version,
            "BackupRuleId": rule["RuleId"],
            "BackupRuleName": rule["RuleName"],
            "BackupRuleCron": rule["ScheduleExpression"],
            "BackupRuleTimezone": rule["ScheduleExpressionTimezone"],
        }

    def due(self, minute: float) -> list[dict[str, Any]]:
        """The rules that begin a job at *minute*.

        Of rules whose start windows overlap, only the one with the longest retention does.
        """
        rules = self.document["Rules"]
        here = [rule for rule in rules if _schedule(rule).is_due(minute)]
        return [rule for rule in here if not any(self._outlasts(other, rule, minute) for other in rules)]

    def _outlasts(self, other: dict[str, Any], rule: dict[str, Any], minute: float) -> bool:
        rules = self.document["Rules"]
        mine, theirs = retention(rule["Lifecycle"]), retention(other["Lifecycle"])
        first_of_equals = theirs == mine and rules.index(other) < rules.index(rule)
        if other is rule or not (theirs > mine or first_of_equals):
            return False
        # theirs begins before my window ends, and ends after mine begins
        after, before = minute - other["StartWindowMinutes"] * MINUTE, minute + rule["StartWindowMinutes"] * MINUTE
        return _schedule(other).is_due_between(after, before)


class Plans:
    """The plans of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch, on the emulator's clock.
        untrusted: Why AWS Backup cannot assume a role, or None.
    """

    def __init__(self, now: Callable[[], float], untrusted: Callable[[str], str | None]) -> None:
        self._now, self._untrusted = now, untrusted
        self._plans: dict[str, Plan] = {}

    def __iter__(self) -> Iterator[Plan]:
        return iter(list(self._plans.values()))

    def find(self, where: Where, identifier: str) -> Plan:
        plan = self._plans.get(identifier)
        if not plan or plan.where != where:
            raise not_found("backup plan", identifier)
        return plan

    def create(self, where: Where, asked: Asked) -> dict[str, Any]:
        document = _checked(asked["BackupPlan"])
        for one in self:
            if one.where == where and _without_ids(one.document) == _without_ids(document):
                raise BackupError(
                    "AlreadyExistsException",
                    f"Backup plan with the same plan document already exists: {one.identifier}",
                )
        plan = Plan(
            where, self._now(), document, dict(asked.get("BackupPlanTags") or {}), asked.get("CreatorRequestId")
        )
        self._plans[plan.identifier] = plan
        return _named(plan) | {"CreationDate": plan.created}

    def get(self, where: Where, asked: Asked) -> dict[str, Any]:
        plan = self.find(where, asked["BackupPlanId"])
        more = {"LastExecutionDate": plan.executed, "CreatorRequestId": plan.request_id}
        return _named(plan) | {"BackupPlan": plan.document, "CreationDate": plan.created} | filled(more)

    def list(self, where: Where, asked: Asked) -> dict[str, Any]:
        found = [
            _named(one)
            | {"BackupPlanName": one.document["BackupPlanName"], "CreationDate": one.created}
            | filled({"LastExecutionDate": one.executed})
            for one in self
            if one.where == where
        ]
        return page(asked, "BackupPlansList", found)

    def update(self, where: Where, asked: Asked) -> dict[str, Any]:
        plan = self.find(where, asked["BackupPlanId"])
        plan.document, plan.version = _checked(asked["BackupPlan"]), _new_version()
        return _named(plan) | {"CreationDate": plan.created}

    def delete(self, where: Where, asked: Asked) -> dict[str, Any]:
        """Source of the sentence: https://github.com/hashicorp/terraform-provider-aws/issues/10414"""
        plan = self.find(where, asked["BackupPlanId"])
        if plan.selections:
            raise refused("Related backup plan selections must be deleted prior to backup plan deletion")
        del self._plans[plan.identifier]
        return _named(plan) | {"DeletionDate": self._now()}

    # selections

    def create_selection(self, where: Where, asked: Asked) -> dict[str, Any]:
        try:
            plan = self.find(where, asked["BackupPlanId"])
        except BackupError as error:
            raise invalid(error.message) from None  # this call has no ResourceNotFoundException
        wanted = asked["BackupSelection"]
        name, role = wanted["SelectionName"], wanted["IamRoleArn"]
        if not _RULE_NAME.fullmatch(name):
            raise invalid(f"SelectionName is {name}: 1 to 50 letters, digits, -, _ and . are allowed.")
        if any(one.asked["SelectionName"] == name for one in plan.selections.values()):
            raise BackupError(
                "AlreadyExistsException", f"Backup plan {plan.identifier} has a selection {name} already."
            )
        if not any(wanted.get(one) for one in ("Resources", "ListOfTags", "Conditions")):
            raise invalid("A selection needs Resources, ListOfTags or Conditions.")
        if untrusted := self._untrusted(role):
            raise invalid(untrusted)
        selection = Selection(copy.deepcopy(wanted), self._now(), asked.get("CreatorRequestId"))
        plan.selections[selection.identifier] = selection
        return _identified(plan, selection)

    def get_selection(self, where: Where, asked: Asked) -> dict[str, Any]:
        plan, selection = self._selection(where, asked)
        more = filled({"CreatorRequestId": selection.request_id})
        return _identified(plan, selection) | {"BackupSelection": selection.asked} | more

    def list_selections(self, where: Where, asked: Asked) -> dict[str, Any]:
        plan = self.find(where, asked["BackupPlanId"])
        found = [
            _identified(plan, one) | {key: one.asked[key] for key in ("SelectionName", "IamRoleArn")}
            for one in plan.selections.values()
        ]
        return page(asked, "BackupSelectionsList", found)

    def delete_selection(self, where: Where, asked: Asked) -> None:
        plan, selection = self._selection(where, asked)
        del plan.selections[selection.identifier]

    def _selection(self, where: Where, asked: Asked) -> tuple[Plan, Selection]:
        plan, identifier = self.find(where, asked["BackupPlanId"]), asked["SelectionId"]
        if identifier not in plan.selections:
            raise not_found("backup selection", identifier)
        return plan, plan.selections[identifier]


def _named(plan: Plan) -> dict[str, Any]:
    return {"BackupPlanId": plan.identifier, "BackupPlanArn": plan.arn, "VersionId": plan.version}


def _identified(plan: Plan, selection: Selection) -> dict[str, Any]:
    return {
        "SelectionId": selection.identifier,
        "BackupPlanId": plan.identifier,
        "CreationDate": selection.created,
    }


def _new_version() -> str:
    return base64.b64encode(str(uuid.uuid4()).encode()).decode()


def _without_ids(document: dict[str, Any]) -> dict[str, Any]:
    rules = [{key: value for key, value in rule.items() if key != "RuleId"} for rule in document["Rules"]]
    return {**document, "Rules": rules}


def _schedule(rule: dict[str, Any]) -> Schedule:
    return _checked_schedule(rule["ScheduleExpression"], rule["ScheduleExpressionTimezone"])


@cache
def _checked_schedule(expression: str, zone: str) -> Schedule:
    return Schedule(expression, zone)


def _checked(asked: dict[str, Any]) -> dict[str, Any]:
    """A plan's document, with what is the default where nothing was asked for.

    Raises:
        BackupError: it is no plan.
    """
    if not asked.get("BackupPlanName") or not asked.get("Rules"):
        raise BackupError("MissingParameterValueException", "A backup plan needs BackupPlanName and Rules.")
    names = [rule["RuleName"] for rule in asked["Rules"]]
    if len(set(names)) < len(names):
        raise invalid(f"Two rules of a plan have the same name: {', '.join(names)}.")
    return {**copy.deepcopy(asked), "Rules": [_checked_rule(rule) for rule in copy.deepcopy(asked["Rules"])]}


def _checked_rule(rule: dict[str, Any]) -> dict[str, Any]:
    name, vault = rule["RuleName"], rule["TargetBackupVaultName"]
    if not _RULE_NAME.fullmatch(name):
        raise invalid(f"RuleName is {name}: 1 to 50 letters, digits, -, _ and . are allowed.")
    if not NAME.fullmatch(vault):
        raise invalid(f"Error in rule {name} : Backup vault name {vault} is not valid")
    start = int(rule.get("StartWindowMinutes") or DEFAULT_START_WINDOW)
    complete = int(rule.get("CompletionWindowMinutes") or max(DEFAULT_COMPLETION_WINDOW, start + 60))
    if start < SHORTEST_START_WINDOW:
        raise invalid(f"Error in rule {name} : StartWindowMinutes is {start}, not {SHORTEST_START_WINDOW} or more.")
    if complete < start + 60:
        raise invalid(f"Error in rule {name} : CompletionWindowMinutes must be 60 more than StartWindowMinutes.")
    copies = [{**one, "Lifecycle": checked_lifecycle(one.get("Lifecycle"))} for one in rule.get("CopyActions") or []]
    for one in copies:
        if not is_arn(one.get("DestinationBackupVaultArn"), "backup-vault:"):
            raise invalid(f"Error in rule {name} : DestinationBackupVaultArn must be the ARN of a backup vault.")
    checked = {
        "RuleId": str(uuid.uuid4()),
        "ScheduleExpression": DEFAULT_SCHEDULE,
        "ScheduleExpressionTimezone": "Etc/UTC",
        **rule,
        "StartWindowMinutes": start,
        "CompletionWindowMinutes": complete,
        "Lifecycle": checked_lifecycle(rule.get("Lifecycle")),
        "CopyActions": copies,
    }
    _schedule(checked)
    return checked
