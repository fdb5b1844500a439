"""Aurora DSQL's REST API in front of `Dsql`: which call a request is, what it needs from IAM, and its answer.

Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_Operations.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from . import dsql_streams
from .dsql import Dsql
from .dsql_cluster import Cluster, DsqlError, invalid, not_found

_ROUTES = (
    ("POST", r"/cluster", "CreateCluster"),
    ("GET", r"/cluster", "ListClusters"),
    ("GET", r"/cluster/(?P<identifier>[^/]+)", "GetCluster"),
    ("POST", r"/cluster/(?P<identifier>[^/]+)", "UpdateCluster"),
    ("DELETE", r"/cluster/(?P<identifier>[^/]+)", "DeleteCluster"),
    ("GET", r"/cluster/(?P<identifier>[^/]+)/policy", "GetClusterPolicy"),
    ("POST", r"/cluster/(?P<identifier>[^/]+)/policy", "PutClusterPolicy"),
    ("DELETE", r"/cluster/(?P<identifier>[^/]+)/policy", "DeleteClusterPolicy"),
    ("POST", r"/stream/(?P<identifier>[^/]+)", "CreateStream"),
    ("GET", r"/stream/(?P<identifier>[^/]+)", "ListStreams"),
    ("GET", r"/stream/(?P<identifier>[^/]+)/(?P<stream>[^/]+)", "GetStream"),
    ("DELETE", r"/stream/(?P<identifier>[^/]+)/(?P<stream>[^/]+)", "DeleteStream"),
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
    """A request, understood. *identifier* is that of the cluster, *stream* that of one of its streams."""

    name: str
    account: str
    region: str
    identifier: str
    body: dict[str, Any]
    query: dict[str, list[str]]
    stream: str = ""

    @property
    def arn(self) -> str:
        """What IAM checks."""
        cluster = f"arn:aws:dsql:{self.region}:{self.account}:cluster/{self.identifier or '*'}"
        return f"{cluster}/stream/{self.stream}" if self.stream else cluster

    def parameter(self, name: str) -> str | None:
        """A parameter of the query."""
        return next(iter(self.query.get(name, [])), None)


def parse(
    method: str, path: str, query: dict[str, list[str]], body: bytes, account: str, region: str
) -> DsqlCall | None:
    """The call behind a request; None if DSQL has no such path."""
    for verb, pattern, name in _ROUTES:
        match = re.fullmatch(pattern, unquote(path))
        if verb == method and match:
            found = match.groupdict()
            owner, _, stream = found.get("arn", "").partition("/stream/")
            # what has an ARN of another Region is no resource of this one
            tagged = owner.removeprefix(f"arn:aws:dsql:{region}:{account}:cluster/")
            asked = (json.loads(body or b"{}"), query, found.get("stream") or stream)
            return DsqlCall(name, account, region, found.get("identifier") or tagged, *asked)
    return None


def permissions(call: DsqlCall, dsql: Dsql) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each action, resource and condition context that IAM checks for *call*.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonauroradsql.html
    """
    yield f"dsql:{call.name}", call.arn, {}
    if call.name == "UpdateCluster":
        yield "dsql:GetCluster", call.arn, {}
    elif call.name == "CreateCluster" and call.body.get("tags"):
        yield "dsql:TagResource", call.arn, {}
    elif call.name == "CreateStream":
        yield "iam:PassRole", call.body["targetDefinition"]["kinesis"]["roleArn"], {}
    asked = call.body.get("multiRegionProperties")
    if asked is None:
        return
    yield "dsql:PutMultiRegionProperties", call.arn, {}
    if witness := asked.get("witnessRegion"):
        for region in (call.region, witness):
            arn = call.arn.replace(f":{call.region}:", f":{region}:")
            yield "dsql:PutWitnessRegion", arn, {"dsql:WitnessRegion": witness}
    cluster = dsql.find(call.arn)
    before = set(cluster.peers) if cluster else set()
    after = set(asked.get("clusters", before)) - {call.arn}
    if asked.get("clusters") and after:
        for arn in (call.arn, *sorted(after)):
            yield "dsql:AddPeerCluster", arn, {}
    for arn in sorted(before - after):
        yield "dsql:RemovePeerCluster", arn, {}


def answer(call: DsqlCall, dsql: Dsql) -> tuple[int, dict[str, str], bytes]:
    """Status code, headers and body."""
    try:
        return _response(200, _result(call, dsql))
    except DsqlError as error:
        return error_response(error.code, error.message, _HTTP_STATUS.get(error.code, 400), error.members)


def unknown_operation(path: str) -> tuple[int, dict[str, str], bytes]:
    error = invalid(f"Unknown operation {path}", "unknownOperation")
    return error_response(error.code, error.message, 400, error.members)


