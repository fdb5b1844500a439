"""What the interface endpoints of clusters and monitors need of their network."""

from __future__ import annotations

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from .resource_policies import is_imported, warn


def refuse_unknown_addresses(vpc: ec2.IVpc, way_out: str) -> None:
    """
    Raises:
        ValueError: *vpc* was imported without its addresses, from which endpoints allow ingress.
    """
    try:
        _ = vpc.vpc_cidr_block
    except RuntimeError as error:  # the CDK's, with a stack trace of Node
        raise ValueError(
            f"The addresses of network {vpc.node.path!r} are not known, and its endpoints are open to them: give "
            f"vpc_cidr_block to Vpc.from_vpc_attributes, or {way_out}."
        ) from error


def warn_of_private_dns(scope: Construct, vpc: ec2.IVpc) -> None:
    """Warn of what an endpoint with private DNS needs of *vpc*, where that is imported."""
    if is_imported(vpc):
        warn(
            scope,
            "importedNetwork",
            f"Network {vpc.node.path!r} is imported, and private DNS works only if its enableDnsSupport and "
            "enableDnsHostnames are on: aws ec2 describe-vpc-attribute shows them.",
        )
