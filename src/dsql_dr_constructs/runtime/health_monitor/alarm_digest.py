"""A short digest of what an alarm evaluates: the deployment records it, and the monitor compares.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricAlarm.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from . import metric_names as names

_CHILD = re.compile(r'ALARM\("?(?:arn:[^"()]*:alarm:)?([^"():]+)"?\)')


def digest(alarm: Mapping[str, Any]) -> str:
    """Of *alarm* as DescribeAlarms gives it: the environment of a function has no room for more."""
    evaluated = _rule(alarm["AlarmRule"]) if "AlarmRule" in alarm else _metrics(alarm)
    return sha256(json.dumps(evaluated).encode()).hexdigest()[:16]


def _rule(rule: str) -> Any:
    """Names of its children if it goes off with any of them, as ours do; else the rule itself."""
    return rule if re.sub(r"\bOR\b|[()\s]", "", _CHILD.sub("", rule)) else sorted(_CHILD.findall(rule))


def _metrics(alarm: Mapping[str, Any]) -> Any:
    metrics = [
        [one.get("Id") if "MetricStat" in one else one.get("Expression"), one.get("ReturnData", True), *_metric(one)]
        for one in alarm.get("Metrics") or ()
    ]
    periods = int(alarm.get("EvaluationPeriods", 0))
    return [
        sorted(metrics, key=str) or _metric({"MetricStat": {"Metric": alarm, **alarm, "Stat": alarm.get("Statistic")}}),
        float(alarm.get("Threshold", "nan")),  # anomaly detection has none
        _plain(alarm.get("ComparisonOperator", "")),
        periods,
        int(alarm.get("DatapointsToAlarm") or periods),
        _plain(alarm.get("TreatMissingData") or "missing"),
    ]


def _metric(query: Mapping[str, Any]) -> list[Any]:
    """Of other namespaces than ours without dimensions, whose values the synthesis does not know."""
    stat = query.get("MetricStat")
    if not stat:
        return []
    metric = stat["Metric"]
    namespace = metric.get("Namespace")
    dimensions = sorted((one["Name"], one["Value"]) for one in metric.get("Dimensions") or ())
    return [
        namespace,
        metric.get("MetricName"),
        stat.get("Stat"),
        int(stat.get("Period") or 0),
        dimensions if namespace == names.NAMESPACE else [],
    ]


def _plain(name: str) -> str:
    """However it is written: IGNORE, notBreaching, GREATER_THAN_THRESHOLD, GreaterThanThreshold."""
    return name.replace("_", "").lower()
