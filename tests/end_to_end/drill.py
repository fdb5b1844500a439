"""A drill on the local AWS emulator: one cluster is made unreachable and restored, while alarms notify."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from dsql_dr_constructs.emulator.aws_emulator import AwsEmulator
from dsql_dr_constructs.emulator.faults import Fault

_TIMEOUT = 90.0
_QUIET = 1.0
"""Seconds: an alarm has its new state a little before its message is sent."""


@dataclass(frozen=True)
class Notification:
    """An alarm's message as a subscriber receives it."""

    region: str
    subject: str
    alarm: str
    state: str
    description: str


class Drill:
    """What the monitors and alarms of a deployed pair report, and the fault that they should report.

    Args:
        aws: Where the pair is deployed.
    """

    def __init__(self, aws: AwsEmulator) -> None:
        self._aws = aws
        self.monitors = {region: self._functions(region) for region in aws.regions}

    def verdicts(self) -> list[dict[str, Any]]:
        """The answer of every monitor now."""
        return [self.verdict(region, name) for region, names in self.monitors.items() for name in names]

    def verdict(self, region: str, monitor: str) -> dict[str, Any]:
        """The answer of one of them, as ``aws lambda invoke`` returns it."""
        answer = self._aws.client("lambda", region).invoke(FunctionName=monitor, Payload=b"{}")
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def wait_for_runs(self, region: str) -> None:
        """Return once two more runs have put their metrics, which only the schedule invoked.

        Raises:
            TimeoutError: the schedule does not run.
        """
        self._aws.clear_calls()
        until = time.monotonic() + _TIMEOUT
        while [one["name"] for one in self._aws.calls() if one["role"] and one["region"] == region].count(
            "PutMetricData"
        ) < 2:
            if time.monotonic() > until:
                raise TimeoutError(f"The monitor in {region} did not run twice within {_TIMEOUT:.0f} s.")
            time.sleep(0.2)

    def wait_until_healthy(self) -> None:
        """Return once no notification is due any more: new alarms send one of their first OK, too.

        Raises:
            TimeoutError: an alarm that notifies is not OK.
        """
        until = time.monotonic() + _TIMEOUT
        while waiting := [name for name, state in self._states() if state != "OK"]:
            if time.monotonic() > until:
                raise TimeoutError(f"Not OK within {_TIMEOUT:.0f} s: {', '.join(waiting)}.")
            time.sleep(0.1)

    def break_cluster(self, region: str) -> None:
        """From now on its endpoint refuses every connection."""
        self._aws.inject(Fault("drill", service="postgresql", region=region, message="this cluster is down (drill)"))

    def restore_cluster(self) -> None:
        """From now on the endpoint accepts connections again."""
        self._aws.clear_faults("drill")

    @contextmanager
    def inbox(self) -> Iterator[Inbox]:
        """A queue of its own at every topic for faults, for as long as the block lasts."""
        queues, subscriptions = {}, []
        for region in self._aws.regions:
            sqs, sns = self._aws.client("sqs", region), self._aws.client("sns", region)
            topics = {topic for alarm in self._notifying(region) for topic in alarm["AlarmActions"]}
            if not topics:
                continue
            url = sqs.create_queue(QueueName="drill")["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            for topic in topics:
                answer = sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
                subscriptions.append((sns, answer["SubscriptionArn"]))
            queues[region] = (sqs, url)
        try:
            yield Inbox(queues)
        finally:
            for sns, subscription in subscriptions:
                sns.unsubscribe(SubscriptionArn=subscription)
            for sqs, url in queues.values():
                sqs.delete_queue(QueueUrl=url)

    def _notifying(self, region: str) -> list[dict[str, Any]]:
        """The alarms that notify of faults: those with the topics of clusters that are down."""
        answer = self._aws.client("cloudwatch", region).describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        alarms: list[dict[str, Any]] = [*answer["MetricAlarms"], *answer["CompositeAlarms"]]
        topics = {topic for one in alarms if "-cluster-down-" in one["AlarmName"] for topic in one["AlarmActions"]}
        return [one for one in alarms if topics.intersection(one["AlarmActions"])]

    def _states(self) -> list[tuple[str, str]]:
        """Name and state of every alarm that notifies of faults."""
        return [
            (f"{one['AlarmName']} in {region}", one["StateValue"])
            for region in self._aws.regions
            for one in self._notifying(region)
        ]

    def _functions(self, region: str) -> list[str]:
        functions = self._aws.client("lambda", region).list_functions()["Functions"]
        return [one["FunctionName"] for one in functions if one["FunctionName"].startswith("aurora-dsql-monitor-")]


class Inbox:
    """Notifications as they arrive."""

    def __init__(self, queues: dict[str, tuple[Any, str]]) -> None:
        self._queues = queues

    def next_of_each_region(self) -> list[Notification]:
        """One notification from every Region.

        Raises:
            TimeoutError: one did not arrive.
        """
        return [self._next(region) for region in self._queues]

    def rest(self) -> list[Notification]:
        """What has arrived besides, and arrives until nothing did for a second."""
        found: list[Notification] = []
        until = time.monotonic() + _QUIET
        while time.monotonic() < until:
            for region in self._queues:
                while notification := self._take(region):
                    found.append(notification)
                    until = time.monotonic() + _QUIET
            time.sleep(0.1)
        return found

    def _next(self, region: str) -> Notification:
        until = time.monotonic() + _TIMEOUT
        while time.monotonic() < until:
            notification = self._take(region)
            if notification:
                return notification
            time.sleep(0.1)
        raise TimeoutError(f"No notification arrived in {region} within {_TIMEOUT:.0f} s.")

    def _take(self, region: str) -> Notification | None:
        sqs, url = self._queues[region]
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            envelope = json.loads(message["Body"])
            body = json.loads(envelope["Message"])
            name, state = body["AlarmName"], body["NewStateValue"]
            return Notification(region, envelope["Subject"], name, state, body["AlarmDescription"])
        return None
