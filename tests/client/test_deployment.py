"""What a pool reads from SSM parameters: the endpoints once, and evacuations again and again, without waiting.

Their names and values are as the constructs and `dsql-dr evacuate` write them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any
from unittest.mock import MagicMock

import boto3
import pytest
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from dsql_dr_client import FailoverPool
from dsql_dr_client._deployment import REFRESH_SECONDS, REFRESH_SECONDS_WITHOUT, Deployment
from dsql_dr_client._events import EVACUATED, EVACUATION_UNREADABLE, FAILOVER, Event
from dsql_dr_constructs.runtime.evacuation import NOTHING_DECLARED, Declaration
from dsql_dr_constructs.runtime.parameter_registry import evacuation_path, health_check_path, parameter_path

DEPLOYMENT = "Orders-production"
PATH, EVACUATION = parameter_path(DEPLOYMENT), evacuation_path(DEPLOYMENT)
EAST, WEST = "us-east-1", "us-west-2"
ENDPOINTS = {EAST: f"{'e' * 26}.dsql.us-east-1.on.aws", WEST: f"{'w' * 26}.dsql-a1b2.us-west-2.on.aws"}


def declared(region: str | None) -> str:
    return Declaration.value(region, "planned work, {{ticket 4711}}")


class Ssm:
    """A stubbed client, in the words of the test: every request has its answer, in this order."""

    def __init__(self) -> None:
        self.client = boto3.client("ssm", region_name=EAST, aws_access_key_id="x", aws_secret_access_key="x")
        self.stubber = Stubber(self.client)
        self.stubber.activate()

    def has(self, *evacuations: str) -> None:
        """Of the evacuation's parameter, the values that it has had."""
        parameters = [
            _parameter(parameter_path(DEPLOYMENT, region, "endpoint"), host) for region, host in ENDPOINTS.items()
        ]
        others = {parameter_path(DEPLOYMENT, EAST, "arn"): "arn:…", health_check_path(DEPLOYMENT, EAST): "id"}
        parameters += [_parameter(name, value) for name, value in others.items()]
        if evacuations:
            parameters.append(_parameter(EVACUATION, evacuations[-1], len(evacuations)))
        for part, token in ((parameters[:3], "next"), (parameters[3:], None)):
            answer = {"Parameters": part, **({"NextToken": token} if token else {})}
            asked = {"Path": PATH, "Recursive": True, **({} if token else {"NextToken": "next"})}
            self.stubber.add_response("get_parameters_by_path", answer, asked)

    def answers(self, value: str, version: int = 1) -> None:
        self.stubber.add_response(
            "get_parameter", {"Parameter": _parameter(EVACUATION, value, version)}, {"Name": EVACUATION}
        )

    def had(self, *values: str) -> None:
        versions = [_parameter(EVACUATION, value, number) for number, value in enumerate(values, 1)]
        half = len(versions) // 2
        answer = {"Parameters": versions[:half], "NextToken": "next"}
        self.stubber.add_response("get_parameter_history", answer, {"Name": EVACUATION})
        rest = {"Name": EVACUATION, "NextToken": "next"}
        self.stubber.add_response("get_parameter_history", {"Parameters": versions[half:]}, rest)

    def refuses(self, code: str, call: str = "get_parameter") -> None:
        self.stubber.add_client_error(call, code, f"{code} of a test")


def _parameter(name: str, value: str, version: int = 1) -> dict[str, Any]:
    return {"Name": name, "Value": value, "Version": version}


class World:
    def __init__(self, ssm: Ssm) -> None:
        self.ssm, self.now, self.events = ssm, 0.0, list[Event]()
        self.ranges: list[tuple[float, float]] = []
        self.deployment = Deployment(
            DEPLOYMENT,
            EAST,
            report=self.events.append,
            client=ssm.client,
            clock=lambda: self.now,
            jitter=self.latest,
        )

    def latest(self, low: float, high: float) -> float:
        self.ranges.append((low, high))
        return high

    def evacuated_after(self, seconds: float) -> str | None:
        """What the deployment says once a reading that a request began has ended."""
        self.now += seconds
        self.deployment.evacuated()
        for thread in threading.enumerate():
            if thread.name == "dsql-dr-client-evacuation":
                thread.join()
        return self.deployment.evacuated()


LATER = 2 * REFRESH_SECONDS
MUCH_LATER = 2 * REFRESH_SECONDS_WITHOUT


@pytest.fixture
def ssm() -> Iterator[Ssm]:
    one = Ssm()
    yield one
    one.stubber.assert_no_pending_responses()


