from __future__ import annotations

import concurrent.futures
import json
import re
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor import monitoring_run
from dsql_dr_constructs.runtime.health_monitor.connection_probe import probe_connection
from dsql_dr_constructs.runtime.health_monitor.metrics import RunTimes
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import PERMISSION_SECONDS, REPORT_SECONDS
from dsql_dr_constructs.runtime.health_monitor.observation import Observation, observe
from dsql_dr_constructs.runtime.health_monitor.retries import MonitorError, Surroundings, TransientlyUnreachable
from tests.runtime.health_monitor.hand_made_aws import EAST, WEST, Aws, all_answered, error
from tests.runtime.health_monitor.tls_server import HOST, Visit, serving
from tests.runtime.judge import judged


@pytest.fixture
def aws() -> Aws:
    return Aws()


def test_healthy_pair_is_reported_with_its_evidence(aws: Aws) -> None:
    result = aws.run()
    assert result["verdict"] == names.HEALTHY
    assert [one["region"] for one in result["clusters"]] == ["us-east-1", "us-west-2"]
    assert all(one["healthy"] and one["reachable"] and one["problems"] == () for one in result["clusters"])
    assert sorted(aws.asked_of) == [("cloudwatch", "us-east-1"), ("dsql", "us-east-1"), ("dsql", "us-west-2")]


def test_all_metrics_are_put_in_one_call(aws: Aws) -> None:
    aws.run("us-west-2")
    [request] = aws.put
    assert request["Namespace"] == "Aurora/DSQL/DisasterRecovery"
    found = aws.metrics()
    latency = {region: found.pop(("ProbeLatency", region)) for region in ("us-east-1", "us-west-2")}
    assert {unit for _, unit in latency.values()} == {"Milliseconds"}
    assert all(value > 0 for value, _ in latency.values())
    per_cluster = {"ClusterHealth": "None", "PeeringHealth": "None", "EndpointReachable": "None"}
    expected: dict[tuple[str, str | None], tuple[float, str]]
    expected = {(name, region): (1.0, unit) for name, unit in per_cluster.items() for region in latency}
    expected |= {("ProbeAttempts", region): (2.0, "Count") for region in latency}
    expected["ClusterHealth", None] = (1.0, "None")
    assert found == expected
    [dimensions] = {json.dumps(one["Dimensions"]) for one in request["MetricData"][:5]}
    assert json.loads(dimensions) == [
        {"Name": "Deployment", "Value": "Orders-production"},
        {"Name": "ClusterRegion", "Value": "us-east-1"},
        {"Name": "ObserverRegion", "Value": "us-west-2"},
    ]


def times(aws: Aws) -> list[float | None]:
    """Of the last run's metrics; None: that at which CloudWatch gets them."""
    put = {one["Timestamp"].timestamp() if "Timestamp" in one else None for one in aws.put[-1]["MetricData"]}
    assert len(aws.put[-1]["MetricData"]) > 1
    return list(put)


@pytest.mark.parametrize("wrong", [0, 240, -240, 86400])
@pytest.mark.parametrize("failures", [0, 3, 20])
def test_metrics_have_the_time_at_which_the_run_began_however_long_it_takes(
    aws: Aws, failures: int, wrong: float
) -> None:
    """By AWS's clock, however wrong the process's own is; and with no fraction of a second, as AWS gives none.

    Else metrics of a run that takes long and of the next one fall into one period, and CloudWatch sees the worse.
    """
    began = aws.time.now
    aws.failures["us-east-1"] = [error("InternalServerException", 500)] * failures
    aws.run(surroundings=aws.time.surroundings(now=lambda: aws.time.now + wrong, draw=lambda: 0.9))
    assert aws.time.now > began + failures / 5
    [at] = times(aws)
    assert at is not None
    assert began - 1 < at <= began + 1


