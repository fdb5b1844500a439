"""What AWS Backup reports by itself: events on the default bus of EventBridge, and metrics.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/eventbridge.html
Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/cloudwatch.html
"""

from __future__ import annotations

import importlib
import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from . import ministack_alarms
from .backup_records import Where

NAMESPACE = "AWS/Backup"


@dataclass(frozen=True)
class Notice:
    """One change of state: an event, and one more of the metric that counts this state."""

    where: Where
    detail_type: str
    resources: tuple[str, ...]
    detail: dict[str, Any]
    metric: str
    vault_name: str


T = TypeVar("T")


class Outbox(Generic[T]):
    """Notices in their order, until they are sent: not while something is locked, since a target may call back.

    Args:
        send: Sends one.
    """

    def __init__(self, send: Callable[[T], None]) -> None:
        self._send = send
        self._notices: deque[T] = deque()
        self._sending = threading.Lock()

    def put(self, notice: T) -> None:
        self._notices.append(notice)

    def flush(self) -> None:
        with self._sending:
            while self._notices:
                self._send(self._notices.popleft())


def send(notice: Notice) -> None:
    """Send *notice* to ministack's EventBridge and CloudWatch; only from a thread without an event loop."""
    responses: Any = importlib.import_module("ministack.core.responses")
    eventbridge: Any = importlib.import_module("ministack.services.eventbridge")
    entry = {
        "Source": "aws.backup",
        "DetailType": notice.detail_type,
        "Resources": list(notice.resources),
        "Detail": json.dumps(notice.detail),
    }
    with responses.request_scope(*notice.where):
        eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)
        for dimensions in ([("BackupVaultName", notice.vault_name)], [("ResourceType", "DSQL")]):
            metric = {"MetricData.member.1.MetricName": notice.metric, "MetricData.member.1.Value": "1"}
            for position, (name, value) in enumerate(dimensions, start=1):
                dimension = f"MetricData.member.1.Dimensions.member.{position}"
                metric |= {f"{dimension}.Name": name, f"{dimension}.Value": value}
            ministack_alarms.call_cloudwatch("PutMetricData", {"Namespace": NAMESPACE, **metric})
