"""Health checks without the emulator's process: alarms and data are of the test, and so is the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dsql_dr_constructs.emulator.alarm_evaluation import MetricQuery, statistic
from dsql_dr_constructs.emulator.route53 import Route53, Route53Error

ALARM: dict[str, Any] = {
    "AlarmName": "down",
    "Namespace": "N",
    "MetricName": "M",
    "Dimensions": [{"Name": "Observer", "Value": "us-east-1"}],
    "Statistic": "Minimum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 1.0,
    "ComparisonOperator": "LessThanThreshold",
    "TreatMissingData": "breaching",
    "StateValue": "OK",
}
IDENTIFIER = {"Region": "us-west-2", "Name": "down"}
FOLLOWS: dict[str, Any] = {"Type": "CLOUDWATCH_METRIC", "AlarmIdentifier": IDENTIFIER}


class World:
    """One alarm in the west, and what is put to its metric."""

    def __init__(self, **options: Any) -> None:
        self.alarms: dict[tuple[str, str], dict[str, Any]] = {("us-west-2", "down"): dict(ALARM)}
        self.data: list[tuple[float, float]] = []
        self.put: list[tuple[str, float]] = []
        self.time = 1_000_000.0
        self.records: list[dict[str, Any]] = []
        options = {"missing_data": "health-check", "now": lambda: self.time, **options}
        self.route53 = Route53({}, lambda: list(self.records), self, **options)

    def alarm(self, region: str, name: str) -> Mapping[str, Any] | None:
        return self.alarms.get((region, name))

    def value(self, region: str, query: MetricQuery, start: float, end: float) -> float | None:
        assert region == "us-west-2"
        return statistic(query.statistic, (value for at, value in self.data if start <= at < end))

    def put_status(self, identifier: str, value: float) -> None:
        self.put.append((identifier, value))

    def create(self, reference: str = "one", **config: Any) -> str:
        return str(self.route53.create(reference, {**FOLLOWS, **config})["id"])

    def minutes(self, count: int, value: float | None = None) -> None:
        """With a datapoint in each of them."""
        for _ in range(count):
            if value is not None:
                self.data.append((self.time + 30, value))
            self.time += 60
            self.route53.evaluate()

    def refused(self, code: str = "InvalidInput", reference: str = "other", **config: Any) -> str:
        with pytest.raises(Route53Error) as error:
            self.route53.create(reference, config)
        assert error.value.code == code
        return error.value.message


@pytest.fixture
def world() -> World:
    return World()


def test_check_turns_with_the_data_whatever_the_alarms_state_is(world: World) -> None:
    check = world.create()
    world.alarms["us-west-2", "down"]["StateValue"] = "ALARM"
    world.minutes(1, 1)
    assert world.route53.status(check) == "Healthy"
    world.minutes(1, 0)
    assert world.route53.status(check) == "Unhealthy"
    world.minutes(1, 1)
    assert world.route53.status(check) == "Healthy"


def test_check_keeps_the_alarms_old_settings_until_it_is_updated(world: World) -> None:
    check = world.create()
    world.alarms["us-west-2", "down"]["Threshold"] = 5.0
    world.minutes(1, 3)
    assert world.route53.status(check) == "Healthy"
    world.route53.update(check, {"Inverted": False})
    world.minutes(1, 3)
    assert world.route53.status(check) == "Healthy"
    world.route53.update(check, {"AlarmIdentifier": IDENTIFIER})
    world.minutes(1, 3)
    assert world.route53.status(check) == "Unhealthy"


def test_new_check_is_healthy_for_its_evaluation_range_and_then_as_it_says_for_missing_data(world: World) -> None:
    check = world.create(InsufficientDataHealthStatus="Unhealthy")
    world.minutes(2)
    assert world.route53.status(check) == "Healthy"
    world.minutes(1)
    assert world.route53.status(check) == "Unhealthy"


@pytest.mark.parametrize(("missing_data", "expected"), [("health-check", "Healthy"), ("alarm", "Unhealthy")])
def test_who_judges_missing_data_is_a_choice(missing_data: str, expected: str) -> None:
    world = World(missing_data=missing_data)
    check = world.create(InsufficientDataHealthStatus="Healthy")
    world.minutes(1, 1)
    world.minutes(4)
    assert world.route53.status(check) == expected


def test_last_known_status_is_kept(world: World) -> None:
    check = world.create()
    world.minutes(1, 0)
    world.minutes(10)
    assert world.route53.status(check) == "Unhealthy"


def test_minutes_are_scaled() -> None:
    world = World(time_scale=1 / 60)
    check = world.create(InsufficientDataHealthStatus="Unhealthy")
    world.time += 2.9
    world.route53.evaluate()
    assert world.route53.status(check) == "Healthy"
    world.time += 0.2
    world.route53.evaluate()
    assert world.route53.status(check) == "Unhealthy"


def calculated(world: World, threshold: int, *children: str, **more: Any) -> str:
    config = {"Type": "CALCULATED", "HealthThreshold": threshold, "ChildHealthChecks": list(children), **more}
    return str(world.route53.create(f"of {len(children)}", config)["id"])


def test_calculated_check_counts_its_children_at_once(world: World) -> None:
    down, up = world.create("down"), world.create("up", Inverted=True)
    both, one = calculated(world, 2, down, up), calculated(world, 1, down, up, world.create("third", Disabled=True))
    world.minutes(1, 0)
    assert [world.route53.status(each) for each in (down, up, both, one)] == [
        "Unhealthy",
        "Healthy",
        "Unhealthy",
        "Healthy",
    ]
    world.route53.update(both, {"HealthThreshold": 1})
    assert world.route53.status(both) == "Healthy"


def test_every_minute_the_status_of_each_check_that_is_not_disabled_is_put_as_a_metric(world: World) -> None:
    down, _ = world.create("down"), world.create("disabled", Disabled=True)
    both = calculated(world, 1, down)
    world.minutes(1, 0)
    assert sorted(world.put) == sorted([(down, 0.0), (both, 0.0)])


def test_endpoint_checks_are_healthy(world: World) -> None:
    check = world.route53.create("http", {"Type": "HTTP", "FullyQualifiedDomainName": "example.com"})
    world.minutes(1)
    assert world.route53.status(check["id"]) == "Healthy"


def test_same_reference_with_the_same_settings_is_the_same_check(world: World) -> None:
    assert world.create() == world.create()
    assert "other settings" in world.refused("HealthCheckAlreadyExists", "one", **FOLLOWS, Inverted=True)


def test_version_that_is_not_the_checks_is_refused(world: World) -> None:
    check = world.create()
    world.route53.update(check, {}, version=1)
    with pytest.raises(Route53Error, match="has the version 2, and not 1"):
        world.route53.update(check, {}, version=1)


def test_alarms_that_route_53_cannot_follow_are_refused(world: World) -> None:
    elsewhere = {"Region": "us-east-1", "Name": "down"}
    assert "The alarm down does not exist in us-east-1." in world.refused(**{**FOLLOWS, "AlarmIdentifier": elsewhere})
    cases: list[tuple[dict[str, Any], str]] = [
        ({"DatapointsToAlarm": 1, "EvaluationPeriods": 2}, '"M out of N"'),
        ({"ExtendedStatistic": "p99"}, "its statistic is not one of"),
        ({"Metrics": [{"Id": "m", "Expression": "1"}]}, "metric math"),
        ({"AlarmRule": "ALARM(x)"}, "a composite alarm"),
    ]
    for change, reason in cases:
        world.alarms["us-west-2", "down"] = {**ALARM, **change}
        assert reason in world.refused(**FOLLOWS)


def test_wrong_settings_are_refused(world: World) -> None:
    child = world.create()
    nested = calculated(world, 1, child)
    count = {"Type": "CALCULATED", "HealthThreshold": 1}
    cases: list[tuple[dict[str, Any], str]] = [
        ({"Type": "CALCULATED"}, "Calculated health checks must have a health threshold specified."),
        ({"Type": "CLOUDWATCH_METRIC"}, "must have AlarmIdentifier specified"),
        ({"Type": "HTTP", "AlarmIdentifier": IDENTIFIER}, "Basic health checks must not have an metric region"),
        ({**FOLLOWS, "RequestInterval": 30}, "must not have RequestInterval specified"),
        ({**count, "MeasureLatency": True}, "must not have MeasureLatency specified"),
        ({**count, "HealthThreshold": 257}, "0 to 256 is allowed"),
        ({**count, "ChildHealthChecks": [nested]}, "is calculated itself"),
        ({**count, "ChildHealthChecks": ["nobody"]}, "The child health check nobody does not exist"),
        ({**count, "ChildHealthChecks": [child, child]}, "more than once"),
        ({**FOLLOWS, "InsufficientDataHealthStatus": "Unknown"}, "satisfy enum value set"),
        ({"Type": "PING"}, "satisfy enum value set"),
    ]
    for config, reason in cases:
        assert reason in world.refused(**config)


def test_records_follow_the_checks_and_one_that_was_deleted_counts_as_unhealthy(world: World) -> None:
    east, west = world.create("east"), world.create("west", InsufficientDataHealthStatus="Healthy", Inverted=True)
    for region, check in (("us-east-1", east), ("us-west-2", west)):
        values = {"ResourceRecords": [{"Value": region}], "SetIdentifier": region, "Region": region}
        world.records.append({"Name": "a.example.com.", "Type": "A", "HealthCheckId": check, **values})
    world.minutes(1, 1)
    assert world.route53.resolve("a.example.com", "A", "us-west-2") == ["us-east-1"]
    world.minutes(1, 0)
    assert world.route53.resolve("a.example.com", "A", "us-east-1") == ["us-west-2"]
    world.records[1]["HealthCheckId"] = "nobody"
    assert world.route53.resolve("a.example.com", "A", "us-west-2") == ["us-west-2"]  # none is healthy: all are
    with pytest.raises(ValueError, match="No health check exists with the specified ID nobody"):
        world.route53.status("nobody")
