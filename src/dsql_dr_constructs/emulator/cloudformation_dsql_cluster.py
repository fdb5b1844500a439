"""CloudFormation's handler for ``AWS::DSQL::Cluster``.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-dsql-cluster.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from .dsql import AWS_OWNED_KEY, ON_THE_WAY_OUT, Dsql
from .dsql_cluster import Cluster, DsqlError

NO_ENDPOINT = (
    "A cluster has no Endpoint attribute before it is ACTIVE for the first time, since AWS does not document that it "
    "has a value then. Compose it: <identifier>.dsql.<Region>.on.aws."
)
_HANDLER_TIMEOUT = 120.0
_Answer = TypeVar("_Answer")


class ClusterHandler:
    """Creates, updates and deletes clusters for stacks, and waits as AWS's handler does.

    Args:
        dsql: The control plane.
        where: Gives account and Region of the stack at work.
    """

    def __init__(self, dsql: Dsql, where: Callable[[], tuple[str, str]]) -> None:
        self._dsql = dsql
        self._where = where
        self._delete_waits = dsql.undocumented.delete_mode == "wait"

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> tuple[str, dict[str, Any]]:
        request = _request(properties)
        request |= {"tags": _tags(properties), "policy": properties.get("PolicyDocument")}
        cluster = self._ask(lambda: self._dsql.create_cluster(*self._where(), request))
        settled = self._wait(cluster.identifier, lambda one: one.status in ("ACTIVE", "PENDING_SETUP"))
        return cluster.identifier, self._attributes(settled or cluster)

    def update(
        self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str
    ) -> tuple[str, dict[str, Any]]:
        request = _request(new)
        if old.get("KmsEncryptionKey"):
            request.setdefault("kmsEncryptionKey", AWS_OWNED_KEY)
        if _request(old) != request:
            self._ask(lambda: self._dsql.update_cluster(*self._where(), identifier, request))
        cluster = self._wait(identifier, lambda one: one.status != "UPDATING")
        if cluster is None:
            raise RuntimeError(f"Resource of type 'AWS::DSQL::Cluster' with identifier '{identifier}' was not found.")
        cluster.tags = _tags(new)
        policy = new.get("PolicyDocument")
        if policy != old.get("PolicyDocument"):
            self._ask(lambda: cluster.change_policy(policy))
        return identifier, self._attributes(cluster)

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        cluster = self._find(identifier)
        if cluster is None:
            return
        if cluster.status not in ON_THE_WAY_OUT:
            self._ask(lambda: self._dsql.delete_cluster(*self._where(), identifier))
        self._wait(identifier, lambda one: one.status == "PENDING_DELETE" and not self._delete_waits)

    def _attributes(self, cluster: Cluster) -> dict[str, Any]:
        attributes = {
            "Identifier": cluster.identifier,
            "ResourceArn": cluster.arn,
            "Status": cluster.status,
            "Endpoint": cluster.endpoint,
            "CreationTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(cluster.created)),
            "VpcEndpointServiceName": cluster.vpc_endpoint_service_name,
            "VpcEndpoint": cluster.vpc_endpoint,
            "EncryptionDetails.EncryptionStatus": self._dsql.encryption_status(cluster),
            "PolicyVersion": str(cluster.policy_version) if cluster.policy else "",
        }
        if not self._dsql.shows_endpoint(cluster):
            del attributes["Endpoint"]
        return attributes

    def _find(self, identifier: str) -> Cluster | None:
        try:
            return self._dsql.get_cluster(*self._where(), identifier)
        except DsqlError:
            return None

    def _wait(self, identifier: str, settled: Callable[[Cluster], bool]) -> Cluster | None:
        """The cluster once it is *settled*; None once it is gone."""
        until = time.monotonic() + _HANDLER_TIMEOUT
        while time.monotonic() < until:
            cluster = self._find(identifier)
            if cluster is None or settled(cluster):
                return cluster
            if cluster.status == "FAILED":
                break
            time.sleep(0.05)
        status = cluster.status if cluster else "gone"
        raise RuntimeError(
            f'Resource handler returned message: "Cluster {identifier} is {status}" (HandlerErrorCode: NotStabilized)'
        )

    def _ask(self, call: Callable[[], _Answer]) -> _Answer:
        try:
            return call()
        except DsqlError as error:
            raise RuntimeError(
                f'Resource handler returned message: "{error.message} (Service: Dsql)" '
                f"(HandlerErrorCode: {error.code.removesuffix('Exception')})"
            ) from error


def _request(properties: dict[str, Any]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "deletionProtectionEnabled": str(properties.get("DeletionProtectionEnabled", "true")).lower() == "true"
    }
    if properties.get("KmsEncryptionKey"):
        request["kmsEncryptionKey"] = properties["KmsEncryptionKey"]
    multi_region = properties.get("MultiRegionProperties")
    if multi_region:
        keys = (("WitnessRegion", "witnessRegion"), ("Clusters", "clusters"))
        request["multiRegionProperties"] = {key: multi_region[name] for name, key in keys if name in multi_region}
    return request


def _tags(properties: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}
