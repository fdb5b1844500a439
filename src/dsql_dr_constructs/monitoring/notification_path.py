"""How the monitor of one Region checks what notifies people in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from aws_cdk import Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch

from ..accepted_findings import accept, readable_arn
from ..resource_policies import differ
from ..runtime.health_monitor.alarm_digest import digest
from ..runtime.health_monitor.settings import NotificationPath
from .alarm_options import AlarmOptions
from .alerting_topic import AlertingTopic
from .health_monitor import HealthMonitor
from .monitor_permissions import permit_notification_checks

_MINUTES = 4
"""Between two checks. The monitor counts runs, since nothing of it goes on between them."""


def described(metric: cloudwatch.IMetric, options: AlarmOptions) -> Mapping[str, Any]:
    """A metric alarm in the form in which DescribeAlarms gives it, as far as its digest reads it."""
    config = metric.to_metric_config()
    operator, missing = options.comparison_operator, options.treat_missing_data
    how = {
        "Threshold": options.threshold or 0,
        "ComparisonOperator": operator.value if operator else "",
        "EvaluationPeriods": options.evaluation_periods or 0,
        "DatapointsToAlarm": options.datapoints_to_alarm,
        "TreatMissingData": missing.value if missing else None,
    }
    if math := config.math_expression:
        used = [
            {"Id": name, "MetricStat": _stat(one.to_metric_config()), "ReturnData": False}
            for name, one in math.using_metrics.items()
        ]
        return {**how, "Metrics": [{"Expression": math.expression}, *used]}
    stat = _stat(config)
    return {**how, **stat["Metric"], "Statistic": stat["Stat"], "Period": stat["Period"]}


def _stat(config: cloudwatch.MetricConfig) -> dict[str, Any]:
    stat: Any = config.metric_stat
    dimensions = [{"Name": one.name, "Value": one.value} for one in stat.dimensions or ()]
    return {
        "Metric": {"Namespace": stat.namespace, "MetricName": stat.metric_name, "Dimensions": dimensions},
        "Stat": stat.statistic,
        "Period": int(stat.period.to_seconds()),
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
    stack = Stack.of(topic)
    if topic.known_arn is None:
        raise ValueError(
            f"The topic of {topic.node.path!r} has no physical name, by which a monitor in another Region can check "
            "it: give the topic a topic_name, or the ARN of an existing topic."
        )
    account = topic.known_arn.split(":")[4] if not Token.is_unresolved(topic.known_arn) else None
    return NotificationPath(
        region=stack.region,
        alarm_name=alarm_name,
        alarms=_digests(notifying, stack),
        causes=_digests(causes, stack),
        topic_arn=topic.known_arn,
        key_alias=topic.key_alias,
        asks_topic=not differ(account, stack.account),
    )


def _digests(alarms: Mapping[str, Mapping[str, Any]], stack: Stack) -> dict[str, str]:
    """Empty in a Region that is not known at synth: the alarms have it in names and dimensions."""
    known = not Token.is_unresolved(stack.region)
    return {what: digest(one) if known else "" for what, one in alarms.items()}


def check_notifications(monitor: HealthMonitor, paths: Sequence[NotificationPath]) -> None:
    """Let *monitor* check *paths*, beginning with its first scheduled run."""
    stack = Stack.of(monitor)
    written = stack.to_json_string([asdict(one) for one in paths])
    monitor.function.add_environment("NOTIFICATION_PATHS", written)
    every = max(1, _MINUTES // int(monitor.schedule.to_minutes()))
    monitor.function.add_environment("NOTIFICATIONS_EVERY", str(every))
    wildcards = permit_notification_checks(monitor.function, stack, paths)
    reason = "The key of a topic in another Region has no known ARN: its alias limits the permission."
    accept(monitor, {f"IAM5[Resource::{readable_arn(stack, arn)}]": reason for arn in wildcards})
