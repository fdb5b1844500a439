"""Experiments of AWS FIS, without the emulator's process: their order, their ends, and no fault after them."""

from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.emulator.backup_records import Where
from dsql_dr_constructs.emulator.faults import Fault
from tests.emulator.experiments import DOWN, EAST, ERRORS, GROUP, MINUTE, ROLE, World, asserting, waiting


@pytest.fixture
def world() -> World:
    return World()


def test_drill_runs_its_actions_in_order_and_completes(world: World) -> None:
    drill = world.start()
    assert world.states(drill) == {
        "whole": "running",
        "all-ok": "completed",
        "failure": "running",
        "until-noticed": "running",
        "raised": "pending",
    }
    world.alarms.states[DOWN] = "ALARM"
    world.pass_time(6 * MINUTE)
    assert world.states(drill)["raised"] == "completed"
    world.pass_time(4 * MINUTE - 1)
    assert (world.states(drill)["whole"], world.fails(3)) == ("running", 3)
    world.pass_time(1)
    found = world.experiment(drill)
    assert found["state"] == {"status": "completed", "reason": "Experiment completed."}
    assert found["actions"]["failure"]["state"] == {"status": "completed", "reason": "Action was completed."}
    assert found["actions"]["failure"]["endTime"] - found["actions"]["failure"]["startTime"] == 10 * MINUTE
    assert world.fails(3) == 0
    assert world.changes() == [("pending", "initiating"), ("initiating", "running"), ("running", "completed")]


def test_minutes_are_as_long_as_those_of_schedules() -> None:
    world = World()
    object.__setattr__(world.fis.experiments._run, "time_scale", 1 / 60)
    drill = world.start(world.create(actions={"failure": world.failing("PT2M")}))
    world.pass_time(1.9, step=0.1)
    assert (world.states(drill)["failure"], world.fails()) == ("completed", 0)


def test_only_new_connections_to_this_cluster_fail(world: World) -> None:
    world.start()
    assert world.fails() == 1
    assert world.fails(cluster="another") == world.fails(call="Query") == world.fails(call="Login") == 0


def test_login_fails_instead_where_that_is_chosen() -> None:
    world = World(connection_failure="login")
    world.start()
    assert (world.fails(), world.fails(call="Login")) == (0, 1)


def test_percentage_is_the_share_of_connections_that_fail(world: World) -> None:
    world.start(world.create(actions={"failure": world.failing(percentage="30")}))
    assert 250 < world.fails(1000) < 350


def test_two_experiments_on_one_cluster_both_hold(world: World) -> None:
    first = world.start(world.create(actions={"failure": world.failing("PT2M")}))
    second = world.start(world.create(actions={"failure": world.failing("PT20M")}))
    world.pass_time(2 * MINUTE)
    assert (world.states(first)["whole"], world.states(second)["whole"], world.fails()) == ("completed", "running", 1)
    world.pass_time(18 * MINUTE)
    assert world.fails() == 0


def test_clearing_all_faults_of_the_test_leaves_those_of_experiments(world: World) -> None:
    world.start()
    world.faults.inject(Fault("slow", call="GetCluster"))
    world.faults.clear()
    assert world.faults.affecting(("error",), "us-east-1", "dsql", "GetCluster") is None
    assert world.fails() == 1


@pytest.mark.parametrize("seen", [True, False], ids=["at the next check", "gone before it"])
def test_alarm_of_a_stop_condition_stops_the_experiment(world: World, seen: bool) -> None:
    drill = world.start()
    if seen:
        world.alarms.states[ERRORS] = "ALARM"
    else:
        world.fis.alarm_changed(ERRORS, "ALARM")
    world.fis.alarm_changed(DOWN, "ALARM")
    states = world.states(drill)
    assert (states["whole"], states["failure"], states["raised"]) == ("stopping", "stopping", "cancelled")
    assert world.fails() == 0, "the fault ends before the experiment does"
    world.pass_time(5)
    found = world.experiment(drill)
    assert found["state"] == {"status": "stopped", "reason": "Experiment halted by stop condition."}
    assert found["actions"]["failure"]["state"]["status"] == "stopped"
    assert world.changes()[-2:] == [("running", "stopping"), ("stopping", "stopped")]


def test_other_alarms_and_other_states_stop_nothing(world: World) -> None:
    drill = world.start()
    world.fis.alarm_changed(DOWN, "ALARM")
    world.fis.alarm_changed(ERRORS, "INSUFFICIENT_DATA")
    assert world.states(drill)["whole"] == "running"


@pytest.mark.parametrize("state", ["ALARM", "INSUFFICIENT_DATA", None])
def test_experiment_fails_at_once_while_a_stop_condition_is_not_ok(world: World, state: str | None) -> None:
    if state:
        world.alarms.states[ERRORS] = state
    else:
        del world.alarms.states[ERRORS]
    found = world.experiment(world.start())
    assert found["state"]["status"] == "failed"
    assert found["state"]["reason"].endswith(f"The following alarms were not in state OK: [{ERRORS}]")
    assert {one["state"]["status"] for one in found["actions"].values()} == {"cancelled"}


