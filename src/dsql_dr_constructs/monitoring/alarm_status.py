"""The dashboard's list of alarms with their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch


class AlarmStatus(cloudwatch.ConcreteWidget):
    """The CDK's AlarmStatusWidget wants a construct for each alarm: two calls to Node, where this has one for all.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """

    def __init__(self, title: str, arns: Sequence[str], width: int, height: int | float) -> None:
        super().__init__(width, height)
        self._properties = {"title": title, "alarms": list(arns), "sortBy": "stateUpdatedTimestamp"}
        self._place = {"width": width, "height": height}

    def position(self, x: int | float, y: int | float) -> None:
        self._place |= {"x": x, "y": y}

    def to_json(self) -> list[Any]:
        return [{"type": "alarm", **self._place, "properties": self._properties}]
