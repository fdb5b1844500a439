"""The pair that an app has deployed on the local AWS emulator: found by the names of its functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..physical_names import MONITOR, alerts_name, peering_name
from . import pair_snapshot
from .aws_session import Client
from .catalogued_fault import Aws, Pair
from .pair_status import cluster_arns


class NotReadyError(Exception):
    """Faults cannot be made on this app; the text says why, and what to do."""


def find(aws: Aws, run_sql: Callable[[str, str], None]) -> Pair:
    """
    Raises:
        NotReadyError: there is no monitored pair, or more than one.
        StatusError: its SSM parameters do not name its clusters.
    """
    functions = {region: _functions(aws, region) for region in aws.regions}
    deployments = {one.removeprefix(MONITOR) for names in functions.values() for one in names if MONITOR in one}
    if len(deployments) != 1:
        raise NotReadyError(
            "Faults are made on one pair with monitoring, and this app has "
            f"{', '.join(sorted(deployments)) or 'none'}: give an app with one."
        )
    [deployment] = deployments
    [region, *_] = [one for one, names in functions.items() if f"{MONITOR}{deployment}" in names]
    arns = {one.split(":")[3]: one for one in cluster_arns(deployment, region, clients(aws))}
    # the function for peering is in the Region of the second cluster
    first, second = sorted(arns, key=lambda one: peering_name(deployment) in functions.get(one, ()))
    identifiers = {one: arn.rpartition("/")[2] for one, arn in arns.items()}
    cluster = aws.client("dsql", first).get_cluster(identifier=identifiers[first])
    return Pair(
        aws=aws,
        deployment=deployment,
        primary=first,
        secondary=second,
        witness=cluster["multiRegionProperties"]["witnessRegion"],
        account=arns[first].split(":")[4],
        identifiers=identifiers,
        run_sql=run_sql,
    )


def monitors(pair: Pair) -> dict[str, dict[str, Any]]:
    """Configuration of the monitor's function, by observing Region."""
    return {
        region: pair.aws.client("lambda", region).get_function_configuration(FunctionName=pair.monitor)
        for region in pair.aws.regions
        if pair.monitor in _functions(pair.aws, region)
    }


def schedule_minutes(pair: Pair, region: str) -> float:
    """Minutes between two runs of the monitor in *region*."""
    rule = pair.aws.client("events", region).describe_rule(Name=pair.monitor)
    number, unit = rule["ScheduleExpression"].removeprefix("rate(").removesuffix(")").split()
    return float(number) * (60 if unit.startswith("hour") else 1)


def topics(pair: Pair, observers: Iterable[str]) -> dict[str, str]:
    """By Region: ARN of the topic that the alarms on clusters notify.

    Raises:
        NotReadyError: there is none, or it is not the library's own.
    """
    found = {}
    for region in observers:
        for alarm in pair_snapshot.alarms(pair.aws.client("cloudwatch", region), pair.deployment):
            arns = [one for one in alarm["AlarmActions"] if one.split(":")[2] == "sns"]
            if "-cluster-down-" in alarm["AlarmName"] and arns:
                found[region] = arns[0]
    if not found:
        raise NotReadyError(
            "No alarm of this app notifies a topic of Amazon SNS, so nobody would get anything of a fault: give "
            "MultiRegionDsqlDr alert_emails."
        )
    others = [arn for arn in found.values() if not arn.endswith(f":{alerts_name(pair.deployment)}")]
    if others:
        raise NotReadyError(
            f"The alarms of this app notify {', '.join(others)}, and faults are made on the library's own topics: give "
            "alert_emails in place of alert_topics."
        )
    return found


def clients(aws: Aws) -> Client:
    """As the commands that ask AWS take them."""

    def client(service: str, region: str, /, *, attempts: int = 2) -> Any:
        return aws.client(service, region)

    return client


def _functions(aws: Aws, region: str) -> list[str]:
    pages = aws.client("lambda", region).get_paginator("list_functions").paginate()
    return [one["FunctionName"] for page in pages for one in page["Functions"]]
