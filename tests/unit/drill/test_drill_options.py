from __future__ import annotations

import re
from typing import Any

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import DrillOptions
from dsql_dr_constructs.drill.cron_times import _days_of

ALARM = "arn:aws:cloudwatch:us-east-1:111111111111:alarm:orders errors"
MINUTES = cdk.Duration.minutes


def test_drill_takes_ten_minutes_and_all_calls_unless_somebody_decides_otherwise() -> None:
    options = DrillOptions()
    assert (options.minutes, options.share, options.schedules, options.stop_alarm_arns) == (10, 100, None, None)


@pytest.mark.parametrize("duration", [MINUTES(1), cdk.Duration.hours(12), cdk.Duration.seconds(120)])
def test_bounds_of_the_duration_belong_to_what_is_allowed(duration: cdk.Duration) -> None:
    assert DrillOptions(duration=duration).minutes == duration.to_minutes()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"duration": cdk.Duration.seconds(90)}, "duration is 1 minute 30 seconds: whole minutes are needed, 1 minut"),
        ({"duration": cdk.Duration.minutes(0)}, "duration is 0 "),
        ({"duration": cdk.Duration.minutes(721)}, "duration is 12 hours 1 minute: whole minutes are needed"),
        ({"share": 0}, "share is 0: a whole percentage is needed, 1 to 100; 100 is the default."),
        ({"share": 101}, "share is 101: a whole percentage is needed"),
        (
            {"share": 99, "expect_alarm": True},
            "expect_alarm is True and share is 99: a connection probe can succeed al",
        ),
        ({"report_buckets": {"us-east-1": "Reports"}}, "report_buckets has 'Reports' for us-east-1: the name of an S3"),
        ({"report_buckets": {"us-east-1": "s3://reports"}}, "report_buckets has 's3://reports' for us-east-1"),
        ({"report_buckets": {"us-east-1": "drill..reports"}}, "report_buckets has 'drill..reports' for us-east-1"),
        ({"report_buckets": {"us-east-1": "192.168.5.4"}}, "report_buckets has '192.168.5.4' for us-east-1"),
    ],
)
def test_what_aws_would_refuse_is_answered_with_what_is_allowed(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        DrillOptions(**given)


@pytest.mark.parametrize(
    "arn",
    [
        ALARM,
        f"arn:{cdk.Aws.PARTITION}:cloudwatch:us-east-1:{cdk.Aws.ACCOUNT_ID}:alarm:errors",
        cdk.Token.as_string({"Fn::GetAtt": ["Alarm", "Arn"]}),
    ],
    ids=["an ARN", "tokens in an ARN", "a token"],
)
def test_stop_alarm_is_an_alarm_of_the_region_or_a_token_of_one(arn: str) -> None:
    assert DrillOptions(stop_alarm_arns={"us-east-1": [arn]}).stop_alarm_arns == {"us-east-1": [arn]}


@pytest.mark.parametrize(
    ("arns", "sentence"),
    [
        (
            ["errors"],
            "stop_alarm_arns has 'errors' for us-east-1: the ARN of an alarm in that Region is needed",
        ),
        ([ALARM.replace("us-east-1", "us-west-2")], "stop_alarm_arns has 'arn:aws:cloudwatch:us-west-2:11"),
        ([ALARM.replace("arn:aws:", "arn:aws-cn:")], "stop_alarm_arns has 'arn:aws-cn:cloudwatch:us-east-1"),
        (
            [ALARM.replace(":alarm:", ":dashboard:")],
            "stop_alarm_arns has 'arn:aws:cloudwatch:us-east-1:1111111",
        ),
        (
            [f"arn:aws:sns:us-east-1:{cdk.Aws.ACCOUNT_ID}:topic"],
            "stop_alarm_arns has 'arn:aws:sns:us-east-1:<token>",
        ),
        ([ALARM, ALARM], "stop_alarm_arns has an alarm twice for us-east-1: give each of them once."),
        ([f"{ALARM}-{one}" for one in range(5)], "stop_alarm_arns has 5 alarms for us-east-1: 4 are possible"),
    ],
)
def test_what_is_no_alarm_of_the_region_stops_nothing_and_is_refused(arns: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        DrillOptions(stop_alarm_arns={"us-east-1": arns})


@pytest.mark.parametrize(
    "expression",
    [
        "rate(180 days)",
        "at(2027-01-12T09:00:00)",
        "cron(0 9 * 1,7 TUE#2 *)",
        "cron(0 9 ? 1,7 ? *)",
        "cron(0 9 12 1 ?)",
        "cron(60 9 12 1 ? *)",
        "cron(0 24 12 1 ? *)",
        "cron(0 9 0 1 ? *)",
        "cron(0 9 12 13 ? *)",
        "cron(0 9 ? 1 8 *)",
        "cron(0 9 ? 1 TUE#6 *)",
        "cron(0 9 12 1 ? 1969)",
        "cron(9-8 9 12 1 ? *)",
        "cron(0/0 9 12 1 ? *)",
        "cron(0 9 12 JANUARY ? *)",
        "0 9 12 1 ? *",
    ],
)
def test_schedule_that_is_no_cron_expression_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=rf"^schedules has {re.escape(repr(expression))} for us-east-1: a cron expr"):
        DrillOptions(schedules={"us-east-1": expression})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cron(0 9 ? 1,7 TUE#2 *)", "cron(0 9 ? 4,10 TUE#2 *)"),  # other months
        ("cron(0 9 ? 1,7 TUE#2 *)", "cron(0 9 ? 1,7 WED#2 *)"),  # other days
        ("cron(0 9 ? 1,7 TUE#1 *)", "cron(0 9 ? JAN,JUL 3#2 *)"),
        ("cron(0 9 1-7 1 ? *)", "cron(0 9 8-14 1 ? *)"),
        ("cron(0 9 1-7 1 ? *)", "cron(0 9 ? 1 TUE#2 *)"),  # the first seven days are no second Tuesday
        ("cron(0 9 ? 1 6L *)", "cron(0 9 ? 1 6#1 *)"),
        ("cron(0 9 12 1 ? 2027)", "cron(0 9 12 1 ? 2028)"),
        ("cron(0 9 12 1 ? *)", "cron(40 9 12 1 ? *)"),  # ten minutes, and half an hour for the alarms to be OK
        ("cron(0 9-11 12 1 ? *)", "cron(0 12-14 12 1 ? *)"),
        ("cron(0 9 L 2 ? *)", "cron(0 9 30,31 2 ? *)"),  # which are never
        ("cron(50 23 31 1 ? *)", "cron(30 0 1 2 ? *)"),
        ("cron(55 23 31 12 ? 2026)", "cron(0 0 1 1 ? 2028)"),
        ("cron(0 9 ? 1 MON#5 2027)", "cron(0 9 ? 1 MON *)"),  # that January has four
    ],
)
def test_one_region_after_the_other_can_have_a_schedule(one: str, other: str) -> None:
    assert DrillOptions(schedules={"us-east-1": one, "us-west-2": other}).schedules


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cron(0 9 ? 1,7 TUE#2 *)", "cron(0 9 ? 1,7 TUE#2 *)"),
        ("cron(0 9 ? 1,7 TUE#2 *)", "cron(39 9 ? 7/1 3 *)"),
        ("cron(0 9 ? 1 TUE#2 *)", "cron(0 9 8-14 1 ? *)"),
        ("cron(0 9 L 1 ? *)", "cron(0 9 31 1 ? *)"),
        ("cron(0 9 L-15 1 ? *)", "cron(0 9 15W 1 ? *)"),
        ("cron(50 23 31 1 ? *)", "cron(0 0 1 2 ? *)"),  # another month
        ("cron(55 23 31 12 ? 2026)", "cron(0 0 1 1 ? 2027)"),  # another year
        ("cron(50 23 28 2 ? *)", "cron(0 0 29 2 ? *)"),
        ("cron(50 23 28 2 ? 2199)", "cron(0 0 1 3 ? *)"),
        ("cron(0 9 ? 1 L *)", "cron(0 9 ? 1 SAT *)"),
        ("cron(50 23 12 1 ? *)", "cron(10 0 13 1 ? *)"),  # around midnight
        ("cron(0 * * * ? *)", "cron(30 9 12 1 ? *)"),
    ],
)
def test_schedules_that_can_fail_both_clusters_at_once_are_refused(one: str, other: str) -> None:
    for first, second in ((one, other), (other, one)):
        with pytest.raises(ValueError, match=r"which can be less than 40 minutes apart, so that both clusters fail"):
            DrillOptions(schedules={"us-east-1": first, "us-west-2": second})


