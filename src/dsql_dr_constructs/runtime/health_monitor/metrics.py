"""Puts the metrics of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from . import metric_names as names
from .asking import Ask
from .observation import Observation
from .retries import MonitorError, Tries, Unreachable
from .settings import Settings


class Metrics:
    """
    Args:
        settings: The pair, and the observer's Region.
        cloudwatch: Client there.
    """

    def __init__(self, settings: Settings, cloudwatch: Any) -> None:
        self._settings = settings
        self._cloudwatch = cloudwatch

    def put(
        self,
        clusters: Sequence[Observation],
        of_the_observer: Mapping[str, float | None],
        ask: Ask,
        tries: Tries,
        *,
        began: float,
    ) -> None:
        """All in one call, which takes up to 1,000 metrics.

        They have the time at which the run began, as Lambda's own have: those of a run that takes long would else fall
        into the same period as those of the next one, and a cluster that is down at every second run would notify of
        ALARM and OK again and again.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html

        Args:
            clusters: Those that could be checked.
            of_the_observer: Values of what is of no cluster, by metric. None: not known.
            ask: Calls AWS.
            tries: Of the call.
            began: When the run did, in seconds since 1970.

        Raises:
            MonitorError: CloudWatch did not take them.
        """
        data = [datum for one in clusters for datum in self._of_cluster(one)]
        if len(clusters) == len(self._settings.clusters):
            data.append(_datum(names.CLUSTER_HEALTH, all(one.healthy for one in clusters), "None"))
        here = self._dimensions({names.OBSERVER_REGION: self._settings.observer})
        data += [
            {**_datum(name, value, "None"), "Dimensions": here}
            for name, value in of_the_observer.items()
            if value is not None
        ]
        at = datetime.fromtimestamp(began, timezone.utc)
        put = {"Namespace": names.NAMESPACE, "MetricData": [{**datum, "Timestamp": at} for datum in data]}
        try:
            tries.of(lambda: ask("PutMetricData", lambda: self._cloudwatch.put_metric_data(**put)))
        except Unreachable as reason:
            raise MonitorError(f"PutMetricData in {self._settings.observer}: {reason}") from reason

    def _of_cluster(self, one: Observation) -> list[dict[str, Any]]:
        where = {names.CLUSTER_REGION: one.region, names.OBSERVER_REGION: self._settings.observer}
        dimensions = self._dimensions(where)
        return [{**_datum(*measure), "Dimensions": dimensions} for measure in one.measures()]

    def _dimensions(self, where: Mapping[str, str]) -> list[dict[str, str]]:
        named = {names.DEPLOYMENT: self._settings.deployment, **where}
        return [{"Name": name, "Value": value} for name, value in named.items()]


def _datum(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Value": float(value), "Unit": unit}
