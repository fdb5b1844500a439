"""Every operation that botocore's model of Aurora DSQL has, called through boto3 and judged by that model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.model import ListShape, MapShape, Shape, StructureShape

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.dsql_api import DsqlCall, parse, permissions
from dsql_dr_constructs.emulator.faults import Faults
from tests.runtime.judge import hold_answer, service_model

MODEL = service_model("dsql")
OPERATIONS = sorted(MODEL.operation_names)
KINESIS = {
    "streamArn": "arn:aws:kinesis:us-east-1:000000000000:stream/orders",
    "roleArn": "arn:aws:iam::000000000000:role/orders",
}
STREAM = {"targetDefinition": {"kinesis": KINESIS}, "ordering": "UNORDERED", "format": "JSON"}


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=["us-east-1", "us-west-2"], transition_seconds=0.05) as aws:
        yield aws


class Client:
    """boto3's, which keeps the last answer as it came."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.raw: dict[str, Any] = {}
        self._client = aws.client("dsql", "us-east-1")
        self._client.meta.events.register("after-call.dsql", self._keep)

    def _keep(self, http_response: Any, **_: Any) -> None:
        self.raw = json.loads(http_response.content)

    def __call__(self, operation: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._client, xform_name(operation))(**parameters)
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def wait_for(self, status: str, operation: str, **parameters: Any) -> None:
        while self(operation, **parameters)["status"] != status:
            time.sleep(0.02)


@pytest.fixture
def dsql(aws: AwsEmulator) -> Client:
    return Client(aws)


@pytest.fixture
def cluster(dsql: Client) -> Iterator[str]:
    """Identifier of an ACTIVE cluster with a policy and a tag."""
    made = dsql("CreateCluster", deletionProtectionEnabled=False, policy="{}", tags={"team": "orders"})
    identifier = str(made["identifier"])
    dsql.wait_for("ACTIVE", "GetCluster", identifier=identifier)
    yield identifier
    if dsql("GetCluster", identifier=identifier)["status"] not in ("DELETING", "PENDING_DELETE"):
        dsql("DeleteCluster", identifier=identifier)


@pytest.fixture
def stream(dsql: Client, cluster: str) -> str:
    """Identifier of an ACTIVE stream of the cluster."""
    identifier = str(dsql("CreateStream", clusterIdentifier=cluster, **STREAM)["streamIdentifier"])
    dsql.wait_for("ACTIVE", "GetStream", clusterIdentifier=cluster, streamIdentifier=identifier)
    return identifier


def minimal(shape: Shape | None, known: dict[str, Any]) -> Any:
    """The least that is valid, with what is *known* by the name of a shape or, inside it, a member."""
    if shape is None:
        return {}
    if shape.name in known:
        return known[shape.name]
    if isinstance(shape, StructureShape):
        return {name: minimal(shape.members[name], known) for name in shape.required_members}
    if isinstance(shape, ListShape):
        return [minimal(shape.member, known)]
    if isinstance(shape, MapShape):
        return {minimal(shape.key, known): minimal(shape.value, known)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x"
    raise AssertionError(f"A value for {shape.name} of type {shape.type_name} is missing here.")


def hold_error(operation: str, error: ClientError, raw: dict[str, Any]) -> None:
    """*error* is one of the operation's, with every member that its model requires and no other."""
    code = error.response["Error"]["Code"]
    modelled = {shape.name: shape for shape in MODEL.operation_model(operation).error_shapes}
    assert code in modelled, f"{operation} has no {code}"
    members = set(raw) - {"__type"}
    assert set(modelled[code].required_members) <= members <= set(modelled[code].members), f"{code} has {members}"
    assert raw.get("reason") != "unknownOperation", raw


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_answered_as_its_model_says(dsql: Client, cluster: str, stream: str, operation: str) -> None:
    arn = f"arn:aws:dsql:us-east-1:000000000000:cluster/{cluster}"
    known: dict[str, Any] = {"ClusterId": cluster, "StreamId": stream, "Arn": arn, "PolicyDocument": "{}"}
    known |= {"TargetDefinition": STREAM["targetDefinition"]}
    found = dsql(operation, **minimal(MODEL.operation_model(operation).input_shape, known))
    hold_answer("dsql", operation, found)
    output = MODEL.operation_model(operation).output_shape
    assert set(dsql.raw) <= set(output.members if output else ()), dsql.raw


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one not in ("CreateCluster", "ListClusters")])
def test_every_operation_on_what_is_not_there_is_refused_as_its_model_says(dsql: Client, operation: str) -> None:
    gone = "z" * 26
    elsewhere = f"arn:aws:dsql:us-west-2:000000000000:cluster/{gone}"
    known: dict[str, Any] = {"ClusterId": gone, "StreamId": gone, "Arn": elsewhere, "PolicyDocument": "{}"}
    known |= {"TargetDefinition": STREAM["targetDefinition"]}
    with pytest.raises(ClientError, match="ResourceNotFoundException") as refusal:
        dsql(operation, **minimal(MODEL.operation_model(operation).input_shape, known))
    hold_error(operation, refusal.value, dsql.raw)


