from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.notifications import PERMISSION_SECONDS
from tests.runtime.health_monitor.hand_made_aws import Aws, OtherRegion, error

WEST, WITNESS = "us-west-2", "us-east-2"
TOPIC = f"topic arn:aws:sns:{WEST}:111111111111:aurora-dsql-alerts-Orders-production"
DOWN, LOST = f"alarm cluster-down-from-{WEST}", f"alarm peering-lost-from-{WEST}"


def observed(*regions: str) -> Aws:
    """What us-east-1 sees of *regions*."""
    aws = Aws()
    aws.others = {region: OtherRegion(region) for region in regions}
    aws.paths = tuple(one.path for one in aws.others.values())
    return aws


@pytest.fixture
def aws() -> Aws:
    return observed(WEST)


@pytest.fixture
def west(aws: Aws) -> OtherRegion:
    return aws.others[WEST]


def notification_health(aws: Aws) -> list[float]:
    data = [one for one in aws.put[-1]["MetricData"] if one["MetricName"] == "NotificationHealth"]
    for one in data:
        assert one["Dimensions"] == [
            {"Name": "Deployment", "Value": "Orders-production"},
            {"Name": "ObserverRegion", "Value": "us-east-1"},
        ]
    return [one["Value"] for one in data]


def test_region_that_can_notify_is_healthy(aws: Aws) -> None:
    result = aws.run()
    assert (result["verdict"], notification_health(aws)) == (names.HEALTHY, [1.0])
    assert result["notifications"] == {
        "healthy": True,
        "problems": (),
        "unanswered": (),
        "checked_at": "1970-01-01T00:16:40+00:00",
    }


def switch_off(west: OtherRegion) -> None:
    west.alarms[LOST.partition(" ")[2]]["ActionsEnabled"] = False


def delete_alarm(west: OtherRegion) -> None:
    del west.alarms[DOWN.partition(" ")[2]]


def remove_action(west: OtherRegion) -> None:
    west.alarms[DOWN.partition(" ")[2]]["AlarmActions"] = ["arn:aws:sns:us-west-2:111111111111:other"]


def disable_key(west: OtherRegion) -> None:
    west.key = {**(west.key or {}), "KeyState": "Disabled"}


def subscribed(confirmed: int, pending: int) -> Callable[[OtherRegion], None]:
    def change(west: OtherRegion) -> None:
        counts = {"SubscriptionsConfirmed": str(confirmed), "SubscriptionsPending": str(pending)}
        west.topic = {**(west.topic or {}), **counts}

    return change


def delete_topic(west: OtherRegion) -> None:
    west.topic = None


def other_key(west: OtherRegion) -> None:
    west.topic = {**(west.topic or {}), "KmsMasterKeyId": "alias/aws/sns"}


def no_key(west: OtherRegion) -> None:
    west.topic = {key: value for key, value in (west.topic or {}).items() if key != "KmsMasterKeyId"}


def delete_alias(west: OtherRegion) -> None:
    west.key = None


def admit_nobody(west: OtherRegion) -> None:
    west.policy.pop()


