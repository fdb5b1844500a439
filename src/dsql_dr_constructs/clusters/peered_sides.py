"""Which two clusters can be peered: what can be known of it at synth."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from constructs import IConstruct

from ..asked_once import unresolved
from ..regions import validate_topology
from ..resource_policies import differ
from .adopted_cluster import AdoptedCluster
from .cluster_interface import IRegionalCluster
from .regional_cluster import RegionalCluster

Side = RegionalCluster | AdoptedCluster
"""A cluster that can be peered: in a stack of this app, which creates or adopts it."""


def refuse_no_pair(
    peering: IConstruct, cluster: IRegionalCluster, peer: IRegionalCluster, witness_region: str, timeout: Duration
) -> tuple[Side, Side]:
    """*cluster* and *peer*, as what they are.

    Raises:
        ValueError: *peering* is not in the stack of *cluster*, *peer* is no other side of it, one of them is imported,
            or *timeout* is longer than CloudFormation allows.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
    """
    path, stack, peer_stack = peering.node.path, Stack.of(peering), Stack.of(peer)
    if not 1 <= timeout.to_minutes(integral=False) <= 50:
        raise ValueError(
            f"The peering's timeout is {timeout.to_human_string()}: 1 to 50 minutes are allowed, since "
            "CloudFormation gives a custom resource one hour at most; 30 minutes is the default."
        )
    if Stack.of(cluster) is not stack:
        raise ValueError(f"Peering {path!r} is in another stack than its cluster: give it that stack as its scope.")
    if peer_stack is stack:
        raise ValueError(f"Peering {path!r} has both clusters in one stack: a pair has two Regions, and so two stacks.")
    sides = _side(cluster), _side(peer)
    for one, its_stack in ((sides[1], peer_stack), (sides[0], stack)):
        if unresolved(its_stack.stack_name):
            raise ValueError(
                f"Cluster {one.node.path!r} is in a nested stack, whose name is not known at synth, and "
                "by which the peering finds its peer: create it in a stack of its own."
            )
        if one.witness_region != witness_region:
            raise ValueError(
                f"Cluster {one.node.path!r} has the witness {one.witness_region}, and peering {path!r} has "
                f"{witness_region}: give all the same witness_region."
            )
    if unresolved(peer.cluster_region) or unresolved(cluster.cluster_region):
        raise ValueError(f"Peering {path!r} has a cluster in a stack without a Region: give both stacks env with one.")
    validate_topology(peer.cluster_region, cluster.cluster_region, witness_region)
    if differ(peer_stack.account, stack.account):
        raise ValueError(f"Peering {path!r} has clusters in two accounts: a pair is in one.")
    return sides


def _side(cluster: IRegionalCluster) -> Side:
    if isinstance(cluster, (RegionalCluster, AdoptedCluster)):
        return cluster
    raise ValueError(
        f"Cluster {cluster.node.path!r} is imported, and a ClusterPeering needs two that this app creates: give "
        "MultiRegionDsqlDr cluster_arns to take over a pair that exists."
    )
