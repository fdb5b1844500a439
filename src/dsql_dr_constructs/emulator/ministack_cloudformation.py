"""ministack's CloudFormation, as stacks here need it; the names used are `SEAMS`."""

from __future__ import annotations

import asyncio
import importlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import ministack_seams

_HELD_FOR = 20.0
"""Seconds."""


def add_resource_type(name: str, handler: Any) -> None:
    """Add the resource type *name* to CloudFormation; its handler may block."""
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


def follow_resource_type(name: str, then: Callable[[str, dict[str, Any]], None]) -> None:
    """Call *then* with the physical id and the properties of each *name* that is created or updated.

    A resource for which it raises is deleted.
    """
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    plain = provisioners._RESOURCE_HANDLERS[name]

    def create(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        done = plain["create"](logical_id, properties, stack_name)
        try:
            then(done[0], properties)
        except Exception:
            plain["delete"](done[0], properties)
            raise
        return done

    def update(physical_id: str, old: dict[str, Any], new: dict[str, Any], stack_name: str, *more: str) -> Any:
        done = plain["update"](physical_id, old, new, stack_name, *more)
        then(done[0], new)
        return done

    provisioners._RESOURCE_HANDLERS[name] = {**plain, "create": create, "update": update}


def name_resources_by_region() -> None:
    """Let stacks of one name in two Regions make roles of different names, since roles have no Region."""
    provisioners: Any = importlib.import_module("ministack.services.cloudformation.provisioners")
    plain, seed = provisioners._physical_name, provisioners._NAME_SEED

    def named(stack_name: str, logical_id: str, **options: Any) -> Any:
        token = seed.set(seed.get() + ministack_seams.where()[1])
        try:
            return plain(stack_name, logical_id, **options)
        finally:
            seed.reset(token)

    provisioners._physical_name = named


def answer_the_cdk_when_stacks_are_done() -> None:
    """Hold an answer to the CDK CLI about a stack in progress until it is done, since it asks only every 5 s."""
    cloudformation: Any = importlib.import_module("ministack.services.cloudformation")
    plain = cloudformation.handle_request

    async def held(method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]) -> Any:
        until = time.monotonic() + _HELD_FOR
        answer = await plain(method, path, headers, body, query)
        asked = b"Action=DescribeStacks&" in body and "aws-cdk" in headers.get("user-agent", "")
        while asked and _IN_PROGRESS.search(answer[2]) and time.monotonic() < until:
            await asyncio.sleep(0.05)
            answer = await plain(method, path, headers, body, query)
        return answer

    cloudformation.handle_request = held


_IN_PROGRESS = re.compile(rb"<StackStatus>(?!REVIEW_)\w+_IN_PROGRESS<")


def explain_unknown_attributes(sentences: Mapping[tuple[str, str], str]) -> None:
    """Set the error of ``Fn::GetAtt`` for attributes that a resource lacks, by resource type and attribute."""
    engine: Any = importlib.import_module("ministack.services.cloudformation.engine")
    plain = engine._unknown_attribute_message
    engine._unknown_attribute_message = lambda res, logical_id, attr: (
        sentences.get((res.get("ResourceType"), attr)) or plain(res, logical_id, attr)
    )


def find_stacks_by_their_resources() -> None:
    """Let DescribeStackResources take the physical id of a resource instead of the name of its stack."""
    cloudformation: Any = importlib.import_module("ministack.services.cloudformation")
    handlers: Any = importlib.import_module("ministack.services.cloudformation.handlers")
    plain = handlers._describe_stack_resources

    def described(params: dict[str, Any]) -> Any:
        wanted = handlers._p(params, "PhysicalResourceId")
        for name, stack in cloudformation._stacks.items() if wanted else ():
            if wanted in [one.get("PhysicalResourceId") for one in stack.get("_resources", {}).values()]:
                return plain({**params, "StackName": [name]})
        return plain(params)

    handlers._ACTION_HANDLERS["DescribeStackResources"] = described


def compare_patterns_with_names() -> None:
    """Compare AllowedPattern of a parameter that is read from SSM with the SSM parameter's name, not its value."""
    engine: Any = importlib.import_module("ministack.services.cloudformation.engine")
    plain = engine._check_parameter_constraints

    def checked(name: str, defn: dict[str, Any], ptype: str, value: str) -> None:
        plain(
            name, defn, ptype, defn.get("Default", value) if ptype.startswith("AWS::SSM::Parameter::Value<") else value
        )

    engine._check_parameter_constraints = checked
