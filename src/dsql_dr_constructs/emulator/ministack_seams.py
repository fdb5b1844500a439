"""Every internal name of ministack that the emulator uses, in one list that a test compares with the pinned version.

ministack (https://github.com/ministackorg/ministack) has no public interface for new resource types or for Lambda's
credentials, so its version is pinned and each name used is listed here; none of its files is edited. What is done with
CloudWatch is in `ministack_alarms`, with Lambda in `ministack_functions`, with Route 53 in `ministack_route53`, with
EventBridge in `ministack_schedules` and `ministack_scheduler`, and with CloudFormation in `ministack_cloudformation`.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from .credentials import Credentials

PINNED_VERSION = "1.5.33"

SEAMS: dict[str, dict[str, list[str] | None]] = {
    "ministack.app": {"app": ["scope", "receive", "send"], "AUTH": None},
    "ministack.core.responses": {
        "get_account_id": [],
        "get_region": [],
        "error_response_json": None,
        "set_request_account_id": None,
        "set_request_region": None,
        "request_scope": ["account_id", "region"],
    },
    "ministack.services.ssm": {"_put_parameter": ["data"], "_parameter_history": None},
    "ministack.services.kms": {"_resolve_key": ["key_id_or_arn"]},
    "ministack.services.sns": {
        "_topic_by_arn_any_scope": ["topic_arn"],
        "_http_post_sync": ["endpoint", "payload", "sns_message_type"],
    },
    "ministack.core.lambda_runtime": {"execution_credentials": ["config"], "_NODEJS_WORKER_SCRIPT": None},
    "ministack.services.sts": {
        "register_session": ["access_key", "session"],
        "_sessions": None,
        "_session_expired": ["session"],
    },
    "ministack.services.lambda_svc": {
        "execution_credentials": ["config"],
        "invalidate_worker": ["func_name", "qualifier", "account", "region"],
        "_functions": None,
        "_execute_function": ["func", "event"],
        "_emit_lambda_metrics": ["function_name", "duration_ms", "error", "throttle"],
        "_function_config_scope_mismatch": ["config"],
        "_emit_lambda_logs": ["func", "request_id", "log_text", "error", "duration_ms", "log_source"],
    },
    "ministack.core.pgproxy": {
        "_handle_client": ["cluster_id", "backend_host", "backend_port", "c_reader", "c_writer"],
        "_parse_startup_params": ["payload"],
        "_read_frame": ["reader"],
        "_connect_backend": ["host", "port", "database", "attempts", "delay"],
        "_backend_relay": ["conn", "b_reader", "c_writer"],
        "validate": ["sql", "txn_state"],
        "DsqlError": None,
        "_DDL_KEYWORDS": None,
    },
    "ministack.core.router": {"detect_service": ["method", "path", "headers", "query_params"]},
    "ministack.services.cloudwatch_logs": {
        "_log_groups": None,
        "_create_log_group": ["data"],
        "_resource_policies": None,
        "_log_group_policies": None,
        "_create_log_stream": ["data"],
        "_put_log_events": ["data"],
    },
    "ministack.services.cloudwatch": {
        "handle_request": ["method", "path", "headers", "body", "query_params"],
        "_alarms": None,
        "_composite_alarms": None,
        "_metrics": None,
        "_dims_key": ["dims"],
        "_evaluate_alarm": ["alarm"],
        "_record_history": ["alarm_name", "old_state", "new_state", "reason", "alarm_type", "reason_data"],
        "_dispatch_alarm_actions": ["alarm", "old_state", "new_state", "reason"],
        "_evaluate_parent_alarms": ["child", "seen"],
        "_is_sns_action_arn": ["action"],
        "_history_entries": [],
        "_ts_iso": ["epoch"],
        "_json_timestamp": ["value"],
        "_parse_ts": ["value"],
    },
    "ministack.services.eventbridge": {
        "_SCHEDULER_TICK_INTERVAL": None,
        "_parse_rate_seconds": ["expr"],
        "_parse_cron_fields": ["expr"],
        "_cron_next_fire": ["fields", "after_dt"],
        "_tick_scheduled_rules": [],
        "_rules": None,
        "_targets": None,
        "_invoke_target": ["target", "event", "rule", "view"],
        "_put_events": ["data", "allow_aws_source"],
        "_pattern_event_view": ["event"],
    },
    "ministack.services.route53": {
        "handle_request": ["method", "path", "headers", "body", "query_params"],
        "_create_health_check": ["body"],
        "_update_health_check": ["hc_id", "body"],
        "_delete_health_check": ["hc_id"],
        "_build_health_check_el": ["parent", "hc"],
        "_parse_health_check_config": ["el"],
        "_parse_body": ["body"],
        "_find": ["el", "tag"],
        "_text": ["el", "tag", "default"],
        "_xml_response": ["root_tag", "builder_fn", "status"],
        "_error_response": ["code", "message", "status"],
        "_health_checks": None,
        "_records": None,
        "_tags": None,
    },
    "ministack.services.scheduler": {"_schedules": None, "_tick_schedules": []},
    "ministack.services.iam": {
        "_roles": None,
        "_aws_managed_policies": None,
        "_make_aws_managed_record": ["name", "document", "description"],
    },
    "ministack.services.cloudformation.provisioners": {
        "_RESOURCE_HANDLERS": None,
        "_NAME_SEED": None,
        "_physical_name": ["stack_name", "logical_id", "lowercase", "max_len", "seeded"],
    },
    "ministack.services.cloudformation": {"_stacks": None, "handle_request": None},
    "ministack.services.cloudformation.handlers": {
        "_describe_stack_resources": ["params"],
        "_p": ["params", "key", "default"],
        "_ACTION_HANDLERS": None,
    },
    "ministack.services.cloudformation.engine": {
        "_unknown_attribute_message": ["res", "logical_id", "attr"],
        "_check_parameter_constraints": ["name", "defn", "ptype", "value"],
    },
    "ministack.services.cloudformation.stacks": {
        "_runs_on_worker_thread": ["resource_type"],
        "_roll_back_operation": ["stack_name", "stack_id", "stack", "operation", "reason_override"],
        "_delete_resource": ["resource_type", "physical_id", "props", "stack_name", "logical_id"],
        "_with_dependencies": ["logical_ids", "res_defs", "remaining"],
    },
    "ministack.services.cloudformation.custom_resource": {
        "deliver_response": ["token", "response"],
        "invoke_custom_resource": [
            *("request_type", "logical_id", "props", "stack_name"),
            *("stack_id", "resource_type", "physical_id", "old_props"),
        ],
    },
    "ministack.core.iam_actions": {
        "extract_iam_action": ["service", "method", "path", "headers", "body", "query_params"],
        "extract_resource_arn": [
            *("service", "method", "path", "headers", "body", "query_params"),
            *("region", "account_id"),
        ],
    },
    "ministack.core.iam_evaluator": {
        "EvalContext": None,
        "evaluate": ["ctx", "policies", "limits"],
        "evaluate_resource_policy": ["doc", "ctx", "service", "named_only", "direct_only"],
        "combine_resource_policy": ["identity", "ctx", "policy", "owner_account", "required", "limits"],
        "_gather_role_policies": ["role_name", "account_id"],
    },
}
"""Modules, the names used from each, and the parameters of those that are functions."""

CALLER: ContextVar[str] = ContextVar("caller")
"""ARN of who made the request at work."""


def moved() -> list[str]:
    """Seams that the installed ministack no longer has, each with what it has instead."""
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


def know_credentials(account: str, owner: Credentials) -> None:
    """Let ministack have the *owner's* as *account*'s own; it needs them for S3's presigned URLs only."""
    own = {"Arn": f"arn:aws:iam::{account}:root", "UserId": account, "PrincipalType": "Root"}
    secrets = {"SecretAccessKey": owner.secret_key, "SessionToken": owner.session_token}
    importlib.import_module("ministack.services.sts").register_session(owner.access_key, {**own, **secrets})


