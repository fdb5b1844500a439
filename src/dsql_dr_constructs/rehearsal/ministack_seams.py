"""Every place where the rehearsal reaches into ministack, in one list that a test compares with the pinned version.

ministack (https://github.com/ministackorg/ministack) has no promised interface for new resource types or for Lambda's
credentials, so its version is pinned and each name used is written here; nothing of it is edited.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

PINNED_VERSION = "1.5.33"

SEAMS: dict[str, dict[str, list[str] | None]] = {
    "ministack.app": {"app": ["scope", "receive", "send"], "AUTH": None},
    "ministack.core.responses": {
        "get_account_id": [],
        "get_region": [],
        "set_request_account_id": None,
        "set_request_region": None,
    },
    "ministack.core.lambda_runtime": {"execution_credentials": ["config"]},
    "ministack.services.lambda_svc": {
        "execution_credentials": ["config"],
        "invalidate_worker": ["func_name", "qualifier", "account", "region"],
        "_emit_lambda_logs": ["func", "request_id", "log_text", "error", "duration_ms", "log_source"],
    },
    "ministack.core.pgproxy": {
        "_handle_client": ["cluster_id", "backend_host", "backend_port", "c_reader", "c_writer"],
        "_parse_startup_params": ["payload"],
        "_read_frame": ["reader"],
    },
    "ministack.services.cloudwatch_logs": {"_log_groups": None},
    "ministack.services.cloudwatch": {
        "handle_request": ["method", "path", "headers", "body", "query_params"],
        "_alarms": None,
        "_metrics": None,
        "_dims_key": ["dims"],
        "_evaluate_alarm": ["alarm"],
        "_record_history": ["alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"],
        "_dispatch_alarm_actions": ["alarm", "old_state", "new_state", "reason"],
        "_evaluate_parent_alarms": ["child", "seen"],
    },
    "ministack.services.eventbridge": {"_SCHEDULER_TICK_INTERVAL": None, "_parse_rate_seconds": ["expr"]},
    "ministack.services.cloudformation.provisioners": {"_RESOURCE_HANDLERS": None},
    "ministack.services.cloudformation": {"_stacks": None},
    "ministack.services.cloudformation.stacks": {
        "_runs_on_worker_thread": ["resource_type"],
        "_roll_back_operation": ["stack_name", "stack_id", "stack", "operation", "reason_override"],
        "_delete_resource": ["resource_type", "physical_id", "props", "stack_name", "logical_id"],
        "_with_dependencies": ["logical_ids", "res_defs", "remaining"],
    },
    "ministack.services.cloudformation.custom_resource": {
        "deliver_response": ["token", "response"],
        "invoke_custom_resource": [
            "request_type",
            "logical_id",
            "props",
            "stack_name",
            "stack_id",
            "resource_type",
            "physical_id",
            "old_props",
        ],
    },
    "ministack.core.iam_actions": {
        "extract_iam_action": ["service", "method", "path", "headers", "body", "query_params"],
        "extract_resource_arn": [
            "service",
            "method",
            "path",
            "headers",
            "body",
            "query_params",
            "region",
            "account_id",
        ],
    },
    "ministack.core.iam_evaluator": {
        "EvalContext": None,
        "evaluate": ["ctx", "policies", "limits"],
        "_gather_role_policies": ["role_name", "account_id"],
    },
}
"""Modules, the names used from each, and the parameters of those that are functions."""


def moved() -> list[str]:
    """Seams that the installed ministack no longer has, each with what is there instead."""
    problems = []
    for module_name, names in SEAMS.items():
        module = importlib.import_module(module_name)
        for name, parameters in names.items():
            found = getattr(module, name, None)
            if found is None:
                problems.append(f"{module_name}.{name} is gone")
            elif parameters is not None and list(inspect.signature(found).parameters) != parameters:
                problems.append(f"{module_name}.{name} takes {list(inspect.signature(found).parameters)}")
    return problems


def where() -> tuple[str, str]:
    """Account and Region of the request or stack at work."""
    responses = importlib.import_module("ministack.core.responses")
    return responses.get_account_id(), responses.get_region()


def add_resource_type(name: str, handler: Any) -> None:
    """Teach CloudFormation the resource type *name*; its handler may block."""
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    stacks: Any = importlib.import_module("ministack.services.cloudformation.stacks")
    provisioners._RESOURCE_HANDLERS[name] = {
        "create": handler.create,
        "update": handler.update,
        "delete": handler.delete,
    }
    on_worker_thread = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda resource_type: resource_type == name or on_worker_thread(resource_type)


def wrap_resource_type(name: str, wrap: Callable[[dict[str, Any]], Any]) -> None:
    """Put a handler of ours around ministack's for the resource type *name*."""
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    plain = provisioners._RESOURCE_HANDLERS[name]
    handler = wrap(plain)
    methods = {"create": handler.create, "update": handler.update, "delete": handler.delete}
    provisioners._RESOURCE_HANDLERS[name] = {**plain, **methods}


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


