"""Alarms that notify: which there are, and how one is raised and set back without hiding a real fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..physical_names import (
    CLUSTER_DOWN,
    EVACUATED,
    MONITORING_NOT_WORKING,
    NOTIFICATIONS_BROKEN,
    PARAMETERS_CHANGED,
    PEERING_LOST,
    RECOVERY_POINT_AGE,
)
from .aws_session import Client
from .pair_alarms import deployed_alarms

TEST = "TEST of notifications, nothing is wrong and there is nothing to do"
"""Begin of the reason of a state that a test has set, by which a later test knows it."""

_SAME_TRANSITION = 5.0
"""Seconds by which AWS's two timestamps of one change of state may differ. A new reason without a new transition has
notified nobody."""

_NEVER_SILENT = (
    *(CLUSTER_DOWN, PEERING_LOST, MONITORING_NOT_WORKING, PARAMETERS_CHANGED, NOTIFICATIONS_BROKEN),
    RECOVERY_POINT_AGE,
)
"""Begins of alarms that notify the topic for faults, if no other."""

_FOR_ROUTE_53 = ("cluster-health-", EVACUATED)


@dataclass(frozen=True, kw_only=True)
class NotifyingAlarm:
    """An alarm with enabled actions.

    Args:
        region: Where it is.
        what: What it is for, as in the documents: ``peering-lost``.
        name: Its whole name.
        alarm_actions: ARNs of what ALARM runs.
        ok_actions: ARNs of what OK runs.
        children: Names of the alarms in its rule; none of a metric alarm.
        composite: Whether it keeps a state that was set.
        state: That it was found in.
        reason: Of that state.
        since: Of that state.
    """

    region: str
    what: str
    name: str
    alarm_actions: Sequence[str]
    ok_actions: Sequence[str]
    children: Sequence[str]
    composite: bool
    state: str
    reason: str
    since: datetime | None

    @property
    def left_by_a_test(self) -> bool:
        """Whether a test raised it."""
        return self.state == "ALARM" and self.reason.startswith(TEST)

    def __str__(self) -> str:
        return f"{self.what} in {self.region}"


def notifying_alarms(deployment: str, region: str, client: Client) -> list[NotifyingAlarm]:
    """Those of *deployment* in *region*, metric alarms first."""
    found = dict(deployed_alarms(deployment, region, client("cloudwatch", region)))
    names = [one["AlarmName"] for one in found.values()]
    notifying = [
        _alarm(region, what, one, names)
        for what, one in found.items()
        if one.get("ActionsEnabled", True) and one.get("AlarmActions")
    ]
    return sorted(notifying, key=lambda one: one.composite)


def _alarm(region: str, what: str, found: Mapping[str, Any], names: Iterable[str]) -> NotifyingAlarm:
    rule = found.get("AlarmRule", "")
    return NotifyingAlarm(
        region=region,
        what=what,
        name=found["AlarmName"],
        alarm_actions=found["AlarmActions"],
        ok_actions=found.get("OKActions", []),
        children=[one for one in names if _names(rule, one)],
        composite=bool(rule),
        state=found["StateValue"],
        reason=found.get("StateReason", ""),
        since=found.get("StateUpdatedTimestamp"),
    )


def _names(rule: str, alarm: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(alarm)}(?![\w-])", rule) is not None


def silent_alarms(deployment: str, regions: Iterable[str], client: Client) -> tuple[list[str], list[str]]:
    """Sentences about alarms that notify nobody, or not of OK.

    Returns:
        Those that should notify, and those that have no topic.
    """
    wrong, notes = [], []
    found = {one: dict(_meant_to_notify(deployment, one, client)) for one in regions}
    warned = any(
        one.get("AlarmActions") or one.get("OKActions")
        for alarms in found.values()
        for what, one in alarms.items()
        if not what.startswith(_NEVER_SILENT)
    )
    for region, alarms in found.items():
        without_topic = []
        for what, one in alarms.items():
            missing = [state for state, of in (("ALARM", "AlarmActions"), ("OK", "OKActions")) if not one.get(of)]
            if not (warned or what.startswith(_NEVER_SILENT)):
                without_topic.append(what)
            elif missing:
                wrong.append(
                    f"Alarm {what} in {region} notifies nobody of {' and of '.join(missing)}, since it has no "
                    "action for it: bring the monitoring stack of that Region back to its template."
                )
            elif not one.get("ActionsEnabled", True):
                wrong.append(
                    f"Alarm {what} in {region} notifies nobody, since its actions are disabled. Enable them: aws "
                    f"cloudwatch enable-alarm-actions --region {region} --alarm-names {one['AlarmName']}"
                )
        if without_topic:
            notes.append(
                f"Warnings in {region} notify nobody, since the pair has no topic for them (warning_emails): "
                f"{', '.join(without_topic)}."
            )
    return wrong, notes


def _meant_to_notify(deployment: str, region: str, client: Client) -> Iterator[tuple[str, dict[str, Any]]]:
    """Without the causes of composite alarms, and the alarms for Route 53."""
    found = dict(deployed_alarms(deployment, region, client("cloudwatch", region)))
    rules = " ".join(one.get("AlarmRule", "") for one in found.values())
    for what, one in found.items():
        if not (what.startswith(_FOR_ROUTE_53) or _names(rules, one["AlarmName"])):
            yield what, one


def set_state(alarm: NotifyingAlarm, state: str, reason: str, client: Client) -> float:
    """Time by AWS's clock, in seconds since 1970.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_SetAlarmState.html
    """
    cloudwatch = client("cloudwatch", alarm.region, attempts=5)
    answer = cloudwatch.set_alarm_state(AlarmName=alarm.name, StateValue=state, StateReason=reason[:1023])
    return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()


def set_back(alarm: NotifyingAlarm, reason: str, since: float, client: Client) -> str:
    """Set *alarm* to OK if it is in ALARM by a test; empty if there is no real fault of its kind.

    CloudWatch evaluates a metric alarm again and raises it if its fault is real. A composite alarm it evaluates only
    once a child changes, so one whose child is in ALARM is raised again here, after OK: a fault that began during a
    test was not notified as one. The children are read last, since one of them can change at any time before.

    Args:
        alarm: As it was found before the test.
        reason: Of the test.
        since: When the test raised it, in seconds since 1970.
        client: Gives clients.

    Returns:
        A sentence about the real fault.
    """
    found = _described([alarm.name], alarm, client)
    if not found:  # it was deleted meanwhile
        return ""
    state, now = found[0]["StateValue"], found[0].get("StateReason", "")
    transitioned = found[0].get("StateTransitionedTimestamp")
    notified = transitioned is None or transitioned.timestamp() > since + _SAME_TRANSITION
    if state == "ALARM" and now != reason and notified:
        return f"Alarm {alarm} was raised by CloudWatch during the test, and stays in ALARM: {now}"
    if state != "ALARM" and found[0].get("StateUpdatedTimestamp") != alarm.since:  # else it may be an old answer
        return ""
    set_state(alarm, "OK", f"End of the test. {reason}", client)
    return _raised_again(alarm, _described(alarm.children, alarm, client), client)


def raise_hidden_fault(alarm: NotifyingAlarm, client: Client) -> str:
    """Raise *alarm*, which was set to OK, if a child of it is in ALARM; a sentence if it is.

    What `set_back` read may have been old.
    """
    found = _described([alarm.name, *alarm.children], alarm, client) if alarm.children else []
    by_name = {one["AlarmName"]: one for one in found}
    own = by_name.pop(alarm.name, {})
    return _raised_again(alarm, by_name.values(), client) if own.get("StateValue") == "OK" else ""


def _raised_again(alarm: NotifyingAlarm, children: Iterable[Mapping[str, Any]], client: Client) -> str:
    causes = [one for one in children if one["StateValue"] == "ALARM"]
    if not causes:
        return ""
    why = "; ".join(f"{one['AlarmName']} is in ALARM: {one.get('StateReason', '')}" for one in causes)
    set_state(alarm, "ALARM", f"NO TEST, a real fault that began during a test of notifications. {why}", client)
    return f"Alarm {alarm} was raised again, since a real fault began during the test. {why}"


def is_set(alarm: NotifyingAlarm, reason: str, client: Client) -> bool:
    """Whether it is in ALARM by *reason*."""
    found = _described([alarm.name], alarm, client)
    return any(one["StateValue"] == "ALARM" and one.get("StateReason") == reason for one in found)


def _described(names: Sequence[str], alarm: NotifyingAlarm, client: Client) -> list[dict[str, Any]]:
    if not names:
        return []
    answer = client("cloudwatch", alarm.region).describe_alarms(
        AlarmNames=list(names), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    return [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