def test_refusals_have_the_members_of_their_models(aws: AwsEmulator, dsql: Client, cluster: str) -> None:
    arn = dsql("GetCluster", identifier=cluster)["arn"]
    protected = {"identifier": cluster, "deletionProtectionEnabled": True}
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("CreateCluster", "ValidationException", {"multiRegionProperties": {"witnessRegion": "us-east-1"}}),
        ("CreateCluster", "ValidationException", {"policy": "{"}),
        ("ListClusters", "ValidationException", {"nextToken": "x"}),
        ("GetStream", "ResourceNotFoundException", {"clusterIdentifier": cluster, "streamIdentifier": "z" * 26}),
        ("ListTagsForResource", "ResourceNotFoundException", {"resourceArn": f"{arn}/stream/{'z' * 26}"}),
        (
            "PutClusterPolicy",
            "ConflictException",
            {"identifier": cluster, "policy": "{}", "expectedPolicyVersion": "7"},
        ),
    ]
    for operation, code, parameters in refused:
        with pytest.raises(ClientError, match=code) as refusal:
            dsql(operation, **parameters)
        hold_error(operation, refusal.value, dsql.raw)
    aws.inject(Fault("slow", "slow", service="dsql", call="UpdateCluster", first=1, seconds=2))
    dsql("UpdateCluster", **protected)
    aws.clear_faults()
    with pytest.raises(ClientError, match="ConflictException") as refusal:
        dsql("UpdateCluster", **protected)
    hold_error("UpdateCluster", refusal.value, dsql.raw)
    with pytest.raises(ClientError, match="ValidationException") as refusal:
        dsql("DeleteCluster", identifier=cluster)
    hold_error("DeleteCluster", refusal.value, dsql.raw)
    assert dsql.raw["reason"] == "deletionProtectionEnabled"
    dsql.wait_for("ACTIVE", "GetCluster", identifier=cluster)
    dsql("UpdateCluster", **{**protected, "deletionProtectionEnabled": False})


def test_quota_is_refused_with_its_members(dsql: Client) -> None:
    asked = {"deletionProtectionEnabled": False, "multiRegionProperties": {"witnessRegion": "us-east-2"}}
    made = [dsql("CreateCluster", **asked)["identifier"] for _ in range(5)]
    with pytest.raises(ClientError, match="You have reached the cluster limit") as refusal:
        dsql("CreateCluster", **asked)
    hold_error("CreateCluster", refusal.value, dsql.raw)
    for one in made:
        dsql.wait_for("PENDING_SETUP", "GetCluster", identifier=one)
        dsql("DeleteCluster", identifier=one)


# what the operations do


def test_policy_has_a_version_that_callers_can_insist_on(dsql: Client, cluster: str) -> None:
    assert dsql("GetClusterPolicy", identifier=cluster) == {"policy": "{}", "policyVersion": "1"}
    new = {"identifier": cluster, "policy": '{"Statement": []}'}
    with pytest.raises(ClientError, match="version is 1, and not 2"):
        dsql("PutClusterPolicy", **new, expectedPolicyVersion="2")
    assert dsql("PutClusterPolicy", **new, expectedPolicyVersion="1") == {"policyVersion": "2"}
    assert dsql("GetClusterPolicy", identifier=cluster) == {"policy": new["policy"], "policyVersion": "2"}
    with pytest.raises(ClientError, match="version is 2, and not 1"):
        dsql("DeleteClusterPolicy", identifier=cluster, expectedPolicyVersion="1")
    assert dsql("DeleteClusterPolicy", identifier=cluster, expectedPolicyVersion="2") == {"policyVersion": "2"}
    for operation in ("GetClusterPolicy", "DeleteClusterPolicy"):
        with pytest.raises(ClientError, match="ResourceNotFoundException"):
            dsql(operation, identifier=cluster)


def test_stream_is_made_shown_tagged_and_deleted(dsql: Client, cluster: str) -> None:
    made = dsql("CreateStream", clusterIdentifier=cluster, **STREAM, tags={"team": "orders"})
    of_it = {"clusterIdentifier": cluster, "streamIdentifier": made["streamIdentifier"]}
    assert made["status"] == "CREATING"
    dsql.wait_for("ACTIVE", "GetStream", **of_it)
    found = dsql("GetStream", **of_it)
    assert (found["targetDefinition"], found["tags"]) == (STREAM["targetDefinition"], {"team": "orders"})
    dsql("UntagResource", resourceArn=made["arn"], tagKeys=["team"])
    dsql("TagResource", resourceArn=made["arn"], tags={"Name": "changes"})
    assert dsql("ListTagsForResource", resourceArn=made["arn"])["tags"] == {"Name": "changes"}
    assert "Name" not in dsql("GetCluster", identifier=cluster)["tags"]
    assert [one["arn"] for one in dsql("ListStreams", clusterIdentifier=cluster)["streams"]] == [made["arn"]]
    assert dsql("DeleteStream", **of_it)["status"] == "DELETING"
    while dsql("ListStreams", clusterIdentifier=cluster)["streams"]:
        time.sleep(0.02)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        dsql("GetStream", **of_it)


