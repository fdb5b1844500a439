"""A cluster as Aurora DSQL describes it, and what its answers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws_errors import is_transient

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


def describe(client: ClientFactory, arn: str) -> Cluster:
    """The cluster behind *arn* now.

    Raises:
        PeeringError: another cluster answers.
    """
    region, identifier = region_of(arn), arn.rsplit("/", 1)[-1]
    what = f"GetCluster on {identifier} in {region}"
    try:
        found = ask(what, client("dsql", region).get_cluster, identifier=identifier)
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


def vpc_endpoint_service_name(client: ClientFactory, cluster: Cluster) -> str:
    """The name of *cluster*'s service for AWS PrivateLink, which GetCluster does not return.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetVpcEndpointServiceName.html
    """
    what = f"GetVpcEndpointServiceName of {cluster.identifier} in {cluster.region}"
    call = client("dsql", cluster.region).get_vpc_endpoint_service_name
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
