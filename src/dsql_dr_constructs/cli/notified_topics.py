"""What alarms notify: who is subscribed, and what CloudWatch and SNS say of deliveries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from .aws_session import Client
from .destinations import of_a_command, public
from .notifying_alarms import NotifyingAlarm

_EARLIER = timedelta(seconds=5)
"""By which an action may precede the answer of the call that caused it."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Somebody who is sent notifications, once it is confirmed."""

    protocol: str
    endpoint: str
    """Without the key of an incident tool."""
    confirmed: bool

    def __str__(self) -> str:
        return f"{self.protocol} {self.endpoint}"


@dataclass(frozen=True, kw_only=True)
class Action:
    """A topic, or another action of alarms.

    Args:
        region: Of the alarms.
        arn: Its own.
        subscriptions: Without those of drills and tests.
        unknown: Why subscriptions are not known. Empty: they are.
        observed: Whether the test's own subscription shows what arrives.
        delivered: Messages that SNS delivered to all subscriptions during the test; None: not known.
        failed: Messages that SNS could not deliver; None: not known.
        counted: Whether CloudWatch was asked for these counts.
    """

    region: str
    arn: str
    subscriptions: list[Subscription] = field(default_factory=list)
    unknown: str = ""
    observed: bool = True
    delivered: int | None = None
    failed: int | None = None
    counted: bool = False

    @property
    def name(self) -> str:
        return self.arn.rpartition(":")[2]

    def unconfirmed(self) -> Iterator[str]:
        """Sentences: who is sent nothing, and what to do."""
        if not self.unknown and not any(one.confirmed for one in self.subscriptions):
            yield f"Topic {self.arn} has no confirmed subscription, so nobody was notified."
        for one in self.subscriptions:
            if not one.confirmed:
                what_to_do = (
                    "its owner follows the link in the email with the subject 'AWS Notification - Subscription "
                    f"Confirmation'. If it is older than 48 hours, send a new one: aws sns subscribe --region "
                    f"{self.region} --topic-arn {self.arn} --protocol {one.protocol} --notification-endpoint "
                    f"{one.endpoint}"
                    if one.protocol.startswith("email")
                    else "its server confirms it; see its settings, then subscribe it again"
                )
                yield f"{one} was sent nothing, since it has not confirmed its subscription: {what_to_do}"

    def with_counts(self, since: float, client: Client) -> Action:
        """With SNS's own counts from *since* on.

        Source: https://docs.aws.amazon.com/sns/latest/dg/sns-monitoring-using-cloudwatch.html
        """
        if self.unknown:
            return self
        return replace(
            self,
            counted=True,
            delivered=self._count("NumberOfNotificationsDelivered", since, client),
            failed=self._count("NumberOfNotificationsFailed", since, client),
        )

    def _count(self, metric: str, since: float, client: Client) -> int | None:
        begin = datetime.fromtimestamp(since, timezone.utc).replace(second=0, microsecond=0)
        found = client("cloudwatch", self.region).get_metric_statistics(
            Namespace="AWS/SNS",
            MetricName=metric,
            Dimensions=[{"Name": "TopicName", "Value": self.name}],
            StartTime=begin,
            EndTime=begin + timedelta(hours=3),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return int(sum(one["Sum"] for one in found)) if found else None


def action_of(region: str, arn: str, account: str, client: Client) -> Action:
    """With its subscriptions; a failed call is the caller's."""
    found = Action(region=region, arn=arn)
    if arn.split(":")[2] != "sns":
        return replace(found, unknown="no topic", observed=False)
    if arn.split(":")[4] != account:
        return replace(found, unknown="not known: another account", observed=False)
    pages = client("sns", region).get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn)
    for one in (one for page in pages for one in page["Subscriptions"]):
        subscribed = one["SubscriptionArn"]
        if not of_a_command(one) and (subscribed.startswith("arn:") or subscribed == "PendingConfirmation"):
            found.subscriptions.append(
                Subscription(
                    protocol=one["Protocol"], endpoint=public(one["Endpoint"]), confirmed=subscribed.startswith("arn:")
                )
            )
    return found


def published(alarm: NotifyingAlarm, action: str, since: float, client: Client) -> list[str]:
    """What the alarm's history says of *action* since then, the oldest first: one entry for each state.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarmHistory.html
    """
    history = client("cloudwatch", alarm.region).describe_alarm_history(
        AlarmName=alarm.name,
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        HistoryItemType="Action",
        StartDate=datetime.fromtimestamp(since, timezone.utc) - _EARLIER,
        ScanBy="TimestampAscending",
    )["AlarmHistoryItems"]
    return [one["HistorySummary"] for one in history if action in one["HistorySummary"]]
