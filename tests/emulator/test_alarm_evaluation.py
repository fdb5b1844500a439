"""The model against the examples of CloudWatch's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.emulator.alarm_evaluation import AlarmDefinition, MetricQuery, composite_state, statistic

BEFORE = "the state before"
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")


def definition(**properties: Any) -> AlarmDefinition:
    given = {
        "AlarmName": "one",
        "Namespace": "N",
        "MetricName": "M",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        **properties,
    }
    return AlarmDefinition.of(given)


def states(m: int, datapoints: str) -> list[str]:
    """The state for each treatment of missing data; X breaches, 0 does not, - is missing."""
    values = [{"X": 1.0, "0": 0.0, "-": None}[one] for one in datapoints.split()]
    return [definition(DatapointsToAlarm=m, TreatMissingData=one).state(values, BEFORE) for one in TREATMENTS]


# https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ("0 - X - X", ["OK", "OK", "OK", "OK"]),
        ("- - - - 0", ["OK", "OK", "OK", "OK"]),
        ("- - - - -", ["INSUFFICIENT_DATA", BEFORE, "ALARM", "OK"]),
        ("0 X X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("- - X - -", ["ALARM", BEFORE, "ALARM", "OK"]),
    ],
)
def test_documented_table_of_3_of_3(datapoints: str, expected: list[str]) -> None:
    assert states(3, datapoints) == expected


@pytest.mark.parametrize(
    ("datapoints", "expected"),
    [
        ("0 - X - X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 0 X 0 X", ["ALARM", "ALARM", "ALARM", "ALARM"]),
        ("0 - X - -", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - 0", ["OK", "OK", "ALARM", "OK"]),
        ("- - - - X", ["ALARM", BEFORE, "ALARM", "OK"]),
    ],
)
def test_documented_table_of_2_of_3(datapoints: str, expected: list[str]) -> None:
    assert states(2, datapoints) == expected


def test_evaluation_range_ends_now_and_is_longer_than_what_is_asked_for() -> None:
    asked: list[tuple[float, float]] = []

    def fetch(query: MetricQuery, start: float, end: float) -> float | None:
        asked.append((start, end))
        return None

    assert definition().datapoints(fetch, 1000.0) == [None] * 5
    assert asked == [(700.0, 760.0), (760.0, 820.0), (820.0, 880.0), (880.0, 940.0), (940.0, 1000.0)]
    asked.clear()
    definition(EvaluationPeriods=1).datapoints(fetch, 1000.0, extra=0, scale=0.5)
    assert asked == [(970.0, 1000.0)]


def math(expression: str, **values: float | None) -> float | None:
    metrics: list[dict[str, Any]] = [{"Id": "result", "Expression": expression}]
    for name in values:
        stat = {"Metric": {"Namespace": "N", "MetricName": name}, "Period": 60, "Stat": "Sum"}
        metrics.append({"Id": name, "MetricStat": stat, "ReturnData": False})
    plain = {"AlarmName": "one", "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "LessThanThreshold"}
    one = AlarmDefinition.of({**plain, "Metrics": metrics})
    return one.datapoints(lambda query, start, end: values[query.metric_name], 0.0, extra=0)[0]


def test_metric_math() -> None:
    assert math("FILL(a, 0)", a=None) == 0
    assert math("FILL(a, 0)", a=3) == 3
    assert math("MAX([a, b])", a=None, b=1) == 1
    assert math("MAX([a, b])", a=0, b=1) == 1
    assert math("MAX([a, b])", a=None, b=None) is None
    assert math("100 * a / 40000", a=20000) == 50
    assert math("100 * a / 40000", a=None) is None
    assert math("IF(a > 0, 100 * b / a, 0)", a=200, b=50) == 25
    assert math("IF(a > 0, 100 * b / a, 0)", a=0, b=0) == 0


def test_metric_math_that_the_model_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Metric math with ANOMALY is not supported by the local AWS emulator"):
        math("ANOMALY(a)", a=1)


def test_composite_rules() -> None:
    known = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}
    arn = "arn:aws:cloudwatch:us-east-1:111111111111:alarm"
    assert composite_state(f'(ALARM("{arn}:a") OR ALARM("{arn}:b"))', known) == "ALARM"
    assert composite_state('ALARM("a") AND ALARM("b")', known) == "OK"
    assert composite_state('ALARM("a") AND NOT ALARM("b")', known) == "ALARM"
    assert composite_state('ALARM("c")', known) == "OK"
    assert composite_state('INSUFFICIENT_DATA("c")', known) == "ALARM"


def test_statistics() -> None:
    values = [4.0, 1.0, 3.0]
    found = [statistic(name, values) for name in ("Minimum", "Maximum", "Sum", "SampleCount", "Average", "p50")]
    assert found == [1, 4, 8, 3, 8 / 3, 3]
    assert statistic("Sum", []) is None
