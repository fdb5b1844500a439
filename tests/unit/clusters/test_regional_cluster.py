from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from dsql_dr_constructs import IRegionalCluster, RegionalCluster


def test_alone_it_is_a_protected_single_region_cluster_that_outlives_its_stack(stack: cdk.Stack) -> None:
    RegionalCluster(stack, "Cluster")
    assertions.Template.from_stack(stack).template_matches(
        {
            "Resources": {
                "ClusterEB0386A7": {
                    "Type": "AWS::DSQL::Cluster",
                    "Properties": {
                        "DeletionProtectionEnabled": True,
                        "MultiRegionProperties": assertions.Match.absent(),
                    },
                    "DeletionPolicy": "Retain",
                    "UpdateReplacePolicy": "Retain",
                }
            }
        }
    )


def test_with_a_witness_it_is_a_side_of_a_pair(stack: cdk.Stack) -> None:
    RegionalCluster(stack, "Cluster", witness_region="us-east-2")
    assert _properties(stack)["MultiRegionProperties"] == {"WitnessRegion": "us-east-2"}


def test_peers_can_be_named_for_cloudformation(stack: cdk.Stack) -> None:
    peer = "arn:aws:dsql:us-west-2:111111111111:cluster/bbbbbbbbbbbbbbbbbbbbbbbbbb"
    RegionalCluster(stack, "Cluster", witness_region="us-east-2", peer_cluster_arns=[peer])
    assert _properties(stack)["MultiRegionProperties"] == {"WitnessRegion": "us-east-2", "Clusters": [peer]}


def test_destroy_takes_the_protection_off(stack: cdk.Stack) -> None:
    RegionalCluster(stack, "Cluster", removal_policy=cdk.RemovalPolicy.DESTROY)
    assert _properties(stack)["DeletionProtectionEnabled"] is False


def test_protection_can_be_off_while_the_cluster_is_retained(stack: cdk.Stack) -> None:
    RegionalCluster(stack, "Cluster", deletion_protection=False)
    assert _properties(stack)["DeletionProtectionEnabled"] is False


def test_key_policy_and_tags_reach_the_cluster(stack: cdk.Stack) -> None:
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111111111111:key/1234")
    statement = iam.PolicyStatement(
        effect=iam.Effect.DENY,
        principals=[iam.AnyPrincipal()],
        actions=["dsql:DbConnect"],
        resources=["*"],
        conditions={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},
    )
    RegionalCluster(
        stack,
        "Cluster",
        cluster_name="orders",
        encryption_key=key,
        policy_document=iam.PolicyDocument(statements=[statement]),
        tags={"team": "orders"},
    )
    properties = _properties(stack)
    assert properties["KmsEncryptionKey"] == key.key_arn
    assert properties["Tags"] == [{"Key": "Name", "Value": "orders"}, {"Key": "team", "Value": "orders"}]
    [written] = json.loads(properties["PolicyDocument"])["Statement"]
    assert (written["Effect"], written["Condition"]) == ("Deny", {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})


DSQL = {"Service": "dsql.amazonaws.com"}


def test_key_of_the_users_admits_aurora_dsql(stack: cdk.Stack) -> None:
    """https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html"""
    RegionalCluster(stack, "Cluster", encryption_key=kms.Key(stack, "Key"))
    [key] = assertions.Template.from_stack(stack).find_resources("AWS::KMS::Key").values()
    _, use, describe = key["Properties"]["KeyPolicy"]["Statement"]
    assert (use["Principal"], describe["Principal"], describe["Action"]) == (DSQL, DSQL, "kms:DescribeKey")
    assert sorted(use["Action"]) == [
        "kms:Decrypt",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ]
    assert use["Condition"] == describe["Condition"]
    assert use["Condition"]["StringEquals"] == {"aws:SourceAccount": "111111111111"}
    arn = use["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
    assert arn[-1] == ":dsql:us-east-1:111111111111:cluster/*"


@pytest.mark.parametrize("kind", ["key", "alias"])
def test_imported_key_comes_with_the_statements_that_it_needs(stack: cdk.Stack, kind: str) -> None:
    arn = "arn:aws:kms:us-east-1:111111111111:key/1234"
    key = (
        kms.Key.from_key_arn(stack, "Key", arn) if kind == "key" else kms.Alias.from_alias_name(stack, "Key", "alias/x")
    )
    RegionalCluster(stack, "Cluster", encryption_key=key)
    [told] = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    text = str(told.entry.data)
    assert f"'{key.node.path}' is imported" in text
    assert text.count('"Principal": {"Service": "dsql.amazonaws.com"}') == 2
    assert '"kms:DescribeKey"' in text


def test_key_that_aws_manages_is_refused(stack: cdk.Stack) -> None:
    managed = kms.Alias.from_alias_name(stack, "Key", "alias/aws/dsql")
    with pytest.raises(
        ValueError, match=r"'Here/Key' is alias/aws/dsql, which AWS manages .* cannot encrypt a cluster"
    ):
        RegionalCluster(stack, "Cluster", encryption_key=managed)


def test_destroy_with_protection_on_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match=r"'Cluster' has removal_policy DESTROY.*leave deletion_protection out"):
        RegionalCluster(stack, "Cluster", removal_policy=cdk.RemovalPolicy.DESTROY, deletion_protection=True)


