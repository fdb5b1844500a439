"""IAM for Lambda functions: each call of a function is checked against the policies of its role.

The CDK's own roles are not checked, since ministack's S3 refuses the CDK's asset publishing under its IAM mode.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from .credentials import Credentials
from .ministack_functions import drop_logs_without_group, give_function_credentials

_ALWAYS_ALLOWED = frozenset({"sts:GetCallerIdentity"})


def install(owner: Credentials) -> None:
    """From now on functions have credentials of their role, made from the *owner's*, and their logs need it."""
    give_function_credentials(lambda config: owner.of_role(config.get("Role", "")).variables())
    drop_logs_without_group(_may_create_log_group)


def refusal(
    role_arn: str,
    action: str,
    resource: str,
    region: str,
    context: Mapping[str, Any],
    *,
    resource_policy: str | None = None,
) -> str | None:
    """IAM's sentence if the policies of *role_arn* do not allow *action* on *resource*, else None.

    A *resource_policy*, as a KMS key has it, has to allow it too, or to leave it to the account's policies.
    """
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    account, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    request = evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=region,
        service_context={key.lower(): value for key, value in context.items()},
    )
    result = evaluator.evaluate(request, evaluator._gather_role_policies(role_name, account))
    policies = "identity-based policy"
    if resource_policy is not None:
        result = evaluator.combine_resource_policy(result, request, resource_policy, account, required=True)
        policies = "identity-based policy together with the resource-based policy"
    if action in _ALWAYS_ALLOWED or result.decision == "Allow":
        return None
    caller = f"arn:aws:sts::{account}:assumed-role/{role_name}"
    return (
        f"User: {caller} is not authorized to perform: {action} on resource: {resource} "
        f"because no {policies} allows the action"
    )


def vault_policy_denial(policy: str, principal: str, action: str, resource: str, region: str) -> str | None:
    """IAM's sentence if the access policy of a backup vault denies *action* to *principal*, also the root user.

    Source of the sentence: https://github.com/rebuy-de/aws-nuke/pull/1150
    """
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    request = evaluator.EvalContext(
        principal_arn=principal,
        principal_type="Root" if principal.endswith(":root") else "AssumedRole",
        principal_account=principal.split(":")[4],
        action=action,
        resource_arn=resource,
        region=region,
    )
    if evaluator.evaluate_resource_policy(policy, request).decision != "Deny":
        return None
    return (
        f"User: {principal} is not authorized to perform: {action} on resource: {resource} "
        "with an explicit deny in a resource-based policy"
    )


def _may_create_log_group(config: dict[str, Any]) -> bool:
    region, account = config["FunctionArn"].split(":")[3:5]
    group = f"arn:aws:logs:{region}:{account}:log-group:{config['LoggingConfig']['LogGroup']}"
    return refusal(config["Role"], "logs:CreateLogGroup", group, region, {}) is None
