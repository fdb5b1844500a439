"""What an app's monitoring costs a month, and what Aurora DSQL adds for a load, read from its templates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..runtime.health_monitor import metric_names as names
from .prices import AS_OF, BY_REGION, Prices

_HOURS_A_MONTH = 730.0
_SECONDS_A_RUN = 1.0
_BYTES_A_RUN = 2_000
"""Assumed: a run with both clusters healthy takes less than a second, one with the SQL probe less than two, and each
logs its line and Lambda's two."""
_METRICS_A_CLUSTER = (
    names.CLUSTER_HEALTH,
    names.PEERING_HEALTH,
    names.ENDPOINT_REACHABLE,
    names.PROBE_LATENCY,
    names.PROBE_ATTEMPTS,
)
_METRICS_OF_EVACUATIONS = 2  # one for each cluster
_SQL_METRICS_A_CLUSTER = (names.SQL_SERVES, names.COMMIT_LATENCY, names.READ_BACK_LATENCY)
_OF_SSM, _OF_NOTIFICATIONS, _OF_BACKUPS, _OF_SQL = '"parameters"', "NOTIFICATION_PATHS", "BACKUP_VAULTS", "SQL_ROLE"
_OF_EVACUATIONS = "EVACUATION_REGIONS"
"""In the environment of a monitor that checks these; for the first three it puts one more metric each."""
_HEALTH_CHECKS = "Health checks of Route 53"
_HANDLER = "runtime.health_monitor.handler.handle"

UNKNOWN = (
    "Data transfer between Regions, and your NAT gateways and VPC endpoints, are not counted.",
    "The functions of the peering and of database roles, which run for seconds in deployments, notifications and "
    "other calls cost cents.",
    "Free tiers are not subtracted, except for Aurora DSQL's.",
)

