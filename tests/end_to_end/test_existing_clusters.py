from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

from dsql_dr_constructs.rehearsal import survey
from dsql_dr_constructs.rehearsal.cdk_cli import CdkCli
from dsql_dr_constructs.rehearsal.drill import Drill
from tests.end_to_end.project import Project

EXAMPLE = Path(__file__).parents[2] / "examples" / "existing_clusters"


def test_example_watches_a_pair_that_somebody_else_made_and_never_touches_it(project: Project) -> None:
    make_pair_by_hand(project)
    before = project.clusters()
    folder = project.aws.directory / "example"
    shutil.copytree(EXAMPLE, folder)
    settings = json.loads((folder / "cdk.json").read_text())
    settings["context"]["clusterArns"] = [before[region]["arn"] for region in project.aws.regions]
    (folder / "cdk.json").write_text(json.dumps(settings))

    cli = CdkCli(project.aws, folder)
    cli.deploy()
    assert [one["verdict"] for one in Drill(project.aws).verdicts()] == ["HEALTHY", "HEALTHY"]
    assert project.clusters() == before

    cli.destroy()
    assert project.clusters() == before
    assert list(survey.leftovers(project.aws)) == ["AWS::DSQL::Cluster"]


def make_pair_by_hand(project: Project) -> None:
    """As the user guide does it with the AWS CLI."""
    witness = {"witnessRegion": "us-east-2"}
    clients = {region: project.aws.client("dsql", region) for region in project.aws.regions}
    made = {region: client.create_cluster(multiRegionProperties=witness) for region, client in clients.items()}
    for region, client in clients.items():
        while client.get_cluster(identifier=made[region]["identifier"])["status"] == "CREATING":
            time.sleep(0.1)
    for region, client in clients.items():
        peers = [one["arn"] for other, one in made.items() if other != region]
        client.update_cluster(
            identifier=made[region]["identifier"], multiRegionProperties={**witness, "clusters": peers}
        )
    for region, client in clients.items():
        client.get_waiter("cluster_active").wait(identifier=made[region]["identifier"])
