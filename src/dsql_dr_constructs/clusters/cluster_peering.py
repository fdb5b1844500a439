"""The peering of two clusters, and the SSM parameters that say where they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import cast

from aws_cdk import (
    CfnResource,
    CustomResource,
    Duration,
    Lazy,
    RemovalPolicy,
    Stack,
    Tags,
    custom_resources,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import (
    LAMBDA_CHECKS,
    LAMBDA_FINDINGS,
    LOG_CHECKS,
    WAITER_FINDINGS,
    accept,
    polling_functions,
    skip,
    versions_of,
)
from ..arguments import checked
from ..deployment_name import validate_deployment_name
from ..physical_names import peering_name
from ..runtime.parameter_registry import DEPLOYMENT_TAG, PAIR_TAG
from ..runtime_function import deployment_function, function_log_group, function_role, polling_provider
from .adopted_cluster import AdoptedCluster
from .cluster_interface import IRegionalCluster
from .peered_sides import refuse_no_pair
from .peering_changes import Fingerprint, synthesis_time
from .peering_permissions import PeeringPermissions

_TAG_PRIORITY = 1000
"""Above what an app gives its own tags (100) and their removal (200), if they have these keys."""


class ClusterPeering(Construct):
    """The peering that makes a multi-Region cluster of two clusters created with the same witness.

        ClusterPeering(stack, "Peering", cluster=cluster, peer=peer, witness_region="us-east-2",
                       deployment_name="Orders-production")

    CloudFormation cannot do it: the first cluster would have to name a second one that does not exist yet. So a custom
    resource asks CloudFormation for the cluster in the stack of *peer*, names each side as the peer of the other, waits
    until both are ACTIVE, and writes the parameter registry: SSM parameters
    ``/dsql-dr/<deployment>/<region>/{arn,identifier,endpoint,vpc-endpoint-service-name}`` for both clusters, in the
    Regions of both and in *parameter_regions*. Create it in the stack of *cluster*, which is then deployed after the
    stack of *peer*.

    To repair the peering later, invoke its function ``aurora-dsql-peering-<deployment>`` with the payload
    ``{"action":"repair"}``; the notification of a lost peering has the whole command.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """

    deployment_name: str
    """As in `MultiRegionDsqlDr`."""

    parameter_regions: Sequence[str]
    """Regions that have the SSM parameters, those of both clusters first."""

    resource: CustomResource
    """The custom resource; what depends on it is deployed after the clusters are peered and the parameters written."""

    function: lambda_.Function
    """What peers the clusters and writes the SSM parameters, for CloudFormation and on demand."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IRegionalCluster,
        peer: IRegionalCluster,
        witness_region: str,
        deployment_name: str,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        parameter_regions: Sequence[str] = (),
        timeout: Duration | None = None,
        repair_on_deploy: bool = False,
        encryption_key: kms.IKey | None = None,
    ) -> None:
        """
        Args:
            cluster: The cluster in this stack, a `RegionalCluster` of this app.
            peer: The cluster in the other Region's stack, as *cluster*.
            witness_region: Region that both clusters were created with as their witness.
            deployment_name: As in `MultiRegionDsqlDr`, but required.
            removal_policy: With DESTROY, deleting this stack deletes *peer* too, since DSQL keeps a deleted cluster
                until its peer is deleted. Default: RETAIN, only the SSM parameters are deleted.
            parameter_regions: Further Regions that get the SSM parameters. Default: only those of the two clusters.
            timeout: How long both clusters may take to become ACTIVE; 1 to 50 minutes. Default: 30 minutes.
            repair_on_deploy: Whether every deployment checks the pair and repairs what differs, such as a peer that was
                removed or a missing SSM parameter. The template then has the time of its synthesis, or
                SOURCE_DATE_EPOCH, and ``cdk diff`` always shows it. Default: False, only when a cluster changes.
            encryption_key: As in `HealthMonitor`, but for the log group only. Default: a key of AWS.

        Raises:
            ValueError: a bad deployment name or timeout, both clusters in one stack, *cluster* in another stack, or
                one that is imported or in a nested stack.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._timeout, self._witness_region = timeout or Duration.minutes(30), witness_region
        self._cluster, self._peer = refuse_no_pair(self, cluster, peer, witness_region, self._timeout)
        self.parameter_regions = list(dict.fromkeys([peer.cluster_region, cluster.cluster_region, *parameter_regions]))
        stack = Stack.of(self)
        self._permissions = PeeringPermissions(
            deployment_name=self.deployment_name,
            pair_tag=self._mark_clusters(stack, Stack.of(peer)),
            cluster=self._cluster,
            peer=self._peer,
            witness_region=witness_region,
            parameter_regions=self.parameter_regions,
            removal_policy="destroy" if removal_policy == RemovalPolicy.DESTROY else "retain",
            stack=stack,
        )
        self._log_group = function_log_group(self, "Logs", encryption_key=encryption_key)
        self._role = self._permitted_role()
        self.function = self._function()
        # The handler gives up first, with the state of both sides in its message; the framework knows neither.
        provider = polling_provider(self, self.function, self._log_group, self._timeout.plus(Duration.minutes(5)))
        self._accept_findings(provider, encryption_key)
        self.resource = self._resource(provider, repair_on_deploy)

    def _mark_clusters(self, stack: Stack, peer_stack: Stack) -> str:
        """Tag both sides, and deploy this stack second; gives the tag's value that no other pair of the account has."""
        sides = [[peer_stack.stack_name, self._peer.cluster_region], [stack.stack_name, self._cluster.cluster_region]]
        pair_tag = hashlib.sha256(json.dumps(sides).encode()).hexdigest()[:16]
        for tags in (Tags.of(self._peer), Tags.of(self._cluster)):
            for key, value in ((DEPLOYMENT_TAG, self.deployment_name), (PAIR_TAG, pair_tag)):
                tags.add(key, value, priority=_TAG_PRIORITY)
        deploy_after(stack, peer_stack)
        return pair_tag

    def _permitted_role(self) -> iam.Role:
        role = function_role(self, "Role", self._log_group)
        for statement in self._permissions.statements():
            role.add_to_policy(statement)
        return role

    def _function(self) -> lambda_.Function:
        return deployment_function(
            self,
            package="cluster_peering",
            function_name=peering_name(self.deployment_name),
            description=f"Aurora DSQL pair {self.deployment_name}: peering, and its repair on demand",
            environment={
                "DEPLOYMENT": self.deployment_name,
                "PAIR_TAG": self._permissions.pair_tag,
                "CLUSTER_ARN": self._cluster.cluster_arn,
                "STACK_ID": self._permissions.stack.stack_id,
                "PEER_REGION": self._peer.cluster_region,
                **self._way_to_the_peer(),
                "WITNESS_REGION": self._witness_region,
                "PARAMETER_REGIONS": ",".join(self.parameter_regions),
                "REMOVAL_POLICY": self._permissions.removal_policy,
                "TIMEOUT_SECONDS": str(self._timeout.to_seconds()),
            },
            role=self._role,
            log_group=self._log_group,
        )

    def _way_to_the_peer(self) -> dict[str, str]:
        if isinstance(self._peer, AdoptedCluster):
            return {"PEER_ARN": self._peer.cluster_arn}
        return {"PEER_STACK": self._permissions.peer_stack, "PEER_LOGICAL_ID": self._peer.resource.logical_id}

    def _resource(self, provider: custom_resources.Provider, repair_on_deploy: bool) -> CustomResource:
        resource = CustomResource(
            self,
            "Resource",
            resource_type="Custom::DsqlClusterPeering",
            service_token=provider.service_token,
            properties={
                "Deployment": self.deployment_name,
                "ClusterArn": self._cluster.cluster_arn,
                "PeerRegion": self._peer.cluster_region,
                "WitnessRegion": self._witness_region,
                "ParameterRegions": self.parameter_regions,
                "RemovalPolicy": self._permissions.removal_policy,
                "TimeoutSeconds": self._timeout.to_seconds(),
                "Clusters": Lazy.string(Fingerprint(self._cluster, self._peer)),
                **({"RepairedAt": synthesis_time()} if repair_on_deploy else {}),
            },
        )
        resource.node.add_dependency(self._role)
        if isinstance(self._cluster, AdoptedCluster):  # whose ARN is no reference to what adopts it
            resource.node.add_dependency(self._cluster.resource)
        logical_id = cast("CfnResource", resource.node.default_child).logical_id
        self.function.add_environment("RESOURCE", logical_id)
        return resource

    def _accept_findings(self, provider: custom_resources.Provider, encryption_key: kms.IKey | None) -> None:
        accept(
            self,
            {
                **LAMBDA_FINDINGS,
                **WAITER_FINDINGS,
                **versions_of([self.function, *polling_functions(provider)], self._permissions.stack),
                **self._permissions.findings(),
            },
        )
        skip(self, {lambda_.CfnFunction: LAMBDA_CHECKS, **({} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS})})


def deploy_after(stack: Stack, earlier: Stack) -> None:
    """Deploy *stack* after *earlier*, without a warning from any supported aws-cdk-lib."""
    # add_dependency is deprecated since add_stack_dependency exists, which the lowest aws-cdk-lib does not have
    getattr(stack, "add_stack_dependency", stack.add_dependency)(earlier)
