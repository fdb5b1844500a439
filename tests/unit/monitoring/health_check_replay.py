"""Evaluates the Route 53 health checks of a pair with failover over time, as `replay` does its alarms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import FailoverOptions, MultiRegionDsqlDr
from dsql_dr_constructs.emulator.alarm_evaluation import EXTRA_PERIODS, AlarmDefinition
from dsql_dr_constructs.emulator.route53_rules import HEALTHY, UNHEALTHY, CalculatedCheck, MetricCheck
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from tests.unit.intrinsics import written_out
from tests.unit.monitoring.replay import AlarmSet, Replay, World

READINGS = ("alarm", "health-check")
"""What decides over missing data, which AWS does not document: the alarm's TreatMissingData as CloudWatch applies it,
or the health check's InsufficientDataHealthStatus."""

Template = Mapping[str, Any]


@dataclass(frozen=True)
class RegionCheck:
    """The CALCULATED health check of a Region, as the template of its stack has it.

    Args:
        children: By the Region of the alarm that they follow and its name, each with the number that there is of it.
        calculated: What counts them.
    """

    children: Mapping[str, Mapping[str, tuple[MetricCheck, int]]]
    calculated: CalculatedCheck

    @classmethod
    def of(cls, failover: Template, alarms: Mapping[tuple[str, str], AlarmDefinition]) -> RegionCheck:
        """
        Args:
            failover: Template of the stack.
            alarms: Those of all monitoring stacks, by Region and name.
        """
        checks = {
            id: written_out(one["Properties"]["HealthCheckConfig"], lambda name: name)
            for id, one in failover["Resources"].items()
            if one["Type"] == "AWS::Route53::HealthCheck"
        }
        [calculated] = [one for one in checks.values() if one["Type"] == "CALCULATED"]
        assert sorted(calculated["ChildHealthChecks"]) == sorted(id for id in checks if checks[id] != calculated)
        children: dict[str, dict[str, tuple[MetricCheck, int]]] = defaultdict(dict)
        for id in calculated["ChildHealthChecks"]:
            region, name = checks[id]["AlarmIdentifier"]["Region"], checks[id]["AlarmIdentifier"]["Name"]
            made = MetricCheck(alarm=alarms[region, name], without_data=checks[id]["InsufficientDataHealthStatus"])
            known, number = children[region].get(name, (made, 0))
            assert known == made, "all that follow an alarm are the same"
            children[region][name] = made, number + 1
        return cls(children, CalculatedCheck(threshold=int(calculated["HealthThreshold"])))

    def is_unhealthy(self, children: int) -> bool:
        """With so many unhealthy children."""
        healthy = sum(number for there in self.children.values() for _, number in there.values()) - children
        return self.calculated.found([UNHEALTHY] * children + [HEALTHY] * healthy) == UNHEALTHY


@dataclass(frozen=True)
class Failover:
    """What a pair with failover has in its templates.

    Args:
        checks: Of each Region.
        schedules: Of each observer, without its alarms: Route 53 does not wait for these.
    """

    checks: Mapping[str, RegionCheck]
    schedules: Mapping[str, AlarmSet]

    @classmethod
    def of(cls, **options: Any) -> Failover:
        """From a pair with these options."""
        pair = MultiRegionDsqlDr(cdk.App(), "Orders", **{"failover": FailoverOptions(), **options})
        schedules = {
            one.region: replace(AlarmSet.of(one), metric_alarms=[], rules={}, notifying=set())
            for one in pair.stacks
            if "Monitoring" in one.stack_name
        }
        return cls(region_checks(pair), schedules)

    def followed(self, observer: str) -> list[tuple[str, MetricCheck, int]]:
        """The checks that follow alarms there, each with the Region that it is for and its number."""
        return [
            (region, one, number)
            for region, check in self.checks.items()
            for one, number in check.children.get(observer, {}).values()
        ]


