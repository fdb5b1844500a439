"""What the peering's function may do: exactly the calls of runtime/cluster_peering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from aws_cdk import Stack
from aws_cdk import aws_iam as iam

from ..asked_once import unresolved
from ..runtime.parameter_registry import PAIR_TAG, parameter_paths
from .adopted_cluster import AdoptedCluster
from .peered_sides import Side

_CLUSTER_CALLS = (
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
    pair_tag: str
    cluster: Side
    peer: Side
    witness_region: str
    parameter_regions: Sequence[str]
    removal_policy: str
    stack: Stack

    def statements(self) -> list[iam.PolicyStatement]:
        witness = {"StringEquals": {"dsql:WitnessRegion": self.witness_region}}
        own, local = self.cluster.cluster_arn, self.cluster.cluster_region
        any_own, any_peer, any_witness = map(self._any_cluster, (local, self.peer_region, self.witness_region))
        return [
            # Every cluster that an SSM parameter or a cluster of the pair names is read before anything is changed.
            iam.PolicyStatement(actions=["dsql:GetCluster"], resources=[any_own, any_peer]),
            iam.PolicyStatement(actions=list(_CLUSTER_CALLS), resources=[own]),
            self._of_the_peer(any_peer),
            # Checked on both clusters for each UpdateCluster, and on a peer that was replaced. Whether IAM sees the
            # tags of a cluster in another Region is not documented, and a first deployment must not depend on it.
            iam.PolicyStatement(actions=list(_PEER_CALLS), resources=[any_peer, any_own]),
            # Checked in the cluster's and in the witness Region, where no cluster exists whose ARN could be named.
            iam.PolicyStatement(
                actions=["dsql:PutWitnessRegion"],
                resources=[own, self._adopted_peer or any_peer, any_witness],
                conditions=witness,
            ),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[self.stack.stack_id]),
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStackResource"],
                resources=[self.stack.stack_id, *self._stack_of_the_peer()],
            ),
            *self._of_parameters(),
        ]

    def _of_the_peer(self, any_peer: str) -> iam.PolicyStatement:
        """A created peer's identifier is known only once CloudFormation is asked. Who may tag clusters can copy the
        tag: it limits what a mistake can reach, and does not decide which cluster is the peer."""
        if self._adopted_peer:
            return iam.PolicyStatement(actions=list(_CLUSTER_CALLS), resources=[self._adopted_peer])
        return iam.PolicyStatement(
            actions=[*_CLUSTER_CALLS, *(["dsql:DeleteCluster"] if self.removal_policy == "destroy" else [])],
            resources=[any_peer],
            conditions={"StringEquals": {f"aws:ResourceTag/{PAIR_TAG}": self.pair_tag}},
        )

    def _stack_of_the_peer(self) -> list[str]:
        return [] if self._adopted_peer else [self._arn("cloudformation", self.peer_region, self._any_peer_stack)]

    def findings(self) -> dict[str, str]:
        """What cdk-nag finds in `statements`, and why it is meant."""
        account = "<AWS::AccountId>" if unresolved(self._account) else self._account
        reason = (
            "A peer's identifier is generated and a witness has none: except for reading, a condition on tag or "
            "witness limits each call on a cluster, and the two that only name a peer do nothing without such a call."
        )
        regions = (self.cluster.cluster_region, self.peer_region, self.witness_region)
        of_the_stack = "The stack's name is exact; its id is generated."
        stack = f"cloudformation:{self.peer_region}:{account}:{self._any_peer_stack}"
        return {
            **{f"IAM5[Resource::arn:<AWS::Partition>:dsql:{one}:{account}:cluster/*]": reason for one in regions},
            **({} if self._adopted_peer else {f"IAM5[Resource::arn:<AWS::Partition>:{stack}]": of_the_stack}),
        }

    def _of_parameters(self) -> list[iam.PolicyStatement]:
        """Every SSM parameter is read, written and deleted.

        Those of the witness Region are deleted, too, since they are left there when its observer is removed.
        """
        names = parameter_paths(self.deployment_name, self.peer_region, self.cluster.cluster_region)
        cleaned = list(dict.fromkeys([*self.parameter_regions, self.witness_region]))
        return [
            iam.PolicyStatement(
                actions=actions,
                resources=[self._arn("ssm", region, f"parameter{name}") for region in regions for name in names],
            )
            for actions, regions in (
                (["ssm:PutParameter"], self.parameter_regions),
                (["ssm:GetParameters", "ssm:DeleteParameters"], cleaned),
            )
        ]

    @property
    def peer_region(self) -> str:
        return self.peer.cluster_region

    @cached_property
    def peer_stack(self) -> str:
        return self.peer._stack.stack_name

    @property
    def _adopted_peer(self) -> str | None:
        """ARN of a peer that exists already."""
        return self.peer.cluster_arn if isinstance(self.peer, AdoptedCluster) else None

    @property
    def _any_peer_stack(self) -> str:
        return f"stack/{self.peer_stack}/*"

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
