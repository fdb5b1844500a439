"""What an app's monitoring costs a month, and what Aurora DSQL adds for a load, read from its templates."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..runtime.health_monitor import metric_names as names
from . import prices

_HOURS_A_MONTH = 730.0
_SECONDS_A_RUN = 1.0
_BYTES_A_RUN = 2_000
"""Assumed: a run with both clusters well takes less than a second, and logs its line and Lambda's two."""
_METRICS_A_CLUSTER = (
    names.CLUSTER_HEALTH,
    names.PEERING_HEALTH,
    names.ENDPOINT_REACHABLE,
    names.PROBE_LATENCY,
    names.PROBE_ATTEMPTS,
)
_HANDLER = "health_monitor.handler.handle"

UNKNOWN = (
    "Data transfer between Regions, NAT gateways and VPC endpoints of yours are not counted.",
    "The peering's functions run for seconds in each deployment, and mails of SNS and calls of KMS are few: cents.",
    "Free tiers are not taken off, but for Aurora DSQL's.",
)


@dataclass(frozen=True)
class Line:
    """One line of the bill, in US dollars a month."""

    what: str
    count: float
    each: float

    @property
    def total(self) -> float:
        return self.count * self.each


def monitoring(templates: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The bill of what stacks with *templates* watch with."""
    counts = {
        "Alarms, by metric": 0,
        "Composite alarms": 0,
        "Dashboards": 0,
        "KMS keys": 0,
        "Custom metrics": 0,
    }
    runs = gb_seconds = 0.0
    for template in templates:
        resources = [(one["Type"], one.get("Properties", {})) for one in template.get("Resources", {}).values()]
        runs_here = sum(
            _runs_a_month(one["ScheduleExpression"]) for kind, one in resources if kind == "AWS::Events::Rule"
        )
        for kind, properties in resources:
            if kind == "AWS::CloudWatch::Alarm":
                queries = [one for one in properties.get("Metrics", []) if "MetricStat" in one]
                counts["Alarms, by metric"] += len(queries) or 1
            elif kind == "AWS::CloudWatch::CompositeAlarm":
                counts["Composite alarms"] += 1
            elif kind == "AWS::CloudWatch::Dashboard":
                counts["Dashboards"] += 1
            elif kind == "AWS::KMS::Key":
                counts["KMS keys"] += 1
            elif kind == "AWS::Lambda::Function" and properties.get("Handler") == _HANDLER:
                counts["Custom metrics"] += 2 * len(_METRICS_A_CLUSTER) + 1
                gb_seconds += runs_here * _SECONDS_A_RUN * float(properties["MemorySize"]) / 1024
                runs += runs_here
    each = (
        prices.ALARM_METRIC_MONTH,
        prices.COMPOSITE_ALARM_MONTH,
        prices.DASHBOARD_MONTH,
        prices.KEY_MONTH,
        prices.CUSTOM_METRIC_MONTH,
    )
    lines = [Line(what, count, price) for (what, count), price in zip(counts.items(), each, strict=True)]
    return [
        *lines,
        Line("PutMetricData, calls", runs, prices.METRIC_REQUEST),
        Line("Lambda, runs", runs, prices.FUNCTION_REQUEST),
        Line("Lambda, GB-seconds", gb_seconds, prices.FUNCTION_GB_SECOND_ARM),
        Line("Logs, GB", runs * _BYTES_A_RUN / 1e9, prices.LOG_GB),
    ]


def dsql(*, tx_per_second: float, dpu_per_tx: float, storage_gb: float) -> list[Line]:
    """What Aurora DSQL bills for a load on a pair.

    Args:
        tx_per_second: Average over the month, both Regions together.
        dpu_per_tx: TotalDPU of a transaction, MultiRegionWriteDPU included, as ``EXPLAIN ANALYZE VERBOSE`` and the
            metrics have it.
        storage_gb: Size of the database; each Region keeps and bills it.
    """
    dpus = tx_per_second * 3600 * _HOURS_A_MONTH * dpu_per_tx
    return [
        Line("DPUs", max(0.0, dpus - prices.FREE_DPUS_MONTH), prices.DPU),
        Line("Storage in both Regions, GB", max(0.0, 2 * storage_gb - prices.FREE_STORAGE_GB), prices.STORAGE_GB_MONTH),
    ]


def markdown(lines: Iterable[Line]) -> str:
    """A table for a README."""
    rows = list(lines)
    body = [f"| {one.what} | {one.count:,.2f} | {one.total:.2f} |".replace(".00 | ", " | ", 1) for one in rows]
    total = sum(one.total for one in rows)
    return "\n".join(["| A month | Count | US $ |", "|---|---|---|", *body, f"| **Total** | | **{total:.2f}** |"])


def to_json(lines: Iterable[Line]) -> str:
    rows = [{"what": one.what, "count": one.count, "each": one.each, "total": one.total} for one in lines]
    return json.dumps({"as_of": prices.AS_OF, "region": prices.REGION, "lines": rows}, indent=2)


def _runs_a_month(schedule: str) -> float:
    number, unit = schedule.removeprefix("rate(").removesuffix(")").split()
    hours = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}[unit.removesuffix("s")]
    return _HOURS_A_MONTH / (float(number) * hours)
