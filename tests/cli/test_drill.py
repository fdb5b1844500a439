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
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, command_line, drill
from dsql_dr_constructs.cli.drill_times import DrillTime
from tests.cli.drill_answers import DENIED, EAST, NOW, REGIONS, WEST, Aws, error, template, topic
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
        replace(drill, "DrillTime", partial(DrillTime, now=lambda: aws.now, sleep=aws.sleep))
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
        "It stops when one of these alarms is raised: orders-errors.",
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


OTHER_TARGET = {"cluster": {"resourceType": "aws:dsql:cluster", "resourceArns": [f"arn:aws:dsql:{EAST}:1:cluster/b"]}}
REFUSED: dict[str, tuple[Callable[[], Aws], str]] = {
    "alarm": (not_ok, "Alarm peering-lost in us-west-2 is in INSUFFICIENT_DATA."),
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
    make = wrong(stopConditions=[{"source": "none"}])
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


def test_what_a_killed_drill_left_is_removed_first_and_its_subscription_counts_for_nobody(run: Run) -> None:
    aws = Aws(subscriptions=[])
    for region in REGIONS:
        aws.queues[region], aws.subscribed[region] = [], f"{topic(region)}:old"
    aws.templates["EXTold"] = template(id="EXTold")
    aws.templates["EXTold"]["tags"]["dsql-dr:drill-copy"] = "EXT1"
    status, out = run(aws)
    assert status == 1
    assert f"Nobody is notified: Topic {topic(WEST)} has no confirmed subscription." in out
    assert left(aws) == []


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


@pytest.mark.parametrize(
    ("operation", "service"),
    [
        ("FilterLogEvents", "What the monitor in us-west-2 has logged"),
        ("GetMetricData", "Datapoints of ClusterHealth in us-west-2"),
        ("DescribeAlarmHistory", "Alarms in us-west-2"),
        ("CreateQueue", "No subscription of its own could be made in us-west-2"),
        ("DescribeStacks", "From which templates the pair was deployed"),
    ],
)
def test_source_that_does_not_answer_is_said_and_fails_nothing(run: Run, operation: str, service: str) -> None:
    aws = Aws(faults={(operation, WEST): DENIED})
    status, found = run.reported(aws)
    assert (status, found["failures"]) == (0, [])
    assert any(one.startswith(service) for one in found["not_proven"])


def test_call_that_fails_once_loses_nothing(run: Run) -> None:
    aws = Aws()

    def on_pause(pauses: int) -> None:
        aws.faults = {} if pauses > 20 else {("FilterLogEvents", WEST): DENIED, ("GetExperiment", EAST): DENIED}

    aws.on_pause = on_pause
    _, found = run.reported(aws)
    assert measured(found)["detection"] == 117
    assert [one for one in found["not_proven"] if "could not be read" in one] == []


def test_start_that_is_refused_leaves_nothing(run: Run) -> None:
    aws = Aws(faults={("StartExperiment", EAST): error("AccessDeniedException", "no fis:StartExperiment")})
    status, found = run.reported(aws, "--duration", "5m")
    assert (status, found["state"], left(aws)) == (1, "not started", [])
    assert "no fis:StartExperiment" in found["failures"][0]


def test_queue_that_cannot_be_removed_fails_the_drill_and_is_named(run: Run) -> None:
    aws = Aws(faults={("DeleteQueue", WEST): DENIED})
    status, found = run.reported(aws)
    assert status == 1
    [sentence] = found["left"]
    assert sentence.startswith("Queue aurora-dsql-drill-Orders-production in us-west-2 may be left")


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
    assert "- queue aurora-dsql-drill-Orders-production in us-west-2, and its subscription" in out
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
    [policy] = [one for one in policies if "fis:StartExperiment" in json.dumps(one)]
    aws = Aws()
    assert run(aws, "--duration", "5m", "--yes")[0] == 0
    aws.start_experiment(EAST, {"experimentTemplateId": "EXT1", "tags": aws.templates["EXT1"]["tags"]})
    assert run(aws, "--clean-up")[0] == 0
    called = {BY_NAME.get(one, one) for one in aws.actions} - {"sts:GetCallerIdentity"}  # which needs no permission
    assert {action for one in policy["Statement"] for action in one["Action"]} == called | WITH_OTHERS


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
