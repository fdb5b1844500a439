from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, NoCredentialsError, ReadTimeoutError
from hypothesis import given, settings
from hypothesis import strategies as st

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.retries import MonitorError, Surroundings
from dsql_dr_constructs.runtime.health_monitor.watch import REPORT_SECONDS, Settings, Watch
from tests.runtime.health_monitor.tls_server import HOST, Server, Visit, never_answers, serving
from tests.runtime.judge import judged

EAST, WEST = (f"arn:aws:dsql:{region}:111111111111:cluster/{region}" for region in ("us-east-1", "us-west-2"))


def error(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "x")


class Aws:
    """Two clusters whose control planes answer, or fail as told, and a CloudWatch that remembers.

    Args:
        server: Both endpoints. None: nobody listens there.
    """

    def __init__(self, server: Server | None) -> None:
        self.tls = server.trusting if server else ssl.create_default_context
        self.endpoints = dict.fromkeys((EAST, WEST), f"{HOST}:{server.port}" if server else "127.0.0.1:1")
        self.status = dict.fromkeys(("us-east-1", "us-west-2"), "ACTIVE")
        self.failures: dict[str, list[Exception]] = {"us-east-1": [], "us-west-2": [], "put": []}
        self.put: list[dict[str, Any]] = []
        self.lines: list[str] = []
        self.asked_of: list[tuple[str, str]] = []

    def client(self, service: str, region: str) -> Any:
        self.asked_of.append((service, region))
        if service == "cloudwatch":
            return judged(service, {"put_metric_data": self._put})
        return judged(service, {"get_cluster": lambda *, identifier: self._get_cluster(region, identifier)})

    def _get_cluster(self, region: str, identifier: str) -> dict[str, Any]:
        if self.failures[region]:
            raise self.failures[region].pop()
        return {
            "identifier": identifier,
            "arn": f"arn:aws:dsql:{region}:111111111111:cluster/{identifier}",
            "creationTime": datetime(2026, 1, 1, tzinfo=timezone.utc),
            "deletionProtectionEnabled": True,
            "status": self.status[identifier],
            "encryptionDetails": {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": "ENABLED"},
            "multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": [EAST, WEST]},
        }

    def _put(self, **request: Any) -> None:
        if self.failures["put"]:
            raise self.failures["put"].pop()
        self.put.append(request)

    def watch(self, observer: str = "us-east-1", *, budget: float = 5.0, **options: Any) -> dict[str, Any]:
        settings = Settings("Orders-production", observer, self.endpoints, "us-east-2", budget)
        options = {"tls": self.tls, "surroundings": Surroundings(draw=lambda: 0.01), **options}
        return Watch(settings, client=self.client, tell=self.lines.append, **options).run()

    def metrics(self) -> dict[tuple[str, str | None], tuple[float, str]]:
        """Value and unit of each metric put, by name and cluster's Region."""
        found: dict[tuple[str, str | None], tuple[float, str]] = {}
        for datum in self.put[-1]["MetricData"]:
            dimensions = {one["Name"]: one["Value"] for one in datum.get("Dimensions", [])}
            found[datum["MetricName"], dimensions.get("ClusterRegion")] = (datum["Value"], datum["Unit"])
        return found


@pytest.fixture
def aws() -> Iterator[Aws]:
    with serving() as server:
        yield Aws(server)


def test_healthy_pair_is_told_with_its_evidence(aws: Aws) -> None:
    result = aws.watch()
    assert result["verdict"] == names.HEALTHY
    assert [one["region"] for one in result["clusters"]] == ["us-east-1", "us-west-2"]
    assert all(one["healthy"] and one["reachable"] and one["problems"] == () for one in result["clusters"])
    assert sorted(aws.asked_of) == [("cloudwatch", "us-east-1"), ("dsql", "us-east-1"), ("dsql", "us-west-2")]


def test_all_metrics_are_put_in_one_call(aws: Aws) -> None:
    aws.watch("us-west-2")
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