_BACKUPS = (
    "Of the backups, the keys of their vaults are counted. AWS publishes no price that could be confirmed for storing "
    "recovery points of Aurora DSQL, copying and restoring them; the log, and the function that wakes the cluster for "
    "minutes a night, cost cents."
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


def monitoring(templates: Iterable[Mapping[str, Any]], prices: Prices = BY_REGION["us-east-1"]) -> list[Line]:
    """The cost of the monitoring in stacks with *templates*; keys as in their first year, before any rotation."""
    counts = {
        "Alarms, by metric": 0,
        "Composite alarms": 0,
        "Dashboards": 0,
        "KMS keys": 0,
        "Custom metrics": 0,
        _HEALTH_CHECKS: 0,
    }
    runs = checks = probes = 0.0
    gb_seconds = {"arm64": 0.0, "x86_64": 0.0}
    for template in templates:
        resources = [(one["Type"], one.get("Properties", {})) for one in template.get("Resources", {}).values()]
        rates = [one.get("ScheduleExpression", "") for kind, one in resources if kind == "AWS::Events::Rule"]
        runs_here = sum(_runs_a_month(one) for one in rates if one.startswith("rate("))
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
            elif kind == "AWS::Route53::HealthCheck":
                counts[_HEALTH_CHECKS] += 1
            elif kind == "AWS::Lambda::Function" and properties.get("Handler") == _HANDLER:
                environment = properties["Environment"]["Variables"]
                checked = [_OF_SSM in str(environment["CLUSTERS"])]
                checked += [one in environment for one in (_OF_NOTIFICATIONS, _OF_BACKUPS)]
                sql = _OF_SQL in environment
                counts["Custom metrics"] += 2 * len(_METRICS_A_CLUSTER) + 1 + sum(checked)
                counts["Custom metrics"] += 2 * len(_SQL_METRICS_A_CLUSTER) * sql
                counts["Custom metrics"] += _METRICS_OF_EVACUATIONS * (_OF_EVACUATIONS in environment)
                others = str(environment.get(_OF_NOTIFICATIONS)).count('"topic_arn"')
                checks += others * runs_here / int(environment.get("NOTIFICATIONS_EVERY", 1))
                [architecture] = properties.get("Architectures", ["x86_64"])
                seconds = runs_here * _SECONDS_A_RUN * (1 + sql)
                gb_seconds[architecture] += seconds * float(properties["MemorySize"]) / 1024
                runs += runs_here
                probes += runs_here * sql
    each = (
        prices.alarm_metric_month,
        prices.composite_alarm_month,
        prices.dashboard_month,
        prices.key_month,
        prices.custom_metric_month,
        prices.health_check_month,
    )
    lines = [Line(what, count, price) for (what, count), price in zip(counts.items(), each, strict=True)]
    return [
        *(one for one in lines if one.count or one.what != _HEALTH_CHECKS),
        Line("PutMetricData, calls", runs, prices.metric_request),
        Line("DescribeAlarms, calls", checks, prices.metric_request),
        Line("DescribeKey, calls", checks, prices.key_request),
        Line("Lambda, runs", runs, prices.function_request),
        *_durations(gb_seconds, prices),
        Line("Logs, GB", runs * _BYTES_A_RUN / 1e9, prices.log_gb),
        *([Line("DPUs of the SQL probe", probes * _dpus_of_a_probe(), prices.dpu)] if probes else []),
    ]


def _dpus_of_a_probe() -> float:
    """A run of the SQL probe writes one row through each endpoint, and reads one."""
    write, read = Load(tx_per_second=0), Load(tx_per_second=0, written_bytes=0)
    return 2 * sum(sum(_dpus(one).values()) for one in (write, read))


def _durations(gb_seconds: Mapping[str, float], prices: Prices) -> list[Line]:
    """A line for each architecture in use."""
    lines = (
        Line("Lambda, GB-seconds", gb_seconds["arm64"], prices.function_gb_second_arm),
        Line("Lambda on x86_64, GB-seconds", gb_seconds["x86_64"], prices.function_gb_second_x86),
    )
    return [one for one in lines if one.count]


def notes(stacks: Iterable[tuple[str, Mapping[str, Any]]], region: str) -> list[str]:
    """Sentences that explain the table.

    Args:
        stacks: Region and template of each.
        region: Region whose prices the table has.
    """
    found = list(stacks)
    others = sorted({one for one, _ in found if one != region})
    resources = [one for _, template in found for one in template.get("Resources", {}).values()]
    keys = [one.get("Properties", {}) for one in resources if one["Type"] == "AWS::KMS::Key"]
    rotated = sum(one.get("EnableKeyRotation") is True for one in keys)
    each = BY_REGION[region].key_rotation_month
    sentences = []
    if others:
        sentences.append(
            f"Stacks in {' and '.join(others)} are counted at the prices of {region}; only the prices of "
            f"{' and '.join(BY_REGION)} are known here."
        )
    if rotated:
        sentences.append(
            f"Rotation is on for {rotated} of the KMS keys. Each of a key's first two rotations adds {each:.2f} $ a "
            f"month, later ones add nothing: if the keys are rotated every year, {2 * rotated * each:.2f} $ a month "
            "more from the third year on."
        )
    if any(_OF_SQL in str(one) for one in resources):
        sentences.append(
            "The DPUs of the SQL probe are counted without the free ones, which are taken off those of a load only."
        )
    if any(one["Type"] == "AWS::Backup::BackupPlan" for one in resources):
        sentences.append(_BACKUPS)
    if any(one["Type"] == "AWS::Route53::HealthCheck" for one in resources):
        sentences.append(
            "Health checks of Route 53 are counted at the price of one for an endpoint within AWS. The first 50 of an "
            "account are free, which is not subtracted; your records and their queries are not counted."
        )
    return [*sentences, *_drills(found, BY_REGION[region]), *UNKNOWN]


def _drills(stacks: Iterable[tuple[str, Mapping[str, Any]]], prices: Prices) -> list[str]:
    """What one drill of each experiment template costs; a template costs nothing."""
    costs, each = [], prices.fault_action_minute
    for region, template in stacks:
        for one in template.get("Resources", {}).values():
            if one["Type"] == "AWS::FIS::ExperimentTemplate":
                minutes = sum(map(_minutes, one["Properties"]["Actions"].values()))
                costs.append(
                    f"A drill in {region} costs {minutes * each:.2f} $ ({each:.2f} $ for each of its {minutes} action "
                    "minutes)."
                )
    if not costs:
        return []
    return [
        f"Drills cost nothing as long as none runs. {' '.join(costs)} The minutes are those of the fault, and of the "
        "wait for an alarm that is expected; assertions of alarms end at once and are not counted. Logs cost cents, "
        "and AWS bills its own report (report_buckets) apart."
    ]


def _minutes(action: Mapping[str, Any]) -> int:
    """Of an action of AWS FIS: a check is over at once."""
    duration = str(action.get("Parameters", {}).get("duration", ""))
    return sum(int(count) * (60 if unit == "H" else 1) for count, unit in re.findall(r"(\d+)([HM])", duration))


@dataclass(frozen=True)
class Load:
    """What an application does to a pair. The defaults are the user guide's example of one inserted row.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/billing-metering.html
    """

    tx_per_second: float
    """Average over the month, both Regions together."""
    written_bytes: float = 128
    """Bytes that a transaction writes, in tables and indexes; a row counts at least 128. 0 for one that only reads."""
    read_bytes: float = 16
    """Bytes that a transaction scans, not those that it returns; a write reads its primary key, too."""
    compute_ms: float = 8
    """Processing time of a transaction, in milliseconds."""
    storage_gb: float = 0
    """Size of the database, in GB; each Region stores and bills it."""


def dsql(load: Load, prices: Prices = BY_REGION["us-east-1"]) -> list[Line]:
    """What Aurora DSQL meters for *load* on a pair, by the formulas of its user guide.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/billing-metering.html
    """
    transactions = load.tx_per_second * 3600 * _HOURS_A_MONTH
    dpus = {what: count * transactions for what, count in _dpus(load).items()}
    return [
        *(Line(what, count, prices.dpu) for what, count in dpus.items()),
        Line("DPUs that are free", -min(sum(dpus.values()), prices.free_dpus_month), prices.dpu),
        Line(
            "Storage in both Regions, GB",
            max(0.0, 2 * load.storage_gb - prices.free_storage_gb),
            prices.storage_gb_month,
        ),
    ]


def _dpus(load: Load) -> dict[str, float]:
    """Of one transaction."""
    write = max(load.written_bytes, 1024) * 0.00004883 if load.written_bytes else 0.0
    return {
        "Compute DPUs": load.compute_ms / 1000,
        "Read DPUs": max(load.read_bytes, 2048) * 0.00000183105,
        "Write DPUs": write,
        "Multi-Region write DPUs": write,
    }


def markdown(lines: Iterable[Line]) -> str:
    """A table for a README."""
    rows = list(lines)
    body = [f"| {one.what} | {one.count:,.2f} | {one.total:.2f} |".replace(".00 | ", " | ", 1) for one in rows]
    total = sum(one.total for one in rows)
    return "\n".join(["| A month | Count | US $ |", "|---|---|---|", *body, f"| **Total** | | **{total:.2f}** |"])


def to_json(lines: Iterable[Line], notes: Iterable[str], region: str) -> str:
    rows = [{"what": one.what, "count": one.count, "each": one.each, "total": one.total} for one in lines]
    return json.dumps({"as_of": AS_OF, "region": region, "lines": rows, "notes": list(notes)}, indent=2)


def _runs_a_month(schedule: str) -> float:
    number, unit = schedule.removeprefix("rate(").removesuffix(")").split()
    hours = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}[unit.removesuffix("s")]
    return _HOURS_A_MONTH / (float(number) * hours)
