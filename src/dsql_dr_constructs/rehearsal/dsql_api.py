"""Aurora DSQL's REST API in front of `Dsql`: which call a request is, what it needs from IAM, and its answer.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from .dsql import Cluster, Dsql, DsqlError

_ROUTES = (
    ("POST", r"/cluster", "CreateCluster"),
    ("GET", r"/cluster", "ListClusters"),
    ("GET", r"/cluster/(?P<identifier>[^/]+)", "GetCluster"),
    ("POST", r"/cluster/(?P<identifier>[^/]+)", "UpdateCluster"),
    ("DELETE", r"/cluster/(?P<identifier>[^/]+)", "DeleteCluster"),
    ("GET", r"/cluster/(?P<identifier>[^/]+)/policy", "GetClusterPolicy"),
    ("GET", r"/clusters/(?P<identifier>[^/]+)/vpc-endpoint-service-name", "GetVpcEndpointServiceName"),
    ("GET", r"/tags/(?P<arn>.+)", "ListTagsForResource"),
    ("POST", r"/tags/(?P<arn>.+)", "TagResource"),
    ("DELETE", r"/tags/(?P<arn>.+)", "UntagResource"),
)
_HTTP_STATUS = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
}


@dataclass(frozen=True)
class DsqlCall:
    """A request, understood."""

    name: str
    account: str
    region: str
    identifier: str
    body: dict[str, Any]
    query: dict[str, list[str]]

    @property
    def arn(self) -> str:
        return f"arn:aws:dsql:{self.region}:{self.account}:cluster/{self.identifier or '*'}"


def parse(
    method: str, path: str, query: dict[str, list[str]], body: bytes, account: str, region: str
) -> DsqlCall | None:
    """The call behind a request; None if DSQL has no such path."""
    for verb, pattern, name in _ROUTES:
        match = re.fullmatch(pattern, unquote(path))
        if verb == method and match:
            found = match.groupdict()
            identifier = found.get("identifier") or found.get("arn", "").rpartition("/")[2]
            return DsqlCall(name, account, region, identifier, json.loads(body or b"{}"), query)
    return None


def permissions(call: DsqlCall, dsql: Dsql) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each action, resource and condition context that IAM checks for *call*.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html
    """
    yield f"dsql:{call.name}", call.arn, {}
    asked = call.body.get("multiRegionProperties")
    if call.name not in ("CreateCluster", "UpdateCluster") or asked is None:
        return
    yield "dsql:PutMultiRegionProperties", call.arn, {}
    if witness := asked.get("witnessRegion"):
        for region in (call.region, witness):
            arn = call.arn.replace(f":{call.region}:", f":{region}:")
            yield "dsql:PutWitnessRegion", arn, {"dsql:WitnessRegion": witness}
    known = {one.arn: one for one in dsql.list_clusters(call.account, call.region)}
    before = set(known[call.arn].peers) if call.arn in known else set()
    after = set(asked.get("clusters", before)) - {call.arn}
    for action, peers in (("dsql:AddPeerCluster", after - before), ("dsql:RemovePeerCluster", before - after)):
        for arn in (call.arn, *sorted(peers)) if peers else ():
            yield action, arn, {}


def answer(call: DsqlCall, dsql: Dsql) -> tuple[int, dict[str, str], bytes]:
    """Status code, headers and body."""
    try:
        return _response(200, _result(call, dsql))
    except DsqlError as error:
        return error_response(error.code, error.message, _HTTP_STATUS.get(error.code, 400))


def error_response(code: str, message: str, status: int) -> tuple[int, dict[str, str], bytes]:
    return _response(status, {"__type": code, "message": message}, {"x-amzn-errortype": code})


def _response(status: int, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode()


def _result(call: DsqlCall, dsql: Dsql) -> dict[str, Any]:
    where = (call.account, call.region)
    if call.name == "CreateCluster":
        described = _describe(dsql.create_cluster(*where, call.body))
        return {key: value for key, value in described.items() if key != "tags"}
    if call.name == "ListClusters":
        found = dsql.list_clusters(*where)
        return {"clusters": [{"identifier": one.identifier, "arn": one.arn} for one in found]}
    if call.name == "UpdateCluster":
        return _summary(dsql.update_cluster(*where, call.identifier, call.body))
    if call.name == "DeleteCluster":
        return _summary(dsql.delete_cluster(*where, call.identifier))
    cluster = dsql.get_cluster(*where, call.identifier)
    if call.name == "GetClusterPolicy":
        if not cluster.policy:
            raise DsqlError("ResourceNotFoundException", f"Cluster {cluster.identifier} has no policy.")
        return {"policy": cluster.policy, "policyVersion": "1"}
    if call.name == "GetVpcEndpointServiceName":
        return {"serviceName": cluster.vpc_endpoint_service_name}
    if call.name == "TagResource":
        cluster.tags.update(call.body["tags"])
    elif call.name == "UntagResource":
        for key in call.query.get("tagKeys", []):
            cluster.tags.pop(key, None)
    elif call.name == "ListTagsForResource":
        return {"tags": cluster.tags}
    else:
        return _describe(cluster)
    return {}


def _summary(cluster: Cluster) -> dict[str, Any]:
    return {
        "identifier": cluster.identifier,
        "arn": cluster.arn,
        "status": cluster.status,
        "creationTime": cluster.created,
    }


def _describe(cluster: Cluster) -> dict[str, Any]:
    encryption = {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": "ENABLED"}
    if cluster.kms_key:
        encryption.update(encryptionType="CUSTOMER_MANAGED_KMS_KEY", kmsKeyArn=cluster.kms_key)
    described = {
        **_summary(cluster),
        "deletionProtectionEnabled": cluster.deletion_protection,
        "tags": cluster.tags,
        "endpoint": cluster.endpoint,
        "encryptionDetails": encryption,
    }
    if cluster.multi_region:
        own = [cluster.arn] if cluster.peers else []  # GetCluster lists the cluster itself among its peers
        described["multiRegionProperties"] = {
            "witnessRegion": cluster.witness_region,
            "clusters": sorted([*own, *cluster.peers]),
        }
    return described
