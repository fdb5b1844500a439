"""What starts a drill without a person."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_fis as fis
from aws_cdk import aws_iam as iam
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from ..accepted_findings import accept, readable_arn
from ..physical_names import drill_name
from ..runtime.parameter_registry import DEPLOYMENT_TAG

_RETRIES, _RETRIED_FOR_SECONDS = 3, 300
"""After that it would be a drill at another time than announced."""
_LINKED_ROLE = "aws-service-role/fis.amazonaws.com/AWSServiceRoleForFIS"


def drill_schedule(
    scope: Construct, template: fis.CfnExperimentTemplate, expression: str, deployment: str
) -> scheduler.CfnSchedule:
    """Starts an experiment of *template* whenever *expression*, in UTC, is due; retries do not start another one.

    It has the tags by which people who may stop drills of *deployment* can stop it.

    Source: https://docs.aws.amazon.com/fis/latest/userguide/schedule-experiments.html
    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
    Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
    """
    stack = Stack.of(scope)
    role = _starting_role(scope, template, deployment)
    name = drill_name(deployment)
    schedule = scheduler.CfnSchedule(
        scope,
        "Schedule",
        name=name,
        description=f"Aurora DSQL pair {deployment}: starts a drill in {stack.region}",
        schedule_expression=expression,
        schedule_expression_timezone="UTC",
        flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
        target=scheduler.CfnSchedule.TargetProperty(
            arn=f"arn:{stack.partition}:scheduler:::aws-sdk:fis:startExperiment",
            role_arn=role.role_arn,
            input=stack.to_json_string(
                {
                    "ExperimentTemplateId": template.attr_id,
                    "ClientToken": "<aws.scheduler.execution-id>",
                    "Tags": {"Name": name, DEPLOYMENT_TAG: deployment},
                }
            ),
            retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                maximum_retry_attempts=_RETRIES, maximum_event_age_in_seconds=_RETRIED_FOR_SECONDS
            ),
        ),
    )
    schedule.node.add_dependency(role)
    return schedule


def _starting_role(scope: Construct, template: fis.CfnExperimentTemplate, deployment: str) -> iam.Role:
    """May start experiments of *template*, and whatever AWS FIS needs for the first one of an account."""
    stack = Stack.of(scope)
    groups = stack.format_arn(service="scheduler", resource="schedule-group", resource_name="default")
    conditions = {"StringEquals": {"aws:SourceAccount": stack.account, "aws:SourceArn": groups}}
    role = iam.Role(
        scope, "ScheduleRole", assumed_by=iam.ServicePrincipal("scheduler.amazonaws.com", conditions=conditions)
    )
    experiments = stack.format_arn(service="fis", resource="experiment", resource_name="*")
    started = stack.format_arn(service="fis", resource="experiment-template", resource_name=template.attr_id)
    role.add_to_policy(iam.PolicyStatement(actions=["fis:StartExperiment"], resources=[started, experiments]))
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["fis:TagResource"],
            resources=[experiments],
            conditions={"StringEquals": {f"aws:RequestTag/{DEPLOYMENT_TAG}": deployment}},
        )
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["iam:CreateServiceLinkedRole"],
            resources=[stack.format_arn(service="iam", region="", resource="role", resource_name=_LINKED_ROLE)],
            conditions={"StringEquals": {"iam:AWSServiceName": "fis.amazonaws.com"}},
        )
    )
    accept(role, {f"IAM5[Resource::{readable_arn(stack, experiments)}]": "Experiments have generated ids."})
    return role
