"""The emulator's clock, and the rules that run on it."""

from __future__ import annotations

import io
import itertools
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from ministack.services import eventbridge

from dsql_dr_constructs.emulator import AwsEmulator, ministack_schedules
from dsql_dr_constructs.emulator.clock import MINUTE, Clock

REGION = "us-east-1"
DAYS = 3
RECORD = """
import json, os

def handler(event, context):
    with open(os.environ["EVENTS"], "a") as file:
        file.write(json.dumps(event) + "\\n")
"""


class RealTime:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def stopped(time_scale: float = 1.0) -> tuple[Clock, RealTime, list[float]]:
    """A clock, its real time, and the minutes that it has run."""
    real_time, minutes = RealTime(), list[float]()
    clock = Clock(time_scale, real_time=real_time)
    clock.each_minute(minutes.append)
    return clock, real_time, minutes


def assert_each_once(minutes: list[float], how_many: int) -> None:
    assert len(minutes) == how_many
    assert {later - earlier for earlier, later in itertools.pairwise(minutes)} <= {MINUTE}
    assert all(one % MINUTE == 0 for one in minutes)


def test_every_minute_on_the_way_is_run_once_in_order() -> None:
    clock, _, minutes = stopped()
    before = clock.now()
    clock.advance(DAYS * 86400)
    assert clock.now() == before + DAYS * 86400
    assert_each_once(minutes, DAYS * 1440)


def test_part_of_a_minute_is_kept_for_the_next_step() -> None:
    clock, _, minutes = stopped()
    for _ in range(4):
        clock.advance(15)
    assert_each_once(minutes, 1)


def test_time_passes_by_itself_and_faster_where_minutes_are_shorter() -> None:
    clock, real_time, minutes = stopped(time_scale=1 / 60)
    before = clock.now()
    real_time.seconds += 5
    clock.run_due()
    assert clock.now() == before + 300
    assert_each_once(minutes, 5)


def test_clock_stands_still_at_a_minute_while_it_is_moved() -> None:
    clock, real_time, _ = stopped()
    seen = []

    def slow(minute: float) -> None:
        real_time.seconds += 1000
        seen.append((clock.now() - minute, clock.is_moved))

    clock.each_minute(slow)
    before = clock.now()
    clock.advance(120)
    assert seen == [(0.0, True)] * 2
    assert (clock.now(), clock.is_moved) == (before + 120, False)
    real_time.seconds += 10
    assert clock.now() == before + 130


def test_error_of_one_listener_is_logged_and_stops_neither_the_others_nor_the_clock(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock, _, minutes = stopped()

    def fail(minute: float) -> None:
        raise RuntimeError("no coffee")

    clock.each_minute(fail)
    after = list[float]()
    clock.each_minute(after.append)
    clock.advance(180)
    assert minutes == after
    assert_each_once(minutes, 3)
    assert caplog.text.count("RuntimeError: no coffee") == 3


def test_no_minute_is_run_twice_or_lost_by_several_who_move_the_clock() -> None:
    clock, real_time, minutes = stopped()

    def move() -> None:
        for _ in range(50):
            clock.advance(3 * MINUTE)

    def tick() -> None:
        for _ in range(50):
            real_time.seconds += MINUTE
            clock.run_due()

    threads = [threading.Thread(target=one) for one in (move, move, tick)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    clock.run_due()
    assert_each_once(minutes, len(minutes))
    assert len(minutes) >= 300
    assert minutes[-1] <= clock.now() < minutes[-1] + MINUTE


def test_started_clock_runs_each_minute_when_it_has_come() -> None:
    clock, minutes, enough = Clock(time_scale=1 / 6000), list[float](), threading.Event()

    def record(minute: float) -> None:
        minutes.append(minute)
        if len(minutes) == 5:
            enough.set()

    clock.each_minute(record)
    clock.start()
    assert enough.wait(30)
    assert_each_once(minutes[:5], 5)


def test_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match=r"moved by -1 seconds: only 0 or more are possible\."):
        Clock().advance(-1)


def test_ministacks_own_loop_runs_no_cron_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_cron_next_fire", "_tick_scheduled_rules"):
        monkeypatch.setattr(eventbridge, name, getattr(eventbridge, name))  # restored at the end
    invoked: list[str] = []
    monkeypatch.setattr(eventbridge, "_invoke_target", lambda target, *_: invoked.append(target["Arn"]))
    key = ("000000000000", REGION, "default|every-minute")
    arn = f"arn:aws:events:{REGION}:000000000000:rule/every-minute"
    rule = {"State": "ENABLED", "ScheduleExpression": "cron(* * * * ? *)", "Arn": arn}
    monkeypatch.setitem(eventbridge._rules._data, key, rule)
    monkeypatch.setitem(eventbridge._targets._data, key, [{"Arn": "ours"}])

    def an_hour_later() -> list[str]:
        invoked.clear()
        monkeypatch.setitem(eventbridge._rule_last_fired, key, eventbridge._now_ts() - 3600)
        eventbridge._tick_scheduled_rules()
        return list(invoked)

    assert an_hour_later() == ["ours"], "else this test shows nothing"
    clock, _, _ = stopped()
    ministack_schedules.run_cron_rules(clock)
    assert an_hour_later() == []
    clock.advance(120)
    assert invoked == ["ours"] * 2
    rule["ScheduleExpression"] = "rate(1 minute)"
    assert an_hour_later() == ["ours"]


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=[REGION, "us-west-2"]) as running:
        yield running


