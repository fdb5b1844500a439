"""The actions of AWS FIS that the emulator has, and what their parameters may be.

Source: https://docs.aws.amazon.com/fis/latest/userguide/fis-actions-reference.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .backup_records import Where
from .fis_records import invalid, not_found

WAIT = "aws:fis:wait"
ASSERT = "aws:cloudwatch:assert-alarm-state"
FAILURE = "aws:dsql:cluster-connection-failure"
CLUSTER = "aws:dsql:cluster"
"""The resource type of a target."""

_MINUTE, _LONGEST = 60.0, 12 * 3_600.0
_DURATION = re.compile(r"P(?!$)(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
_STATES = ("OK", "ALARM", "INSUFFICIENT_DATA")
_MOST_ALARMS = 5


def seconds(duration: str) -> float:
    """Length of an ISO 8601 duration of an action.

    Raises:
        FisError: it is no such duration, or not between a minute and 12 hours.
    """
    found = _DURATION.fullmatch(duration)
    parts = [int(one or 0) for one in found.groups()] if found else [0, 0, 0, 0]
    length = float(((24 * parts[0] + parts[1]) * 60 + parts[2]) * 60 + parts[3])
    if not _MINUTE <= length <= _LONGEST:
        raise invalid(
            f"duration is {duration}: a duration in ISO 8601 format from one minute (PT1M) to 12 hours (PT12H) is "
            "allowed."
        )
    return length


def percentage(text: str) -> int:
    """A share in percent.

    Raises:
        FisError: it is no whole number from 1 to 100.
    """
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= 100:
        raise invalid(f"percentage is {text}: 1 to 100 is allowed.")
    return int(text)


def alarm_arns(text: str) -> list[str]:
    """ARNs of up to five alarms, in *text* with commas.

    Raises:
        FisError: one is no ARN of an alarm, or there are more than five.
    """
    found = [one.strip() for one in text.split(",")]
    for one in found:
        if not is_alarm(one):
            raise invalid(f"alarmArns has {one!r}: ARNs of CloudWatch alarms are allowed.")
    if len(found) > _MOST_ALARMS:
        raise invalid(f"alarmArns has {len(found)} alarms: up to {_MOST_ALARMS} are allowed.")
    return found


def alarm_states(text: str) -> list[str]:
    """States of alarms, in *text* with commas.

    Raises:
        FisError: one is no state of an alarm.
    """
    found = [one.strip() for one in text.split(",")]
    for one in found:
        if one not in _STATES:
            raise invalid(f"alarmStates has {one!r}: {', '.join(_STATES)} are allowed.")
    return found


def is_alarm(arn: str) -> bool:
    return re.fullmatch(r"arn:[\w-]+:cloudwatch:[\w-]+:\d{12}:alarm:.+", arn) is not None


@dataclass(frozen=True)
class ActionType:
    """One of AWS FIS's actions: *parameters* with the check of each, all required, and the key of its target."""

    identifier: str
    description: str
    parameters: dict[str, tuple[Callable[[str], Any], str]]
    has_clusters: bool = False

    def targets(self, key: str) -> dict[str, Any]:
        return {key: {"resourceType": CLUSTER}} if self.has_clusters else {}

    def summary(self, where: Where, key: str) -> dict[str, Any]:
        return {
            "id": self.identifier,
            "arn": f"arn:aws:fis:{where.region}:{where.account}:action/{self.identifier}",
            "description": self.description,
            "targets": self.targets(key),
            "tags": {},
        }

    def described(self, where: Where, key: str) -> dict[str, Any]:
        parameters = {name: {"description": text, "required": True} for name, (_, text) in self.parameters.items()}
        return {**self.summary(where, key), "parameters": parameters}


_HOW_LONG = (seconds, "The duration, from one minute to 12 hours, in ISO 8601 format.")
ACTIONS = {
    one.identifier: one
    for one in (
        ActionType(WAIT, "Runs the AWS FIS wait action.", {"duration": _HOW_LONG}),
        ActionType(
            ASSERT,
            "Verifies that the specified alarms are in one of the specified alarm states.",
            {
                "alarmArns": (alarm_arns, "The ARNs of the alarms, separated by commas. You can specify up to five."),
                "alarmStates": (alarm_states, "The alarm states, separated by commas: OK, ALARM, INSUFFICIENT_DATA."),
            },
        ),
        ActionType(
            FAILURE,
            "Creates controlled connection failures in an Aurora DSQL cluster for a specified duration.",
            {"duration": _HOW_LONG, "percentage": (percentage, "The percentage (1-100) of calls to inject the fault.")},
            has_clusters=True,
        ),
    )
}


def action_type(identifier: str) -> ActionType:
    """The action with this id.

    Raises:
        FisError: the emulator has no such action.
    """
    if identifier not in ACTIONS:
        raise not_found("action", identifier)
    return ACTIONS[identifier]


def resource_type(identifier: str) -> dict[str, Any]:
    """The resource type of targets with this id.

    Raises:
        FisError: the emulator has no such type.
    """
    if identifier != CLUSTER:
        raise not_found("target resource type", identifier)
    return {"resourceType": CLUSTER, "description": "An Aurora DSQL cluster", "parameters": {}}
