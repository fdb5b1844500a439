"""Clusters that exist already: known by their identifier, or read from SSM parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from aws_cdk import CfnParameter, Fn, Stack, Token
from constructs import Construct

from ..runtime.parameter_registry import DEPLOYMENT_TAG, IDENTIFIER, parameter_path
from .cluster_interface import IRegionalCluster


class ExistingCluster(IRegionalCluster):
    """A cluster whose attributes are given."""

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
    """A cluster of a pair, read from SSM parameters, of those that are used, when the stack is deployed.

    A parameter can have been changed, so only the identifier is read, for an ARN and a host name whose other parts are
    in the template. Every grant requires the pair's tag, too (docs/adr/0017).
    """

    def __init__(self, scope: Construct, id: str, deployment: str, region: str) -> None:
        super().__init__(scope, id)
        self.cluster_region = region
        self.deployment_name = deployment
        self.before_roles: Callable[[Stack], None] = lambda stack: None
        """Called with a stack that has a database role, for a pair of the same app."""
        self.is_adopted = False
        """Whether the parameters can come to name another pair, with a database of its own."""
        self.folder = parameter_path(deployment, region)
        self._conditions = {"StringEquals": {f"aws:ResourceTag/{DEPLOYMENT_TAG}": deployment}}

    # cached properties can be set, which mypy does not see

    @cached_property
    def cluster_identifier(self) -> str:  # type: ignore[override]
        # without this one, no text ends a dashboard's list of metrics, to add a widget (the CDK escapes a quote here)
        return _before("]", self._read("identifier", IDENTIFIER))

    @cached_property
    def cluster_arn(self) -> str:  # type: ignore[override]
        # grants require the tag, too
        return arn_of(self.cluster_identifier, self.cluster_region, self._stack.partition, self._account)

    @cached_property
    def cluster_endpoint(self) -> str:  # type: ignore[override]
        return endpoint_of(_before("/?#@:", self.cluster_identifier), self.cluster_region)

    @cached_property
    def vpc_endpoint_service_name(self) -> str:  # type: ignore[override]
        # com.amazonaws.<region>.dsql-<suffix>, of which the last part alone is read
        start = f"com.amazonaws.{self.cluster_region}."
        name = self._read("vpc-endpoint-service-name", rf"{start.replace('.', '[.]')}dsql[a-z0-9-]*")
        return f"{start}{Fn.select(3, Fn.split('.', name))}"

    def _read(self, field: str, form: str) -> str:
        """The parameter's value, which CloudFormation refuses if it is not of *form*.

        AWS does not document whether AllowedPattern is compared with the value or with the parameter's name, and some
        templates rely on the name: it allows both.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-supplied-parameter-types.html
        """
        path, stack = f"{self.folder}/{field}", self._stack
        id = path.strip("/").replace("/", "-")
        found = stack.node.try_find_child(id)
        parameter = (
            found
            if isinstance(found, CfnParameter)
            else CfnParameter(
                stack,
                id,
                type="AWS::SSM::Parameter::Value<String>",
                default=path,
                allowed_pattern=f"{path}|{form}",
                constraint_description=f"is read from SSM parameter {path}, which has to match {form}",
            )
        )
        return parameter.value_as_string


def _before(marks: str, value: str) -> str:
    """The part of *value*, which is known at deployment, before the first of *marks*."""
    part: Any = value
    for mark in marks:
        part = {"Fn::Select": [0, {"Fn::Split": [mark, part]}]}  # by Fn it would be two jsii requests for each
    return Token.as_string(part)


def arn_of(identifier: str, region: str, partition: str, account: str) -> str:
    """ARN of a cluster."""
    return f"arn:{partition}:dsql:{region}:{account}:cluster/{identifier}"


def parameter_folder(cluster: IRegionalCluster) -> str | None:
    """Folder of the SSM parameters that *cluster* is read from; None if it is read from none."""
    return cluster.folder if isinstance(cluster, RegisteredCluster) else None


def endpoint_of(identifier: str, region: str) -> str:
    """Host name of a cluster.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """
    return f"{identifier}.dsql.{region}.on.aws"
