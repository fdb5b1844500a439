from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dsql_dr_constructs.runtime.cluster_peering import handler
from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from tests.runtime.cluster_peering.hand_made_aws import ENVIRONMENT, FINISHED, PEER, UNFINISHED, HandMadeAws

ASSET = Path(handler.__file__).parents[2]


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> HandMadeAws:
    """Behind the handler, which has the settings of the pair in its environment."""
    aws = HandMadeAws()
    monkeypatch.setattr(handler, "_client", aws.client)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return aws


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_beginning_asks_aws_nothing_and_answers_what_the_framework_keeps(aws: HandMadeAws, request_type: str) -> None:
    event = {**aws.event(request_type), "PhysicalResourceId": FINISHED}
    del event["StartedAt"]
    answer = handler.handle(event, None)
    assert set(answer) == {"PhysicalResourceId", "StartedAt"}
    assert json.loads(json.dumps(answer)) == answer
    assert aws.calls == []


def test_event_that_has_begun_is_taken_a_step_on(aws: HandMadeAws) -> None:
    event = {**aws.event(), "StartedAt": time.time()}
    assert handler.handle(event, None) == {"IsComplete": False}
    assert aws.writes == [("update_cluster", "us-east-1"), ("update_cluster", "us-west-2")]


def test_begun_delete_undoes(aws: HandMadeAws) -> None:
    aws.stack_status = "DELETE_IN_PROGRESS"
    event = {**aws.event("Delete"), "StartedAt": time.time()}
    assert handler.handle(event, None)["IsComplete"]
    assert {name for name, _ in aws.writes} == {"delete_parameters"}


@pytest.mark.parametrize("physical_id", [FINISHED, UNFINISHED, "", None])
@pytest.mark.parametrize(
    ("stack_status", "resource_status"),
    [
        ("CREATE_COMPLETE", "CREATE_COMPLETE"),
        ("UPDATE_COMPLETE", "UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_COMPLETE", "UPDATE_COMPLETE"),
        ("UPDATE_COMPLETE", "DELETE_FAILED"),
        ("CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS"),
        ("UPDATE_IN_PROGRESS", "CREATE_COMPLETE"),
        ("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_FAILED"),
    ],
)
def test_delete_of_somebody_who_may_invoke_the_function_deletes_nothing(
    aws: HandMadeAws, monkeypatch: pytest.MonkeyPatch, stack_status: str, resource_status: str, physical_id: str | None
) -> None:
    monkeypatch.setenv("REMOVAL_POLICY", "destroy")
    aws.peered().stack_status, aws.resource_status = stack_status, resource_status
    event = {**aws.event("Delete"), "StartedAt": time.time() - 10_000, "PhysicalResourceId": physical_id}
    said = f"The stack is {stack_status} and the peering in it {resource_status}, so this Delete does not come from Cl"
    with pytest.raises(PeeringError, match=said):
        handler.handle(event, None)
    assert aws.writes == []


def test_person_gets_the_answer_and_the_log_has_it_too(aws: HandMadeAws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.peered()
    answer = handler.handle({"action": "repair"}, None)
    assert answer["done"]
    assert aws.parameters["us-west-2", "/dsql-dr/Orders-production/us-east-1/arn"] == PEER
    assert json.loads(capsys.readouterr().out) == answer


@pytest.mark.parametrize("event", [{"action": "destroy"}, {}, None])
def test_unknown_action_is_refused_with_the_one_that_is_known(aws: HandMadeAws, event: dict[str, str] | None) -> None:
    with pytest.raises(PeeringError, match=r'this function has one action: invoke it with \{"action":"repair"\}'):
        handler.handle(event, None)
    assert aws.calls == []


def test_handler_loads_as_lambda_loads_it() -> None:
    """From the asset's folder alone, in an environment that names no Region."""
    code = "import runtime.cluster_peering.handler as h; print(h.handle.__name__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ASSET, check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["handle"]


def test_region_that_answers_nothing_leaves_time_to_report() -> None:
    """A step asks at most eight times in a row, apart from what it writes, within the function's five minutes."""
    config = handler._CONFIG
    longest = (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"]
    assert 8 * longest < 300
    assert handler._REPAIR_SECONDS + 2 * longest < 300, "the last step of a repair, and reading both clusters"
