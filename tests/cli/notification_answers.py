"""CloudWatch's alarms, SNS and SQS as a test of notifications sees them, in the shapes of botocore's model."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from tests.cli.backup_answers import ACCOUNT, EAST, NOW, REGIONS, WEST, WITNESS, AwsClient, cluster_arn, error

FAULTS = f"arn:aws:sns:{{}}:{ACCOUNT}:aurora-dsql-alerts-Orders-production"
WARNINGS = f"arn:aws:sns:{{}}:{ACCOUNT}:Orders-Warnings"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/ops/jane"
COMPOSITE = ("peering-lost", "monitoring-not-working")
KINDS = (f"cluster-down-{EAST}", f"cluster-down-{WEST}", *COMPOSITE, f"peering-{EAST}", "commit-latency")
RAISED = 10
"""Number of alarms of `KINDS` that notify, in both Regions."""


def name_of(what: str, region: str) -> str:
    return f"aurora-dsql-Orders-production-{what}-from-{region}"


class Client(AwsClient):
    class exceptions:  # noqa: N801 - as botocore has it
        ResourceNotFoundException = ClientError


@dataclass
class Aws:
    """A healthy pair with an alarm of each sort; time passes when the command waits, a minute from run to run."""

    now: datetime = NOW
    alarms: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By Region and name."""
    subscriptions: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    """By topic."""
    queues: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Messages by URL."""
    history: list[dict[str, Any]] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    """Names of metric alarms whose fault is real."""
    unreachable: set[str] = field(default_factory=set)
    """Topics to which CloudWatch cannot publish."""
    lost: set[tuple[str, str]] = field(default_factory=set)
    """Names of alarms and their states that SNS does not deliver."""
    evaluated: bool = True
    """Whether CloudWatch evaluates metric alarms."""
    replaces_reasons: bool = False
    """Whether a composite alarm gets a new reason without a change of its state."""
    counts: dict[str, float] = field(default_factory=dict)
    """SNS's own, by metric."""
    changes: list[tuple[str, str, str]] = field(default_factory=list)
    """Name, state and reason of each change of an alarm."""
    faults: dict[tuple[str, str], Callable[[str], Exception]] = field(default_factory=dict)
    on_call: Callable[[str, str], None] = lambda operation, region: None
    on_pause: Callable[[], None] = lambda: None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    attempts: dict[str, int] = field(default_factory=dict)
    actions: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for region in REGIONS:
            self.alarms[region] = {name_of(what, region): _alarm(what, region) for what in KINDS}
            for topic, email in ((FAULTS, "ops@example.com"), (WARNINGS, "team@example.com")):
                self.subscriptions[topic.format(region)] = []
                self.add_subscription(topic.format(region), "email", email)

    def client(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        return Client(self, service, region, attempts)

    def add_subscription(self, topic: str, protocol: str, endpoint: str, *, confirmed: bool = True) -> str:
        arn = f"{topic}:{len(self.subscriptions[topic])}" if confirmed else "PendingConfirmation"
        one = {"SubscriptionArn": arn, "Owner": ACCOUNT, "Protocol": protocol, "Endpoint": endpoint, "TopicArn": topic}
        self.subscriptions[topic].append(one)
        return arn

    def pause(self, seconds: float) -> None:
        minute = self.now.replace(second=0) + timedelta(minutes=1)
        self.now += timedelta(seconds=seconds)
        self.on_pause()
        if self.now >= minute and self.evaluated:
            for region in REGIONS:
                self.evaluate(region)

    def evaluate(self, region: str) -> None:
        for one in list(self.alarms[region].values()):
            state = "ALARM" if one["AlarmName"] in self.broken else "OK"
            if "AlarmRule" not in one and one["StateValue"] != state:
                self.change(region, one["AlarmName"], state, "Threshold Crossed")

    def change(self, region: str, name: str, state: str, reason: str) -> None:
        """An alarm changes its state, and its composites change theirs."""
        alarm = self.alarms[region][name]
        before = alarm["StateValue"]
        if before != state or self.replaces_reasons:
            alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=self.now)
        if before == state:
            return
        alarm["StateTransitionedTimestamp"] = self.now
        self.changes.append((name, state, reason))
        for topic in alarm.get("AlarmActions" if state == "ALARM" else "OKActions", ()):
            self.publish(alarm, topic, state, reason)
        for parent in self.alarms[region].values():
            if name in parent.get("AlarmRule", ""):
                children = [one for one in self.alarms[region].values() if one["AlarmName"] in parent["AlarmRule"]]
                raised = any(one["StateValue"] == "ALARM" for one in children)
                self.change(region, parent["AlarmName"], "ALARM" if raised else "OK", f"{name} is {state}")

    def publish(self, alarm: Mapping[str, Any], topic: str, state: str, reason: str) -> None:
        refused = topic in self.unreachable
        how = (
            f"Failed to execute action {topic}. Received error" if refused else f"Successfully executed action {topic}"
        )
        self.history.append(
            {
                "AlarmName": alarm["AlarmName"],
                "Timestamp": self.now,
                "HistoryItemType": "Action",
                "HistorySummary": how,
            }
        )
        if refused or (alarm["AlarmName"], state) in self.lost:
            return
        message = {"AlarmName": alarm["AlarmName"], "NewStateValue": state, "NewStateReason": reason}
        for one in self.subscriptions.get(topic, ()):
            if one["Protocol"] == "sqs":
                url = f"https://sqs/{one['Endpoint']}"
                self.queues[url].append(
                    {
                        "MessageId": f"m{len(self.changes)}-{len(self.queues[url])}",
                        "ReceiptHandle": "r",
                        "Body": json.dumps({"Message": json.dumps(message), "Subject": f"{state}: {alarm}"[:100]}),
                        "Attributes": {"SentTimestamp": str(int(self.now.timestamp() * 1000))},
                    }
                )

    def raised(self) -> list[str]:
        """Names of the alarms in ALARM."""
        return [name for of in self.alarms.values() for name, one in of.items() if one["StateValue"] == "ALARM"]

    def own(self) -> list[str]:
        """What of the test's own is there."""
        found = [one for of in self.subscriptions.values() for one in of if one["Protocol"] == "sqs"]
        return [*self.queues, *(one["Endpoint"] for one in found)]

    def get_caller_identity(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Arn": CALLER, "Account": ACCOUNT, "UserId": "A"}

    def get_parameters_by_path(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        arns = [cluster_arn(one) for one in REGIONS]
        yield {
            "Parameters": [{"Name": f"{request['Path']}/{arn.split(':')[3]}/arn", "Value": arn} for arn in arns],
        }

    def get_cluster(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "identifier": request["identifier"],
            "arn": cluster_arn(region),
            "status": "ACTIVE",
            "creationTime": NOW,
            "deletionProtectionEnabled": True,
            "multiRegionProperties": {"witnessRegion": WITNESS, "clusters": [cluster_arn(one) for one in REGIONS]},
            "tags": {"dsql-dr:deployment": "Orders-production"},
        }

    def invoke(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if region not in REGIONS:
            raise error("ResourceNotFoundException")("Invoke")
        return {"Payload": io.BytesIO(json.dumps({"verdict": "HEALTHY", "regions_down": []}).encode())}

    def describe_rule(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"State": "ENABLED"}

    def list_targets_by_rule(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Targets": [{"Id": "1", "Arn": f"arn:aws:lambda:{region}:{ACCOUNT}:function:{request['Rule']}"}]}

    def list_experiments(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"experiments": []}

    def get_topic_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"KmsMasterKeyId": "1234"}}

    def describe_key(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"KeyMetadata": {"KeyId": "1234", "KeyState": "Enabled"}}

    def describe_alarms(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        names, prefix = request.get("AlarmNames"), request.get("AlarmNamePrefix", "")
        found = [
            dict(one)
            for name, one in self.alarms.get(region, {}).items()
            if (name in names if names else name.startswith(prefix))
        ]
        return {
            "MetricAlarms": [one for one in found if "AlarmRule" not in one],
            "CompositeAlarms": [one for one in found if "AlarmRule" in one],
        }

    def describe_alarm_history(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert set(request["AlarmTypes"]) == {"MetricAlarm", "CompositeAlarm"}, "else of metric alarms only"
        assert request["ScanBy"] == "TimestampAscending"
        found = [one for one in self.history if one["AlarmName"] == request["AlarmName"]]
        return {"AlarmHistoryItems": [one for one in found if one["Timestamp"] >= request["StartDate"]]}

    def set_alarm_state(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["AlarmName"]
        if name not in self.alarms[region]:
            raise error("ResourceNotFound")("SetAlarmState")
        self.change(region, name, request["StateValue"], request["StateReason"])
        return {}

    def get_metric_statistics(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert request["StartTime"] <= NOW < request["EndTime"]
        found = self.counts.get(request["MetricName"])
        return {
            "Datapoints": [] if found is None else [{"Timestamp": NOW, "Sum": found}, {"Timestamp": NOW, "Sum": 0.0}]
        }

    def list_subscriptions_by_topic(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        found = list(self.subscriptions[request["TopicArn"]])
        yield {"Subscriptions": found[:1]}
        yield {"Subscriptions": found[1:]}

    def subscribe(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"SubscriptionArn": self.add_subscription(request["TopicArn"], request["Protocol"], request["Endpoint"])}

    def unsubscribe(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        for of in self.subscriptions.values():
            of[:] = [one for one in of if one["SubscriptionArn"] != request["SubscriptionArn"]]
        return {}

    def create_queue(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        url = f"https://sqs/arn:aws:sqs:{region}:{ACCOUNT}:{request['QueueName']}"
        self.queues.setdefault(url, [])
        return {"QueueUrl": url}

    def get_queue_url(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        url = f"https://sqs/arn:aws:sqs:{region}:{ACCOUNT}:{request['QueueName']}"
        if url not in self.queues:
            raise error("AWS.SimpleQueueService.NonExistentQueue")("GetQueueUrl")
        return {"QueueUrl": url}

    def get_queue_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"QueueArn": request["QueueUrl"].removeprefix("https://sqs/")}}

    def set_queue_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def receive_message(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        found, self.queues[request["QueueUrl"]] = self.queues[request["QueueUrl"]], []
        return {"Messages": found}

    def delete_message(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def delete_queue(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        del self.queues[request["QueueUrl"]]
        return {}


def _alarm(what: str, region: str) -> dict[str, Any]:
    topic = (WARNINGS if what == "commit-latency" else FAULTS).format(region)
    notifies = what != f"peering-{EAST}"
    return {
        "AlarmName": name_of(what, region),
        "AlarmArn": f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{name_of(what, region)}",
        "StateValue": "OK",
        "StateReason": "Threshold Crossed: as it should be",
        "StateUpdatedTimestamp": NOW - timedelta(days=9),
        "ActionsEnabled": True,
        "AlarmActions": [topic] if notifies else [],
        "OKActions": [topic] if notifies else [],
        **({"AlarmRule": f'ALARM("{name_of(f"peering-{EAST}", region)}")'} if what == "peering-lost" else {}),
        **({"AlarmRule": 'ALARM("another")'} if what == "monitoring-not-working" else {}),
    }
