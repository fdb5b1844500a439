"""Log groups as targets of EventBridge's rules, which ministack lacks; the names used are in `SEAMS`."""

from __future__ import annotations

import importlib
import json
import logging
import time
from typing import Any
from uuid import uuid4

from .key_policies import admits

_SERVICES = ("events.amazonaws.com", "delivery.logs.amazonaws.com")
_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents")


def deliver_events_to_log_groups() -> None:
    """Write the events of a rule into the log group that is its target, if a resource policy of the Region allows it.

    Source: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-cloudwatchlogs-permissions
    """
    eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
    plain, stream = eventbridge._invoke_target, str(uuid4())

    def invoke(target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None) -> None:
        if ":log-group:" not in target.get("Arn", ""):
            plain(target, event, rule, view)
            return
        seen = view or eventbridge._pattern_event_view(event)
        _write(target["Arn"].removesuffix(":*"), stream, json.dumps(seen.event_with_detail()), rule["Arn"])

    eventbridge._invoke_target = invoke


def _write(arn: str, stream: str, message: str, rule_arn: str) -> None:
    logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    group = arn.partition(":log-group:")[2]
    of_the_group = logs._log_group_policies.get(group)  # its own, which AWS::Logs::LogGroup can have
    every = [*logs._resource_policies.values(), *([of_the_group] if of_the_group else [])]
    policies = [one["policyDocument"] for one in every]
    context = {"aws:SourceArn": rule_arn, "aws:SourceAccount": arn.split(":")[4]}
    for action in _ACTIONS:
        resource = f"{arn}:log-stream:{stream}"
        if not any(admits(one, service, action, resource, context) for one in policies for service in _SERVICES):
            logging.getLogger(__name__).warning("No resource policy lets EventBridge perform %s on %s", action, arn)
            return
    at = {"logGroupName": group, "logStreamName": stream}
    logs._create_log_stream(at)  # or it is there
    logs._put_log_events({**at, "logEvents": [{"timestamp": int(1000 * time.time()), "message": message}]})
