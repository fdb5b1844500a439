"""A pair that exists is taken over by one line, and the one that the stacks had before is kept."""

from __future__ import annotations

import re
import time
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from dsql_dr_constructs import ClusterOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator import Fault
from tests.end_to_end.drill import Drill
from tests.end_to_end.project import DESTROY, Project

RETAIN = cdk.RemovalPolicy.RETAIN
WITNESS = "us-east-2"
Clusters = dict[str, dict[str, Any]]
"""By ARN."""


def make_pair(project: Project, *, peered: bool = True) -> list[str]:
    """As the user guide makes one, with nothing of this library.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/multi-region-aws-cli.html
    """
    first, second = (project.aws.client("dsql", region) for region in project.aws.regions)
    witness = {"witnessRegion": WITNESS}
    one = first.create_cluster(multiRegionProperties=witness, tags={"Name": "made elsewhere"})
    other = second.create_cluster(multiRegionProperties={**witness, "clusters": [one["arn"]]} if peered else witness)
    if peered:
        until = time.monotonic() + 30
        while first.get_cluster(identifier=one["identifier"])["status"] in ("CREATING", "UPDATING"):
            assert time.monotonic() < until
            time.sleep(0.1)
        named = {**witness, "clusters": [other["arn"]]}
        first.update_cluster(identifier=one["identifier"], multiRegionProperties=named)
        first.get_waiter("cluster_active").wait(identifier=one["identifier"])
    return [one["arn"], other["arn"]]


def clusters(project: Project) -> Clusters:
    return {one["arn"]: one for one in survey.clusters(project.aws)}


def outputs(project: Project, name: str) -> list[str]:
    """One of each cluster's stack."""
    found = []
    for region, role in zip(project.aws.regions, ("Primary", "Secondary"), strict=True):
        client = project.aws.client("cloudformation", region)
        [stack] = client.describe_stacks(StackName=f"Orders-{role}-production")["Stacks"]
        found += [one["OutputValue"] for one in stack["Outputs"] if one["OutputKey"] == name]
    return found


def assert_pair(project: Project, arns: list[str]) -> None:
    """*arns* have each other as their peer and serve, and the parameters of both Regions name them."""
    there = clusters(project)
    for one, other in (arns, arns[::-1]):
        assert (there[one]["status"], there[one]["peers"]) == ("ACTIVE", [other])
    named = {name.split("/")[3]: value for name, value in project.parameters()[0].items() if name.endswith("/arn")}
    assert list(named.values()) == arns
    assert project.parameters()[0] == project.parameters()[1]
    assert len(project.parameters()[0]) == 8


def remove_peers(project: Project, arns: list[str]) -> None:
    for region, arn in zip(project.aws.regions, arns, strict=True):
        project.aws.client("dsql", region).update_cluster(
            identifier=arn.rpartition("/")[2], multiRegionProperties={"witnessRegion": WITNESS, "clusters": []}
        )


@pytest.mark.parametrize("peered", [True, False], ids=["peered", "not_peered"])
def test_pair_made_without_this_library_is_adopted_repaired_and_left(project: Project, peered: bool) -> None:
    arns = make_pair(project, peered=peered)
    project.deploy(cluster_arns=arns, removal_policy=RETAIN, tags={"team": "orders"})
    assert_pair(project, arns)
    assert list(clusters(project)) == arns, "no other was made"
    tags = [one["tags"] for one in clusters(project).values()]
    assert [one["dsql-dr:deployment"] for one in tags] == ["Orders-production"] * 2
    assert tags[0]["dsql-dr:pair"] == tags[1]["dsql-dr:pair"]
    assert [one.get("Name") for one in tags] == ["made elsewhere", None]
    assert [one["team"] for one in tags] == ["orders", "orders"]
    assert outputs(project, "ClusterArn") == arns
    assert outputs(project, "FormerClusterArn") == ["none", "none"]

    remove_peers(project, arns)
    answer = project.repair()
    assert answer["done"]
    assert len(answer["changed"]) == 2
    assert_pair(project, arns)

    before = clusters(project)
    project.cdk.destroy()
    assert clusters(project) == before, "an adopted cluster is no stack's to delete"
    assert project.parameters() == [{}, {}]


def test_pair_of_the_stacks_is_followed_by_another_one_and_kept(project: Project) -> None:
    project.deploy(removal_policy=RETAIN)
    former = list(clusters(project))
    restored, third = make_pair(project), make_pair(project)

    project.deploy(removal_policy=RETAIN, cluster_arns=restored)
    assert_pair(project, restored)
    assert_kept(project, former)
    assert outputs(project, "FormerClusterArn") == former

    project.deploy(removal_policy=RETAIN, cluster_arns=restored, tags={"team": "orders"})
    assert outputs(project, "FormerClusterArn") == former, "also after another update"

    project.deploy(removal_policy=RETAIN, cluster_arns=third)
    assert_pair(project, third)
    assert_kept(project, former)
    assert_kept(project, restored)
    assert outputs(project, "FormerClusterArn") == restored

    project.deploy(removal_policy=RETAIN, cluster_arns=former)
    assert_pair(project, former)
    assert outputs(project, "FormerClusterArn") == third, "the way back is to adopt the former pair"


