"""The model against the sentences of Route 53's documentation."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dsql_dr_constructs.emulator.alarm_evaluation import AlarmDefinition
from dsql_dr_constructs.emulator.route53_rules import CalculatedCheck, HealthCheck, MetricCheck, Zone, why_not_followed

ALARM: dict[str, Any] = {
    "AlarmName": "one",
    "Namespace": "N",
    "MetricName": "M",
    "Statistic": "Minimum",
    "Period": 60,
    "EvaluationPeriods": 2,
    "Threshold": 1,
    "ComparisonOperator": "LessThanThreshold",
}
SILENT: list[float | None] = [None, None, None, None]


def found(
    datapoints: list[float | None],
    before: str | None = "Healthy",
    *,
    missing_data: str = "health-check",
    treat: str = "missing",
    **check: Any,
) -> str:
    alarm = AlarmDefinition.of({**ALARM, "TreatMissingData": treat})
    return MetricCheck(alarm=alarm, **check).found(datapoints, before, missing_data=missing_data)


# CLOUDWATCH_METRIC


def test_data_decides_by_the_copied_settings_without_the_alarms_state() -> None:
    assert found([1, 1, 1, 0]) == "Healthy"
    assert found([1, 1, 0, 0]) == "Unhealthy"
    assert found([0, 0, 0, 1], "Unhealthy") == "Healthy"


@pytest.mark.parametrize("treat", ["missing", "ignore", "breaching", "notBreaching"])
@pytest.mark.parametrize("without_data", ["Healthy", "Unhealthy"])
def test_read_one_way_missing_data_follows_the_health_check(treat: str, without_data: str) -> None:
    for before in ("Healthy", "Unhealthy"):
        assert found(SILENT, before, treat=treat, without_data=without_data) == without_data


@pytest.mark.parametrize(
    ("treat", "expected"),
    [("breaching", "Unhealthy"), ("notBreaching", "Healthy"), ("ignore", "Unhealthy"), ("missing", "Healthy")],
)
def test_read_the_other_way_missing_data_follows_the_alarm(treat: str, expected: str) -> None:
    assert found(SILENT, "Unhealthy", treat=treat, missing_data="alarm", without_data="Healthy") == expected


def test_last_known_status_is_kept_and_is_healthy_for_a_new_check() -> None:
    assert found(SILENT, "Unhealthy") == "Unhealthy"
    assert found(SILENT, "Healthy") == "Healthy"
    assert found(SILENT, None) == "Healthy"


@pytest.mark.parametrize("missing_data", ["alarm", "health-check"])
def test_a_new_check_is_healthy_until_there_is_data(missing_data: str) -> None:
    pessimist: Any = {"treat": "breaching", "without_data": "Unhealthy", "missing_data": missing_data}
    assert found(SILENT, None, **pessimist) == "Healthy"
    assert found([None, None, None, 0], None, **pessimist) == "Unhealthy"
    assert found(SILENT, "Healthy", **pessimist) == "Unhealthy"


def test_a_disabled_check_is_healthy_and_unhealthy_if_it_is_inverted() -> None:
    assert HealthCheck().reported("Unhealthy") == "Unhealthy"
    assert HealthCheck(inverted=True).reported("Unhealthy") == "Healthy"
    assert HealthCheck(disabled=True).reported("Unhealthy") == "Healthy"
    assert HealthCheck(disabled=True, inverted=True).reported("Healthy") == "Unhealthy"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"DatapointsToAlarm": 2}, None),
        ({"DatapointsToAlarm": 1}, 'it is an "M out of N" alarm'),
        ({"Period": 10}, "its metric has high resolution"),
        ({"Statistic": None, "ExtendedStatistic": "p99"}, "its statistic is not one of Average, Minimum, Maximum, Sum"),
        ({"Metrics": [{"Id": "m"}]}, "it uses metric math or several metrics"),
        ({"AlarmRule": "ALARM(x)"}, "it is a composite alarm"),
    ],
)
def test_what_route_53_cannot_follow(change: dict[str, Any], reason: str | None) -> None:
    found = why_not_followed({**ALARM, **change})
    assert (found is None) if reason is None else str(found).startswith(reason)


# CALCULATED


@pytest.mark.parametrize(
    ("threshold", "children", "expected"),
    [
        (2, ["Healthy", "Healthy", "Unhealthy"], "Healthy"),
        (2, ["Healthy", "Unhealthy", "Unhealthy"], "Unhealthy"),
        (0, ["Unhealthy"], "Healthy"),
        (2, ["Healthy"], "Unhealthy"),
    ],
)
def test_a_calculated_check_counts_its_healthy_children(threshold: int, children: list[str], expected: str) -> None:
    assert CalculatedCheck(threshold=threshold).found(children) == expected


# records


def record(value: str, check: str | None = None, **fields: Any) -> dict[str, Any]:
    named = {"SetIdentifier": value} if fields else {}
    checked = {"HealthCheckId": check} if check else {}
    content = {} if "AliasTarget" in fields else {"ResourceRecords": [{"Value": value}], "TTL": 60}
    return {"Name": "orders.example.com.", "Type": "A", **content, **named, **checked, **fields}


def alias(to: str, *, evaluate: bool) -> dict[str, Any]:
    return {"HostedZoneId": "Z", "DNSName": to, "EvaluateTargetHealth": evaluate}


class Drawn(random.Random):
    """Draws what the test says."""

    def __init__(self, number: float) -> None:
        super().__init__()
        self._number = number

    def random(self) -> float:
        return self._number


def resolve(records: list[dict[str, Any]], *unhealthy: str, region: str = "us-east-1", draw: float = 0.0) -> list[str]:
    zone = Zone(records, lambda check: check not in unhealthy, Drawn(draw))
    return zone.resolve("Orders.example.com", "A", region)


def test_a_name_without_records_has_no_answer() -> None:
    assert resolve([]) == []


def test_a_simple_record_is_answered_with_all_of_its_values() -> None:
    both = {**record("1"), "ResourceRecords": [{"Value": "1"}, {"Value": "2"}]}
    assert resolve([both]) == ["1", "2"]


LATENCY = [record("east", "e", Region="us-east-1"), record("west", "w", Region="us-west-2")]


def test_latency_records_answer_the_nearest_healthy_region_and_the_nearest_of_all_if_none_is() -> None:
    assert resolve(LATENCY) == ["east"]
    assert resolve(LATENCY, region="us-west-2") == ["west"]
    assert resolve(LATENCY, "e") == ["west"]
    assert resolve(LATENCY, "e", "w") == ["east"]
    assert resolve([*LATENCY, record("ireland", Region="eu-west-1")], region="eu-central-1") == ["ireland"]


def test_failover_records_answer_the_primary_unless_only_the_secondary_is_healthy() -> None:
    records = [record("second", "s", Failover="SECONDARY"), record("first", "p", Failover="PRIMARY")]
    assert resolve(records) == ["first"]
    assert resolve(records, "p") == ["second"]
    assert resolve(records, "p", "s") == ["first"]
    unchecked = [record("second", Failover="SECONDARY"), records[1]]
    assert resolve(unchecked, "p") == ["second"]


def test_weighted_records_are_drawn_by_weight_and_those_of_weight_0_come_last() -> None:
    records = [record("a", "a", Weight=3), record("b", "b", Weight=1), record("c", "c", Weight=0)]
    assert [resolve(records, draw=one) for one in (0.0, 0.7, 0.8)] == [["a"], ["a"], ["b"]]
    assert resolve(records, "a") == ["b"]
    assert resolve(records, "a", "b") == ["c"]
    assert resolve(records, "a", "b", "c", draw=0.8) == ["b"]
    zero = [record("a", Weight=0), record("b", Weight=0)]
    assert [resolve(zero, draw=one) for one in (0.4, 0.6)] == [["a"], ["b"]]


def test_multivalue_records_answer_up_to_eight_healthy_ones() -> None:
    records = [record(str(number), str(number), MultiValueAnswer=True) for number in range(10)]
    assert len(resolve(records)) == 8
    assert resolve(records, *"012345678") == ["9"]
    assert len(resolve(records, *"0123456789")) == 8


def test_an_alias_needs_its_check_and_a_healthy_target_if_it_evaluates_it() -> None:
    targets = [
        {**record("east-1", "target", Weight=1), "Name": "east.example.com."},
        {**record("west-1", Weight=1), "Name": "west.example.com."},
    ]
    for evaluates, unhealthy, expected in [
        (True, (), ["east-1"]),
        (True, ("check",), ["west-1"]),
        (True, ("target",), ["west-1"]),
        (False, ("target",), ["east-1"]),
        (False, ("check",), ["west-1"]),
    ]:
        aliases = [
            record("e", "check", Region="us-east-1", AliasTarget=alias("east.example.com", evaluate=evaluates)),
            record("w", Region="us-west-2", AliasTarget=alias("west.example.com", evaluate=evaluates)),
        ]
        assert resolve([*aliases, *targets], *unhealthy) == expected


def test_a_target_outside_of_the_zone_is_answered_by_its_name() -> None:
    balancer = record("e", Region="us-east-1", AliasTarget=alias("one.elb.amazonaws.com.", evaluate=True))
    assert resolve([balancer]) == ["one.elb.amazonaws.com"]
    cname = {**record("one.execute-api.amazonaws.com", "c", Weight=1), "Type": "CNAME"}
    assert resolve([cname]) == ["one.execute-api.amazonaws.com"]


@pytest.mark.parametrize(
    ("wildcard", "other", "expected"),
    [
        ("*.example.com.", None, ["1"]),
        ("\\052.example.com.", None, ["1"]),
        ("*.com.", None, ["1"]),
        ("*.com.", "example.com.", []),
        ("*.example.com.", "example.com.", ["1"]),
        ("*.example.com.", "orders.example.com.", []),
        ("*.orders.example.com.", None, []),
    ],
)
def test_a_name_without_records_is_answered_by_the_nearest_wildcard(
    wildcard: str, other: str | None, expected: list[str]
) -> None:
    others = [{**record("2"), "Name": other, "Type": "TXT"}] if other else []
    assert resolve([{**record("1"), "Name": wildcard}, *others]) == expected


@pytest.mark.parametrize("evaluates", [True, False])
def test_records_that_lead_in_a_circle_are_an_error(evaluates: bool) -> None:
    with pytest.raises(ValueError, match=r"The records of Orders\.example\.com lead in a circle"):
        resolve([{**record("1"), "AliasTarget": alias("orders.example.com", evaluate=evaluates)}])


def test_a_policy_that_the_model_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="it resolves simple, weighted"):
        resolve([record("a", GeoLocation={"CountryCode": "*"})])
