"""A subscriber of the topics for faults, for as long as a command runs: what it receives, everybody else receives."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import drill_name
from .aws_session import Client

_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_DELETED_RECENTLY = ("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently")
_NAME_IS_FREE_AFTER = 60.0
"""Seconds after its deletion in which SQS makes no queue of the same name.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
"""


@dataclass(frozen=True)
class Notification:
    """A message as a subscriber receives it.

    Args:
        region: Of the topic.
        at: When it arrived, in seconds since 1970 by SQS.
        subject: As a subscription by email shows it.
        alarm: Name of the alarm; empty if the message is none of CloudWatch's.
        state: That the alarm went into.
        description: Of the alarm.
        reason: Why the alarm went into its state, as CloudWatch gives it; the text of a message that is none of its.
    """

    region: str
    at: float
    subject: str
    alarm: str
    state: str
    description: str
    reason: str


class Subscriber:
    """A queue in each Region, subscribed to its topic until the block ends.

    A Region in which this fails is a sentence in `problems`, and what could not be removed is one in `left`.

    Args:
        deployment: Name of the pair.
        topics: ARN of the topic for faults, by Region.
        client: Gives clients.
        run: What its queues have after their name, so that two at once do not share them. Default: nothing.
        pause: Waits some seconds.
    """

    def __init__(
        self,
        deployment: str,
        topics: Mapping[str, str],
        client: Client,
        *,
        run: str = "",
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self.name = "-".join(filter(None, [drill_name(deployment), run]))
        self._topics = topics
        self._client = client
        self._pause = pause
        self._queues: dict[str, str] = {}
        self._seen: set[str] = set()
        self._refused: list[str] = []
        self.unread: dict[str, str] = {}
        """Sentences: why the queue of a Region could not be read the last time."""
        self.left: list[str] = []

    def __enter__(self) -> Subscriber:
        try:
            for region, topic in self._topics.items():
                try:
                    self._queues[region] = self._subscribe(region, topic)
                except (BotoCoreError, ClientError) as error:
                    self._refused.append(
                        f"No subscription of its own could be made in {region}, so what arrives there is not seen: "
                        f"{error}"
                    )
            self.arrived()  # what a queue that was left has from before
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.left = remove([Queue(region, topic, self.name) for region, topic in self._topics.items()], self._client)

    @property
    def problems(self) -> list[str]:
        """Sentences: what cannot be seen."""
        return [*self._refused, *self.unread.values()]

    @property
    def regions(self) -> list[str]:
        """Those whose notifications are seen."""
        return [*self._queues]

    def arrived(self) -> list[Notification]:
        """What has arrived since the last call, each once."""
        found: list[Notification] = []
        for region, url in list(self._queues.items()):
            try:
                found += self._received(region, url)
                self.unread.pop(region, None)
            except (BotoCoreError, ClientError) as error:
                self.unread[region] = f"The queue in {region} could not be read: {error}"
        return sorted(found, key=lambda one: one.at)

    def _subscribe(self, region: str, topic: str) -> str:
        sqs = self._client("sqs", region)
        url = self._create(sqs)
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        self._client("sns", region).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "false"}
        )
        return url

    def _create(self, sqs: Any) -> str:
        waited = 0.0
        while True:
            try:
                return str(sqs.create_queue(QueueName=self.name)["QueueUrl"])
            except ClientError as error:
                if _code(error) not in _DELETED_RECENTLY or waited > _NAME_IS_FREE_AFTER:
                    raise
            self._pause(5.0)
            waited += 5.0

    def _received(self, region: str, url: str) -> Iterator[Notification]:
        sqs = self._client("sqs", region)
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["SentTimestamp"]
        ).get("Messages", []):
            for one in messages:
                if one["MessageId"] not in self._seen:
                    self._seen.add(one["MessageId"])
                    yield _notification(region, one)
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])


def _notification(region: str, message: Mapping[str, Any]) -> Notification:
    envelope = json.loads(message["Body"])
    text = envelope["Message"]
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    return Notification(
        region=region,
        at=int(message["Attributes"]["SentTimestamp"]) / 1000,
        subject=envelope.get("Subject") or "",
        alarm=body.get("AlarmName", ""),
        state=body.get("NewStateValue", ""),
        description=body.get("AlarmDescription") or "",
        reason=body.get("NewStateReason", text),
    )


@dataclass(frozen=True)
class Queue:
    """One of a drill, with its subscription, or what is left of the two."""

    region: str
    topic: str
    name: str

    def __str__(self) -> str:
        return f"queue {self.name} in {self.region} with its subscription"


def leftovers(deployment: str, topics: Mapping[str, str], client: Client) -> list[Queue]:
    """What drills that were killed have left, or what another one needs that is running."""
    found = []
    for region, topic in topics.items():
        names = {name for _, name in _subscriptions(topic, client("sns", region))}
        pages = client("sqs", region).get_paginator("list_queues").paginate(QueueNamePrefix=drill_name(deployment))
        names |= {url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", ())}
        of_run = re.compile(rf"{re.escape(drill_name(deployment))}-[0-9a-f]{{8}}")
        found += [Queue(region, topic, name) for name in sorted(names) if of_run.fullmatch(name)]
    return found


def remove(queues: Iterable[Queue], client: Client) -> list[str]:
    """Remove subscriptions and queues; sentences for what could not be removed."""
    left = []
    for one in queues:
        try:
            sns = client("sns", one.region)
            for subscription, name in _subscriptions(one.topic, sns):
                if name == one.name:
                    sns.unsubscribe(SubscriptionArn=subscription)
        except (BotoCoreError, ClientError) as error:
            left.append(f"A subscription of queue {one.name} to {one.topic} may be left, and was not removed: {error}")
        try:
            sqs = client("sqs", one.region)
            sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=one.name)["QueueUrl"])
        except (BotoCoreError, ClientError) as error:
            if not (isinstance(error, ClientError) and _code(error) in _MISSING):
                left.append(f"Queue {one.name} in {one.region} may be left, and was not removed: {error}")
    return left


def _subscriptions(topic: str, sns: Any) -> Iterator[tuple[str, str]]:
    """ARN of each subscription of a queue to *topic*, and the queue's name."""
    for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic):
        for one in page["Subscriptions"]:
            if one["Protocol"] == "sqs":
                yield one["SubscriptionArn"], one["Endpoint"].rpartition(":")[2]


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])
