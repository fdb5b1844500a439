"""CloudFormation's handler for resource types that apps contain and the emulator only records.

Sources: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-chatbot-slackchannelconfiguration.html
and https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-codepipeline-pipeline.html
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RecordedType:
    """Required properties of a resource, and its attributes."""

    name: str
    named_by: str
    required: tuple[str, ...]
    ref: str
    """With {account}, {region} and {name}; no two resources of a Region have the same."""
    attributes: tuple[str, ...] = ()
    """Those that are the same as Ref."""


RECORDED = (
    RecordedType(
        "AWS::Chatbot::SlackChannelConfiguration",
        named_by="ConfigurationName",
        required=("ConfigurationName", "IamRoleArn", "SlackChannelId", "SlackWorkspaceId"),
        ref="arn:aws:chatbot::{account}:chat-configuration/slack-channel/{name}",
        attributes=("Arn",),
    ),
    RecordedType("AWS::CodePipeline::Pipeline", named_by="Name", required=("RoleArn", "Stages"), ref="{name}"),
)


class RecordedHandler:
    """Resources of one type, in every account and Region.

    Args:
        type: Which.
        where: Gives the account and the Region of the stack at work.
    """

    def __init__(self, type: RecordedType, where: Callable[[], tuple[str, str]]) -> None:
        self._type = type
        self._where = where
        self._taken: set[tuple[str, str, str]] = set()

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        missing = [name for name in self._type.required if not properties.get(name)]
        if missing:
            raise RuntimeError(f"Properties validation failed for resource {logical_id}: {missing} are required.")
        account, region = self._where()
        name = properties.get(self._type.named_by) or f"{stack_name}-{logical_id}-{uuid.uuid4().hex[:12]}"
        ref = self._type.ref.format(account=account, region=region, name=name)
        if (account, region, ref) in self._taken:
            raise RuntimeError(f"Resource of type '{self._type.name}' with name '{name}' exists.")
        self._taken.add((account, region, ref))
        return ref, dict.fromkeys(self._type.attributes, ref)

    def update(self, ref: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        if old.get(self._type.named_by) != new.get(self._type.named_by):
            return self.create("", new, stack_name)
        return ref, dict.fromkeys(self._type.attributes, ref)

    def delete(self, ref: str, properties: dict[str, Any]) -> None:
        self._taken.discard((*self._where(), ref))
