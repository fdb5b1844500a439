"""One run of the monitor: look at both clusters side by side, put the metrics, give the verdict."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from . import metric_names as names
from .knock import PORT, knock
from .retries import MonitorError, Surroundings, TransientlyUnreachable, Tries, Unreachable
from .sighting import ControlPlane, Knock, Sighting, sight, verdict

REPORT_SECONDS = 8.0
"""Time to put the metrics, after the budget of the look at the clusters."""

_GRACE_SECONDS = 0.5
"""So that a try that the budget itself cut short can still say what it was waiting for."""
_TRANSIENT = frozenset({"ThrottlingException", "Throttling", "InternalServerException", "InternalServiceFault"})
_ACCESS_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


@dataclass(frozen=True)
class Settings:
    """The function's environment, understood.

    Args:
        deployment: Name of the pair.
        observer: Region that the function runs in.
        clusters: Endpoint of both clusters, by ARN: a name, or a name with a port, which is 5432 else.
        witness_region: The witness that both should have. None: any.
        budget: Seconds for the look at the clusters.
    """

    deployment: str
    observer: str
    clusters: Mapping[str, str]
    witness_region: str | None
    budget: float

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Settings:
        return cls(
            deployment=environment["DEPLOYMENT"],
            observer=environment["AWS_REGION"],
            clusters={one["arn"]: one["endpoint"] for one in json.loads(environment["CLUSTERS"])},
            witness_region=environment.get("WITNESS_REGION"),
            budget=float(environment["BUDGET_SECONDS"]),
        )


class Watch:
    """Looks, counts and tells.

    Args:
        settings: What to look at.
        client: Gives the client of a service in a Region; asked before any thread starts.
        tls: Gives whom to trust at the endpoints.
        surroundings: Time and chance.
        first: Whether this is the first run after a deployment, when a permission just given may not hold yet.
        tell: Takes the run's one line of the log.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        client: Callable[[str, str], Any],
        tls: Callable[[], ssl.SSLContext],
        surroundings: Surroundings,
        first: bool = False,
        tell: Callable[[str], object] = print,
    ) -> None:
        self._settings = settings
        self._cloudwatch = client("cloudwatch", settings.observer)
        self._dsql = {arn: client("dsql", arn.split(":")[3]) for arn in settings.clusters}
        self._tls = tls
        self._surroundings = surroundings
        self._first = first
        self._tell = tell

    def run(self) -> dict[str, Any]:
        """The verdict with its evidence, after the metrics were put.

        Raises:
            MonitorError: the monitor could not ask, or not tell; metrics of what could be seen are put before.
        """
        began = self._surroundings.clock()
        seen, errors = self._look(began + self._settings.budget)
        looked = self._surroundings.clock()
        result: dict[str, Any] = {
            "verdict": None if errors else verdict(seen, self._settings.observer),
            "deployment": self._settings.deployment,
            "observer": self._settings.observer,
            "clusters": [one.to_json() for one in seen],
        }
        if seen:
            try:
                self._put(seen)
            except MonitorError as error:
                errors.append(error)
        result["errors"] = [str(error) for error in errors]
        result["look_ms"] = round(1000 * (looked - began))
        result["report_ms"] = round(1000 * (self._surroundings.clock() - looked))
        self._tell(json.dumps(result))
        if errors:
            raise MonitorError("; ".join(dict.fromkeys(result["errors"])))
        return result

    def _look(self, until: float) -> tuple[list[Sighting], list[MonitorError]]:
        """Both clusters, and of each both sides, at once: what hangs takes no time from the others."""
        clusters, tls = self._settings.clusters, self._tls()
        pool = ThreadPoolExecutor(max_workers=2 * len(clusters))
        tries = {arn: (Tries(until, self._surroundings), Tries(until, self._surroundings)) for arn in clusters}
        asked = {arn: pool.submit(self._describe, arn, tries[arn][0]) for arn in clusters}
        knocked = {arn: pool.submit(self._knock, clusters[arn], tls, tries[arn][1]) for arn in clusters}
        everything: list[Future[Any]] = [*asked.values(), *knocked.values()]
        wait(everything, timeout=max(0.0, until - self._surroundings.clock()) + _GRACE_SECONDS)
        pool.shutdown(wait=False, cancel_futures=True)
        late = f"no answer within the run's {self._settings.budget:g} s"
        seen, errors = [], []
        for arn, (first, second) in tries.items():
            try:
                control_plane = _result(asked[arn], ControlPlane(None, problem=late))
            except MonitorError as error:
                errors.append(error)
                continue
            endpoint = _result(knocked[arn], Knock(problem=late))
            [peer] = [other for other in clusters if other != arn]
            attempts = first.attempts + second.attempts
            witness = self._settings.witness_region
            seen.append(sight(arn, control_plane, endpoint, attempts, peer=peer, witness_region=witness))
        return seen, errors

    def _describe(self, arn: str, tries: Tries) -> ControlPlane:
        identifier, region = arn.rpartition("/")[2], arn.split(":")[3]
        try:
            found = tries.of(
                lambda: self._ask(f"GetCluster in {region}", lambda: self._dsql[arn].get_cluster(identifier=identifier))
            )
        except _NotFound:
            return ControlPlane(names.NOT_FOUND)
        except _NotAllowedYet as reason:
            raise MonitorError(f"GetCluster in {region} was refused: {reason}") from reason
        except Unreachable as reason:
            return ControlPlane(None, problem=str(reason))
        multi_region = found.get("multiRegionProperties") or {}
        return ControlPlane(
            status=found["status"],
            encryption_status=(found.get("encryptionDetails") or {}).get("encryptionStatus"),
            peers=frozenset(multi_region.get("clusters") or ()),
            witness_region=multi_region.get("witnessRegion"),
        )

    def _knock(self, endpoint: str, tls: ssl.SSLContext, tries: Tries) -> Knock:
        host, _, port = endpoint.partition(":")

        def once() -> float:
            began = self._surroundings.clock()
            knock(host, int(port or PORT), tls, lambda: tries.time_left)
            return 1000 * (self._surroundings.clock() - began)

        try:
            return Knock(latency_ms=round(tries.of(once), 1))
        except Unreachable as reason:
            return Knock(problem=str(reason))

    def _put(self, seen: Sequence[Sighting]) -> None:
        """All in one call, which takes up to 1,000 metrics.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
        """
        data = [datum for one in seen for datum in self._data(one)]
        if len(seen) == len(self._settings.clusters):
            data.append(_datum(names.CLUSTER_HEALTH, all(one.healthy for one in seen), "None"))
        tries = Tries(self._surroundings.clock() + REPORT_SECONDS, self._surroundings)
        try:
            tries.of(
                lambda: self._ask(
                    "PutMetricData",
                    lambda: self._cloudwatch.put_metric_data(Namespace=names.NAMESPACE, MetricData=data),
                )
            )
        except Unreachable as reason:
            raise MonitorError(f"PutMetricData in {self._settings.observer}: {reason}") from reason

    def _data(self, one: Sighting) -> list[dict[str, Any]]:
        where = zip(names.DIMENSIONS, (self._settings.deployment, one.region, self._settings.observer), strict=True)
        dimensions = [{"Name": name, "Value": value} for name, value in where]
        return [{**_datum(*measure), "Dimensions": dimensions} for measure in one.measures()]

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        """The answer of *call*; no answer, and a fault inside AWS, are the other side's, all else is the monitor's."""
        try:
            return call()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            said = f"{code}: {error.response['Error'].get('Message', '')}"
            if code == "ResourceNotFoundException":
                raise _NotFound(f"{what}: {said}") from error
            if self._first and code in _ACCESS_DENIED:
                raise _NotAllowedYet(said) from error
            if code in _TRANSIENT or status >= 500:
                raise TransientlyUnreachable(said) from error
            raise MonitorError(f"{what} was refused: {said}") from error
        except (ConnectionError, HTTPClientError) as error:
            raise TransientlyUnreachable(f"no answer ({error})") from error
        except BotoCoreError as error:
            raise MonitorError(f"{what} could not be asked: {error}") from error


class _NotFound(MonitorError):  # noqa: N818 - an answer
    """Of a cluster it is an answer, of anything else the monitor's fault."""


class _NotAllowedYet(TransientlyUnreachable):
    """A policy just attached takes seconds to hold.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """


def _result(future: Future[Any], late: Any) -> Any:
    return future.result() if future.done() and not future.cancelled() else late


def _datum(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Value": float(value), "Unit": unit}
