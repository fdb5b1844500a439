"""Runs a fault of the catalogue: the schedule, the real monitors and the real alarms of both Regions."""

from __future__ import annotations

import heapq
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from unittest import mock

from dsql_dr_constructs.cli.catalogued_fault import OBSERVERS, CataloguedFault, Pair
from dsql_dr_constructs.emulator.route53_rules import HealthCheck
from dsql_dr_constructs.runtime.cluster_peering import pair as peering
from dsql_dr_constructs.runtime.cluster_peering.cluster import PeeringError
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.teardown import Teardown
from dsql_dr_constructs.runtime.health_monitor import monitoring_run
from dsql_dr_constructs.runtime.health_monitor.evacuation_check import EvacuationCheck
from dsql_dr_constructs.runtime.health_monitor.metrics import RunTimes
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import FailedRunError, MonitoringRun
from dsql_dr_constructs.runtime.health_monitor.notifications import NotificationCheck
from dsql_dr_constructs.runtime.health_monitor.recovery_point_check import RecoveryPointCheck
from dsql_dr_constructs.runtime.health_monitor.retries import Surroundings
from dsql_dr_constructs.runtime.health_monitor.settings import Settings
from dsql_dr_constructs.runtime.parameter_registry import PAIR_TAG
from tests.faults.simulated_aws import MINUTE, STACK, TAGS, WITNESS, SimulatedAws
from tests.faults.simulated_region import ACCOUNT
from tests.faults.simulated_route53 import SimulatedRoute53
from tests.unit.monitoring.health_check_replay import RegionCheck
from tests.unit.monitoring.replay import DEPLOYMENT, LAMBDAS_DELAY, REGIONS, Evaluation

SCHEDULE = 120.0
BEGINS = 961.0
"""Just after a run that has checked all that not every run checks: that is the worst time."""
SETTLED = 300.0
"""Seconds before the end of a fault whose runs' verdicts count."""
AFTERWARDS = 25 * MINUTE
AFTERWARDS_OF_BACKUPS = 90 * MINUTE
"""Their alarm has periods of an hour."""
PHASES = (0.5, 15.5, 30.5, 45.5)
"""Seconds of the minute at which alarms are evaluated, each of them in a world of its own."""
PHASES_OF_ROUTE_53 = (0.5, 30.5)
"""The same of health checks."""


@dataclass(frozen=True)
class Notification:
    """Args:
    minutes: From the beginning of the fault.
    kind: Of the alarm, with roles instead of Regions.
    observer: Role of the Region that notifies.
    state: The new one.
    warning: Whether it is one.
    phase: Second of the minute at which alarms are evaluated.
    """

    minutes: float
    kind: str
    observer: str
    state: str
    warning: bool
    phase: float


@dataclass
class Outcome:
    """What came of a fault."""

    verdicts: dict[str, set[str | None]] = field(default_factory=lambda: defaultdict(set))
    """By the observer's role, while the fault lasts in its last minutes."""
    last: dict[str, str | None] = field(default_factory=dict)
    """The same of the last run of all."""
    notifications: list[Notification] = field(default_factory=list)
    deployment: str = ""
    """What the deployment ended with: ``done``, or its error."""
    lines: list[str] = field(default_factory=list)
    """Of the monitors' logs."""
    left: dict[tuple[float, str], set[str]] = field(default_factory=lambda: defaultdict(set))
    """Roles of the Regions that Route 53 found unhealthy at any time, by its phase and its reading of missing data."""
    unhealthy_at_last: set[str] = field(default_factory=set)
    """Those at its last evaluation."""


