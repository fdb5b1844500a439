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
from .drill_times import DrillTime
from .pair_status import deployed_alarms
from .subscriber import Notification, Subscriber

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


class Sources:
    """Reads all of it from the begin each time, so that a call that failed once loses nothing.

    Args:
        plan: What is followed.
        client: Gives clients.
        time: The drill's clock.
        subscriber: The drill's own.
    """

    def __init__(self, plan: Plan, client: Client, time: DrillTime, subscriber: Subscriber) -> None:
        self._plan = plan
        self._client = client
        self._time = time
        self._subscriber = subscriber
        self._since = time.now()
        self._log_groups: dict[str, str] = {}
        self._failed: dict[str, str] = {}
        self._seen = Seen()

    @property
    def problems(self) -> list[str]:
        """Sentences: what could not be read the last time."""
        return [*self._failed.values(), *self._subscriber.problems]

    def read(self, fault_at: float | None) -> Seen:
        """What is known now; bad datapoints from *fault_at* on."""
        for region in self._plan.observers:
            with self._noted(f"What the monitor in {region} has logged"):
                self._seen.verdicts[region] = list(self._verdicts(region))
            with self._noted(f"Alarms in {region}"):
                self._read_alarms(region)
            if fault_at is not None and region not in self._seen.bad_datapoints:
                with self._noted(f"Datapoints of {names.CLUSTER_HEALTH} in {region}"):
                    self._read_datapoints(region, fault_at)
        self._seen.notifications += self._subscriber.arrived()
        self._seen.subscribed = self._subscriber.regions
        return self._seen

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        try:
            yield
            self._failed.pop(what, None)
        except (BotoCoreError, ClientError) as error:
            self._failed[what] = f"{what} could not be read: {error}"

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
        cloudwatch = self._client("cloudwatch", region)
        deployment = self._plan.request.deployment
        alarms = dict(deployed_alarms(deployment, region, cloudwatch))
        topic = self._plan.topics.get(region)
        notifying = {
            one["AlarmName"]: what
            for what, one in alarms.items()
            if one["ActionsEnabled"] and (topic in one["AlarmActions"] if topic else one["AlarmActions"])
        }
        pages = cloudwatch.get_paginator("describe_alarm_history").paginate(
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
            HistoryItemType="StateUpdate",
            StartDate=_time(self._since),
            ScanBy="TimestampAscending",
        )
        changes = [
            (one["Timestamp"].timestamp(), (region, notifying[one["AlarmName"]]), new_state(one))
            for page in pages
            for one in page["AlarmHistoryItems"]
            if one["AlarmName"] in notifying
        ]
        others = [one for one in self._seen.changes if one[1][0] != region]
        self._seen.changes = sorted([*others, *changes])
        self._seen.states = {where: state for where, state in self._seen.states.items() if where[0] != region}
        self._seen.states.update({(region, what): one["StateValue"] for what, one in alarms.items()})

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
