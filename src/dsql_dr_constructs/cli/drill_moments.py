"""What a drill has seen, as moments in their order, and what has not recovered yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..runtime.health_monitor.metric_names import HEALTHY
from .drill_checks import Plan
from .drill_result import Kind, Moment
from .drill_sources import ALARMS, LOG, Seen, Where, alarm_of
from .drill_template import FAULT
from .drill_times import DrillTime, clock


class Fault:
    """When connections failed, by the experiment's own times; an action that only failed has made none fail."""

    def __init__(self, experiment: Mapping[str, Any], seen: Seen) -> None:
        actions: list[dict[str, Any]] = list(experiment.get("actions", {}).values())
        begun = [
            one
            for one in actions
            if one["actionId"] == FAULT and one.get("startTime") and (seen.ran or one["state"]["status"] != "failed")
        ]
        self.began: float | None = begun[0]["startTime"].timestamp() if begun else None
        """None: no connection was to fail."""
        ended = begun and (begun[0].get("endTime") or experiment.get("endTime"))
        self.ended: float | None = ended.timestamp() if ended else None


def moments(plan: Plan, experiment: Mapping[str, Any], seen: Seen, time: DrillTime) -> list[Moment]:
    """In the order of their times."""
    return sorted(_moments(plan, experiment, seen, time), key=lambda one: one.at)


def _moments(plan: Plan, experiment: Mapping[str, Any], seen: Seen, time: DrillTime) -> Iterator[Moment]:
    target, fault = plan.request.region, Fault(experiment, seen)

    def moment(at: Any, kind: Kind, region: str, text: str) -> Moment:
        return Moment(at=time.of_aws(at), kind=kind, region=region, text=text)

    if experiment.get("startTime"):
        yield moment(experiment["startTime"], "started", target, f"Experiment {experiment['id']} began.")
    if fault.began is not None:
        text = f"{plan.share} % of the connections to the cluster in {target} begin to fail."
        yield moment(fault.began, "fault", target, text)
    if fault.ended is not None:
        yield moment(fault.ended, "fault-ended", target, f"Connections to the cluster in {target} fail no longer.")
    for region, runs in seen.verdicts.items():
        before = HEALTHY
        for at, verdict in runs:
            if verdict != before:
                kind: Kind = "recovered" if verdict == HEALTHY else "verdict"
                yield moment(at, kind, region, f"The monitor in {region} reports {verdict}.")
            before = verdict
    for region, at in seen.bad_datapoints.items():
        minute = clock(time.of_aws(at))[:5]
        text = f"The first bad datapoint of the cluster in {target}, from {region}, is in the minute of {minute} UTC."
        yield moment(at, "datapoint", region, text)
    for at, (region, what), state in seen.changes:
        if state in ("ALARM", "OK"):
            kind = "alarm" if state == "ALARM" else "ok"
            yield moment(at, kind, region, f"Alarm {what} in {region} is in {state}.")
    for one in seen.notifications:
        what = alarm_of(plan.request.deployment, one.alarm, one.region)
        if one.state in ("ALARM", "OK"):
            kind = "notification" if one.state == "ALARM" else "ok-notification"
            text = f"Notification in {one.region}: {one.state} of {what}."
            yield moment(one.at, kind, one.region, text)


def not_recovered(plan: Plan, seen: Seen, fault_ended: float) -> list[str]:
    """Sentences: what is not as before."""
    unknown = [f"{one} So it is not known whether the pair is as before." for one in seen.not_known()]
    return [*unknown, *_not_healthy(plan, seen, fault_ended), *_not_ok(seen), *_not_notified(plan, seen)]


def _not_healthy(plan: Plan, seen: Seen, fault_ended: float) -> Iterator[str]:
    for region in plan.observers:
        if (LOG, region) in seen.unread:
            continue
        after = [verdict for at, verdict in seen.verdicts[region] if at >= fault_ended]
        if not after:
            yield f"The monitor in {region} has not run since the fault ended."
        elif after[-1] != HEALTHY:
            yield f"The monitor in {region} reports {after[-1]}."


def _not_ok(seen: Seen) -> Iterator[str]:
    for (region, what), state in seen.states.items():
        if state != "OK" and (ALARMS, region) not in seen.unread:
            yield f"Alarm {what} in {region} is in {state}."


def _not_notified(plan: Plan, seen: Seen) -> Iterator[str]:
    """Each state of an alarm that notifies, as often as the alarm went into it."""
    arrived: dict[tuple[Where, str], int] = {}
    for one in seen.notifications:
        where = (one.region, alarm_of(plan.request.deployment, one.alarm, one.region))
        arrived[where, one.state] = arrived.get((where, one.state), 0) + 1
    for _, where, state in seen.changes:
        if state not in ("ALARM", "OK") or where[0] not in seen.subscribed:
            continue
        if arrived.get((where, state), 0) < 1:
            yield f"No notification arrived in {where[0]} that alarm {where[1]} is in {state}."
        else:
            arrived[where, state] -= 1
