"""What `dsql-dr test-notifications` raises, waits for, sets back and reports, with answers of AWS made for a test."""

from __future__ import annotations

import errno
import json
import re
import signal
import sys
from collections.abc import Mapping
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, command_line, notification_test
from dsql_dr_constructs.cli.notifying_alarms import TEST
from tests.cli.backup_answers import EAST, NOW, REGIONS, WEST, error
from tests.cli.notification_answers import CALLER, COMPOSITE, FAULTS, KINDS, RAISED, WARNINGS, Aws, name_of
from tests.tools import ROOT

PEERING, CLUSTER_DOWN = name_of("peering-lost", WEST), name_of(f"cluster-down-{EAST}", WEST)


class Run:
    """The command, as a person or a program runs it, with an `Aws` in which time passes while it waits."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.errors = ""
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, aws: Aws, *arguments: str, answer: str | None = None) -> tuple[int, str]:
        """Exit status and what is printed; with *answer* there is a terminal for the question."""
        given = self._monkeypatch.setattr
        given(aws_session, "region_and_clients", lambda options: (options.region or EAST, aws.client))
        given(notification_test, "time", SimpleNamespace(sleep=aws.pause, monotonic=lambda: aws.now.timestamp()))
        given(notification_test, "datetime", SimpleNamespace(now=lambda zone: aws.now))
        given(sys, "stdin", SimpleNamespace(isatty=lambda: answer is not None))
        given(Console, "input", lambda console, prompt, *, markup: console.print(prompt) or answer)
        before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
        try:
            with pytest.raises(SystemExit) as ended:
                command_line.main(["test-notifications", "Orders-production", *arguments])
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
        printed = self._capsys.readouterr()
        self.errors = printed.err
        return int(ended.value.code or 0), printed.out


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def nothing_left(aws: Aws) -> bool:
    return (aws.raised(), aws.own()) == ([], [])


def test_each_alarm_that_notifies_is_raised_once_and_is_ok_again(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert nothing_left(aws)
    notifying = {name_of(what, region) for region in REGIONS for what in KINDS if what != f"peering-{EAST}"}
    assert len(notifying) == RAISED
    states = [(name, state) for name, state, _ in aws.changes]
    assert states[::2] == [(name, "ALARM") for name, _ in states[1::2]], "one after the other"
    assert sorted(states) == sorted((name, state) for name in notifying for state in ("ALARM", "OK"))
    assert "All notifications arrived." in printed
    assert f"{EAST} aurora-dsql-alerts-Orders-production\n    email ops@example.com\n" in printed
    assert f"{WEST} Orders-Warnings\n    email team@example.com\n" in printed


def test_reason_says_that_it_is_a_test_by_whom_and_when_and_that_nothing_is_wrong(run: Run) -> None:
    aws = Aws()
    assert run(aws, "--yes")[0] == 0
    reasons = [reason for _, state, reason in aws.changes if state == "ALARM"]
    assert len(reasons) == RAISED
    [reason] = set(reasons)
    begin = f"TEST of notifications, nothing is wrong and there is nothing to do: {CALLER} runs dsql-dr"
    assert reason.startswith(begin)
    assert re.search(r"since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\.$", reason)


def test_metric_alarms_are_left_to_cloudwatch_and_composite_alarms_are_set_back(run: Run) -> None:
    aws = Aws()
    assert run(aws, "--yes")[0] == 0
    set_back = {request["AlarmName"] for name, _, request in aws.calls if request.get("StateValue") == "OK"}
    assert set_back == {name_of(what, region) for what in COMPOSITE for region in REGIONS}


def test_composite_alarm_stays_in_alarm_for_a_minute(run: Run) -> None:
    aws, times = Aws(), []
    aws.on_call = lambda operation, region: times.append((operation, aws.now)) if operation == "SetAlarmState" else None
    aws.alarms[EAST] = {name: one for name, one in aws.alarms[EAST].items() if "AlarmRule" in one}
    aws.alarms[WEST] = {}
    run_without_health(run, aws)
    [(_, raised), (_, back)] = times[:2]
    assert timedelta(seconds=60) <= back - raised < timedelta(seconds=65)


def test_json_is_all_that_is_printed_to_stdout(run: Run) -> None:
    aws = Aws(counts={"NumberOfNotificationsDelivered": 20.0, "NumberOfNotificationsFailed": 0.0})
    status, printed = run(aws, "--yes", "--json")
    found = json.loads(printed)
    assert (status, found["passed"], found["failures"]) == (0, True, [])
    assert len(found["alarms"]) == RAISED
    assert {one["state"] for one in found["alarms"]} == {"OK"}
    assert {delivery["seen"] for one in found["alarms"] for delivery in one["raised"] + one["ok"]} == {"arrived"}
    assert [(one["delivered"], one["failed"]) for one in found["actions"]] == [(20, 0)] * 4
    assert "ops@example.com" in run.errors


def test_what_sns_counts_is_shown_and_not_known_where_cloudwatch_has_no_data(run: Run) -> None:
    counted = Aws(counts={"NumberOfNotificationsDelivered": 20.0, "NumberOfNotificationsFailed": 0.0})
    assert run(counted, "--yes")[1].count("delivered 20, failed 0") == 4
    assert run(Aws(), "--yes")[1].count("delivered not known, failed not known") == 4


def test_message_that_sns_could_not_deliver_fails_the_test(run: Run) -> None:
    status, printed = run(Aws(counts={"NumberOfNotificationsFailed": 2.0}), "--yes")
    assert status == 1
    assert f"Failed: SNS could not deliver 2 messages of topic Orders-Warnings in {WEST}" in printed


@pytest.mark.parametrize(
    ("protocol", "endpoint", "sentence"),
    [
        ("email", "new@example.com", "its owner follows the link in the email"),
        ("https", "https://events.pagerduty.com/integration/SECRET/enqueue", "its server confirms it"),
    ],
)
def test_unconfirmed_subscription_is_named_and_fails_the_test_although_all_arrived(
    run: Run, protocol: str, endpoint: str, sentence: str
) -> None:
    aws = Aws()
    aws.add_subscription(FAULTS.format(WEST), protocol, endpoint, confirmed=False)
    status, printed = run(aws, "--yes")
    assert status == 1
    assert len(aws.changes) == 2 * RAISED
    [failure] = [line for line in printed.splitlines() if line.startswith("Failed: ")]
    assert sentence in failure
    assert f"Failed: {protocol} " in failure
    assert "SECRET" not in printed


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA"])
def test_pair_that_is_not_healthy_is_refused_and_nothing_is_raised(run: Run, state: str) -> None:
    aws = Aws()
    aws.alarms[WEST][CLUSTER_DOWN]["StateValue"] = state
    status, printed = run(aws, "--yes")
    assert status == 1
    assert "The pair is not healthy, and a test of notifications could hide that. Nothing was raised" in printed
    assert f"cluster-down-{EAST}" in printed
    assert (aws.changes, aws.own()) == ([], [])


def test_question_shows_who_is_notified_and_no_raises_nothing(run: Run) -> None:
    aws = Aws()
    plan = "arn:aws:ssm-incidents::111122223333:response-plan/on-call"
    aws.alarms[WEST][CLUSTER_DOWN]["AlarmActions"].append(plan)
    aws.add_subscription(FAULTS.format(EAST), "email", "new@example.com", confirmed=False)
    status, printed = run(aws, answer="no")
    assert status == 1
    assert f"{WEST} {plan}\n" in printed, "a response plan opens an incident"
    assert "email ops@example.com\n    email new@example.com, NOT CONFIRMED\n" in printed
    assert "10 alarms are raised, one after the other" in printed
    assert printed.endswith("Nothing was raised.\n")
    assert (aws.changes, aws.own()) == ([], [])
    assert run(aws, answer="yes")[1].count("ALARM") > RAISED


def test_without_a_terminal_yes_has_to_be_given(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws)
    assert status == 1
    assert "There is no terminal on which to ask: give --yes to raise the alarms. Nothing was raised." in printed
    assert aws.changes == []


@pytest.mark.parametrize("state", ["ALARM", "OK"])
def test_notification_that_does_not_arrive_fails_the_test_with_what_cloudwatch_says(run: Run, state: str) -> None:
    status, printed = run(Aws(lost={(CLUSTER_DOWN, state)}), "--yes")
    assert status == 1
    [failure] = [line for line in printed.splitlines() if line.startswith("Failed: ")]
    topic = FAULTS.format(WEST)
    assert failure.startswith(f"Failed: {state} of alarm cluster-down-{EAST} in {WEST} did not arrive at {topic}")
    assert failure.endswith(f"The alarm's history says: Successfully executed action {topic}")
    assert printed.count("MISSING") == 2, "in its line and in the table"


def test_topic_to_which_cloudwatch_cannot_publish_is_reported(run: Run) -> None:
    aws = Aws(unreachable={WARNINGS.format(EAST)})
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"The alarm's history says: Failed to execute action {WARNINGS.format(EAST)}." in printed
    assert nothing_left(aws)


ANOTHER = "arn:aws:sns:us-west-2:444455556666:on-call"


def in_another_account(aws: Aws) -> Aws:
    for one in aws.alarms[WEST].values():
        for actions in ("AlarmActions", "OKActions"):
            one[actions] = [ANOTHER for _ in one[actions]]
    return aws


def test_topic_of_another_account_is_judged_by_the_alarms_history(run: Run) -> None:
    aws = in_another_account(Aws())
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert printed.count(f"What arrived from {ANOTHER} is not known.") == 1
    assert f"{WEST} cluster-down-{EAST}: ALARM published, OK published." in printed
    status, printed = run(in_another_account(Aws(unreachable={ANOTHER})), "--yes")
    assert status == 1
    assert f"The alarm's history says: Failed to execute action {ANOTHER}." in printed


def test_topic_that_may_not_be_subscribed_to_is_judged_by_the_alarms_history(run: Run) -> None:
    aws = Aws(faults={("Subscribe", WEST): error("AuthorizationError")})
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert f"What arrived from {FAULTS.format(WEST)} is not known." in printed
    assert "AuthorizationError" in printed
    assert nothing_left(aws)


@pytest.mark.parametrize(("signal_", "status"), [(KeyboardInterrupt, 130), (SystemExit(143), 143)])
@pytest.mark.parametrize("where", ["set", "pause"])
def test_interrupted_while_an_alarm_is_raised_it_is_ok_again_and_nothing_is_left(
    run: Run, signal_: Any, status: int, where: str
) -> None:
    aws = Aws(evaluated=False)
    aws.alarms[EAST] = {name: one for name, one in aws.alarms[EAST].items() if "peering" in name}
    aws.alarms[WEST] = {}

    def stop(*_: str) -> None:
        if aws.raised():
            raise signal_

    if where == "pause":
        aws.on_pause = stop
    else:
        aws.on_call = lambda operation, region: stop() if operation == "ReceiveMessage" else None
    ended, printed = run_without_health(run, aws)
    assert ended == status
    assert [state for _, state, _ in aws.changes] == ["ALARM", "OK"]
    assert nothing_left(aws)
    assert f"Alarm peering-lost in {EAST} is no longer in ALARM by this test." in printed
    assert "The queues and subscriptions of this test were removed." in printed


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_second_signal_does_not_keep_an_alarm_in_alarm(run: Run, second: signal.Signals) -> None:
    aws = Aws(evaluated=False)
    signals: list[str] = []

    def stop() -> None:
        if aws.raised():
            raise KeyboardInterrupt

    def stop_again(operation: str, region: str) -> None:
        if signals or (operation == "SetAlarmState" and aws.raised()):
            signals.append(operation)
            signal.raise_signal(second)

    aws.on_pause, aws.on_call = stop, stop_again
    assert run(aws, "--yes")[0] == 130
    assert {"SetAlarmState", "DeleteQueue"} <= set(signals)
    assert nothing_left(aws)


def test_end_of_the_terminal_leaves_no_alarm_in_alarm_and_no_queue(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    aws, printed = Aws(evaluated=False), Console.print

    def print_to_terminal(console: Console, *what: Any, **how: Any) -> None:
        if aws.changes:
            raise OSError(errno.EIO, "Input/output error")
        printed(console, *what, **how)

    def stop() -> None:
        if aws.raised():
            signal.raise_signal(signal.SIGHUP)

    aws.on_pause = stop
    monkeypatch.setattr(Console, "print", print_to_terminal)
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # a job of nohup ignores it, and so does the command
    try:
        assert run(aws, "--yes")[0] == 128 + signal.SIGHUP
    finally:
        signal.signal(signal.SIGHUP, before)
    assert [state for _, state, _ in aws.changes] == ["ALARM", "OK"]
    assert nothing_left(aws)


def test_subscription_that_a_killed_test_left_is_not_taken_for_somebody(run: Run) -> None:
    aws = Aws()
    aws.subscriptions[FAULTS.format(WEST)] = []
    queue = "aurora-dsql-drill-Orders-production-test-2"
    aws.create_queue(WEST, {"QueueName": queue})
    aws.add_subscription(FAULTS.format(WEST), "sqs", f"arn:aws:sqs:{WEST}:111122223333:{queue}")
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"Nobody is notified: topic {FAULTS.format(WEST)} has no confirmed subscription." in printed
    assert aws.changes == []


@pytest.mark.parametrize("left", [[], ["aurora-dsql-drill-Orders-production-3f2a91bc"]])
def test_topic_that_is_notified_of_ok_only_needs_a_confirmed_subscription_too(run: Run, left: list[str]) -> None:
    aws, topic = Aws(), f"arn:aws:sns:{WEST}:111122223333:Closing"
    aws.alarms[WEST][CLUSTER_DOWN]["OKActions"].append(topic)
    aws.subscriptions[topic] = []
    for queue in left:
        aws.add_subscription(topic, "sqs", f"arn:aws:sqs:{WEST}:111122223333:{queue}")
    aws.queues |= {f"https://sqs/{one['Endpoint']}": [] for one in aws.subscriptions[topic]}
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"Failed: Topic {topic} has no confirmed subscription, so nobody was notified." in printed


def changed_actions(aws: Aws, **changed: Any) -> str:
    """Name of a warning whose actions somebody changed."""
    name = name_of("commit-latency", WEST)
    aws.alarms[WEST][name].update(changed)
    return name


def test_warning_with_disabled_actions_fails_the_test_with_the_command(run: Run) -> None:
    aws = Aws()
    name = changed_actions(aws, ActionsEnabled=False)
    status, printed = run(aws, "--yes")
    assert status == 1
    command = f"aws cloudwatch enable-alarm-actions --region {WEST} --alarm-names {name}"
    sentence = f"Alarm commit-latency in {WEST} notifies nobody, since its actions are disabled. Enable them: {command}"
    assert f"Failed: {sentence}" in printed.splitlines()
    assert printed.index(sentence) < printed.index(": ALARM "), "before the first alarm is raised"
    assert len(aws.changes) == 2 * (RAISED - 1)


@pytest.mark.parametrize(
    ("removed", "states"),
    [
        (["AlarmActions"], "ALARM"),
        (["OKActions"], "OK"),
        (["AlarmActions", "OKActions"], "ALARM and of OK"),
    ],
)
def test_warning_without_actions_fails_the_test_if_the_pair_has_a_topic_for_warnings(
    run: Run, removed: list[str], states: str
) -> None:
    aws = Aws()
    changed_actions(aws, **{one: [] for one in removed})
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"Failed: Alarm commit-latency in {WEST} notifies nobody of {states}, since it has no action" in printed


def test_fault_that_notifies_nobody_of_its_end_fails_the_test(run: Run) -> None:
    aws = Aws()
    del aws.alarms[WEST][CLUSTER_DOWN]["OKActions"]
    status, printed = run(aws, "--yes")
    assert status == 1
    [failure] = [line for line in printed.splitlines() if line.startswith("Failed: ")]
    assert failure.startswith(f"Failed: Alarm cluster-down-{EAST} in {WEST} notifies nobody of OK, since it has no")


def test_warnings_of_a_pair_without_a_topic_for_them_are_named_and_the_test_passes(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.alarms[region][name_of("commit-latency", region)].update(AlarmActions=[], OKActions=[])
    cause = aws.alarms[WEST][name_of(f"peering-{EAST}", WEST)]
    cause.update(AlarmActions=[WARNINGS.format(WEST)])  # of somebody's own, and no sign of a topic for warnings
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    sentence = "notify nobody, since the pair has no topic for them (warning_emails): commit-latency."
    assert [f"Warnings in {one} {sentence}" in printed for one in REGIONS] == [True, True]


def test_age_of_recovery_points_notifies_the_topic_for_faults_where_there_is_none_for_warnings(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.alarms[region][name_of("commit-latency", region)].update(AlarmActions=[], OKActions=[])
    name = name_of("recovery-point-age", WEST)
    of = {"AlarmName": name, "AlarmActions": [], "OKActions": []}
    aws.alarms[WEST][name] = {**aws.alarms[WEST][CLUSTER_DOWN], **of}
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"Failed: Alarm recovery-point-age in {WEST} notifies nobody of ALARM and of OK" in printed


def run_without_health(run: Run, aws: Aws) -> tuple[int, str]:
    """Of a pair whose other alarms the test does not need."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dsql_dr_constructs.cli.pair_status.Status.healthy", True)
        return run(aws, "--yes")