def test_peers_without_a_witness_are_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="has peer_cluster_arns and no witness: give witness_region"):
        RegionalCluster(stack, "Cluster", peer_cluster_arns=["arn"])


def test_witness_in_the_own_region_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="'us-east-1', the cluster's own Region: the witness must outlive its loss"):
        RegionalCluster(stack, "Cluster", witness_region="us-east-1")


@pytest.mark.parametrize(
    ("witness", "why"),
    [
        ("us-nowhere-9", "is no AWS Region"),
        ("us-west-1", "AWS offers no Aurora DSQL"),
        ("eu-west-1", "peers on one continent only"),
        ("", "witness_region is '': a string that is not empty is needed"),
    ],
)
def test_witness_that_can_never_be_is_refused(stack: cdk.Stack, witness: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RegionalCluster(stack, "Cluster", witness_region=witness)


@pytest.mark.parametrize(
    ("method", "action"),
    [
        ("grant_connect", "dsql:DbConnect"),
        ("grant_connect_admin", "dsql:DbConnectAdmin"),
        ("grant_describe", "dsql:GetCluster"),
    ],
)
def test_grant_allows_one_action_on_one_cluster(stack: cdk.Stack, method: str, action: str) -> None:
    cluster = RegionalCluster(stack, "Cluster")
    getattr(cluster, method)(iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal()))
    assert _statements(stack) == [
        {"Action": action, "Effect": "Allow", "Resource": {"Fn::GetAtt": ["ClusterEB0386A7", "ResourceArn"]}}
    ]


def test_grant_takes_any_actions(stack: cdk.Stack) -> None:
    role = iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal())
    RegionalCluster(stack, "Cluster").grant(role, "dsql:ListTagsForResource", "dsql:TagResource")
    assert _statements(stack)[0]["Action"] == ["dsql:ListTagsForResource", "dsql:TagResource"]


def test_vpc_endpoint_reaches_the_cluster_on_its_port(stack: cdk.Stack) -> None:
    cluster = RegionalCluster(stack, "Cluster")
    cluster.add_vpc_endpoint(ec2.Vpc(stack, "Vpc", max_azs=2))
    template = assertions.Template.from_stack(stack)
    template.has_resource_properties(
        "AWS::EC2::VPCEndpoint",
        {
            "ServiceName": {"Fn::GetAtt": ["ClusterEB0386A7", "VpcEndpointServiceName"]},
            "PrivateDnsEnabled": True,
            "VpcEndpointType": "Interface",
        },
    )
    template.has_resource_properties(
        "AWS::EC2::SecurityGroup",
        {"SecurityGroupIngress": [assertions.Match.object_like({"FromPort": 5432, "ToPort": 5432})]},
    )


def test_existing_cluster_has_its_arn_and_endpoint_from_its_identifier(stack: cdk.Stack) -> None:
    cluster = RegionalCluster.from_cluster_attributes(stack, "Existing", cluster_identifier="c" * 26)
    arn = f"arn:{cdk.Aws.PARTITION}:dsql:us-east-1:111111111111:cluster/{'c' * 26}"
    assert stack.resolve(cluster.cluster_arn) == stack.resolve(arn)
    assert cluster.cluster_endpoint == f"{'c' * 26}.dsql.us-east-1.on.aws"
    assert cluster.cluster_region == "us-east-1"
    assert isinstance(cluster, IRegionalCluster)


