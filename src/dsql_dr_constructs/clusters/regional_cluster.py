"""One Aurora DSQL cluster in one Region, new or existing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from ..arguments import checked
from ..asked_once import unresolved
from ..deployment_name import validate_deployment_name
from ..regional_stack import add_tags
from ..regions import require_region_code, validate_witness
from ..resource_policies import admit, key_for_clusters, refuse_unusable_key
from ..runtime.parameter_registry import IDENTIFIER
from .cluster_interface import IRegionalCluster
from .cluster_options import ClusterOptions
from .existing_cluster import ExistingCluster, RegisteredCluster, arn_of, endpoint_of


class RegionalCluster(IRegionalCluster):
    """A single-Region cluster, or one side of a pair if it has a *witness_region*.

    DSQL cannot change one into the other: adding or removing *witness_region* later replaces the cluster.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dsql-cluster.html
    """

    resource: dsql.CfnCluster
    """The CloudFormation resource, for properties that have no parameter here."""

    witness_region: str | None
    """Region of the witness; None for a single-Region cluster."""

    removal_policy: RemovalPolicy
    """As given."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster_name: str | None = None,
        witness_region: str | None = None,
        peer_cluster_arns: Sequence[str] = (),
        deletion_protection: bool | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        encryption_key: kms.IKey | None = None,
        policy_document: iam.PolicyDocument | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            cluster_name: ``Name`` tag; a DSQL cluster has no name of its own. Default: none.
            witness_region: Region of the witness. Default: none, a single-Region cluster.
            peer_cluster_arns: Peers that CloudFormation names when it creates the cluster. Default: none;
                `ClusterPeering` names them.
            deletion_protection: Whether DSQL refuses to delete the cluster. Default: on, unless *removal_policy* is
                DESTROY.
            removal_policy: What CloudFormation does with the cluster when it is removed from the stack. Default:
                RETAIN.
            encryption_key: Key in the cluster's Region that encrypts it; Aurora DSQL is added to its policy, and where
                it is imported a warning has the statements to add. Whoever deploys needs the same actions on it
                (``kms:ViaService`` dsql). Default: an AWS owned key.
            policy_document: Resource policy, for example one that admits a VPC only. Default: none.
            tags: Tags of the cluster. Default: none.

        Raises:
            ValueError: DESTROY with deletion protection on, peers without a witness, or a witness in the cluster's own
                Region.
        """
        super().__init__(scope, id)
        stack = self._stack
        region = stack.region
        protected = removal_policy != RemovalPolicy.DESTROY if deletion_protection is None else deletion_protection
        _refuse_contradictions(id, region, witness_region, peer_cluster_arns, removal_policy, protected)
        multi_region = dsql.CfnCluster.MultiRegionPropertiesProperty(
            witness_region=witness_region, clusters=list(peer_cluster_arns) or None
        )
        if encryption_key:
            refuse_unusable_key(self, encryption_key, "a cluster")
            admit(self, encryption_key, key_for_clusters(stack), "Aurora DSQL cannot use it, and no cluster is created")
        self.resource = dsql.CfnCluster(
            self,
            "Resource",
            deletion_protection_enabled=protected,
            kms_encryption_key=encryption_key.key_arn if encryption_key else None,
            multi_region_properties=multi_region if witness_region else None,
            policy_document=json.dumps(stack.resolve(policy_document.to_json())) if policy_document else None,
        )
        self.resource.apply_removal_policy(removal_policy)
        add_tags(self, {**({"Name": cluster_name} if cluster_name else {}), **(tags or {})})
        self.removal_policy = removal_policy
        self.witness_region = witness_region
        self.cluster_identifier = self.resource.attr_identifier
        self.cluster_arn = self.resource.attr_resource_arn
        # not by GetAtt: no document says that it has a value while the cluster is in PENDING_SETUP
        self.cluster_endpoint = endpoint_of(self.cluster_identifier, region)
        self.cluster_region = region
        self.vpc_endpoint_service_name = self.resource.attr_vpc_endpoint_service_name

    _beside_network = True

    def _changes(self) -> list[Any]:
        """What makes CloudFormation run the peering again when it changes."""
        resource = self.resource
        return [
            resource.logical_id,
            resource.deletion_protection_enabled,
            resource.kms_encryption_key,
            resource.multi_region_properties,
            resource.policy_document,
            resource.cdk_tag_manager.render_tags(),
        ]

    @staticmethod
    @checked
    def from_cluster_attributes(
        scope: Construct,
        id: str,
        *,
        cluster_identifier: str,
        region: str | None = None,
        cluster_endpoint: str | None = None,
        vpc_endpoint_service_name: str | None = None,
    ) -> IRegionalCluster:
        """A cluster that exists already.

        Args:
            cluster_identifier: Its 26 characters, the last part of its ARN.
            region: Region of the cluster. Default: the stack's.
            cluster_endpoint: Host name for PostgreSQL clients. Default: ``<identifier>.dsql.<region>.on.aws``.
            vpc_endpoint_service_name: As in `IRegionalCluster`; `add_vpc_endpoint` needs it. Default: none.

        Raises:
            ValueError: *cluster_identifier* or *region* has not the form of one.
        """
        if not unresolved(cluster_identifier) and not re.fullmatch(IDENTIFIER, cluster_identifier):
            raise ValueError(
                f"cluster_identifier is {cluster_identifier!r}: its 26 letters and digits are needed, which are the "
                "last part of the cluster's ARN."
            )
        if region is not None:
            require_region_code("region", region)
        stack = Stack.of(scope)
        region = region or stack.region
        arn = arn_of(cluster_identifier, region, stack.partition, stack.account)
        endpoint = cluster_endpoint or endpoint_of(cluster_identifier, region)
        return ExistingCluster(scope, id, cluster_identifier, arn, endpoint, region, vpc_endpoint_service_name)

    @staticmethod
    @checked
    def from_parameters(scope: Construct, id: str, *, deployment_name: str, region: str) -> IRegionalCluster:
        """One side of a pair, read from the pair's SSM parameters when the stack is deployed.

        Args:
            scope: As in `MultiRegionDsqlDr.clusters`.
            deployment_name: *deployment_name* of the pair, for example ``"AuroraDsqlDR-production"``.
            region: Region of the wanted cluster; each Region has the SSM parameters of both.

        Raises:
            ValueError: *deployment_name* or *region* has not the form of one.
        """
        name = validate_deployment_name(deployment_name)
        return RegisteredCluster(scope, id, name, require_region_code("region", region))


def create_clusters(
    stacks: Sequence[Stack],
    witness_region: str,
    encryption_keys: Mapping[str, kms.IKey],
    removal_policy: RemovalPolicy,
    options: ClusterOptions,
) -> Sequence[RegionalCluster]:
    """Both clusters of a pair, in *stacks*, the primary's first; with outputs."""
    clusters = [
        RegionalCluster(
            stack,
            "Cluster",
            cluster_name=f"{options.name_prefix}-{role}",
            witness_region=witness_region,
            removal_policy=removal_policy,
            deletion_protection=options.deletion_protection,
            encryption_key=encryption_keys.get(stack.region),
        )
        for stack, role in zip(stacks, ("primary", "secondary"), strict=True)
    ]
    for one in clusters:
        add_outputs(one)
    return clusters


