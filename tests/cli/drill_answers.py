"""A pair with monitors, alarms, topics and AWS FIS as `dsql-dr drill` sees them, in simulated time.

Answers are in the shapes of botocore's model, and so are requests. Monitors run every two minutes, an alarm is raised
by the second bad run and is OK at the first good one, and a notification arrives two seconds later.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import format_datetime
from functools import cache
from types import SimpleNamespace
from typing import Any

import botocore.session
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ServiceModel
from botocore.validate import validate_parameters

EAST, WEST = REGIONS = ("us-east-1", "us-west-2")
ACCOUNT = "111122223333"
DEPLOYMENT = "Orders-production"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Orders-PrimaryDrill-production-Role"
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=timezone.utc).timestamp()
TAGS = {"Name": f"aurora-dsql-drill-{DEPLOYMENT}", "dsql-dr:deployment": DEPLOYMENT}
KINDS = (*(f"cluster-down-{one}" for one in REGIONS), "peering-lost", "monitoring-not-working")
STOP = f"arn:aws:cloudwatch:{EAST}:{ACCOUNT}:alarm:orders-errors"
RUNS_EVERY = 120
LEFT = f"aurora-dsql-drill-{DEPLOYMENT}-0123abcd"
"""Queue of a drill that was killed."""


def cluster_arn(region: str) -> str:
    return f"arn:aws:dsql:{region}:{ACCOUNT}:cluster/{'a' * 26}"


def topic(region: str) -> str:
    return f"arn:aws:sns:{region}:{ACCOUNT}:aurora-dsql-alerts-{DEPLOYMENT}"


def alarm_name(what: str, region: str) -> str:
    return f"aurora-dsql-{DEPLOYMENT}-{what}-from-{region}"


def alarm_arn(what: str, region: str) -> str:
    return f"arn:aws:cloudwatch:{region}:{ACCOUNT}:alarm:{alarm_name(what, region)}"


def error(code: str, message: str = "No.") -> Callable[[str], Exception]:
    status = 500 if code.startswith("Internal") else 400
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return lambda operation: ClientError(answer, operation)


DENIED = error("AccessDeniedException", "not authorized")
THROTTLED = error("ThrottlingException", "Rate exceeded")


def template(*, expects_alarm: bool = True, region: str = EAST, **changed: Any) -> dict[str, Any]:
    """As the drill stack makes it."""
    arns = alarm_arn(f"cluster-down-{region}", region)
    [other] = [one for one in REGIONS if one != region]
    stop = alarm_arn(f"cluster-down-{other}", region)
    actions: dict[str, Any] = {
        "all-alarms-ok": {
            "actionId": "aws:cloudwatch:assert-alarm-state",
            "parameters": {"alarmArns": f"{arns},{stop}", "alarmStates": "OK"},
        },
        "connection-failure": {
            "actionId": "aws:dsql:cluster-connection-failure",
            "parameters": {"duration": "PT10M", "percentage": "100"},
            "targets": {"Clusters": "cluster"},
            "startAfter": ["all-alarms-ok"],
        },
    }
    if expects_alarm:
        actions["until-noticed"] = {
            "actionId": "aws:fis:wait",
            "parameters": {"duration": "PT7M"},
            "startAfter": ["all-alarms-ok"],
        }
        actions["alarm-raised"] = {
            "actionId": "aws:cloudwatch:assert-alarm-state",
            "parameters": {"alarmArns": arns, "alarmStates": "ALARM"},
            "startAfter": ["until-noticed"],
        }
    return {
        "id": "EXT1",
        "description": "A drill",
        "roleArn": ROLE,
        "targets": {
            "cluster": {
                "resourceType": "aws:dsql:cluster",
                "resourceArns": [cluster_arn(region)],
                "selectionMode": "ALL",
            }
        },
        "actions": actions,
        "stopConditions": [{"source": "aws:cloudwatch:alarm", "value": one} for one in (stop, STOP)],
        "experimentOptions": {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
        "logConfiguration": {
            "logSchemaVersion": 2,
            "cloudWatchLogsConfiguration": {"logGroupArn": f"arn:aws:logs:{region}:{ACCOUNT}:log-group:/aws/fis/x:*"},
        },
        "tags": {**TAGS, "aws:cloudformation:stack-name": "Orders-PrimaryDrill-production"},
        **changed,
    }


@dataclass
class Aws:
    """The pair, its monitors and what a drill makes."""

    templates: dict[str, dict[str, Any]] = field(default_factory=lambda: {"EXT1": template()})
    deployed: dict[str, Any] | None = None
    """As the drill stack has the template. Default: as it is."""
    stack_has: set[str] = field(default_factory=lambda: {"EXT1", ROLE.rpartition("/")[2]})
    """Physical ids of the drill stack's resources."""
    noticed_by: set[str] = field(default_factory=lambda: set(REGIONS))
    """Observers whose monitor sees the fault."""
    recovers: bool = True
    delivers: bool = True
    notifies: Callable[[str], str] = topic
    """ARN of what the alarms of a Region notify."""
    subscriptions: list[str] = field(default_factory=lambda: ["arn:aws:sns:us-east-1:111122223333:Alerts:0a1b"])
    declared: str = ""
    """Value of the SSM parameter of evacuations."""
    stop_state: str = "OK"
    stops_after: float | None = None
    """Seconds of the fault after which the stop condition does."""
    faults: dict[tuple[str, str], Callable[[str], Exception]] = field(default_factory=dict)
    """By operation and Region."""
    on_call: Callable[[str, str], None] = lambda operation, region: None
    now: float = NOW
    ahead: float = 0.0
    """Seconds by which the clock of the machine differs that drills."""
    pauses: int = 0
    on_pause: Callable[[int], None] = lambda pauses: None
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    actions: set[str] = field(default_factory=set)
    """What was called, as IAM names it."""
    experiments: dict[str, dict[str, Any]] = field(default_factory=dict)
    queues: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Messages, by the Region of the drill's queue."""
    names: dict[str, str] = field(default_factory=dict)
    """Of that queue, by Region."""
    subscribed: dict[str, str] = field(default_factory=dict)
    """ARN of the drill's subscription, by Region."""
    logs: dict[str, list[tuple[float, str]]] = field(default_factory=lambda: {region: [] for region in REGIONS})
    history: list[tuple[float, str, str, str]] = field(default_factory=list)
    """When, Region, name of the alarm, state."""
    states: dict[tuple[str, str], str] = field(
        default_factory=lambda: {(region, kind): "OK" for region in REGIONS for kind in KINDS}
    )
    verdict: str = "HEALTHY"
    """Of a monitor that is invoked."""
    bad_runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(REGIONS, 0))

    def sleep(self, seconds: float) -> None:
        """Time passes, a second after the other."""
        self.pauses += 1
        self.on_pause(self.pauses)
        until = self.now + seconds
        while self.now < until:
            self.now += 1
            self._second()

    def client(self, service: str, region: str, /, *, attempts: int = 2) -> Any:
        return _Client(self, service, region)

    def asked(self, operation: str) -> list[dict[str, Any]]:
        return [request for name, _, request in self.calls if name == operation]

    def _second(self) -> None:
        for one in self.experiments.values():
            self._advance(one)
        if (self.now - NOW) % RUNS_EVERY == 0:
            for region in REGIONS:
                self._run_monitor(region)

    def _failing(self) -> str:
        for one in self.experiments.values():
            action = one["actions"]["connection-failure"]
            if action["state"]["status"] == "running" or (action.get("startTime") and not self.recovers):
                return str(one["region"])
        return ""

    def _run_monitor(self, region: str) -> None:
        failing = self._failing() if region in self.noticed_by else ""
        answer = {
            "verdict": "CLUSTER_DOWN" if failing else "HEALTHY",
            "deployment": DEPLOYMENT,
            "observer": region,
            "regions_down": [failing] if failing else [],
            "errors": [],
        }
        self.logs[region] += [(self.now, "START RequestId: 1"), (self.now, json.dumps(answer))]
        bad = self.bad_runs[region] = self.bad_runs[region] + 1 if failing else 0
        down = [what for (where, what), state in self.states.items() if where == region and state == "ALARM"]
        if bad == 2:
            self._change(region, f"cluster-down-{failing}", "ALARM")
        elif not bad and down:
            self._change(region, down[0], "OK")

    def _change(self, region: str, what: str, state: str) -> None:
        self.states[region, what] = state
        name = alarm_name(what, region)
        self.history.append((self.now, region, name, state))
        if region in self.subscribed and self.delivers:
            message = {
                "AlarmName": name,
                "NewStateValue": state,
                "AlarmDescription": "As deployed",
                "NewStateReason": "2 of 2",
            }
            self.queues[region].append(
                {
                    "MessageId": f"m{len(self.history)}",
                    "ReceiptHandle": "r",
                    "Body": json.dumps({"Subject": f'{state}: "{name}"', "Message": json.dumps(message)}),
                    "Attributes": {"SentTimestamp": str(int(1000 * (self.now + 2)))},
                }
            )

    def _advance(self, one: dict[str, Any]) -> None:
        """Assertions are done at once; the fault begins three seconds after the start."""
        state, actions = one["state"], one["actions"]
        if state["status"] in ("completed", "stopped", "failed"):
            return
        fault, since = actions["connection-failure"], self.now - one["began"]
        if state["status"] == "stopping":
            self._end(one, "stopped", "Experiment stopped by user.")
        elif since == 3:
            state["status"] = fault["state"]["status"] = "running"
            fault["startTime"] = _time(self.now)
        elif self.stops_after is not None and since == 3 + self.stops_after:
            self.history.append((self.now, EAST, "orders-errors", "ALARM"))
            self._end(one, "stopped", "Experiment halted by stop condition.")
        elif "alarm-raised" in actions and since == 3 + 420:
            raised = self.states[one["region"], f"cluster-down-{one['region']}"] == "ALARM"
            actions["alarm-raised"]["state"] = {"status": "completed" if raised else "failed"}
            if not raised:
                self._end(one, "failed", "An action failed.")
        elif fault["state"]["status"] == "running" and since >= 3 + one["seconds"]:
            self._end(one, "completed", "Experiment completed.")

    def _end(self, one: dict[str, Any], status: str, reason: str) -> None:
        one["state"] = {"status": status, "reason": reason}
        one["endTime"] = _time(self.now)
        fault = one["actions"]["connection-failure"]
        if fault["state"]["status"] == "running":
            fault["state"] = {"status": status if status != "failed" else "stopped"}
            fault["endTime"] = _time(self.now)

    # What each service answers.

    def get_parameters_by_path(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for one in REGIONS:
            yield {"Parameters": [{"Name": f"{request['Path']}/{one}/arn", "Value": cluster_arn(one)}]}

    def get_parameter_history(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        assert request["Name"] == f"/dsql-dr/{DEPLOYMENT}/evacuation"
        if self.declared:
            declared = {"Value": self.declared, "LastModifiedUser": ROLE, "LastModifiedDate": _time(NOW)}
            yield {"Parameters": [declared]}

    def get_cluster(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "identifier": request["identifier"],
            "arn": cluster_arn(region),
            "status": "ACTIVE",
            "creationTime": _time(NOW),
            "deletionProtectionEnabled": True,
            "multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [cluster_arn(one) for one in REGIONS]},
            "tags": {"dsql-dr:deployment": DEPLOYMENT},
        }

    def invoke(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert not any(one["state"]["status"] == "running" for one in self.experiments.values()), "would put metrics"
        if region not in REGIONS:
            raise _MissingError
        return {"Payload": io.BytesIO(json.dumps({"verdict": self.verdict, "regions_down": []}).encode())}

    def get_function_configuration(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"LoggingConfig": {"LogGroup": f"Orders-Monitor-{region}"}}

    def filter_log_events(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        assert request["logGroupName"] == f"Orders-Monitor-{region}"
        for at, message in self.logs[region]:
            if 1000 * at >= request["startTime"]:
                yield {"events": [{"timestamp": int(1000 * at), "message": message}]}

    def describe_rule(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"State": "ENABLED"}

    def list_targets_by_rule(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{request['Rule']}"
        return {"Targets": [{"Id": "1", "Arn": arn}]}

    def describe_alarms(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if request.get("AlarmNames"):
            [name] = request["AlarmNames"]
            if name.startswith("aurora-dsql-"):
                yield {"MetricAlarms": [{"AlarmName": name, "StateValue": "OK"}]}
                return
            yield {"MetricAlarms": [{"AlarmName": name, "StateValue": self.stop_state}] if self.stop_state else []}
            return
        for (where, what), state in self.states.items():
            if where == region:
                found = {
                    "AlarmName": alarm_name(what, region),
                    "StateValue": state,
                    "ActionsEnabled": True,
                    "AlarmActions": [self.notifies(region)],
                }
                yield {"MetricAlarms": [found], "CompositeAlarms": []}
        yield {"MetricAlarms": [], "CompositeAlarms": []}

    def describe_alarm_history(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for at, where, name, state in self.history:
            asked = name == request.get("AlarmName", name)
            if asked and where == region and at >= request["StartDate"].timestamp():
                data = json.dumps({"version": "1.0", "newState": {"stateValue": state}})
                yield {"AlarmHistoryItems": [{"AlarmName": name, "Timestamp": _time(at), "HistoryData": data}]}

    def get_metric_data(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        [query] = request["MetricDataQueries"]
        period = query["MetricStat"]["Period"]
        points = []
        for at, message in self.logs[region]:
            if message.startswith("{") and request["StartTime"].timestamp() <= at // period * period:
                points.append((at // period * period, 0.0 if json.loads(message)["regions_down"] else 1.0))
        return {
            "MetricDataResults": [
                {"Id": "health", "Timestamps": [_time(at) for at, _ in points], "Values": [one for _, one in points]}
            ]
        }

    def get_topic_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Attributes": {"KmsMasterKeyId": "1234"}}

    def describe_key(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"KeyMetadata": {"KeyId": request["KeyId"], "KeyState": "Enabled"}}

    def list_subscriptions_by_topic(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for arn in self.subscriptions:
            yield {"Subscriptions": [{"SubscriptionArn": arn, "Protocol": "email", "Endpoint": "ops@example.com"}]}
        if region in self.subscribed:
            endpoint = f"arn:aws:sqs:{region}:{ACCOUNT}:{self.names.get(region, LEFT)}"
            yield {
                "Subscriptions": [{"SubscriptionArn": self.subscribed[region], "Protocol": "sqs", "Endpoint": endpoint}]
            }

    def subscribe(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.subscribed[region] = f"{topic(region)}:drill"
        return {"SubscriptionArn": self.subscribed[region]}

    def unsubscribe(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.subscribed.pop(region, None)
        return {}

    def create_queue(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.queues.setdefault(region, [])
        self.names[region] = request["QueueName"]
        return {"QueueUrl": f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{request['QueueName']}"}

    def get_queue_url(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if region not in self.queues or request["QueueName"] != self.names.get(region, LEFT):
            raise error("AWS.SimpleQueueService.NonExistentQueue")("GetQueueUrl")
        return self.create_queue(region, request)

    def list_queues(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        name = self.names.get(region, LEFT)
        if region in self.queues and name.startswith(request["QueueNamePrefix"]):
            yield {"QueueUrls": [f"https://sqs.{region}.amazonaws.com/{ACCOUNT}/{name}"]}
        yield {}

    def get_queue_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["QueueUrl"].rpartition("/")[2]
        return {"Attributes": {"QueueArn": f"arn:aws:sqs:{region}:{ACCOUNT}:{name}"}}

    def set_queue_attributes(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {}

    def receive_message(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        due = [one for one in self.queues[region] if int(one["Attributes"]["SentTimestamp"]) <= 1000 * self.now]
        return {"Messages": due[:1]} if due else {}

    def delete_message(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.queues[region].pop(0)
        return {}

    def delete_queue(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        del self.queues[region]
        self.names.pop(region, None)
        return {}

    def list_experiment_templates(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for one in self.templates.values():
            if _region_of(one) == region:
                yield {"experimentTemplates": [{"id": one["id"], "tags": one["tags"]}]}

    def get_experiment_template(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"experimentTemplate": self.templates[request["id"]]}

    def create_experiment_template(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        assert not any(name.startswith("aws:") for name in request["tags"]), "reserved"
        made = {**{key: value for key, value in request.items() if key != "clientToken"}, "id": "EXTcopy"}
        self.templates["EXTcopy"] = made
        return {"experimentTemplate": made}

    def delete_experiment_template(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        del self.templates[request["id"]]
        return {}

    def start_experiment(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        chosen = self.templates[request["experimentTemplateId"]]
        seconds = 60 * int(chosen["actions"]["connection-failure"]["parameters"]["duration"][2:-1])
        id = f"EXP{len(self.experiments) + 1}"
        self.experiments[id] = {
            "id": id,
            "arn": f"arn:aws:fis:{region}:{ACCOUNT}:experiment/{id}",
            "creationTime": _time(self.now),
            "experimentTemplateId": chosen["id"],
            "state": {"status": "initiating", "reason": ""},
            "startTime": _time(self.now),
            "actions": {name: {**one, "state": {"status": "pending"}} for name, one in chosen["actions"].items()},
            "tags": request["tags"],
            "began": self.now,
            "region": region,
            "seconds": seconds,
        }
        return self.get_experiment(region, {"id": id})

    def get_experiment(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        found = self.experiments[request["id"]]
        return {"experiment": {key: one for key, one in found.items() if key not in ("began", "region", "seconds")}}

    def list_experiments(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        for one in self.experiments.values():
            if one["region"] == region:
                names = ("id", "state", "tags", "creationTime")
                yield {"experiments": [{name: one[name] for name in names}]}

    def stop_experiment(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        self.experiments[request["id"]]["state"] = {"status": "stopping"}
        return self.get_experiment(region, request)

    def get_caller_identity(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return {"Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Drills/anna"}

    def describe_stacks(self, region: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        role = "Primary" if region == EAST else "Secondary"
        for name in (f"Orders-{role}-production", f"Orders-{role}Drill-production", "Other-Primary-production"):
            yield {
                "Stacks": [
                    {
                        "StackName": name,
                        "StackId": f"arn:{name}",
                        "StackStatus": "UPDATE_COMPLETE",
                        "CreationTime": _time(NOW),
                    }
                ]
            }

    def describe_stack_resources(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if request["PhysicalResourceId"] not in self.stack_has:
            raise error("ValidationError", "Stack for it does not exist")("DescribeStackResources")
        role = "Primary" if region == EAST else "Secondary"
        return {
            "StackResources": [
                {
                    "StackName": f"Orders-{role}Drill-production",
                    "LogicalResourceId": f"Of{one}",
                    "PhysicalResourceId": one,
                    "ResourceType": "Any",
                    "Timestamp": _time(NOW),
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for one in self.stack_has
            ]
        }

    def get_template(self, region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        actions = (self.deployed or self.templates["EXT1"])["actions"]
        properties = {"Actions": {name: {"Parameters": one.get("parameters", {})} for name, one in actions.items()}}
        return {"TemplateBody": {"Resources": {"OfEXT1": {"Properties": properties}}}}


class _MissingError(Exception):
    """The function does not exist."""


def _region_of(one: Mapping[str, Any]) -> str:
    return str(one["targets"]["cluster"]["resourceArns"][0].split(":")[3])


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, timezone.utc)


@dataclass
class _Client:
    aws: Aws
    service: str
    region: str
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(ResourceNotFoundException=_MissingError))

    def __getattr__(self, name: str) -> Callable[..., dict[str, Any]]:
        def call(**request: Any) -> dict[str, Any]:
            return next(self.answers(name, request))

        return call

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: self.answers(name, request))

    def answers(self, name: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        model = _model(self.service)
        operation = next(one for one in model.operation_names if xform_name(one) == name)
        validate_parameters(request, model.operation_model(operation).input_shape)
        self.aws.calls.append((operation, self.region, request))
        self.aws.actions.add(f"{self.service}:{operation}")
        self.aws.on_call(operation, self.region)
        fault = self.aws.faults.get((operation, self.region))
        if fault:
            raise fault(operation)
        answer = getattr(self.aws, name)(self.region, request)
        for one in [answer] if isinstance(answer, dict) else answer:
            if one:
                shape = model.operation_model(operation).output_shape
                assert shape is not None
                if operation != "GetTemplate":  # botocore makes a dict of its text
                    validate_parameters(one, shape)
            yield {**one, "ResponseMetadata": {"HTTPHeaders": {"date": format_datetime(_time(self.aws.now), True)}}}


@cache
def _model(service: str) -> ServiceModel:
    return botocore.session.get_session().get_service_model(service)
