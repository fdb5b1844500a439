from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.notifications import PERMISSION_SECONDS, UNCHECKED_SECONDS
from tests.runtime.health_monitor.hand_made_aws import Aws, OtherRegion, error

WEST, WITNESS = "us-west-2", "us-east-2"
TOPIC = f"topic arn:aws:sns:{WEST}:111111111111:aurora-dsql-alerts-Orders-production"
DOWN, LOST, CAUSE = (f"alarm {what}-from-{WEST}" for what in ("cluster-down", "peering-lost", "peering"))
DIFFERS = "does not have the metric, threshold and rule that were deployed"


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
    return aws.put_of_the_observer("NotificationHealth")


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


def of(alarm: str, **changes: Any) -> Callable[[OtherRegion], None]:
    return lambda west: west.alarms[alarm.partition(" ")[2]].update(changes)


def admit_only(*alarms: str, **condition: Any) -> Callable[[OtherRegion], None]:
    """A policy that admits *alarms* only."""
    arns = [f"arn:aws:cloudwatch:{WEST}:111111111111:alarm:{one}" for one in alarms]

    def change(west: OtherRegion) -> None:
        west.policy[-1]["Condition"] = condition or {"ArnLike": {"AWS:SourceARN": arns}}

    return change


def deny(**statement: Any) -> Callable[[OtherRegion], None]:
    return lambda west: west.policy.append({"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", **statement})


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


