"""What AWS says while a drill runs, read without a change to what the monitors measure: nothing is invoked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import alarm_prefix, monitor_name
from ..runtime.health_monitor import metric_names as names
from .aws_session import Client
from .drill_checks import Plan
from .drill_template import DrillError
from .drill_times import DrillTime
from .pair_alarms import deployed_alarms
from .subscriber import Notification, Subscriber

LOG, ALARMS, HISTORY, DATAPOINTS, QUEUE = "log", "alarms", "history", "datapoints", "queue"
Where = tuple[str, str]
"""Region, and what an alarm is for."""


@dataclass
class Seen:
    """All that has happened since the drill began, by AWS's own times."""

    verdicts: dict[str, list[tuple[float, str]]] = field(default_factory=dict)
    """Each run of each observer's monitor."""
    bad_datapoints: dict[str, float] = field(default_factory=dict)
    """The first of each observer."""
    changes: list[tuple[float, Where, str]] = field(default_factory=list)
    """Of alarms that notify: when, which, and the new state."""
    states: dict[Where, str] = field(default_factory=dict)
    """Of all alarms, now."""
    notifications: list[Notification] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    """Regions whose notifications are seen."""
    unread: dict[tuple[str, str], str] = field(default_factory=dict)
    """Sentences: why a source could not be read the last time, by what it is (`LOG`, ...) and Region."""
    ran: bool = False
    """Whether AWS FIS once said that the action which lets connections fail is running."""

    def not_known(self) -> list[str]:
        """Sentences: what has to be read to know whether the pair is as before, and could not be."""
        return [why for (what, _), why in self.unread.items() if what != DATAPOINTS]


