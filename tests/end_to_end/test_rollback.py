from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from dsql_dr_constructs import ClusterOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator import Fault
from tests.end_to_end.project import DESTROY, Project

SLOWLY = {"wait_scale": 0.1}
"""So that the framework, which counts polls, waits longer than the handler, which measures time."""
slowly = pytest.mark.parametrize("project", [SLOWLY], indirect=True)
Build = Callable[[cdk.App], None]
DENIED = Fault(
    "denied",
    service="dsql",
    region="us-west-2",
    call="UpdateCluster",
    error="AccessDeniedException",
    message="with an explicit deny in a service control policy",
)


def short(removal_policy: cdk.RemovalPolicy = DESTROY, *, without_add_peer_cluster: bool = False) -> Build:
    """A pair whose peering gives up after 24 s, of which denials, and what has no effect, are tried again for half."""

    def build(app: cdk.App) -> None:
        a_minute = ClusterOptions(peering_timeout=cdk.Duration.minutes(1))
        pair = MultiRegionDsqlDr(
            app, "Orders", removal_policy=removal_policy, monitoring=None, cluster_options=a_minute
        )
        function = pair.peering.function.node.default_child
        assert isinstance(function, lambda_.CfnFunction)
        function.add_property_override("Environment.Variables.TIMEOUT_SECONDS", "24")
        if without_add_peer_cluster:
            policy = pair.peering.node.find_child("Role").node.find_child("DefaultPolicy").node.default_child
            assert isinstance(policy, iam.CfnPolicy)
            policy.add_property_override("PolicyDocument.Statement.4.Action", ["dsql:RemovePeerCluster"])

    return build


def assert_only_a_lone_peer_is_left(project: Project) -> None:
    [peer] = survey.clusters(project.aws)
    assert (peer["region"], peer["peers"]) == ("us-east-1", [])
    assert peer["status"] in ("ACTIVE", "PENDING_SETUP")
    assert "DeleteCluster" not in {one["name"] for one in project.aws.calls()}
    assert project.parameters() == [{}, {}]


@slowly
def test_denied_peering_rolls_back_with_its_sentence_and_can_be_tried_again(project: Project) -> None:
    project.aws.inject(DENIED)
    with pytest.raises(CdkError, match="with an explicit deny in a service control policy"):
        project.deploy(short())
    [sentence] = survey.failures(project.aws)
    assert "Orders-Secondary-production / Peering3EBF733F: " in sentence
    assert "Peering of Orders-production failed: UpdateCluster on " in sentence
    assert "Look for a service control policy or a permissions boundary" in sentence
    assert_only_a_lone_peer_is_left(project)

    project.aws.clear_faults()
    project.deploy()
    project.assert_peered()


@slowly
def test_stuck_peering_rolls_back_with_both_states_and_leaves_nothing_behind(project: Project) -> None:
    project.aws.inject(Fault("stuck", "stuck", service="dsql", call="Peering"))
    with pytest.raises(CdkError):
        project.deploy(short())
    [sentence] = survey.failures(project.aws)
    identifier = survey.clusters(project.aws)[0]["identifier"]
    assert "still not done after 0.4 minutes: waiting for both clusters to be ACTIVE" in sentence
    assert f"State: {identifier} in us-east-1 is PENDING_SETUP; " in sentence
    assert "in us-west-2 is PENDING_SETUP." in sentence
    assert_only_a_lone_peer_is_left(project)

    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@slowly
def test_peer_that_existed_before_survives_the_rollback_of_a_first_deployment(project: Project) -> None:
    project.synthesize(short()).deploy("Orders-Primary-production")
    [before] = survey.clusters(project.aws)
    project.aws.inject(DENIED)
    with pytest.raises(CdkError):
        project.cdk.deploy()
    assert_only_a_lone_peer_is_left(project)
    [after] = survey.clusters(project.aws)
    assert after["arn"] == before["arn"]


@slowly
def test_permission_that_the_policy_lacks_is_missing_here_already(project: Project) -> None:
    with pytest.raises(CdkError, match="is not authorized to perform: dsql:AddPeerCluster on resource"):
        project.deploy(short(without_add_peer_cluster=True))