def sts_session(access_key: str) -> dict[str, Any] | None:
    """The session that STS gave with this access key, until it expires: its ``SessionToken`` and ``Arn``."""
    sts: Any = importlib.import_module("ministack.services.sts")
    session: dict[str, Any] | None = sts._sessions.get(access_key)
    return None if session is None or sts._session_expired(session) else session


def kms_key(account: str, region: str, name: str) -> dict[str, Any] | None:
    """The key with this id, ARN or alias: its ``Arn``, ``Policy``, ``KeyState`` and ``KeySpec``."""
    kms: Any = importlib.import_module("ministack.services.kms")
    with importlib.import_module("ministack.core.responses").request_scope(account, region):
        found: dict[str, Any] | None = kms._resolve_key(name)
        return found


def topic_attributes(arn: str) -> dict[str, str] | None:
    """Attributes of a topic, to read and to change, in the account and Region at work."""
    topic = importlib.import_module("ministack.services.sns")._topic_by_arn_any_scope(arn)
    return topic["attributes"] if topic else None


def confirm_subscriptions() -> None:
    """Confirm subscriptions of HTTPS endpoints at once, as ministack does with those of email.

    No message leaves the machine, as none does by email: an endpoint may be that of an incident tool.
    """
    sns: Any = importlib.import_module("ministack.services.sns")
    find, send = sns._topic_by_arn_any_scope, sns._http_post_sync

    def confirmed(topic_arn: str) -> dict[str, Any] | None:
        topic: dict[str, Any] | None = find(topic_arn)
        for one in topic["subscriptions"] if topic else []:
            one["confirmed"] = True
            one["attributes"]["PendingConfirmation"] = "false"
        return topic

    def send_here(endpoint: str, payload: str, sns_message_type: str) -> Any:
        here = urlsplit(endpoint).hostname in ("127.0.0.1", "::1", "localhost")
        return send(endpoint, payload, sns_message_type) if here else 200

    sns._topic_by_arn_any_scope, sns._http_post_sync = confirmed, send_here


def record_who_puts_parameters() -> None:
    """Let LastModifiedUser in the history of an SSM parameter be the caller, and not always the root user."""
    ssm: Any = importlib.import_module("ministack.services.ssm")
    plain = ssm._put_parameter

    def put(data: dict[str, Any]) -> Any:
        answer = plain(data)
        if answer[0] == 200 and (caller := CALLER.get(None)):
            ssm._parameter_history[data["Name"]][-1]["LastModifiedUser"] = caller
        return answer

    ssm._put_parameter = put


def service_asked(method: str, path: str, headers: dict[str, str], query: dict[str, list[str]]) -> str:
    """The service that ministack gives a request to."""
    router: Any = importlib.import_module("ministack.core.router")
    return str(router.detect_service(method, path, headers, query))


def check_log_groups(refusal: Callable[[str, str], str | None]) -> None:
    """Let CreateLogGroup fail if *refusal* gives a reason for the group's ARN and key."""
    logs: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    responses: Any = importlib.import_module("ministack.core.responses")
    plain = logs._create_log_group

    def checked(data: dict[str, Any]) -> Any:
        account, region = where()
        arn, key = f"arn:aws:logs:{region}:{account}:log-group:{data.get('logGroupName')}", data.get("kmsKeyId")
        refused = refusal(arn, key) if key else None
        if refused:
            return responses.error_response_json("InvalidParameterException", refused, 400)
        return plain(data)

    logs._create_log_group = checked