def test_alarm_without_data_lets_the_experiment_start_where_that_is_chosen() -> None:
    world = World(stop_alarm_without_data="run")
    world.alarms.states[ERRORS] = "INSUFFICIENT_DATA"
    assert world.states(world.start())["whole"] == "running"


def test_failed_assertion_fails_the_experiment_and_ends_the_other_actions(world: World) -> None:
    drill = world.start()
    world.pass_time(6 * MINUTE)  # nobody noticed
    found = world.experiment(drill)
    raised = found["actions"]["raised"]["state"]
    assert raised == {"status": "failed", "reason": f"Alarm {DOWN} is in state OK: ALARM was asserted."}
    assert (found["state"]["status"], found["state"]["error"]["location"]) == ("failed", "raised")
    assert (found["actions"]["failure"]["state"]["status"], world.fails()) == ("stopped", 0)


@pytest.mark.parametrize(
    ("alarms", "states", "holds"),
    [
        (DOWN, "OK", True),
        (f"{DOWN},{ERRORS}", "ALARM,OK", True),
        (DOWN, "ALARM,INSUFFICIENT_DATA", False),
        (f"{DOWN},{DOWN}-unknown", "OK", False),
    ],
)
def test_every_alarm_has_to_be_in_one_of_the_asserted_states(
    world: World, alarms: str, states: str, holds: bool
) -> None:
    found = world.experiment(world.start(world.create(actions={"asserts": asserting(states, alarms)})))
    assert found["state"]["status"] == ("completed" if holds else "failed")


def test_action_before_a_failed_one_lets_no_later_action_start(world: World) -> None:
    world.alarms.states[DOWN] = "ALARM"
    drill = world.start()
    assert set(world.states(drill).values()) == {"failed", "cancelled"}
    assert world.fails() == 0


def test_experiment_is_stopped_on_request_and_its_fault_at_once(world: World) -> None:
    drill = world.start()
    stopping = world.ask(world.fis.experiments.stop, id=drill)["experiment"]
    assert (stopping["state"], world.fails()) == ({"status": "stopping", "reason": "Stopping Experiment."}, 0)
    again = world.ask(world.fis.experiments.stop, id=drill)["experiment"]
    assert again["state"] == stopping["state"]
    world.pass_time(5)
    assert world.states(drill)["whole"] == "stopped"
    assert "it has ended" in world.refused(world.fis.experiments.stop, id=drill)


def test_denied_fault_fails_the_action_with_the_sentence_of_iam(world: World) -> None:
    world.roles.reasons["dsql:InjectError"] = "User: role/drill is not authorized to perform: dsql:InjectError"
    found = world.experiment(world.start())
    assert found["actions"]["failure"]["state"]["reason"] == world.roles.reasons["dsql:InjectError"]
    assert (found["state"]["status"], world.fails()) == ("failed", 0)
    context = {"dsql:FisActionId": "aws:dsql:cluster-connection-failure", "dsql:FisTargetArns": [world.cluster.arn]}
    assert ("dsql:InjectError", "*", context) in world.roles.checks


@pytest.mark.parametrize("action", ["logs:CreateLogDelivery", "tag:GetResources", "dsql:GetCluster"])
def test_role_that_may_not_prepare_the_experiment_fails_it(world: World, action: str) -> None:
    world.roles.reasons[action] = "no"
    state = world.experiment(world.start())["state"]
    sentence = f'Role "{ROLE}" does not have sufficient privileges to perform {action}.'
    assert (state["status"], state["reason"]) == ("failed", f"The experiment has failed. {sentence}")


def test_role_that_aws_fis_cannot_assume_fails_it(world: World) -> None:
    world.roles.reasons[ROLE] = "not trusted"
    assert world.experiment(world.start())["state"]["reason"] == "not trusted"


def test_composite_alarms_are_seen_by_a_role_for_all_alarms_only(world: World) -> None:
    world.alarms.composite.add(ERRORS)
    world.start(world.create(actions={"asserts": asserting("OK", f"{DOWN},{ERRORS}")}))
    seen = [arn for action, arn, _ in world.roles.checks if action == "cloudwatch:DescribeAlarms"]
    assert seen == [DOWN, "*"]


