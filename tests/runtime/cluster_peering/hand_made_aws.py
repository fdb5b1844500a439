"""A pair of clusters, SSM parameters and two stacks in memory, with hand-made clients for what the handlers call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import ClientError

from dsql_dr_constructs.runtime.cluster_peering.pair import Pair
from tests.runtime.judge import Call, judged, operation_name

LOCAL_ID, PEER_ID = "local".ljust(26, "0"), "peer".ljust(26, "0")
LOCAL = f"arn:aws:dsql:us-west-2:111111111111:cluster/{LOCAL_ID}"
PEER = f"arn:aws:dsql:us-east-1:111111111111:cluster/{PEER_ID}"
OTHER_PEER, OTHER_LOCAL, THIRD = (
    f"arn:aws:dsql:{region}:111111111111:cluster/{'other'.ljust(26, '0')}"
    for region in ("us-east-1", "us-west-2", "ca-central-1")
)
"""Clusters of the account that are not the pair's; `HandMadeAws` has none of them until they are added."""
FINISHED = "dsql-dr/Orders-production"
UNFINISHED = f"{FINISHED}/unfinished"
PEER_ENTRY = "/dsql-dr/Orders-production/us-east-1/arn"
STACK = "arn:aws:cloudformation:us-west-2:111111111111:stack/Orders/1"
PEER_STACK = "Orders-Primary"
ENVIRONMENT = {
    "DEPLOYMENT": "Orders-production",
    "PAIR_TAG": "ours",
    "CLUSTER_ARN": LOCAL,
    "STACK_ID": STACK,
    "RESOURCE": "Peering",
    "PEER_REGION": "us-east-1",
    "PEER_STACK": PEER_STACK,
    "PEER_LOGICAL_ID": "Cluster",
    "WITNESS_REGION": "us-east-2",
    "PARAMETER_REGIONS": "us-east-1,us-west-2",
    "REMOVAL_POLICY": "retain",
    "TIMEOUT_SECONDS": "1800",
}
"""What the template gives to the function."""
ADOPTING = {
    **{name: value for name, value in ENVIRONMENT.items() if name not in ("PEER_STACK", "PEER_LOGICAL_ID")},
    "PEER_ARN": PEER,
}
"""The same for clusters that are adopted."""
OURS = {"dsql-dr:deployment": "Orders-production", "dsql-dr:pair": "ours"}
"""Tags of the pair's clusters."""
_CREATED = datetime(2026, 1, 1, tzinfo=timezone.utc)


class Killed(BaseException):
    """The function's process ended here."""


