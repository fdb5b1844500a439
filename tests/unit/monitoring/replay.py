"""Evaluates synthesized alarms over time, while monitors observe what a test lets them observe."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.emulator.alarm_evaluation import (
    EXTRA_PERIODS,
    AlarmDefinition,
    MetricQuery,
    composite_state,
    statistic,
)
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.metrics import RunTimes
from dsql_dr_constructs.runtime.health_monitor.observation import (
    ControlPlane,
    Observation,
    ProbeResult,
    SqlResult,
    observe,
)
from tests.unit.intrinsics import written_out

REGIONS = ("us-east-1", "us-west-2")
ARNS = {region: f"arn:aws:dsql:{region}:111111111111:cluster/{region}" for region in REGIONS}
DEPLOYMENT = "Orders-production"
GOOD = ControlPlane("ACTIVE", "ENABLED", frozenset(ARNS.values()), "us-east-2")
ANSWERED = ProbeResult(latency_ms=20.0)


@dataclass(frozen=True)
class Run:
    """What one run of a monitor puts, and when.

    Args:
        seen: Observations of both clusters.
        seconds: How long it takes.
        failed: Whether it ends in the function's error.
        parameters: Whether the SSM parameters have what GetCluster returns. None: SSM does not answer.
        notifications: Whether the other Region can notify, for the runs that check it. None: it does not answer.
        recovery_point_age: Hours, for the runs that check it.
        evacuated: The Region that somebody declared evacuated, which a pair with failover puts. None: neither is.
        forged: Whether somebody else put all this, and Lambda ran nothing.
    """

    seen: Sequence[Observation] = ()
    seconds: float = 1.0
    failed: bool = False
    parameters: bool | None = True
    notifications: bool | None = True
    recovery_point_age: float | None = None
    evacuated: str | None = None
    forged: bool = False


def see(
    planes: Mapping[str, ControlPlane] | None = None,
    probes: Mapping[str, ProbeResult] | None = None,
    *,
    sql: Mapping[str, SqlResult] | None = None,
    **run: Any,
) -> Run:
    """A run that sees a healthy pair, but for what is given by Region."""
    seen = [
        observe(
            ARNS[region],
            (planes or {}).get(region, GOOD),
            (probes or {}).get(region, ANSWERED),
            2,
            peer=ARNS[other],
            witness_region="us-east-2",
            sql=(sql or {}).get(region),
        )
        for region, other in (REGIONS, REGIONS[::-1])
    ]
    return Run(seen, **run)


LAMBDAS_DELAY = 60.0
"""Lambda sends metrics at intervals of a minute, each with the time at which the function was invoked.

Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html
"""

_EPOCH = 1_800_000_000.0

World = Callable[[float], "Run | None"]
"""What the monitor's run at that second sees; None if it does not run, or puts nothing."""


