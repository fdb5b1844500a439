"""What wakes an idle cluster for its backup, which AWS Backup could not make otherwise."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_backup as backup
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..accepted_findings import accept


class WakeRule(Construct):
    """Invokes the function for database roles every 5 minutes of the hour of the backup and of the next one.

    The start window of the backup is in them. Nothing is tried again, since the next invocation is.

    Args:
        function_name: Of the function, in this account and Region; it may be one of another stack.
        function_arn: Of the same.
        plan: Whose jobs it waits for.
        hour: UTC.
        deployment_name: Of the pair.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        function_name: str,
        function_arn: str,
        plan: backup.CfnBackupPlan,
        hour: int,
        deployment_name: str,
    ) -> None:
        super().__init__(scope, id)
        asked = {"action": "wake", "plan": plan.ref, "hour": hour}
        rule = events.CfnRule(
            self,
            "Rule",
            description=f"Aurora DSQL pair {deployment_name}: wakes the primary's cluster for its backup",
            schedule_expression=f"cron(0/5 {hour},{(hour + 1) % 24} * * ? *)",
            targets=[
                events.CfnRule.TargetProperty(
                    id="Wake",
                    arn=function_arn,
                    input=Stack.of(self).to_json_string(asked),
                    retry_policy=events.CfnRule.RetryPolicyProperty(
                        maximum_retry_attempts=0, maximum_event_age_in_seconds=300
                    ),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=function_name,
            principal="events.amazonaws.com",
            source_arn=rule.attr_arn,
        )
        lambda_.CfnEventInvokeConfig(
            self,
            "OnFailure",
            function_name=function_name,
            qualifier="$LATEST",
            maximum_retry_attempts=0,
            maximum_event_age_in_seconds=300,
        )
        accept(
            self, dict.fromkeys(("EventBusDLQ", "LambdaAsyncFailureDestination"), "The next invocation does the same.")
        )
