"""How the monitor of one Region checks what notifies people in another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from aws_cdk import Stack, Token

from .accepted_findings import accept, readable_arn
from .alerting_topic import AlertingTopic
from .health_monitor import HealthMonitor
from .monitor_permissions import permit_notification_checks
from .resource_policies import differ
from .runtime.health_monitor.settings import NotificationPath

_MINUTES = 4
"""Between two checks. A run is the unit of the monitor: it has no clock that goes on between runs."""


def notification_path(alarms: Sequence[str], topic: AlertingTopic) -> NotificationPath:
    """What a monitor in another Region has to know of *alarms*, by name, and the *topic* that they notify.

    Raises:
        ValueError: a stack in another Region cannot say the topic's ARN.
    """
    stack = Stack.of(topic)
    if topic.known_arn is None:
        raise ValueError(
            f"The topic of {topic.node.path!r} has no name that a stack in another Region can say: give topic_name, or "
            "an existing_topic from an ARN."
        )
    account = topic.known_arn.split(":")[4] if not Token.is_unresolved(topic.known_arn) else None
    return NotificationPath(
        region=stack.region,
        alarms=tuple(alarms),
        topic_arn=topic.known_arn,
        key_alias=topic.key_alias,
        asks_topic=not differ(account, stack.account),
    )


def check_notifications(monitor: HealthMonitor, paths: Sequence[NotificationPath]) -> None:
    """Let *monitor* check *paths* from its first run on schedule on."""
    stack = Stack.of(monitor)
    written = stack.to_json_string([{**asdict(one), "alarms": list(one.alarms)} for one in paths])
    monitor.function.add_environment("NOTIFICATION_PATHS", written)
    every = max(1, _MINUTES // int(monitor.schedule.to_minutes()))
    monitor.function.add_environment("NOTIFICATIONS_EVERY", str(every))
    wildcards = permit_notification_checks(monitor.function, stack, paths)
    reason = "The key of a topic in another Region has no known ARN: its alias fences it."
    accept(monitor, {f"IAM5[Resource::{readable_arn(stack, arn)}]": reason for arn in wildcards})