def test_call_that_fails_in_between_ends_the_test_and_leaves_nothing(run: Run) -> None:
    aws = Aws()

    def deny(operation: str, region: str) -> None:
        if operation == "DescribeAlarms" and PEERING in aws.raised():
            aws.on_call = lambda operation, region: None
            raise error("ThrottlingException")(operation)

    aws.on_call = deny
    status, printed = run(aws, "--yes")
    assert status == 1
    assert "Failed: The test ended early: An error occurred (ThrottlingException)" in printed
    assert nothing_left(aws)
    aws = Aws(faults={("SetAlarmState", EAST): error("AccessDenied")})
    status, printed = run(aws, "--yes")
    assert status == 1
    assert "Failed: The test ended early: An error occurred (AccessDenied)" in printed
    assert nothing_left(aws)


def test_alarm_that_cannot_be_set_back_is_named_with_the_command(run: Run) -> None:
    aws = Aws()

    def deny(operation: str, region: str) -> None:
        if operation == "SetAlarmState" and PEERING in aws.raised():
            raise error("ExpiredToken")(operation)

    aws.on_call = deny
    status, printed = run(aws, "--yes")
    assert status == 1
    command = f"aws cloudwatch set-alarm-state --region {WEST} --alarm-name {PEERING} --state-value OK"
    assert command in printed
    assert aws.raised() == [PEERING]


