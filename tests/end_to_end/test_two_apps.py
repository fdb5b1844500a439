"""Two apps of one account that do not know of each other, and share what must be one pair's own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from tests.end_to_end.project import Project

EAST = {"primary_region": "us-east-1", "secondary_region": "us-west-2", "witness_region": "ca-central-1"}
WEST = {"primary_region": "us-west-2", "secondary_region": "us-east-2", "witness_region": "ca-central-1"}
"""No stack of one has both name and Region of one of the other; both have a cluster and parameters in us-west-2."""
MOVED = {**EAST, "primary_region": "us-east-2"}
"""The secondary's stack is the same, so CloudFormation takes the second app for a change of the first."""
MINE = {"deployment_name": "Mine"}
"""What the second app had until it took the first one's name."""
SAME_NAME = "names {}, which exists, .* another deployment uses the name Orders-production, so no parameter was written"
SAME_STACK = "is peered with {}, and to peer it with .* would break that pair, so nothing was changed"


@pytest.mark.parametrize(
    ("project", "first", "second", "earlier", "sentence"),
    [
        pytest.param({"regions": ["us-east-1", "us-west-2", "us-east-2"]}, EAST, WEST, {}, SAME_NAME, id="same name"),
        pytest.param({"regions": ["us-west-2", "us-east-2", "us-east-1"]}, WEST, EAST, MINE, SAME_NAME, id="renamed"),
        pytest.param(
            {"regions": ["us-east-1", "us-west-2", "us-east-2"]}, EAST, MOVED, {}, SAME_STACK, id="same stack"
        ),
    ],
    indirect=["project"],
)
def test_second_app_is_refused_before_it_changes_anything_of_the_first(
    project: Project, first: dict[str, Any], second: dict[str, Any], earlier: dict[str, Any], sentence: str
) -> None:
    project.deploy(**first)
    if earlier:
        project.deploy(**second, **earlier)
    before = pair_and_parameters(project, first)
    theirs = {one["region"]: one["arn"] for one in before[0]}

    with pytest.raises(CdkError):
        project.deploy(**second)
    shared = theirs["us-west-2"] if sentence == SAME_NAME else theirs["us-east-1"]
    assert_said(sentence.format(shared), survey.failures(project.aws))
    assert pair_and_parameters(project, first) == before

    project.deploy(**first, tags={"team": "orders"})
    assert [one["tags"]["team"] for one in pair_and_parameters(project, first)[0]] == ["orders", "orders"]
    remove_peers(project, theirs)
    project.aws.regions[:2] = [first["primary_region"], first["secondary_region"]]
    answer = project.repair()
    assert answer["done"], answer
    assert [(one["arn"], one["peers"]) for one in pair_and_parameters(project, first)[0]] == [
        (one["arn"], one["peers"]) for one in before[0]
    ]


def pair_and_parameters(project: Project, regions: dict[str, str]) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """The pair's clusters by its parameters, and what its Regions have in theirs, of the other app too."""
    both = [regions["primary_region"], regions["secondary_region"]]
    parameters = [survey.parameters(project.aws, region) for region in both]
    named = {entries[f"/dsql-dr/Orders-production/{region}/arn"] for entries in parameters for region in both}
    clusters = [one for one in survey.clusters(project.aws) if one["arn"] in named and one["peers"]]
    assert sorted(one["region"] for one in clusters) == sorted(both)
    return clusters, parameters


def remove_peers(project: Project, arns: dict[str, str]) -> None:
    for region, arn in arns.items():
        nobody = {"witnessRegion": "ca-central-1", "clusters": []}
        identifier = arn.rpartition("/")[2]
        project.aws.client("dsql", region).update_cluster(identifier=identifier, multiRegionProperties=nobody)


def assert_said(pattern: str, sentences: list[str]) -> None:

    assert any(re.search(pattern, one) for one in sentences), sentences
