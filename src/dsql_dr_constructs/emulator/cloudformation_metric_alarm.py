"""CloudFormation's handler for ``AWS::CloudWatch::Alarm`` with metric math, around ministack's, which has none.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudwatch-alarm.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Put = Callable[..., "tuple[str, dict[str, Any]]"]


class MetricAlarmHandler:
    """Puts the alarm on its first metric, then gives it the expression.

    Args:
        create: ministack's handler.
        update: ministack's handler.
        delete: ministack's handler.
        set_metrics: Gives the alarm of a name its ``Metrics``.
    """

    def __init__(
        self, create: Put, update: Put, delete: Callable[..., None], set_metrics: Callable[[str, list[Any]], None]
    ) -> None:
        self._create = create
        self._update = update
        self.delete = delete
        self._set_metrics = set_metrics

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        return self._with_metrics(properties, self._create(logical_id, _plain(properties), stack_name))

    def update(
        self,
        physical_id: str,
        old: dict[str, Any],
        new: dict[str, Any],
        stack_name: str,
        logical_id: str | None = None,
    ) -> tuple[str, dict[str, Any]]:
        return self._with_metrics(new, self._update(physical_id, _plain(old), _plain(new), stack_name, logical_id))

    def _with_metrics(self, properties: dict[str, Any], done: tuple[str, dict[str, Any]]) -> tuple[str, dict[str, Any]]:
        if properties.get("Metrics"):
            self._set_metrics(done[0], properties["Metrics"])
        return done


def _plain(properties: dict[str, Any]) -> dict[str, Any]:
    metrics = properties.get("Metrics")
    if not metrics:
        return properties
    first = next(one["MetricStat"] for one in metrics if "MetricStat" in one)
    rest = {key: value for key, value in properties.items() if key != "Metrics"}
    return {
        **rest,
        "Namespace": first["Metric"]["Namespace"],
        "MetricName": first["Metric"]["MetricName"],
        "Period": first["Period"],
    }
