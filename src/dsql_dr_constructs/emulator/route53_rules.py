"""How Route 53 judges health checks and chooses records, by its documentation.

Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-how-route-53-chooses-records.html
Source: https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .alarm_evaluation import ALARM, OK, AlarmDefinition

HEALTHY, UNHEALTHY, LAST_KNOWN = "Healthy", "Unhealthy", "LastKnownStatus"

FOLLOWED = (
    "EvaluationPeriods",
    "Threshold",
    "ComparisonOperator",
    "Period",
    "MetricName",
    "Namespace",
    "Statistic",
    "Dimensions",
)
"""Settings of an alarm of which a health check has a copy, ``CloudWatchAlarmConfiguration``."""

_STATISTICS = ("Average", "Minimum", "Maximum", "Sum", "SampleCount")
_MOST_VALUES = 8
_AREA, _ELSEWHERE = 1, 2


def why_not_followed(alarm: Mapping[str, Any]) -> str | None:
    """Why Route 53 cannot follow *alarm*, of properties as CloudFormation names them; None if it can.

    Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-creating-values.html
    """
    if "AlarmRule" in alarm:
        return "it is a composite alarm"
    if alarm.get("Metrics"):
        return "it uses metric math or several metrics"
    if alarm.get("ExtendedStatistic") or alarm.get("Statistic") not in _STATISTICS:
        return f"its statistic is not one of {', '.join(_STATISTICS)}"
    if int(alarm["Period"]) < 60:
        return "its metric has high resolution"
    if int(alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]) != int(alarm["EvaluationPeriods"]):
        return 'it is an "M out of N" alarm'
    return None


@dataclass(frozen=True, kw_only=True)
class HealthCheck:
    """What all types of health checks have in common."""

    inverted: bool = False
    disabled: bool = False

    def reported(self, found: str) -> str:
        """The status that records and a CALCULATED check see where the check itself found *found*."""
        status = HEALTHY if self.disabled else found
        return _opposite(status) if self.inverted else status


@dataclass(frozen=True, kw_only=True)
class MetricCheck(HealthCheck):
    """A health check of the type CLOUDWATCH_METRIC.

    Args:
        alarm: The alarm as it was when the check was created or updated.
        without_data: ``InsufficientDataHealthStatus``.
    """

    alarm: AlarmDefinition
    without_data: str = LAST_KNOWN

    def found(self, datapoints: Sequence[float | None], before: str | None, *, missing_data: str) -> str:
        """Healthy or Unhealthy, before it is inverted.

        Args:
            datapoints: Of `AlarmDefinition.datapoints`, oldest first; None is missing.
            before: What was found before; None for a check that is younger than its evaluation range, which is healthy
                until there is data.
            missing_data: Which setting applies to missing data, as AWS does not document it: ``health-check``, where
                the check has no copy of the alarm's TreatMissingData, or ``alarm``, where it follows it.
        """
        alarm = self.alarm if missing_data == "alarm" else replace(self.alarm, missing_data="missing")
        if before is None and not any(value is not None for value in datapoints):
            return HEALTHY
        state = alarm.state(datapoints, ALARM if before == UNHEALTHY else OK)
        if state in (OK, ALARM):
            return HEALTHY if state == OK else UNHEALTHY
        return (before or HEALTHY) if self.without_data == LAST_KNOWN else self.without_data


@dataclass(frozen=True, kw_only=True)
class CalculatedCheck(HealthCheck):
    """A health check of the type CALCULATED. *threshold* children have to be healthy; with 0 it always is healthy."""

    threshold: int

    def found(self, children: Sequence[str]) -> str:
        """Healthy or Unhealthy, before it is inverted, from the reported statuses of its children."""
        return HEALTHY if children.count(HEALTHY) >= self.threshold else UNHEALTHY


def _opposite(status: str) -> str:
    return UNHEALTHY if status == HEALTHY else HEALTHY


Record = Mapping[str, Any]
"""A record as Route 53's API names its fields."""


