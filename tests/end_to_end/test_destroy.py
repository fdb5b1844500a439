from __future__ import annotations

import time

import aws_cdk as cdk
import pytest

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from tests.end_to_end.project import Project


def test_retain_leaves_both_clusters_and_their_peering_and_removes_the_parameters(project: Project) -> None:
    project.deploy(removal_policy=cdk.RemovalPolicy.RETAIN)
    before = project.clusters()
    project.cdk.destroy()
    assert project.clusters() == before
    assert project.parameters() == [{}, {}]
    assert list(survey.leftovers(project.aws)) == ["AWS::DSQL::Cluster"]


@pytest.mark.parametrize("protected", ["us-east-1", "us-west-2"])
def test_deletion_protection_refuses_before_anything_is_deleted(project: Project, protected: str) -> None:
    project.deploy()
    identifier = project.clusters()[protected]["identifier"]
    dsql = project.aws.client("dsql", protected)
    dsql.update_cluster(identifier=identifier, deletionProtectionEnabled=True)
    before = project.parameters()

    with pytest.raises(CdkError, match=f"cluster {identifier} in {protected} has deletion protection enabled"):
        project.cdk.destroy()
    assert any("deletion_protection=False" in sentence for sentence in survey.failures(project.aws))
    project.assert_peered()
    assert project.parameters() == before

    dsql.update_cluster(identifier=identifier, deletionProtectionEnabled=False)
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_cluster_that_the_template_protects_is_kept_until_protection_is_off_and_destroy_runs_again(
    project: Project,
) -> None:
    project.deploy(removal_policy=cdk.RemovalPolicy.RETAIN)
    project.deploy()  # DESTROY, which takes the protection off
    project.assert_peered()
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


def test_destroy_that_was_killed_and_run_again_is_harmless_and_so_is_a_third(project: Project) -> None:
    project.deploy()
    cli = project.cdk.start("destroy", "--all", "--force")
    try:
        while "DeleteCluster" not in project.calls_of_functions():
            assert cli.poll() is None, cli.communicate()[0]
            time.sleep(0.05)
    finally:
        cli.kill()
        cli.communicate()
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@pytest.mark.parametrize("deleted", [["us-east-1"], ["us-west-2"], ["us-east-1", "us-west-2"]], ids="-".join)
def test_clusters_that_somebody_is_deleting_already_are_no_obstacle(project: Project, deleted: list[str]) -> None:
    project.deploy()
    for region in deleted:
        identifier = project.clusters()[region]["identifier"]
        project.aws.client("dsql", region).delete_cluster(identifier=identifier)
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}