def test_stacks_that_use_the_pair_follow_with_their_deployment_and_monitors_are_healthy(project: Project) -> None:
    def build(app: cdk.App, arns: list[str] | None) -> None:
        pair = MultiRegionDsqlDr(app, "Orders", cluster_arns=arns, alert_emails=["ops@example.com"])
        stack = cdk.Stack(app, "Service", env=cdk.Environment(account=pair.account, region="us-west-2"))
        role = iam.Role(stack, "Role", role_name="service", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        pair.grant_connect(role)
        for region, endpoint in pair.endpoints(stack).items():
            cdk.CfnOutput(stack, f"Endpoint{region.replace('-', '')}", value=endpoint)

    def seen_by_the_service() -> tuple[set[str], set[str]]:
        """Endpoints and the ARNs of its policy."""
        [stack] = project.aws.client("cloudformation", "us-west-2").describe_stacks(StackName="Service")["Stacks"]
        iam_client = project.aws.client("iam", "us-west-2")
        [name] = iam_client.list_role_policies(RoleName="service")["PolicyNames"]
        document = iam_client.get_role_policy(RoleName="service", PolicyName=name)["PolicyDocument"]
        return {one["OutputValue"] for one in stack["Outputs"]}, {one["Resource"] for one in document["Statement"]}

    def expected(arns: list[str]) -> tuple[set[str], set[str]]:
        return {f"{one.rpartition('/')[2]}.dsql.{one.split(':')[3]}.on.aws" for one in arns}, set(arns)

    project.deploy(lambda app: build(app, None))
    former = list(clusters(project))
    assert seen_by_the_service() == expected(former)
    restored = make_pair(project)
    project.deploy(lambda app: build(app, restored))
    assert_pair(project, restored)
    assert_kept(project, former)
    assert seen_by_the_service() == expected(restored)
    for one in Drill(project.aws).verdicts():
        assert one["verdict"] == "HEALTHY", one
        seen = {cluster["identifier"] for cluster in one["clusters"]}
        assert seen == {arn.rpartition("/")[2] for arn in restored}


def assert_kept(project: Project, arns: list[str]) -> None:
    there = clusters(project)
    assert [there[one]["peers"] for one in arns] == [[arns[1]], [arns[0]]]
    assert {there[one]["status"] for one in arns} == {"ACTIVE"}
    for region, arn in zip(project.aws.regions, arns, strict=True):
        found = project.aws.client("dsql", region).get_cluster(identifier=arn.rpartition("/")[2])
        assert found["deletionProtectionEnabled"]


def test_without_the_line_again_it_is_refused_before_a_parameter_changes(project: Project) -> None:
    arns = make_pair(project)
    project.deploy(removal_policy=RETAIN, cluster_arns=arns)
    with pytest.raises(CdkError):
        project.deploy(removal_policy=RETAIN)
    sentences = survey.failures(project.aws)
    way_back = f"To go on with the pair that applications use, give cluster_arns={arns}."
    assert any(way_back in one for one in sentences), sentences
    assert_pair(project, arns)

    project.deploy(removal_policy=RETAIN, cluster_arns=arns)
    assert_pair(project, arns)
    assert outputs(project, "ClusterArn") == arns


def test_clusters_that_the_stacks_would_delete_are_not_left_for_others(project: Project) -> None:
    project.deploy(removal_policy=DESTROY)
    project.assert_peered()
    owned = list(clusters(project))
    arns = make_pair(project)
    before = clusters(project), project.parameters()
    with pytest.raises(CdkError):
        project.deploy(removal_policy=RETAIN, cluster_arns=arns)
    sentences = survey.failures(project.aws)
    assert any(re.search(f"cluster {owned[0]}, .* has deletion protection disabled", one) for one in sentences)
    assert (clusters(project), project.parameters()) == before

    project.deploy(removal_policy=RETAIN)
    project.deploy(removal_policy=RETAIN, cluster_arns=arns)
    assert_pair(project, arns)
    assert_kept(project, owned)


def test_where_the_second_stack_is_refused_the_former_pair_serves_and_can_be_adopted(project: Project) -> None:
    project.deploy(removal_policy=RETAIN)
    owned = list(clusters(project))
    restored = make_pair(project)
    project.aws.inject(Fault("no parameters", error="ValidationException", service="ssm", call="PutParameter"))
    with pytest.raises(CdkError):
        project.deploy(removal_policy=RETAIN, cluster_arns=restored)
    sentences = survey.failures(project.aws)
    assert any("Orders-Secondary" in one and "PutParameter" in one for one in sentences), sentences
    project.aws.clear_faults()
    assert_pair(project, owned)

    project.deploy(removal_policy=RETAIN, cluster_arns=owned)
    assert_pair(project, owned)
    project.deploy(removal_policy=RETAIN, cluster_arns=owned, cluster_options=ClusterOptions(repair_on_deploy=True))
    assert_pair(project, owned)
