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
    CfnResource,
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
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from ..accepted_findings import LAMBDA_CHECKS, LAMBDA_FINDINGS, LOG_CHECKS, accept, skip, versions_of
from ..arguments import checked
from ..deployment_name import validate_deployment_name
from ..physical_names import peering_name
from ..regions import validate_topology
from ..resource_policies import differ
from ..runtime.registry import DEPLOYMENT_TAG, PAIR_TAG
from ..runtime_function import architecture, function_log_group, function_role, runtime, runtime_code
from .peering_permissions import PeeringPermissions
from .regional_cluster import RegionalCluster

_POLL_SECONDS = 10
_TAG_PRIORITY = 1000
"""Above what an app gives its own tags (100) and their removal (200), if they have these keys."""


class ClusterPeering(Construct):
    """The peering that makes a multi-Region cluster of two clusters created with the same witness.

    CloudFormation cannot do it: the first cluster would have to name a second one that does not exist yet. So a custom
    resource asks CloudFormation for the cluster in the stack of *peer*, names each side as the peer of the other, waits
    until both are ACTIVE, and writes the registry: SSM parameters
    ``/dsql-dr/<deployment>/<region>/{arn,identifier,endpoint,vpc-endpoint-service-name}``, for both clusters, in every
    Region of the registry. It belongs into the stack of *cluster* and makes that stack wait for the stack of *peer*.

    A pair that was damaged later is repaired on demand, by its function ``aurora-dsql-peering-<deployment>``::

        aws lambda invoke --region us-west-2 --function-name aurora-dsql-peering-AuroraDsqlDR-production \\
            --cli-binary-format raw-in-base64-out --payload '{"action":"repair"}' --cli-read-timeout 330 response.json

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    deployment_name: str
    """What the pair is called in the registry, in tags, metrics and names."""

    registry_regions: Sequence[str]
    """Regions that have the parameter registry."""

    resource: CustomResource
    """The custom resource; what depends on it is deployed when both clusters are peered and registered."""

    function: lambda_.Function
    """What peers and registers them, for CloudFormation and on demand."""

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
        repair_on_deploy: bool = False,
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
            timeout: How long both clusters may take to become ACTIVE; 1 to 50 minutes. Default: 30 minutes.
            repair_on_deploy: Whether every deployment looks at the pair and repairs what differs (a peer that was
                removed, a registry entry that is missing). For that the template has the time of its synthesis, or
                SOURCE_DATE_EPOCH, so that ``cdk diff`` is never empty. Default: False, only when a cluster changes.
            encryption_key: Key for the log group; its policy admits CloudWatch Logs. Default: that of
                CloudWatch Logs.

        Raises:
            ValueError: a bad deployment name or time-out, both clusters in one stack, *cluster* in another stack, or
                one in a nested stack.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._cluster, self._peer, self._witness_region = cluster, peer, witness_region
        self.registry_regions = list(dict.fromkeys([peer.cluster_region, cluster.cluster_region, *registry_regions]))
        stack = Stack.of(self)
        timeout = timeout or Duration.minutes(30)
        self._refuse_wrong_use(stack, timeout)
        self._permissions = PeeringPermissions(
            deployment_name=self.deployment_name,
            pair_tag=self._mark_clusters(stack),
            cluster=cluster,
            peer_region=peer.cluster_region,
            peer_stack=Stack.of(peer).stack_name,
            witness_region=witness_region,
            registry_regions=self.registry_regions,
            removal_policy="destroy" if removal_policy == RemovalPolicy.DESTROY else "retain",
            stack=stack,
        )
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
                "RemovalPolicy": self._permissions.removal_policy,
                "TimeoutSeconds": timeout.to_seconds(),
                "Clusters": Lazy.string(_Fingerprint(cluster, peer)),
                **({"RepairedAt": _synthesis_time()} if repair_on_deploy else {}),
            },
        )
        self.resource.node.add_dependency(self._role)
        logical_id = cast("CfnResource", self.resource.node.default_child).logical_id
        self.function.add_environment("RESOURCE", logical_id)

    def _refuse_wrong_use(self, stack: Stack, timeout: Duration) -> None:
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
        if not 1 <= timeout.to_minutes(integral=False) <= 50:
            raise ValueError(
                f"The peering's timeout is {timeout.to_human_string()}: 1 to 50 minutes are allowed, since "
                "CloudFormation gives a custom resource one hour at most; 30 minutes is the default."
            )
        if Stack.of(self._cluster) is not stack:
            raise ValueError(
                f"Peering {self.node.path!r} is in another stack than its cluster: give it that stack's scope."
            )
        if Stack.of(self._peer) is stack:
            raise ValueError(
                f"Peering {self.node.path!r} has both clusters in one stack: a pair has two Regions, and so two stacks."
            )
        one, other = self._peer, self._cluster
        for cluster in (one, other):
            if Token.is_unresolved(Stack.of(cluster).stack_name):
                raise ValueError(
                    f"Cluster {cluster.node.path!r} is in a nested stack, whose name is not known at synth, and "
                    "by which the peering finds its peer: create it in a stack of its own."
                )
            if cluster.witness_region != self._witness_region:
                raise ValueError(
                    f"Cluster {cluster.node.path!r} has the witness {cluster.witness_region}, and peering "
                    f"{self.node.path!r} {self._witness_region}: give all the same witness_region."
                )
        if Token.is_unresolved(one.cluster_region) or Token.is_unresolved(other.cluster_region):
            raise ValueError(
                f"Peering {self.node.path!r} has a cluster in a stack without a Region: give both stacks env with one."
            )
        validate_topology(one.cluster_region, other.cluster_region, self._witness_region)
        if differ(Stack.of(one).account, stack.account):
            raise ValueError(f"Peering {self.node.path!r} has clusters in two accounts: a pair is in one.")

    def _mark_clusters(self, stack: Stack) -> str:
        """Tag both sides, and deploy this stack second; gives the tag's value that no other pair of the account has."""
        sides = [[Stack.of(one).stack_name, one.cluster_region] for one in (self._peer, self._cluster)]
        pair_tag = hashlib.sha256(json.dumps(sides).encode()).hexdigest()[:16]
        for cluster in (self._peer, self._cluster):
            for key, value in ((DEPLOYMENT_TAG, self.deployment_name), (PAIR_TAG, pair_tag)):
                Tags.of(cluster).add(key, value, priority=_TAG_PRIORITY)
        deploy_after(stack, Stack.of(self._peer))
        return pair_tag

    def _provider(self, timeout: Duration, encryption_key: kms.IKey | None) -> custom_resources.Provider:
        log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        self._role = function_role(self, "Role", log_group)
        for statement in self._permissions.statements():
            self._role.add_to_policy(statement)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=peering_name(self.deployment_name),
            description=f"Aurora DSQL pair {self.deployment_name}: peering, and its repair on demand",
            runtime=runtime(),
            architecture=architecture(),
            memory_size=256,
            timeout=Duration.minutes(5),
            code=runtime_code("cluster_peering"),
            handler="runtime.cluster_peering.handler.handle",
            environment={
                "DEPLOYMENT": self.deployment_name,
                "PAIR_TAG": self._permissions.pair_tag,
                "CLUSTER_ARN": self._cluster.cluster_arn,
                "STACK_ID": Stack.of(self).stack_id,
                "PEER_REGION": self._peer.cluster_region,
                "PEER_STACK": Stack.of(self._peer).stack_name,
                "PEER_LOGICAL_ID": self._peer.resource.logical_id,
                "WITNESS_REGION": self._witness_region,
                "REGISTRY_REGIONS": ",".join(self.registry_regions),
                "REMOVAL_POLICY": self._permissions.removal_policy,
                "TIMEOUT_SECONDS": str(timeout.to_seconds()),
            },
            role=self._role,
            log_group=log_group,
        )
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=self.function,
            is_complete_handler=self.function,
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
        self._accept_findings(versions_of([self.function, *polling]))
        for function in (self.function, on_event, *polling):
            skip(function, LAMBDA_CHECKS)
        if not encryption_key:
            skip(log_group, LOG_CHECKS)
        return provider

    def _accept_findings(self, versions: Mapping[str, str]) -> None:
        polls = "It polls for minutes once a deployment, and its functions' logs tell what happened."
        accept(
            self,
            {
                **LAMBDA_FINDINGS,
                **versions,
                **self._permissions.findings(),
                **dict.fromkeys(("SF1", "SF2", "StepFunctionStateMachineXray"), polls),
            },
        )


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
                stack.stack_name,
                resource.logical_id,
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
