"""A pair of clusters that exist: its stacks create none, and everything else is as for clusters of their own."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam

from dsql_dr_constructs import (
    ClusterOptions,
    ClusterPeering,
    DatabaseRole,
    MonitoringOptions,
    MultiRegionDsqlDr,
    RegionalCluster,
)
from dsql_dr_constructs.clusters.adopted_cluster import _CREATED_CLUSTER

ACCOUNT = "111111111111"
PRIMARY = f"arn:aws:dsql:us-east-1:{ACCOUNT}:cluster/{'a' * 26}"
SECONDARY = f"arn:aws:dsql:us-west-2:{ACCOUNT}:cluster/{'b' * 26}"
ARNS = [PRIMARY, SECONDARY]


def adopted(app: cdk.App, **options: Any) -> MultiRegionDsqlDr:
    return MultiRegionDsqlDr(app, "Orders", **{"cluster_arns": ARNS, "monitoring": None, **options})


def template(stack: cdk.Stack) -> dict[str, Any]:
    return dict(assertions.Template.from_stack(stack).to_json())


def of_type(stack: cdk.Stack, kind: str) -> list[dict[str, Any]]:
    return [one["Properties"] for one in template(stack)["Resources"].values() if one["Type"] == kind]


def warnings(pair: MultiRegionDsqlDr) -> list[str]:
    found = assertions.Annotations.from_stack(pair.stacks[0]).find_warning("*", assertions.Match.any_value())
    return [str(one.entry.data) for one in found]


def function_of(stack: cdk.Stack, handler: str) -> dict[str, Any]:
    [found] = [one for one in of_type(stack, "AWS::Lambda::Function") if one["Handler"].endswith(handler)]
    return found


def test_stacks_have_their_names_and_order_and_no_cluster(app: cdk.App) -> None:
    pair = adopted(app, monitoring=MonitoringOptions())
    assert [(stack.stack_name, stack.region, stack.account) for stack in pair.stacks] == [
        ("Orders-Primary-production", "us-east-1", ACCOUNT),
        ("Orders-Secondary-production", "us-west-2", ACCOUNT),
        ("Orders-PrimaryMonitoring-production", "us-east-1", ACCOUNT),
        ("Orders-SecondaryMonitoring-production", "us-west-2", ACCOUNT),
    ]
    assert [stack.dependencies for stack in pair.stacks[:3]] == [[], [pair.stacks[0]], [pair.stacks[1]]]
    for stack in pair.stacks:
        assert of_type(stack, "AWS::DSQL::Cluster") == []


def test_first_arn_is_the_primarys(app: cdk.App) -> None:
    pair = adopted(app, cluster_arns=ARNS[::-1])
    assert (pair.primary.cluster_region, pair.secondary.cluster_region) == ("us-west-2", "us-east-1")
    assert (pair.primary.cluster_arn, pair.primary.cluster_identifier) == (SECONDARY, "b" * 26)
    assert pair.primary.cluster_endpoint == f"{'b' * 26}.dsql.us-west-2.on.aws"


def test_logical_ids_are_a_promise(app: cdk.App) -> None:
    pair = adopted(app)
    resources = {id: one["Type"] for id, one in template(pair.stacks[0])["Resources"].items()}
    assert resources["AdoptedCluster7912891B"] == "Custom::DsqlAdoptedCluster"
    assert template(pair.stacks[1])["Resources"]["Peering3EBF733F"]["Type"] == "Custom::DsqlClusterPeering"


def test_cluster_that_the_stack_had_before_is_found_by_the_logical_id_that_it_has(app: cdk.App) -> None:
    created = MultiRegionDsqlDr(cdk.App(), "Orders")
    for stack in created.stacks[:2]:
        assert template(stack)["Resources"][_CREATED_CLUSTER]["Type"] == "AWS::DSQL::Cluster"
    for stack in adopted(app).stacks:
        assert _CREATED_CLUSTER not in template(stack)["Resources"], "one logical id has one type for ever"
        assert function_of(stack, ".adopt")["Environment"]["Variables"]["FORMER_LOGICAL_ID"] == _CREATED_CLUSTER


def test_function_and_resource_have_what_adoption_needs(app: cdk.App) -> None:
    pair = adopted(app, witness_region="ca-central-1", tags={"team": "orders"})
    cdk.Tags.of(app).add("cost", "42")
    tags = {
        "cost": "42",
        "dsql-dr:deployment": "Orders-production",
        "dsql-dr:pair": "c429f3c72c13eade",
        "team": "orders",
    }
    for stack, own, peer in zip(pair.stacks, ARNS, ARNS[::-1], strict=True):
        environment = function_of(stack, ".adopt")["Environment"]["Variables"]
        assert json.loads(environment.pop("TAGS")) == tags
        assert environment == {
            "CLUSTER_ARN": own,
            "PEER_ARN": peer,
            "WITNESS_REGION": "ca-central-1",
            "STACK_ID": {"Ref": "AWS::StackId"},
            "FORMER_LOGICAL_ID": _CREATED_CLUSTER,
        }
        [resource] = of_type(stack, "Custom::DsqlAdoptedCluster")
        assert json.loads(resource["Tags"]) == tags, "so that a change of a tag is an update"
        assert (resource["ClusterArn"], resource["PeerArn"], resource["WitnessRegion"]) == (own, peer, "ca-central-1")


def test_pairs_tag_is_the_one_that_clusters_of_the_same_stacks_have(app: cdk.App) -> None:
    [created] = of_type(MultiRegionDsqlDr(cdk.App(), "Orders").stacks[0], "AWS::DSQL::Cluster")
    environment = function_of(adopted(app).stacks[0], ".adopt")["Environment"]["Variables"]
    theirs = {one["Key"]: one["Value"] for one in created["Tags"]}
    assert json.loads(environment["TAGS"])["dsql-dr:pair"] == theirs["dsql-dr:pair"]


def test_peering_names_both_by_arn_and_comes_after_the_adoption(app: cdk.App) -> None:
    stack = adopted(app).stacks[1]
    environment = function_of(stack, ".handle")["Environment"]["Variables"]
    assert (environment["CLUSTER_ARN"], environment["PEER_ARN"]) == (SECONDARY, PRIMARY)
    assert environment["REMOVAL_POLICY"] == "retain"
    assert not {"PEER_STACK", "PEER_LOGICAL_ID"} & environment.keys()
    assert "AdoptedCluster7912891B" in template(stack)["Resources"]["Peering3EBF733F"]["DependsOn"]
    policy = str(template(stack)["Resources"]["PeeringRoleDefaultPolicyC7F8EA87"])
    assert "stack/Orders-Primary-production" not in policy
    assert "dsql:DeleteCluster" not in policy


@pytest.mark.parametrize(
    "changed", [{"cluster_arns": [PRIMARY.replace("a" * 26, "c" * 26), SECONDARY]}, {"tags": {"team": "orders"}}]
)
def test_another_cluster_or_tag_runs_the_peering_again(changed: dict[str, Any]) -> None:
    def fingerprint(**options: Any) -> str:
        [resource] = of_type(adopted(cdk.App(), **options).stacks[1], "Custom::DsqlClusterPeering")
        return str(resource["Clusters"])

    assert fingerprint() == fingerprint()
    assert fingerprint() != fingerprint(**changed)


def test_outputs_have_the_cluster_and_the_former_one(app: cdk.App) -> None:
    outputs = template(adopted(app).stacks[1])["Outputs"]
    assert {name: one["Value"] for name, one in outputs.items()} == {
        "ClusterIdentifier": "b" * 26,
        "ClusterArn": SECONDARY,
        "ClusterEndpoint": f"{'b' * 26}.dsql.us-west-2.on.aws",
        "FormerClusterArn": {"Fn::GetAtt": ["AdoptedCluster7912891B", "FormerClusterArn"]},
    }


def test_app_without_an_account_gets_that_of_the_arns(app: cdk.App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDK_DEFAULT_ACCOUNT", "222222222222")
    assert adopted(app).account == ACCOUNT


# what has no meaning for clusters that exist


@pytest.mark.parametrize("policy", [cdk.RemovalPolicy.DESTROY, cdk.RemovalPolicy.SNAPSHOT])
def test_policy_that_would_delete_them_is_refused_with_what_to_do(app: cdk.App, policy: cdk.RemovalPolicy) -> None:
    sentence = f"removal_policy is {policy.name}, and cluster_arns are given.*deploy them once without removal_policy"
    with pytest.raises(ValueError, match=sentence):
        adopted(app, removal_policy=policy)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (ClusterOptions(name_prefix="orders"), "name_prefix,"),
        (ClusterOptions(deletion_protection=False), "deletion_protection,"),
        (ClusterOptions(name_prefix="orders", deletion_protection=True), "name_prefix and deletion_protection,"),
    ],
)
def test_option_without_effect_is_a_warning(app: cdk.App, options: ClusterOptions, named: str) -> None:
    [warning] = warnings(adopted(app, cluster_options=options))
    assert f"cluster_options has {named} without effect on the clusters of cluster_arns" in warning


def test_options_of_the_peering_keep_their_effect(app: cdk.App) -> None:
    options = ClusterOptions(peering_timeout=cdk.Duration.minutes(45), repair_on_deploy=True)
    pair = adopted(app, cluster_options=options)
    [resource] = of_type(pair.stacks[1], "Custom::DsqlClusterPeering")
    assert resource["TimeoutSeconds"] == 2700
    assert "RepairedAt" in resource
    assert warnings(pair) == []


# who uses the pair


def consumer(app: cdk.App, pair: MultiRegionDsqlDr, **options: Any) -> cdk.Stack:
    stack = cdk.Stack(app, "Service", env=cdk.Environment(account=ACCOUNT, region="us-west-2"))
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    pair.grant_connect(role, **options)
    return stack


def test_consumers_read_the_parameters_and_need_the_tag_as_ever(app: cdk.App) -> None:
    pair = adopted(app)
    stack = consumer(app, pair)
    [policy] = of_type(stack, "AWS::IAM::Policy")
    conditions = [one["Condition"] for one in policy["PolicyDocument"]["Statement"]]
    assert conditions == [{"StringEquals": {"aws:ResourceTag/dsql-dr:deployment": "Orders-production"}}] * 2
    defaults = {one["Default"] for one in template(stack)["Parameters"].values() if "dsql-dr" in str(one)}
    assert defaults == {f"/dsql-dr/Orders-production/{one}/identifier" for one in ("us-east-1", "us-west-2")}


@pytest.mark.parametrize("arns", [ARNS, None])
def test_role_of_an_adopted_pair_is_asked_for_again_when_the_parameters_name_another_cluster(
    app: cdk.App, arns: list[str] | None
) -> None:
    stack = consumer(app, adopted(app, cluster_arns=arns, account=ACCOUNT), role="orders")
    [role] = of_type(stack, "Custom::DsqlDatabaseRole")
    assert ("Cluster" in role) == (arns is not None)
    if arns:
        assert "/identifier" in str(template(stack)["Parameters"])
        assert "dsqldrOrdersproductionuswest2identifier" in str(role["Cluster"])


def test_stack_in_the_clusters_region_can_have_an_endpoint_of_it(app: cdk.App) -> None:
    pair = adopted(app)
    stack = cdk.Stack(app, "Network", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    pair.primary.add_vpc_endpoint(ec2.Vpc(stack, "Vpc"))
    [endpoint] = [one for one in of_type(stack, "AWS::EC2::VPCEndpoint") if "ServiceName" in one]
    exported = [one["Value"] for one in template(pair.stacks[0])["Outputs"].values() if "Export" in one]
    assert exported == [{"Fn::GetAtt": ["AdoptedCluster7912891B", "VpcEndpointServiceName"]}]
    assert "Fn::ImportValue" in endpoint["ServiceName"]


def test_database_role_on_one_side_is_refused_as_for_clusters_of_the_stacks(app: cdk.App) -> None:
    pair = adopted(app)
    stack = cdk.Stack(app, "Service", env=cdk.Environment(account=ACCOUNT, region="us-east-1"))
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    with pytest.raises(ValueError, match="is one side of a pair"):
        DatabaseRole(stack, "DatabaseRole", cluster=pair.primary, role_name="orders", grantees=[role])


def test_imported_cluster_cannot_be_peered_alone(app: cdk.App) -> None:
    stacks = [
        cdk.Stack(app, one, env=cdk.Environment(account=ACCOUNT, region=one)) for one in ("us-east-1", "us-west-2")
    ]
    clusters = [RegionalCluster.from_cluster_attributes(one, "Cluster", cluster_identifier="a" * 26) for one in stacks]
    with pytest.raises(ValueError, match=r"is imported, and a ClusterPeering needs two .* give MultiRegionDsqlDr clus"):
        ClusterPeering(
            stacks[1],
            "Peering",
            cluster=clusters[1],
            peer=clusters[0],
            witness_region="us-east-2",
            deployment_name="Orders",
        )