def test_a_longer_drill_needs_more_time_before_that_of_the_other_region() -> None:
    given = {"us-east-1": "cron(0 9 12 1 ? *)", "us-west-2": "cron(0 10 12 1 ? *)"}
    assert DrillOptions(schedules=given).schedules == given
    with pytest.raises(ValueError, match="can be less than 90 minutes apart"):
        DrillOptions(schedules=given, duration=cdk.Duration.hours(1))


def test_longest_drill_before_one_in_the_next_month_is_refused() -> None:
    given = {"us-east-1": "cron(0 22 L 6 ? *)", "us-west-2": "cron(0 2 1 7 ? *)"}
    with pytest.raises(ValueError, match="can be less than 750 minutes apart"):
        DrillOptions(schedules=given, duration=cdk.Duration.hours(12))


@pytest.mark.parametrize("expression", ["cron(* * * * ? *)", "cron(*/5 * * * ? *)", "cron(0,39 9 12 1 ? 2027)"])
def test_schedule_that_is_due_again_before_the_alarms_are_ok_is_refused(expression: str) -> None:
    sentence = f"schedules has {expression} for us-east-1, which is due again within less than 40 minutes, when the"
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        DrillOptions(schedules={"us-east-1": expression})


@pytest.mark.parametrize(
    ("days", "weekdays", "expected"),
    [
        ("1-3,29", "?", {1, 2, 3, 29}),
        ("31", "?", set()),
        ("L", "?", {29}),
        ("L-2", "?", {27}),
        ("LW", "?", {29}),  # a Thursday
        ("17W", "?", {16}),  # a Saturday
        ("18W", "?", {19}),  # a Sunday
        ("30W", "?", set()),
        ("?", "3#2", {13}),
        ("?", "5#5", {29}),
        ("?", "6L", {23}),
        ("?", "L", {3, 10, 17, 24}),
        ("?", "1,2", {4, 5, 11, 12, 18, 19, 25, 26}),
    ],
)
def test_days_of_february_2024_are_those_of_the_fields(days: str, weekdays: str, expected: set[int]) -> None:
    """It began on a Thursday, and had 29."""
    assert _days_of(2024, 2, days, weekdays) == expected


def test_nearest_working_day_is_of_the_same_month() -> None:
    assert _days_of(2026, 8, "1W", "?") == {3}, "the first is a Saturday"
    assert _days_of(2026, 5, "31W", "?") == {29}, "the last is a Sunday"


def test_description_has_the_number_of_stop_alarms_that_are_possible() -> None:
    most = [f"{ALARM}-{one}" for one in range(4)]
    assert DrillOptions(stop_alarm_arns={"us-east-1": most}).stop_alarm_arns == {"us-east-1": most}
    assert "4 at most for each" in str(DrillOptions.__doc__)