@pytest.fixture
def world(ssm: Ssm) -> World:
    return World(ssm)


def test_endpoints_of_both_regions_are_read_once(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED)
    assert world.deployment.endpoints() == ENDPOINTS
    assert world.deployment.endpoints() == ENDPOINTS
    assert world.deployment.evacuated() is None


def test_deployment_that_the_region_does_not_have_is_an_error(world: World, ssm: Ssm) -> None:
    ssm.stubber.add_response("get_parameters_by_path", {"Parameters": []}, {"Path": PATH, "Recursive": True})
    with pytest.raises(ValueError, match="no SSM parameters below /dsql-dr/Orders-production in us-east-1"):
        world.deployment.endpoints()


def test_request_goes_on_where_no_thread_can_be_started_to_read_an_evacuation(
    world: World, ssm: Ssm, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", MagicMock(side_effect=RuntimeError("can't start new thread")))
        assert world.evacuated_after(LATER) is None
    assert "can't start new thread" in caplog.text
    ssm.answers(declared(WEST), 2)
    assert world.evacuated_after(LATER) == WEST


def test_missing_permission_is_an_error_that_says_how_to_grant_it(world: World, ssm: Ssm) -> None:
    ssm.refuses("AccessDeniedException", "get_parameters_by_path")
    with pytest.raises(RuntimeError, match=r"AccessDeniedException.*pair\.grant_read_parameters\(role\)"):
        world.deployment.endpoints()
    ssm.has()
    assert world.deployment.endpoints() == ENDPOINTS, "it is read again, since nothing was kept"


def test_evacuation_is_known_from_the_first_request_on(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED, declared(EAST))
    world.deployment.endpoints()
    assert world.deployment.evacuated() == EAST


def test_evacuation_and_its_end_are_noticed_while_the_pool_is_in_use(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    assert world.evacuated_after(LATER - 1) is None, "and nobody has asked"
    ssm.answers(declared(EAST), 2)
    assert world.evacuated_after(1) == EAST
    ssm.answers(declared(None), 3)
    assert world.evacuated_after(LATER) is None
    assert set(world.ranges) == {(0, 2 * REFRESH_SECONDS)}


def test_pool_that_is_not_in_use_reads_nothing(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    ssm.answers(NOTHING_DECLARED)
    assert world.evacuated_after(100 * LATER) is None, "one reading, however long that was"


def test_deployment_that_writes_the_parameter_again_ends_no_evacuation(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED, declared(EAST), NOTHING_DECLARED)
    ssm.had(NOTHING_DECLARED, declared(EAST), NOTHING_DECLARED)
    world.deployment.endpoints()
    assert world.deployment.evacuated() == EAST
    ssm.answers(NOTHING_DECLARED, 5)
    ssm.had(NOTHING_DECLARED, declared(EAST), NOTHING_DECLARED, declared(None), NOTHING_DECLARED)
    assert world.evacuated_after(LATER) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "[]",
        '"us-east-1"',
        "null",
        '{"evacuated": 1}',
        '{"evacuated": ["us-east-1"]}',
        '{"evacuated": {}}',
        declared("eu-west-1"),
        "{",
        "[" * 100_000,
    ],
)
def test_value_that_is_no_declaration_about_this_deployment_evacuates_nothing(
    world: World, ssm: Ssm, value: str
) -> None:
    ssm.has(value)
    world.deployment.endpoints()
    assert world.deployment.evacuated() is None
    assert world.events == [], "it could be read"


def test_last_known_value_is_kept_while_ssm_does_not_answer(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED, declared(EAST))
    world.deployment.endpoints()
    for _ in range(3):
        ssm.refuses("ThrottlingException")
        assert world.evacuated_after(LATER) == EAST
    [event] = world.events
    assert event.name == EVACUATION_UNREADABLE
    assert event.attributes["error.type"] == "ThrottlingException"
    ssm.answers(declared(EAST), 2)
    world.evacuated_after(LATER)
    ssm.refuses("ThrottlingException")
    world.evacuated_after(LATER)
    assert len(world.events) == 2, "it had been read in between"


def test_answer_that_botocore_cannot_read_is_as_none(world: World, ssm: Ssm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a proxy; and the error is none of botocore's usual ones."""
    with monkeypatch.context() as patch:
        patch.setattr(ssm.client, "get_paginator", MagicMock(side_effect=ResponseParserError("no JSON")))
        with pytest.raises(RuntimeError, match="could not be read: no JSON"):
            world.deployment.endpoints()
    ssm.has(NOTHING_DECLARED, declared(EAST))
    world.deployment.endpoints()
    monkeypatch.setattr(ssm.client, "get_parameter", MagicMock(side_effect=ResponseParserError("no JSON")))
    assert world.evacuated_after(LATER) == EAST
    assert [one.attributes["error.type"] for one in world.events] == ["ResponseParserError"]


def test_missing_permission_is_reported_once_and_stops_no_transaction(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    ssm.refuses("AccessDeniedException")
    assert world.evacuated_after(LATER) is None
    assert world.evacuated_after(2 * LATER - 1) is None, "it is asked less often"
    ssm.refuses("AccessDeniedException")
    assert world.evacuated_after(1) is None
    assert [one.attributes["error.type"] for one in world.events] == ["AccessDeniedException"]


def test_permission_that_is_there_after_a_moment_is_not_noticed_much_later(world: World, ssm: Ssm) -> None:
    """A new role's policy needs some seconds to be known everywhere in AWS."""
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    ssm.refuses("AccessDeniedException")
    world.evacuated_after(LATER)
    ssm.answers(declared(EAST), 2)
    assert world.evacuated_after(2 * LATER) == EAST
    ssm.answers(declared(None), 3)
    assert world.evacuated_after(LATER) is None, "and it is read as often as ever"


def test_pauses_between_readings_of_what_is_not_there_have_a_limit(world: World, ssm: Ssm) -> None:
    ssm.has()
    world.deployment.endpoints()
    for _ in range(6):
        ssm.refuses("ParameterNotFound")
        world.evacuated_after(MUCH_LATER)
    longest = [high for _, high in world.ranges]
    assert longest[0] == 2 * LATER
    assert longest[-1] == max(longest) == MUCH_LATER


def test_app_without_failover_has_no_parameter_and_evacuates_nothing(world: World, ssm: Ssm) -> None:
    ssm.has()
    world.deployment.endpoints()
    assert world.evacuated_after(2 * LATER - 1) is None, "it is asked less often"
    ssm.refuses("ParameterNotFound")
    assert world.evacuated_after(1) is None
    assert world.events == [], "that is as it should be"
    ssm.answers(declared(WEST), 2)
    assert world.evacuated_after(MUCH_LATER) == WEST, "failover= was added"


def test_parameter_that_was_deleted_evacuates_nothing_any_more(world: World, ssm: Ssm) -> None:
    ssm.has(NOTHING_DECLARED, declared(EAST))
    world.deployment.endpoints()
    ssm.refuses("ParameterNotFound")
    assert world.evacuated_after(LATER) is None


def test_nobody_waits_for_a_reading(world: World, ssm: Ssm, monkeypatch: pytest.MonkeyPatch) -> None:
    ssm.has(NOTHING_DECLARED)
    world.deployment.endpoints()
    asked, answer = threading.Event(), threading.Event()
    readers: list[threading.Thread] = []

    def get_parameter(**_: str) -> dict[str, Any]:
        readers.append(threading.current_thread())
        asked.set()
        answer.wait()
        return {"Parameter": _parameter(EVACUATION, declared(EAST), 2)}

    monkeypatch.setattr(ssm.client, "get_parameter", get_parameter)
    world.now += LATER
    assert world.deployment.evacuated() is None
    asked.wait()
    world.now += LATER
    assert world.deployment.evacuated() is None, "and there is one reader only"
    assert len(readers) == 1
    assert readers[0] is not threading.main_thread()
    answer.set()
    readers[0].join()
    assert world.deployment.evacuated() == EAST


def test_pool_of_a_deployment_leaves_its_region_when_that_is_evacuated(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No connection is made: where it would go is enough."""
    monkeypatch.setattr(boto3, "client", lambda name, **_: ssm.client)
    monkeypatch.setenv("AWS_REGION", EAST)
    ssm.has(NOTHING_DECLARED, declared(EAST))
    events = list[Event]()
    with FailoverPool(deployment="Orders-production", user="orders", on_event=events.append) as pool:
        pool._follow_evacuation()
        assert pool.region_in_use == WEST
        assert [one.name for one in events] == [FAILOVER, EVACUATED]


def test_endpoint_of_a_parameter_that_is_none_of_aurora_dsql_is_refused(
    ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boto3, "client", lambda name, **_: ssm.client)
    monkeypatch.setitem(ENDPOINTS, WEST, "db.evil.example")
    ssm.has()
    with pytest.raises(ValueError, match="none of Aurora DSQL there"):
        FailoverPool(deployment="Orders-production", region=EAST, user="orders")