NO_ENTRY = Fault("no-entry", service="ssm", region="us-west-2", call="PutParameter", error="ValidationException")
"""Fails a first deployment when both clusters are peered already."""


@pytest.fixture
def peered_and_failed(project: Project) -> Callable[[cdk.RemovalPolicy], list[dict[str, Any]]]:
    """Deploys a pair whose peering is done, fails and is rolled back; gives both clusters."""

    def deploy(removal_policy: cdk.RemovalPolicy) -> list[dict[str, Any]]:
        project.aws.inject(NO_ENTRY)
        with pytest.raises(CdkError, match="PutParameter of"):
            project.deploy(short(removal_policy))
        project.aws.clear_faults()
        return survey.clusters(project.aws)

    return deploy


def stack_status(project: Project) -> str:
    cloudformation = project.aws.client("cloudformation", "us-west-2")
    return str(cloudformation.describe_stacks(StackName="Orders-Secondary-production")["Stacks"][0]["StackStatus"])


Failed = Callable[[cdk.RemovalPolicy], list[dict[str, Any]]]
undocumented = pytest.mark.parametrize(
    "project",
    [{"empty_clusters": mode, **SLOWLY} for mode in ("refuse", "ignore")],
    ids=["refuse", "ignore"],
    indirect=True,
)


@undocumented
def test_retain_is_rolled_back_with_both_peered_and_the_next_deployment_waits_for_a_decision(
    project: Project, peered_and_failed: Failed
) -> None:
    earlier = {one["region"]: one for one in peered_and_failed(cdk.RemovalPolicy.RETAIN)}
    assert stack_status(project) == "ROLLBACK_COMPLETE"
    assert earlier["us-west-2"]["peers"] == [earlier["us-east-1"]["arn"]], "what AWS kept, RETAIN keeps"

    east, west = earlier["us-east-1"], earlier["us-west-2"]
    with pytest.raises(CdkError):
        project.deploy(removal_policy=cdk.RemovalPolicy.RETAIN)
    assert f"cluster {east['arn']} is peered with {west['arn']}, and to peer it" in survey.failures(project.aws)[-1]
    assert "DeleteCluster" not in {one["name"] for one in project.aws.calls()}

    dsql = project.aws.client("dsql", "us-west-2")  # as the sentence says
    dsql.update_cluster(identifier=west["identifier"], deletionProtectionEnabled=False)
    dsql.delete_cluster(identifier=west["identifier"])
    project.deploy(removal_policy=cdk.RemovalPolicy.RETAIN)
    found = {one["arn"]: one["peers"] for one in survey.clusters(project.aws)}
    [new] = found[east["arn"]]
    assert new != west["arn"]
    assert found[new] == [east["arn"]]


@undocumented
def test_destroy_ends_with_what_to_run_deletes_nothing_and_then_all_can_begin_anew(
    project: Project, peered_and_failed: Failed
) -> None:
    clusters = peered_and_failed(DESTROY)
    assert stack_status(project) == "ROLLBACK_FAILED"
    sentence = survey.failures(project.aws)[-1]
    east, west = clusters
    assert f"{east['identifier']} in us-east-1 still has the peer {west['arn']}" in sentence
    assert "A cluster whose peer exists cannot be deleted, so neither was." in sentence

    with pytest.raises(CdkError, match="is in a failed state"):  # the CLI deletes the failed stack first
        project.deploy(short())
    again = [one for one in survey.failures(project.aws) if "A cluster whose peer exists cannot be deleted" in one]
    assert len(again) == 2, "the stack's events say again what stands in the way"
    assert [one["arn"] for one in survey.clusters(project.aws)] == [one["arn"] for one in clusters]
    assert "DeleteCluster" not in {one["name"] for one in project.aws.calls()}

    for one in clusters:  # as the sentence says
        assert f"aws dsql delete-cluster --region {one['region']} --identifier {one['identifier']}" in sentence
        project.aws.client("dsql", one["region"]).delete_cluster(identifier=one["identifier"])
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}
    project.deploy()
    project.assert_peered()


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