def deny_cloudwatch(west: OtherRegion) -> None:
    west.policy.append({"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ["SNS:Publish"], "Resource": "*"})


BROKEN: dict[str, tuple[Callable[[OtherRegion], None], str]] = {
    "actions are switched off": (switch_off, f"the actions of {LOST} are switched off"),
    "an alarm is deleted": (delete_alarm, f"{DOWN} does not exist"),
    "an action is removed": (remove_action, f"{DOWN} does not notify {TOPIC}"),
    "the key is disabled": (
        disable_key,
        f"key arn:aws:kms:{WEST}:111111111111:key/1234 of {TOPIC} is Disabled: CloudWatch cannot publish",
    ),
    "everybody is unsubscribed": (subscribed(0, 0), f"nobody is notified by {TOPIC}"),
    "nobody confirmed": (subscribed(0, 2), f"nobody is notified by {TOPIC}: 2 subscribed, and have not confirmed"),
    "the topic is deleted": (delete_topic, f"{TOPIC} does not exist"),
    "the topic has another key": (
        other_key,
        f"{TOPIC} has key 'alias/aws/sns': it should be arn:aws:kms:{WEST}:111111111111:key/1234",
    ),
    "the topic has no key": (no_key, f"{TOPIC} has key '': it should be arn:aws:kms:{WEST}:111111111111:key/1234"),
    "the key's alias is deleted": (
        delete_alias,
        f"alias/aurora-dsql-alerts-Orders-production of the topic's key does not exist in {WEST}",
    ),
    "the topic's policy admits nobody": (
        admit_nobody,
        f"the policy of {TOPIC} does not allow cloudwatch.amazonaws.com to publish",
    ),
    "the topic's policy denies it": (
        deny_cloudwatch,
        f"the policy of {TOPIC} does not allow cloudwatch.amazonaws.com to publish",
    ),
}


@pytest.mark.parametrize("way", BROKEN)
def test_each_way_to_keep_notifications_away_is_a_fault_with_its_sentence(
    aws: Aws, west: OtherRegion, way: str
) -> None:
    break_it, sentence = BROKEN[way]
    break_it(west)
    result = aws.run()
    assert (result["verdict"], notification_health(aws)) == (names.NOTIFICATIONS_BROKEN, [0.0])
    assert result["notifications"]["problems"] == (sentence,)
    assert all(one["healthy"] for one in result["clusters"])


def test_topic_may_name_its_key_in_each_of_kms_ways(aws: Aws, west: OtherRegion) -> None:
    for name in (west.key_arn, "1234", west.path.key_alias, f"arn:aws:kms:{WEST}:1:{west.path.key_alias}"):
        west.topic = {**(west.topic or {}), "KmsMasterKeyId": str(name)}
        assert aws.run(by_hand=True)["verdict"] == names.HEALTHY


def test_topic_of_the_users_own_is_checked_without_its_key(aws: Aws, west: OtherRegion) -> None:
    aws.paths = (replace(west.path, key_alias=None),)
    disable_key(west)
    assert aws.run()["verdict"] == names.HEALTHY
    assert ("kms", WEST) not in aws.asked_of


def test_policy_that_is_none_admits_nobody(aws: Aws, west: OtherRegion) -> None:
    west.policy = []
    assert aws.run()["verdict"] == names.NOTIFICATIONS_BROKEN


def test_it_checks_on_a_slow_beat_and_keeps_the_finding_in_between(aws: Aws, west: OtherRegion) -> None:
    subscribed(0, 0)(west)
    asked, put = [], []
    for _ in range(5):
        asked.append(west.asked)
        assert aws.run()["verdict"] == names.NOTIFICATIONS_BROKEN
        put.append(notification_health(aws))
    assert asked == [0, 1, 1, 2, 2], "every second run"
    assert put == [[0.0], [], [0.0], [], [0.0]]


def test_person_who_asks_gets_a_finding_of_now(aws: Aws, west: OtherRegion) -> None:
    aws.run()
    subscribed(0, 0)(west)
    assert aws.run()["verdict"] == names.HEALTHY
    assert aws.run(by_hand=True)["verdict"] == names.NOTIFICATIONS_BROKEN
    subscribed(1, 0)(west)
    assert aws.run(by_hand=True)["verdict"] == names.HEALTHY


def test_first_run_of_a_deployment_does_not_check_what_may_not_be_deployed_yet(aws: Aws, west: OtherRegion) -> None:
    delete_topic(west)
    result = aws.run(first=True)
    assert (result["verdict"], notification_health(aws), west.asked) == (names.HEALTHY, [], 0)
    assert "notifications" not in result


@pytest.mark.parametrize("service", ["cloudwatch", "sns", "kms"])
@pytest.mark.parametrize("failure", [error("Throttling"), ReadTimeoutError(endpoint_url="https://there")])
def test_region_that_does_not_answer_is_no_fault_and_is_asked_in_the_next_run(
    aws: Aws, west: OtherRegion, service: str, failure: Exception
) -> None:
    west.failures[service] = [failure] * 1000
    result = aws.run()
    assert (result["verdict"], notification_health(aws), result["errors"]) == (names.HEALTHY, [], [])
    [reason] = result["notifications"]["unanswered"]
    assert reason.startswith(f"{WEST}: ")
    west.failures[service].clear()
    assert aws.run()["notifications"]["healthy"] is True


def test_what_was_seen_broken_before_the_silence_counts(aws: Aws, west: OtherRegion) -> None:
    delete_alarm(west)
    west.failures["sns"] = [error("InternalFailure", 500)] * 1000
    result = aws.run()
    assert (result["verdict"], notification_health(aws)) == (names.NOTIFICATIONS_BROKEN, [0.0])
    assert (len(result["notifications"]["problems"]), len(result["notifications"]["unanswered"])) == (1, 1)


def test_regions_that_answer_are_judged_without_those_that_do_not() -> None:
    aws = observed(WEST, WITNESS)
    aws.others[WEST].failures["cloudwatch"] = [ReadTimeoutError(endpoint_url="https://there")] * 1000
    aws.run()
    assert notification_health(aws) == [1.0]
    delete_topic(aws.others[WITNESS])
    aws.run()
    assert notification_health(aws) == [0.0]


def test_worse_faults_are_the_verdict(aws: Aws, west: OtherRegion) -> None:
    delete_topic(west)
    aws.answers[WEST] = {"status": "FAILED"}
    assert (aws.run()["verdict"], notification_health(aws)) == (names.PEER_DOWN, [0.0])


DENIED = error("AccessDeniedException", 403)


@pytest.mark.parametrize("service", ["cloudwatch", "sns", "kms"])
def test_refusal_is_the_monitors_error_once_it_lasts_longer_than_a_new_permission_takes(
    aws: Aws, west: OtherRegion, service: str
) -> None:
    west.failures[service] = [error("AuthorizationError", 403) if service == "sns" else DENIED] * 100_000
    started = aws.time.now
    while aws.time.now - started < PERMISSION_SECONDS - 150:
        assert aws.run()["errors"] == []
        aws.time.now += 60
    aws.time.now += 150
    told = aws.failing_run()
    [refused] = told["errors"]
    assert refused.startswith(f"The check of notifications in {WEST} was refused: ")
    assert (told["verdict"], notification_health(aws)) == (names.HEALTHY, [])
    west.failures[service].clear()
    assert aws.run()["notifications"]["healthy"] is True, "and the next run asks again"


def test_what_nobody_foresaw_is_logged_and_the_clusters_are_reported(aws: Aws, west: OtherRegion) -> None:
    surprise: Any = KeyError("x")
    west.failures["sns"] = [surprise]
    told = aws.failing_run()
    assert told["errors"][0].startswith(f"The check of notifications in {WEST} ended in KeyError: 'x' (hand_made_aws")
    assert (told["verdict"], len(told["clusters"])) == (names.HEALTHY, 2)