def test_cluster_that_has_not_served_has_no_streams(aws: AwsEmulator, dsql: Client) -> None:
    aws.inject(Fault("slow", "slow", service="dsql", call="CreateCluster", first=1, seconds=2))
    made = dsql("CreateCluster", deletionProtectionEnabled=False)
    aws.clear_faults()
    with pytest.raises(ClientError, match="is CREATING: try again later"):
        dsql("CreateStream", clusterIdentifier=made["identifier"], **STREAM)


def test_lists_are_paginated(dsql: Client, cluster: str) -> None:
    dsql("CreateCluster", deletionProtectionEnabled=False)
    everything = dsql("ListClusters")
    assert "nextToken" not in everything
    seen: list[dict[str, str]] = []
    token: dict[str, str] = {}
    while True:
        page = dsql("ListClusters", maxResults=1, **token)
        assert len(page["clusters"]) == 1
        seen += page["clusters"]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert seen == everything["clusters"]


def test_protection_is_switched_off_and_the_cluster_deleted_as_the_sample_programs_do(dsql: Client) -> None:
    identifier = dsql("CreateCluster")["identifier"]
    dsql.wait_for("ACTIVE", "GetCluster", identifier=identifier)
    update = dsql("UpdateCluster", identifier=identifier, deletionProtectionEnabled=False)
    assert update["status"] == "UPDATING"
    assert dsql("GetCluster", identifier=identifier)["deletionProtectionEnabled"] is False
    assert dsql("DeleteCluster", identifier=identifier)["status"] == "DELETING"


# what IAM checks


def checked(dsql: Dsql, method: str, path: str, body: dict[str, Any] | None = None) -> set[tuple[str, str]]:
    call = parse(method, path, {}, json.dumps(body or {}).encode(), "1", "us-east-1")
    assert isinstance(call, DsqlCall)
    return {(action, resource) for action, resource, _ in permissions(call, dsql)}


def test_every_peer_of_a_request_is_added_and_only_what_it_omits_removed() -> None:
    dsql = Dsql(Faults(), transition_seconds=0)
    witness = {"multiRegionProperties": {"witnessRegion": "us-east-2"}}
    one, other = (dsql.create_cluster("1", region, witness) for region in ("us-east-1", "us-west-2"))
    dsql.list_clusters("1", "us-east-1")
    path, everything = f"/cluster/{one.identifier}", {"witnessRegion": "us-east-2", "clusters": [one.arn, other.arn]}
    always = {("dsql:UpdateCluster", one.arn), ("dsql:GetCluster", one.arn), ("dsql:PutMultiRegionProperties", one.arn)}
    in_witness = one.arn.replace("us-east-1", "us-east-2")
    always |= {("dsql:PutWitnessRegion", one.arn), ("dsql:PutWitnessRegion", in_witness)}
    adds = {("dsql:AddPeerCluster", one.arn), ("dsql:AddPeerCluster", other.arn)}
    for _ in ("peered", "peered already"):
        assert checked(dsql, "POST", path, {"multiRegionProperties": everything}) == always | adds
        dsql.update_cluster("1", "us-east-1", one.identifier, {"multiRegionProperties": everything})
    removes = {("dsql:RemovePeerCluster", other.arn)}
    nobody = {"witnessRegion": "us-east-2", "clusters": []}
    assert checked(dsql, "POST", path, {"multiRegionProperties": nobody}) == always | removes
    assert checked(dsql, "POST", path, {"multiRegionProperties": {"witnessRegion": "us-east-2"}}) == always


def test_tags_and_a_streams_role_are_permissions_of_their_own() -> None:
    dsql = Dsql(Faults())
    every = "arn:aws:dsql:us-east-1:1:cluster/*"
    assert checked(dsql, "POST", "/cluster", {"tags": {"a": "b"}}) == {
        ("dsql:CreateCluster", every),
        ("dsql:TagResource", every),
    }
    of_one = every.replace("*", "x")
    assert checked(dsql, "POST", "/stream/x", STREAM) == {
        ("dsql:CreateStream", of_one),
        ("iam:PassRole", KINESIS["roleArn"]),
    }
    assert checked(dsql, "GET", "/stream/x/y") == {("dsql:GetStream", f"{of_one}/stream/y")}
    assert checked(dsql, "GET", f"/tags/{of_one}/stream/y") == {("dsql:ListTagsForResource", f"{of_one}/stream/y")}
