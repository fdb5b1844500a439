"""The two clusters of the template, and the calls that describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from ..parameter_registry import IDENTIFIER
from .cluster import ClientFactory, Cluster, PeeringError, describe, vpc_endpoint_service_name
from .stack_records import stack_resource, stack_status


class Pair:
    """Reads both sides. `local` is the cluster in the stack of the peering, `peer` the other one.

    Which clusters these are comes from the template alone (docs/adr/0015): from the function's environment, and for a
    peer that its stack creates from CloudFormation's record of that stack.

    Args:
        environment: The function's.
        client: Gives the boto3 client for a service and a Region.
    """

    def __init__(self, environment: Mapping[str, str], client: ClientFactory) -> None:
        self.deployment = environment["DEPLOYMENT"]
        self.pair_tag = environment["PAIR_TAG"]
        self.local_arn = environment["CLUSTER_ARN"]
        _, self._partition, _, self.local_region, self._account, _ = self.local_arn.split(":")
        self.stack_id = environment["STACK_ID"]
        self._resource = environment["RESOURCE"]
        self.peer_region = environment["PEER_REGION"]
        self._adopted_peer = environment.get("PEER_ARN")
        self.peer_stack = environment.get("PEER_STACK", "")
        self._peer_logical_id = environment.get("PEER_LOGICAL_ID", "")
        self.witness_region = environment["WITNESS_REGION"]
        self.parameter_regions = environment["PARAMETER_REGIONS"].split(",")
        self.destroys = environment["REMOVAL_POLICY"] == "destroy"
        self.timeout = float(environment["TIMEOUT_SECONDS"])
        self.client = client

    def dsql(self, region: str) -> Any:
        return self.client("dsql", region)

    def ssm(self, region: str) -> Any:
        return self.client("ssm", region)

    def local(self) -> Cluster:
        return self.describe(self.local_arn)

    @property
    def is_adopted(self) -> bool:
        """Whether the clusters exist without their stacks, which never delete them nor take them apart."""
        return self._adopted_peer is not None

    def peer(self) -> Cluster | None:
        """None where the peer's stack has no cluster."""
        return self.describe(self.peer_arn) if self.peer_arn else None

    @cached_property
    def peer_arn(self) -> str | None:
        """ARN of the adopted peer, or of the cluster in its stack; None where there is no stack, or no cluster in it.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dsql-cluster.html
        (Ref returns the identifier, and so it is the physical id)
        """
        if self._adopted_peer:
            return self._adopted_peer
        record = self._record(self.peer_region, self.peer_stack, self._peer_logical_id)
        identifier = record.get("PhysicalResourceId")
        if not identifier:
            return None
        arn = self.arn_in(identifier, self.peer_region)
        if not arn:
            raise PeeringError(
                f"CloudFormation says that {self._peer_logical_id} in stack {self.peer_stack} in {self.peer_region} is "
                f"{identifier[:100]!r}, which is not a cluster identifier (26 lowercase letters and digits). Deploy "
                "that stack from the same app as this one, then this one."
            )
        return arn

    def own_record(self) -> Mapping[str, Any]:
        """What CloudFormation recorded for the peering's custom resource; empty where it has no record."""
        return self._record(self.local_region, self.stack_id, self._resource)

    def _record(self, region: str, stack: str, logical_id: str) -> Mapping[str, Any]:
        return stack_resource(self.client, region, stack, logical_id)

    def stack_status(self) -> str:
        """What CloudFormation does with the stack of the peering."""
        return stack_status(self.client, self.local_region, self.stack_id)

    def arn_in(self, text: str, region: str) -> str | None:
        """The ARN that *text* is or has the identifier of, if it can be a cluster's of this account in *region*."""
        identifier = text.rpartition("/")[2]
        arn = f"arn:{self._partition}:dsql:{region}:{self._account}:cluster/{identifier}"
        return arn if re.fullmatch(IDENTIFIER, identifier) and text in (arn, identifier) else None

    def named_by(self, cluster: Cluster, *, beside: Cluster | None) -> list[Cluster]:
        """Peers of *cluster* but *beside*; one in a third Region, where no call is allowed, is taken to exist."""
        return [
            self.describe(arn)
            if any(arn == self.arn_in(arn, region) for region in (self.local_region, self.peer_region))
            else Cluster(region="", identifier="", arn=arn, status="unknown", peers=frozenset({cluster.arn}))
            for arn in sorted(cluster.peers - ({beside.arn} if beside else set()))
        ]

    def existing_peers(self, cluster: Cluster, *, beside: Cluster | None) -> list[Cluster]:
        """Those of `named_by` that make a pair with *cluster*: they exist, and have it as their peer."""
        return [one for one in self.named_by(cluster, beside=beside) if one.remains and cluster.arn in one.peers]

    def describe(self, arn: str) -> Cluster:
        """As `cluster.describe`."""
        return describe(self.client, arn)

    def vpc_endpoint_service_name(self, cluster: Cluster) -> str:
        """As `cluster.vpc_endpoint_service_name`."""
        return vpc_endpoint_service_name(self.client, cluster)