def test_cluster_that_is_down_counts_as_zero(aws: Aws) -> None:
    aws.status["us-west-2"] = "FAILED"
    assert aws.watch()["verdict"] == names.PEER_DOWN
    assert aws.watch("us-west-2")["verdict"] == names.LOCAL_DOWN
    found = aws.metrics()
    assert found["ClusterHealth", "us-east-1"][0] == 1
    assert found["ClusterHealth", "us-west-2"][0] == 0
    assert found["ClusterHealth", None][0] == 0, "without dimensions it is the worse of both"


@pytest.mark.parametrize(
    "failure",
    [
        error("ThrottlingException"),
        error("InternalServerException", 500),
        error("SomethingNew", 503),
        ReadTimeoutError(endpoint_url="https://dsql"),
    ],
)
def test_transient_failure_of_the_api_is_tried_again_and_counted(aws: Aws, failure: Exception) -> None:
    aws.failures["us-west-2"] = [failure, failure]
    assert aws.watch()["verdict"] == names.HEALTHY
    found = aws.metrics()
    assert (found["ProbeAttempts", "us-east-1"][0], found["ProbeAttempts", "us-west-2"][0]) == (2, 4)


def test_cluster_that_is_not_found_is_down(aws: Aws) -> None:
    aws.failures["us-east-1"] = [error("ResourceNotFoundException", 404)]
    result = aws.watch()
    assert (result["verdict"], result["clusters"][0]["status"]) == (names.LOCAL_DOWN, "NOT_FOUND")


def test_api_that_stays_silent_is_down_with_its_reason_and_without_a_word_on_the_peering(aws: Aws) -> None:
    aws.failures["us-west-2"] = [ReadTimeoutError(endpoint_url="https://dsql")] * 1000
    result = aws.watch(budget=0.8)
    assert result["verdict"] == names.PEER_DOWN
    assert result["clusters"][1]["problems"][0].startswith("GetCluster: no answer (")
    assert ("PeeringHealth", "us-west-2") not in aws.metrics()
    assert ("PeeringHealth", "us-east-1") in aws.metrics()


def test_endpoint_that_hangs_does_not_delay_the_other_and_leaves_time_to_report(aws: Aws) -> None:
    with serving(never_answers) as hung:
        aws.endpoints[EAST] = f"{HOST}:{hung.port}"
        result = aws.watch(budget=1.0)
    east, west = result["clusters"]
    assert result["verdict"] == names.LOCAL_DOWN
    assert (west["healthy"], west["latency_ms"] < 1000) == (True, True)
    assert (east["status"], east["reachable"], east["latency_ms"]) == ("ACTIVE", False, None)
    assert "endpoint: no answer to the request for TLS within" in east["problems"][0]
    assert ("ProbeLatency", "us-east-1") not in aws.metrics()
    assert aws.metrics()["EndpointReachable", "us-east-1"][0] == 0


def test_question_that_outlasts_the_budget_is_given_up(aws: Aws) -> None:
    answered, plain = threading.Event(), aws.client

    def hang(**_: Any) -> None:
        answered.wait(5)

    aws.client = lambda service, region: (  # type: ignore[method-assign]
        SimpleNamespace(get_cluster=hang) if (service, region) == ("dsql", "us-east-1") else plain(service, region)
    )
    result = aws.watch(budget=0.2)
    answered.set()
    assert result["clusters"][0]["problems"] == ("GetCluster: no answer within the run's 0.2 s",)


def test_endpoint_that_refuses_at_first_is_knocked_at_again(aws: Aws) -> None:
    def shy(visit: Visit) -> None:
        if visit.number > 2:
            visit.welcome()

    with serving(shy) as server:
        aws.endpoints[WEST] = f"{HOST}:{server.port}"
        trust = aws.tls()
        server.authority.configure_trust(trust)
        assert aws.watch(tls=lambda: trust)["verdict"] == names.HEALTHY
        assert server.visits == 3


