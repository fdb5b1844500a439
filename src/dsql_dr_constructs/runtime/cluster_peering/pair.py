"""The two clusters of the template, and the calls that describe them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws_errors import is_transient
from ..parameter_registry import IDENTIFIER

ClientFactory = Callable[[str, str], Any]
"""Gives the boto3 client for a service and a Region."""

_BUSY = frozenset(
    {
        "ConflictException",  # DSQL: a cluster that is UPDATING
        "TooManyUpdates",  # SSM: two writes of one parameter at once
        "ParameterAlreadyExists",  # SSM: somebody wrote it since it was read
        "InternalServerException",  # DSQL
        "InternalServerError",  # SSM
    }
)
"""Answers that another try may change, beside those that botocore itself tries again.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_UpdateCluster.html#API_UpdateCluster_Errors
"""

_GONE = frozenset({"DELETING", "DELETED", "PENDING_DELETE", "not found"})
SERVING = frozenset({"ACTIVE", "IDLE", "INACTIVE"})
"""IDLE and INACTIVE are ACTIVE without connections.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/cluster-lifecycle.html
"""

"""Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetCluster.html"""

_LONGEST_REASON = 1500  # CloudFormation takes 4 KB for the whole response


class PeeringError(Exception):
    """What went wrong and what to do, as CloudFormation will show it."""

    def __init__(self, message: str) -> None:
        super().__init__(message if len(message) <= _LONGEST_REASON else message[: _LONGEST_REASON - 3] + "...")


class Denied(PeeringError):  # noqa: N818 - IAM's answer
    """IAM denied the call, which just after a change of the policy may pass."""


class TryAgain(Exception):  # noqa: N818 - a wait, not an error
    """The answer may be another one at the next poll; the text says what stands in the way."""


@dataclass(frozen=True)
class Cluster:
    """One side of the pair as GetCluster shows it; *status* is ``not found`` where there is none."""

    region: str
    identifier: str
    arn: str
    status: str
    endpoint: str = ""
    vpc_endpoint_service_name: str = ""
    witness_region: str | None = None
    peers: frozenset[str] = frozenset()
    deletion_protection: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def remains(self) -> bool:
        """Whether it exists, and is not being deleted."""
        return self.status not in _GONE

    @property
    def remove_peers_command(self) -> str:
        """The command that removes its peers."""
        properties = f'{{"witnessRegion":"{self.witness_region}","clusters":[]}}'
        return (
            f"aws dsql update-cluster --region {self.region} --identifier {self.identifier} "
            f"--multi-region-properties '{properties}'"
        )

    def __str__(self) -> str:
        return f"{self.identifier} in {self.region} is {self.status}"

    def to_json(self) -> dict[str, Any]:
        """What the repair's answer has of it."""
        known = {"region": self.region, "identifier": self.identifier, "status": self.status}
        return {**known, "peers": sorted(self.peers), "witness": self.witness_region}


class Pair:
    """Reads both sides. `local` is the cluster in the stack of the peering, `peer` the other one.

    Which clusters these are comes from the template alone (docs/adr/0015): from the function's environment, and from
    CloudFormation's record of the peer's stack.

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
        self.peer_stack = environment["PEER_STACK"]
        self._peer_logical_id = environment["PEER_LOGICAL_ID"]
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

    def peer(self) -> Cluster | None:
        """None where the peer's stack has no cluster."""
        return self.describe(self.peer_arn) if self.peer_arn else None

    @cached_property
    def peer_arn(self) -> str | None:
        """ARN of the cluster in the peer's stack; None where there is no such stack, or no cluster in it.

        Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dsql-cluster.html
        (Ref returns the identifier, and so it is the physical id)
        """
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
        what = f"DescribeStackResource of {logical_id} in {stack} in {region}"
        call = self.client("cloudformation", region).describe_stack_resource
        try:
            answer = ask(what, call, StackName=stack, LogicalResourceId=logical_id)
        except NotFound:
            return {}
        found: Mapping[str, Any] = answer["StackResourceDetail"]
        return found

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
        """The cluster behind *arn* now.

        Raises:
            PeeringError: another cluster answers.
        """
        region, identifier = region_of(arn), arn.rsplit("/", 1)[-1]
        what = f"GetCluster on {identifier} in {region}"
        try:
            found = ask(what, self.dsql(region).get_cluster, identifier=identifier)
        except NotFound:
            return Cluster(region, identifier, arn, "not found")
        if found.get("arn") != arn:
            raise PeeringError(
                f"{what} was answered for {found.get('arn')!r}, and {arn} was asked for. Look for an endpoint or a "
                "proxy that answers in place of Aurora DSQL, then try again."
            )
        if not isinstance(found.get("status"), str) or not found["status"]:
            raise TryAgain(f"{what} was answered without a status")
        multi_region = found.get("multiRegionProperties") or {}
        return Cluster(
            region=region,
            identifier=identifier,
            arn=arn,
            status=found["status"],
            endpoint=found.get("endpoint") or f"{identifier}.dsql.{region}.on.aws",
            witness_region=multi_region.get("witnessRegion"),
            peers=frozenset(multi_region.get("clusters") or ()) - {arn},  # GetCluster lists the cluster itself too
            deletion_protection=bool(found.get("deletionProtectionEnabled")),
            tags=found.get("tags") or {},
        )

    def vpc_endpoint_service_name(self, cluster: Cluster) -> str:
        """The name of *cluster*'s service for AWS PrivateLink, which GetCluster does not return.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetVpcEndpointServiceName.html
        """
        what = f"GetVpcEndpointServiceName of {cluster.identifier} in {cluster.region}"
        call = self.dsql(cluster.region).get_vpc_endpoint_service_name
        return str(ask(what, call, identifier=cluster.identifier)["serviceName"])


class NotFound(Exception):  # noqa: N818 - an answer, not always an error
    """There is no such resource."""


def region_of(arn: str) -> str:
    return arn.split(":")[3]


def ask(what: str, call: Callable[..., Any], **arguments: Any) -> Any:
    """The answer of *call*, its failure sorted into `NotFound`, `TryAgain` and `PeeringError`; *what* names it."""
    try:
        return call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        said = f"{code}: {error.response['Error'].get('Message', '')}"
        # CloudFormation has no code of its own for a stack or a resource that is not there
        if code == "ResourceNotFoundException" or (code == "ValidationError" and "does not exist" in said):
            raise NotFound(what) from error
        if code in _BUSY or is_transient(error):
            raise TryAgain(f"{what} was answered by {said}") from error
        if code.startswith("AccessDenied"):
            raise Denied(
                f"{what} was denied ({said}). Look for a service control policy or a permissions boundary that denies "
                "it to the peering function's role, then deploy again."
            ) from error
        raise PeeringError(f"{what} was refused ({said}).") from error
    except BotoCoreError as error:  # no connection, no answer in time
        raise TryAgain(f"{what} got no answer ({error})") from error
