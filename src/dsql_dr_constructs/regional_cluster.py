"""One Aurora DSQL cluster in one Region, new or existing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from aws_cdk import Arn, ArnComponents, ArnFormat, RemovalPolicy, Stack, Token
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .accepted_findings import ENDPOINT_FINDINGS, accept
from .arguments import checked
from .cluster_metrics import ClusterMetrics
from .regional_stack import add_tags
from .runtime.cluster_peering.registry import registry_path

POSTGRESQL_PORT = 5432


class IRegionalCluster(Construct, ClusterMetrics):
    """A cluster, whoever made it: what other constructs ask for and what grants, metrics and endpoints hang on."""

    cluster_identifier: str
    """26 generated characters; DSQL clusters have no name."""

    cluster_arn: str
    """For IAM policies."""

    cluster_endpoint: str
    """Host name to connect to, port 5432, TLS required."""

    cluster_region: str
    """Region of the cluster; for a cluster read from the registry it can differ from the stack's."""

    vpc_endpoint_service_name: str | None
    """Service name for AWS PrivateLink; None where it is not known."""

    @checked
    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow *actions*, such as ``"dsql:ListTagsForResource"``, on this cluster to *grantee*."""
        for action in actions:
            if not re.fullmatch(r"dsql:[A-Za-z*]+", action):
                raise ValueError(f"actions has {action!r}: give actions of Aurora DSQL, such as 'dsql:GetCluster'.")
        return iam.Grant.add_to_principal(grantee=grantee, actions=list(actions), resource_arns=[self.cluster_arn])

    def grant_connect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow connecting as a database role that an admin has mapped to *grantee* with ``AWS IAM GRANT``.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/authentication-authorization.html
        """
        return self.grant(grantee, "dsql:DbConnect")

    def grant_connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow connecting as the database role ``admin``."""
        return self.grant(grantee, "dsql:DbConnectAdmin")

    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow ``GetCluster``: status, endpoint, peers and witness. (IAM knows no ``dsql:DescribeCluster``.)"""
        return self.grant(grantee, "dsql:GetCluster")

    @checked
    def add_vpc_endpoint(
        self,
        vpc: ec2.IVpc,
        *,
        subnets: ec2.SubnetSelection | None = None,
        security_groups: Sequence[ec2.ISecurityGroup] | None = None,
        private_dns_enabled: bool = True,
        id: str = "VpcEndpoint",
    ) -> ec2.InterfaceVpcEndpoint:
        """Let *vpc* reach the cluster by AWS PrivateLink.

        Args:
            vpc: Network in the cluster's Region.
            subnets: Where the endpoint's interfaces are. Default: the private subnets.
            security_groups: Who may connect. Default: a new group, open on port 5432 to the network's addresses.
            private_dns_enabled: Whether the cluster's own host name resolves to the endpoint. Default: True.
            id: Name among this construct's children, for a second endpoint. Default: ``"VpcEndpoint"``.

        Raises:
            ValueError: the cluster was imported without its service name.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/privatelink-managing-clusters.html
        """
        if not self.vpc_endpoint_service_name:
            raise ValueError(
                f"The VPC endpoint service of {self.node.path!r} is not known: give vpc_endpoint_service_name to "
                "from_cluster_attributes (aws dsql get-vpc-endpoint-service-name shows it)."
            )
        endpoint = ec2.InterfaceVpcEndpoint(
            self,
            id,
            vpc=vpc,
            service=ec2.InterfaceVpcEndpointService(self.vpc_endpoint_service_name, POSTGRESQL_PORT),
            subnets=subnets,
            security_groups=list(security_groups) if security_groups else None,
            private_dns_enabled=private_dns_enabled,
        )
        accept(endpoint, ENDPOINT_FINDINGS)
        return endpoint