BROKEN: dict[str, tuple[Callable[[OtherRegion], Any], str]] = {
    "actions are disabled": (switch_off, f"the actions of {LOST} are disabled"),
    "an alarm is deleted": (delete_alarm, f"{DOWN} does not exist"),
    "an action is removed": (remove_action, f"{DOWN} does not notify {TOPIC}"),
    "the key is disabled": (
        disable_key,
        f"key arn:aws:kms:{WEST}:111111111111:key/1234 of {TOPIC} is Disabled: CloudWatch cannot publish",
    ),
    "everybody is unsubscribed": (subscribed(0, 0), f"{TOPIC} has no confirmed subscription"),
    "nobody confirmed": (
        subscribed(0, 2),
        f"{TOPIC} has no confirmed subscription: 2 addresses have not confirmed yet",
    ),
    "somebody did not confirm": (
        subscribed(0, 1),
        f"{TOPIC} has no confirmed subscription: 1 address has not confirmed yet",
    ),
    "the topic is deleted": (delete_topic, f"{TOPIC} does not exist"),
    "the topic has another key": (
        other_key,
        f"{TOPIC} has key 'alias/aws/sns': it should be arn:aws:kms:{WEST}:111111111111:key/1234",
    ),
    "the topic has no key": (no_key, f"{TOPIC} has key '': it should be arn:aws:kms:{WEST}:111111111111:key/1234"),
    "the key's alias is deleted": (
        delete_alias,
        f"alias/aurora-dsql-alerts-Orders-production, the alias of the topic's key, does not exist in {WEST}",
    ),
    "the topic's policy admits nobody": (
        admit_nobody,
        f"the policy of {TOPIC} does not allow cloudwatch.amazonaws.com to publish",
    ),
    "the topic's policy admits other alarms": (
        admit_only("cluster-down-*", "other"),
        f"the policy of {TOPIC} does not allow {LOST} to publish",
    ),
    "the topic's policy admits an alarm by its whole name": (
        admit_only(StringEquals={"aws:SourceArn": f"arn:aws:cloudwatch:{WEST}:111111111111:{LOST.replace(' ', ':')}"}),
        f"the policy of {TOPIC} does not allow {DOWN} to publish",
    ),
    **{
        f"the topic's policy denies it {how}": (
            denial,
            f"the policy of {TOPIC} does not allow cloudwatch.amazonaws.com to publish",
        )
        for how, denial in {
            "to everybody": deny_cloudwatch,
            "over TLS, too": deny(Condition={"Bool": {"aws:SecureTransport": ["true", "false"]}}),
            "under any other condition": deny(Condition={"StringNotEquals": {"aws:SourceAccount": "2"}}),
            "by a wildcard": deny(Action=["sns:Pub*"]),
            "by what it leaves out": deny(Action=(), NotAction=["sns:Subscribe"]),
            "by whom it leaves out": deny(Principal=None, NotPrincipal={"AWS": "arn:aws:iam::1:root"}),
        }.items()
    },
    "a composite alarm's rule is rewritten": (of(LOST, AlarmRule="FALSE"), f"{LOST} {DIFFERS}"),
    "a composite alarm's rule has another child": (
        of(LOST, AlarmRule=f'ALARM("cluster-down-from-{WEST}")'),
        f"{LOST} {DIFFERS}",
    ),
    "a composite alarm's rule needs more": (
        of(LOST, AlarmRule=f'ALARM("peering-from-{WEST}") AND FALSE'),
        f"{LOST} {DIFFERS}",
    ),
    "a composite alarm is suppressed": (
        of(LOST, ActionsSuppressor="other"),
        f"the actions of {LOST} are suppressed by alarm other",
    ),
    "a child of a composite alarm is deleted": (
        lambda west: west.alarms.pop(CAUSE.partition(" ")[2]),
        f"{CAUSE} does not exist",
    ),
    "a child has another threshold": (of(CAUSE, Threshold=-1.0), f"{CAUSE} {DIFFERS}"),
    **{
        f"an alarm has another {field}": (of(DOWN, **{field: value}), f"{DOWN} {DIFFERS}")
        for field, value in {
            "Namespace": "None",
            "MetricName": "Nothing",
            "Dimensions": [{"Name": "ClusterRegion", "Value": "none"}],
            "Statistic": "Maximum",
            "Period": 86400,
            "EvaluationPeriods": 100,
            "DatapointsToAlarm": 1,
            "Threshold": -1.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "ignore",
            "Metrics": [{"Id": "x", "Expression": "1"}],
        }.items()
    },
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


def test_what_cloudwatch_may_write_otherwise_is_no_difference(aws: Aws, west: OtherRegion) -> None:
    of(LOST, AlarmRule=f"ALARM(peering-from-{WEST})")(west)
    of(DOWN, Threshold=1, Dimensions=[*reversed(west.alarms[DOWN.partition(" ")[2]]["Dimensions"])])(west)
    del (
        west.alarms[CAUSE.partition(" ")[2]]["DatapointsToAlarm"],
        west.alarms[CAUSE.partition(" ")[2]]["TreatMissingData"],
    )
    assert aws.run()["verdict"] == names.HEALTHY


def test_state_that_a_test_of_notifications_sets_is_no_difference(aws: Aws, west: OtherRegion) -> None:
    for one in west.alarms.values():
        one.update(StateValue="ALARM", StateReason="TEST of notifications", StateTransitionedTimestamp=0)
    assert len(west.alarms) > 2
    assert aws.run()["verdict"] == names.HEALTHY


def test_alarms_of_which_the_deployment_did_not_know_all_are_not_compared(aws: Aws, west: OtherRegion) -> None:
    aws.paths = (replace(west.path, alarms=dict.fromkeys(west.path.alarms, "")),)
    of(DOWN, Threshold=-1.0)(west)
    assert aws.run()["verdict"] == names.HEALTHY


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Condition": {"Null": {"aws:SourceArn": "true"}}},
        {"Effect": "Deny", "Principal": {"AWS": "arn:aws:iam::1:root"}, "Action": "sns:Publish"},
        {"Effect": "Deny", "NotPrincipal": {"Service": "cloudwatch.amazonaws.com"}, "Action": "sns:Publish"},
        {"Effect": "Deny", "Principal": "*", "NotAction": "SNS:Publish"},
    ],
)
def test_denial_that_may_be_about_others_in_a_topic_of_the_users_own_is_none(
    aws: Aws, west: OtherRegion, statement: dict[str, Any]
) -> None:
    aws.paths = (replace(west.path, key_alias=None),)
    west.policy.append(statement)
    assert aws.run()["verdict"] == names.HEALTHY


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"StringEquals": {"AWS:SourceOwner": "111111111111"}},
        {"StringLikeIfExists": {"aws:SourceArn": "arn:aws:cloudwatch:*:alarm:*"}},
        {"ArnEquals": {"aws:SourceArn": f"arn:*:cloudwatch:{WEST}:*:alarm:*"}},
    ],
)
def test_condition_that_admits_these_alarms_is_none(aws: Aws, west: OtherRegion, condition: dict[str, Any]) -> None:
    west.policy[-1]["Condition"] = condition
    assert aws.run()["verdict"] == names.HEALTHY


