"""A pair of clusters, the registry and a stack in memory, with hand-made clients for what the handlers call."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from tests.runtime.judge import Call, judged, operation_name

LOCAL = "arn:aws:dsql:us-west-2:111111111111:cluster/local"
PEER = "arn:aws:dsql:us-east-1:111111111111:cluster/peer"
PEER_ENTRY = "/dsql-dr/Orders-production/us-east-1/arn"
STACK = "arn:aws:cloudformation:us-west-2:111111111111:stack/Orders/1"
GARBAGE = [
    "",
    "orders",
    PEER.replace("us-east-1", "us-east-2"),
    PEER.replace("111111111111", "1"),
    PEER.replace("cluster/peer", "cluster/"),
    PEER.replace(":dsql:", ":rds:"),
    f"{PEER}\n",
]
"""What somebody may have put where the peer's ARN was."""
_CREATED = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Killed(BaseException):
    """The function's process ended here."""


class HandMadeAws:
    """What the clusters are, what was written, and what goes wrong next."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.clusters: dict[str, dict[str, Any]] = {
            arn: {"status": "PENDING_SETUP", "peers": [], "protected": False, "witness": "us-east-2"}
            for arn in (PEER, LOCAL)
        }
        self.registry = {("us-east-1", PEER_ENTRY): PEER}
        self.stack_status = "CREATE_IN_PROGRESS"
        self.empty_clusters = "take"  # what UpdateCluster does with an empty list: take, refuse or ignore
        self.calls: list[tuple[str, str]] = []
        self.writes: list[tuple[str, str]] = []
        self.record: list[Call] = []
        self.killed_after: int | None = None
        self._failures: list[tuple[str, str, Exception]] = []
        self._events: dict[tuple[str, str], Callable[[], object]] = {}

    def fail(self, call: str, region: str, error: str | Exception, *, times: int = 1, message: str = "no") -> None:
        """Let the next *times* of *call* in *region* raise *error*."""
        raised = ClientError({"Error": {"Code": error, "Message": message}}, call) if isinstance(error, str) else error
        self._failures += [(call, region, raised)] * times

    def before(self, call: str, region: str, event: Callable[[], object]) -> None:
        """Let *event* happen just before the next *call* in *region* is answered."""
        self._events[call, region] = event

    def peered(self) -> HandMadeAws:
        """As a finished handshake leaves it, the registry apart."""
        for arn, other in ((PEER, LOCAL), (LOCAL, PEER)):
            self.clusters[arn].update(status="ACTIVE", peers=[arn, other])
        return self

    def client(self, service: str, region: str) -> Any:
        methods: dict[str, dict[str, Callable[..., Any]]] = {
            "dsql": {
                "get_cluster": self._get_cluster,
                "update_cluster": self._update_cluster,
                "delete_cluster": self._delete_cluster,
                "get_vpc_endpoint_service_name": self._get_vpc_endpoint_service_name,
            },
            "ssm": {
                "get_parameters": self._get_parameters,
                "put_parameter": self._put_parameter,
                "delete_parameters": self._delete_parameters,
            },
            "cloudformation": {"describe_stacks": self._describe_stacks},
        }
        answering = {name: self._answering(service, name, region, call) for name, call in methods[service].items()}
        return judged(service, answering)

    def event(self, request_type: str = "Create", **properties: Any) -> dict[str, Any]:
        """CloudFormation's event as the Provider framework hands it to `is_complete`."""
        return {
            "RequestType": request_type,
            "StackId": STACK,
            "StartedAt": self.now,
            "ResourceProperties": {
                "Deployment": "Orders-production",
                "ClusterArn": LOCAL,
                "PeerRegion": "us-east-1",
                "WitnessRegion": "us-east-2",
                "RegistryRegions": ["us-east-1", "us-west-2"],
                "RemovalPolicy": "retain",
                "TimeoutSeconds": "1800",  # CloudFormation hands every property over as a string
                **properties,
            },
        }

    def properties(self) -> dict[str, Any]:
        """What the function's environment says, by the names of the custom resource."""
        named: dict[str, Any] = self.event()["ResourceProperties"]
        return {name: value for name, value in named.items() if name not in ("RemovalPolicy", "TimeoutSeconds")}

    def _answering(self, service: str, name: str, region: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def answer(**arguments: Any) -> Any:
            self.calls.append((name, region))
            before = self._peers(region, arguments)
            self.record.append(Call(service, operation_name(service, name), region, arguments, {"peers": before}))
            self._events.pop((name, region), lambda: None)()
            for failure in self._failures:
                if failure[:2] == (name, region):
                    self._failures.remove(failure)
                    raise failure[2]
            answered = call(region, **arguments)
            if not name.startswith(("get_", "describe_")):
                self.writes.append((name, region))
                if len(self.writes) == self.killed_after:
                    raise Killed
            return answered

        return answer

    def _find(self, region: str, identifier: str) -> dict[str, Any]:
        for arn, cluster in self.clusters.items():
            if arn.split(":")[3] == region and arn.endswith(f"/{identifier}"):
                return cluster
        raise ClientError({"Error": {"Code": "ResourceNotFoundException", "Message": "no such cluster"}}, "GetCluster")

    def _get_cluster(self, region: str, identifier: str) -> dict[str, Any]:
        cluster = self._find(region, identifier)
        described = {
            "identifier": identifier,
            "arn": f"arn:aws:dsql:{region}:111111111111:cluster/{identifier}",
            "creationTime": _CREATED,
            "status": cluster["status"],
            "endpoint": f"{identifier}.dsql.{region}.on.aws",
            "deletionProtectionEnabled": cluster["protected"],
            "multiRegionProperties": {"witnessRegion": cluster["witness"], "clusters": list(cluster["peers"])},
        }
        if cluster["status"] in ("UPDATING", "CREATING"):  # done by the next look
            cluster["status"] = "PENDING_SETUP"
        if all(one["peers"] and one["status"] in ("PENDING_SETUP", "ACTIVE") for one in self.clusters.values()):
            for one in self.clusters.values():
                one["status"] = "ACTIVE"
        return described

    def _peers(self, region: str, arguments: dict[str, Any]) -> frozenset[str]:
        arn = f"arn:aws:dsql:{region}:111111111111:cluster/{arguments.get('identifier')}"
        return frozenset(self.clusters[arn]["peers"]) - {arn} if arn in self.clusters else frozenset()

    def _update_cluster(self, region: str, identifier: str, multiRegionProperties: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        cluster, arn = self._find(region, identifier), f"arn:aws:dsql:{region}:111111111111:cluster/{identifier}"
        named = multiRegionProperties["clusters"]
        if not named and self.empty_clusters == "refuse":
            message = "A multi-Region cluster has a peer."
            raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "UpdateCluster")
        if not named and self.empty_clusters == "ignore":
            named = [one for one in cluster["peers"] if one != arn]
        cluster["peers"] = [arn, *named] if named else []  # AWS lists the cluster itself, too
        cluster["witness"] = multiRegionProperties["witnessRegion"]
        cluster["status"] = "UPDATING"
        return {"identifier": identifier, "arn": arn, "status": "UPDATING", "creationTime": _CREATED}

    def _delete_cluster(self, region: str, identifier: str) -> dict[str, Any]:
        self._find(region, identifier)["status"] = "PENDING_DELETE"
        arn = f"arn:aws:dsql:{region}:111111111111:cluster/{identifier}"
        return {"identifier": identifier, "arn": arn, "status": "PENDING_DELETE", "creationTime": _CREATED}

    def _get_vpc_endpoint_service_name(self, region: str, identifier: str) -> dict[str, Any]:
        self._find(region, identifier)
        return {"serviceName": f"com.amazonaws.{region}.dsql-{identifier}"}

    def _get_parameters(self, region: str, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        assert len(Names) <= 10, "SSM takes ten names at once"
        found = [
            {"Name": name, "Value": self.registry[region, name]} for name in Names if (region, name) in self.registry
        ]
        return {"Parameters": found}

    def _put_parameter(self, region: str, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803
        assert (Type, Overwrite) == ("String", True)
        self.registry[region, Name] = Value

    def _delete_parameters(self, region: str, Names: list[str]) -> None:  # noqa: N803
        assert len(Names) <= 10, "SSM takes ten names at once"
        for name in Names:
            self.registry.pop((region, name), None)

    def _describe_stacks(self, region: str, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert (region, StackName) == ("us-west-2", STACK)
        return {"Stacks": [{"StackName": "Orders", "CreationTime": _CREATED, "StackStatus": self.stack_status}]}


def no_arn(value: str) -> str:
    """A pattern of what is said when *value* stands where the peer's ARN should."""
    return (
        rf"SSM parameter {PEER_ENTRY} in us-east-1 is {re.escape(repr(value))}, and must be the peer's ARN: .*"
        f"put-parameter --region us-east-1 --name {PEER_ENTRY} --overwrite"
    )


def without_status(aws: HandMadeAws) -> Callable[[str, str], Any]:
    """Clients of *aws* whose GetCluster leaves the status out in us-east-1, against AWS's model."""

    def client(service: str, region: str) -> Any:
        made = aws.client(service, region)
        if (service, region) == ("dsql", "us-east-1"):
            whole = made.get_cluster
            made.get_cluster = lambda **arguments: {**whole(**arguments), "status": None}
        return made

    return client
