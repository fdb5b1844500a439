from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.parameter_registry import COMPARED
from tests.runtime.health_monitor.hand_made_aws import EAST, FOLDERS, WEST, Aws, error, said_of

WESTS_ENDPOINT = f"{FOLDERS[WEST]}/endpoint"


def registered() -> Aws:
    """A pair with SSM parameters, all as they should be."""
    aws = Aws()
    aws.folders = FOLDERS
    return aws


@pytest.fixture
def aws() -> Aws:
    return registered()


def parameter_health(aws: Aws) -> list[float]:
    return aws.put_of_the_observer("ParameterHealth")


def test_parameters_that_say_what_the_clusters_say_are_healthy(aws: Aws) -> None:
    result = aws.run()
    assert (result["verdict"], parameter_health(aws)) == (names.HEALTHY, [1.0])
    assert result["parameters"] == {"healthy": True, "problems": (), "unanswered": ()}
    assert ("ssm", "us-east-1") in aws.asked_of


def test_pair_without_parameters_is_not_asked_for_them() -> None:
    aws = Aws()
    aws.parameters = {}
    result = aws.run()
    assert (result["verdict"], parameter_health(aws)) == (names.HEALTHY, [])
    assert "parameters" not in result
    assert "ssm" not in {service for service, _ in aws.asked_of}


@pytest.mark.parametrize("arn", [EAST, WEST])
@pytest.mark.parametrize("field", COMPARED)
def test_parameter_that_somebody_wrote_is_a_fault_of_its_own(aws: Aws, arn: str, field: str) -> None:
    name = f"{FOLDERS[arn]}/{field}"
    aws.parameters[name] = "evil\n.example"
    result = aws.run()
    assert (result["verdict"], parameter_health(aws)) == (names.PARAMETERS_CHANGED, [0.0])
    assert result["parameters"]["problems"] == (
        f"SSM parameter {name} in us-east-1 is 'evil\\n.example': it should be {said_of(arn)[field]!r}",
    )
    assert all(one["healthy"] for one in result["clusters"])


def test_parameter_that_somebody_deleted_is_one_too(aws: Aws) -> None:
    del aws.parameters[WESTS_ENDPOINT]
    result = aws.run()
    assert result["verdict"] == names.PARAMETERS_CHANGED
    assert result["parameters"]["problems"] == (
        f"SSM parameter {WESTS_ENDPOINT} in us-east-1 does not exist: it should be 'us-west-2.dsql'",
    )


def test_endpoint_that_the_monitor_was_deployed_with_is_compared_too(aws: Aws) -> None:
    """The parameter was already forged when CloudFormation read it; since then it was repaired."""
    aws.endpoints[WEST] = "evil.example"
    result = aws.run()
    assert result["verdict"] == names.PARAMETERS_CHANGED
    assert result["parameters"]["problems"] == (
        "the monitor was deployed with endpoint 'evil.example' of the cluster in us-west-2, and GetCluster returns "
        "'us-west-2.dsql': repair the pair, then deploy the monitoring again",
    )


def test_answer_without_an_endpoint_is_compared_as_far_as_it_goes(aws: Aws) -> None:
    """GetCluster's endpoint is not a required member."""
    aws.answers["us-west-2"] = {"endpoint": None}
    assert aws.run()["verdict"] == names.HEALTHY
    aws.parameters[WESTS_ENDPOINT] = "evil.example"
    assert aws.run()["verdict"] == names.PARAMETERS_CHANGED


def test_where_getcluster_does_not_answer_the_monitors_own_words_are_compared(aws: Aws) -> None:
    aws.failures["us-west-2"] = [ReadTimeoutError(endpoint_url="https://dsql")] * 1000
    result = aws.run()
    assert (result["verdict"], parameter_health(aws)) == (names.CLUSTER_DOWN, [1.0])
    aws.parameters[WESTS_ENDPOINT] = "evil.example"
    result = aws.run()
    assert (result["verdict"], parameter_health(aws)) == (names.CLUSTER_DOWN, [0.0]), "the worse one is the verdict"


@pytest.mark.parametrize("status", ["PENDING_DELETE", "DELETED"])
def test_cluster_that_is_gone_is_no_second_fault(aws: Aws, status: str) -> None:
    aws.answers["us-west-2"] = {"status": status}
    aws.parameters[WESTS_ENDPOINT] = "of its successor"
    aws.run()
    assert parameter_health(aws) == [1.0]
    aws.answers["us-east-1"] = {"status": status}
    assert aws.run()["parameters"]["healthy"] is None
    assert parameter_health(aws) == []


@pytest.mark.parametrize(
    "failure", [error("ThrottlingException"), error("InternalServerError", 500), ReadTimeoutError(endpoint_url="ssm")]
)
def test_ssm_that_does_not_answer_is_no_fault_and_no_datapoint(aws: Aws, failure: Exception) -> None:
    aws.failures["ssm"] = [failure]
    assert aws.run()["verdict"] == names.HEALTHY, "it is asked again"
    aws.failures["ssm"] = [failure] * 1000
    result = aws.run()
    assert (result["verdict"], parameter_health(aws), result["errors"]) == (names.HEALTHY, [], [])
    [reason] = result["parameters"]["unanswered"]
    assert reason.startswith("GetParameters in us-east-1: ")


def test_ssm_that_refuses_is_the_monitors_error_and_the_verdict_on_the_clusters_is_kept(aws: Aws) -> None:
    aws.failures["ssm"] = [error("AccessDeniedException", 403)]
    aws.answers["us-west-2"] = {"status": "FAILED"}
    entry = aws.failing_run()
    assert entry["errors"] == ["GetParameters in us-east-1 was refused: AccessDeniedException: no"]
    assert (entry["verdict"], parameter_health(aws)) == (names.CLUSTER_DOWN, [])


def test_first_run_that_is_refused_for_too_long_fails_as_every_other(aws: Aws) -> None:
    aws.failures["ssm"] = [error("AccessDeniedException")] * 100_000
    entry = aws.failing_run(first=True)
    assert entry["errors"] == ["GetParameters in us-east-1 was refused: AccessDeniedException: no"]
    assert entry["verdict"] == names.HEALTHY


def test_first_run_waits_for_the_permission(aws: Aws) -> None:
    aws.failures["ssm"] = [error("AccessDeniedException", 403)] * 70
    began = aws.time.now
    assert aws.run(first=True, surroundings=aws.time.surroundings(draw=lambda: 0.5))["verdict"] == names.HEALTHY
    assert aws.time.now - began > 20, "longer than its budget"


@settings(max_examples=100)
@given(
    name=st.sampled_from([f"{FOLDERS[arn]}/{field}" for arn in FOLDERS for field in COMPARED]),
    text=st.text(),
)
def test_any_text_in_any_parameter_is_reported_on_one_line_and_cut(name: str, text: str) -> None:
    aws = registered()
    right: Any = aws.parameters[name]
    aws.parameters[name] = text
    result = aws.run()
    assert (result["verdict"] == names.HEALTHY) == (text == right)
    for problem in result["parameters"]["problems"]:
        assert problem.isprintable()
        assert repr(text)[:100] in problem
        assert len(problem) < 400
    assert {region for service, region in aws.asked_of if service == "dsql"} == {"us-east-1", "us-west-2"}