def test_existing_cluster_without_a_service_name_has_no_vpc_endpoint(stack: cdk.Stack) -> None:
    cluster = RegionalCluster.from_cluster_attributes(stack, "Existing", cluster_identifier="c" * 26)
    with pytest.raises(ValueError, match=r"'Here/Existing' is not known: give vpc_endpoint_service_name"):
        cluster.add_vpc_endpoint(ec2.Vpc(stack, "Vpc"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"deployment_name": "Aurora/x y", "region": "us-west-2"}, "cannot be an SSM path"),
        ({"deployment_name": "Orders", "region": "us-west2"}, "region is 'us-west2', which is no AWS Region"),
        ({"cluster_identifier": "arn:aws:dsql:us-east-1:1:cluster/a"}, "its 26 letters and digits are needed"),
        ({"cluster_identifier": "a" * 26, "region": "mars"}, "region is 'mars', which is no AWS Region"),
    ],
)
def test_what_can_be_no_cluster_is_refused(stack: cdk.Stack, arguments: dict[str, str], sentence: str) -> None:
    find = (
        RegionalCluster.from_parameters if "deployment_name" in arguments else RegionalCluster.from_cluster_attributes
    )
    with pytest.raises(ValueError, match=sentence):
        find(stack, "Cluster", **arguments)


def test_registered_cluster_is_read_when_the_stack_is_deployed(stack: cdk.Stack) -> None:
    cluster = RegionalCluster.from_parameters(stack, "Pair", deployment_name="Orders-production", region="us-west-2")
    cluster.grant_connect(iam.Role(stack, "Role", assumed_by=iam.AccountRootPrincipal()))
    assert [cluster.cluster_arn, cluster.cluster_identifier, cluster.cluster_endpoint]
    assert set(_read_from_ssm(stack)) == {"/dsql-dr/Orders-production/us-west-2/identifier"}, "the rest follows from it"
    assert cluster.cluster_region == "us-west-2"


@pytest.mark.parametrize(
    ("field", "right", "forged"),
    [
        (
            "identifier",
            ["a" * 26, "abcdefghij0123456789abcdef"],
            ["*", "?" * 26, "a" * 25, "A" * 26, "${aws:username}"],
        ),
        (
            "vpc-endpoint-service-name",
            ["com.amazonaws.us-west-2.dsql-fnh4", "com.amazonaws.us-west-2.dsql"],
            [
                "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
                "com.amazonaws.us-east-1.dsql-fnh4",
                "evil.example",
                "",
            ],
        ),
    ],
)
def test_cloudformation_takes_only_values_of_the_right_form_or_the_name_alone(
    stack: cdk.Stack, field: str, right: list[str], forged: list[str]
) -> None:
    cluster = RegionalCluster.from_parameters(stack, "Pair", deployment_name="Orders-production", region="us-west-2")
    assert [cluster.cluster_identifier, cluster.vpc_endpoint_service_name]
    name = f"/dsql-dr/Orders-production/us-west-2/{field}"
    pattern = _read_from_ssm(stack)[name]["AllowedPattern"]
    assert [one for one in [name, *right] if not re.fullmatch(pattern, one)] == []
    assert [one for one in [*forged, f"{name}*"] if re.fullmatch(pattern, one)] == []


def _read_from_ssm(stack: cdk.Stack) -> dict[str, Mapping[str, Any]]:
    parameters = assertions.Template.from_stack(stack).find_parameters("*").values()
    return {one["Default"]: one for one in parameters if one["Default"].startswith("/dsql-dr")}


def _properties(stack: cdk.Stack) -> dict[str, Any]:
    [cluster] = assertions.Template.from_stack(stack).find_resources("AWS::DSQL::Cluster").values()
    found: dict[str, Any] = cluster["Properties"]
    return found


def _statements(stack: cdk.Stack) -> list[dict[str, Any]]:
    [policy] = assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    found: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return found
