"""One side of a pair that exists already, and that a stack takes over (docs/adr/0020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import jsii
from aws_cdk import (
    CfnOutput,
    CustomResource,
    Duration,
    IStableStringProducer,
    Lazy,
    RemovalPolicy,
    Stack,
    custom_resources,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import LAMBDA_CHECKS, LAMBDA_FINDINGS, LOG_CHECKS, accept, skip, versions_of
from ..resource_policies import warn
from ..runtime_function import deployment_function, function_log_group, function_role
from .cluster_interface import IRegionalCluster
from .cluster_options import ClusterOptions
from .existing_cluster import endpoint_of
from .regional_cluster import add_outputs

_CREATED_CLUSTER = "ClusterEB0386A7"
"""Logical id of the cluster that a pair's stack creates without *cluster_arns*; a test compares it."""


class AdoptedCluster(IRegionalCluster):
    """A cluster that no stack creates: compared with the app and tagged at deployment, and never deleted.

    It gets the tags that its function gets from the app, since a custom resource has none.

    Args:
        cluster_arn: Its ARN.
        peer_arn: That of the other side, which is only read.
        witness_region: Region of the witness that both have.
        encryption_key: Key of the function's log group. Default: a key of AWS.
    """

    resource: CustomResource
    """What adopts it."""

    function: lambda_.Function
    """What CloudFormation invokes for it."""

    _beside_network = True

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_arn: str,
        peer_arn: str,
        witness_region: str,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        super().__init__(scope, id)
        self.witness_region = witness_region
        self.cluster_arn = cluster_arn
        self.cluster_region, self.cluster_identifier = cluster_arn.split(":")[3], cluster_arn.rpartition("/")[2]
        self.cluster_endpoint = endpoint_of(self.cluster_identifier, self.cluster_region)
        self._log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        role = function_role(self, "Role", self._log_group)
        for statement in self._statements(peer_arn):
            role.add_to_policy(statement)
        settings = {
            "CLUSTER_ARN": cluster_arn,
            "PEER_ARN": peer_arn,
            "WITNESS_REGION": witness_region,
            "TAGS": Lazy.string(_Tags(self)),
        }
        self.function = self._function(role, settings)
        self.resource = self._adopted(role, settings)
        self.vpc_endpoint_service_name = self.resource.get_att_string("VpcEndpointServiceName")
        former = self.resource.get_att_string("FormerClusterArn")
        CfnOutput(self._stack, "FormerClusterArn", value=former, description="Kept: the cluster that was here before")
        reason = "It reads the cluster that the stack had before, and what both are peered with, too."
        only_read = {f"IAM5[Resource::{one}]": reason for one in self._any_of_both(peer_arn)}
        accept(self, {**LAMBDA_FINDINGS, **versions_of([self.function], self._stack), **only_read})
        skip(self, {lambda_.CfnFunction: LAMBDA_CHECKS, **({} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS})})

    def _any_of_both(self, peer_arn: str) -> list[str]:
        return [f"{arn.rpartition('/')[0]}/*" for arn in (self.cluster_arn, peer_arn)]

    def _statements(self, peer_arn: str) -> list[iam.PolicyStatement]:
        """The calls of runtime/cluster_peering/adoption.py; former clusters and third ones are known only then."""
        return [
            iam.PolicyStatement(actions=["dsql:GetCluster"], resources=self._any_of_both(peer_arn)),
            iam.PolicyStatement(
                actions=["dsql:TagResource", "dsql:GetVpcEndpointServiceName"], resources=[self.cluster_arn]
            ),
            iam.PolicyStatement(
                actions=["cloudformation:DescribeStackResource", "cloudformation:DescribeStacks"],
                resources=[self._stack.stack_id],
            ),
        ]

    def _function(self, role: iam.Role, settings: dict[str, str]) -> lambda_.Function:
        return deployment_function(
            self,
            package="cluster_peering",
            handler="adopt",
            description=f"Aurora DSQL cluster {self.cluster_identifier}: adoption by {self._stack.stack_name}",
            environment={
                **settings,
                "STACK_ID": self._stack.stack_id,
                "FORMER_LOGICAL_ID": _CREATED_CLUSTER,
            },
            role=role,
            log_group=self._log_group,
        )

    def _adopted(self, role: iam.Role, settings: dict[str, str]) -> CustomResource:
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=self.function,
            log_group=self._log_group,
            framework_on_event_role=function_role(self, "FrameworkOnEventRole", self._log_group),
        )
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DsqlAdoptedCluster",
            service_token=provider.service_token,
            service_timeout=Duration.minutes(10),
            properties={"".join(map(str.title, name.split("_"))): value for name, value in settings.items()},
        )
        resource.node.add_dependency(role)
        return resource

    def _changes(self) -> list[Any]:
        """What makes CloudFormation run the peering again when it changes."""
        return [self.cluster_arn, self._rendered_tags()]

    def _rendered_tags(self) -> dict[str, str]:
        function = cast("lambda_.CfnFunction", self.function.node.default_child)
        return {one["key"]: one["value"] for one in self._stack.resolve(function.tags.render_tags())}


@jsii.implements(IStableStringProducer)
class _Tags:
    """Those of the adopted cluster, as JSON, once all are known."""

    def __init__(self, cluster: AdoptedCluster) -> None:
        self._cluster = cluster

    def produce(self) -> str:
        return Stack.of(self._cluster).to_json_string(self._cluster._rendered_tags())


def adopt_clusters(
    stacks: Sequence[Stack],
    arns: Sequence[str],
    witness_region: str,
    encryption_keys: Mapping[str, kms.IKey],
    removal_policy: RemovalPolicy,
    options: ClusterOptions,
) -> Sequence[IRegionalCluster]:
    """The clusters of *arns*, each adopted in its stack; a warning says which *options* have no effect on them.

    Raises:
        ValueError: *removal_policy* would delete clusters that no stack created.
    """
    if removal_policy in (RemovalPolicy.DESTROY, RemovalPolicy.SNAPSHOT):
        raise ValueError(
            f"removal_policy is {removal_policy.name}, and cluster_arns are given, whose clusters no stack deletes: "
            "leave removal_policy out. If the pair's stacks have DESTROY from before, deploy them once without "
            "removal_policy and without cluster_arns, so that the clusters which they created are kept."
        )
    adopted = [
        AdoptedCluster(
            stack,
            "AdoptedCluster",
            cluster_arn=arn,
            peer_arn=peer_arn,
            witness_region=witness_region,
            encryption_key=encryption_keys.get(stack.region),
        )
        for stack, arn, peer_arn in zip(stacks, arns, reversed(arns), strict=True)
    ]
    for one in adopted:
        add_outputs(one)
    default = ClusterOptions()
    fields = [
        name for name in ("name_prefix", "deletion_protection") if getattr(options, name) != getattr(default, name)
    ]
    if fields:
        warn(
            adopted[0],
            "adoptedClusters",
            f"cluster_options has {' and '.join(fields)}, without effect on the clusters of cluster_arns, which "
            "stay as they are: leave it out, and change the clusters with aws dsql.",
        )
    return adopted
