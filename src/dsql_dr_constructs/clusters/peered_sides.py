"""Which two clusters can be peered: what can be known of it at synth."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from constructs import IConstruct

from ..asked_once import unresolved
from ..regions import validate_topology
from ..resource_policies import differ
from .regional_cluster import RegionalCluster


def refuse_no_pair(
    peering: IConstruct, cluster: RegionalCluster, peer: RegionalCluster, witness_region: str, timeout: Duration
) -> None:
    """
    Raises:
        ValueError: *peering* is not in the stack of *cluster*, *peer* is no other side of it, or *timeout* is longer
            than CloudFormation allows.

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
    for one, its_stack in ((peer, peer_stack), (cluster, stack)):
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
