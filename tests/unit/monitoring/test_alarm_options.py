from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData
from hypothesis import given
from hypothesis import strategies as st

from dsql_dr_constructs import AlarmOptions, HealthAlarmOptions
from dsql_dr_constructs.monitoring.alarm_options import completed

NAMES = [one.name for one in fields(HealthAlarmOptions)]
GREATER, LESS = ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD, ComparisonOperator.LESS_THAN_THRESHOLD
BREACHING, NOT_BREACHING, IGNORE = TreatMissingData.BREACHING, TreatMissingData.NOT_BREACHING, TreatMissingData.IGNORE
WHOLE: dict[str, tuple[float, ComparisonOperator, int | None, int, int, TreatMissingData]] = {
    "cluster_down": (1, LESS, None, 2, 2, IGNORE),
    "cluster_health": (1, LESS, None, 2, 2, BREACHING),
    "peering": (1, LESS, None, 2, 2, IGNORE),
    "monitor_no_data": (1, LESS, None, 3, 3, BREACHING),
    "monitor_errors": (1, GREATER, None, 2, 2, NOT_BREACHING),
    "data_without_runs": (1, GREATER, None, 4, 2, IGNORE),
    "parameters_changed": (1, LESS, None, 2, 2, IGNORE),
    "notifications_broken": (1, LESS, None, 2, 2, IGNORE),
    "monitor_throttles": (1, GREATER, None, 2, 2, NOT_BREACHING),
    "monitor_duration": (80, GREATER, None, 2, 2, NOT_BREACHING),
    "failed_invocations": (1, GREATER, None, 2, 2, NOT_BREACHING),
    "dead_letters": (1, GREATER, 5, 1, 1, NOT_BREACHING),
    "recovery_point_age": (26, GREATER, 60, 1, 1, IGNORE),
    "query_timeouts": (10, GREATER, 5, 2, 2, NOT_BREACHING),
    "occ_conflicts": (20, GREATER, 5, 3, 3, NOT_BREACHING),
    "commit_latency": (500, GREATER, 5, 3, 3, NOT_BREACHING),
    "dpu_budget": (100, GREATER, 60, 1, 1, NOT_BREACHING),
}
"""Threshold, comparison, minutes, N, M and missing data of each alarm, as its docstring says; the budget's is ours."""


def setting(name: str, given: AlarmOptions | None = None) -> dict[str, Any]:
    """All fields of the alarm *name*, the period in minutes."""
    own = AlarmOptions(threshold=100) if name == "dpu_budget" else AlarmOptions()
    found = completed(name, getattr(HealthAlarmOptions(**{name: given or own}), name))
    return {**asdict(found), "period": found.period.to_minutes() if found.period else None}


def whole(name: str) -> dict[str, Any]:
    keys = (
        "threshold",
        "comparison_operator",
        "period",
        "evaluation_periods",
        "datapoints_to_alarm",
        "treat_missing_data",
    )
    return dict(zip(keys, WHOLE[name], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_each_alarm_has_its_defaults(name: str) -> None:
    assert setting(name) == whole(name)


GIVEN = st.fixed_dictionaries(
    {},
    optional={
        "threshold": st.sampled_from([0.5, 0.9, 1.0]),
        "period": st.sampled_from([1, 10]),
        "evaluation_periods": st.integers(3, 9),
        "datapoints_to_alarm": st.just(1),
        "treat_missing_data": st.sampled_from(list(TreatMissingData)),
    },
)


@given(name=st.sampled_from(NAMES), fields=GIVEN)
def test_any_fields_given_leave_the_others_as_that_alarm_has_them(name: str, fields: dict[str, Any]) -> None:
    if name == "dpu_budget":
        fields = {"threshold": 0.5, **fields}
    minutes = fields.get("period")
    arguments = {**fields, **({"period": cdk.Duration.minutes(minutes)} if minutes else {})}
    assert setting(name, AlarmOptions(**arguments)) == {**whole(name), **fields}


def test_issues_own_example_does_not_invert_the_alarm() -> None:
    found = setting("cluster_down", AlarmOptions(threshold=1, evaluation_periods=3, datapoints_to_alarm=3))
    assert (found["comparison_operator"], found["treat_missing_data"]) == (LESS, IGNORE)
    assert setting("commit_latency", AlarmOptions(threshold=200))["evaluation_periods"] == 3


@pytest.mark.parametrize("name", NAMES)
def test_comparison_the_wrong_way_round_is_refused(name: str) -> None:
    given = whole(name)
    wrong = LESS if given["comparison_operator"] is GREATER else GREATER
    with pytest.raises(ValueError, match=f"^{name} would be in ALARM at values {wrong.name} .*, and so (never|always)"):
        setting(name, AlarmOptions(threshold=given["threshold"], comparison_operator=wrong))


@pytest.mark.parametrize(
    ("name", "threshold", "why"),
    [
        ("cluster_down", 0, "never: the worst value of its metric is 0"),
        ("cluster_down", 2, "always: the best value of its metric is 1"),
        ("monitor_no_data", 0, "never"),
        ("monitor_duration", 101, "never: the worst value of its metric is 100"),
        ("occ_conflicts", 101, "never"),
        ("dead_letters", 0, "always: the best value of its metric is 0"),
    ],
)
def test_threshold_that_never_or_always_goes_off_is_refused(name: str, threshold: float, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} would be in ALARM at values .* {threshold}, and so {why}"):
        setting(name, AlarmOptions(threshold=threshold))


def test_band_is_refused() -> None:
    band = ComparisonOperator.GREATER_THAN_UPPER_THRESHOLD
    with pytest.raises(ValueError, match="needs an anomaly detection band: choose one that ends with _THRESHOLD alone"):
        setting("commit_latency", AlarmOptions(comparison_operator=band))


def test_budget_needs_a_threshold() -> None:
    with pytest.raises(ValueError, match=r"dpu_budget has no threshold.*give AlarmOptions\(threshold=\.\.\.\)"):
        HealthAlarmOptions(dpu_budget=AlarmOptions(evaluation_periods=2))


def test_more_datapoints_than_periods_are_refused() -> None:
    with pytest.raises(ValueError, match="commit_latency asks for 3 of 2 datapoints: give datapoints_to_alarm from 1"):
        HealthAlarmOptions(commit_latency=AlarmOptions(evaluation_periods=2))


@pytest.mark.parametrize(
    ("period", "periods", "good"),
    [
        (cdk.Duration.seconds(90), 1, False),
        (cdk.Duration.minutes(5), 288, True),
        (cdk.Duration.minutes(5), 289, False),
        (cdk.Duration.hours(1), 168, True),
        (cdk.Duration.hours(1), 169, False),
    ],
)
def test_period_that_cloudwatch_would_not_take_is_refused(period: cdk.Duration, periods: int, good: bool) -> None:
    given = AlarmOptions(period=period, evaluation_periods=periods, datapoints_to_alarm=1)
    if good:
        assert setting("commit_latency", given)["evaluation_periods"] == periods
    else:
        with pytest.raises(ValueError, match="a period is whole minutes, and all periods together are one day at most"):
            setting("commit_latency", given)


@pytest.mark.parametrize("name", NAMES)
def test_none_leaves_it_out(name: str) -> None:
    assert getattr(HealthAlarmOptions(**{name: None}), name) is None
