"""What a subscriber of a drill receives, and that nothing of it stays."""

from __future__ import annotations

import json

import pytest

from dsql_dr_constructs.cli import subscriber
from dsql_dr_constructs.cli.subscriber import Subscriber
from tests.cli.drill_answers import DENIED, DEPLOYMENT, EAST, REGIONS, THROTTLED, WEST, Aws, error, topic

TOPICS = {region: topic(region) for region in REGIONS}

RECENTLY = error("AWS.SimpleQueueService.QueueDeletedRecently")


def put(aws: Aws, region: str, text: str, *, id: str = "m1", subject: str | None = "Subject") -> None:
    envelope = {"Message": text} | ({"Subject": subject} if subject else {})
    attributes = {"SentTimestamp": str(int(1000 * aws.now))}
    aws.queues[region].append(
        {"MessageId": id, "ReceiptHandle": "r", "Body": json.dumps(envelope), "Attributes": attributes}
    )


def test_notification_of_an_alarm_is_read_with_what_people_see() -> None:
    aws = Aws()
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        body = {"AlarmName": "a", "NewStateValue": "ALARM", "AlarmDescription": "What to do", "NewStateReason": "Why"}
        put(aws, WEST, json.dumps(body), subject='ALARM: "a"')
        [one] = listening.arrived()
        assert listening.arrived() == []
    assert (one.region, one.at, one.subject) == (WEST, aws.now, 'ALARM: "a"')
    assert (one.alarm, one.state, one.description, one.reason) == ("a", "ALARM", "What to do", "Why")


@pytest.mark.parametrize("text", ["Hello", "[1]", '"a"', '{"other": 1}'])
def test_message_of_somebody_else_is_its_text(text: str) -> None:
    aws = Aws()
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        put(aws, EAST, text, subject=None)
        [one] = listening.arrived()
    assert (one.subject, one.alarm, one.state, one.reason) == ("", "", "", text)


def test_only_the_topic_may_send_to_the_queue_and_nothing_of_it_stays() -> None:
    aws = Aws()
    with Subscriber(DEPLOYMENT, TOPICS, aws.client, run="0a1b2c3d") as listening:
        assert (set(aws.queues), set(aws.subscribed)) == (set(REGIONS), set(REGIONS))
        left = subscriber.leftovers(DEPLOYMENT, TOPICS, aws.client)
        assert [(one.region, one.name) for one in left] == [
            (region, f"aurora-dsql-drill-{DEPLOYMENT}-0a1b2c3d") for region in REGIONS
        ]
        assert subscriber.leftovers("Orders", TOPICS, aws.client) == [], "of a deployment whose name begins alike"
    policies = [json.loads(one["Attributes"]["Policy"]) for one in aws.asked("SetQueueAttributes")]
    assert [one["Statement"][0]["Condition"] for one in policies] == [
        {"ArnEquals": {"aws:SourceArn": topic(region)}} for region in REGIONS
    ]
    assert (aws.queues, aws.subscribed, listening.left) == ({}, {}, [])
    assert subscriber.leftovers(DEPLOYMENT, TOPICS, aws.client) == []


def test_what_a_left_queue_had_before_is_not_news() -> None:
    aws = Aws(queues={EAST: []})
    put(aws, EAST, "old")
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        assert listening.arrived() == []


def test_message_that_could_not_be_deleted_is_read_once() -> None:
    aws = Aws()
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        put(aws, EAST, "one")
        put(aws, EAST, "one")  # the same message, delivered twice
        assert len(listening.arrived()) == 1


def test_name_of_a_queue_that_was_just_deleted_is_waited_for() -> None:
    aws = Aws(faults={("CreateQueue", EAST): RECENTLY})
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if sum(pauses) >= 60:
            aws.faults = {}

    with Subscriber(DEPLOYMENT, TOPICS, aws.client, pause=pause) as listening:
        assert listening.regions == list(REGIONS)
    assert sum(pauses) == 60


def test_region_that_refuses_is_a_problem_and_the_other_one_is_heard() -> None:
    aws = Aws(faults={("Subscribe", EAST): DENIED})
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        assert listening.regions == [WEST]
        [problem] = listening.problems
        assert problem.startswith("No subscription of its own could be made in us-east-1")
        put(aws, WEST, "heard")
        assert [one.reason for one in listening.arrived()] == ["heard"]
    assert aws.queues == {}


def test_queue_that_was_not_read_once_is_read_again() -> None:
    aws = Aws()
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        put(aws, WEST, "heard")
        aws.faults = {("ReceiveMessage", WEST): THROTTLED}
        assert (listening.arrived(), [*listening.unread]) == ([], [WEST])
        aws.faults = {}
        assert [one.reason for one in listening.arrived()] == ["heard"]
        assert listening.problems == []


def test_queue_of_another_run_is_not_removed() -> None:
    aws = Aws()
    with (
        Subscriber(DEPLOYMENT, {EAST: topic(EAST)}, aws.client, run="0a1b2c3d"),
        Subscriber(DEPLOYMENT, {WEST: topic(WEST)}, aws.client, run="4e5f6071"),
    ):
        subscriber.remove([subscriber.Queue(EAST, topic(EAST), f"aurora-dsql-drill-{DEPLOYMENT}-4e5f6071")], aws.client)
        assert (EAST in aws.queues, EAST in aws.subscribed) == (True, True)


def test_queue_that_stays_is_named() -> None:
    aws = Aws(faults={("DeleteQueue", WEST): DENIED, ("Unsubscribe", WEST): DENIED})
    with Subscriber(DEPLOYMENT, TOPICS, aws.client) as listening:
        pass
    assert [one.partition(" may be left")[0] for one in listening.left] == [
        f"A subscription of queue aurora-dsql-drill-{DEPLOYMENT} to {topic(WEST)}",
        f"Queue aurora-dsql-drill-{DEPLOYMENT} in us-west-2",
    ]
