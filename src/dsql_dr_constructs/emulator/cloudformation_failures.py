"""Behaviour of CloudFormation in deletions and after failures that ministack does not have.

- A resource in deletion has the status DELETE_IN_PROGRESS until it is deleted.
  Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
- A custom resource whose Create failed gets a Delete when the operation is rolled back.
  Source: https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.custom_resources-readme.html#error-handling
- A resource is not deleted as long as one that depends on it cannot be deleted.
  Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-console-delete-stack.html
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from datetime import datetime, timezone
from typing import Any

_STACKS = "ministack.services.cloudformation.stacks"
_CUSTOM_RESOURCE = "ministack.services.cloudformation.custom_resource"

STILL_NEEDED = "Still needed by "
"""Beginning of the reason why a resource is not deleted; CloudFormation itself has no such event."""


def install() -> None:
    """Change the CloudFormation of this process."""
    failed: dict[tuple[str, str], dict[str, Any]] = {}
    _remember_failed_creates(failed)
    _delete_them_in_rollbacks(failed)
    _keep_what_is_needed()


def _remember_failed_creates(failed: dict[tuple[str, str], dict[str, Any]]) -> None:
    custom_resource: Any = importlib.import_module(_CUSTOM_RESOURCE)
    invoke, deliver = custom_resource.invoke_custom_resource, custom_resource.deliver_response
    physical_ids: dict[tuple[str, str], str] = {}

    def delivered(token: str, response: dict[str, Any]) -> bool:
        if response.get("PhysicalResourceId"):
            physical_ids[response["StackId"], response["LogicalResourceId"]] = response["PhysicalResourceId"]
        return bool(deliver(token, response))

    def invoked(
        request_type: str,
        logical_id: str,
        props: dict[str, Any],
        stack_name: str,
        stack_id: str,
        resource_type: str,
        *arguments: Any,
        **options: Any,
    ) -> Any:
        try:
            return invoke(request_type, logical_id, props, stack_name, stack_id, resource_type, *arguments, **options)
        except Exception:
            if request_type == "Create":
                failed[stack_id, logical_id] = {
                    "PhysicalResourceId": physical_ids.get((stack_id, logical_id), logical_id),
                    "ResourceType": resource_type,
                    "Properties": props,
                    "ResourceStatus": "CREATE_FAILED",
                    "Timestamp": datetime.now(timezone.utc).isoformat(),
                }
            raise

    custom_resource.deliver_response, custom_resource.invoke_custom_resource = delivered, invoked


def _delete_them_in_rollbacks(failed: dict[tuple[str, str], dict[str, Any]]) -> None:
    stacks: Any = importlib.import_module(_STACKS)
    roll_back = stacks._roll_back_operation

    async def rolled_back(
        stack_name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], *arguments: Any
    ) -> None:
        logical_id = operation["failed_logical_id"]
        resource = failed.pop((stack_id, logical_id), None)
        if resource:
            stack.setdefault("_resources", {})[logical_id] = resource
            operation["created"].append(logical_id)
        creation = not operation.get("is_update")
        if creation:
            stack["_template"] = operation["template"]
        await roll_back(stack_name, stack_id, stack, operation, *arguments)
        if creation:  # what could not be deleted is still the stack's, for the next DeleteStack
            for failed_id, record in stack.pop("_rollback_failed", {}).items():
                stuck = {"ResourceStatus": "DELETE_FAILED", "Timestamp": datetime.now(timezone.utc).isoformat()}
                stack["_resources"][failed_id] = {**record, **stuck}

    stacks._roll_back_operation = rolled_back


def _keep_what_is_needed() -> None:
    stacks: Any = importlib.import_module(_STACKS)
    cloudformation: Any = importlib.import_module("ministack.services.cloudformation")
    delete = stacks._delete_resource
    failed_in_rollback: defaultdict[str, set[str]] = defaultdict(set)  # by stack: ministack does not keep them

    def deleted(resource_type: str, physical_id: str, props: dict[str, Any], stack_name: str, logical_id: str) -> None:
        stack = cloudformation._stacks.get(stack_name) or {}
        resources = stack.get("_resources", {})
        definitions = (stack.get("_template") or {}).get("Resources", {})
        stuck = {id for id, one in resources.items() if one.get("ResourceStatus") == "DELETE_FAILED"}
        in_rollback = failed_in_rollback[stack_name]
        if stack.get("StackStatus") != "ROLLBACK_IN_PROGRESS":
            in_rollback.clear()
        for id in stuck | in_rollback:
            if id != logical_id and logical_id in stacks._with_dependencies([id], definitions, set(definitions)):
                in_rollback.add(logical_id)
                raise RuntimeError(f"{STILL_NEEDED}{id}, which could not be deleted.")
        record = resources.get(logical_id, {})
        if record.get("PhysicalResourceId") == physical_id:  # and not of what replaced it
            record["ResourceStatus"] = "DELETE_IN_PROGRESS"
        try:
            delete(resource_type, physical_id, props, stack_name, logical_id)
        except Exception:
            in_rollback.add(logical_id)
            raise

    stacks._delete_resource = deleted
