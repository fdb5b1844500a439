"""The run of a monitor during deployment, by which alarms start with data."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CustomResource, custom_resources
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..runtime_function import function_role


def first_probe(
    scope: Construct, function: lambda_.Function, log_group: logs.ILogGroup, environment: Mapping[str, str]
) -> CustomResource:
    """Invokes *function* when the stack is created, and again when one of *environment* changes."""
    provider = custom_resources.Provider(
        scope,
        "Provider",
        on_event_handler=function,
        log_group=log_group,
        framework_on_event_role=function_role(scope, "FrameworkOnEventRole", log_group),
    )
    return CustomResource(
        scope,
        "FirstProbe",
        resource_type="Custom::DsqlFirstProbe",
        service_token=provider.service_token,
        properties={key.title().replace("_", ""): value for key, value in environment.items()},
    )
