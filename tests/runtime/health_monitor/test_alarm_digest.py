from __future__ import annotations

from typing import Any

import pytest

from dsql_dr_constructs.runtime.health_monitor.alarm_digest import digest

RUNS: dict[str, Any] = {
    "Metric": {"Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": []},
    "Stat": "Sum",
}
MATH: dict[str, Any] = {
    "Metrics": [
        {"Id": "expr_1", "Expression": "FILL(runs, 0)", "ReturnData": True},
        {"Id": "runs", "MetricStat": {**RUNS, "Period": 120}, "ReturnData": False},
    ],
    "Threshold": 1.0,
    "ComparisonOperator": "LessThanThreshold",
    "EvaluationPeriods": 2,
}


def test_it_is_short_and_the_same_for_what_means_the_same() -> None:
    dimensions = [{"Name": "FunctionName", "Value": "known to CloudFormation only"}]
    stat = {**RUNS, "Metric": {**RUNS["Metric"], "Dimensions": dimensions}, "Period": 120}
    otherwise = {
        "Metrics": [
            {"Id": "runs", "MetricStat": stat, "ReturnData": False},
            {"Id": "e1", "Expression": "FILL(runs, 0)", "Label": "Runs"},
        ],
        "Threshold": 1,
        "ComparisonOperator": "LESS_THAN_THRESHOLD",
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "TreatMissingData": "missing",
    }
    assert digest(otherwise) == digest(MATH)
    assert len(digest(MATH)) == 16


@pytest.mark.parametrize(
    "change",
    [
        {"Metrics": [{**MATH["Metrics"][0], "Expression": "runs"}, MATH["Metrics"][1]]},
        {"Metrics": [{**MATH["Metrics"][0], "ReturnData": False}, {**MATH["Metrics"][1], "ReturnData": True}]},
        {"Metrics": [MATH["Metrics"][0], {**MATH["Metrics"][1], "Id": "others"}]},
        {"Metrics": [MATH["Metrics"][0], {**MATH["Metrics"][1], "MetricStat": {**RUNS, "Period": 60}}]},
        {"Metrics": [*MATH["Metrics"], {"Id": "more", "Expression": "1", "ReturnData": False}]},
        {"Metrics": []},
        {"AlarmRule": "FALSE"},
    ],
)
def test_it_differs_where_the_alarm_evaluates_something_else(change: dict[str, Any]) -> None:
    assert digest({**MATH, **change}) != digest(MATH)


def test_alarm_on_anomalies_has_no_threshold_and_is_another() -> None:
    assert digest({key: value for key, value in MATH.items() if key != "Threshold"}) != digest(MATH)


@pytest.mark.parametrize(
    ("rule", "is_the_same"),
    [
        ('ALARM("one") OR ALARM("two")', True),
        ('(ALARM("arn:aws:cloudwatch:us-east-1:1:alarm:two") OR ALARM(one))', True),
        ('ALARM("one")', False),
        ('ALARM("one") OR ALARM("three")', False),
        ('ALARM("one") AND ALARM("two")', False),
        ('NOT ALARM("one") OR ALARM("two")', False),
        ('OK("one") OR ALARM("two")', False),
        ('(ALARM("one") OR ALARM("two")) AND FALSE', False),
    ],
)
def test_rule_is_the_same_if_each_of_the_same_children_makes_it_go_off(rule: str, is_the_same: bool) -> None:
    assert (digest({"AlarmRule": rule}) == digest({"AlarmRule": 'ALARM("two") OR ALARM("one")'})) is is_the_same
