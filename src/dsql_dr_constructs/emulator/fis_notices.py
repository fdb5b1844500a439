"""What AWS FIS reports by itself: events on the default bus of EventBridge, and records in a log group.

Source: https://docs.aws.amazon.com/fis/latest/userguide/monitoring-eventbridge.html
Source: https://docs.aws.amazon.com/fis/latest/userguide/monitoring-logging.html
"""

from __future__ import annotations

import importlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from .backup_records import Where
from .fis_records import Action, Experiment

State = tuple[str, str]
"""Status and reason."""


@dataclass(frozen=True)
class StateChange:
    """An event: an experiment has another state."""

    where: Where
    experiment_arn: str
    template_id: str
    old: State
    new: State


@dataclass(frozen=True)
class Record:
    """One record of an experiment's log, for a log group, in seconds since the epoch."""

    where: Where
    group: str
    stream: str
    at: float
    text: str


Notice = StateChange | Record


def change(experiment: Experiment, old: State) -> StateChange:
    """The event that *experiment* has its state since *old*."""
    new = (experiment.status, experiment.reason)
    return StateChange(experiment.where, experiment.arn, experiment.template_id, old, new)


def record(experiment: Experiment, kind: str, at: float, details: dict[str, Any]) -> list[Record]:
    """A record of this *kind*, or nothing if the experiment has no log group."""
    logs = experiment.asked.get("logConfiguration") or {}
    arn = (logs.get("cloudWatchLogsConfiguration") or {}).get("logGroupArn")
    if not arn:
        return []
    identifier, version = experiment.identifier, str(logs["logSchemaVersion"])
    text = {
        "id": identifier,
        "log_type": kind,
        "event_timestamp": timestamp(at),
        "version": version,
        "details": details,
    }
    group = arn.partition(":log-group:")[2].removesuffix(":*")
    return [Record(experiment.where, group, f"/aws/fis/{identifier}", at, json.dumps(text))]


def action_record(experiment: Experiment, action: Action, kind: str, at: float) -> list[Record]:
    """``action-start``, ``action-error`` or ``action-end``."""
    details: dict[str, Any] = {"action_name": action.name, "action_id": action.asked["actionId"]}
    state = {"status": action.status, "reason": action.reason}
    if kind == "action-start":
        details |= {"action_start_time": timestamp(at), "action_targets": action.asked.get("targets") or {}}
        details |= {"parameters": action.asked["parameters"]} if action.asked.get("parameters") else {}
    elif kind == "action-end":
        details |= {"action_end_time": timestamp(at), "action_state": state}
    else:
        details |= {"account_id": experiment.where.account, "action_state": state}
    return record(experiment, kind, at, details)


def timestamp(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def send(notice: Notice) -> None:
    """Send *notice* to ministack's EventBridge or CloudWatch Logs; only from a thread without an event loop."""
    responses: Any = importlib.import_module("ministack.core.responses")
    with responses.request_scope(*notice.where):
        if isinstance(notice, StateChange):
            _put_event(notice)
        else:
            _write(notice)


def _put_event(notice: StateChange) -> None:
    eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
    states = {"new-state": notice.new, "old-state": notice.old}
    detail = {
        "experiment-id": notice.experiment_arn.rpartition("/")[2],
        "experiment-template-id": notice.template_id,
        **{name: {"status": status, "reason": reason} for name, (status, reason) in states.items()},
    }
    entry = {
        "Source": "aws.fis",
        "DetailType": "FIS Experiment State Change",
        "Resources": [notice.experiment_arn],
        "Detail": json.dumps(detail),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _write(notice: Record) -> None:
    logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    if notice.group not in logs._log_groups:
        logging.getLogger(__name__).warning("There is no log group %s for records of AWS FIS", notice.group)
        return
    at = {"logGroupName": notice.group, "logStreamName": notice.stream}
    logs._create_log_stream(at)  # or it is there
    logs._put_log_events({**at, "logEvents": [{"timestamp": int(1000 * notice.at), "message": notice.text}]})