def test_targets_are_resolved_once_by_tag_or_arn(world: World) -> None:
    other = world.dsql.create_cluster(*EAST, {"tags": {"team": "orders"}})
    drill = world.start(world.create(targets={"cluster": world.target(resourceTags={"team": "orders"})}))
    found = world.ask(world.fis.experiments.resolved_targets, experimentId=drill)["resolvedTargets"]
    assert [one["targetInformation"]["arn"] for one in found] == [world.cluster.arn, other.arn]
    assert (world.fails(), world.fails(cluster=other.identifier)) == (1, 1)
    one = world.start(
        world.create(targets={"cluster": world.target(resourceTags={"team": "orders"}, selectionMode="COUNT(1)")})
    )
    assert len(world.ask(world.fis.experiments.resolved_targets, experimentId=one)["resolvedTargets"]) == 1


@pytest.mark.parametrize(("mode", "ends"), [("fail", "failed"), ("skip", "completed")])
def test_target_that_is_gone_fails_the_experiment_or_skips_the_action(world: World, mode: str, ends: str) -> None:
    gone = {"cluster": world.target(resourceTags={"team": "nobody"})}
    options = {"emptyTargetResolutionMode": mode}
    template = world.create(actions={"failure": world.failing()}, targets=gone, experimentOptions=options)
    found = world.experiment(world.start(template))
    assert found["state"]["status"] == ends
    assert mode == "skip" or found["state"]["reason"] == "Target resolution returned empty set"
    assert found["actions"]["failure"]["state"]["status"] == ("skipped" if mode == "skip" else "cancelled")


def test_preview_skips_all_actions(world: World) -> None:
    drill = world.start(experimentOptions={"actionsMode": "skip-all"})
    assert world.states(drill)["failure"] == "skipped"
    assert (world.states(drill)["whole"], world.fails()) == ("completed", 0)


def test_log_has_a_record_of_each_step(world: World) -> None:
    world.start(world.create(actions={"failure": world.failing("PT1M"), "wait": waiting("PT2M")}))
    world.pass_time(2 * MINUTE)
    kinds = [one["log_type"] for one in world.records()]
    assert kinds == [
        *("experiment-start", "target-resolution-start", "target-resolution-detail", "target-resolution-end"),
        *("action-start", "action-start", "action-end", "action-end", "experiment-end"),
    ]
    last = world.records()[-1]["details"]["experiment_state"]
    assert last == {"status": "completed", "reason": "Experiment completed."}
    assert {getattr(one, "group", GROUP) for one in world.sent} == {GROUP}


def test_running_experiment_keeps_the_template_that_it_began_with(world: World) -> None:
    template = world.create()
    drill = world.start(template)
    world.ask(world.fis.templates.update, id=template, actions={"wait": waiting("PT1M")})
    world.ask(world.fis.templates.delete, id=template)
    assert "failure" in world.experiment(drill)["actions"]
    missing = world.refused(
        world.fis.experiments.start, "ResourceNotFound", clientToken="new", experimentTemplateId=template
    )
    assert missing == f"The experiment template {template} does not exist."


def test_same_client_token_starts_nothing_new(world: World) -> None:
    template = world.create()
    asked: dict[str, Any] = {"clientToken": "one", "experimentTemplateId": template}
    first, again = (world.ask(world.fis.experiments.start, **asked)["experiment"]["id"] for _ in range(2))
    assert first == again
    other = world.refused(world.fis.experiments.start, "Conflict", **asked, tags={"a": "b"})
    assert "used with other parameters" in other


def test_more_than_five_active_experiments_are_refused(world: World) -> None:
    template = world.create()
    for _ in range(5):
        world.start(template)
    asked: dict[str, Any] = {"clientToken": "sixth", "experimentTemplateId": template}
    assert "quota" in world.refused(world.fis.experiments.start, "ServiceQuotaExceeded", **asked)
    found = world.ask(world.fis.experiments.list, maxResults=2)
    assert (len(found["experiments"]), found["nextToken"]) == (2, "2")
    assert world.ask(world.fis.experiments.list, Where(EAST.account, "us-west-2")) == {"experiments": []}


@pytest.mark.parametrize("denied", ["", "s3:PutObject"])
def test_report_is_delivered_after_the_experiment_if_the_role_may(world: World, denied: str) -> None:
    world.roles.reasons = {denied: "may not"}
    bucket = {"s3Configuration": {"bucketName": "reports", "prefix": "drills"}}
    report = {"outputs": bucket, "postExperimentDuration": "PT2M"}
    drill = world.start(world.create(actions={"wait": waiting("PT1M")}, experimentReportConfiguration=report))
    assert world.experiment(drill)["experimentReport"]["state"]["status"] == "pending"
    world.pass_time(2 * MINUTE)
    assert world.experiment(drill)["experimentReport"]["state"]["status"] == "running"
    world.pass_time(MINUTE)
    found = world.experiment(drill)["experimentReport"]
    assert found["state"]["status"] == ("failed" if denied else "completed")
    assert denied or found["s3Reports"] == [{"arn": f"arn:aws:s3:::reports/drills/{drill}.pdf", "reportType": "pdf"}]