@pytest.mark.parametrize(
    "condition",
    [
        {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:*:alarm:*"}},  # an asterisk ends at a colon
        {"StringLikeIfExists": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:*"}},
    ],
)
def test_condition_that_admits_none_of_these_alarms_is_a_fault(
    aws: Aws, west: OtherRegion, condition: dict[str, Any]
) -> None:
    west.policy[-1]["Condition"] = condition
    assert aws.run()["verdict"] == names.NOTIFICATIONS_BROKEN


def test_topic_may_name_its_key_in_each_of_kms_ways(aws: Aws, west: OtherRegion) -> None:
    for name in (west.key_arn, "1234", west.path.key_alias, f"arn:aws:kms:{WEST}:1:{west.path.key_alias}"):
        west.topic = {**(west.topic or {}), "KmsMasterKeyId": str(name)}
        assert aws.run(on_demand=True)["verdict"] == names.HEALTHY


def test_topic_of_the_users_own_is_checked_without_its_key(aws: Aws, west: OtherRegion) -> None:
    aws.paths = (replace(west.path, key_alias=None),)
    disable_key(west)
    assert aws.run()["verdict"] == names.HEALTHY
    assert ("kms", WEST) not in aws.asked_of


def test_policy_that_is_none_admits_nobody(aws: Aws, west: OtherRegion) -> None:
    west.policy = []
    assert aws.run()["verdict"] == names.NOTIFICATIONS_BROKEN


def test_it_checks_in_every_second_run_and_keeps_the_finding_in_between(aws: Aws, west: OtherRegion) -> None:
    subscribed(0, 0)(west)
    asked, put = [], []
    for _ in range(5):
        asked.append(west.asked)
        assert aws.run()["verdict"] == names.NOTIFICATIONS_BROKEN
        put.append(notification_health(aws))
    assert asked == [0, 1, 1, 2, 2], "every second run"
    assert put == [[0.0], [], [0.0], [0.0], [0.0]]


def test_person_who_invokes_the_monitor_gets_a_new_finding(aws: Aws, west: OtherRegion) -> None:
    aws.run()
    subscribed(0, 0)(west)
    assert aws.run()["verdict"] == names.HEALTHY
    assert aws.run(on_demand=True)["verdict"] == names.NOTIFICATIONS_BROKEN
    subscribed(1, 0)(west)
    assert aws.run(on_demand=True)["verdict"] == names.HEALTHY


def test_first_run_of_a_deployment_does_not_check_what_may_not_be_deployed_yet(aws: Aws, west: OtherRegion) -> None:
    delete_topic(west)
    result = aws.run(first=True)
    assert (result["verdict"], notification_health(aws), west.asked) == (names.HEALTHY, [], 0)
    assert "notifications" not in result


def test_only_the_first_run_of_a_process_is_believed_to_be_the_first_of_a_deployment(
    aws: Aws, west: OtherRegion
) -> None:
    delete_topic(west)
    assert aws.run(first=True)["verdict"] == names.HEALTHY
    assert aws.run(first=True)["verdict"] == names.NOTIFICATIONS_BROKEN
    later = observed(WEST)
    later.run()
    subscribed(0, 0)(later.others[WEST])
    later.run(first=True)
    assert later.run(first=True)["verdict"] == names.NOTIFICATIONS_BROKEN


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


def test_problem_found_before_a_call_without_an_answer_counts(aws: Aws, west: OtherRegion) -> None:
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
    assert (aws.run()["verdict"], notification_health(aws)) == (names.CLUSTER_DOWN, [0.0])


DENIED = error("AccessDeniedException", 403)


@pytest.mark.parametrize("service", ["cloudwatch", "sns"])
def test_refusal_is_the_monitors_error_once_it_lasts_longer_than_a_new_permission_takes(
    aws: Aws, west: OtherRegion, service: str
) -> None:
    west.failures[service] = [error("AuthorizationError", 403) if service == "sns" else DENIED] * 100_000
    started = aws.time.now
    while aws.time.now - started < PERMISSION_SECONDS - 150:
        assert aws.run()["errors"] == []
        aws.time.now += 60
    aws.time.now += 150
    entry = aws.failing_run()
    [refused] = entry["errors"]
    assert refused.startswith(f"The check of notifications in {WEST} was refused: ")
    assert (entry["verdict"], notification_health(aws)) == (names.HEALTHY, [])
    west.failures[service].clear()
    assert aws.run()["notifications"]["healthy"] is True, "and the next run asks again"


def test_refusal_that_was_over_in_between_begins_anew(aws: Aws, west: OtherRegion) -> None:
    for _ in range(2):
        west.failures["sns"] = [DENIED] * 100_000
        assert aws.run(on_demand=True)["errors"] == []
        west.failures["sns"].clear()
        assert aws.run(on_demand=True)["errors"] == []
        aws.time.now += PERMISSION_SECONDS


GONE = (
    f"alias/aurora-dsql-alerts-Orders-production, the alias of the topic's key, does not exist in {WEST}, or the "
    "monitor may not describe its key: revert the drift of that Region's monitoring stack"
)


def test_alias_that_may_not_be_asked_for_is_a_fault_once_a_new_permission_would_hold(
    aws: Aws, west: OtherRegion
) -> None:
    west.failures["kms"] = [DENIED] * 100_000
    for _ in range(5):
        assert aws.run()["notifications"]["problems"] == ()
    aws.time.now += PERMISSION_SECONDS
    for _ in range(2):
        result = aws.run(on_demand=True)
        assert (result["verdict"], notification_health(aws)) == (names.NOTIFICATIONS_BROKEN, [0.0])
        assert result["notifications"]["problems"] == (GONE,)
    west.failures["kms"].clear()
    assert aws.run(on_demand=True)["verdict"] == names.HEALTHY


def test_alias_that_could_be_asked_for_before_is_a_fault_at_once(aws: Aws, west: OtherRegion) -> None:
    assert aws.run()["verdict"] == names.HEALTHY
    west.failures["kms"] = [DENIED] * 100_000
    assert aws.run(on_demand=True)["notifications"]["problems"] == (GONE,)


THROTTLED, NO_ANSWER = error("ThrottlingException"), ReadTimeoutError(endpoint_url="https://there")


def unchecked(aws: Aws, seconds: float) -> None:
    """So long nothing is wrong."""
    end = aws.time.now + seconds
    while aws.time.now < end:
        result = aws.run()
        assert (result["verdict"], result["errors"], notification_health(aws)) == (names.HEALTHY, [], [])
        aws.time.now += 400


@pytest.mark.parametrize("service", ["cloudwatch", "sns", "kms"])
@pytest.mark.parametrize("failure", [THROTTLED, NO_ANSWER])
def test_region_whose_cluster_answers_and_that_cannot_be_checked_is_the_monitors_error_after_half_an_hour(
    aws: Aws, west: OtherRegion, service: str, failure: Exception
) -> None:
    west.failures[service] = [failure] * 100_000
    unchecked(aws, UNCHECKED_SECONDS - 120)
    aws.time.now += 120
    for _ in range(2):
        entry = aws.failing_run()
        [sentence] = entry["errors"]
        assert sentence.startswith(
            f"Notifications in {WEST} could not be checked for 30 minutes, while the Region answers other calls: {WEST}"
        )
        assert (entry["verdict"], notification_health(aws)) == (names.HEALTHY, [])
    west.failures[service].clear()
    assert [aws.run()["errors"] for _ in range(2)] == [[], []], "one checks, and one puts the same again"
    west.failures[service] = [failure] * 100_000
    unchecked(aws, UNCHECKED_SECONDS - 120)


def test_region_that_is_dead_is_no_error_however_long_and_has_half_an_hour_once_it_is_back(
    aws: Aws, west: OtherRegion
) -> None:
    west.failures["cloudwatch"], aws.failures[WEST] = [NO_ANSWER] * 100_000, [NO_ANSWER] * 100_000
    for _ in range(3):
        assert aws.run()["verdict"] == names.CLUSTER_DOWN
        aws.time.now += UNCHECKED_SECONDS
    aws.failures[WEST].clear()
    unchecked(aws, UNCHECKED_SECONDS - 120)


@pytest.mark.parametrize(("failure", "is_an_error"), [(THROTTLED, True), (NO_ANSWER, False)])
def test_of_a_region_without_a_cluster_any_answer_counts(failure: Exception, is_an_error: bool) -> None:
    aws = observed(WITNESS)
    aws.others[WITNESS].failures["cloudwatch"] = [failure] * 100_000
    unchecked(aws, 60)
    aws.time.now += UNCHECKED_SECONDS
    if is_an_error:
        assert aws.failing_run()["errors"][0].startswith(f"Notifications in {WITNESS} could not be checked for 30 min")
    else:
        assert aws.run()["errors"] == []


def test_answer_of_an_earlier_check_is_no_sign_of_life() -> None:
    aws = observed(WITNESS)
    aws.run()
    aws.others[WITNESS].failures["cloudwatch"] = [NO_ANSWER] * 100_000
    for _ in range(2):
        assert aws.run(on_demand=True)["errors"] == []
        aws.time.now += UNCHECKED_SECONDS


def test_unforeseen_error_is_logged_and_the_clusters_are_reported(aws: Aws, west: OtherRegion) -> None:
    surprise: Any = KeyError("x")
    west.failures["sns"] = [surprise]
    entry = aws.failing_run()
    assert entry["errors"][0].startswith(f"The check of notifications in {WEST} ended in KeyError: 'x' (hand_made_aws")
    assert (entry["verdict"], len(entry["clusters"])) == (names.HEALTHY, 2)


def test_runs_between_two_checks_put_the_last_finding_again_once_two_have_found_the_same_fault(
    aws: Aws, west: OtherRegion
) -> None:
    """So a lost run leaves no period of the alarm empty, and a single finding counts once."""

    def put_by_two_runs() -> list[list[float]]:
        return [(aws.run(), notification_health(aws))[1] for _ in range(2)]

    assert put_by_two_runs() == [[1.0], [1.0]]
    switch_off(west)
    assert put_by_two_runs() == [[0.0], []]
    assert put_by_two_runs() == [[0.0], [0.0]]
    west.alarms[LOST.partition(" ")[2]]["ActionsEnabled"] = True
    assert put_by_two_runs() == [[1.0], [1.0]]
