"""What `dsql-dr drill` checks, does, measures and leaves, with answers of AWS that the tests make."""

from __future__ import annotations

import json
import re
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, command_line, drill, drill_stacks
from dsql_dr_constructs.cli.drill_times import DrillTime
from dsql_dr_constructs.runtime.evacuation import Declaration
from tests.cli.drill_answers import DENIED, EAST, NOW, REGIONS, TAGS, THROTTLED, WEST, Aws, error, template, topic
from tests.tools import ROOT

NOT_STARTED = "Nothing was started."


class Run:
    """The command, as a person or a program runs it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.report = folder / "drill.html"
        monkeypatch.setenv("COLUMNS", "200")

    def __call__(self, aws: Aws, *arguments: str, region: str = EAST, answer: str | None = "yes") -> tuple[int, str]:
        """Exit status and what is printed; *answer* is to the question on a terminal, which None leaves out."""
        replace = self._monkeypatch.setattr
        replace(aws_session, "region_and_clients", lambda options: (options.region or EAST, aws.client))
        replace(drill, "DrillTime", partial(DrillTime, now=lambda: aws.now + aws.ahead, sleep=aws.sleep))
        replace(sys, "stdin", SimpleNamespace(isatty=lambda: answer is not None))
        replace(Console, "input", lambda _, prompt, *, markup: answer)
        with pytest.raises(SystemExit) as ended:
            command_line.main(["drill", "Orders-production", "--region", region, *arguments])
        return int(ended.value.code or 0), self._capsys.readouterr().out

    def reported(self, aws: Aws, *arguments: str, region: str = EAST) -> tuple[int, dict[str, Any]]:
        """Exit status and the JSON beside the report."""
        status, out = self(aws, "--report", str(self.report), *arguments, region=region)
        assert "<html" in self.report.read_text()
        found: dict[str, Any] = json.loads(self.report.with_suffix(".json").read_text())
        assert found["passed"] == (status == 0), out
        return status, found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    return Run(monkeypatch, capsys, tmp_path)


def left(aws: Aws) -> list[str]:
    """What a drill made, and what still fails."""
    running = [one["id"] for one in aws.experiments.values() if one["state"]["status"] in ("running", "initiating")]
    return [*aws.queues, *aws.subscribed, *running, *(one for one in aws.templates if one != "EXT1")]


def measured(found: dict[str, Any]) -> dict[str, float | None]:
    return {one["name"]: one["seconds"] for one in found["measures"]}


def test_drill_passes_measures_what_happened_and_leaves_nothing(run: Run) -> None:
    aws = Aws()
    status, found = run.reported(aws, "--objective", "notification=6m", "--objective", "recovery=10m")
    assert status == 0
    # the fault begins 3 s after the start; monitors run every 120 s, and the second bad run raises the alarm
    assert measured(found) == {
        "detection": 117,
        "alarm": 237,
        "notification": 239,
        "recovery": 117,
        "all-clear": 119,
    }
    assert [one["passed"] for one in found["measures"]] == [None, None, True, True, None]
    kinds = [one["kind"] for one in found["moments"]]
    each = ["verdict", "datapoint", "alarm", "notification", "recovered", "ok", "ok-notification"]
    assert sorted(kinds) == sorted(["started", "fault", "fault-ended", "ended", *each, *each])
    assert [kinds[0], kinds[1], kinds[-1]] == ["started", "fault", "ended"]
    assert kinds.index("notification") < kinds.index("fault-ended") < kinds.index("recovered")
    assert found["moments"][0]["at"] == NOW
    assert found["caller"].endswith("assumed-role/Drills/anna")
    assert (found["state"], found["account"], found["region"]) == ("completed", "111122223333", EAST)
    assert {name.partition(" ")[0] for name in found["templates"]} == {
        f"Orders-{role}{what}-production" for role in ("Primary", "Secondary") for what in ("", "Drill")
    }
    assert left(aws) == []


def test_each_moment_is_shown_once_with_its_time_since_the_fault(run: Run) -> None:
    status, out = run(Aws())
    lines = out.splitlines()
    assert [one for one in lines if "The monitor in us-west-2 reports" in one] == [
        "12:02:00 UTC, 1 min 57 s after the fault: The monitor in us-west-2 reports CLUSTER_DOWN us-east-1.",
        "12:12:00 UTC, 11 min 57 s after the fault: The monitor in us-west-2 reports HEALTHY.",
    ]
    assert lines[-2:] == [
        "Queues, subscriptions and temporary templates of the drill are removed.",
        "The drill passed: the pair is as before.",
    ]
    assert status == 0


def test_other_region_is_drilled_by_its_own_template(run: Run) -> None:
    aws = Aws(templates={"EXT1": template(region=WEST)})
    _, found = run.reported(aws, region=WEST)
    assert (found["region"], found["passed"]) == (WEST, True)
    assert found["moments"][1]["text"] == "100 % of the connections to the cluster in us-west-2 begin to fail."


def test_plan_says_what_fails_as_whom_who_is_notified_and_what_stops_it(run: Run) -> None:
    aws = Aws()
    status, out = run(aws, "--dry-run")
    assert status == 0
    for said in (
        "In us-east-1, 100 % of the connections to the cluster of Orders-production fail for 10 min 00 s.",
        "The cluster in us-west-2 is not touched",
        "as role arn:aws:iam::111122223333:role/Orders-PrimaryDrill-production-Role",
        "It fails unless the alarm of this cluster is raised.",
        "stops when one of these alarms is raised: aurora-dsql-Orders-production-cluster-down-us-west-2-from-us-east-",
        "1, orders-errors.",
        "everybody who is subscribed in us-east-1 and us-west-2",
    ):
        assert said in out
    assert out.endswith("Nothing was started.\n")
    changing = {"StartExperiment", "CreateExperimentTemplate", "CreateQueue", "Subscribe", "DeleteQueue", "Unsubscribe"}
    assert changing & {name for name, _, _ in aws.calls} == set()


@pytest.mark.parametrize("answer", ["no", "", None])
def test_nothing_starts_unless_somebody_says_yes(run: Run, answer: str | None) -> None:
    aws = Aws()
    status, out = run(aws, answer=answer)
    assert (status, aws.experiments) == (1, {})
    assert out.endswith(NOT_STARTED + "\n")


def test_program_starts_it_with_yes(run: Run) -> None:
    assert run(Aws(), "--yes", answer=None)[0] == 0


def wrong(**changed: Any) -> Callable[[], Aws]:
    return lambda: Aws(templates={"EXT1": template(**changed)})


def not_ok() -> Aws:
    aws = Aws()
    aws.states[WEST, "peering-lost"] = "INSUFFICIENT_DATA"
    return aws


def with_failover(declared: str, state: str) -> Callable[[], Aws]:
    def make() -> Aws:
        aws = Aws(declared=declared)
        aws.states[WEST, f"evacuated-{EAST}"] = state
        return aws

    return make


EVACUATED = Declaration.value(WEST, "planned work")
OTHER_TARGET = {"cluster": {"resourceType": "aws:dsql:cluster", "resourceArns": [f"arn:aws:dsql:{EAST}:1:cluster/b"]}}
REFUSED: dict[str, tuple[Callable[[], Aws], str]] = {
    "alarm": (not_ok, "Alarm peering-lost in us-west-2 is in INSUFFICIENT_DATA."),
    "evacuated": (
        with_failover(EVACUATED, "OK"),
        "us-west-2 is evacuated, so that all users are in the other Region. End that first: dsql-dr evacuate "
        "Orders-production us-west-2 --back",
    ),
    "not yet in service again": (
        with_failover(Declaration.value(None, ""), "ALARM"),
        "Alarm evacuated-us-east-1 in us-west-2 is in ALARM.",
    ),
    "verdict": (lambda: Aws(verdict="PEERING_LOST"), "The monitor in us-west-2 reports PEERING_LOST."),
    "nobody": (
        lambda: Aws(subscriptions=[]),
        f"Nobody is notified: Topic {topic(EAST)} has no confirmed subscription.",
    ),
    "pending": (lambda: Aws(subscriptions=["PendingConfirmation"]), "has no confirmed subscription."),
    "stop alarm": (lambda: Aws(stop_state="ALARM"), "Stop alarm orders-errors in us-east-1 is in ALARM"),
    "no stop alarm": (lambda: Aws(stop_state=""), "Stop alarm orders-errors in us-east-1 is not there."),
    "no template": (lambda: Aws(templates={}), "us-east-1 has no experiment template of Orders-production: give"),
    "target": (wrong(targets=OTHER_TARGET), "its one target has to be arn:aws:dsql:us-east-1:111122223333"),
    "role": (wrong(roleArn="arn:aws:iam::999999999999:role/Other"), "is not one of account 111122223333"),
    "action": (
        wrong(actions={"x": {"actionId": "aws:ec2:stop-instances"}}),
        "it has the action aws:ec2:stop-instances",
    ),
}


def test_drill_of_a_pair_with_failover_passes_while_no_region_is_evacuated(run: Run) -> None:
    assert run(with_failover(Declaration.value(None, ""), "OK")())[0] == 0


@pytest.mark.parametrize("what", REFUSED)
def test_drill_is_refused_with_the_reason(run: Run, what: str) -> None:
    make, sentence = REFUSED[what]
    aws = make()
    status, out = run(aws)
    assert (status, aws.experiments) == (1, {})
    assert sentence in out


def test_all_reasons_are_given_at_once(run: Run) -> None:
    _, out = run(Aws(verdict="PEERING_LOST", subscriptions=[], stop_state="ALARM"))
    assert len([line for line in out.splitlines() if line.startswith("- ")]) == 5


def test_two_templates_of_the_pair_are_refused(run: Run) -> None:
    aws = Aws(templates={"EXT1": template(), "EXT2": template(id="EXT2")})
    assert "several experiment templates with the tags of Orders-production: EXT1, EXT2" in run(aws)[1]


def test_no_stop_condition_is_a_warning_and_with_strict_a_refusal(run: Run) -> None:
    make = wrong(stopConditions=template()["stopConditions"][:1])
    status, out = run(make())
    assert (status, "Warning: No alarm of your application stops the experiment: give DrillOptions" in out) == (0, True)
    status, out = run(make(), "--strict")
    assert (status, "- No alarm of your application stops the experiment" in out) == (1, True)


def test_region_without_a_cluster_is_refused(run: Run) -> None:
    assert "Orders-production has no cluster in us-east-2" in run(Aws(), region="us-east-2")[1]


def test_while_an_experiment_of_anybody_runs_nothing_is_touched(run: Run) -> None:
    aws = Aws()
    aws.start_experiment(WEST, {"experimentTemplateId": "EXT1", "tags": {"Name": "other"}})
    aws.queues[EAST] = []
    status, out = run(aws)
    assert (status, "An experiment of AWS FIS is running: EXP1 in us-west-2." in out) == (1, True)
    assert EAST in aws.queues, "it may be the running drill's"


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_what_a_killed_drill_left_is_removed_once_somebody_agreed(run: Run, answer: str) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.queues[region], aws.subscribed[region] = [], f"{topic(region)}:old"
    aws.templates["EXTold"] = template(id="EXTold")
    aws.templates["EXTold"]["tags"]["dsql-dr:drill-copy"] = "EXT1"
    before = left(aws)
    status, out = run(aws, answer=answer)
    assert "An earlier drill has left template EXTold in us-east-1, queue aurora-dsql-drill-Orders-production-01" in out
    assert (status, left(aws)) == ((0, []) if answer == "yes" else (1, before))


def test_subscription_that_a_killed_drill_left_counts_for_nobody(run: Run) -> None:
    aws = Aws(subscriptions=[], queues={EAST: []}, subscribed={EAST: f"{topic(EAST)}:old"})
    status, out = run(aws)
    assert (status, f"Nobody is notified: Topic {topic(EAST)} has no confirmed subscription." in out) == (1, True)
    assert EAST in aws.queues, "nobody agreed to anything"


def test_other_duration_and_share_are_a_temporary_copy_that_expects_no_alarm(run: Run) -> None:
    aws = Aws()
    _, found = run.reported(aws, "--duration", "5m", "--share", "50")
    [made] = aws.asked("CreateExperimentTemplate")
    assert made["actions"].keys() == {"all-alarms-ok", "connection-failure"}
    assert made["actions"]["connection-failure"]["parameters"] == {"duration": "PT5M", "percentage": "50"}
    assert made["tags"]["dsql-dr:drill-copy"] == "EXT1"
    assert made["stopConditions"] == aws.templates["EXT1"]["stopConditions"]
    assert [one["experimentTemplateId"] for one in aws.asked("StartExperiment")] == ["EXTcopy"]
    assert (found["duration_seconds"], found["share"], found["passed"]) == (300, 50, True)
    assert any("Only 50 % of the connections failed" in one for one in found["not_proven"])
    assert left(aws) == []


def test_longer_fault_still_expects_the_alarm(run: Run) -> None:
    aws = Aws()
    run(aws, "--duration", "1h")
    [made] = aws.asked("CreateExperimentTemplate")
    assert made["actions"].keys() == aws.templates["EXT1"]["actions"].keys()


def test_missed_objective_fails_the_drill(run: Run) -> None:
    status, found = run.reported(Aws(), "--objective", "notification=3m")
    assert (status, found["failures"]) == (1, [])
    [one] = [one for one in found["measures"] if one["name"] == "notification"]
    assert (one["seconds"], one["objective"], one["passed"]) == (239, 180, False)


def test_alarm_that_is_expected_and_not_raised_fails_the_drill(run: Run) -> None:
    aws = Aws(noticed_by=set())
    status, found = run.reported(aws)
    assert (status, found["state"], left(aws)) == (1, "failed", [])
    [sentence] = found["failures"]
    assert "alarm aurora-dsql-Orders-production-cluster-down-us-east-1-from-us-east-1 was not raised" in sentence


def test_fault_that_nobody_notices_and_nobody_expects_is_no_failure_and_proves_nothing(run: Run) -> None:
    aws = Aws(noticed_by=set(), templates={"EXT1": template(expects_alarm=False)})
    status, found = run.reported(aws)
    assert (status, found["failures"], found["state"]) == (0, [], "completed")
    assert set(measured(found).values()) == {None}
    assert found["not_proven"][0].startswith("No monitor noticed the fault.")


def test_fault_that_one_monitor_does_not_notice_has_no_time_of_detection(run: Run) -> None:
    aws = Aws(noticed_by={WEST}, templates={"EXT1": template(expects_alarm=False)})
    _, found = run.reported(aws)
    assert measured(found)["detection"] is None
    assert "The monitor in us-east-1 did not notice the fault." in found["not_proven"]


def test_stop_condition_fails_the_drill_and_is_named(run: Run) -> None:
    aws = Aws(stops_after=130)
    status, found = run.reported(aws)
    assert (status, found["state"], left(aws)) == (1, "stopped", [])
    [sentence] = found["failures"]
    assert sentence.startswith("The experiment was stopped by its stop condition: alarm orders-errors.")


def test_pair_that_does_not_recover_fails_with_what_and_what_to_do(run: Run) -> None:
    aws = Aws(recovers=False)
    status, found = run.reported(aws)
    [sentence] = found["failures"]
    assert status == 1
    assert sentence.startswith("The pair did not recover within 15 minutes after the fault ended.")
    assert "The monitor in us-east-1 reports CLUSTER_DOWN us-east-1." in sentence
    assert "Alarm cluster-down-us-east-1 in us-west-2 is in ALARM." in sentence
    assert "dsql-dr status" in sentence
    assert aws.now < NOW + 27 * 60
    assert left(aws) == []


def test_notification_that_does_not_arrive_fails_the_drill(run: Run) -> None:
    _, found = run.reported(Aws(delivers=False))
    assert "No notification arrived in us-west-2 that alarm cluster-down-us-east-1 is in ALARM." in found["failures"][0]


UNREAD = [
    ("FilterLogEvents", "What the monitor in us-west-2 has logged could not be read"),
    ("DescribeAlarms", "Alarms in us-west-2 could not be read"),
    ("DescribeAlarmHistory", "The history of alarms in us-west-2 could not be read"),
    ("ReceiveMessage", "The queue in us-west-2 could not be read"),
]


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        *UNREAD[0:3:2],
        ("GetMetricData", "Datapoints of ClusterHealth in us-west-2 could not be read"),
        ("CreateQueue", "No subscription of its own could be made in us-west-2"),
        ("Subscribe", "No subscription of its own could be made in us-west-2"),
    ],
)
def test_drill_that_would_not_see_what_follows_starts_nothing(run: Run, operation: str, sentence: str) -> None:
    aws = Aws(faults={(operation, WEST): DENIED})
    status, out = run(aws)
    assert (status, sentence in out) == (1, True)
    assert (aws.experiments, left(aws)) == ({}, [])


def test_dry_run_reads_everything_once(run: Run) -> None:
    status, out = run(Aws(faults={("FilterLogEvents", WEST): DENIED}), "--dry-run")
    assert (status, "The drill was not started, since it would not see what follows" in out) == (1, True)


@pytest.mark.parametrize("recovers", [True, False])
@pytest.mark.parametrize(("operation", "sentence"), UNREAD)
def test_pair_that_could_not_be_read_any_more_is_not_as_before(
    run: Run, operation: str, sentence: str, recovers: bool
) -> None:
    aws = Aws(recovers=recovers)

    def on_pause(pauses: int) -> None:
        if pauses == 30:
            aws.faults[operation, WEST] = DENIED

    aws.on_pause = on_pause
    status, found = run.reported(aws)
    assert status == 1
    assert f"{sentence}: An error occurred" in found["failures"][0]
    assert "So it is not known whether the pair is as before." in found["failures"][0]


def test_cluster_that_stays_down_unseen_fails_the_drill(run: Run) -> None:
    aws = Aws(recovers=False)

    def on_pause(pauses: int) -> None:
        if pauses == 5:
            for region in REGIONS:
                aws.faults.update(
                    {(one, region): DENIED for one in ("FilterLogEvents", "DescribeAlarmHistory", "DescribeAlarms")}
                )

    aws.on_pause = on_pause
    status, found = run.reported(aws)
    assert (status, len(found["failures"])) == (1, 1)
    assert not any(one.startswith("No monitor noticed the fault") for one in found["not_proven"])


@pytest.mark.parametrize(
    ("operation", "sentence"),
    [
        ("GetMetricData", "Datapoints of ClusterHealth"),
        ("DescribeStacks", "From which templates the pair was deployed"),
    ],
)
def test_source_that_only_the_report_has_is_said_and_fails_nothing(run: Run, operation: str, sentence: str) -> None:
    aws = Aws()
    aws.on_pause = lambda pauses: aws.faults.update({(operation, WEST): DENIED})
    status, found = run.reported(aws)
    assert (status, found["failures"]) == (0, [])
    assert any(one.startswith(sentence) for one in found["not_proven"])


def test_region_whose_log_cannot_be_read_has_no_time_of_recovery(run: Run) -> None:
    aws = Aws()
    aws.on_pause = lambda pauses: aws.faults.update({("FilterLogEvents", WEST): DENIED})
    _, found = run.reported(aws, "--objective", "recovery=10m")
    assert (measured(found)["recovery"], measured(found)["all-clear"]) == (None, 119)


def test_region_that_nobody_is_notified_of_has_no_time_of_all_clear(run: Run) -> None:
    aws = Aws(noticed_by={EAST})
    _, found = run.reported(aws)
    assert (measured(found)["recovery"], measured(found)["all-clear"]) == (None, None)


def test_call_that_fails_once_loses_nothing(run: Run) -> None:
    aws = Aws()
    failing = {("FilterLogEvents", WEST): DENIED, ("GetExperiment", EAST): THROTTLED, ("ReceiveMessage", EAST): DENIED}

    def on_pause(pauses: int) -> None:
        aws.faults = failing if 5 <= pauses <= 20 else {}

    aws.on_pause = on_pause
    status, found = run.reported(aws)
    assert (status, measured(found)["detection"], measured(found)["notification"]) == (0, 117, 239)
    assert [one for one in found["not_proven"] if "could not be read" in one] == []


def test_experiment_that_may_not_be_read_is_stopped_and_said_as_not_known(run: Run) -> None:
    aws = Aws(faults={("GetExperiment", EAST): DENIED})
    status, found = run.reported(aws)
    assert (status, aws.experiments["EXP1"]["state"]["status"]) == (1, "stopping")
    assert "has not ended, or that is not known" in found["left"][0]
    assert "aws fis stop-experiment --id EXP1 --region us-east-1" in found["left"][0]
    assert found["not_proven"][0].startswith("The end of the experiment is not known")


def silence(operation: str) -> Exception:
    found: Exception = ReadTimeoutError(endpoint_url=operation)
    return found


@pytest.mark.parametrize("failure", [THROTTLED, error("InternalServerException"), silence])
@pytest.mark.parametrize("operation", ["GetExperiment", "StopExperiment"])
def test_call_that_is_not_answered_at_ctrl_c_is_sent_again_until_the_fault_ends(
    run: Run, operation: str, failure: Callable[[str], Exception]
) -> None:
    aws = Aws()

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            aws.faults[operation, EAST] = failure
            raise KeyboardInterrupt
        if pauses == 40:
            aws.faults = {}

    aws.on_pause = on_pause
    assert run(aws)[0] == 130
    assert aws.experiments["EXP1"]["state"]["status"] == "stopped"
    assert left(aws) == []


def test_experiment_that_may_not_be_stopped_is_left_with_the_command_that_stops_it(run: Run) -> None:
    aws = Aws(faults={("StopExperiment", EAST): DENIED})

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            raise KeyboardInterrupt

    aws.on_pause = on_pause
    status, out = run(aws)
    assert (status, "It could not be stopped: An error occurred (AccessDeniedException)" in out) == (130, True)
    assert "Stop it: aws fis stop-experiment --id EXP1 --region us-east-1" in out


def other_drill(aws: Aws, *, before: float = 0.0) -> None:
    aws.now -= before
    aws.start_experiment(WEST, {"experimentTemplateId": "EXT1", "tags": TAGS})
    aws.now += before


def test_drill_that_another_one_overtook_at_the_question_starts_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws()

    def confirmed(*_: object) -> bool:
        other_drill(aws)
        return True

    monkeypatch.setattr(drill, "confirmed", confirmed)
    status, out = run(aws)
    assert (status, "An experiment of AWS FIS is running: EXP1 in us-west-2." in out) == (1, True)
    assert (len(aws.experiments), aws.asked("CreateQueue")) == (1, [])


@pytest.mark.parametrize("before", [1.0, -1.0])
def test_of_two_drills_that_begin_at_once_the_later_one_gives_way(run: Run, before: float) -> None:
    aws = Aws()

    def on_call(operation: str, region: str) -> None:
        if operation == "StartExperiment":
            other_drill(aws, before=before)

    def on_pause(pauses: int) -> None:
        if before < 0:  # the other one gives way
            aws.experiments["EXP1"]["state"] = {"status": "stopped"}
            aws.experiments["EXP1"]["actions"]["connection-failure"] = {"state": {"status": "stopped"}}

    aws.on_call, aws.on_pause = on_call, on_pause
    status, out = run(aws)
    assert status == (1 if before > 0 else 0), out
    assert ("Another drill of Orders-production is running: EXP1 in us-west-2." in out) == (before > 0)
    assert aws.experiments["EXP2"]["state"]["status"] == ("stopped" if before > 0 else "completed")


def test_names_of_queues_differ_from_drill_to_drill(run: Run) -> None:
    aws = Aws()
    run(aws)
    run(aws)
    names = {one["QueueName"] for one in aws.asked("CreateQueue")}
    assert len(names) == 2
    assert all(re.fullmatch("aurora-dsql-drill-Orders-production-[0-9a-f]{8}", one) for one in names)


@pytest.mark.parametrize("minutes", [-4, 4])
def test_clock_of_this_machine_does_not_count(run: Run, minutes: int) -> None:
    aws = Aws(ahead=60 * minutes)
    status, found = run.reported(aws)
    assert (status, measured(found)["detection"], measured(found)["all-clear"]) == (0, 117, 119)
    assert (found["moments"][0]["at"], found["moments"][-1]["at"]) == (NOW, aws.now)


def test_pair_that_did_not_recover_hides_no_stop_condition(run: Run) -> None:
    aws = Aws(stops_after=130, recovers=False)
    _, found = run.reported(aws)
    assert [one.partition(":")[0].partition(" within")[0] for one in found["failures"]] == [
        "The pair did not recover",
        "The experiment was stopped by its stop condition",
    ]


def test_drill_that_was_stopped_here_blames_nobody(run: Run) -> None:
    aws = Aws()

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            raise KeyboardInterrupt

    aws.on_pause = on_pause
    assert run(aws, "--report", str(run.report))[0] == 130
    found = json.loads(run.report.with_suffix(".json").read_text())
    assert found["failures"] == ["The drill was stopped before its end."]


def test_fault_that_aws_ended_as_failed_was_made(run: Run) -> None:
    aws = Aws()

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            one = aws.experiments["EXP1"]
            aws._end(one, "failed", "An action failed.")
            one["actions"]["connection-failure"]["state"] = {"status": "failed", "reason": "Internal error"}

    aws.on_pause = on_pause
    status, found = run.reported(aws)
    assert (status, found["state"], measured(found)["detection"]) == (1, "failed", 117)
    assert "fault" in [one["kind"] for one in found["moments"]]


def test_bad_datapoint_is_in_a_minute(run: Run) -> None:
    _, found = run.reported(Aws())
    texts = [one["text"] for one in found["moments"] if one["kind"] == "datapoint"]
    sentence = "The first bad datapoint of the cluster in us-east-1, from {}, is in the minute of 12:02 UTC."
    assert sorted(texts) == [sentence.format(region) for region in REGIONS]


def test_report_that_could_not_be_written_fails_the_command(run: Run) -> None:
    aws = Aws()
    aws.on_pause = lambda pauses: run.report.with_suffix(".json").mkdir(exist_ok=True)
    status, out = run(aws, "--report", str(run.report))
    assert (status, "The report could not be written" in out, '"passed": true' in out) == (1, True, True)


def test_report_whose_json_is_a_folder_is_refused_before_anything_is_asked(run: Run) -> None:
    run.report.with_suffix(".json").mkdir()
    aws = Aws()
    assert (run(aws, "--report", str(run.report))[0], aws.calls) == (2, [])


def test_report_that_is_there_is_said_before_it_is_overwritten(run: Run) -> None:
    run.report.write_text("of last time")
    _, out = run(Aws(), "--report", str(run.report), answer="no")
    assert f"Warning: {run.report} will be overwritten." in out.replace("\n", " ")
    assert run.report.read_text() == "of last time"


def test_stop_alarm_whose_name_begins_like_the_pairs_is_of_the_application(run: Run) -> None:
    name = "aurora-dsql-Orders-production-checkout-errors"
    stop = {"source": "aws:cloudwatch:alarm", "value": f"arn:aws:cloudwatch:{EAST}:111122223333:alarm:{name}"}
    aws = Aws(templates={"EXT1": template(stopConditions=[*template()["stopConditions"][:1], stop])})
    assert run(aws, "--strict")[0] == 0


def changed(action: str, **parameters: str) -> dict[str, Any]:
    actions = template()["actions"]
    actions[action]["parameters"].update(parameters)
    return {"actions": actions}


CHANGED: dict[str, tuple[Callable[[], Aws], str]] = {
    "of nobody": (lambda: Aws(stack_has=set()), "no stack made it together with its role"),
    "role of another": (lambda: Aws(stack_has={"EXT1"}), "no stack made it together with its role"),
    "12 hours": (
        lambda: Aws(
            templates={"EXT1": template(**changed("connection-failure", duration="PT12H"))}, deployed=template()
        ),
        "its action connection-failure has the parameters {'duration': 'PT12H'",
    ),
    "action gone": (
        lambda: Aws(templates={"EXT1": template(expects_alarm=False)}, deployed=template()),
        "its actions are all-alarms-ok, connection-failure, and were deployed as",
    ),
    "nothing asserted": (
        lambda: Aws(templates={"EXT1": template(**changed("all-alarms-ok", alarmStates="ALARM"))}),
        "its fault begins without the assertion that these alarms are OK: cluster-down-us-east-1, cluster-down-us-west",
    ),
    "nothing stops it": (wrong(stopConditions=[{"source": "none"}]), "alarm cluster-down-us-west-2 does not stop it"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_template_that_is_not_the_drill_stacks_is_refused(run: Run, what: str) -> None:
    make, sentence = CHANGED[what]
    aws = make()
    status, out = run(aws, "--dry-run")
    assert (status, sentence in out.replace("\n", " ")) == (1, True), out


def test_stack_of_a_deployment_with_a_similar_name_is_none_of_the_pairs() -> None:
    def of(drill_stack: str, *stacks: str) -> list[str]:
        return [one for one in stacks if drill_stacks._is_of("A-B-production", drill_stack, one)]

    both = ("A-B-Primary-production", "A-Primary-B-production")
    assert of("A-B-PrimaryDrill-production", *both) == ["A-B-Primary-production"]
    assert of("A-SecondaryDrill-B-production", *both) == ["A-Primary-B-production"]
    assert of("Own-Stack", *both) == []


def test_start_that_is_refused_leaves_nothing(run: Run) -> None:
    aws = Aws(faults={("StartExperiment", EAST): error("AccessDeniedException", "no fis:StartExperiment")})
    status, found = run.reported(aws, "--duration", "5m")
    assert (status, found["state"], left(aws)) == (1, "not started", [])
    assert "no fis:StartExperiment" in found["failures"][0]
    assert found["not_proven"][0].startswith("No connection failed")


def test_copy_that_is_refused_says_of_no_experiment_that_it_is_stopped(run: Run) -> None:
    aws = Aws(faults={("CreateExperimentTemplate", EAST): DENIED})
    status, out = run(aws, "--duration", "5m")
    assert (status, "What belongs to the drill is removed." in out, "experiment is stopped" in out) == (1, True, False)


def test_queue_that_cannot_be_removed_fails_the_drill_and_is_named(run: Run) -> None:
    aws = Aws(faults={("DeleteQueue", WEST): DENIED})
    status, found = run.reported(aws)
    assert status == 1
    [sentence] = found["left"]
    assert re.match("Queue aurora-dsql-drill-Orders-production-[0-9a-f]{8} in us-west-2 may be left", sentence)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("pause", [1, 15, 40])
def test_drill_that_is_stopped_ends_the_fault_and_leaves_nothing(run: Run, end: signal.Signals, pause: int) -> None:
    before = {one: signal.signal(one, signal.SIG_DFL) for one in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # which a job in the background has not
    aws = Aws()

    def on_pause(pauses: int) -> None:
        if pauses == pause:
            signal.raise_signal(end)

    aws.on_pause = on_pause
    try:
        status, out = run(aws, "--duration", "11m", "--report", str(run.report))
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert status == 128 + end
    assert aws.experiments["EXP1"]["state"]["status"] == "stopped"
    assert left(aws) == []
    assert "The drill was stopped before its end. The experiment is stopped, and what belongs to the drill is" in out
    found = json.loads(run.report.with_suffix(".json").read_text())
    assert (found["passed"], found["state"]) == (False, "stopped")


def test_pair_that_notifies_incident_manager_is_drilled_and_what_arrives_is_not_seen(run: Run) -> None:
    aws = Aws(notifies=lambda region: "arn:aws:ssm-incidents::111122223333:response-plan/orders")
    status, found = run.reported(aws)
    assert (status, found["failures"]) == (0, [])
    assert (measured(found)["alarm"], measured(found)["notification"]) == (237, None)
    assert "No SNS topic is notified in us-west-2, so what arrives there was not seen." in found["not_proven"]
    assert aws.asked("CreateQueue") == []


def test_stopped_before_the_start_is_answered_the_experiment_is_found_and_ended(run: Run) -> None:
    aws = Aws()

    def on_call(operation: str, region: str) -> None:
        if operation == "StartExperiment":
            aws.start_experiment(region, aws.calls[-1][2])
            raise KeyboardInterrupt

    aws.on_call = on_call
    assert run(aws)[0] == 130
    assert aws.experiments["EXP1"]["state"]["status"] == "stopped"
    assert left(aws) == []


def test_second_ctrl_c_says_what_may_be_left_and_clean_up_removes_it(run: Run) -> None:
    aws = Aws()

    def on_call(operation: str, region: str) -> None:
        if operation in ("StopExperiment", "DescribeRule") and aws.experiments:
            raise KeyboardInterrupt

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            raise KeyboardInterrupt

    aws.on_pause, aws.on_call = on_pause, on_call
    status, out = run(aws, "--duration", "11m")
    assert status == 130
    assert "- experiment EXP1 in us-east-1, whose fault ends at its duration" in out
    assert re.search("- queue aurora-dsql-drill-Orders-production-[0-9a-f]{8} in us-west-2, and its subscription", out)
    assert sorted(left(aws)) == sorted([*REGIONS, *REGIONS, "EXP1", "EXTcopy"])
    aws.on_call = lambda operation, region: None
    status, out = run(aws, "--clean-up")
    assert (status, left(aws)) == (0, [])
    assert "Experiment EXP1 in us-east-1 was stopped, and has ended." in out
    assert run(aws, "--clean-up") == (0, "Nothing else was left.\n")


def test_clean_up_finds_what_was_left_in_the_witness_region(run: Run) -> None:
    aws = Aws(queues={"us-east-2": []}, subscribed={"us-east-2": f"{topic('us-east-2')}:old"})
    aws.states["us-east-2", f"cluster-down-{EAST}"] = "OK"
    assert (run(aws, "--clean-up")[0], left(aws)) == (0, [])


def test_clean_up_leaves_experiments_of_others(run: Run) -> None:
    aws = Aws()
    aws.start_experiment(EAST, {"experimentTemplateId": "EXT1", "tags": {"Name": "other"}})
    assert run(aws, "--clean-up")[0] == 0
    assert aws.asked("StopExperiment") == []


def test_objective_that_is_given_twice_is_refused(run: Run) -> None:
    aws = Aws()
    status, out = run(aws, "--objective", "recovery=5m", "--objective", "recovery=6m")
    assert (status, out, aws.calls) == (1, "--objective names recovery twice: give one time for it.\n", [])


@pytest.mark.parametrize(
    "arguments",
    [
        ("--dry-run", "--clean-up"),
        ("--duration", "90s"),
        ("--duration", "13h"),
        ("--share", "0"),
        ("--share", "101"),
        ("--objective", "notification"),
        ("--objective", "speed=1m"),
        ("--report", "drill.pdf"),
        ("--report", "/no/such/folder/drill.html"),
    ],
)
def test_wrong_argument_is_refused_before_anything_is_asked(run: Run, arguments: tuple[str, ...]) -> None:
    aws = Aws()
    assert run(aws, *arguments)[0] == 2
    assert aws.calls == []


def test_terminal_that_is_gone_hinders_neither_the_end_of_the_fault_nor_the_report(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = Aws()

    def gone(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    def on_pause(pauses: int) -> None:
        if pauses == 20:
            monkeypatch.setattr(Console, "print", gone)
            raise SystemExit(128 + signal.SIGHUP)

    aws.on_pause = on_pause
    assert run(aws, "--report", str(run.report))[0] == 129
    assert (left(aws), aws.experiments["EXP1"]["state"]["status"]) == ([], "stopped")
    assert run.report.exists()


BY_NAME = {"lambda:Invoke": "lambda:InvokeFunction"}
WITH_OTHERS = {"fis:TagResource", "iam:PassRole", "iam:CreateServiceLinkedRole"}
"""What IAM checks beside the calls: tags, the role of a copy, and the first experiment of an account."""


def test_policy_to_copy_allows_what_a_drill_calls_and_nothing_more(run: Run) -> None:
    document = (ROOT / "docs" / "permissions.md").read_text()
    policies = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", document, re.S)]
    drill = [one for one in policies if re.search("fis:(Start|Create)Experiment", json.dumps(one))]
    assert len(drill) == 2, "of a drill, and of a copy of its template"
    aws = with_failover("{}", "OK")()
    assert run(aws, "--duration", "5m", "--yes")[0] == 0
    aws.start_experiment(EAST, {"experimentTemplateId": "EXT1", "tags": aws.templates["EXT1"]["tags"]})
    assert run(aws, "--clean-up")[0] == 0
    called = {BY_NAME.get(one, one) for one in aws.actions} - {"sts:GetCallerIdentity"}  # which needs no permission
    allowed = {action for policy in drill for one in policy["Statement"] for action in one["Action"]}
    assert allowed == called | WITH_OTHERS


def test_run_of_a_monitor_that_fails_has_not_noticed_the_fault(run: Run) -> None:
    aws = Aws()

    def on_pause(pauses: int) -> None:
        if pauses == 3:
            answer = {"verdict": None, "observer": EAST, "regions_down": [], "errors": ["GetCluster: throttled"]}
            aws.logs[EAST].append((aws.now, json.dumps(answer)))

    aws.on_pause = on_pause
    _, found = run.reported(aws)
    assert measured(found)["detection"] == 117
    texts = [one["text"] for one in found["moments"] if one["kind"] == "verdict"]
    assert "The monitor in us-east-1 reports no verdict: GetCluster: throttled." in texts
