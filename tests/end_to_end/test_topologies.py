from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from tests.end_to_end.project import DESTROY, Project

EUROPE = {"primary_region": "eu-north-1", "secondary_region": "eu-west-1", "witness_region": "eu-central-1"}
ASIA = {"primary_region": "ap-south-1", "secondary_region": "ap-southeast-1", "witness_region": "ap-northeast-1"}


@pytest.mark.parametrize(
    ("project", "regions"),
    [
        pytest.param({"regions": ["eu-north-1", "eu-west-1"]}, EUROPE, id="Europe"),
        pytest.param({"regions": ["ap-south-1", "ap-southeast-1"]}, ASIA, id="Asia Pacific"),
    ],
    indirect=["project"],
)
def test_pair_lives_on_other_continents(project: Project, regions: dict[str, Any]) -> None:
    project.deploy(**regions)
    project.assert_peered()
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_pair_lives_in_a_stage(project: Project) -> None:
    project.synthesize(lambda app: MultiRegionDsqlDr(cdk.Stage(app, "Prod"), "Orders", removal_policy=DESTROY))
    project.cdk.deploy("Prod/*")
    project.assert_peered()
    assert all(name.startswith("/dsql-dr/Prod-Orders-production/") for name in project.parameters()[0])
    project.cdk.destroy("Prod/*")
    assert survey.leftovers(project.aws) == {}


def test_one_of_two_deployments_is_destroyed_and_the_other_never_notices(project: Project) -> None:
    def build(app: cdk.App) -> None:
        for id in ("Orders", "Billing"):
            MultiRegionDsqlDr(app, id, removal_policy=DESTROY, monitoring=None)

    def of_orders() -> list[dict[str, Any]]:
        clusters = survey.clusters(project.aws)
        return [one for one in clusters if one["tags"]["dsql-dr:deployment"] == "Orders-production"]

    project.deploy(build)
    before = of_orders()
    assert [one["status"] for one in before] == ["ACTIVE", "ACTIVE"]
    project.cdk.destroy("Billing-Primary-production", "Billing-Secondary-production")
    assert of_orders() == before
    project.assert_peered()


def test_grantee_of_a_later_stack_may_connect_to_both_clusters(project: Project) -> None:
    def build(app: cdk.App) -> None:
        pair = MultiRegionDsqlDr(app, "Orders", removal_policy=DESTROY, monitoring=None)
        stack = cdk.Stack(app, "Service", env=cdk.Environment(region="us-west-2"))
        role = iam.Role(stack, "Reader", role_name="reader", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        pair.grant_connect(role)

    project.deploy(build)
    client = project.aws.client("iam", "us-west-2")
    [name] = client.list_role_policies(RoleName="reader")["PolicyNames"]
    document = client.get_role_policy(RoleName="reader", PolicyName=name)["PolicyDocument"]
    granted = [(one["Action"], one["Resource"]) for one in document["Statement"]]
    clusters = project.clusters()
    arns = [clusters[region]["arn"] for region in ("us-west-2", "us-east-1")]  # the own Region's first
    assert granted in ([("dsql:DbConnect", arns)], [("dsql:DbConnect", arn) for arn in arns])