def test_real_fault_in_between_stops_the_test_before_the_next_alarm(run: Run) -> None:
    aws = Aws()
    aws.on_pause = lambda: aws.broken.add(CLUSTER_DOWN)
    status, printed = run(aws, "--yes")
    assert status == 1
    assert aws.raised() == [CLUSTER_DOWN], "it stays"
    assert f"Alarm cluster-down-{EAST} in {WEST} is in ALARM, not by this test: Threshold Crossed" in printed
    assert "The test was stopped, since a real fault comes first. Not tested: " in printed
    assert len(aws.changes) < 2 * RAISED
    assert aws.own() == []


@pytest.mark.parametrize("replaces_reasons", [False, True])
def test_fault_of_a_composite_alarm_that_begins_during_its_test_is_notified_as_real(
    run: Run, *, replaces_reasons: bool
) -> None:
    aws, child = Aws(replaces_reasons=replaces_reasons), name_of(f"peering-{EAST}", WEST)

    def fail() -> None:
        if PEERING in aws.raised() and child not in aws.broken:
            aws.broken.add(child)
            aws.evaluate(WEST)

    aws.on_pause = fail
    status, printed = run(aws, "--yes")
    assert status == 1
    assert PEERING in aws.raised()
    reasons = [(state, reason) for name, state, reason in aws.changes if name == PEERING]
    assert [state for state, _ in reasons] == ["ALARM", "OK", "ALARM"]
    assert reasons[2][1].startswith("NO TEST, a real fault that began during a test of notifications.")
    assert f"Alarm peering-lost in {WEST} was raised again, since a real fault began during the test." in printed


