"""Where the alarms of a Region send notifications, and whether these arrive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from ..physical_names import drill_name


@dataclass(frozen=True)
class Destination:
    """An SNS topic, or an action that needs no subscription."""

    region: str
    arn: str
    confirmed: int | None = None
    """Number of confirmed subscriptions; None if this is not a topic, or they could not be listed."""
    pending: list[str] = field(default_factory=list)
    """Addresses that receive nothing, since their subscription is not confirmed."""
    left: list[str] = field(default_factory=list)
    """ARNs of subscriptions of drills and of tests of notifications, which notify nobody."""
    key_state: str | None = None
    """State of the topic's key; None if it has none, or this is not a topic, or the key could not be described."""

    def with_subscriptions(self, sns: Any) -> Destination:
        """Only a confirmed subscription has an ARN; until then its ARN is "PendingConfirmation".

        Source: https://docs.aws.amazon.com/sns/latest/api/API_ConfirmSubscription.html
        """
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self.arn)
        found = [one for page in pages for one in page["Subscriptions"]]
        endpoints = [(one["SubscriptionArn"], one["Endpoint"]) for one in found if not of_a_command(one)]
        return replace(
            self,
            confirmed=sum(subscription.startswith("arn:") for subscription, _ in endpoints),
            pending=[public(endpoint) for subscription, endpoint in endpoints if subscription == "PendingConfirmation"],
            left=[
                one["SubscriptionArn"]
                for one in found
                if of_a_command(one) and one["SubscriptionArn"].startswith("arn:")
            ],
        )

    def with_key_state(self, sns: Any, kms: Any) -> Destination:
        key = sns.get_topic_attributes(TopicArn=self.arn)["Attributes"].get("KmsMasterKeyId")
        return replace(self, key_state=kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]) if key else self

    def notes(self) -> Iterator[str]:
        """What has to be known although notifications arrive."""
        for one in self.left:
            yield (
                f"Topic {self.arn} has the subscription of a drill or of a test of notifications, and the monitors of "
                "other Regions count it as somebody's. If none is running, one that was killed has left it: aws sns "
                f"unsubscribe --region {self.region} --subscription-arn {one}"
            )

    def broken(self) -> Iterator[str]:
        """Why notifications do not arrive."""
        if self.confirmed == 0:
            yield f"Topic {self.arn} has no confirmed subscription."
        if self.key_state not in (None, "Enabled"):
            yield f"The key of topic {self.arn} is {self.key_state}."


def of_a_command(subscription: Mapping[str, str]) -> bool:
    """Whether it is that of a drill's queue, or of one of a test of notifications."""
    return f":{drill_name('')}" in subscription["Endpoint"]


def public(endpoint: str) -> str:
    """*endpoint* without what follows the host of a URL, where incident tools have their key."""
    url = urlsplit(endpoint)
    return f"{url.scheme}://{url.hostname}/…" if url.scheme.startswith("http") else endpoint
