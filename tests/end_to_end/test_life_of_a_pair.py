from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dsql_dr_constructs import AlarmOptions, ClusterOptions, HealthAlarmOptions, MonitoringOptions
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator import Fault
from tests.end_to_end.project import Project

undocumented = pytest.mark.parametrize(
    "project",
    [
        pytest.param({"update_without_clusters": "keep", "delete_mode": "wait"}, id="keep-wait"),
        pytest.param(
            {
                "update_without_clusters": "drop",
                "delete_mode": "return",
                "tags_across_regions": False,
                "endpoint_before_active": False,
                "allowed_pattern": "name",
            },
            id="drop-return-tags_unseen-no_endpoint-pattern_of_name",
        ),
    ],
    indirect=True,
)
"""Where AWS's behaviour is not documented, a pair's life is the same either way."""


@undocumented
def test_pair_is_deployed_changed_and_destroyed(project: Project) -> None:
    project.deploy()
    project.assert_peered()
    before = project.clusters(), project.parameters()

    project.aws.clear_calls()
    project.deploy()
    assert "Number of stacks with differences: 0" in project.cdk.run("diff")
    assert project.calls_of_functions() == set(), "nothing has changed, so nothing runs"
    assert (project.clusters(), project.parameters()) == before

    project.deploy(cluster_options=ClusterOptions(repair_on_deploy=True))
    asked = {"GetCluster", "GetParameters", "GetVpcEndpointServiceName"}
    assert project.calls_of_functions() == asked, "nothing to repair, so nothing is written"

    project.deploy(tags={"team": "orders"})
    project.assert_peered()
    assert [one["tags"]["team"] for one in project.clusters().values()] == ["orders", "orders"]

    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@undocumented
def test_what_was_removed_in_the_console_is_repaired_by_the_command(project: Project) -> None:
    project.deploy()
    peered = project.clusters()
    project.remove_peers()
    lost = "/dsql-dr/Orders-production/us-east-1/endpoint"
    project.aws.client("ssm", "us-west-2").delete_parameter(Name=lost)
    assert [one["peers"] for one in project.clusters().values()] == [[], []]
    assert [lost in entries for entries in project.parameters()] == [True, False]

    answer = project.repair()
    project.assert_peered()
    assert answer["done"]
    east, west = (peered[region] for region in project.aws.regions)
    assert answer["changed"] == [
        f"us-east-1: peer of {east['identifier']} set to {west['arn']}",
        f"us-west-2: peer of {west['identifier']} set to {east['arn']}",
        f"us-west-2: wrote {lost}",
    ]
    assert [(one["status"], one["peers"]) for one in answer["clusters"]] == [
        ("ACTIVE", [west["arn"]]),
        ("ACTIVE", [east["arn"]]),
    ]
    assert project.repair() == {**answer, "changed": []}, "and it can be repeated"


def test_wrong_witness_and_a_forged_parameter_are_repaired(project: Project) -> None:
    project.deploy()
    identifier = project.clusters()["us-west-2"]["identifier"]
    changed = {"witnessRegion": "ca-central-1"}
    project.aws.client("dsql", "us-west-2").update_cluster(identifier=identifier, multiRegionProperties=changed)
    forged = "/dsql-dr/Orders-production/us-east-1/arn"
    theirs = f"arn:aws:dsql:us-east-1:000000000000:cluster/{'x' * 26}"
    project.aws.client("ssm", "us-east-1").put_parameter(Name=forged, Value=theirs, Overwrite=True)

    answer = project.repair()
    project.assert_peered()
    assert answer["changed"] == [
        f"us-west-2: witness of {identifier} set to us-east-2",
        f"us-east-1: wrote {forged}",
    ]
    assert {one["witness"] for one in answer["clusters"]} == {"us-east-2"}
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@pytest.mark.parametrize("project", [{"regions": ["us-east-1", "us-west-2", "us-east-2"]}], indirect=True)
def test_observer_that_is_switched_off_leaves_no_parameters_behind(project: Project) -> None:
    project.deploy(monitoring=MonitoringOptions(witness_observer=True))
    assert len(survey.parameters(project.aws, "us-east-2")) == 8
    project.deploy(monitoring=MonitoringOptions())
    assert survey.parameters(project.aws, "us-east-2") == {}
    assert len(survey.parameters(project.aws, "us-east-1")) == 8
    left = {name for name in survey.leftovers(project.aws)["AWS::CloudFormation::Stack"] if "us-east-2" in name}
    assert left == {"Orders-WitnessMonitoring-production (us-east-2)"}, "which docs/operations.md says how to delete"


EUROPE: dict[str, Any] = {"primary_region": "eu-west-1", "secondary_region": "eu-west-2"}


@pytest.mark.parametrize(
    "project",
    [
        {"regions": ["eu-west-1", "eu-west-2"], "witness_change": "allow", "update_without_clusters": clusters}
        for clusters in ("keep", "drop")
    ],
    ids=["keep", "drop"],
    indirect=True,
)
def test_another_witness_is_taken_by_both_clusters(project: Project) -> None:
    project.deploy(**EUROPE, witness_region="eu-west-3")
    before = project.clusters()
    project.deploy(**EUROPE, witness_region="eu-central-1")
    project.assert_peered()
    assert {one["arn"] for one in project.clusters().values()} == {one["arn"] for one in before.values()}
    assert witnesses(project.clusters()) == ["eu-central-1", "eu-central-1"]


@pytest.mark.parametrize(
    "project", [{"regions": ["eu-west-1", "eu-west-2"], "witness_change": "refuse"}], indirect=True
)
def test_witness_that_cannot_be_changed_is_an_error_and_the_pair_stays(project: Project) -> None:
    project.deploy(**EUROPE, witness_region="eu-west-3")
    before = project.clusters(), project.parameters()
    with pytest.raises(CdkError, match=r"The witness Region eu-west-3 of cluster \S+ cannot be changed"):
        project.deploy(**EUROPE, witness_region="eu-central-1")
    project.assert_peered()
    assert (project.clusters(), project.parameters()) == before


def witnesses(clusters: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [one["multiRegionProperties"]["witnessRegion"] for one in clusters.values()]


def test_surviving_region_can_be_changed_while_the_other_is_down(project: Project) -> None:
    project.deploy(monitoring=MonitoringOptions())
    project.synthesize(
        monitoring=MonitoringOptions(alarm_options=HealthAlarmOptions(query_timeouts=AlarmOptions(threshold=4711)))
    )
    project.aws.inject(Fault("down", region="us-east-1"))
    project.aws.regions.reverse()  # AWS_REGION, which the CLI asks who it is, is the surviving one
    with pytest.raises(CdkError, match="A fault of the test"):
        project.cdk.deploy()
    project.cdk.run("deploy", "Orders-SecondaryMonitoring-production", "--exclusively", "--require-approval=never")
    alarms = project.aws.client("cloudwatch", "us-west-2").describe_alarms()["MetricAlarms"]
    assert 4711 in {one["Threshold"] for one in alarms}
