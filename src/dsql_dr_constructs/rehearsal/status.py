"""How a deployed pair is: both clusters, their peering, what each monitor sees now, and the alarms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich import box
from rich.console import Console
from rich.table import Table

from ..physical_names import alarm_name, monitor_name
from ..runtime.cluster_peering.registry import registry_path
from ..runtime.health_monitor import metric_names as names

Client = Callable[[str, str], Any]
"""Gives the client of a service in a Region."""


class StatusError(Exception):
    """There is nothing to tell; the text says why, and what to do."""


@dataclass(frozen=True)
class ClusterStatus:
    """One side, as its own control plane tells."""

    region: str
    identifier: str
    status: str
    peered: bool
    witness_region: str
    deletion_protection: bool

    @property
    def well(self) -> bool:
        return self.status in names.HEALTHY_STATUSES and self.peered


@dataclass(frozen=True)
class Status:
    """A pair, as far as it answered."""

    deployment: str
    clusters: list[ClusterStatus] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)
    """By observing Region: the verdict, or why there is none."""
    alarms: dict[str, str] = field(default_factory=dict)
    """Region and name of each alarm, and its state."""
    problems: list[str] = field(default_factory=list)
    """What could not be asked."""

    @property
    def well(self) -> bool:
        return (
            not self.problems
            and len(self.clusters) == 2
            and all(one.well for one in self.clusters)
            and all(one == "HEALTHY" for one in self.verdicts.values())
            and "ALARM" not in self.alarms.values()
        )


def ask(deployment: str, region: str, client: Client) -> Status:
    """How *deployment* is, found by its registry in *region*.

    Raises:
        StatusError: *region* has no registry of it, or cannot be asked.
    """
    arns = _registered(deployment, region, client)
    status = Status(deployment)
    regions = [arn.split(":")[3] for arn in arns]
    for arn, one in zip(arns, regions, strict=True):
        with _noted(status, one):
            status.clusters.append(_cluster(arn, set(arns) - {arn}, client("dsql", one)))
    witnesses = [one.witness_region for one in status.clusters]
    for one in dict.fromkeys([*regions, *filter(None, witnesses)]):  # the witness Region may observe, too
        with _noted(status, one):
            status.verdicts.update(_verdict(deployment, one, client("lambda", one)))
            status.alarms.update(_alarms(deployment, one, client("cloudwatch", one)))
    return status


@contextmanager
def _noted(status: Status, region: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        status.problems.append(f"{region}: {error}")


def _registered(deployment: str, region: str, client: Client) -> list[str]:
    ssm = client("ssm", region)
    try:
        pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=registry_path(deployment), Recursive=True)
        found = {one["Name"]: one["Value"] for page in pages for one in page["Parameters"]}
    except (BotoCoreError, ClientError) as error:
        raise StatusError(f"The registry in {region} could not be read: {error}") from error
    arns = [value for name, value in sorted(found.items()) if name.endswith("/arn")]
    if len(arns) != 2:
        raise StatusError(
            f"{region} has no registry of a deployment {deployment!r}: give --region one of the pair's, and the "
            "deployment's name as the stacks have it, for example AuroraDsqlDR-production."
        )
    return arns


def _cluster(arn: str, peers: set[str], dsql: Any) -> ClusterStatus:
    found = dsql.get_cluster(identifier=arn.rpartition("/")[2])
    together = found.get("multiRegionProperties", {})
    return ClusterStatus(
        region=arn.split(":")[3],
        identifier=found["identifier"],
        status=found["status"],
        peered=peers <= set(together.get("clusters", [])),
        witness_region=together.get("witnessRegion", ""),
        deletion_protection=found["deletionProtectionEnabled"],
    )


def _verdict(deployment: str, region: str, functions: Any) -> dict[str, str]:
    try:
        answer = functions.invoke(FunctionName=monitor_name(deployment), Payload=b"{}")
    except functions.exceptions.ResourceNotFoundException:
        return {}  # nobody watches from there, as its owner decided
    said = json.load(answer["Payload"])
    return {region: str(said.get("verdict") or said.get("errorMessage"))}


def _alarms(deployment: str, region: str, cloudwatch: Any) -> dict[str, str]:
    prefix = alarm_name(deployment, "")
    kinds = ["MetricAlarm", "CompositeAlarm"]
    pages = list(cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix=prefix, AlarmTypes=kinds))
    found = [one for page in pages for one in (*page["MetricAlarms"], *page["CompositeAlarms"])]
    return {f"{region} {one['AlarmName'].removeprefix(prefix)}": one["StateValue"] for one in found}


def to_json(status: Status) -> str:
    return json.dumps({"well": status.well, **asdict(status)}, indent=2)


def show(status: Status, console: Console) -> None:
    """Tables for a terminal of 80 columns."""
    for one in _tables(status):
        console.print(one)
    for problem in status.problems:
        console.print(f"Could not be asked: {problem}")
    console.print("All is well." if status.well else "Not all is well.")


def _tables(status: Status) -> Iterator[Table | str]:
    clusters = _table("Region", "Cluster", "Status", "Peered", "Witness")
    for one in status.clusters:
        clusters.add_row(one.region, one.identifier, one.status, "yes" if one.peered else "NO", one.witness_region)
    yield clusters
    unprotected = [one.region for one in status.clusters if not one.deletion_protection]
    if unprotected:
        yield f"Deletion protection is off in {' and '.join(unprotected)}."
    if status.verdicts:
        seen = _table("Seen from", "Verdict")
        for region, said in status.verdicts.items():
            seen.add_row(region, said)
        yield seen
    else:
        yield "No monitor watches it."
    raised = _table("Region", "Alarm", "State")
    for name, state in status.alarms.items():
        if state != "OK":
            raised.add_row(*name.split(" ", 1), state)
    if raised.row_count:
        yield raised
    yield f"{sum(state == 'OK' for state in status.alarms.values())} of {len(status.alarms)} alarms are OK."


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for one in columns:
        table.add_column(one, overflow="fold")
    return table
