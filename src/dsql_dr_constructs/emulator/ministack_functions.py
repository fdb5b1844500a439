"""ministack's Lambda, as functions here need it; the names used are in `SEAMS`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from . import ministack_seams

_SIGN_FOR_THE_CLIENTS_REGION = r"""
{
  const plain = Module.prototype.require;
  const inRegion = (client, region) => new Proxy(client, {
    get(_, name) {
      const call = client[name];
      if (typeof call !== "function") return call;
      return (...given) => {
        const own = process.env.AWS_REGION;
        process.env.AWS_REGION = region || own;  // a request is signed before its call returns
        try { return call.apply(client, given); } finally { process.env.AWS_REGION = own; }
      };
    },
  });
  Module.prototype.require = function (id) {
    const sdk = plain.apply(this, arguments);
    if (!id.startsWith("@aws-sdk/client-")) return sdk;
    try { Module._resolveFilename(id, this); return sdk; } catch (_) {}  // a function's own SDK needs none of it
    return new Proxy(sdk, {
      get(_, name) {
        const exported = sdk[name];
        if (!/^[A-Z]/.test(String(name)) || name.endsWith("Command")) return exported;
        return function (config) { return inRegion(new exported(config), (config || {}).region); };
      },
    });
  };
}
"""


def give_function_credentials(variables: Callable[[dict[str, Any]], dict[str, str]]) -> None:
    """Let a function have the credentials that *variables* makes of its configuration, instead of the server's."""
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    runtime.execution_credentials = service.execution_credentials = variables


def let_node_call_other_regions() -> None:
    """Let clients in Node.js functions call the Region that they are made for, as the CDK's cross-Region references do.

    In place of AWS's SDK, ministack gives such a function clients that sign for the function's own Region.
    """
    runtime: Any = importlib.import_module("ministack.core.lambda_runtime")
    runtime._NODEJS_WORKER_SCRIPT += _SIGN_FOR_THE_CLIENTS_REGION


def keep_workers_of_other_regions() -> None:
    """Let a new function end the processes of its name in its own Region only, as monitors of a pair share theirs."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    plain = service.invalidate_worker

    def here(
        func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> None:
        default_account, default_region = ministack_seams.where()
        plain(func_name, qualifier, account or default_account, region or default_region)

    service.invalidate_worker = here


def drop_logs_without_group(may_create: Callable[[dict[str, Any]], bool]) -> None:
    """Let a function's logs create their log group only if *may_create* is true for its configuration."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    groups: Any = importlib.import_module("ministack.services.cloudwatch_logs")
    plain = service._emit_lambda_logs

    def checked(func: dict[str, Any], *arguments: Any, **options: Any) -> None:
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        if not group or group in groups._log_groups or may_create(config):
            plain(func, *arguments, **options)

    service._emit_lambda_logs = checked


def function_config(name: str) -> dict[str, Any]:
    """Configuration of a function, to read and to change, in the account and Region at work."""
    config: dict[str, Any] = importlib.import_module("ministack.services.lambda_svc")._functions[name]["config"]
    return config


def check_functions(refusal: Callable[[dict[str, Any]], str | None]) -> None:
    """Let an invocation fail if *refusal* gives a reason for the function's configuration."""
    service: Any = importlib.import_module("ministack.services.lambda_svc")
    plain = service._execute_function

    def checked(func: dict[str, Any], event: dict[str, Any]) -> Any:
        refused = refusal(func.get("config") or func)
        if not refused:
            return plain(func, event)
        body = {"errorType": "KMSAccessDeniedException", "errorMessage": refused}
        return {"error": True, "body": body, "log": ""}

    service._execute_function = checked
