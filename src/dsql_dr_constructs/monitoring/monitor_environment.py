"""What every monitor has in its function's environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack

from ..asked_once import seconds
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder


def monitor_environment(
    deployment: str,
    clusters: Sequence[IRegionalCluster],
    witness_region: str | None,
    probe_timeout: Duration,
    stack: Stack,
) -> Mapping[str, str]:
    """*probe_timeout* is the time that the checks of one run have together."""
    described: list[dict[str, str]] = []
    for one in clusters:
        folder = parameter_folder(one)
        known = {"arn": one.cluster_arn, "endpoint": one.cluster_endpoint}
        described.append({**known, "parameters": folder} if folder else known)
    return {
        "DEPLOYMENT": deployment,
        "CLUSTERS": stack.to_json_string(described),
        **({"WITNESS_REGION": witness_region} if witness_region else {}),
        "BUDGET_SECONDS": f"{seconds(probe_timeout):g}",
    }