@dataclass(frozen=True)
class Zone:
    """What Route 53 answers from the records of a hosted zone.

    Args:
        records: As ListResourceRecordSets returns them.
        is_healthy: Status of a health check by its id.
        draw: Draws among weighted and multivalue records.
    """

    records: Sequence[Record]
    is_healthy: Callable[[str], bool]
    draw: random.Random = field(default_factory=random.Random)

    def resolve(self, name: str, record_type: str, region: str) -> list[str]:
        """The values for a resolver in *region*, with CNAMEs and aliases followed as far as the zone has them.

        A target outside of the zone, such as a load balancer, is given by its name.

        Raises:
            ValueError: the records lead in a circle, or have a routing policy that is not modelled.
        """
        try:
            return self._answered(name, record_type, region)
        except RecursionError:
            raise ValueError(f"The records of {name} lead in a circle: let one of them end it.") from None

    def _answered(self, name: str, record_type: str, region: str) -> list[str]:
        group = self._group(name, record_type) or self._group(name, "CNAME")
        return [value for record in self._chosen(group, region) for value in self._values(record, record_type, region)]

    def _group(self, name: str, record_type: str) -> list[Record]:
        """The records of a name, or, if it has none of any type, those of ``*`` in its place."""
        found, rest = self._named(name), name
        while not found and "." in rest.rstrip("."):
            rest = rest.partition(".")[2]
            found = self._named(f"*.{rest}")
            if self._named(rest):  # below a name that exists, only its own * applies
                break
        return [one for one in found if one["Type"] == record_type]

    def _named(self, name: str) -> list[Record]:
        return [one for one in self.records if _same(one["Name"], name)]

    def _values(self, record: Record, record_type: str, region: str) -> list[str]:
        if alias := record.get("AliasTarget"):
            return self._followed(alias["DNSName"], record["Type"], region)
        values = [one["Value"] for one in record["ResourceRecords"]]
        if record["Type"] == "CNAME" and record_type != "CNAME":
            return self._followed(values[0], record_type, region)
        return values

    def _followed(self, name: str, record_type: str, region: str) -> list[str]:
        return self._answered(name, record_type, region) or [name.rstrip(".")]

    def _is_well(self, record: Record) -> bool:
        """Whether a record is healthy; with a check and an alias that evaluates its target, both have to be."""
        check, alias = record.get("HealthCheckId"), record.get("AliasTarget") or {}
        if check and not self.is_healthy(check):
            return False
        targets = self._group(alias["DNSName"], record["Type"]) if alias.get("EvaluateTargetHealth") else []
        return not targets or any(self._is_well(one) for one in targets)

    def _chosen(self, group: list[Record], region: str) -> list[Record]:
        """The records of one name and type that are answered; if none is healthy, all count as healthy."""
        well = [one for one in group if self._is_well(one)]
        if not group or "SetIdentifier" not in group[0]:
            return group
        if "Failover" in group[0]:
            by_role = {one["Failover"]: one for one in group}
            roles = ("PRIMARY", "SECONDARY")
            return [by_role[one] for one in roles if by_role.get(one) in (well or group)][:1]
        if "Weight" in group[0]:
            weighted = [one for one in group if int(one["Weight"]) > 0]
            return [self._drawn([one for one in weighted if one in well] or well or weighted or group)]
        if "Region" in group[0]:
            return [min(well or group, key=lambda one: _latency(region, one["Region"]))]
        if group[0].get("MultiValueAnswer"):
            found = well or group
            return self.draw.sample(found, min(len(found), _MOST_VALUES))
        raise ValueError(
            f"{group[0]['Name']} has records of a routing policy that the local AWS emulator does not resolve: it "
            "resolves simple, weighted, latency, failover and multivalue records."
        )

    def _drawn(self, records: list[Record]) -> Record:
        weights = [int(one["Weight"]) for one in records]
        return self.draw.choices(records, weights if any(weights) else None)[0]


def _latency(resolver: str, region: str) -> tuple[int, str]:
    """An order in place of AWS's measured latencies: the same Region, the same part of the world, the others."""
    if region == resolver:
        return 0, region
    return (_AREA if region.split("-")[0] == resolver.split("-")[0] else _ELSEWHERE), region


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return name.replace("\\052", "*").rstrip(".").lower()  # as Route 53 lists it
