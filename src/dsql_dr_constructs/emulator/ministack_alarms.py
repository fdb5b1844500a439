"""ministack's CloudWatch, as alarms here need it; the names used are in `SEAMS`."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

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
    """Drop an alarm's message to a topic if *refusal* gives a reason for the ARNs of both; the history records it."""
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
                cloudwatch._history_entries().append(_failed_action(alarm, action, refused))
        plain({**alarm, kind: admitted}, old_state, new_state, reason)

    def _failed_action(alarm: Alarm, action: str, refused: str) -> dict[str, Any]:
        data = {"actionState": "Failed", "notificationResource": action, "error": refused}
        return {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(time.time()),
            "HistoryItemType": "Action",
            "HistorySummary": f"Failed to execute action {action}. Received error: {refused}",
            "HistoryData": json.dumps(data),
        }

    cloudwatch._dispatch_alarm_actions = checked


def disable_alarm_evaluation() -> None:
    """Disable ministack's evaluation of metric alarms, in favour of the alarm clock's."""
    _cloudwatch()._evaluate_alarm = lambda alarm: None


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
