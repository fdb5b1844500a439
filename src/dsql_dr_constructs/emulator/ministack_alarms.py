"""ministack's CloudWatch, as alarms here need it; the names used are in `SEAMS`."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

from . import ministack_seams

Alarm = dict[str, Any]


def call_cloudwatch(action: str, parameters: dict[str, Any]) -> None:
    """One action of CloudWatch's Query API, from a worker thread, in the account and Region at work.

    Raises:
        RuntimeError: CloudWatch refused it.
    """
    cloudwatch = importlib.import_module("ministack.services.cloudwatch")
    body = urlencode({"Action": action, "Version": "2010-08-01", **parameters}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    status, _, answer = asyncio.run(cloudwatch.handle_request("POST", "/", headers, body, {}))
    if status != 200:
        raise RuntimeError(f"{action} was refused: {answer.decode() if isinstance(answer, bytes) else answer}")


def check_alarm_actions(refusal: Callable[[str, str], str | None]) -> None:
    """Drop an alarm's message to a topic if *refusal* gives a reason for the ARNs of both; the history says so."""
    cloudwatch = _cloudwatch()
    plain = cloudwatch._dispatch_alarm_actions

    def checked(alarm: Alarm, old_state: str, new_state: str, reason: str) -> None:
        kind = {"ALARM": "AlarmActions", "OK": "OKActions"}.get(new_state, "InsufficientDataActions")
        admitted = []
        for action in alarm.get(kind) or []:
            refused = refusal(alarm["AlarmArn"], action) if cloudwatch._is_sns_action_arn(action) else None
            if not refused:
                admitted.append(action)
            elif alarm.get("ActionsEnabled", True):
                note(alarm, action, refused)
        plain({**alarm, kind: admitted}, old_state, new_state, reason)
        for action in admitted if alarm.get("ActionsEnabled", True) else ():
            if cloudwatch._is_sns_action_arn(action):
                note(alarm, action)

    def note(alarm: Alarm, action: str, refused: str = "") -> None:
        state = {"actionState": "Failed", "error": refused} if refused else {"actionState": "Succeeded"}
        summary = f"Failed to execute action {action}. Received error: {refused}" if refused else ""
        entry = {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(time.time()),
            "HistoryItemType": "Action",
            "HistorySummary": summary or f"Successfully executed action {action}",
            "HistoryData": json.dumps({**state, "notificationResource": action}),
        }
        cloudwatch._history_entries().append(entry)

    cloudwatch._dispatch_alarm_actions = checked


def disable_alarm_evaluation() -> None:
    """Disable ministack's evaluation of metric alarms, in favour of the alarm clock's."""
    _cloudwatch()._evaluate_alarm = lambda alarm: None


def alarm_at(arn: str) -> Alarm | None:
    """The metric or composite alarm with this ARN, in any Region."""
    cloudwatch, (region, account, _, name) = _cloudwatch(), arn.split(":", 6)[3:]
    for store in (cloudwatch._alarms, cloudwatch._composite_alarms):
        if found := store.get_scoped(account, region, name):
            alarm: Alarm = found
            return alarm
    return None


def follow_alarms(changed: Callable[[str, str], None]) -> None:
    """Call *changed* with the ARN and the new state of each alarm that changes its state, and keep when it did."""
    cloudwatch = _cloudwatch()
    plain = cloudwatch._record_history

    def recorded(name: str, before: str, state: str, *more: Any, **options: Any) -> None:
        if before == state:  # a new alarm, of which CloudWatch has no change of state
            return
        plain(name, before, state, *more, **options)
        account, region = ministack_seams.where()
        arn, now = f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}", round(time.time(), 3)
        (alarm_at(arn) or {}).update(StateUpdatedTimestamp=now, StateTransitionedTimestamp=now)
        changed(arn, state)

    cloudwatch._record_history = recorded


def keep_milliseconds() -> None:
    """Let histories and messages of alarms have milliseconds, as CloudWatch's do."""
    cloudwatch = _cloudwatch()
    plain = cloudwatch._json_timestamp

    def text(seconds: float) -> str:
        return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def number(value: Any) -> Any:
        return cloudwatch._parse_ts(value) if isinstance(value, str) else plain(value)

    cloudwatch._ts_iso, cloudwatch._json_timestamp = text, number


def count_invocations() -> None:
    """Put ``AWS/Lambda`` metrics for every invocation; ministack does so for calls of its API only."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    execute, emit = service._execute_function, service._emit_lambda_metrics

    def counted(func: dict[str, Any], event: dict[str, Any]) -> Any:
        config = func.get("config") or func
        began, result = time.time(), execute(func, event)
        counted_already = service._function_config_scope_mismatch(config)
        if not counted_already and not result.get("throttle"):
            emit(config["FunctionName"], 1000 * (time.time() - began), bool(result.get("error")), False)
        return result

    def emit_throttles(function_name: str, duration_ms: float, error: bool, throttle: bool) -> None:
        if throttle:
            emit(function_name, duration_ms, error, throttle)

    service._execute_function, service._emit_lambda_metrics = counted, emit_throttles


def metric_alarms() -> Iterator[Alarm]:
    """Every metric alarm, each with its account and Region at work."""
    responses = importlib.import_module("ministack.core.responses")
    for (account, region, _), alarm in list(_cloudwatch()._alarms._data.items()):
        responses.set_request_account_id(account)
        responses.set_request_region(region)
        yield alarm


def metric_values(namespace: str, name: str, dimensions: dict[str, str]) -> list[tuple[float, float]]:
    """Time and value of everything put to one metric, in the account and Region at work."""
    cloudwatch = _cloudwatch()
    points = cloudwatch._metrics.get((namespace, name, cloudwatch._dims_key(dimensions))) or []
    return [(point["Timestamp"], point["Value"]) for point in list(points)]


def set_alarm_metrics(name: str, metrics: list[Any]) -> None:
    """Give the alarm *name*, in the account and Region at work, its metric math."""
    _cloudwatch()._alarms[name]["Metrics"] = metrics


def change_alarm(alarm: Alarm, state: str, reason: str) -> None:
    """What happens when an alarm changes its state: history, actions, and the composites above it."""
    cloudwatch = _cloudwatch()
    before, alarm["StateValue"] = alarm["StateValue"], state
    alarm["StateReason"], alarm["StateUpdatedTimestamp"] = reason, int(time.time())
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _cloudwatch() -> Any:
    return importlib.import_module("ministack.services.cloudwatch")
