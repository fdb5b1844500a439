from __future__ import annotations

import pytest

from dsql_dr_constructs.rehearsal import survey
from tests.end_to_end.project import Project

undocumented = pytest.mark.parametrize(
    "project",
    [
        pytest.param({"update_without_clusters": "keep", "delete_mode": "wait"}, id="keep-wait"),
        pytest.param({"update_without_clusters": "drop", "delete_mode": "return"}, id="drop-return"),
    ],
    indirect=True,
)
"""Where AWS's behaviour is not documented, a pair's life is the same either way."""


@undocumented
def test_pair_is_deployed_verified_changed_and_destroyed(project: Project) -> None:
    project.deploy()
    project.assert_peered()
    before = project.clusters(), project.registry()

    project.aws.forget_calls()
    project.deploy()
    assert project.calls_of_functions() == {"GetCluster", "GetParameters"}, "nothing to mend, so nothing is written"
    assert (project.clusters(), project.registry()) == before

    project.deploy(verify_on_deploy=False)
    assert "Number of stacks with differences: 0" in project.cdk.run("diff")

    project.deploy(tags={"team": "orders"})
    project.assert_peered()
    assert [one["tags"]["team"] for one in project.clusters().values()] == ["orders", "orders"]

    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}


@undocumented
def test_what_was_removed_by_hand_comes_back_with_the_next_deployment(project: Project) -> None:
    project.deploy()
    for region, one in project.clusters().items():
        project.aws.client("dsql", region).update_cluster(
            identifier=one["identifier"], multiRegionProperties={"witnessRegion": "us-east-2", "clusters": []}
        )
    lost = "/dsql-dr/Orders-production/us-east-1/endpoint"
    project.aws.client("ssm", "us-west-2").delete_parameter(Name=lost)
    assert [one["peers"] for one in project.clusters().values()] == [[], []]
    assert [lost in entries for entries in project.registry()] == [True, False]

    project.deploy()
    project.assert_peered()
