"""What every cluster has, new or existing: attributes, grants, metrics and VPC endpoints."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property

from aws_cdk import Stack, Stage
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..accepted_findings import ENDPOINT_FINDINGS, accept
from ..arguments import checked
from ..resource_policies import differ, refuse_lost_grant, refuse_other_account
from ..runtime.postgresql import PORT as POSTGRESQL_PORT
from ..vpc_endpoints import refuse_unknown_addresses, warn_of_private_dns
from .cluster_metrics import ClusterMetrics


class IRegionalCluster(Construct, ClusterMetrics):
    """A cluster, new or existing, with its grants, metrics and VPC endpoints."""

    cluster_identifier: str
    """26 characters that DSQL generates; a cluster has no name of its own."""

    cluster_arn: str
    """ARN, for IAM policies."""

    cluster_endpoint: str
    """Host name to connect to, port 5432, TLS required."""

    cluster_region: str
    """Region of the cluster; for an existing one it can differ from the stack's."""

    vpc_endpoint_service_name: str | None
    """Service name for AWS PrivateLink; None where it is not known."""

    _conditions: Mapping[str, Mapping[str, str]] | None = None
    """Conditions of every grant."""

    _beside_network = False
    """Whether an endpoint is created beside the network; else beside the cluster's construct."""

    @cached_property
    def _stack(self) -> Stack:
        return Stack.of(self)

    @cached_property
    def _account(self) -> str:
        return self._stack.account

    @checked
    def grant(self, grantee: iam.IGrantable, *actions: str) -> iam.Grant:
        """Allow *actions*, such as ``"dsql:ListTagsForResource"``, on this cluster to *grantee*.

        Raises:
            ValueError: *grantee* has no policy of its own, such as a service, or is in another account.
        """
        for action in actions:
            if not re.fullmatch(r"dsql:[A-Za-z*]+", action):
                raise ValueError(f"actions has {action!r}: give actions of Aurora DSQL, such as 'dsql:GetCluster'.")
        refuse_other_account(self, grantee, self._account)
        grant = iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(actions),
            resource_arns=[self.cluster_arn],
            conditions=self._conditions,
        )
        refuse_lost_grant(self, grantee, grant)
        return grant

    def grant_connect(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to connect as a database role that an admin has mapped to *grantee* with ``AWS IAM GRANT``.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/authentication-authorization.html
        """
        return self.grant(grantee, "dsql:DbConnect")

    def grant_connect_admin(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow to connect as the database role ``admin``."""
        return self.grant(grantee, "dsql:DbConnectAdmin")

    def grant_describe(self, grantee: iam.IGrantable) -> iam.Grant:
        """Allow ``GetCluster``: status, endpoint, peers and witness. (IAM has no ``dsql:DescribeCluster``.)"""
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

        The endpoint of a new cluster is created in the stack of *vpc*, and that of an existing one in this stack.

        Args:
            vpc: Network in the cluster's Region.
            subnets: Subnets of the endpoint's network interfaces. Default: the private subnets.
            security_groups: Security groups of the endpoint. Default: a new one, with ingress from the network's
                addresses to port 5432.
            private_dns_enabled: Whether the cluster's host name resolves to the endpoint in *vpc*. Default: True.
            id: Last part of the endpoint's construct id, for a second endpoint. Default: ``"VpcEndpoint"``.

        Raises:
            ValueError: the cluster was imported without its service name, *vpc* without its addresses, or *vpc* is in
                another Stage.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/privatelink-managing-clusters.html
        """
        if not self.vpc_endpoint_service_name:
            raise ValueError(
                f"The VPC endpoint service of {self.node.path!r} is not known: give vpc_endpoint_service_name to "
                "from_cluster_attributes (aws dsql get-vpc-endpoint-service-name shows it)."
            )
        if differ(Stack.of(vpc).region, self.cluster_region):
            raise ValueError(
                f"Network {vpc.node.path!r} is in {Stack.of(vpc).region}, and the cluster {self.node.path!r} in "
                f"{self.cluster_region}: an endpoint leads to clusters of its own Region only; give a network there."
            )
        if not security_groups:
            refuse_unknown_addresses(vpc, "give security_groups")
        scope, name = self._place_of_endpoint(vpc, id)
        if private_dns_enabled:
            warn_of_private_dns(scope, vpc)
        endpoint = ec2.InterfaceVpcEndpoint(
            scope,
            name,
            vpc=vpc,
            service=ec2.InterfaceVpcEndpointService(self.vpc_endpoint_service_name, POSTGRESQL_PORT),
            subnets=subnets,
            security_groups=list(security_groups) if security_groups else None,
            private_dns_enabled=private_dns_enabled,
        )
        accept(endpoint, ENDPOINT_FINDINGS)
        return endpoint

    def _place_of_endpoint(self, vpc: ec2.IVpc, id: str) -> tuple[Construct, str]:
        """Scope and construct id of the endpoint: for a cluster of a stack of this app in the network's stack, which
        may then refer to the cluster in other ways, too, without a cycle."""
        stack = Stack.of(vpc)
        if not self._beside_network or stack is Stack.of(self):
            return self, id
        if Stage.of(vpc) is not Stage.of(self):
            raise ValueError(
                f"Network {vpc.node.path!r} is in another Stage than the cluster {self.node.path!r}: read the cluster "
                "there with RegionalCluster.from_parameters, and call its add_vpc_endpoint."
            )
        return stack, f"{self.node.path.replace('/', '-')}-{id}"