@dataclass
class AlarmSet:
    """The alarms of one Region that notify, as its template has them."""

    region: str
    schedule: float
    metric_alarms: list[AlarmDefinition]
    rules: dict[str, str]
    """Of composite alarms, by name."""
    notifying: set[str]
    """Names of alarms with an action."""
    check_every: int
    """How many runs there are for each check of the other Region's notifications."""
    backups_every: int = 0
    """How many runs there are for each check of recovery points; 0 without backup vaults."""

    @classmethod
    def of(cls, stack: cdk.Stack) -> AlarmSet:
        template = assertions.Template.from_stack(stack).to_json()
        resources = template["Resources"]
        names_by_id = {id: one["Properties"].get("AlarmName") for id, one in resources.items()}

        def text(value: Any) -> Any:
            """*value* with its references written out: alarms by name, all else by logical id."""
            return written_out(value, lambda name: name, lambda one, _: names_by_id.get(one) or one)

        of_type: dict[str, list[Any]] = defaultdict(list)
        for one in resources.values():
            of_type[one["Type"]].append(text(one["Properties"]))
        [rule] = of_type["AWS::Events::Rule"]
        minutes = int(rule["ScheduleExpression"].removeprefix("rate(").split()[0])
        alarms, composites = of_type["AWS::CloudWatch::Alarm"], of_type["AWS::CloudWatch::CompositeAlarm"]
        rules = {one["AlarmName"]: one["AlarmRule"] for one in composites}
        for one in (*alarms, *composites):
            assert one.get("AlarmActions") == one.get("OKActions")
        notifying = {one["AlarmName"] for one in (*alarms, *composites) if one.get("AlarmActions")}
        definitions = [AlarmDefinition.of(one) for one in alarms]
        named = [one.name for one in definitions if any(json.dumps(one.name) in rule for rule in rules.values())]
        needed = [one for one in definitions if one.name in notifying or one.name in named]
        environments = [one.get("Environment", {}).get("Variables", {}) for one in of_type["AWS::Lambda::Function"]]
        [every] = [int(one["NOTIFICATIONS_EVERY"]) for one in environments if "NOTIFICATIONS_EVERY" in one]
        backups = next((int(one["BACKUPS_EVERY"]) for one in environments if "BACKUPS_EVERY" in one), 0)
        return cls(stack.region, 60.0 * minutes, needed, rules, notifying, every, backups)

    def kind(self, name: str) -> str:
        """What the alarm *name* is about."""
        return name.removeprefix(f"aurora-dsql-{DEPLOYMENT}-").removesuffix(f"-from-{self.region}")


def alarm_sets(**options: Any) -> dict[str, AlarmSet]:
    """Of both Regions of a pair."""
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", **options)
    return {stack.region: AlarmSet.of(stack) for stack in pair.stacks[2:]}


@dataclass
class Evaluation:
    """The alarms of one Region, and their metrics.

    Args:
        alarms: The Region's.
        extra: Periods that the evaluation range is longer than the alarm asks for.
    """

    alarms: AlarmSet
    _: KW_ONLY
    extra: int = EXTRA_PERIODS
    states: dict[str, str] = field(default_factory=dict)
    notified: list[tuple[float, str, str]] = field(default_factory=list)
    """Notifications: when, of what kind, and the new state."""
    _times: dict[tuple[str, str | None], list[float]] = field(default_factory=lambda: defaultdict(list))
    _keys: dict[int, tuple[str, str | None]] = field(default_factory=dict)
    """Of each query, by its identity: to take a query apart at each evaluation would be most of the work."""
    _values: dict[tuple[str, str | None], list[float]] = field(default_factory=lambda: defaultdict(list))

    def evaluate(self, now: float) -> None:
        """Of all alarms, once."""
        before = dict(self.states)
        for one in self.alarms.metric_alarms:
            datapoints = one.datapoints(self._fetch, now, extra=self.extra)
            self.states[one.name] = one.state(datapoints, self.states[one.name])
        for name, rule in self.alarms.rules.items():
            self.states[name] = composite_state(rule, self.states)
        for name, state in self.states.items():
            if state != before[name] and name in self.alarms.notifying:
                self.notified.append((now, self.alarms.kind(name), state))

    def add(self, name: str, cluster: str | None, when: float, value: float) -> None:
        """A value of the metric *name*, on *cluster* if that is given."""
        times = self._times[name, cluster]
        place = bisect_right(times, when)
        times.insert(place, when)
        self._values[name, cluster].insert(place, value)

    def _fetch(self, query: MetricQuery, start: float, end: float) -> float | None:
        key = self._keys.get(id(query)) or self._keys.setdefault(id(query), self._key(query))
        times = self._times[key]
        first, last = bisect_left(times, start), bisect_left(times, end)
        return statistic(query.statistic, self._values[key][first:last]) if first < last else None

    def _key(self, query: MetricQuery) -> tuple[str, str | None]:
        dimensions = dict(query.dimensions)
        if query.namespace == names.NAMESPACE:
            assert dimensions[names.DEPLOYMENT] == DEPLOYMENT
            assert dimensions[names.OBSERVER_REGION] == self.alarms.region
            assert (names.CLUSTER_REGION in dimensions) == (query.metric_name not in names.OF_THE_OBSERVER)
        return query.metric_name, dimensions.get(names.CLUSTER_REGION)


