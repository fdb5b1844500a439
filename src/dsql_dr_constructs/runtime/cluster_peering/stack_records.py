"""What CloudFormation has recorded of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cluster import ClientFactory, NotFound, ask


def stack_resource(client: ClientFactory, region: str, stack: str, logical_id: str) -> Mapping[str, Any]:
    """The record of the resource; empty where there is none, or no such stack."""
    what = f"DescribeStackResource of {logical_id} in {stack} in {region}"
    call = client("cloudformation", region).describe_stack_resource
    try:
        answer = ask(what, call, StackName=stack, LogicalResourceId=logical_id)
    except NotFound:
        return {}
    found: Mapping[str, Any] = answer["StackResourceDetail"]
    return found


def stack_status(client: ClientFactory, region: str, stack: str) -> str:
    answer = ask("DescribeStacks", client("cloudformation", region).describe_stacks, StackName=stack)
    return str(answer["Stacks"][0]["StackStatus"])
