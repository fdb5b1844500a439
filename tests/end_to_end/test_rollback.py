from __future__ import annotations

import time

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.rehearsal import Fault, survey
from dsql_dr_constructs.rehearsal.cdk_cli import CdkError
from tests.end_to_end.project import DESTROY, Project

DENIED = Fault(
    "denied",
    service="dsql",
    region="us-west-2",
    call="UpdateCluster",
    error="AccessDeniedException",
    message="with an explicit deny in a service control policy",
)


def assert_only_a_lone_peer_is_left(project: Project) -> None:
    [peer] = survey.clusters(project.aws)
    assert (peer["region"], peer["peers"]) == ("us-east-1", [])
    assert peer["status"] in ("ACTIVE", "PENDING_SETUP")
    assert "DeleteCluster" not in {one["name"] for one in project.aws.calls()}
    assert list(survey.registry(project.aws, "us-east-1")) == ["/dsql-dr/Orders-production/us-east-1/arn"]
    assert survey.registry(project.aws, "us-west-2") == {}


def test_denied_peering_rolls_back_with_its_sentence_and_can_be_tried_again(project: Project) -> None:
    project.aws.inject(DENIED)
    with pytest.raises(CdkError, match="with an explicit deny in a service control policy"):
        project.deploy()
    [sentence] = survey.failures(project.aws)
    assert "Orders-Secondary-production / Peering3EBF733F: " in sentence
    assert "Peering of Orders-production failed: UpdateCluster on " in sentence
    assert "Look for a service control policy or a permission boundary" in sentence
    assert_only_a_lone_peer_is_left(project)

    project.aws.clear_faults()
    project.deploy()
    project.assert_peered()


@pytest.mark.parametrize("project", [{"wait_scale": 0.2}], indirect=True)
def test_stuck_peering_rolls_back_with_both_states_and_leaves_nothing_behind(project: Project) -> None:
    project.aws.inject(Fault("stuck", "stuck", service="dsql", call="Peering"))
    with pytest.raises(CdkError):
        project.deploy(peering_timeout=cdk.Duration.minutes(1))
    [sentence] = survey.failures(project.aws)
    identifier = survey.clusters(project.aws)[0]["identifier"]
    assert "still not done after 1 minutes: waiting for both clusters to be ACTIVE" in sentence
    assert f"State: {identifier} in us-east-1 is PENDING_SETUP; " in sentence
    assert "in us-west-2 is PENDING_SETUP." in sentence
    assert_only_a_lone_peer_is_left(project)

    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_peer_that_existed_before_survives_the_rollback_of_a_first_deployment(project: Project) -> None:
    project.synthesize().deploy("Orders-Primary-production")
    [before] = survey.clusters(project.aws)
    project.aws.inject(DENIED)
    with pytest.raises(CdkError):
        project.cdk.deploy()
    assert_only_a_lone_peer_is_left(project)
    [after] = survey.clusters(project.aws)
    assert after["arn"] == before["arn"]


def test_permission_that_the_policy_lacks_is_missing_here_already(project: Project) -> None:
    def without_add_peer_cluster(app: cdk.App) -> None:
        pair = MultiRegionDsqlDr(app, "Orders", removal_policy=DESTROY, monitoring=False)
        for one in pair.peering.node.find_all():
            if isinstance(one, iam.CfnPolicy) and one.node.path.endswith("Peering/Role/DefaultPolicy/Resource"):
                for statement in (1, 2):
                    one.add_property_override(
                        f"PolicyDocument.Statement.{statement}.Action",
                        ["dsql:GetCluster", "dsql:UpdateCluster", "dsql:PutMultiRegionProperties"],
                    )

    with pytest.raises(CdkError, match="is not authorized to perform: dsql:AddPeerCluster on resource"):
        project.deploy(without_add_peer_cluster)


def test_deployment_killed_half_way_and_run_again_succeeds(project: Project) -> None:
    cli = project.synthesize().start("deploy", "--all", "--require-approval=never")
    try:
        while "UpdateCluster" not in project.calls_of_functions():
            assert cli.poll() is None, cli.communicate()[0]
            time.sleep(0.05)
    finally:
        cli.kill()
        cli.communicate()
    project.deploy()
    project.assert_peered()