def mark_function_credentials(token: Callable[[dict[str, Any]], str]) -> None:
    """Put *token* of a function's configuration into the session token of its credentials."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    plain = runtime.execution_credentials

    def marked(config: dict[str, Any]) -> dict[str, str]:
        return {**plain(config), "AWS_SESSION_TOKEN": token(config)}

    runtime.execution_credentials = service.execution_credentials = marked


def keep_workers_of_other_regions() -> None:
    """Let a new function end the processes of its name in its own Region only, as monitors of a pair share theirs."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    plain = service.invalidate_worker

    def here(
        func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> None:
        default_account, default_region = where()
        plain(func_name, qualifier, account or default_account, region or default_region)

    service.invalidate_worker = here


def drop_logs_without_group(may_create: Callable[[dict[str, Any]], bool]) -> None:
    """Let a function's logs create their log group only where *may_create*, asked with its configuration, says so."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    groups: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    plain = service._emit_lambda_logs

    def checked(func: dict[str, Any], *arguments: Any, **options: Any) -> None:
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        if not group or group in groups._log_groups or may_create(config):
            plain(func, *arguments, **options)

    service._emit_lambda_logs = checked


Alarm = dict[str, Any]


def silence_alarm_evaluation() -> None:
    """Let nobody but the alarm clock decide on the state of metric alarms."""
    _cloudwatch()._evaluate_alarm = lambda alarm: None


def scale_schedules(factor: float) -> None:
    """Let ``rate(...)`` pass in *factor* of its time."""
    eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
    plain = eventbridge._parse_rate_seconds

    def scaled(expression: str) -> float | None:
        seconds = plain(expression)
        return None if seconds is None else float(seconds) * factor

    eventbridge._parse_rate_seconds = scaled
    eventbridge._SCHEDULER_TICK_INTERVAL = max(0.1, eventbridge._SCHEDULER_TICK_INTERVAL * factor)


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


def speak_dsql(host: str, port: int, translate: Callable[[bytes], bytes]) -> tuple[str, int]:
    """Where DSQL's subset of SQL can be had of a PostgreSQL; *translate* sees each message that asks for some.

    ministack's own proxies listen at every address of the machine; this one is of loopback. They also let everybody be
    ``postgres``; here a client is who it says, since PostgreSQL takes the last of two users in a startup message.
    """
    proxy: Any = importlib.import_module("ministack.core.pgproxy")
    parse, read = proxy._parse_startup_params, proxy._read_frame

    def as_itself(payload: bytes) -> dict[str, str]:
        parameters: dict[str, str] = parse(payload)
        database, user = parameters.get("database") or "postgres", parameters.get("user", "")
        return parameters | {"database": f"{database}\0user\0{user}"}

    async def read_translated(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
        kind, payload = await read(reader)
        return kind, translate(payload) if kind in (b"Q", b"P") else payload  # Query and Parse, which no server sends

    proxy._parse_startup_params, proxy._read_frame = as_itself, read_translated
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio does not for a socket that it is given

    async def visit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await proxy._handle_client("pair", host, port, reader, writer)

    async def serve() -> None:
        async with await asyncio.start_server(visit, sock=listener) as server:
            await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True, name="speaks-dsql").start()
    address: tuple[str, int] = listener.getsockname()
    return address
