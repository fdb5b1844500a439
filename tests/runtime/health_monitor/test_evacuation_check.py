from __future__ import annotations

import json

import pytest
from botocore.exceptions import ConnectTimeoutError

from dsql_dr_constructs.runtime.evacuation import NOTHING_DECLARED, Declaration
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import PERMISSION_SECONDS
from tests.runtime.health_monitor.hand_made_aws import EAST, WEST, Aws, error

REGIONS = ("us-east-1", "us-west-2")
EAST_IS_EVACUATED = Declaration.value("us-east-1", "planned work")


@pytest.fixture
def aws() -> Aws:
    """A pair with health checks for failover, just deployed."""
    aws = Aws()
    aws.evacuation_regions = REGIONS
    for region in REGIONS:
        aws.declare(region, NOTHING_DECLARED, at=0)
    return aws


def evacuated(aws: Aws) -> dict[str | None, float]:
    """What the last run put, by Region of the cluster."""
    found = {region: value for (name, region), (value, _) in aws.metrics().items() if name == names.EVACUATED}
    for datum in aws.put[-1]["MetricData"]:
        if datum["MetricName"] == names.EVACUATED:
            assert {one["Name"] for one in datum["Dimensions"]} == set(names.DIMENSIONS)
    return dict(found)


def test_without_a_declaration_both_regions_are_in_service(aws: Aws) -> None:
    found = aws.run()
    assert (found["verdict"], found["evacuation"]) == (names.HEALTHY, None)
    assert evacuated(aws) == {"us-east-1": 0.0, "us-west-2": 0.0}


@pytest.mark.parametrize("where", REGIONS)
@pytest.mark.parametrize("observer", REGIONS)
def test_declaration_in_either_region_is_seen_from_both_and_is_no_fault(aws: Aws, where: str, observer: str) -> None:
    aws.declare(where, EAST_IS_EVACUATED, at=60)
    found = aws.run(observer)
    assert found["verdict"] == names.HEALTHY
    assert found["evacuation"] == {
        "region": "us-east-1",
        "who": "arn:aws:iam::1:user/alice",
        "when": "1970-01-01T00:01:00+00:00",
        "why": "planned work",
    }
    assert evacuated(aws) == {"us-east-1": 1.0, "us-west-2": 0.0}


def test_end_that_was_written_in_one_region_only_holds(aws: Aws) -> None:
    for region in REGIONS:
        aws.declare(region, EAST_IS_EVACUATED, at=60)
    aws.declare("us-west-2", Declaration.value(None, ""), at=120)
    assert aws.run()["evacuation"] is None
    assert evacuated(aws) == {"us-east-1": 0.0, "us-west-2": 0.0}


def test_declaration_that_the_second_answer_has_is_read(aws: Aws) -> None:
    aws.declare("us-west-2", EAST_IS_EVACUATED, at=60)
    for deployment in range(98):
        aws.declare("us-west-2", NOTHING_DECLARED, at=100 + deployment)
    aws.declared["us-west-2"].reverse()
    assert aws.run()["evacuation"]["region"] == "us-east-1"


def test_region_that_does_not_answer_hides_no_declaration_of_the_other_one(aws: Aws) -> None:
    aws.declare("us-west-2", EAST_IS_EVACUATED, at=60)
    aws.history_fails["us-east-1"] = [ConnectTimeoutError(endpoint_url="https://ssm")] * 1000
    found = aws.run("us-west-2")
    assert (found["verdict"], found["errors"]) == (names.HEALTHY, [])
    assert evacuated(aws) == {"us-east-1": 1.0, "us-west-2": 0.0}


def ssm_is_silent(aws: Aws, *regions: str) -> None:
    for region in regions:
        aws.history_fails[region] = [ConnectTimeoutError(endpoint_url=f"https://ssm.{region}")] * 1000


def test_where_neither_region_answers_the_run_fails_so_that_somebody_is_notified(aws: Aws) -> None:
    ssm_is_silent(aws, *REGIONS)
    line = aws.failing_run()
    [error] = line["errors"]
    assert error.startswith("Evacuations could not be read, since no Region's SSM answers: us-east-1: no answer (")
    assert "; us-west-2: no answer (" in error
    assert line["verdict"] == names.HEALTHY
    assert "evacuation" not in line
    assert evacuated(aws) == {}


