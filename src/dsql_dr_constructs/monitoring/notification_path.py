"""How the monitor of one Region checks what notifies people in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch

from ..accepted_findings import accept, readable_arn
from ..asked_once import seconds, unresolved
from ..resource_policies import differ
from ..runtime.health_monitor.alarm_digest import digest
from ..runtime.health_monitor.settings import NotificationPath
from .alarm_options import AlarmOptions
from .alerting_topic import AlertingTopic
from .health_monitor import HealthMonitor
from .monitor_permissions import permit_notification_checks

_MINUTES = 4
"""Between two checks. The monitor counts runs, since nothing of it goes on between them."""


def described(
    alarms: Mapping[str, tuple[cloudwatch.IMetric, Duration, AlarmOptions]], stack: Stack
) -> dict[str, Mapping[str, Any]]:
    """Metric alarms in the form in which DescribeAlarms gives them, as far as their digests read it.

    Args:
        alarms: Metric, length of a datapoint, and all else that each evaluates, by what it is about.
        stack: Stack of the alarms.
    """
    # resolve gives the properties of all metrics in one jsii request; to_metric_config would be one for each property
    metrics = stack.resolve({what: metric for what, (metric, _, _) in alarms.items()})
    return {what: _described(metrics[what], period, options) for what, (_, period, options) in alarms.items()}


def _described(metric: Mapping[str, Any], period: Duration, options: AlarmOptions) -> Mapping[str, Any]:
    operator, missing = options.comparison_operator, options.treat_missing_data
    how = {
        "Threshold": options.threshold or 0,
        "ComparisonOperator": operator.value if operator else "",
        "EvaluationPeriods": options.evaluation_periods or 0,
        "DatapointsToAlarm": options.datapoints_to_alarm,
        "TreatMissingData": missing.value if missing else None,
    }
    if "expression" in metric:
        used = [
            {"Id": name, "MetricStat": {**_stat(one), "Period": seconds(period)}, "ReturnData": False}
            for name, one in metric["usingMetrics"].items()
        ]
        return {**how, "Metrics": [{"Expression": metric["expression"]}, *used]}
    stat = _stat(metric)
    return {**how, **stat["Metric"], "Statistic": stat["Stat"], "Period": seconds(period)}


def _stat(metric: Mapping[str, Any]) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric["dimensions"].items()]
    return {
        "Metric": {"Namespace": metric["namespace"], "MetricName": metric["metricName"], "Dimensions": dimensions},
        "Stat": metric["statistic"],
    }


def notification_path(
    alarm_name: str,
    notifying: Mapping[str, Mapping[str, Any]],
    causes: Mapping[str, Mapping[str, Any]],
    topic: AlertingTopic,
) -> NotificationPath:
    """What a monitor in another Region has to know to check the notifications of this one.

    Args:
        alarm_name: Name of the alarms, with ``*`` for what they are about.
        notifying: Alarms that notify, by what they are about, as DescribeAlarms gives them.
        causes: Children of the composite alarms among these.
        topic: The topic that they notify.

    Raises:
        ValueError: a stack in another Region does not know the topic's ARN.
    """
    stack = topic._stack
    region = stack.region
    if topic.known_arn is None:
        raise ValueError(
            f"The topic of {topic.node.path!r} has no physical name, by which a monitor in another Region can check "
            "it: give the topic a topic_name, or the ARN of an existing topic."
        )
    account = topic.known_arn.split(":")[4] if not unresolved(topic.known_arn) else None
    return NotificationPath(
        region=region,
        alarm_name=alarm_name,
        alarms=_digests(notifying, region),
        causes=_digests(causes, region),
        topic_arn=topic.known_arn,
        key_alias=topic.key_alias,
        asks_topic=not (account and differ(account, stack.account)),
    )


def _digests(alarms: Mapping[str, Mapping[str, Any]], region: str) -> dict[str, str]:
    """Empty in a Region that is not known at synth: the alarms have it in names and dimensions."""
    known = not unresolved(region)
    return {what: digest(one) if known else "" for what, one in alarms.items()}


def check_notifications(monitor: HealthMonitor, paths: Sequence[NotificationPath]) -> None:
    """Let *monitor* check *paths*, beginning with its first scheduled run."""
    stack = monitor._stack
    written = stack.to_json_string([asdict(one) for one in paths])
    monitor.function.add_environment("NOTIFICATION_PATHS", written)
    every = max(1, _MINUTES * 60 // int(seconds(monitor.schedule)))
    monitor.function.add_environment("NOTIFICATIONS_EVERY", str(every))
    wildcards = permit_notification_checks(monitor.function, stack, paths)
    reason = "The key of a topic in another Region has no known ARN: its alias limits the permission."
    accept(monitor, {f"IAM5[Resource::{readable_arn(stack, arn)}]": reason for arn in wildcards})
