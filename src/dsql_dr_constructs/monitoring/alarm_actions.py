"""What an alarm notifies: one topic, of ALARM and of OK."""

from __future__ import annotations

from aws_cdk import Stack, Stage
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import IConstruct

from ..asked_once import unresolved
from ..resource_policies import is_imported
from .alerting_topic import AlertingTopic


def publish(alarm: cloudwatch.AlarmBase, topic: AlertingTopic | None) -> None:
    if topic:
        alarm.add_alarm_action(topic._action)
        alarm.add_ok_action(topic._action)


def refuse_unable_to_publish(alarm: cloudwatch.AlarmBase, scope: IConstruct) -> None:
    """
    Raises:
        ValueError: *alarm* is imported, or in another account, Region or Stage than *scope*, beside which the topic is.
    """
    path, stack, own = alarm.node.path, Stack.of(alarm), Stack.of(scope)
    if is_imported(alarm):
        raise ValueError(
            f"Alarm {path!r} is imported, and its actions cannot be changed from here: add the ARN of the topic to "
            "its actions where it is made."
        )
    if stack.account != own.account:
        raise ValueError(
            f"Alarm {path!r} is in a stack of {_account(stack)}, and the topic in one of {_account(own)}: give "
            "both the same env, for example account=os.environ['CDK_DEFAULT_ACCOUNT']."
        )
    if stack.region != own.region or Stage.of(alarm) is not Stage.of(scope):
        raise ValueError(
            f"Alarm {path!r} is in {stack.region!r}, and the topic in {own.region!r}: an alarm notifies topics "
            "of its own Region and its own Stage only; create it there."
        )


def _account(stack: Stack) -> str:
    return "no account" if unresolved(stack.account) else f"account {stack.account}"