def test_fault_that_begins_while_a_composite_alarm_is_set_back_is_notified_as_real(run: Run) -> None:
    aws, child = Aws(), name_of(f"peering-{EAST}", WEST)

    def fail(operation: str, region: str) -> None:
        """After whatever was read before the alarm is set to OK."""
        if operation == "SetAlarmState" and PEERING in aws.raised():
            aws.broken.add(child)
            aws.evaluate(WEST)

    aws.on_call = fail
    status, printed = run(aws, "--yes")
    assert status == 1
    assert {PEERING, child} <= set(aws.raised())
    states = [(state, reason[:7]) for name, state, reason in aws.changes if name == PEERING]
    assert states == [("ALARM", "TEST of"), ("OK", "End of "), ("ALARM", "NO TEST")]
    assert f"Failed: Alarm peering-lost in {WEST} was raised again, since a real fault began during" in printed


@pytest.mark.parametrize("last", [False, True], ids=["then another is tested", "then nothing is tested"])
def test_fault_that_an_old_answer_hid_is_notified_before_the_test_goes_on_or_ends(run: Run, *, last: bool) -> None:
    aws, child, answers = Aws(), name_of(f"peering-{EAST}", WEST), []
    if last:
        aws.alarms[WEST] = {name: one for name, one in aws.alarms[WEST].items() if "peering" in name}
    describe = aws.describe_alarms

    def fail(operation: str, region: str) -> None:
        if operation == "SetAlarmState" and PEERING in aws.raised():
            aws.broken.add(child)
            aws.evaluate(WEST)

    def old_once(region: str, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = describe(region, request)
        if request.get("AlarmNames") == [child]:
            answers.append(answer["MetricAlarms"][0]["StateValue"])
            answer["MetricAlarms"][0]["StateValue"] = "OK"
        return answer

    aws.on_call = fail
    aws.describe_alarms = old_once  # type: ignore[method-assign]
    status, printed = run_without_health(run, aws)
    assert (status, answers) == (1, ["ALARM"])
    assert {PEERING, child} <= set(aws.raised())
    states = [(state, reason[:7]) for name, state, reason in aws.changes if name == PEERING]
    assert states == [("ALARM", "TEST of"), ("OK", "End of "), ("ALARM", "NO TEST")]
    assert f"Failed: Alarm peering-lost in {WEST} was raised again" in printed
    assert ("Not tested: " in printed) is not last


def test_state_that_cloudwatch_gave_a_reason_of_its_own_is_not_set_to_ok(run: Run) -> None:
    aws = Aws(evaluated=False)

    def fail() -> None:
        if CLUSTER_DOWN in aws.raised():
            aws.change(WEST, CLUSTER_DOWN, "OK", "Threshold Crossed")
            aws.now += timedelta(minutes=1)
            aws.change(WEST, CLUSTER_DOWN, "ALARM", "Threshold Crossed: 2 datapoints")
            aws.on_pause = lambda: None

    aws.on_pause = fail
    status, printed = run(aws, "--yes")
    assert status == 1
    assert aws.raised() == [CLUSTER_DOWN]
    assert (
        f"Alarm cluster-down-{EAST} in {WEST} was raised by CloudWatch during the test, and stays in ALARM" in printed
    )


def test_metric_alarm_that_cloudwatch_does_not_evaluate_is_set_back_and_named(run: Run) -> None:
    aws = Aws(evaluated=False)
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert nothing_left(aws)
    assert f"CloudWatch did not set alarm commit-latency in {WEST} back within 180 s, so this test did." in printed


def left_by_a_test(aws: Aws, *, minutes: float) -> None:
    aws.alarms[WEST][PEERING].update(
        StateValue="ALARM", StateReason=f"{TEST}: jane", StateUpdatedTimestamp=NOW - timedelta(minutes=minutes)
    )


def test_alarm_that_a_killed_test_left_is_set_back_before_the_next_test(run: Run) -> None:
    aws = Aws()
    left_by_a_test(aws, minutes=11)
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert f"Alarm peering-lost in {WEST} was left in ALARM by a test, and is set back to OK first." in printed
    assert aws.changes[0][:2] == (PEERING, "OK")
    assert nothing_left(aws)


def test_alarm_that_another_test_holds_is_left_to_it(run: Run) -> None:
    aws = Aws()
    left_by_a_test(aws, minutes=9)
    status, printed = run(aws, "--yes")
    assert status == 1
    assert f"Alarm peering-lost in {WEST} was raised by a test less than 10 minutes ago. Let that test end" in printed
    assert aws.changes == []


def test_old_answer_does_not_keep_a_raised_alarm_from_being_set_back(run: Run) -> None:
    """DescribeAlarms right after SetAlarmState may still have the state before."""
    aws, old = Aws(evaluated=False), Aws().describe_alarms
    aws.describe_alarms = old  # type: ignore[method-assign]
    run(aws, "--yes")
    assert len(aws.changes) == 2 * RAISED
    assert nothing_left(aws)


def test_policies_to_copy_allow_what_the_command_calls(run: Run) -> None:
    document = (ROOT / "docs" / "permissions.md").read_text()
    policies = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", document, re.S)]
    status, test = (
        next(one for one in policies if action in json.dumps(one))
        for action in ("events:DescribeRule", "cloudwatch:SetAlarmState")
    )
    aws = in_another_account(Aws())
    assert run(aws, "--yes")[0] == 0
    allowed = {action for one in (status, test) for statement in one["Statement"] for action in statement["Action"]}
    called = {one.replace("lambda:Invoke", "lambda:InvokeFunction") for one in aws.actions}
    assert called - allowed == {"sts:GetCallerIdentity"}, "which needs no permission"
    own = [set(one["Action"]) for one in test["Statement"] if one["Sid"].endswith("OfATest")]
    assert len(own) == 2
    assert set().union(*own) - called == set()
