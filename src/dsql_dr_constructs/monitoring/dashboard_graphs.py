"""A graph of the dashboard, and the axes that graphs have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import aws_cloudwatch as cloudwatch

WIDTH: Final = 24
"""Of a whole row."""
Axis = Mapping[str, Any]  # a YAxisProps when it is used: the first struct loads jsii's type checker, 40 ms
ZERO_TO_ONE: Axis = {"min": 0, "max": 1}
COUNT: Axis = {"min": 0, "label": "Count"}
MILLISECONDS: Axis = {"min": 0, "label": "ms"}
HOURS: Axis = {"min": 0, "label": "h"}


def graph(
    title: str,
    metrics: Sequence[cloudwatch.IMetric],
    axis: Axis,
    width: int = WIDTH // 3,
    region: str | None = None,
    height: int | None = None,
) -> cloudwatch.GraphWidget:
    """*metrics* as lines, with their unit at the axis only."""
    return cloudwatch.GraphWidget(
        title=title,
        left=list(metrics),
        left_y_axis=cloudwatch.YAxisProps(**axis, show_units=False),
        width=width,
        height=height,
        region=region,
    )
