"""The clusters of a pair that this app does not create: by ARNs that a user gives, or by its SSM parameters."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import Stack

from ..regions import partition_of
from ..runtime.parameter_registry import IDENTIFIER
from .cluster_interface import IRegionalCluster
from .regional_cluster import RegionalCluster

_DSQL_ARN = rf"arn:([a-z-]+):dsql:([a-z0-9-]+):([0-9]{{12}}):cluster/({IDENTIFIER})"


def clusters_by_region(
    cluster_arns: Sequence[str] | None, account: str | None, primary_region: str | None, secondary_region: str | None
) -> tuple[dict[str, str], str | None]:
    """Identifier by Region, and the account; without *cluster_arns* no identifiers, and *account*.

    Raises:
        ValueError: *cluster_arns* are not of two clusters in two Regions, or not in the *account* or Regions that are
            given.
    """
    if cluster_arns is None:
        return {}, account
    matches = [re.fullmatch(_DSQL_ARN, arn) for arn in cluster_arns]
    found = {match[2]: match[4] for match in matches if match and match[1] == partition_of(match[2])}
    accounts = {match[3] for match in matches if match}
    if len(cluster_arns) != 2 or len(found) != 2 or len(accounts) != 1:
        raise ValueError(
            f"cluster_arns is {list(cluster_arns)}: two clusters of one account in two Regions are needed, each as "
            "arn:aws:dsql:<region>:<account>:cluster/<identifier> (aws dsql get-cluster shows it)."
        )
    [owner] = accounts
    if account and account != owner:
        raise ValueError(f"account is {account}, and cluster_arns are of {owner}: leave account out.")
    roles = {"primary_region": primary_region, "secondary_region": secondary_region}
    for (role, given), region in zip(roles.items(), found, strict=True):
        if given and given != region:
            raise ValueError(f"{role} is {given!r}, and its ARN in cluster_arns is of {region!r}: leave {role} out.")
    return found, owner


def given_cluster(
    stack: Stack, region: str, *, identifiers: Mapping[str, str], deployment_name: str
) -> IRegionalCluster:
    """The one in *region*, as *stack* knows it: by its identifier of `clusters_by_region`, else by SSM parameters."""
    if identifiers:
        return RegionalCluster.from_cluster_attributes(
            stack, region, cluster_identifier=identifiers[region], region=region
        )
    return RegionalCluster.from_parameters(stack, region, deployment_name=deployment_name, region=region)
