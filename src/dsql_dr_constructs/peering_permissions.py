"""What the peering's function may do: exactly the calls of runtime/cluster_peering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from aws_cdk import Stack, Token
from aws_cdk import aws_iam as iam

from .regional_cluster import RegionalCluster
from .runtime.cluster_peering.registry import DEPLOYMENT_TAG, registry_path, registry_paths

_CLUSTER_CALLS = (
    "dsql:GetCluster",
    "dsql:GetVpcEndpointServiceName",
    "dsql:UpdateCluster",
    "dsql:PutMultiRegionProperties",
)
_PEER_CALLS = ("dsql:AddPeerCluster", "dsql:RemovePeerCluster")


@dataclass(frozen=True, kw_only=True)
class PeeringPermissions:
    """The policy of one pair's peering.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html
    """

    deployment_name: str
    cluster: RegionalCluster
    peer_region: str
    witness_region: str
    registry_regions: Sequence[str]
    destroys: bool
    stack: Stack

    def statements(self) -> list[iam.PolicyStatement]:
        of_this_pair = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment_name}}
        witness = {"StringEquals": {"dsql:WitnessRegion": self.witness_region}}
        own, local = self.cluster.cluster_arn, self.cluster.cluster_region
        any_own, any_peer, any_witness = map(self._any_cluster, (local, self.peer_region, self.witness_region))
        return [
            iam.PolicyStatement(actions=list(_CLUSTER_CALLS), resources=[own]),
            # The peer's identifier is known only once the registry is read, so its tag says which one it is.
            iam.PolicyStatement(
                actions=[*_CLUSTER_CALLS, *(["dsql:DeleteCluster"] if self.destroys else [])],
                resources=[any_peer],
                conditions=of_this_pair,
            ),
            # Checked on both clusters for each UpdateCluster, and on a peer that was replaced. Whether IAM sees the
            # tags of a cluster in another Region is not documented, and a first deployment must not hang on it.
            iam.PolicyStatement(actions=list(_PEER_CALLS), resources=[any_peer, any_own]),
            # Checked in the cluster's and in the witness Region, where no cluster exists whose ARN could be named.
            iam.PolicyStatement(
                actions=["dsql:PutWitnessRegion"], resources=[own, any_peer, any_witness], conditions=witness
            ),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[self.stack.stack_id]),
            *self._of_the_registry(),
        ]

    def findings(self) -> dict[str, str]:
        """What cdk-nag finds in `statements`, and why it is meant."""
        account = "<AWS::AccountId>" if Token.is_unresolved(self._account) else self._account
        reason = (
            "A peer's identifier is generated and a witness has none: a condition on tag or witness fences each call "
            "on a cluster, and the two that only name a peer do nothing without such a call."
        )
        regions = (self.cluster.cluster_region, self.peer_region, self.witness_region)
        return {f"IAM5[Resource::arn:<AWS::Partition>:dsql:{one}:{account}:cluster/*]": reason for one in regions}

    def _of_the_registry(self) -> list[iam.PolicyStatement]:
        """Every entry is read and written; the one that the peer's stack holds is that stack's to delete.

        The witness Region had entries if its observer was switched off, and then they are deleted.
        """
        names = registry_paths(self.deployment_name, self.peer_region, self.cluster.cluster_region)
        held = (self.peer_region, registry_path(self.deployment_name, self.peer_region, "arn"))
        cleaned = dict.fromkeys([*self.registry_regions, self.witness_region])
        return [
            iam.PolicyStatement(
                actions=actions,
                resources=[
                    self._arn("ssm", region, f"parameter{name}")
                    for region in regions
                    for name in names
                    if (region, name) != kept
                ],
            )
            for actions, regions, kept in (
                (["ssm:GetParameters", "ssm:PutParameter"], self.registry_regions, None),
                (["ssm:DeleteParameters"], cleaned, held),
            )
        ]

    def _any_cluster(self, region: str) -> str:
        return self._arn("dsql", region, "cluster/*")

    def _arn(self, service: str, region: str, resource: str) -> str:
        return f"arn:{self._partition}:{service}:{region}:{self._account}:{resource}"

    # read once: each read is a call to Node

    @cached_property
    def _partition(self) -> str:
        return self.stack.partition

    @cached_property
    def _account(self) -> str:
        return self.stack.account
