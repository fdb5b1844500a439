"""Asks both sides of one cluster: its control plane by GetCluster, its endpoint by the connection probe."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from ..answer_time import time_of_answer
from ..postgresql import PORT
from . import metric_names as names
from .asking import Ask, NotFound
from .observation import ControlPlane, ProbeResult
from .retries import MonitorError, NotAllowedYet, Tries, Unreachable

Probe = Callable[[str, int, ssl.SSLContext, Callable[[], float]], None]
"""Returns when the endpoint can be reached, as `probe_connection` does."""


class ClusterCheck:
    """
    Args:
        arn: The cluster's.
        endpoint: A name, or a name with a port, which is 5432 else.
        dsql: Client in its Region.
        probe: Connects to the endpoint.
        clock: Seconds.
    """

    def __init__(self, arn: str, endpoint: str, *, dsql: Any, probe: Probe, clock: Callable[[], float]) -> None:
        self.region, self._identifier = arn.split(":")[3], arn.rpartition("/")[2]
        self._endpoint = endpoint
        self._dsql = dsql
        self._probe = probe
        self._clock = clock
        self.dated: tuple[float, float] | None = None
        """AWS's time of GetCluster's last answer, in seconds since 1970, and the clock's then; None without one."""

    def control_plane(self, ask: Ask, tries: Tries) -> ControlPlane:
        """What GetCluster returns, or why it did not.

        Raises:
            MonitorError: the call was refused, and was so for as long as a new permission takes.
        """

        def once() -> dict[str, Any]:
            found: dict[str, Any]
            found = ask(f"GetCluster in {self.region}", self._get_cluster)
            if not found.get("status"):
                raise Unreachable("the answer has no status")
            return found

        try:
            found = tries.of(once)
        except NotFound:
            return ControlPlane(names.NOT_FOUND)
        except NotAllowedYet as reason:
            raise MonitorError(f"GetCluster in {self.region} was refused: {reason}") from reason
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
            created=found.get("creationTime"),
        )

    def _get_cluster(self) -> Any:
        try:
            answer = self._dsql.get_cluster(identifier=self._identifier)
        except ClientError as error:
            self._remember_time(error.response)
            raise
        self._remember_time(answer)
        return answer

    def _remember_time(self, answer: Mapping[str, Any]) -> None:
        with suppress(KeyError, ValueError):  # no Date, or none that can be read
            self.dated = time_of_answer(answer).timestamp(), self._clock()

    def endpoint(self, tls: ssl.SSLContext, tries: Tries) -> ProbeResult:
        """How long the endpoint took, or why it cannot be reached."""
        host, _, port = self._endpoint.partition(":")

        def once() -> float:
            began = self._clock()
            self._probe(host, int(port or PORT), tls, lambda: tries.time_left)
            return 1000 * (self._clock() - began)

        try:
            return ProbeResult(latency_ms=round(tries.of(once), 1))
        except Unreachable as reason:
            return ProbeResult(problem=str(reason))