class RegionalCluster(IRegionalCluster):
    """An Aurora DSQL cluster of its own, or one side of a pair.

    Without *witness_region* it is a single-Region cluster. DSQL cannot turn one into the other later: changing that
    replaces the cluster.

    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dsql-cluster.html
    """

    resource: dsql.CfnCluster
    """CloudFormation's own, for what has no parameter here."""

    removal_policy: RemovalPolicy
    """What happens to the cluster when it leaves the stack."""

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
            cluster_name: ``Name`` tag; DSQL has no cluster names. Default: none.
            witness_region: Region of the witness, which makes this a side of a pair. Default: single-Region.
            peer_cluster_arns: Peers that CloudFormation itself names. Default: none; `ClusterPeering` does it.
            deletion_protection: Whether DSQL refuses to delete the cluster. Default: on, unless *removal_policy* is
                DESTROY.
            removal_policy: What happens to the cluster when it leaves the stack. Default: RETAIN.
            encryption_key: Key in the cluster's Region that encrypts it. Default: an AWS owned key.
            policy_document: Resource policy, for example to admit a VPC only. Default: none.
            tags: Tags of the cluster. Default: none.

        Raises:
            ValueError: DESTROY with deletion protection on, peers without a witness, or a witness in the own Region.
        """
        super().__init__(scope, id)
        region = Stack.of(self).region
        protected = removal_policy != RemovalPolicy.DESTROY if deletion_protection is None else deletion_protection
        _refuse_contradictions(id, region, witness_region, peer_cluster_arns, removal_policy, protected)
        multi_region = dsql.CfnCluster.MultiRegionPropertiesProperty(
            witness_region=witness_region, clusters=list(peer_cluster_arns) or None
        )
        self.resource = dsql.CfnCluster(
            self,
            "Resource",
            deletion_protection_enabled=protected,
            kms_encryption_key=encryption_key.key_arn if encryption_key else None,
            multi_region_properties=multi_region if witness_region else None,
            policy_document=json.dumps(Stack.of(self).resolve(policy_document.to_json())) if policy_document else None,
        )
        self.resource.apply_removal_policy(removal_policy)
        add_tags(self, {**({"Name": cluster_name} if cluster_name else {}), **(tags or {})})
        self.removal_policy = removal_policy
        self.cluster_identifier = self.resource.attr_identifier
        self.cluster_arn = self.resource.attr_resource_arn
        self.cluster_endpoint = self.resource.attr_endpoint
        self.cluster_region = region
        self.vpc_endpoint_service_name = self.resource.attr_vpc_endpoint_service_name

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
            cluster_identifier: Its 26 characters.
            region: Region that it is in. Default: the stack's.
            cluster_endpoint: Host name for PostgreSQL clients. Default: ``<identifier>.dsql.<region>.on.aws``.
            vpc_endpoint_service_name: Needed by `add_vpc_endpoint` only. Default: not known.
        """
        stack = Stack.of(scope)
        region = region or stack.region
        arn = Arn.format(
            ArnComponents(
                service="dsql",
                region=region,
                resource="cluster",
                resource_name=cluster_identifier,
                arn_format=ArnFormat.SLASH_RESOURCE_NAME,
            ),
            stack,
        )
        endpoint = cluster_endpoint or f"{cluster_identifier}.dsql.{region}.on.aws"
        return _ExistingCluster(scope, id, cluster_identifier, arn, endpoint, region, vpc_endpoint_service_name)

    @staticmethod
    @checked
    def from_registry(scope: Construct, id: str, *, deployment: str, region: str) -> IRegionalCluster:
        """One side of a pair, found when the stack is deployed, in a stack in any Region of the pair.

        Args:
            deployment: Deployment name of the pair, for example ``"AuroraDsqlDR-production"``.
            region: Region of the wanted cluster. Both clusters are registered in both Regions.
        """
        return _RegisteredCluster(scope, id, deployment, region)


class _ExistingCluster(IRegionalCluster):
    def __init__(
        self,
        scope: Construct,
        id: str,
        identifier: str,
        arn: str,
        endpoint: str,
        region: str,
        vpc_endpoint_service_name: str | None,
    ) -> None:
        super().__init__(scope, id)
        self.cluster_identifier = identifier
        self.cluster_arn = arn
        self.cluster_endpoint = endpoint
        self.cluster_region = region
        self.vpc_endpoint_service_name = vpc_endpoint_service_name


class _RegisteredCluster(IRegionalCluster):
    """Adds a template parameter for what is asked of it only, since CloudFormation warns of the unused."""

    def __init__(self, scope: Construct, id: str, deployment: str, region: str) -> None:
        super().__init__(scope, id)
        self.cluster_region = region
        self.vpc_endpoint_service_name = None
        self._deployment = deployment

    # cached properties can be set, which mypy does not see

    @cached_property
    def cluster_identifier(self) -> str:  # type: ignore[override]
        return self._read("identifier")

    @cached_property
    def cluster_arn(self) -> str:  # type: ignore[override]
        return self._read("arn")

    @cached_property
    def cluster_endpoint(self) -> str:  # type: ignore[override]
        return self._read("endpoint")

    def _read(self, field: str) -> str:
        path = registry_path(self._deployment, self.cluster_region, field)
        return ssm.StringParameter.value_for_string_parameter(self, path)


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
            f"Cluster {id!r} has removal_policy DESTROY and deletion_protection on, and its stack could never go: "
            "leave deletion_protection out, or keep the cluster with RemovalPolicy.RETAIN."
        )
    if peer_cluster_arns and not witness_region:
        raise ValueError(
            f"Cluster {id!r} has peer_cluster_arns and no witness: give witness_region, a third Region of their set."
        )
    if witness_region and not Token.is_unresolved(region) and witness_region == region:
        raise ValueError(
            f"Cluster {id!r} has its witness in its own Region {region!r}: give witness_region another one of the set."
        )