def add_outputs(cluster: IRegionalCluster) -> None:
    """Identifier, ARN and endpoint as outputs of the cluster's stack."""
    for name, value in (
        ("ClusterIdentifier", cluster.cluster_identifier),
        ("ClusterArn", cluster.cluster_arn),
        ("ClusterEndpoint", cluster.cluster_endpoint),
    ):
        CfnOutput(cluster._stack, name, value=value)


def _refuse_contradictions(
    id: str,
    region: str,
    witness_region: str | None,
    peer_cluster_arns: Sequence[str],
    removal_policy: RemovalPolicy,
    protected: bool,
) -> None:
    if removal_policy == RemovalPolicy.SNAPSHOT:
        raise ValueError(
            f"Cluster {id!r} has removal_policy SNAPSHOT, which CloudFormation does not offer for Aurora DSQL: give "
            "RemovalPolicy.RETAIN or RemovalPolicy.DESTROY."
        )
    if removal_policy == RemovalPolicy.DESTROY and protected:
        raise ValueError(
            f"Cluster {id!r} has removal_policy DESTROY and deletion_protection on, and its stack cannot be deleted: "
            "leave deletion_protection out, or keep the cluster with RemovalPolicy.RETAIN."
        )
    if peer_cluster_arns and not witness_region:
        raise ValueError(
            f"Cluster {id!r} has peer_cluster_arns and no witness: give witness_region, a third Region of their set."
        )
    if witness_region is not None:
        validate_witness(region, witness_region)