def error_response(
    code: str, message: str, status: int, members: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    return _response(status, {"__type": code, "message": message, **(members or {})}, {"x-amzn-errortype": code})


def _response(status: int, body: Any, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    return status, {"content-type": "application/json", **(headers or {})}, json.dumps(body).encode()


def _result(call: DsqlCall, dsql: Dsql) -> dict[str, Any]:
    where = (call.account, call.region)
    if call.name == "CreateCluster":
        described = _describe(dsql, dsql.create_cluster(*where, call.body))
        return {key: value for key, value in described.items() if key != "tags"}
    if call.name == "ListClusters":
        found = [{"identifier": one.identifier, "arn": one.arn} for one in dsql.list_clusters(*where)]
        return _page(call, "clusters", found)
    if call.name == "UpdateCluster":
        return _summary(dsql.update_cluster(*where, call.identifier, call.body))
    if call.name == "DeleteCluster":
        return _summary(dsql.delete_cluster(*where, call.identifier))
    cluster = dsql.get_cluster(*where, call.identifier)
    if call.name == "GetCluster":
        return _describe(dsql, cluster)
    if call.name == "GetVpcEndpointServiceName":
        return {"serviceName": cluster.vpc_endpoint_service_name, "clusterVpcEndpoint": cluster.vpc_endpoint}
    if call.name.endswith("ClusterPolicy"):
        return _policy(call, cluster)
    if "Stream" in call.name:
        return _stream(call, dsql, cluster)
    return _tagging(call, dsql_streams.get_stream(dsql, cluster, call.stream).tags if call.stream else cluster.tags)


def _policy(call: DsqlCall, cluster: Cluster) -> dict[str, Any]:
    if call.name == "PutClusterPolicy":
        return {"policyVersion": cluster.change_policy(call.body["policy"], call.body.get("expectedPolicyVersion"))}
    if call.name == "DeleteClusterPolicy":
        return {"policyVersion": cluster.change_policy(None, call.parameter("expected-policy-version"))}
    if not cluster.policy:
        raise not_found("policy of cluster", cluster.identifier)
    return {"policy": cluster.policy, "policyVersion": str(cluster.policy_version)}


def _stream(call: DsqlCall, dsql: Dsql, cluster: Cluster) -> dict[str, Any]:
    if call.name == "ListStreams":
        found = [dsql_streams.summary(dsql, one) for one in dsql_streams.streams(dsql, cluster)]
        return _page(call, "streams", found)
    if call.name == "DeleteStream":
        return dsql_streams.summary(dsql, dsql_streams.delete_stream(dsql, cluster, call.stream))
    if call.name == "CreateStream":
        stream = dsql_streams.create_stream(dsql, cluster, call.body)
        return {**dsql_streams.summary(dsql, stream), **dsql_streams.shape(stream)}
    stream = dsql_streams.get_stream(dsql, cluster, call.stream)
    more = {"targetDefinition": stream.request["targetDefinition"], "tags": stream.tags}
    return {**dsql_streams.summary(dsql, stream), **dsql_streams.shape(stream), **more}


def _tagging(call: DsqlCall, tags: dict[str, str]) -> dict[str, Any]:
    if call.name == "ListTagsForResource":
        return {"tags": tags}
    tags.update(call.body.get("tags", {}))
    for key in call.query.get("tagKeys", []):
        tags.pop(key, None)
    return {}


def _page(call: DsqlCall, name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As many entries as were asked for; the token is where the next answer begins."""
    token, size = call.parameter("next-token") or "0", int(call.parameter("max-results") or 100)
    if not token.isdigit():
        raise invalid(f"nextToken is {token}, which was never given.", "fieldValidationFailed")
    begin, end = int(token), int(token) + size
    page: dict[str, Any] = {name: found[begin:end]}
    return {**page, "nextToken": str(end)} if end < len(found) else page


def _summary(cluster: Cluster) -> dict[str, Any]:
    return {
        "identifier": cluster.identifier,
        "arn": cluster.arn,
        "status": cluster.status,
        "creationTime": cluster.created,
    }


def _describe(dsql: Dsql, cluster: Cluster) -> dict[str, Any]:
    status = dsql.encryption_status(cluster)
    encryption = {"encryptionType": "AWS_OWNED_KMS_KEY", "encryptionStatus": status}
    if cluster.kms_key:
        encryption.update(encryptionType="CUSTOMER_MANAGED_KMS_KEY", kmsKeyArn=cluster.kms_key)
    described = {
        **_summary(cluster),
        "deletionProtectionEnabled": cluster.deletion_protection,
        "tags": cluster.tags,
        "encryptionDetails": encryption,
    }
    if status == "KMS_KEY_INACCESSIBLE" and cluster.status == "ACTIVE":
        described["status"] = "IDLE"  # so the guide, data-encryption; assumed: for as long as the key is away
    if dsql.shows_endpoint(cluster):
        described["endpoint"] = cluster.endpoint
    if cluster.multi_region:
        own = [cluster.arn] if cluster.peers else []  # GetCluster lists the cluster itself among its peers
        described["multiRegionProperties"] = {
            "witnessRegion": cluster.witness_region,
            "clusters": sorted([*own, *cluster.peers]),
        }
    return described
