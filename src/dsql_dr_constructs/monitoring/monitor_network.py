"""What a health monitor in a network needs: egress, endpoints and permissions for network interfaces."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..resource_policies import differ
from ..runtime.postgresql import PORT as POSTGRESQL_PORT
from ..vpc_endpoints import refuse_unknown_addresses, warn_of_private_dns

_HTTPS_PORT = 443


def refuse_unusable_network(vpc: ec2.IVpc, chosen: ec2.SubnetSelection | None, region: str) -> None:
    """
    Raises:
        ValueError: *vpc* is in another Region, or the other Region cannot be reached from one of the subnets.
    """
    if differ(Stack.of(vpc).region, region):
        raise ValueError(
            f"Network {vpc.node.path!r} is in {Stack.of(vpc).region}, and the monitor in {region}: give a network "
            "there."
        )
    chosen = chosen or ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
    selected = vpc.select_subnets(
        availability_zones=chosen.availability_zones,
        one_per_az=chosen.one_per_az,
        subnet_filters=chosen.subnet_filters,
        subnet_group_name=chosen.subnet_group_name,
        subnets=chosen.subnets,
        subnet_type=chosen.subnet_type,
    )
    isolated = {subnet.node.path for subnet in vpc.isolated_subnets}
    lonely = sorted(isolated.intersection(subnet.node.path for subnet in selected.subnets))
    if lonely:
        raise ValueError(
            f"The monitor's subnets {lonely} are isolated, and the other Region's cluster is outside of their network: "
            "give vpc_subnets with a NAT, for example those of SubnetType.PRIVATE_WITH_EGRESS."
        )


def outbound_only(scope: Construct, vpc: ec2.IVpc) -> ec2.SecurityGroup:
    """A security group with egress to the APIs of AWS and to clusters."""
    group = ec2.SecurityGroup(
        scope,
        "SecurityGroup",
        vpc=vpc,
        allow_all_outbound=False,
        description="Aurora DSQL health monitor: out on 443 and 5432 only",
    )
    for port, what in ((_HTTPS_PORT, "APIs of AWS"), (POSTGRESQL_PORT, "Aurora DSQL")):
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(port), what)
    return group


def permit_network_interfaces(role: iam.Role) -> None:
    """The calls that Lambda makes with the role of a function in a network.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
    """
    role.add_to_policy(
        iam.PolicyStatement(
            actions=[
                "ec2:CreateNetworkInterface",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSubnets",
                "ec2:DeleteNetworkInterface",
                "ec2:AssignPrivateIpAddresses",
                "ec2:UnassignPrivateIpAddresses",
            ],
            resources=["*"],  # Lambda checks them on * when the function is created
        )
    )


def add_endpoints(scope: Construct, vpc: ec2.IVpc, *, ssm: bool) -> None:
    """Interface endpoints for CloudWatch metrics and the DSQL API of this Region, so that neither needs the NAT.

    Args:
        scope: Of the monitor.
        vpc: Its network.
        ssm: Whether SSM has one, too: what is evacuated is read there.

    Raises:
        ValueError: *vpc* was imported without its addresses, from which the endpoints allow ingress.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/privatelink-managing-clusters.html
    """
    refuse_unknown_addresses(vpc, "leave the endpoints out with vpc_endpoints=False")
    warn_of_private_dns(scope, vpc)
    for service in ("monitoring", "dsql", *(("ssm",) if ssm else ())):
        name = f"com.amazonaws.{Stack.of(scope).region}.{service}"
        ec2.InterfaceVpcEndpoint(
            scope,
            f"Endpoint-{service}",
            vpc=vpc,
            service=ec2.InterfaceVpcEndpointService(name, _HTTPS_PORT),
            private_dns_enabled=True,
        )
