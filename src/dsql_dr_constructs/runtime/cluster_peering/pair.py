"""The two clusters as the peering's custom resource names them, and how to ask AWS about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws_errors import is_transient
from .registry import FIELDS, registry_path

ClientFactory = Callable[[str, str], Any]
"""Gives the boto3 client for a service and a Region."""

_BUSY = frozenset(
    {
        "ConflictException",  # DSQL: a cluster that is UPDATING
        "TooManyUpdates",  # SSM: two writes of one parameter at once
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


class Denied(PeeringError):  # noqa: N818 - what IAM said
    """IAM said no, which just after a change of the policy is no verdict yet."""


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

    @property
    def remains(self) -> bool:
        """Whether it is there, and not on its way out."""
        return self.status not in _GONE

    def __str__(self) -> str:
        return f"{self.identifier} in {self.region} is {self.status}"

    def to_json(self) -> dict[str, Any]:
        """What a person wants to know of it."""
        known = {"region": self.region, "identifier": self.identifier, "status": self.status}
        return {**known, "peers": sorted(self.peers), "witness": self.witness_region}


class Pair:
    """Reads both sides. `local` is the cluster in the stack of the peering, `peer` the other one."""

    def __init__(self, properties: Mapping[str, Any], client: ClientFactory) -> None:
        self.deployment: str = properties["Deployment"]
        self.local_arn: str = properties["ClusterArn"]
        self.local_region = region_of(self.local_arn)
        self.peer_region: str = properties["PeerRegion"]
        self.witness_region: str = properties["WitnessRegion"]
        self.registry_regions: list[str] = properties["RegistryRegions"]
        self.client = client

    def dsql(self, region: str) -> Any:
        return self.client("dsql", region)

    def ssm(self, region: str) -> Any:
        return self.client("ssm", region)

    def local(self) -> Cluster:
        return self.describe(self.local_arn)

    def describe(self, arn: str) -> Cluster:
        """The cluster behind *arn* now."""
        region, identifier = region_of(arn), arn.rsplit("/", 1)[-1]
        what = f"GetCluster on {identifier} in {region}"
        try:
            found = ask(what, self.dsql(region).get_cluster, identifier=identifier)
        except NotFound:
            return Cluster(region, identifier, arn, "not found")
        if not found.get("status"):
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
        )

    def peer_arn(self) -> str | None:
        """The peer's ARN: from its own Region's registry, else from what the local cluster says of its peers."""
        name = registry_path(self.deployment, self.peer_region, "arn")
        answer = ask(f"GetParameters in {self.peer_region}", self.ssm(self.peer_region).get_parameters, Names=[name])
        if answer["Parameters"]:
            value = str(answer["Parameters"][0]["Value"])
            if not re.fullmatch(rf"arn:aws[a-z-]*:dsql:{self.peer_region}:\d{{12}}:cluster/[a-z0-9]+", value):
                raise PeeringError(
                    f"SSM parameter {name} in {self.peer_region} is {value[:100]!r}, and must be the peer's ARN: "
                    f"arn:<partition>:dsql:{self.peer_region}:<account>:cluster/<identifier>. Put it there with aws "
                    f"ssm put-parameter --region {self.peer_region} --name {name} --overwrite --value <ARN>, and try "
                    "again."
                )
            return value
        return next((arn for arn in sorted(self.local().peers) if region_of(arn) == self.peer_region), None)

    def vpc_endpoint_service_name(self, cluster: Cluster) -> str:
        """The name of *cluster*'s service for AWS PrivateLink, which GetCluster does not tell.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_GetVpcEndpointServiceName.html
        """
        what = f"GetVpcEndpointServiceName of {cluster.identifier} in {cluster.region}"
        call = self.dsql(cluster.region).get_vpc_endpoint_service_name
        return str(ask(what, call, identifier=cluster.identifier)["serviceName"])

    def registry(self, *clusters: Cluster) -> dict[str, str]:
        """The entries that stand for *clusters* in every Region of the registry; none for what is not known."""
        entries = {
            registry_path(self.deployment, cluster.region, field): str(getattr(cluster, attribute))
            for cluster in clusters
            for field, attribute in FIELDS.items()
        }
        return {name: value for name, value in entries.items() if value}


class NotFound(Exception):  # noqa: N818 - an answer, not always an error
    """AWS knows no such thing."""


def region_of(arn: str) -> str:
    return arn.split(":")[3]


def ask(what: str, call: Callable[..., Any], **arguments: Any) -> Any:
    """The answer of *call*, its failure sorted into `NotFound`, `TryAgain` and `PeeringError`; *what* names it."""
    try:
        return call(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        said = f"{code}: {error.response['Error'].get('Message', '')}"
        if code == "ResourceNotFoundException":
            raise NotFound(what) from error
        if code in _BUSY or is_transient(error):
            raise TryAgain(f"{what} was answered by {said}") from error
        if code.startswith("AccessDenied"):
            raise Denied(
                f"{what} was denied ({said}). Look for a service control policy or a permission boundary that takes it "
                "from the peering function's role, then deploy again."
            ) from error
        raise PeeringError(f"{what} was refused ({said}).") from error
    except BotoCoreError as error:  # no connection, no answer in time
        raise TryAgain(f"{what} got no answer ({error})") from error