@dataclass
class Replay(Evaluation):
    """Runs the schedule and the alarms of one Region.

    Args:
        world: What its monitor sees.
        phase: Second of the minute at which alarms are evaluated.
        jitter: Seconds by which the run of that second is late.
        created_at: When the alarms are made; the first probe ended 10 s before. None: they have been OK for long.
    """

    world: World
    phase: float = 0.0
    created_at: float | None = None
    jitter: Callable[[float], float] = lambda at: 0.0
    _runs_to_skip: int = 0
    _found: bool | None = None
    _held: bool | None = None
    _times_of_runs: RunTimes = field(default_factory=RunTimes)

    def until(self, end: float) -> Replay:
        """From second 0 to *end*; with a long life of healthy runs before, unless the alarms are new."""
        fresh = self.created_at is not None
        start = "INSUFFICIENT_DATA" if fresh else "OK"
        self.states = dict.fromkeys((*(one.name for one in self.alarms.metric_alarms), *self.alarms.rules), start)
        pending: list[tuple[float, Callable[[], None]]] = []
        first = -10 * self.alarms.schedule
        runs = [] if fresh else [(first + n * self.alarms.schedule) for n in range(10)]
        at = (self.created_at or 0.0) - 10.0 if fresh else 0.0
        for run_at in runs:
            pending += self._puts(run_at, see())
        if fresh:
            self._runs_to_skip = 1  # the first run does not check the other Region
            awaited = self.world(at) or Run()
            pending += self._puts(at - awaited.seconds, awaited, first=True)
            at += self.alarms.schedule
        evaluate_at = self.phase if not fresh else self.phase + (self.created_at or 0.0)
        while min(at, evaluate_at) < end:
            if at <= evaluate_at:
                run = self.world(at)
                if run:
                    pending += self._puts(at + self.jitter(at), run)
                at += self.alarms.schedule
                continue
            for due in [one for one in pending if one[0] < evaluate_at]:
                due[1]()
                pending.remove(due)
            self.evaluate(evaluate_at)
            evaluate_at += 60.0
        return self

    def _puts(self, began: float, run: Run, *, first: bool = False) -> Iterator[tuple[float, Callable[[], None]]]:
        """When each of the metrics of a run that began at that second can be seen, and what puts it.

        They have the time at which it began; those of a first run have that at which they are put.
        """
        ended = began + run.seconds
        findings = {names.PARAMETER_HEALTH: run.parameters, names.RECOVERY_POINT_AGE: run.recovery_point_age}
        if self._runs_to_skip <= 0 and not run.failed:
            is_new = run.notifications is False and self._found is not False
            self._found, self._held = run.notifications, None if is_new else run.notifications
            findings[names.NOTIFICATION_HEALTH] = run.notifications
            self._runs_to_skip = 0 if run.notifications is None else self.alarms.check_every
        else:
            findings[names.NOTIFICATION_HEALTH] = self._held
        self._runs_to_skip -= 1
        values: list[tuple[str, str | None, float]]
        values = [(name, one.region, value) for one in run.seen for name, value, _ in one.measures()]
        values += [(name, None, float(value)) for name, value in findings.items() if run.seen and value is not None]
        values += [(names.EVACUATED, one.region, float(one.region == run.evacuated)) for one in run.seen]

        at = began if run.forged or first else self._times_of_runs.of(_EPOCH + began) - _EPOCH

        def put() -> None:
            for name, region, value in values:
                self.add(name, region, ended if first else at, value)

        yield ended, put
        if not run.forged:
            yield ended + LAMBDAS_DELAY, lambda: self.add("Errors", None, began, float(run.failed))
            yield ended + LAMBDAS_DELAY, lambda: self.add("Invocations", None, began, 1.0)
