"""CloudFormation's handler for ``AWS::CloudWatch::CompositeAlarm``, in terms of CloudWatch's own API.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-compositealarm.html
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

CloudWatch = Callable[[str, dict[str, Any]], None]
"""Calls an action of CloudWatch's Query API in the account and Region of the stack at work."""

_SCALARS = (
    "AlarmRule",
    "AlarmDescription",
    "ActionsEnabled",
    "ActionsSuppressor",
    "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod",
)
_LISTS = ("AlarmActions", "OKActions", "InsufficientDataActions")


class CompositeAlarmHandler:
    """Puts and deletes composite alarms for stacks.

    Args:
        cloudwatch: Calls CloudWatch.
        arn: Gives the ARN of an alarm's name.
    """

    def __init__(self, cloudwatch: CloudWatch, arn: Callable[[str], str]) -> None:
        self._cloudwatch = cloudwatch
        self._arn = arn

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        name = properties.get("AlarmName") or f"{stack_name}-{logical_id}-{secrets.token_hex(6).upper()}"
        return self._put(name, properties)

    def update(
        self, name: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        return self._put(new.get("AlarmName") or name, new)

    def delete(self, name: str, properties: dict[str, Any]) -> None:
        self._cloudwatch("DeleteAlarms", {"AlarmNames.member.1": name})

    def _put(self, name: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        request = {"AlarmName": name, **{key: properties[key] for key in _SCALARS if key in properties}}
        for key in _LISTS:
            for position, action in enumerate(properties.get(key) or [], start=1):
                request[f"{key}.member.{position}"] = action
        for position, tag in enumerate(properties.get("Tags") or [], start=1):
            request[f"Tags.member.{position}.Key"] = tag["Key"]
            request[f"Tags.member.{position}.Value"] = tag["Value"]
        self._cloudwatch("PutCompositeAlarm", request)
        return name, {"Arn": self._arn(name)}
