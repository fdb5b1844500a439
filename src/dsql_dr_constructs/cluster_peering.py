"""Two clusters become one active-active pair, and the registry says where they are."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from typing import cast

import jsii
from aws_cdk import (
    CustomResource,
    Duration,
    IStableStringProducer,
    Lazy,
    RemovalPolicy,
    Stack,
    Tags,
    Token,
    custom_resources,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .accepted_findings import LAMBDA_CHECKS, LAMBDA_FINDINGS, LOG_CHECKS, accept, skip, versions_of
from .arguments import checked
from .deployment_name import validate_deployment_name
from .regional_cluster import RegionalCluster
from .runtime.cluster_peering.registry import DEPLOYMENT_TAG, registry_path, registry_paths
from .runtime_function import architecture, function_log_group, function_role, runtime, runtime_code

_POLL_SECONDS = 10


class ClusterPeering(Construct):
    """The handshake that makes a multi-Region cluster of two clusters created with the same witness.

    CloudFormation cannot do it: the first cluster would have to name a second one that does not exist yet. So a custom
    resource tells each side of the other, waits until both are ACTIVE, and writes the registry: SSM parameters
    ``/dsql-dr/<deployment>/<region>/{arn,identifier,endpoint}``, for both clusters, in every Region of the registry.
    It belongs into the stack of *cluster* and makes that stack wait for the stack of *peer*.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    deployment_name: str
    """What the pair is called in the registry, in tags, metrics and names."""

    registry_regions: Sequence[str]
    """Regions that have the parameter registry."""

    resource: CustomResource
    """The custom resource; what depends on it is deployed when both clusters are peered and registered."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: RegionalCluster,
        peer: RegionalCluster,
        witness_region: str,
        deployment_name: str,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        registry_regions: Sequence[str] = (),
        timeout: Duration | None = None,
        verify_on_deploy: bool = True,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """
        Args:
            cluster: The cluster in this stack.
            peer: The cluster in the other Region's stack.
            witness_region: Region that both clusters were created with as their witness.
            deployment_name: What the pair is called in the registry and in tags.
            removal_policy: With DESTROY, deleting this stack deletes *peer* too, since DSQL keeps a deleted cluster
                until its peer is deleted. Default: RETAIN, only the registry is removed.
            registry_regions: Further Regions that get registry entries. Default: only those of the two clusters.
            timeout: How long both clusters may take to become ACTIVE; 1 to 115 minutes. Default: 30 minutes.
            verify_on_deploy: Whether every deployment looks at the pair and mends what differs (a peer that was
                removed, a registry entry that is missing). It shows as one changed property in ``cdk diff``, which a
                set SOURCE_DATE_EPOCH keeps still. False: only when a cluster changes. Default: True.
            encryption_key: Key for the log group; its policy is extended for CloudWatch Logs. Default: that of
                CloudWatch Logs.

        Raises:
            ValueError: a bad deployment name or time-out, both clusters in one stack, or *cluster* in another stack.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._cluster, self._peer, self._witness_region = cluster, peer, witness_region
        self._destroys = removal_policy == RemovalPolicy.DESTROY
        self.registry_regions = list(dict.fromkeys([peer.cluster_region, cluster.cluster_region, *registry_regions]))
        stack = Stack.of(self)
        self._partition, self._account = stack.partition, stack.account  # read once: each read is a call to Node
        timeout = timeout or Duration.minutes(30)
        self._refuse_wrong_use(stack, timeout)
        self._mark_clusters(stack)
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DsqlClusterPeering",
            service_token=self._provider(timeout, encryption_key).service_token,
            properties={
                "Deployment": self.deployment_name,
                "ClusterArn": cluster.cluster_arn,
                "PeerRegion": peer.cluster_region,
                "WitnessRegion": witness_region,
                "RegistryRegions": self.registry_regions,
                "RemovalPolicy": "destroy" if self._destroys else "retain",
                "TimeoutSeconds": timeout.to_seconds(),
                "Clusters": Lazy.string(_Fingerprint(cluster, peer)),
                **({"VerifiedAt": _synthesis_time()} if verify_on_deploy else {}),
            },
        )
        self.resource.node.add_dependency(self._role)

    def _refuse_wrong_use(self, stack: Stack, timeout: Duration) -> None:
        if not 1 <= timeout.to_minutes(integral=False) <= 115:
            raise ValueError(
                f"The peering's timeout is {timeout.to_human_string()}: 1 to 115 minutes are allowed, since "
                "CloudFormation gives a custom resource two hours at most; 30 minutes is the default."
            )
        if Stack.of(self._cluster) is not stack:
            raise ValueError(
                f"Peering {self.node.path!r} is in another stack than its cluster: give it that stack's scope."
            )
        if Stack.of(self._peer) is stack:
            raise ValueError(
                f"Peering {self.node.path!r} has both clusters in one stack: a pair has two Regions, and so two stacks."
            )

    def _mark_clusters(self, stack: Stack) -> None:
        """Tag both sides, put the peer's ARN where the handshake looks for it, and deploy this stack second."""
        for cluster in (self._peer, self._cluster):
            Tags.of(cluster).add(DEPLOYMENT_TAG, self.deployment_name)
        ssm.StringParameter(
            self._peer,
            "Registry",
            parameter_name=registry_path(self.deployment_name, self._peer.cluster_region, "arn"),
            string_value=self._peer.cluster_arn,
            description=f"Aurora DSQL pair {self.deployment_name}: the cluster in {self._peer.cluster_region}",
        )
        deploy_after(stack, Stack.of(self._peer))

    def _provider(self, timeout: Duration, encryption_key: kms.IKey | None) -> custom_resources.Provider:
        log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        self._role = function_role(self, "Role", log_group)
        for statement in self._permissions():
            self._role.add_to_policy(statement)
        functions = [
            lambda_.Function(
                self,
                id,
                description=f"Aurora DSQL pair {self.deployment_name}: peering",
                runtime=runtime(),
                architecture=architecture(),
                memory_size=256,
                timeout=Duration.minutes(5),
                code=runtime_code("cluster_peering"),
                handler=f"runtime.cluster_peering.handler.{entry_point}",
                role=self._role,
                log_group=log_group,
            )
            for id, entry_point in (("OnEvent", "on_event"), ("IsComplete", "is_complete"))
        ]
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=functions[0],
            is_complete_handler=functions[1],
            query_interval=Duration.seconds(_POLL_SECONDS),
            # The handler gives up first, with the state of both sides in its message; the framework knows neither.
            total_timeout=timeout.plus(Duration.minutes(5)),
            log_group=log_group,
            disable_waiter_state_machine_logging=True,
            framework_on_event_role=function_role(self, "FrameworkOnEventRole", log_group),
            framework_complete_and_timeout_role=function_role(self, "FrameworkIsCompleteRole", log_group),
        )
        children = provider.node
        on_event, *polling = (
            cast("lambda_.Function", children.find_child(f"framework-{one}"))
            for one in ("onEvent", "isComplete", "onTimeout")
        )
        self._accept_findings(versions_of([*functions, *polling]))
        for function in (*functions, on_event, *polling):
            skip(function, LAMBDA_CHECKS)
        if not encryption_key:
            skip(log_group, LOG_CHECKS)
        return provider

    def _accept_findings(self, versions: Mapping[str, str]) -> None:
        account = "<AWS::AccountId>" if Token.is_unresolved(self._account) else self._account
        fenced = "A peer's identifier is generated and a witness has none; a condition on its tag or witness fences it."
        polls = "It polls for minutes once a deployment, and its functions' logs tell what happened."
        accept(
            self,
            {
                **LAMBDA_FINDINGS,
                **versions,
                **{
                    f"IAM5[Resource::arn:<AWS::Partition>:dsql:{region}:{account}:cluster/*]": fenced
                    for region in (self._peer.cluster_region, self._witness_region)
                },
                **dict.fromkeys(("SF1", "SF2", "StepFunctionStateMachineXray"), polls),
            },
        )

    def _permissions(self) -> list[iam.PolicyStatement]:
        """Exactly the calls of runtime/cluster_peering.

        Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html
        """
        of_this_pair = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": self.deployment_name}}
        witness = {"StringEquals": {"dsql:WitnessRegion": self._witness_region}}
        calls = [
            "dsql:GetCluster",
            "dsql:UpdateCluster",
            "dsql:PutMultiRegionProperties",
            "dsql:AddPeerCluster",
            "dsql:RemovePeerCluster",
        ]
        any_peer = self._any_cluster(self._peer.cluster_region)
        statements = [
            iam.PolicyStatement(actions=calls, resources=[self._cluster.cluster_arn]),
            # The peer's identifier is known only once the registry is read, so its tag says which one it is.
            iam.PolicyStatement(
                actions=[*calls, *(["dsql:DeleteCluster"] if self._destroys else [])],
                resources=[any_peer],
                conditions=of_this_pair,
            ),
            # Checked in the cluster's and in the witness Region, where no cluster exists whose ARN could be named.
            iam.PolicyStatement(
                actions=["dsql:PutWitnessRegion"],
                resources=[self._cluster.cluster_arn, any_peer, self._any_cluster(self._witness_region)],
                conditions=witness,
            ),
            iam.PolicyStatement(actions=["cloudformation:DescribeStacks"], resources=[Stack.of(self).stack_id]),
        ]
        return [*statements, *self._registry_permissions()]

    def _registry_permissions(self) -> list[iam.PolicyStatement]:
        """Every entry is read and written; the one that the peer's stack holds is that stack's to delete."""
        names = registry_paths(self.deployment_name, self._peer.cluster_region, self._cluster.cluster_region)
        entries = [(region, name) for region in self.registry_regions for name in names]
        held = (self._peer.cluster_region, registry_path(self.deployment_name, self._peer.cluster_region, "arn"))
        return [
            iam.PolicyStatement(
                actions=actions, resources=[self._arn("ssm", region, f"parameter{name}") for region, name in resources]
            )
            for actions, resources in (
                (["ssm:GetParameters", "ssm:PutParameter"], entries),
                (["ssm:DeleteParameters"], [one for one in entries if one != held]),
            )
        ]

    def _any_cluster(self, region: str) -> str:
        return self._arn("dsql", region, "cluster/*")

    def _arn(self, service: str, region: str, resource: str) -> str:
        return f"arn:{self._partition}:{service}:{region}:{self._account}:{resource}"


def deploy_after(stack: Stack, earlier: Stack) -> None:
    """Deploy *stack* after *earlier*, without a warning from any supported aws-cdk-lib."""
    # add_dependency is deprecated since add_stack_dependency exists, which the lowest aws-cdk-lib does not have
    getattr(stack, "add_stack_dependency", stack.add_dependency)(earlier)


@jsii.implements(IStableStringProducer)
class _Fingerprint:
    """Changes whenever a property of one of the clusters does, so that CloudFormation runs the handshake again."""

    def __init__(self, *clusters: RegionalCluster) -> None:
        self._clusters = clusters

    def produce(self) -> str:
        properties = []
        for cluster in self._clusters:
            resource, stack = cluster.resource, Stack.of(cluster)
            raw = [
                resource.deletion_protection_enabled,
                resource.kms_encryption_key,
                resource.multi_region_properties,
                resource.policy_document,
                resource.cdk_tag_manager.render_tags(),
            ]
            properties.append(stack.resolve(raw))
        return hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:16]


def _synthesis_time() -> str:
    """Now, or the time that reproducible builds set.

    Source: https://reproducible-builds.org/specs/source-date-epoch/
    """
    return os.environ.get("SOURCE_DATE_EPOCH") or str(int(time.time()))
