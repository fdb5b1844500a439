"""Puts the metrics of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from . import metric_names as names
from .asking import Ask
from .observation import Observation
from .retries import MonitorError, Tries, Unreachable
from .settings import Settings

_JITTER_SECONDS = 20.0
"""By which the schedule may begin a run early or late."""


class RunTimes:
    """The time that the metrics of each run have; kept by the process from run to run.

    The schedule is of whole minutes, and begins runs some seconds early or late. So two runs could fall into one period
    of an alarm, and none into the next: near the begin and the end of a fault the alarm would then notify twice.
    Therefore the times of runs that follow each other are whole minutes apart.
    """

    def __init__(self) -> None:
        self._last = 0.0

    def of(self, began: float) -> float:
        """That of a run on schedule which began at *began*; both in seconds since 1970."""
        minutes = round((began - self._last) / 60)  # none on a local AWS emulator that hurries
        expected = self._last + 60 * minutes
        is_usual = self._last > 0 and minutes > 0 and abs(began - expected) <= _JITTER_SECONDS
        self._last = expected if is_usual else began
        return self._last


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
        at: datetime | None,
        evacuated: Mapping[str, float] | None = None,
    ) -> None:
        """All in one call, which takes up to 1,000 metrics.

        They have the time at which the run began, as Lambda's own have: those of a run that takes long would else fall
        into the same period as those of the next one, and a cluster that is down at every second run would notify of
        ALARM and OK again and again. `RunTimes` keeps them apart where the schedule is some seconds off.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricData.html

        Args:
            clusters: Those that could be checked.
            of_the_observer: Values of what is of no cluster, by metric. None: not known.
            ask: Calls AWS.
            tries: Of the call.
            at: Their time. None: that at which CloudWatch gets them.
            evacuated: 1 or 0, by Region of a cluster. Default: not known.

        Raises:
            MonitorError: CloudWatch did not take them.
        """
        data = [datum for one in clusters for datum in self._of_cluster(one.region, one.measures())]
        for region, value in (evacuated or {}).items():
            data += self._of_cluster(region, [(names.EVACUATED, value, "None")])
        if len(clusters) == len(self._settings.clusters):
            data.append(_datum(names.CLUSTER_HEALTH, all(one.healthy for one in clusters), "None"))
        here = self._dimensions({names.OBSERVER_REGION: self._settings.observer})
        data += [
            {**_datum(name, value, "None"), "Dimensions": here}
            for name, value in of_the_observer.items()
            if value is not None
        ]
        put = {
            "Namespace": names.NAMESPACE,
            "MetricData": [{**datum, "Timestamp": at} for datum in data] if at else data,
        }
        try:
            tries.of(lambda: ask("PutMetricData", lambda: self._cloudwatch.put_metric_data(**put)))
        except Unreachable as reason:
            raise MonitorError(f"PutMetricData in {self._settings.observer}: {reason}") from reason

    def _of_cluster(self, region: str, measures: Sequence[tuple[str, float, str]]) -> list[dict[str, Any]]:
        where = {names.CLUSTER_REGION: region, names.OBSERVER_REGION: self._settings.observer}
        dimensions = self._dimensions(where)
        return [{**_datum(*measure), "Dimensions": dimensions} for measure in measures]

    def _dimensions(self, where: Mapping[str, str]) -> list[dict[str, str]]:
        named = {names.DEPLOYMENT: self._settings.deployment, **where}
        return [{"Name": name, "Value": value} for name, value in named.items()]


def _datum(name: str, value: float, unit: str) -> dict[str, Any]:
    return {"MetricName": name, "Value": float(value), "Unit": unit}
