"""Clusters that exist already: known by their identifier, or found in the parameter registry."""

from __future__ import annotations

from functools import cached_property

from aws_cdk import aws_ssm as ssm
from constructs import Construct

from .cluster_interface import IRegionalCluster
from .runtime.cluster_peering.registry import registry_path


class ExistingCluster(IRegionalCluster):
    """Its attributes are as they were given."""

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


class RegisteredCluster(IRegionalCluster):
    """Read when its stack is deployed, each attribute that is asked for: CloudFormation warns of unused parameters."""

    def __init__(self, scope: Construct, id: str, deployment: str, region: str) -> None:
        super().__init__(scope, id)
        self.cluster_region = region
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

    @cached_property
    def vpc_endpoint_service_name(self) -> str:  # type: ignore[override]
        return self._read("vpc-endpoint-service-name")

    def _read(self, field: str) -> str:
        path = registry_path(self._deployment, self.cluster_region, field)
        return ssm.StringParameter.value_for_string_parameter(self, path)


def parameter_folder(cluster: IRegionalCluster) -> str | None:
    """Folder of the SSM parameters that *cluster* is read from; None if it is known without."""
    if isinstance(cluster, RegisteredCluster):
        return registry_path(cluster._deployment, cluster.cluster_region)
    return None


def endpoint_of(identifier: str, region: str) -> str:
    """Host name of a cluster.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """
    return f"{identifier}.dsql.{region}.on.aws"
