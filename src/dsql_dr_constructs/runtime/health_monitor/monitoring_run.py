"""One run of the monitor: check both clusters side by side, put the metrics, give the verdict."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from . import metric_names as names
from .asking import Finding, NotFound, ask, kept, result
from .connection_probe import PORT, knock
from .notifications import NotificationCheck
from .observation import ControlPlane, Knock, Observation, observe, verdict
from .parameters import ParameterCheck
from .retries import MonitorError, NotAllowedYet, Surroundings, Tries, Unreachable
from .settings import NotificationPath, Settings

REPORT_SECONDS = 8.0
"""Time to put the metrics, after the budget of the look at the clusters."""

PERMISSION_SECONDS = 120.0
"""Time that a first run gives a permission to hold, from its beginning; what else it does keeps its own time."""

_GRACE_SECONDS = 0.5
"""So that a try that the budget itself cut short can still say what it was waiting for."""


@dataclass
class _Seen:
    """What one run saw; None where it did not check, or could not."""

    clusters: list[Observation] = field(default_factory=list)
    parameters: Finding | None = None
    notifications: Finding | None = None

    def of_the_observer(self) -> list[tuple[str, bool]]:
        """Metric and value of what is of no cluster, if it could be judged."""
        findings = zip(names.OF_THE_OBSERVER, (self.parameters, self.notifications), strict=True)
        return [(name, one.healthy) for name, one in findings if one and one.healthy is not None]


class MonitoringRun:
    """Looks, counts and tells.

    Args:
        settings: What to look at.
        client: Gives the client of a service in a Region; asked before any thread starts.
        tls: Gives whom to trust at the endpoints.
        surroundings: Time and chance.
        notifications: Checks the other Regions' notifications, and remembers when. Default: one of this run's own.
        first: Whether this is the first run after a deployment, when a permission just given may not hold yet, and the
            other Regions may not be deployed.
        by_hand: Whether a person asks, for whom everything is checked now.
        tell: Takes the run's one line of the log.
        probe: Returns when the endpoint can be reached, as `knock` does.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: Callable[[str, str], Any],
        tls: Callable[[], ssl.SSLContext],
        surroundings: Surroundings,
        notifications: NotificationCheck | None = None,
        first: bool = False,
        by_hand: bool = False,
        tell: Callable[[str], object] = print,
        probe: Callable[[str, int, ssl.SSLContext, Callable[[], float]], None] = knock,
    ) -> None:
        self._settings = settings
        self._cloudwatch = client("cloudwatch", settings.observer)
        self._dsql = {arn: client("dsql", _region(arn)) for arn in settings.clusters}
        self._parameters = None
        if settings.parameters:
            ssm = client("ssm", settings.observer)
            self._parameters = ParameterCheck(settings.clusters, settings.parameters, settings.observer, ssm)
        self._notifications = notifications or NotificationCheck(
            settings.notification_paths, settings.notifications_every, client=client, now=surroundings.now
        )
        self._tls = tls
        self._surroundings = surroundings
        self._first, self._by_hand = first, by_hand
        self._tell = tell
        self._probe = probe

    def run(self) -> dict[str, Any]:
        """The verdict with its evidence, after the metrics were put.

        Raises:
            MonitorError: the monitor could not ask, or not tell, or met what nobody foresaw; metrics of what could be
                seen are put before, and the run's line is in the log.
        """
        began, settings = self._surroundings.clock(), self._settings
        seen, errors = _Seen(), list[MonitorError]()
        told: dict[str, Any] = {"verdict": None, "deployment": settings.deployment, "observer": settings.observer}
        with kept(errors, "The run"):
            self._look(began, seen, errors)
            if len(seen.clusters) == len(settings.clusters):
                told["verdict"] = self._verdict(seen)
        looked = self._surroundings.clock()
        if seen.clusters:
            with kept(errors, "PutMetricData"):
                self._put(seen, began)
        told["clusters"] = [one.to_json() for one in seen.clusters]
        if seen.parameters:
            told["parameters"] = vars(seen.parameters)
        if self._notifications.last:
            told["notifications"] = self._notifications.to_json()
        told["errors"] = [str(error) for error in errors]
        told["look_ms"] = round(1000 * (looked - began))
        told["report_ms"] = round(1000 * (self._surroundings.clock() - looked))
        self._tell(json.dumps(told))
        if errors:
            raise MonitorError("; ".join(dict.fromkeys(told["errors"]))) from errors[0]
        return told

    def _verdict(self, seen: _Seen) -> str:
        """Of the other Regions' notifications the last finding holds until the next one."""
        last = self._notifications.last
        return verdict(
            seen.clusters,
            self._settings.observer,
            parameters=seen.parameters.healthy if seen.parameters else None,
            notifications=last.healthy if last else None,
        )

    def _look(self, began: float, seen: _Seen, errors: list[MonitorError]) -> None:
        """Both clusters, and of each both sides, and all else, at once: what hangs takes no time from the others."""
        clusters, tls, until = self._settings.clusters, self._tls(), began + self._settings.budget
        check = self._notifications
        paths = check.due(first=self._first, by_hand=self._by_hand)
        pool = ThreadPoolExecutor(max_workers=2 * len(clusters) + 1 + len(paths))
        tries = {arn: (self._tries(until, began), self._tries(until, began)) for arn in clusters}
        asked = {arn: pool.submit(self._describe, arn, tries[arn][0]) for arn in clusters}
        probed = {arn: pool.submit(self._probe_endpoint, clusters[arn], tls, tries[arn][1]) for arn in clusters}
        of_ssm = self._tries(until, began)
        read = [pool.submit(self._parameters.read, self._ask, of_ssm)] if self._parameters else []
        checked = [pool.submit(check.check, path, _ask_early, Tries(until, self._surroundings)) for path in paths]
        self._wait([*asked.values(), *probed.values(), *read, *checked], until)
        denied = [asked[arn] for arn in clusters if tries[arn][0].denied]
        self._wait([*denied, *(read if of_ssm.denied else ())], began + PERMISSION_SECONDS)
        pool.shutdown(wait=False, cancel_futures=True)
        late = f"no answer within the run's {self._settings.budget:g} s"
        control_planes = self._control_planes(asked, late, errors)
        for arn, control_plane in control_planes.items():
            what = f"The check of {_region(arn)}"
            with kept(errors, what):
                [peer] = [other for other in clusters if other != arn]
                endpoint = result(what, probed[arn], Knock(problem=late))
                attempts = sum(question.attempts for question in tries[arn])
                witness = self._settings.witness_region
                peer_status = control_planes[peer].status if peer in control_planes else None
                one = observe(
                    arn, control_plane, endpoint, attempts, peer=peer, witness_region=witness, peer_status=peer_status
                )
                seen.clusters.append(one)
        if self._parameters:
            what = "The check of the parameters"
            with kept(errors, what):
                found = result(what, read[0], Finding(None, unanswered=(late,)))
                seen.parameters = (
                    found if isinstance(found, Finding) else self._parameters.compare(found, control_planes)
                )
        if checked:
            findings = list(self._of_notifications(zip(paths, checked, strict=True), control_planes, late, errors))
            seen.notifications = check.conclude(findings)

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

    def _describe(self, arn: str, tries: Tries) -> ControlPlane:
        identifier, region = arn.rpartition("/")[2], _region(arn)

        def once() -> dict[str, Any]:
            found: dict[str, Any]
            found = self._ask(f"GetCluster in {region}", lambda: self._dsql[arn].get_cluster(identifier=identifier))
            if not found.get("status"):
                raise Unreachable("the answer has no status")
            return found

        try:
            found = tries.of(once)
        except NotFound:
            return ControlPlane(names.NOT_FOUND)
        except NotAllowedYet as reason:
            raise MonitorError(f"GetCluster in {region} was refused: {reason}") from reason
        except Unreachable as reason:
            return ControlPlane(None, problem=str(reason))
        multi_region = found.get("multiRegionProperties") or {}
        return ControlPlane(
            status=str(found["status"]),
            encryption_status=(found.get("encryptionDetails") or {}).get("encryptionStatus"),
            peers=frozenset(multi_region.get("clusters") or ()),
            witness_region=multi_region.get("witnessRegion"),
            arn=found.get("arn"),
            identifier=found.get("identifier"),
            endpoint=found.get("endpoint"),
        )

    def _probe_endpoint(self, endpoint: str, tls: ssl.SSLContext, tries: Tries) -> Knock:
        host, _, port = endpoint.partition(":")

        def once() -> float:
            began = self._surroundings.clock()
            self._probe(host, int(port or PORT), tls, lambda: tries.time_left)
            return 1000 * (self._surroundings.clock() - began)

        try:
            return Knock(latency_ms=round(tries.of(once), 1))
        except Unreachable as reason:
            return Knock(problem=str(reason))

    def _put(self, seen: _Seen, began: float) -> None:
        """All in one call, which takes up to 1,000 metrics.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
        """
        data = [datum for one in seen.clusters for datum in self._data(one)]
        if len(seen.clusters) == len(self._settings.clusters):
            data.append(_datum(names.CLUSTER_HEALTH, all(one.healthy for one in seen.clusters), "None"))
        here = self._dimensions({names.OBSERVER_REGION: self._settings.observer})
        data += [{**_datum(name, value, "None"), "Dimensions": here} for name, value in seen.of_the_observer()]
        tries = self._tries(self._surroundings.clock() + REPORT_SECONDS, began)
        try:
            tries.of(
                lambda: self._ask(
                    "PutMetricData",
                    lambda: self._cloudwatch.put_metric_data(Namespace=names.NAMESPACE, MetricData=data),
                )
            )
        except Unreachable as reason:
            raise MonitorError(f"PutMetricData in {self._settings.observer}: {reason}") from reason

    def _data(self, one: Observation) -> list[dict[str, Any]]:
        where = {names.CLUSTER_REGION: one.region, names.OBSERVER_REGION: self._settings.observer}
        dimensions = self._dimensions(where)
        return [{**_datum(*measure), "Dimensions": dimensions} for measure in one.measures()]

    def _dimensions(self, where: Mapping[str, str]) -> list[dict[str, str]]:
        named = {names.DEPLOYMENT: self._settings.deployment, **where}
        return [{"Name": name, "Value": value} for name, value in named.items()]

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        return ask(what, call, permissions_are_new=self._first)


def _ask_early(what: str, call: Callable[[], Any]) -> Any:
    """Of the other Regions' notifications a permission may be new in any run: their stacks have a time of their own."""
    return ask(what, call, permissions_are_new=True)


def _answers(region: str, control_planes: Mapping[str, ControlPlane]) -> bool | None:
    """Whether the control plane of the cluster in *region* did; None without a cluster there."""
    [*planes] = [one for arn, one in control_planes.items() if _region(arn) == region]
    return planes[0].status is not None if planes else None


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _datum(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Value": float(value), "Unit": unit}
