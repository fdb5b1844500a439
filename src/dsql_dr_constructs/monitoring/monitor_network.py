"""What a health monitor needs when it runs in a network: a way out, and no way in."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from ..resource_policies import differ, is_imported, warn

POSTGRESQL_PORT = 5432
_HTTPS_PORT = 443


def refuse_unusable_network(vpc: ec2.IVpc, chosen: ec2.SubnetSelection | None, region: str) -> None:
    """
    Raises:
        ValueError: *vpc* is in another Region, or the monitor could not reach the other one from one of the subnets.
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
    """Lets the function out to the APIs of AWS and to clusters."""
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
    """What Lambda does in the name of a function in a network.

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


def refuse_unknown_addresses(vpc: ec2.IVpc, way_out: str) -> None:
    """
    Raises:
        ValueError: *vpc* was imported without its addresses, which endpoints are open to.
    """
    try:
        _ = vpc.vpc_cidr_block
    except RuntimeError as error:  # the CDK's, with a trace of Node
        raise ValueError(
            f"The addresses of network {vpc.node.path!r} are not known, and its endpoints are open to them: give "
            f"vpc_cidr_block to Vpc.from_vpc_attributes, or {way_out}."
        ) from error


def warn_of_private_dns(scope: Construct, vpc: ec2.IVpc) -> None:
    """Say what an endpoint with private DNS needs of *vpc*, where that is imported."""
    if is_imported(vpc):
        warn(
            scope,
            "importedNetwork",
            f"Network {vpc.node.path!r} is imported, and private DNS works only if its enableDnsSupport and "
            "enableDnsHostnames are on: look with aws ec2 describe-vpc-attribute.",
        )


def add_endpoints(scope: Construct, vpc: ec2.IVpc) -> None:
    """CloudWatch's metrics and the DSQL API of this Region, without the NAT.

    Raises:
        ValueError: *vpc* was imported without its addresses, which the endpoints are open to.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/privatelink-managing-clusters.html
    """
    refuse_unknown_addresses(vpc, "leave the endpoints out with vpc_endpoints=False")
    warn_of_private_dns(scope, vpc)
    for service in ("monitoring", "dsql"):
        name = f"com.amazonaws.{Stack.of(scope).region}.{service}"
        ec2.InterfaceVpcEndpoint(
            scope,
            f"Endpoint-{service}",
            vpc=vpc,
            service=ec2.InterfaceVpcEndpointService(name, _HTTPS_PORT),
            private_dns_enabled=True,
        )