@settings(max_examples=60)
@given(start=st.floats(0.0, 1000.0), seconds=st.floats(0.0, 30.0))
def test_metrics_are_never_of_a_time_after_awss_answer(start: float, seconds: float) -> None:
    aws = Aws()
    aws.time.now = start
    answered: list[float] = []

    def get_cluster(region: str, identifier: str) -> dict[str, Any]:
        if region == "us-west-2":
            return Aws.get_cluster(aws, region, identifier)
        aws.time.sleep(seconds)
        answer = Aws.get_cluster(aws, region, identifier)
        answered.append(aws.time.now)
        return answer

    aws.get_cluster = get_cluster  # type: ignore[method-assign]
    aws.run()
    [at] = times(aws)
    assert at is not None
    assert start - 1.1 < at <= min(answered[0], start + 1.1), "time passes for all: an endpoint's may come in between"


@pytest.mark.parametrize(
    ("dates", "off"),
    [
        ({"us-west-2": 3000.0}, 0.0),
        ({"us-west-2": None}, 0.0),
        ({"us-east-1": None}, 0.0),
        ({"us-east-1": None, "us-west-2": -50.0}, -50.0),
        ({"us-east-1": None, "us-west-2": None}, None),
    ],
)
def test_the_own_regions_answer_gives_the_time_and_another_ones_where_it_gives_none(
    aws: Aws, dates: dict[str, float | None], off: float | None
) -> None:
    aws.dates.update(dates)
    aws.run()
    assert times(aws) == [None if off is None else 1000.0 + off]


def test_a_refusal_has_the_time_too(aws: Aws) -> None:
    aws.dates["us-west-2"] = None
    gone = error("ResourceNotFoundException", 404)
    gone.response["ResponseMetadata"]["HTTPHeaders"] = aws.date("us-east-1")
    aws.failures["us-east-1"] = [gone]
    assert aws.run()["regions_down"] == ["us-east-1"]
    assert times(aws) == [1000.0]


def test_a_time_that_cannot_be_read_is_none(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "date", lambda region: {"date": "soon"})
    assert aws.run()["verdict"] == names.HEALTHY
    assert times(aws) == [None]


def test_a_region_that_does_not_answer_leaves_the_time_to_the_other_one(aws: Aws) -> None:
    aws.failures["us-east-1"] = [ReadTimeoutError(endpoint_url="https://dsql")] * 1000
    began = aws.time.now
    assert aws.run()["regions_down"] == ["us-east-1"]
    assert aws.time.now > began + 10
    [at] = times(aws)
    assert at is not None
    assert abs(at - began) <= 1


def test_metrics_of_a_first_run_have_the_time_at_which_they_are_put(aws: Aws) -> None:
    """It may wait two minutes for its permission: an alarm that is new would find no data of these, and notify."""
    aws.failures["us-west-2"] = denied(70)
    aws.run(first=True, surroundings=aws.time.surroundings(draw=lambda: 0.5))
    assert aws.time.now > 1100
    assert times(aws) == [None]


def test_cluster_that_is_down_counts_as_zero(aws: Aws) -> None:
    aws.answers["us-west-2"] = {"status": "FAILED"}
    for observer in ("us-east-1", "us-west-2"):
        answer = aws.run(observer)
        assert (answer["verdict"], answer["regions_down"]) == (names.CLUSTER_DOWN, ["us-west-2"])
    found = aws.metrics()
    assert found["ClusterHealth", "us-east-1"][0] == 1
    assert found["ClusterHealth", "us-west-2"][0] == 0
    assert found["ClusterHealth", None][0] == 0, "without dimensions it is the worse of both"


@pytest.mark.parametrize(
    "failure",
    [
        error("ThrottlingException"),
        error("ThrottledException"),
        error("TooManyRequestsException", 429),
        error("InternalServerException", 500),
        error("SomethingNew", 503),
        ReadTimeoutError(endpoint_url="https://dsql"),
    ],
)
def test_transient_failure_of_the_api_is_tried_again_and_counted(aws: Aws, failure: Exception) -> None:
    aws.failures["us-west-2"] = [failure, failure]
    assert aws.run()["verdict"] == names.HEALTHY
    found = aws.metrics()
    assert (found["ProbeAttempts", "us-east-1"][0], found["ProbeAttempts", "us-west-2"][0]) == (2, 4)


def test_cluster_that_is_not_found_is_down(aws: Aws) -> None:
    aws.failures["us-east-1"] = [error("ResourceNotFoundException", 404)]
    result = aws.run()
    assert (result["verdict"], result["clusters"][0]["status"]) == (names.CLUSTER_DOWN, "NOT_FOUND")


