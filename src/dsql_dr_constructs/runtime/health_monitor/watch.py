"""One run of the monitor: check both clusters side by side, put the metrics, give the verdict."""

from __future__ import annotations

import json
import ssl
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError  # noqa: A004

from ..aws_errors import is_transient
from . import metric_names as names
from .knock import PORT, knock
from .retries import MonitorError, NotAllowedYet, Surroundings, TransientlyUnreachable, Tries, Unreachable
from .sighting import ControlPlane, Knock, Sighting, sight, verdict

REPORT_SECONDS = 8.0
"""Time to put the metrics, after the budget of the look at the clusters."""

PERMISSION_SECONDS = 120.0
"""Time that a first run gives a permission to hold, from its beginning; what else it does keeps its own time."""

_GRACE_SECONDS = 0.5
"""So that a try that the budget itself cut short can still say what it was waiting for."""
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
        probe: Returns when the endpoint can be reached, as `knock` does.
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
        probe: Callable[[str, int, ssl.SSLContext, Callable[[], float]], None] = knock,
    ) -> None:
        self._settings = settings
        self._cloudwatch = client("cloudwatch", settings.observer)
        self._dsql = {arn: client("dsql", _region(arn)) for arn in settings.clusters}
        self._tls = tls
        self._surroundings = surroundings
        self._first = first
        self._tell = tell
        self._probe = probe

    def run(self) -> dict[str, Any]:
        """The verdict with its evidence, after the metrics were put.

        Raises:
            MonitorError: the monitor could not ask, or not tell, or met what nobody foresaw; metrics of what could be
                seen are put before, and the run's line is in the log.
        """
        began = self._surroundings.clock()
        seen: list[Sighting] = []
        errors: list[MonitorError] = []
        result: dict[str, Any] = {
            "verdict": None,
            "deployment": self._settings.deployment,
            "observer": self._settings.observer,
        }
        with _kept(errors, "The run"):
            self._look(began, seen, errors)
            result["verdict"] = None if errors else verdict(seen, self._settings.observer)
        looked = self._surroundings.clock()
        if seen:
            with _kept(errors, "PutMetricData"):
                self._put(seen, began)
        result["clusters"] = [one.to_json() for one in seen]
        result["errors"] = [str(error) for error in errors]
        result["look_ms"] = round(1000 * (looked - began))
        result["report_ms"] = round(1000 * (self._surroundings.clock() - looked))
        self._tell(json.dumps(result))
        if errors:
            raise MonitorError("; ".join(dict.fromkeys(result["errors"]))) from errors[0]
        return result

    def _look(self, began: float, seen: list[Sighting], errors: list[MonitorError]) -> None:
        """Both clusters, and of each both sides, at once: what hangs takes no time from the others."""
        clusters, tls, until = self._settings.clusters, self._tls(), began + self._settings.budget
        pool = ThreadPoolExecutor(max_workers=2 * len(clusters))
        tries = {arn: (self._tries(until, began), self._tries(until, began)) for arn in clusters}
        asked = {arn: pool.submit(self._describe, arn, tries[arn][0]) for arn in clusters}
        probed = {arn: pool.submit(self._probe_endpoint, clusters[arn], tls, tries[arn][1]) for arn in clusters}
        self._wait([*asked.values(), *probed.values()], until)
        self._wait([asked[arn] for arn in clusters if tries[arn][0].denied], began + PERMISSION_SECONDS)
        pool.shutdown(wait=False, cancel_futures=True)
        late = f"no answer within the run's {self._settings.budget:g} s"
        control_planes: dict[str, ControlPlane] = {}
        for arn in clusters:
            what = f"The check of {_region(arn)}"
            with _kept(errors, what):
                control_planes[arn] = _result(what, asked[arn], ControlPlane(None, problem=late))
        for arn, control_plane in control_planes.items():
            what = f"The check of {_region(arn)}"
            with _kept(errors, what):
                [peer] = [other for other in clusters if other != arn]
                endpoint = _result(what, probed[arn], Knock(problem=late))
                attempts = sum(question.attempts for question in tries[arn])
                witness = self._settings.witness_region
                peer_status = control_planes[peer].status if peer in control_planes else None
                one = sight(
                    arn, control_plane, endpoint, attempts, peer=peer, witness_region=witness, peer_status=peer_status
                )
                seen.append(one)

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
        except _NotFound:
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

    def _put(self, seen: Sequence[Sighting], began: float) -> None:
        """All in one call, which takes up to 1,000 metrics.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html
        """
        data = [datum for one in seen for datum in self._data(one)]
        if len(seen) == len(self._settings.clusters):
            data.append(_datum(names.CLUSTER_HEALTH, all(one.healthy for one in seen), "None"))
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

    def _data(self, one: Sighting) -> list[dict[str, Any]]:
        where = zip(names.DIMENSIONS, (self._settings.deployment, one.region, self._settings.observer), strict=True)
        dimensions = [{"Name": name, "Value": value} for name, value in where]
        return [{**_datum(*measure), "Dimensions": dimensions} for measure in one.measures()]

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        """The answer of *call*; no answer, and a fault inside AWS, are the other side's, all else is the monitor's."""
        try:
            return call()
        except ClientError as error:
            answer = error.response.get("Error", {})
            code = answer.get("Code", "no code")
            said = f"{code}: {answer.get('Message', '')}"
            if code == "ResourceNotFoundException":
                raise _NotFound(f"{what}: {said}") from error
            if self._first and code in _ACCESS_DENIED:
                raise NotAllowedYet(said) from error
            if is_transient(error):
                raise TransientlyUnreachable(said) from error
            raise MonitorError(f"{what} was refused: {said}") from error
        except (ConnectionError, HTTPClientError) as error:
            raise TransientlyUnreachable(f"no answer ({error})") from error
        except BotoCoreError as error:
            raise MonitorError(f"{what} could not be asked: {error}") from error


class _NotFound(MonitorError):  # noqa: N818 - an answer
    """Of a cluster it is an answer, of anything else the monitor's fault."""


@contextmanager
def _kept(errors: list[MonitorError], what: str) -> Iterator[None]:
    """What goes wrong is added to *errors*, so that the rest of the run goes on, and is reported."""
    try:
        yield
    except MonitorError as error:
        errors.append(error)
    except Exception as error:
        errors.append(_unforeseen(what, error))
        errors[-1].__cause__ = error


def _unforeseen(what: str, error: BaseException) -> MonitorError:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{place.filename.rpartition('/')[2]}, line {place.lineno}"
    return MonitorError(f"{what} ended in {type(error).__name__}: {error} ({where})")


def _region(arn: str) -> str:
    return arn.split(":")[3]


def _result(what: str, future: Future[Any], late: Any) -> Any:
    if not future.done() or future.cancelled():
        return late
    error = future.exception()
    if error and not isinstance(error, Exception):  # SystemExit in a thread must not end the run without its line
        raise _unforeseen(what, error) from error
    return future.result()


def _datum(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Value": float(value), "Unit": unit}
