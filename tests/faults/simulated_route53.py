"""Which Regions Route 53 finds unhealthy while a fault lasts, and after it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from dsql_dr_constructs.emulator.route53_rules import HEALTHY, UNHEALTHY, HealthCheck
from tests.unit.monitoring.health_check_replay import READINGS, RegionCheck
from tests.unit.monitoring.replay import Evaluation


class SimulatedRoute53:
    """
    Args:
        checks: Of each Region, with the settings that the alarms had when they were made.
        changed: What somebody changed of them by hand, by Region.
        phases: Seconds of the minute at which it evaluates, each of them in a world of its own.
    """

    def __init__(
        self, checks: Mapping[str, RegionCheck], changed: Mapping[str, HealthCheck], phases: tuple[float, ...]
    ) -> None:
        self._checks, self._changed = checks, changed
        self.unhealthy: dict[tuple[float, str], set[str]] = {
            (phase, reading): set() for phase in phases for reading in READINGS
        }
        """At the last evaluation, by phase and reading of missing data."""
        self._before: dict[tuple[float, str, str, str], str] = {}

    def evaluate(self, phase: float, now: float, metrics: Mapping[str, Evaluation]) -> None:
        """
        Args:
            phase: One of the given.
            now: Seconds.
            metrics: Of each observer.
        """
        children: Counter[tuple[str, str]] = Counter()
        for region, check in self._checks.items():
            for observer, there in check.children.items():
                for name, (one, number) in there.items():
                    datapoints = one.alarm.datapoints(metrics[observer]._fetch, now)
                    for reading in READINGS:
                        key = phase, reading, region, name
                        found = one.found(datapoints, self._before.get(key), missing_data=reading)
                        self._before[key] = found
                        children[reading, region] += number * (found == UNHEALTHY)
        for reading in READINGS:
            self.unhealthy[phase, reading] = {
                region for region in self._checks if self._status(region, children[reading, region]) == UNHEALTHY
            }

    def _status(self, region: str, children: int) -> str:
        found = UNHEALTHY if self._checks[region].is_unhealthy(children) else HEALTHY
        return self._changed.get(region, HealthCheck()).reported(found)