@pytest.mark.parametrize("status", ["NOT_FOUND", "PENDING_DELETE", "DELETING", "DELETED"])
def test_deleted_cluster_is_one_fault_though_its_peer_no_longer_names_it(aws: Aws, status: str) -> None:
    aws.answers["us-west-2"] = {"multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [WEST]}}
    if status == "NOT_FOUND":
        aws.failures["us-east-1"] = [error("ResourceNotFoundException", 404)]
    else:
        aws.answers["us-east-1"] = {"status": status, "multiRegionProperties": None}
    result = aws.run()
    assert result["verdict"] == names.CLUSTER_DOWN
    assert [one["problems"] for one in result["clusters"]] == [(f"status is {status}",), ()]
    assert not [region for name, region in aws.metrics() if name == "PeeringHealth"]


def test_api_that_does_not_answer_is_down_and_its_peering_is_not_judged(aws: Aws) -> None:
    aws.failures["us-west-2"] = [ReadTimeoutError(endpoint_url="https://dsql")] * 1000
    result = aws.run()
    assert result["verdict"] == names.CLUSTER_DOWN
    assert result["clusters"][1]["problems"][0].startswith("GetCluster: no answer (")
    assert ("PeeringHealth", "us-west-2") not in aws.metrics()
    assert ("PeeringHealth", "us-east-1") in aws.metrics()


def test_endpoint_that_hangs_does_not_delay_the_other_and_leaves_time_to_report(aws: Aws) -> None:
    west_is_probed = threading.Event()

    def hang() -> None:
        assert west_is_probed.wait(60), "one after the other"
        aws.time.sleep(5)
        raise TransientlyUnreachable("no answer to the request for TLS within 5.0 s")

    aws.endpoint_does = {"us-east-1": hang, "us-west-2": west_is_probed.set}
    result = aws.run()
    east, west = result["clusters"]
    assert (result["verdict"], west["healthy"]) == (names.CLUSTER_DOWN, True)
    assert (east["status"], east["reachable"], east["latency_ms"]) == ("ACTIVE", False, None)
    assert east["problems"] == ("endpoint: no answer to the request for TLS within 5.0 s",)
    assert ("ProbeLatency", "us-east-1") not in aws.metrics()
    assert aws.metrics()["EndpointReachable", "us-east-1"][0] == 0
    assert result["checks_ms"] <= 26_000, "the budget, and the last try"


def test_question_that_outlasts_the_budget_is_given_up(aws: Aws) -> None:
    given_up = threading.Event()
    waits: list[float] = []

    def all_but_one_answered(questions: Collection[Future[Any]], seconds: float) -> None:
        waits.append(seconds)
        while sum(not one.done() for one in questions) > 1:
            concurrent.futures.wait([one for one in questions if not one.done()], return_when="FIRST_COMPLETED")

    def hang() -> None:
        given_up.wait(60)

    aws.endpoint_does["us-east-1"] = hang
    result = aws.run(surroundings=aws.time.surroundings(wait=all_but_one_answered, clock=lambda: 0.0))
    given_up.set()
    assert result["clusters"][0]["problems"] == ("endpoint: no answer within the run's 20 s",)
    assert waits[0] == pytest.approx(20.5), "the budget, and a grace for what it has cut short"


def test_endpoint_that_refuses_at_first_is_probed_again() -> None:
    def shy(visit: Visit) -> None:
        if visit.number > 2:
            visit.welcome()

    aws = Aws()
    with serving(shy) as server:
        aws.endpoints = {EAST: f"{HOST}:{server.port}", WEST: f"{HOST}:{server.port}"}
        surroundings = Surroundings(draw=lambda: 0.01, wait=all_answered)
        assert (
            aws.run(budget=60.0, tls=server.trusting, surroundings=surroundings, probe=probe_connection)["verdict"]
            == "HEALTHY"
        )
        assert server.visits == 4, "the first two were refused"


def test_log_has_one_line_of_json_for_each_run(aws: Aws) -> None:
    aws.run()
    [line] = aws.lines
    entry = json.loads(line)
    assert (entry["verdict"], entry["observer"], entry["deployment"]) == ("HEALTHY", "us-east-1", "Orders-production")
    assert entry["checks_ms"] >= 0
    assert entry["errors"] == []


def test_denied_permission_is_the_monitors_fault_and_not_the_clusters(aws: Aws) -> None:
    aws.failures["us-west-2"] = [error("AccessDeniedException", 403)]
    entry = aws.failing_run()
    assert entry["errors"] == ["GetCluster in us-west-2 was refused: AccessDeniedException: no"]
    assert (entry["verdict"], [one["region"] for one in entry["clusters"]]) == (None, ["us-east-1"])
    found = aws.metrics()
    assert found["ClusterHealth", "us-east-1"][0] == 1, "what could be seen is put all the same"
    assert ("ClusterHealth", "us-west-2") not in found
    assert ("ClusterHealth", None) not in found, "the worse of both is not known"


def test_missing_credentials_are_the_monitors_fault(aws: Aws) -> None:
    aws.failures["us-west-2"] = [NoCredentialsError()]
    with pytest.raises(MonitorError, match="GetCluster in us-west-2 could not be asked"):
        aws.run()


def test_metrics_that_cannot_be_put_fail_the_run_after_it_was_reported(aws: Aws) -> None:
    aws.failures["put"] = [error("AccessDenied", 403)]
    entry = aws.failing_run()
    assert entry["errors"] == ["PutMetricData was refused: AccessDenied: no"]
    assert entry["verdict"] == "HEALTHY"


def test_metrics_are_tried_again(aws: Aws) -> None:
    aws.failures["put"] = [error("Throttling"), error("InternalServiceFault", 500)]
    aws.run()
    assert len(aws.put) == 1


# unforeseen errors


def test_answer_without_a_status_is_evidence_of_that_cluster(aws: Aws) -> None:
    aws.answers["us-west-2"], aws.malformed = {"status": None}, {"us-west-2"}
    result = aws.run()
    assert result["verdict"] == names.CLUSTER_DOWN
    assert [one["status"] for one in result["clusters"]] == ["ACTIVE", None]
    assert result["clusters"][1]["problems"] == ("GetCluster: the answer has no status",)
    assert [aws.metrics()["ClusterHealth", region][0] for region in ("us-east-1", "us-west-2", None)] == [1, 0, 0]


def test_status_that_is_no_text_is_evidence_of_that_cluster(aws: Aws) -> None:
    aws.answers["us-west-2"], aws.malformed = {"status": ["ACTIVE"]}, {"us-west-2"}
    assert aws.run()["clusters"][1]["problems"] == ("status is ['ACTIVE']",)


def assert_only_east_is_reported(aws: Aws, entry: dict[str, Any]) -> None:
    assert (entry["verdict"], [one["region"] for one in entry["clusters"]]) == (None, ["us-east-1"])
    assert aws.metrics()["ClusterHealth", "us-east-1"][0] == 1
    assert {region for _, region in aws.metrics()} == {"us-east-1"}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            {"multiRegionProperties": {"clusters": 5}},
            r"TypeError: 'int' object is not iterable \(cluster_check.py, line \d+\)",
        ),
        (
            {"encryptionDetails": "none"},
            r"AttributeError: 'str' object has no attribute 'get' \(cluster_check.py, line \d+\)",
        ),
    ],
    ids=["peers", "encryption"],
)
def test_surprising_answer_is_logged_and_the_other_cluster_reported(
    aws: Aws, answer: dict[str, Any], sentence: str
) -> None:
    aws.answers["us-west-2"], aws.malformed = answer, {"us-west-2"}
    entry = aws.failing_run()
    [logged] = entry["errors"]
    assert re.fullmatch(f"The check of us-west-2 ended in {sentence}", logged)
    assert_only_east_is_reported(aws, entry)