class HandMadeAws:
    """What the clusters are, what was written, and what goes wrong next."""

    def __init__(self, **environment: str) -> None:
        self.now = 1000.0
        self.environment = {**ENVIRONMENT, **environment}
        self.clusters: dict[str, dict[str, Any]] = {}
        self.add_cluster(PEER)
        self.add_cluster(LOCAL)
        self.parameters: dict[tuple[str, str], str] = {}
        self.physical_ids: dict[tuple[str, str], str | None] = {
            (PEER_STACK, "Cluster"): PEER_ID,
            (STACK, "Peering"): FINISHED,
        }
        self.stack_status = "CREATE_IN_PROGRESS"
        self.resource_status = "CREATE_COMPLETE"
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

    def add_cluster(self, arn: str, *, peers: Sequence[str] = (), tags: Mapping[str, str] | None = None) -> None:
        status = "ACTIVE" if peers else "PENDING_SETUP"
        known = [arn, *peers] if peers else []  # AWS lists the cluster itself, too
        self.clusters[arn] = {"status": status, "peers": known, "protected": False, "witness": "us-east-2"}
        self.clusters[arn]["tags"] = tags or {}

    def peered(self) -> HandMadeAws:
        """As a finished peering leaves it, without the SSM parameters."""
        for arn, other in ((PEER, LOCAL), (LOCAL, PEER)):
            self.add_cluster(arn, peers=[other])
        return self

    def pair(self) -> Pair:
        """As a new process of the function has it."""
        return Pair(self.environment, self.client)

    def client(self, service: str, region: str) -> Any:
        methods: dict[str, dict[str, Callable[..., Any]]] = {
            "dsql": {
                "get_cluster": self._get_cluster,
                "update_cluster": self._update_cluster,
                "delete_cluster": self._delete_cluster,
                "get_vpc_endpoint_service_name": self._get_vpc_endpoint_service_name,
                "tag_resource": self._tag_resource,
            },
            "ssm": {
                "get_parameters": self._get_parameters,
                "put_parameter": self._put_parameter,
                "delete_parameters": self._delete_parameters,
            },
            "cloudformation": {
                "describe_stacks": self._describe_stacks,
                "describe_stack_resource": self._describe_stack_resource,
            },
        }
        answering = {name: self._answering(service, name, region, call) for name, call in methods[service].items()}
        return judged(service, answering)

    def event(self, request_type: str = "Create", **more: Any) -> dict[str, Any]:
        """CloudFormation's event as the Provider framework hands it to `is_complete`."""
        return {"RequestType": request_type, "StartedAt": self.now, "ResourceProperties": {}, **more}

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
            "tags": dict(cluster["tags"]),
            "multiRegionProperties": {"witnessRegion": cluster["witness"], "clusters": list(cluster["peers"])},
        }
        if cluster["status"] in ("UPDATING", "CREATING"):  # done by the next GetCluster
            cluster["status"] = "PENDING_SETUP"
        pair = [self.clusters[arn] for arn in (PEER, LOCAL) if arn in self.clusters]
        if all(one["peers"] and one["status"] in ("PENDING_SETUP", "ACTIVE") for one in pair):
            for one in pair:
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

    def _tag_resource(self, region: str, resourceArn: str, tags: dict[str, str]) -> None:  # noqa: N803
        assert resourceArn.split(":")[3] == region
        self.clusters[resourceArn]["tags"] = {**self.clusters[resourceArn]["tags"], **tags}

    def _get_parameters(self, region: str, Names: list[str]) -> dict[str, Any]:  # noqa: N803
        assert len(Names) <= 10, "SSM takes ten names at once"
        found = [
            {"Name": name, "Value": self.parameters[region, name]}
            for name in Names
            if (region, name) in self.parameters
        ]
        return {"Parameters": found}

    def _put_parameter(self, region: str, Name: str, Value: str, Type: str, Overwrite: bool) -> None:  # noqa: N803
        assert Type == "String"
        if not Overwrite and (region, Name) in self.parameters:
            raise ClientError({"Error": {"Code": "ParameterAlreadyExists", "Message": "no"}}, "PutParameter")
        self.parameters[region, Name] = Value

    def _delete_parameters(self, region: str, Names: list[str]) -> None:  # noqa: N803
        assert len(Names) <= 10, "SSM takes ten names at once"
        for name in Names:
            self.parameters.pop((region, name), None)

    def _describe_stacks(self, region: str, StackName: str) -> dict[str, Any]:  # noqa: N803
        assert (region, StackName) == ("us-west-2", STACK)
        return {"Stacks": [{"StackName": "Orders", "CreationTime": _CREATED, "StackStatus": self.stack_status}]}

    def _describe_stack_resource(self, region: str, StackName: str, LogicalResourceId: str) -> dict[str, Any]:  # noqa: N803
        assert region == ("us-west-2" if StackName == STACK else "us-east-1")
        if (StackName, LogicalResourceId) not in self.physical_ids:
            message = f"Stack '{StackName}' does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStackResource")
        recorded = self.physical_ids[StackName, LogicalResourceId]
        detail = {
            "LogicalResourceId": LogicalResourceId,
            "ResourceType": "AWS::DSQL::Cluster",
            "ResourceStatus": self.resource_status,
            "LastUpdatedTimestamp": _CREATED,
            **({"PhysicalResourceId": recorded} if recorded is not None else {}),
        }
        return {"StackResourceDetail": detail}


def answering(aws: HandMadeAws, **members: Any) -> Callable[[str, str], Any]:
    """Clients of *aws* whose GetCluster answers with *members* in us-east-1, against AWS's model."""

    def client(service: str, region: str) -> Any:
        made = aws.client(service, region)
        if (service, region) == ("dsql", "us-east-1"):
            whole = made.get_cluster
            made.get_cluster = lambda **arguments: {**whole(**arguments), **members}
        return made

    return client
