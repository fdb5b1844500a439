"""CloudFormation's handler for ``AWS::Chatbot::SlackChannelConfiguration``: it remembers names, and tells no Slack.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-chatbot-slackchannelconfiguration.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_REQUIRED = ("ConfigurationName", "IamRoleArn", "SlackChannelId", "SlackWorkspaceId")


class SlackChannelHandler:
    """Configurations of every account, which belong to no Region.

    Args:
        account: Gives the account of the stack at work.
    """

    def __init__(self, account: Callable[[], str]) -> None:
        self._account = account
        self._taken: set[str] = set()

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        missing = [name for name in _REQUIRED if not properties.get(name)]
        if missing:
            raise RuntimeError(f"Properties validation failed for resource {logical_id}: {missing} are required.")
        name = properties["ConfigurationName"]
        arn = f"arn:aws:chatbot::{self._account()}:chat-configuration/slack-channel/{name}"
        if arn in self._taken:
            raise RuntimeError(f"Resource of type 'AWS::Chatbot::SlackChannelConfiguration' with name '{name}' exists.")
        self._taken.add(arn)
        return arn, {"Arn": arn}

    def update(self, arn: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        if old["ConfigurationName"] != new["ConfigurationName"]:
            return self.create("", new, stack_name)
        return arn, {"Arn": arn}

    def delete(self, arn: str, properties: dict[str, Any]) -> None:
        self._taken.discard(arn)