def test_where_neither_region_answers_any_more_what_was_read_last_is_put(aws: Aws) -> None:
    aws.declare("us-west-2", EAST_IS_EVACUATED, at=60)
    declared = aws.run()["evacuation"]
    ssm_is_silent(aws, *REGIONS)
    line = aws.failing_run()
    assert len(line["errors"]) == 1
    assert line["evacuation"] == declared
    assert evacuated(aws) == {"us-east-1": 1.0, "us-west-2": 0.0}


def test_region_that_serves_stays_in_service_while_ssm_answers_in_neither(aws: Aws) -> None:
    aws.run()
    ssm_is_silent(aws, *REGIONS)
    assert aws.failing_run()["evacuation"] is None
    assert evacuated(aws) == {"us-east-1": 0.0, "us-west-2": 0.0}


def test_declaration_of_a_region_that_does_not_answer_any_more_holds_until_a_newer_one(aws: Aws) -> None:
    aws.declare("us-east-1", EAST_IS_EVACUATED, at=60)
    aws.run("us-west-2")
    ssm_is_silent(aws, "us-east-1")
    found = aws.run("us-west-2")
    assert (found["errors"], found["evacuation"]["region"]) == ([], "us-east-1")
    aws.declare("us-west-2", Declaration.value(None, ""), at=120)
    assert aws.run("us-west-2")["evacuation"] is None


def test_parameter_that_was_deleted_declares_nothing_any_more(aws: Aws) -> None:
    aws.declare("us-east-1", EAST_IS_EVACUATED, at=60)
    aws.run()
    aws.declared.clear()
    assert aws.run()["evacuation"] is None


def test_parameter_that_is_not_deployed_yet_declares_nothing(aws: Aws) -> None:
    aws.declared.clear()
    assert aws.run()["evacuation"] is None
    assert evacuated(aws) == {"us-east-1": 0.0, "us-west-2": 0.0}


def test_refusal_is_an_error_of_the_run_and_what_the_other_region_says_is_put(aws: Aws) -> None:
    aws.declare("us-west-2", EAST_IS_EVACUATED, at=60)
    aws.history_fails["us-east-1"] = [error("AccessDeniedException")]
    line = aws.failing_run()
    assert line["errors"] == ["GetParameterHistory in us-east-1 was refused: AccessDeniedException: no"]
    assert line["verdict"] == names.HEALTHY
    assert evacuated(aws) == {"us-east-1": 1.0, "us-west-2": 0.0}


def test_throttling_is_tried_again(aws: Aws) -> None:
    aws.declare("us-east-1", EAST_IS_EVACUATED, at=60)
    aws.history_fails["us-east-1"] = [error("ThrottlingException")]
    assert aws.run()["evacuation"]["region"] == "us-east-1"


def test_first_run_waits_for_its_permission(aws: Aws) -> None:
    aws.history_fails["us-east-1"] = [error("AccessDeniedException")] * 10
    assert aws.run(first=True)["errors"] == []
    aws.history_fails["us-east-1"] = [error("AccessDeniedException")] * 1000
    assert aws.failing_run(first=True)["errors"] == [
        "GetParameterHistory in us-east-1 was refused: AccessDeniedException: no"
    ]
    assert aws.time.now > PERMISSION_SECONDS


def test_run_that_cannot_check_the_clusters_still_says_which_region_is_evacuated(aws: Aws) -> None:
    aws.declare("us-east-1", EAST_IS_EVACUATED, at=60)
    for arn in (EAST, WEST):
        aws.failures[arn.split(":")[3]] = [error("AccessDeniedException")]
    aws.failing_run()
    assert evacuated(aws) == {"us-east-1": 1.0, "us-west-2": 0.0}


def test_reason_of_somebody_else_is_one_line_of_the_log(aws: Aws) -> None:
    aws.declare("us-east-1", json.dumps({"evacuated": "us-east-1", "why": "a\n\x1b[2J" + "b" * 4000}), at=60)
    found = aws.run()["evacuation"]["why"]
    assert found.startswith("a\n\x1b[2Jb")
    assert len(found) == 300
    assert aws.lines[-1].isprintable()


def test_pair_without_failover_asks_nobody_and_puts_nothing() -> None:
    aws = Aws()
    assert "evacuation" not in aws.run()
    assert evacuated(aws) == {}
    assert "ssm" not in {service for service, _ in aws.asked_of}
