from __future__ import annotations

import json
import time

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkCli
from dsql_dr_constructs.emulator import AwsEmulator
from tests.end_to_end.drill import Drill
from tests.examples.conftest import Installed


def test_pair_that_somebody_else_made_is_monitored_and_never_changed(installed: Installed) -> None:
    example = installed("existing_clusters")
    with AwsEmulator(regions=["us-east-1", "us-west-2"]) as aws:
        make_pair_without_the_library(aws)
        before = {one["region"]: one for one in survey.clusters(aws)}
        settings = json.loads((example.folder / "cdk.json").read_text())
        settings["context"]["clusterArns"] = [one["arn"] for one in before.values()]
        (example.folder / "cdk.json").write_text(json.dumps(settings))

        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy()
        assert [one["verdict"] for one in Drill(aws).verdicts()] == ["HEALTHY", "HEALTHY"]
        assert {one["region"]: one for one in survey.clusters(aws)} == before

        cli.destroy()
        assert {one["region"]: one for one in survey.clusters(aws)} == before
        assert list(survey.leftovers(aws)) == ["AWS::DSQL::Cluster"]


def make_pair_without_the_library(aws: AwsEmulator) -> None:
    """As the user guide does it with the AWS CLI."""
    witness = {"witnessRegion": "us-east-2"}
    clients = {region: aws.client("dsql", region) for region in aws.regions}
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