def region_checks(pair: MultiRegionDsqlDr) -> dict[str, RegionCheck]:
    """Of each Region of *pair*, as synthesized."""
    alarms, failover = {}, {}
    for stack in pair.stacks:
        template = assertions.Template.from_stack(stack).to_json()
        if "Failover" in stack.stack_name:
            failover[stack.region] = template
        for one in template["Resources"].values() if "Monitoring" in stack.stack_name else ():
            if one["Type"] == "AWS::CloudWatch::Alarm":
                definition = AlarmDefinition.of(written_out(one["Properties"], lambda name: name))
                alarms[stack.region, definition.name] = definition
    return {region: RegionCheck.of(template, alarms) for region, template in failover.items()}


@dataclass
class Followed(Replay):
    """One observer's runs, and what Route 53 finds in the data streams of its alarms.

    Args:
        checks: Of `Failover.followed`.
        reading: One of `READINGS`.
        puts: Datapoints of `names.EVACUATED` besides those of the runs: when, of which cluster, and the value.
        silent: From when to when nobody gets data from CloudWatch there.
    """

    checks: Sequence[tuple[str, MetricCheck, int]] = ()
    reading: str = "alarm"
    puts: Sequence[tuple[float, str, float]] = ()
    silent: tuple[float, float] = (0.0, 0.0)
    unhealthy: list[Counter[str]] = field(default_factory=list)
    """At each evaluation, how many of a Region's checks were."""
    _before: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _put: int = 0

    def evaluate(self, now: float) -> None:
        for at, cluster, value in self.puts[self._put :]:
            if at >= now:
                break
            self.add(names.EVACUATED, cluster, at, value)
            self._put += 1
        is_silent = self.silent[0] <= now < self.silent[1]
        unhealthy: Counter[str] = Counter()
        for region, one, number in self.checks:
            datapoints = one.alarm.datapoints(self._fetch, now, extra=self.extra)
            if is_silent:
                datapoints = [None] * len(datapoints)
            key = region, one.alarm.name
            self._before[key] = found = one.found(datapoints, self._before.get(key), missing_data=self.reading)
            unhealthy[region] += number * (found == UNHEALTHY)
        self.unhealthy.append(unhealthy)


@dataclass(frozen=True)
class Observed:
    """What one observer sees, and what else is put in its Region; see `Followed`."""

    world: World
    puts: Sequence[tuple[float, str, float]] = ()
    silent: tuple[float, float] = (0.0, 0.0)

    def later(self, seconds: float) -> Observed:
        """As a clock has it that is so many seconds slow."""
        return Observed(
            lambda at: self.world(at + seconds),
            [(at - seconds, cluster, value) for at, cluster, value in self.puts],
            (self.silent[0] - seconds, self.silent[1] - seconds),
        )


def statuses(
    failover: Failover,
    observed: Mapping[str, Observed],
    end: float,
    *,
    phase: float = 0.5,
    offset: float = 0.0,
    reading: str = "alarm",
    extra: int = EXTRA_PERIODS,
    **options: Any,
) -> list[tuple[float, frozenset[str]]]:
    """When Route 53 evaluated, and which Regions were unhealthy.

    Args:
        observed: Of each observer.
        end: Second at which it ends.
        phase: Second of the minute at which Route 53 evaluates.
        offset: Seconds by which each observer's schedule is behind that of the one before.
        reading: One of `READINGS`.
        extra: Periods that the evaluation range is longer than the alarm asks for.
    """
    timelines = []
    for number, (observer, one) in enumerate(observed.items()):
        behind = number * offset
        seen = one.later(behind)
        replay = Followed(
            failover.schedules[observer],
            world=seen.world,
            phase=phase - behind,
            extra=extra,
            checks=failover.followed(observer),
            reading=reading,
            puts=seen.puts,
            silent=seen.silent,
            **options,
        )
        replay.until(end - behind)
        timelines.append(replay.unhealthy)
    found = []
    for number, counted in enumerate(zip(*timelines, strict=True)):
        unhealthy = sum(counted, Counter[str]())
        regions = {region for region, one in failover.checks.items() if one.is_unhealthy(unhealthy[region])}
        found.append((phase + 60.0 * number, frozenset(regions)))
    return found
