"""One run of the monitor: check both clusters at once, put the metrics, return the verdict."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .asking import Finding, ask, kept, result
from .cluster_check import ClusterCheck, Probe
from .connection_probe import probe_connection
from .metrics import Metrics, RunTimes
from .notifications import NotificationCheck
from .observation import ControlPlane, Observed, ProbeResult, observe, verdict
from .parameters import ParameterCheck, named_at
from .retries import MonitorError, Surroundings, Tries
from .settings import NotificationPath, Settings

if TYPE_CHECKING:
    from .evacuation_check import EvacuationCheck
    from .recovery_point_check import RecoveryPointCheck
    from .sql_session import Connect

REPORT_SECONDS = 8.0
"""Time to put the metrics, after the budget of the checks."""

PERMISSION_SECONDS = 120.0
"""Time that a first run gives a permission to hold, from its beginning; what else it does keeps its own time."""

_GRACE_SECONDS = 0.5
"""So that a try that the budget itself cut short can still say what it was waiting for."""


class FailedRunError(MonitorError):
    """What the run reported all the same is in its *answer*."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("; ".join(dict.fromkeys(answer["errors"])))
        self.answer = answer


class MonitoringRun:
    """Checks the pair, puts the metrics and returns the verdict.

    Args:
        settings: What to check.
        client: Gives the client of a service in a Region; asked before any thread starts.
        tls: Gives whom to trust at the endpoints.
        surroundings: Clock, pauses and random numbers.
        notifications: Checks the other Regions' notifications, and remembers when. Default: one of this run's own.
        recovery_points: Checks the age of the newest recovery point, and remembers when. Default: nobody does.
        evacuation: Reads what is declared evacuated, and remembers it. Default: nobody does.
        times: Time of the metrics of runs on schedule. Default: when they begin.
        first: Whether this is the first run after a deployment, when a permission just given may not hold yet, and the
            other Regions may not be deployed.
        on_demand: Whether a person invoked the monitor: then everything is checked now.
        log: Takes the run's one line of the log.
        probe: Connects to an endpoint.
        connect: Logs in to an endpoint, for the SQL probe. Default: `DatabaseSession`.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: Callable[[str, str], Any],
        tls: Callable[[], ssl.SSLContext],
        surroundings: Surroundings,
        notifications: NotificationCheck | None = None,
        recovery_points: RecoveryPointCheck | None = None,
        evacuation: EvacuationCheck | None = None,
        times: RunTimes | None = None,
        first: bool = False,
        on_demand: bool = False,
        log: Callable[[str], object] = print,
        probe: Probe = probe_connection,
        connect: Connect | None = None,
    ) -> None:
        self._settings = settings
        self._metrics = Metrics(settings, client("cloudwatch", settings.observer))
        self._clusters = {
            arn: ClusterCheck(arn, endpoint, dsql=client("dsql", _region(arn)), probe=probe, clock=surroundings.clock)
            for arn, endpoint in settings.clusters.items()
        }
        self._parameters = None
        if settings.parameters:
            ssm = client("ssm", settings.observer)
            self._parameters = ParameterCheck(settings.clusters, settings.parameters, settings.observer, ssm)
        self._sql = None
        if settings.sql_role:
            from .sql_check import SqlCheck  # whose driver is there with the SQL probe only

            options = {"connect": connect} if connect else {}
            self._sql = SqlCheck(settings, client=client, surroundings=surroundings, first=first, **options)
        self._notifications = notifications or NotificationCheck(
            settings.notification_paths, settings.notifications_every, client=client, now=surroundings.now
        )
        self._recovery_points, self._evacuation = recovery_points, evacuation
        self._times = times or RunTimes()
        self._tls = tls
        self._surroundings = surroundings
        self._first, self._on_demand = first, on_demand
        self._log = log

    def run(self) -> dict[str, Any]:
        """The verdict with its evidence, after the metrics were put.

        Raises:
            FailedRunError: the monitor could not ask AWS, could not put its metrics, or met an unforeseen error;
                metrics of what could be observed are put before, and the run's line is in the log.
        """
        began, settings = self._surroundings.clock(), self._settings
        observed, errors = Observed(), list[MonitorError]()
        answer: dict[str, Any] = {"verdict": None, "deployment": settings.deployment, "observer": settings.observer}
        with kept(errors, "The run"):
            self._check(began, observed, errors)
            if len(observed.clusters) == len(settings.clusters):
                answer["verdict"] = self._verdict(observed)
        checked = self._surroundings.clock()
        if observed.clusters or observed.evacuation:
            evacuated = observed.evacuation.metrics if observed.evacuation else None
            with kept(errors, "PutMetricData"):
                tries = self._tries(self._surroundings.clock() + REPORT_SECONDS, began)
                values, at = observed.of_the_observer(), self._time_of_metrics(began)
                self._metrics.put(observed.clusters, values, self._ask, tries, at=at, evacuated=evacuated)
        answer["regions_down"] = [one.region for one in observed.clusters if not one.healthy]
        answer["clusters"] = [one.to_json() for one in observed.clusters]
        if observed.parameters:
            answer["parameters"] = vars(observed.parameters)
        if self._notifications.last:
            answer["notifications"] = self._notifications.to_json()
        if observed.backups:
            answer["backups"] = vars(observed.backups)
        if observed.evacuation:
            answer["evacuation"] = observed.evacuation.to_json()
        answer["errors"] = [str(error) for error in errors]
        answer["checks_ms"] = round(1000 * (checked - began))
        answer["report_ms"] = round(1000 * (self._surroundings.clock() - checked))
        self._log(json.dumps(answer))
        if errors:
            raise FailedRunError(answer) from errors[0]
        return answer

    def _time_of_metrics(self, began: float) -> datetime | None:
        """When the run began, by AWS's clock and not by this process's, which may be wrong.

        Whole seconds, as those of the header are, so that it is never later than the answer. None for a first run, of
        whose wait for a permission an alarm would see missing data, and without an answer that has AWS's time.
        """
        clusters = sorted(self._clusters.values(), key=lambda one: one.region != self._settings.observer)
        dated = [one.dated for one in clusters if one.dated]
        if self._first or not dated:
            return None
        aws, clock = dated[0]
        at = aws - int(clock - began)
        return datetime.fromtimestamp(at if self._on_demand else self._times.of(at), timezone.utc)

    def _verdict(self, observed: Observed) -> str:
        """The last finding on the other Regions' notifications holds until the next one."""
        last = self._notifications.last
        return verdict(
            observed.clusters,
            parameters=observed.parameters.healthy if observed.parameters else None,
            notifications=last.healthy if last else None,
        )

    def _check(self, began: float, observed: Observed, errors: list[MonitorError]) -> None:
        """Control plane and endpoint of both clusters, and all else, at once: none takes time from the others."""
        clusters, tls, until = self._clusters, self._tls(), began + self._settings.budget
        check = self._notifications
        paths = check.due(first=self._first, on_demand=self._on_demand)
        of_history = {region: self._tries(until, began) for region in self._settings.evacuation_regions}
        pool = ThreadPoolExecutor(max_workers=3 * len(clusters) + 2 + len(paths) + len(of_history))
        tries = {arn: (self._tries(until, began), self._tries(until, began)) for arn in clusters}
        asked = {arn: pool.submit(one.control_plane, self._ask, tries[arn][0]) for arn, one in clusters.items()}
        probed = {arn: pool.submit(one.endpoint, tls, tries[arn][1]) for arn, one in clusters.items()}
        of_sql = {arn: self._tries(until, began) for arn in clusters}
        sql = self._sql
        queried = {arn: pool.submit(sql.check, arn, tls, of_sql[arn]) for arn in clusters} if sql else {}
        of_ssm = self._tries(until, began)
        read = [pool.submit(self._parameters.read, self._ask, of_ssm)] if self._parameters else []
        backups, of_backup = self._recovery_points, self._tries(until, began)
        if backups and not backups.due(on_demand=self._on_demand):
            backups = None
        held = [pool.submit(backups.read, self._ask, of_backup)] if backups else []
        history = self._evacuation.read if self._evacuation else None
        declared = {one: pool.submit(history, one, self._ask, of_history[one]) for one in of_history if history}
        others = [pool.submit(check.check, path, _ask_early, Tries(until, self._surroundings)) for path in paths]
        in_both: list[Future[Any]] = [*asked.values(), *probed.values(), *queried.values(), *declared.values()]
        self._wait([*in_both, *read, *held, *others], until)
        denied = [asked[arn] for arn in clusters if tries[arn][0].denied]
        denied_sql = [question for arn, question in queried.items() if of_sql[arn].denied]
        denied_once = [*(read if of_ssm.denied else ()), *(held if of_backup.denied else ())]
        denied_once += [question for region, question in declared.items() if of_history[region].denied]
        self._wait([*denied, *denied_sql, *denied_once], began + PERMISSION_SECONDS)
        pool.shutdown(wait=False, cancel_futures=True)
        late = f"no answer within the run's {self._settings.budget:g} s"
        control_planes = self._control_planes(asked, late, errors)
        served = sql.conclude(queried, control_planes, late, errors) if sql else {}
        for arn, control_plane in control_planes.items():
            what = f"The check of {_region(arn)}"
            with kept(errors, what):
                [peer] = [other for other in clusters if other != arn]
                endpoint = result(what, probed[arn], ProbeResult(problem=late))
                attempts = sum(question.attempts for question in tries[arn])
                witness = self._settings.witness_region
                peer_status = control_planes[peer].status if peer in control_planes else None
                one = observe(
                    arn,
                    control_plane,
                    endpoint,
                    attempts,
                    peer=peer,
                    witness_region=witness,
                    peer_status=peer_status,
                    sql=served.get(arn),
                )
                observed.clusters.append(one)
        named: Collection[datetime] | Finding = ()
        if self._parameters:
            what, named = "The check of the parameters", Finding(None)
            with kept(errors, what):
                found = result(what, read[0], Finding(None, unanswered=(late,)))
                if isinstance(found, Finding):
                    observed.parameters = named = found
                else:
                    observed.parameters, named = self._parameters.compare(found, control_planes), named_at(found)
        if self._evacuation:
            observed.evacuation = self._evacuation.conclude(declared, late, errors)
        if backups:
            what = "The check of recovery points"
            with kept(errors, what):
                found = result(what, held[0], late)
                observed.backups = backups.conclude(found, control_planes, named)
                backups.refuse_to_stay_unchecked(found, control_planes)
        if others:
            findings = list(self._of_notifications(zip(paths, others, strict=True), control_planes, late, errors))
            observed.notifications = check.conclude(findings)
        else:
            observed.notifications = check.held

    def _of_notifications(
        self,
        checked: Iterable[tuple[NotificationPath, Future[Finding]]],
        control_planes: Mapping[str, ControlPlane],
        late: str,
        errors: list[MonitorError],
    ) -> Iterator[Finding]:
        for path, question in checked:
            what = f"The check of notifications in {path.region}"
            finding = Finding(None, unanswered=(f"{path.region}: {late}",))
            with kept(errors, what):
                finding = result(what, question, finding)
                answers = _answers(path.region, control_planes)
                self._notifications.refuse_to_stay_unchecked(path, finding, answers=answers)
            yield finding

    def _control_planes(
        self, asked: Mapping[str, Future[ControlPlane]], late: str, errors: list[MonitorError]
    ) -> dict[str, ControlPlane]:
        found: dict[str, ControlPlane] = {}
        for arn, question in asked.items():
            what = f"The check of {_region(arn)}"
            with kept(errors, what):
                found[arn] = result(what, question, ControlPlane(None, problem=late))
        return found

    def _tries(self, until: float, began: float) -> Tries:
        return Tries(until, self._surroundings, permission_until=began + PERMISSION_SECONDS)

    def _wait(self, questions: Collection[Future[Any]], until: float) -> None:
        self._surroundings.wait(questions, max(0.0, until - self._surroundings.clock()) + _GRACE_SECONDS)

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        return ask(what, call, permissions_are_new=self._first)


def _ask_early(what: str, call: Callable[[], Any]) -> Any:
    """A permission for other Regions' notifications may be new in any run: their stacks are deployed on their own."""
    return ask(what, call, permissions_are_new=True)


def _answers(region: str, control_planes: Mapping[str, ControlPlane]) -> bool | None:
    """Whether the control plane of the cluster in *region* did; None without a cluster there."""
    [*planes] = [one for arn, one in control_planes.items() if _region(arn) == region]
    return planes[0].status is not None if planes else None


def _region(arn: str) -> str:
    return arn.split(":")[3]