SURPRISES = (KeyError("x"), RuntimeError("can't start new thread"), UnicodeError("label"))
ENDS = (SystemExit("no memory"), BaseException("of any kind"))
"""What ends a thread, and must not end the run without its line."""


@pytest.mark.parametrize("surprise", [*SURPRISES, *ENDS])
@pytest.mark.parametrize("side", ["control plane", "endpoint"])
def test_surprise_of_either_side_is_logged_and_the_other_cluster_reported(
    aws: Aws, side: str, surprise: BaseException
) -> None:
    def fail() -> None:
        raise surprise

    if side == "endpoint":
        aws.endpoint_does["us-west-2"] = fail
    else:
        aws.failures["us-west-2"] = [surprise]
    entry = aws.failing_run()
    [logged] = entry["errors"]
    assert_placed(logged, f"The check of us-west-2 ended in {type(surprise).__name__}: {surprise}")
    assert_only_east_is_reported(aws, entry)


def assert_placed(logged: str, sentence: str) -> None:
    """It says *sentence*, and the line of ours that it comes from."""
    assert re.fullmatch(re.escape(sentence) + r" \((test_monitoring_run|hand_made_aws)\.py, line \d+\)", logged)


def test_interrupt_of_the_run_itself_ends_it(aws: Aws) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        aws.run(surroundings=aws.time.surroundings(wait=interrupted))
    assert aws.put == []


