"""Who is notified: what an email address looks like, and a warning where a topic has no subscription."""

from __future__ import annotations

import re

import jsii
from aws_cdk import IAspect
from aws_cdk import aws_sns as sns
from constructs import IConstruct

from ..resource_policies import warn


def refuse_no_email(parameter: str, address: str) -> None:
    """
    Raises:
        ValueError: *address*, given as *parameter*, is not one.
    """
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
        raise ValueError(f"In {parameter}: {address!r} is not an address: give something like 'ops@example.com'.")


@jsii.implements(IAspect)
class WarnsOfNoSubscription:
    """Warns when the app is synthesized, since subscriptions are added after the topic is created.

    Args:
        owner: The construct that has the topic.
        topic: The topic.
    """

    subscribed = False
    """Whether *owner* has subscribed somebody."""

    for_warnings = False
    """Whether the topic is notified of warnings only."""

    def __init__(self, owner: IConstruct, topic: sns.ITopic) -> None:
        self._owner, self._topic = owner, topic

    def visit(self, node: IConstruct) -> None:
        if not self.subscribed and not self._subscribed_elsewhere():
            effect = "no warning is sent" if self.for_warnings else "nobody is notified"
            warn(
                self._owner,
                "nobodyNotified",
                f"Topic {self._owner.node.path!r} has no subscription, so {effect}: give emails "
                f"({'warning_emails' if self.for_warnings else 'alert_emails'}), or call its add_email, add_https, "
                "add_queue, add_function or add_slack_channel.",
            )

    def _subscribed_elsewhere(self) -> bool:
        """By any other construct of the app."""
        from aws_cdk import aws_chatbot as chatbot

        arn = self._topic.topic_arn
        every = self._owner.node.root.node.find_all()
        return any(isinstance(one, sns.CfnSubscription) and one.topic_arn == arn for one in every) or any(
            isinstance(one, chatbot.CfnSlackChannelConfiguration) and arn in (one.sns_topic_arns or ()) for one in every
        )