class Rules:
    """Rules with one target each, whose minutes are not those that the test runs in."""

    def __init__(self, aws: AwsEmulator, region: str = REGION) -> None:
        self.events, self.sqs = aws.client("events", region), aws.client("sqs", region)
        self.begin = aws.advance_clock(0)
        self.earlier = self.begin - timedelta(hours=2)

    def queue(self, name: str) -> str:
        return str(self.sqs.create_queue(QueueName=name)["QueueUrl"])

    def add(self, name: str, schedule: str, target_arn: str, **options: Any) -> None:
        self.events.put_rule(Name=name, ScheduleExpression=schedule, **options)
        self.events.put_targets(Rule=name, Targets=[{"Id": "one", "Arn": target_arn}])

    def add_queue(self, name: str, schedule: str, **options: Any) -> str:
        url = self.queue(name)
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.add(name, schedule, arn, **options)
        return url

    def received(self, url: str) -> list[dict[str, Any]]:
        found = list[dict[str, Any]]()
        while messages := self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [json.loads(one["Body"]) for one in messages]
        return sorted(found, key=lambda event: str(event["time"]))


def time_of(event: dict[str, Any]) -> datetime:
    return datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def test_clock_of_the_emulator_begins_with_real_time_and_is_moved(aws: AwsEmulator) -> None:
    before = aws.advance_clock(0)
    assert timedelta(hours=10) <= aws.advance_clock(36000) - before < timedelta(hours=11)
    with pytest.raises(ValueError, match="only 0 or more"):
        aws.advance_clock(-1)
    answer = aws.client("dsql", REGION).create_cluster()
    assert answer["creationTime"] > before + timedelta(hours=9), "clusters are created on the emulator's clock"
    dated = (answer, aws.client("cloudwatch", REGION).describe_alarms())
    for headers in (one["ResponseMetadata"]["HTTPHeaders"] for one in dated):
        off = datetime.now(timezone.utc) - parsedate_to_datetime(headers["date"])
        assert timedelta() <= off < timedelta(minutes=5), "metrics and alarms are on real time"


def test_cron_rules_run_once_for_each_of_their_minutes(aws: AwsEmulator) -> None:
    rules, there = Rules(aws), Rules(aws, "us-west-2")
    at = f"cron(17 {rules.earlier.hour} * * ? *)"
    daily, disabled = rules.add_queue("daily", at), rules.add_queue("disabled", at, State="DISABLED")
    never, rate = rules.add_queue("never", "cron(0 0 1 1 ? 1999)"), rules.add_queue("rate", "rate(1 hour)")
    elsewhere = there.add_queue("daily", at)
    end = aws.advance_clock(DAYS * 86400)
    for found in (rules.received(daily), there.received(elsewhere)):
        assert len(found) == DAYS
        for number, event in enumerate(found, 1):
            expected = (rules.earlier + timedelta(days=number)).replace(minute=17, second=0, microsecond=0)
            assert time_of(event) == expected
            assert rules.begin < expected < end
            assert (event["source"], event["detail-type"]) == ("aws.events", "Scheduled Event")
    assert there.received(elsewhere) == []
    for url in (disabled, never, rate):
        assert rules.received(url) == []


def test_function_really_runs_for_each_minute_before_the_clock_goes_on(aws: AwsEmulator, tmp_path: Path) -> None:
    rules, events = Rules(aws), tmp_path / "events"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("index.py", RECORD)
    function = aws.client("lambda", REGION).create_function(
        FunctionName="record",
        Runtime="python3.13",
        Role="arn:aws:iam::000000000000:role/record",
        Handler="index.handler",
        Code={"ZipFile": packed.getvalue()},
        Environment={"Variables": {"EVENTS": os.fspath(events)}},
    )
    rules.add("record", f"cron(0/5 {rules.earlier.hour} * * ? *)", function["FunctionArn"])
    aws.advance_clock(DAYS * 86400)
    times = [time_of(json.loads(line)) for line in events.read_text().splitlines()]
    first = (rules.earlier + timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    expected = [first + timedelta(days=day, minutes=5 * number) for day in range(DAYS) for number in range(12)]
    assert times == expected
    aws.client("events", REGION).disable_rule(Name="record")
    aws.advance_clock(86400)
    assert len(events.read_text().splitlines()) == len(expected)