def test_surprise_of_a_judgement_is_logged_and_the_other_cluster_reported(
    aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judge(arn: str, *arguments: Any, **options: Any) -> Observation:
        if arn == WEST:
            raise ZeroDivisionError("of west")
        return observe(arn, *arguments, **options)

    monkeypatch.setattr(monitoring_run, "observe", judge)
    entry = aws.failing_run()
    [logged] = entry["errors"]
    assert_placed(logged, "The check of us-west-2 ended in ZeroDivisionError: of west")
    assert_only_east_is_reported(aws, entry)


def test_surprise_of_cloudwatch_is_logged(aws: Aws) -> None:
    aws.failures["put"] = [KeyError("x")]
    entry = aws.failing_run()
    [logged] = entry["errors"]
    assert_placed(logged, "PutMetricData ended in KeyError: 'x'")
    assert entry["verdict"] == "HEALTHY"


def test_surprise_of_the_run_itself_is_logged(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise FileNotFoundError("no certificates")

    entry = aws.failing_run(tls=fail)
    [logged] = entry["errors"]
    assert_placed(logged, "The run ended in FileNotFoundError: no certificates")
    assert (entry["clusters"], aws.put) == ([], [])

    monkeypatch.setattr(monitoring_run, "verdict", fail)
    entry = aws.failing_run()
    assert (entry["verdict"], len(entry["clusters"])) == (None, 2)
    assert ("ClusterHealth", None) in aws.metrics(), "both were seen"


# permissions that a deployment has just given


def denied(times: int) -> list[Exception]:
    return [error("AccessDeniedException", 403)] * times


def test_permission_may_come_late_in_the_first_run_only(aws: Aws) -> None:
    aws.failures["us-west-2"], aws.failures["put"] = denied(2), denied(2)
    assert aws.run(first=True)["verdict"] == names.HEALTHY
    aws.failures["us-west-2"] = denied(1)
    entry = aws.failing_run()
    assert entry["errors"] == ["GetCluster in us-west-2 was refused: AccessDeniedException: no"]


@pytest.mark.parametrize("what", ["us-west-2", "put"])
def test_first_run_waits_two_minutes_for_its_permissions(aws: Aws, what: str) -> None:
    """With pauses of up to 3 s, here of the half, 70 tries last a bit less and 100 a bit more."""
    surroundings = aws.time.surroundings(draw=lambda: 0.5)
    aws.failures[what] = denied(70)
    began = aws.time.now
    assert aws.run(first=True, surroundings=surroundings)["verdict"] == names.HEALTHY
    assert 100 < aws.time.now - began < PERMISSION_SECONDS

    aws.failures[what] = denied(100)
    began = aws.time.now
    [refused] = aws.failing_run(first=True, surroundings=surroundings)["errors"]
    assert refused.endswith("AccessDeniedException: no")
    assert PERMISSION_SECONDS - 3 < aws.time.now - began <= PERMISSION_SECONDS


def test_first_run_keeps_its_budget_for_all_else(aws: Aws) -> None:
    aws.failures["us-west-2"] = [error("ThrottlingException")] * 1000
    began = aws.time.now
    assert aws.run(first=True)["verdict"] == names.CLUSTER_DOWN
    assert aws.time.now - began <= 20


def test_first_run_waits_only_for_permissions_beyond_its_budget(aws: Aws) -> None:
    waits: list[tuple[int, float]] = []

    def wait(questions: Collection[Future[Any]], seconds: float) -> None:
        waits.append((len(questions), seconds))
        all_answered(questions, seconds)

    for first, denials, expected in ((False, 0, 0), (True, 0, 0), (True, 1, 1)):
        waits.clear()
        aws.failures["us-west-2"] = denied(denials)
        aws.run(first=first, surroundings=aws.time.surroundings(wait=wait, clock=lambda: 0.0))
        assert waits == [(4, 20.5), (expected, PERMISSION_SECONDS + 0.5)]


OUTCOMES: list[Exception | None] = [
    None,
    error("ThrottlingException"),
    error("InternalServerException", 500),
    error("ResourceNotFoundException", 404),
    error("AccessDeniedException", 403),
    ReadTimeoutError(endpoint_url="https://dsql"),
    NoCredentialsError(),
]
OUTCOME = st.sampled_from(OUTCOMES)


@settings(max_examples=60)
@given(
    east=st.lists(OUTCOME, max_size=6),
    west=st.lists(OUTCOME, max_size=6),
    put=st.lists(OUTCOME, max_size=6),
    seconds=st.floats(0.0, 4.0),
)
def test_whatever_answers_it_reports_within_its_budget_or_raises(
    east: list[Exception | None], west: list[Exception | None], put: list[Exception | None], seconds: float
) -> None:
    """Both endpoints are down; time passes only where the monitor waits or is answered."""
    aws = Aws()
    answers = {"us-east-1": list(east), "us-west-2": list(west), "put": list(put)}

    def after_a_while(which: str, answer: Callable[[], Any]) -> Any:
        aws.time.sleep(seconds)
        outcome = answers[which].pop(0) if answers[which] else None
        if outcome:
            raise outcome
        return answer()

    def client(service: str, region: str) -> Any:
        if service == "cloudwatch":
            return judged(service, {"put_metric_data": lambda **sent: after_a_while("put", lambda: aws._put(**sent))})
        methods = {
            "get_cluster": lambda *, identifier: after_a_while(region, lambda: aws.get_cluster(region, identifier))
        }
        return judged(service, methods)

    def refuse() -> None:
        raise TransientlyUnreachable("refused")

    aws.client = client  # type: ignore[method-assign]
    aws.endpoint_does = dict.fromkeys(("us-east-1", "us-west-2"), refuse)
    began = aws.time.now
    try:
        result = aws.run(surroundings=aws.time.surroundings(draw=lambda: 0.5))
    except MonitorError:
        result = None
    [line] = aws.lines
    entry = json.loads(line)
    passed = aws.time.now - began
    assert passed <= 20.0 + REPORT_SECONDS + 6 * (seconds + 3.0), "threads share this time, which makes it run fast"
    assert (result is None) == bool(entry["errors"])
    if result:
        assert aws.put, "a verdict, and nothing in CloudWatch"
        assert result["verdict"] == names.BOTH_DOWN


def test_times_of_runs_that_follow_each_other_are_whole_minutes_apart() -> None:
    """Though the schedule begins them some seconds early or late."""
    times = RunTimes()
    assert [times.of(1_000_000.0 + at) for at in (7, 120, 249, 485.5, 607)] == [
        1_000_000.0 + at for at in (7, 127, 247, 487, 607)
    ]


def test_run_at_another_second_than_the_schedules_has_its_own_time_and_so_have_those_after_it() -> None:
    times = RunTimes()
    assert [times.of(1_000_000.0 + at) for at in (0, 150, 272)] == [1_000_000.0 + at for at in (0, 150, 270)]


def test_runs_of_a_schedule_in_seconds_have_their_own_times() -> None:
    times = RunTimes()
    assert [times.of(1_000_000.0 + at) for at in (0, 3.1, 5.9)] == [1_000_000.0 + at for at in (0, 3.1, 5.9)]