def test_one_line_tells_the_run_as_json(aws: Aws) -> None:
    aws.watch()
    [line] = aws.lines
    told = json.loads(line)
    assert (told["verdict"], told["observer"], told["deployment"]) == ("HEALTHY", "us-east-1", "Orders-production")
    assert told["look_ms"] >= 0
    assert told["errors"] == []


def test_denied_permission_is_the_monitors_fault_and_not_the_clusters(aws: Aws) -> None:
    aws.failures["us-west-2"] = [error("AccessDeniedException", 403)]
    with pytest.raises(MonitorError, match=r"^GetCluster in us-west-2 was refused: AccessDeniedException: no$"):
        aws.watch()
    assert ("ClusterHealth", "us-east-1") in aws.metrics(), "what could be seen is put all the same"
    assert ("ClusterHealth", "us-west-2") not in aws.metrics()
    assert json.loads(aws.lines[0])["verdict"] is None


def test_missing_credentials_are_the_monitors_fault(aws: Aws) -> None:
    aws.failures["us-west-2"] = [NoCredentialsError()]
    with pytest.raises(MonitorError, match="GetCluster in us-west-2 could not be asked"):
        aws.watch()


def test_metrics_that_cannot_be_put_fail_the_run_after_it_was_told(aws: Aws) -> None:
    aws.failures["put"] = [error("AccessDenied", 403)]
    with pytest.raises(MonitorError, match="PutMetricData was refused: AccessDenied: no"):
        aws.watch()
    assert json.loads(aws.lines[0])["verdict"] == "HEALTHY"


def test_metrics_are_tried_again(aws: Aws) -> None:
    aws.failures["put"] = [error("Throttling"), error("InternalServiceFault", 500)]
    aws.watch()
    assert len(aws.put) == 1


def test_permission_may_come_late_in_the_first_run_only(aws: Aws) -> None:
    denied: Callable[[], list[Exception]] = lambda: [error("AccessDeniedException", 403)] * 2  # noqa: E731
    aws.failures["us-west-2"], aws.failures["put"] = denied(), denied()
    assert aws.watch(first=True)["verdict"] == names.HEALTHY
    aws.failures["us-west-2"] = denied() * 500
    with pytest.raises(MonitorError, match="GetCluster in us-west-2 was refused: AccessDeniedException"):
        aws.watch(first=True, budget=0.8)


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
    """No server listens here, so both endpoints are down; time passes only where the monitor waits or is answered."""
    clock, lock = [0.0], threading.Lock()

    def pass_time(seconds: float) -> None:
        with lock:
            clock[0] += seconds

    aws = Aws(None)
    answers = {"us-east-1": list(east), "us-west-2": list(west), "put": list(put)}

    def after_a_while(which: str, answer: Callable[[], Any]) -> Any:
        pass_time(seconds)
        outcome = answers[which].pop(0) if answers[which] else None
        if outcome:
            raise outcome
        return answer()

    def client(service: str, region: str) -> Any:
        if service == "cloudwatch":
            return judged(service, {"put_metric_data": lambda **sent: after_a_while("put", lambda: aws._put(**sent))})
        look = {
            "get_cluster": lambda *, identifier: after_a_while(region, lambda: aws._get_cluster(region, identifier))
        }
        return judged(service, look)

    aws.client = client  # type: ignore[method-assign]
    surroundings = Surroundings(clock=lambda: clock[0], sleep=pass_time, draw=lambda: 0.5)
    try:
        result = aws.watch(budget=20.0, surroundings=surroundings)
    except MonitorError:
        result = None
    [line] = aws.lines
    told = json.loads(line)
    assert clock[0] <= 20.0 + REPORT_SECONDS + 6 * (seconds + 3.0), "threads share this clock, which makes it run fast"
    assert (result is None) == bool(told["errors"])
    if result:
        assert aws.put, "a verdict, and nothing in CloudWatch"
        assert result["verdict"] == names.BOTH_DOWN