class Simulation:
    """
    Args:
        templates: Of the monitoring stacks, by Region.
        fault: What happens.
        checks: Route 53's health checks, by Region.
        regions: That of the primary, and that of the secondary.
    """

    def __init__(
        self,
        templates: Mapping[str, Mapping[str, Any]],
        fault: CataloguedFault,
        checks: Mapping[str, RegionCheck],
        regions: tuple[str, str] = REGIONS,
    ) -> None:
        self._roles = dict(zip(regions, OBSERVERS, strict=True))
        self._fault = fault
        self._needs = fault.needs
        self._evaluations: dict[str, dict[float, Evaluation]] = {}
        is_new = fault.during == "create"
        self.aws = SimulatedAws(templates, self._put, cluster_keys="cluster-keys" in fault.needs, is_new=is_new)
        self._monitored = () if is_new else REGIONS
        self.aws.health_checks = {region: HealthCheck() for region in self._monitored}
        self._route53 = SimulatedRoute53(checks, self.aws.health_checks, PHASES_OF_ROUTE_53)
        self.pair = Pair(
            aws=self.aws,
            deployment=DEPLOYMENT,
            primary=regions[0],
            secondary=regions[1],
            witness=WITNESS,
            account=ACCOUNT,
            identifiers=self.aws.identifiers,
            run_sql=self.aws.run_sql,
        )
        for region in REGIONS:
            made = {phase: Evaluation(self.aws.of[region].alarm_set()) for phase in PHASES}
            first = made[PHASES[0]]
            for one in made.values():
                one._times, one._values, one._keys = first._times, first._values, first._keys
                one.states = dict.fromkeys(self.aws.of[region].alarms, "OK")
            self._evaluations[region] = made
        if "function-key" in fault.needs:
            for region in REGIONS:
                self.aws.of[region].keys["function"] = {"Policy": "{}", "KeyState": "Enabled"}
                self.aws.of[region].function["KMSKeyArn"] = f"arn:aws:kms:{region}:{ACCOUNT}:key/function"
        if "one-key" in fault.needs:
            self.aws.share_keys()
        self._processes: dict[str, tuple[int, Any]] = {}
        self._scheduled: dict[str, float] = {}
        self._deletions_failed: set[str] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self.outcome = Outcome()
        self._ends = BEGINS + fault.lasts * MINUTE

    def run(self) -> Outcome:
        """From a long life of healthy runs to the time after the fault."""
        end = self._ends + (AFTERWARDS_OF_BACKUPS if "backup" in self._needs else AFTERWARDS)
        for at in _times(0.0, SCHEDULE, end):
            for region in self._monitored:
                self._at(at, lambda region=region: self._schedule(region))  # type: ignore[misc]
        for phase in PHASES:
            for at in _times(10 * MINUTE + phase, MINUTE, end):
                for region in self._monitored:
                    self._at(at, lambda region=region, phase=phase: self._evaluate(region, phase))  # type: ignore[misc]
        for phase in PHASES_OF_ROUTE_53 if self._monitored else ():
            for at in _times(10 * MINUTE + phase, MINUTE, end):
                self._at(at, lambda phase=phase: self._evaluate_health_checks(phase))  # type: ignore[misc]
        for at in _times(0.0, MINUTE, end):
            self._at(at, self._every_minute)
        self._at(BEGINS, lambda: self._fault.begin(self.pair))
        if self._fault.during:
            self.aws.stack_status = (
                f"{ {'destroy': 'DELETE'}.get(self._fault.during, self._fault.during.upper()) }_IN_PROGRESS"
            )
            self._at(BEGINS + 1, lambda: self._step({"StartedAt": self.aws.clock_of("")}))
        for minutes, act in self._fault.then:
            self._at(BEGINS + minutes * MINUTE, lambda act=act: act(self.pair))  # type: ignore[misc]
        self._at(self._ends, lambda: self._fault.end(self.pair))
        while self._events:
            at, _, event = heapq.heappop(self._events)
            self.aws.time.main = at
            event()
        return self.outcome

    def _at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._count), event))

    def _put(self, observer: str, name: str, cluster: str | None, when: float, value: float) -> None:
        """A metric can be seen from the time that it was put, whatever time it has."""
        self._at(self.aws.time.now(), lambda: self._add(observer, name, cluster, when, value))

    def _add(self, observer: str, name: str, cluster: str | None, when: float, value: float) -> None:
        self._evaluations[observer][PHASES[0]].add(name, cluster, when, value)

    def _put_of_lambda(self, region: str, **metrics: float) -> None:
        began = self.aws.time.main
        for name, value in metrics.items():
            self._at(began + LAMBDAS_DELAY, lambda name=name, value=value: self._add(region, name, None, began, value))  # type: ignore[misc]

    def _step(self, event: dict[str, Any]) -> None:
        """One of the peering's, and in 10 s the next one, as the Provider framework does."""
        kind = {"create": "Create", "update": "Update", "destroy": "Delete"}[self._fault.during]
        environment = {
            "DEPLOYMENT": DEPLOYMENT,
            "PAIR_TAG": TAGS[PAIR_TAG],
            "CLUSTER_ARN": self.aws.arn(REGIONS[1]),
            "STACK_ID": STACK,
            "RESOURCE": "Peering",
            "PEER_REGION": REGIONS[0],
            "PEER_STACK": "Orders-Primary-production",
            "PEER_LOGICAL_ID": "Cluster",
            "WITNESS_REGION": WITNESS,
            "PARAMETER_REGIONS": ",".join(REGIONS),
            "REMOVAL_POLICY": "destroy" if self._fault.during == "destroy" else "retain",
            "TIMEOUT_SECONDS": "1800",
        }
        pair = peering.Pair(environment, self.aws.peerings_client)
        change = (Teardown if kind == "Delete" else Peering)(
            {"RequestType": kind, "ResourceProperties": {}, **event}, pair=pair, clock=lambda: self.aws.clock_of("")
        )
        began = self.aws.time.main
        try:
            is_complete = change.step()["IsComplete"]
            self.outcome.deployment = "done" if is_complete else ""
        except PeeringError as error:
            is_complete, self.outcome.deployment = True, str(error)
        ended, self.aws.time.main = self.aws.time.main, began
        if not is_complete:
            self._at(ended + 10, lambda: self._step(event))

    # what EventBridge, Lambda and SQS do

    def _every_minute(self) -> None:
        for (region, name), value in self.aws.own_metrics.items():
            self._add(region, name, None, self.aws.time.main, value)
        for region in REGIONS:
            self._add(
                region, "ApproximateNumberOfMessagesVisible", None, self.aws.time.main, self.aws.of[region].dead_letters
            )

    def _schedule(self, region: str) -> None:
        there = self.aws.of[region]
        number, unit = there.rule["ScheduleExpression"].removeprefix("rate(").rstrip(")").split()
        rate = int(number) * (3600.0 if unit.startswith("hour") else MINUTE)
        if self.aws.is_stopped(region) or there.rule["State"] != "ENABLED":
            return
        if self.aws.time.main - self._scheduled.get(region, -rate) < rate:
            return
        self._scheduled[region] = self.aws.time.main
        for target in there.rule["Targets"]:
            if not there.may_invoke:
                self._put_of_lambda(region, FailedInvocations=1.0)
                there.dead_letters += 1
            elif not there.decrypts():
                there.dead_letters += 1
            elif there.concurrency == 0:
                self._put_of_lambda(region, Throttles=1.0)
                there.dead_letters += 1
            else:
                event = json.loads(target["Input"]) if target.get("Input") else {"source": "aws.events"}
                self._invoke(region, event)

    def _invoke(self, region: str, event: dict[str, Any]) -> None:
        """As `handler.handle` does it."""
        began, verdict, failed = self.aws.time.main, None, True
        try:
            verdict = self._run(region, event)
            failed = False
        except Exception as error:
            self.outcome.lines.append(f"{type(error).__name__}: {error}")
        duration = 1000 * (self.aws.time.main - began)
        self.aws.time.main = began
        self._put_of_lambda(region, Invocations=1.0, Errors=float(failed), Duration=duration)
        if failed and not self.aws.denies(region, "sqs:SendMessage"):
            self.aws.of[region].dead_letters += 1
        if max(BEGINS, self._ends - SETTLED) <= began < self._ends:
            self.outcome.verdicts[self._roles[region]].add(verdict)
        self.outcome.last[self._roles[region]] = verdict

    def _run(self, region: str, event: dict[str, Any]) -> str | None:
        request = event.get("RequestType")
        options = self._process(region)
        try:
            answer = MonitoringRun(
                client=self.aws.monitors_client(region),
                tls=lambda: cast("Any", None),
                first=request in ("Create", "Update"),
                on_demand=request is None and event.get("source") != "aws.events",
                log=self.outcome.lines.append,
                probe=self.aws.probe(region),
                connect=self.aws.connect(region),
                **options,
            ).run()
        except FailedRunError as failed:
            if request != "Delete" or region in self._deletions_failed:
                raise
            self._deletions_failed.add(region)
            answer = failed.answer
        down = [self._roles[one] for one in answer["regions_down"]]
        return " ".join([answer["verdict"], *(down if answer["verdict"] == "CLUSTER_DOWN" else ())])

    def _process(self, region: str) -> dict[str, Any]:
        """What the function keeps from run to run, for as long as it is not changed."""
        there = self.aws.of[region]
        options: dict[str, Any]
        known, options = self._processes.get(region, (-1, {}))
        if known != there.deployments:
            variables = {**there.function["Environment"]["Variables"], "AWS_REGION": region}
            kept = {"sql": ("SQL_ROLE", "SQL_TABLE"), "backup": ("BACKUP_VAULTS", "BACKUPS_EVERY")}
            for need, names in kept.items():
                for name in names if need not in self._needs else ():
                    variables.pop(name, None)
            settings, client = Settings.of(variables), self.aws.monitors_client(region)

            def now() -> float:
                return self.aws.clock_of(region)

            time = self.aws.time
            surroundings = Surroundings(clock=time.now, sleep=time.sleep, draw=lambda: 0.5, now=now, wait=time.wait)
            options = {
                "settings": settings,
                "surroundings": surroundings,
                "notifications": NotificationCheck(
                    settings.notification_paths, settings.notifications_every, client=client, now=now
                ),
                "times": RunTimes(),
                "recovery_points": RecoveryPointCheck(
                    settings.clusters, settings.backup_vaults, settings.backups_every, client=client, now=now
                )
                if settings.backup_vaults
                else None,
                "evacuation": EvacuationCheck(settings, client) if settings.evacuation_regions else None,
            }
            self._processes[region] = there.deployments, options
            self._deletions_failed.discard(region)
        threads = options["settings"].sql_role is not None
        setattr(monitoring_run, "ThreadPoolExecutor", self.aws.time.pool(threads=threads))  # noqa: B010
        return options

    # what CloudWatch does

    def _evaluate(self, region: str, phase: float) -> None:
        if self.aws.is_stopped(region):
            return
        there, evaluation = self.aws.of[region], self._evaluations[region][phase]
        evaluation.alarms = there.alarm_set()
        for name in there.alarms:
            evaluation.states.setdefault(name, "INSUFFICIENT_DATA")
        for name in evaluation.states.keys() - there.alarms.keys():
            del evaluation.states[name]
        before = dict(evaluation.states)
        evaluation.evaluate(self.aws.time.main)
        for name, state in evaluation.states.items():
            if state == before[name] or name not in evaluation.alarms.notifying:
                continue
            if topic := there.delivers(name):
                self._notify(region, phase, evaluation.alarms.kind(name), state, topic)

    def _evaluate_health_checks(self, phase: float) -> None:
        """What a lost Region's metrics had before can be read here: that is the slower of two possibilities."""
        metrics = {region: made[PHASES[0]] for region, made in self._evaluations.items()}
        self._route53.evaluate(phase, self.aws.time.main, metrics)
        for world, regions in self._route53.unhealthy.items():
            self.outcome.left[world] |= {self._roles[one] for one in regions}
        unhealthy = [one for regions in self._route53.unhealthy.values() for one in regions]
        assert self.aws.time.main > BEGINS or not unhealthy, "both are healthy before the fault"
        self.outcome.unhealthy_at_last = {self._roles[one] for one in unhealthy}

    def _notify(self, region: str, phase: float, kind: str, state: str, topic: str) -> None:
        for one, role in self._roles.items():
            kind = kind.replace(one, role)
        minutes = (self.aws.time.main - BEGINS) / MINUTE
        warning = topic != self.pair.topic_arn(region)
        self.outcome.notifications.append(Notification(minutes, kind, self._roles[region], state, warning, phase))


def simulated(
    templates: Mapping[str, Mapping[str, Any]],
    fault: CataloguedFault,
    checks: Mapping[str, RegionCheck],
    *,
    exchanged: bool = False,
) -> Outcome:
    """The outcome of *fault*; with *exchanged* the primary Region is the one that is the secondary else."""
    with mock.patch.object(monitoring_run, "ThreadPoolExecutor"):
        return Simulation(templates, fault, checks, REGIONS[::-1] if exchanged else REGIONS).run()


def _times(first: float, step: float, end: float) -> Iterable[float]:
    return itertools.takewhile(lambda at: at < end, itertools.count(first, step))
