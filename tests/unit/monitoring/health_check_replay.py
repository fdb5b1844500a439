"""Evaluates the Route 53 health checks of a pair with failover over time, as `replay` does its alarms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs.emulator.alarm_evaluation import EXTRA_PERIODS, AlarmDefinition
from dsql_dr_constructs.emulator.route53_rules import HEALTHY, UNHEALTHY, CalculatedCheck, MetricCheck
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from tests.unit.intrinsics import written_out
from tests.unit.monitoring.replay import AlarmSet, Evaluation, Replay, World

READINGS = ("alarm", "health-check")
"""What decides over missing data, which AWS does not document: the alarm's TreatMissingData as CloudWatch applies it,
or the health check's InsufficientDataHealthStatus."""

Template = Mapping[str, Any]


@dataclass(frozen=True)
class RegionCheck:
    """The CALCULATED health check of a Region, as the template of its stack has it.

    Args:
        children: By the Region of the alarm that they follow, with their logical ids.
        calculated: What counts them.
    """

    children: Mapping[str, Mapping[str, MetricCheck]]
    calculated: CalculatedCheck

    @classmethod
    def of(cls, failover: Template, alarms: Mapping[tuple[str, str], AlarmDefinition]) -> RegionCheck:
        """
        Args:
            failover: Template of the stack.
            alarms: Those of all monitoring stacks, by Region and name.
        """
        checks = {
            id: written_out(one["Properties"]["HealthCheckConfig"], lambda name: name, lambda name, _: name)
            for id, one in failover["Resources"].items()
            if one["Type"] == "AWS::Route53::HealthCheck"
        }
        [calculated] = [one for one in checks.values() if one["Type"] == "CALCULATED"]
        children: dict[str, dict[str, MetricCheck]] = defaultdict(dict)
        for id in calculated["ChildHealthChecks"]:
            followed, without_data = checks[id]["AlarmIdentifier"], checks[id]["InsufficientDataHealthStatus"]
            alarm = alarms[followed["Region"], followed["Name"]]
            children[followed["Region"]][id] = MetricCheck(alarm=alarm, without_data=without_data)
        assert {len(calculated["ChildHealthChecks"]), len(checks) - 1} == {sum(map(len, children.values()))}
        return cls(children, CalculatedCheck(threshold=int(calculated["HealthThreshold"])))


@dataclass(frozen=True)
class Failover:
    """What a pair with failover has in its templates.

    Args:
        checks: Of each Region.
        schedules: Alarm sets of the observers without alarms, since Route 53 does not wait for these.
    """

    checks: Mapping[str, RegionCheck]
    schedules: Mapping[str, AlarmSet]

    def observed(self, observer: str) -> dict[tuple[str, str], MetricCheck]:
        """All checks that follow alarms there, by the Region that they are for and by id."""
        found = {}
        for region, check in self.checks.items():
            found.update({(region, id): one for id, one in check.children.get(observer, {}).items()})
        return found

    def unhealthy(self, children: Mapping[str, int]) -> Iterator[str]:
        """Regions whose health check is, with so many unhealthy children each."""
        for region, check in self.checks.items():
            bad, whole = children.get(region, 0), sum(map(len, check.children.values()))
            if check.calculated.found([UNHEALTHY] * bad + [HEALTHY] * (whole - bad)) == UNHEALTHY:
                yield region


def definitions(monitoring: Mapping[str, Template]) -> dict[tuple[str, str], AlarmDefinition]:
    """All metric alarms of these templates, by Region and name."""
    found = {}
    for region, template in monitoring.items():
        for one in template["Resources"].values():
            if one["Type"] == "AWS::CloudWatch::Alarm":
                properties = written_out(one["Properties"], lambda name: name)
                found[region, str(properties["AlarmName"])] = AlarmDefinition.of(properties)
    return found


@dataclass
class Followed(Replay):
    """One observer's runs, and what Route 53 finds in the data streams of its alarms.

    Args:
        checks: Those that follow alarms there, by the Region that they are for and by id.
        reading: One of `READINGS`.
        puts: Datapoints of `names.EVACUATED` besides those of the runs: when, of which cluster, and the value.
        silent: From when to when nobody gets data from CloudWatch there.
    """

    checks: Mapping[tuple[str, str], MetricCheck] = field(default_factory=dict)
    reading: str = "alarm"
    puts: Sequence[tuple[float, str, float]] = ()
    silent: tuple[float, float] = (0.0, 0.0)
    unhealthy: list[Counter[str]] = field(default_factory=list)
    """At each evaluation, how many of a Region's checks were."""
    _before: dict[tuple[str, str], str] = field(default_factory=dict)
    _put: int = 0

    def evaluate(self, now: float) -> None:
        for at, cluster, value in self.puts[self._put :]:
            if at >= now:
                break
            self.add(names.EVACUATED, cluster, at, value)
            self._put += 1
        is_silent = self.silent[0] <= now < self.silent[1]
        for key, one in self.checks.items():
            assert one.alarm
            datapoints = one.alarm.datapoints(self._fetch, now, extra=self.extra)
            if is_silent:
                datapoints = [None] * len(datapoints)
            self._before[key] = one.found(datapoints, self._before.get(key), missing_data=self.reading)
        self.unhealthy.append(Counter(region for (region, _), one in self._before.items() if one == UNHEALTHY))


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
            checks=failover.observed(observer),
            reading=reading,
            puts=seen.puts,
            silent=seen.silent,
            **options,
        )
        replay.until(end - behind)
        timelines.append(replay.unhealthy)
    found = []
    for number, counted in enumerate(zip(*timelines)):
        unhealthy = sum(counted, Counter[str]())
        found.append((phase + 60.0 * number, frozenset(failover.unhealthy(unhealthy))))
    return found