class Sources:
    """Reads all of it from the begin each time, so that a call that failed once loses nothing.

    Args:
        plan: What is followed.
        client: Gives clients.
        time: The drill's clock.
        subscriber: The drill's own.
        seen: Takes what is read.
    """

    def __init__(self, plan: Plan, client: Client, time: DrillTime, subscriber: Subscriber, seen: Seen) -> None:
        self._plan = plan
        self._client = client
        self._time = time
        self._subscriber = subscriber
        self._since = time.now()
        self._log_groups: dict[str, str] = {}
        self._notifying: dict[str, dict[str, str]] = {}
        """What an alarm that notifies is for, by Region and its name."""
        self._seen = seen

    def read(self, fault_at: float | None) -> None:
        """What is known now; bad datapoints from *fault_at* on."""
        for region in self._plan.observers:
            with self._noted(LOG, region, f"What the monitor in {region} has logged"):
                self._seen.verdicts[region] = list(self._verdicts(region))
            with self._noted(ALARMS, region, f"Alarms in {region}"):
                self._read_alarms(region)
            with self._noted(HISTORY, region, f"The history of alarms in {region}"):
                self._read_history(region)
            if fault_at is not None and region not in self._seen.bad_datapoints:
                with self._noted(DATAPOINTS, region, f"Datapoints of {names.CLUSTER_HEALTH} in {region}"):
                    self._read_datapoints(region, fault_at)
        self._seen.notifications += self._subscriber.arrived()
        self._seen.subscribed = self._subscriber.regions
        for region in self._plan.topics:
            self._seen.unread.pop((QUEUE, region), None)
        self._seen.unread.update({(QUEUE, region): why for region, why in self._subscriber.unread.items()})

    @contextmanager
    def _noted(self, what: str, region: str, in_words: str) -> Iterator[None]:
        try:
            yield
            self._seen.unread.pop((what, region), None)
        except (BotoCoreError, ClientError) as error:
            self._seen.unread[what, region] = f"{in_words} could not be read: {str(error).rstrip('.')}."

    def _verdicts(self, region: str) -> Iterator[tuple[float, str]]:
        """Each run logs its answer as one line of JSON."""
        if region not in self._log_groups:
            function = monitor_name(self._plan.request.deployment)
            found = self._client("lambda", region).get_function_configuration(FunctionName=function)
            self._log_groups[region] = found.get("LoggingConfig", {}).get("LogGroup", f"/aws/lambda/{function}")
        pages = (
            self._client("logs", region)
            .get_paginator("filter_log_events")
            .paginate(logGroupName=self._log_groups[region], startTime=int(1000 * self._since))
        )
        lines = sorted((one["timestamp"], one["message"]) for page in pages for one in page["events"])
        for at, message in lines:
            answer = _answer(message)
            if answer.get("observer") == region:
                yield at / 1000, _verdict(answer)

    def _read_alarms(self, region: str) -> None:
        alarms = dict(deployed_alarms(self._plan.request.deployment, region, self._client("cloudwatch", region)))
        topic = self._plan.topics.get(region)
        self._notifying[region] = {
            one["AlarmName"]: what
            for what, one in alarms.items()
            if one["ActionsEnabled"] and (topic in one["AlarmActions"] if topic else one["AlarmActions"])
        }
        others = {where: state for where, state in self._seen.states.items() if where[0] != region}
        self._seen.states = {**others, **{(region, what): one["StateValue"] for what, one in alarms.items()}}

    def _read_history(self, region: str) -> None:
        notifying = self._notifying.get(region, {})
        pages = (
            self._client("cloudwatch", region)
            .get_paginator("describe_alarm_history")
            .paginate(
                AlarmTypes=["MetricAlarm", "CompositeAlarm"],
                HistoryItemType="StateUpdate",
                StartDate=_time(self._since),
                ScanBy="TimestampAscending",
            )
        )
        changes = [
            (one["Timestamp"].timestamp(), (region, notifying[one["AlarmName"]]), new_state(one))
            for page in pages
            for one in page["AlarmHistoryItems"]
            if one["AlarmName"] in notifying
        ]
        self._seen.changes = sorted([*(one for one in self._seen.changes if one[1][0] != region), *changes])

    def _read_datapoints(self, region: str, fault_at: float) -> None:
        """The lowest value of each minute, whose time is its begin."""
        dimensions = {
            names.DEPLOYMENT: self._plan.request.deployment,
            names.CLUSTER_REGION: self._plan.request.region,
            names.OBSERVER_REGION: region,
        }
        metric = {
            "Namespace": names.NAMESPACE,
            "MetricName": names.CLUSTER_HEALTH,
            "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        }
        period = self._time.period
        pages = (
            self._client("cloudwatch", region)
            .get_paginator("get_metric_data")
            .paginate(
                MetricDataQueries=[
                    {"Id": "health", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Minimum"}}
                ],
                StartTime=_time(fault_at // period * period),
                EndTime=_time(self._time.now() + period),
            )
        )
        found = [
            at.timestamp()
            for page in pages
            for result in page["MetricDataResults"]
            for at, value in zip(result["Timestamps"], result["Values"], strict=True)
            if value < 1
        ]
        if found:
            self._seen.bad_datapoints[region] = max(min(found), fault_at)


def refuse_unreadable(plan: Plan, client: Client, time: DrillTime) -> None:
    """Read everything once before a fault.

    Raises:
        DrillError: a drill could not see what it is for.
    """
    seen = Seen()
    Sources(plan, client, time, Subscriber(plan.request.deployment, plan.topics, client), seen).read(time.now())
    if seen.unread:
        raise DrillError(
            f"The drill was not started, since it would not see what follows: {' '.join(seen.unread.values())} "
            "docs/permissions.md has the policy for drills."
        )


def alarm_of(deployment: str, name: str, region: str) -> str:
    """What the alarm called *name* is for."""
    return name.removeprefix(alarm_prefix(deployment)).removesuffix(f"-from-{region}")


def _answer(message: str) -> Mapping[str, Any]:
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "verdict" in found else {}


def _verdict(answer: Mapping[str, Any]) -> str:
    if answer["verdict"]:
        return " ".join([answer["verdict"], *answer.get("regions_down", ())])
    return f"no verdict: {'; '.join(answer.get('errors', ())) or 'the run failed'}"


def new_state(item: Mapping[str, Any]) -> str:
    """That an alarm went into, by an entry of its history.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_AlarmHistoryItem.html
    """
    return str(json.loads(item["HistoryData"]).get("newState", {}).get("stateValue", ""))


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)
