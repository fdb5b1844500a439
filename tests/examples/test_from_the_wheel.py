"""Each example, installed from the wheel, is deployed on the embedded AWS, looked at, and destroyed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dsql_dr_constructs.rehearsal import EmbeddedAws, survey
from dsql_dr_constructs.rehearsal.cdk_cli import CdkCli
from dsql_dr_constructs.rehearsal.drill import Drill
from dsql_dr_constructs.rehearsal.embedded_aws import ACCOUNT
from tests.examples.conftest import Installed

REGIONS = ["us-east-1", "us-west-2"]


KEPT: dict[str, set[str]] = {
    "quickstart": set(),  # it asks for its data to go
    "configured": {"AWS::DSQL::Cluster"},
    "bring_your_own": {"AWS::DSQL::Cluster", "AWS::KMS::Key", "AWS::SNS::Topic"},
}


@pytest.mark.parametrize("name", KEPT)
def test_example_is_deployed_watched_and_destroyed(installed: Installed, name: str) -> None:
    example = installed(name)
    with EmbeddedAws(regions=REGIONS) as aws:
        if name == "bring_your_own":
            settings = json.loads((example.folder / "cdk.json").read_text())
            settings["context"]["platform"] = {region: a_platform(aws, region) for region in REGIONS}
            (example.folder / "cdk.json").write_text(json.dumps(settings))
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy()
        assert [one["status"] for one in survey.clusters(aws)] == ["ACTIVE", "ACTIVE"]
        assert [one["verdict"] for one in Drill(aws).verdicts()] == ["HEALTHY", "HEALTHY"]
        cli.destroy()
        assert set(survey.leftovers(aws)) == KEPT[name]


def a_platform(aws: EmbeddedAws, region: str) -> dict[str, Any]:
    """What a company has in a Region."""
    ec2 = aws.client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [f"{region}a", f"{region}b"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    topic = aws.client("sns", region).create_topic(Name="pages")["TopicArn"]
    return {
        "vpcId": vpc,
        "addresses": "10.0.0.0/16",
        "availabilityZones": zones,
        "privateSubnetIds": subnets,
        "topicArn": topic,
        "boundary": "workload-boundary",
    }


def test_pipeline_deploys_each_stage_in_the_order_that_the_pair_needs(installed: Installed) -> None:
    example = installed("pipeline")
    app = example.folder / "app.py"
    app.write_text(re.sub(r'"\d{12}"', f'"{ACCOUNT}"', app.read_text()))
    with EmbeddedAws(regions=REGIONS) as aws:
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy("Staging/*")
        names = [one["StackName"] for one in aws.client("cloudformation", "us-west-2").describe_stacks()["Stacks"]]
        assert {"Staging-OrdersDb-Secondary-staging", "Staging-OrdersDb-SecondaryMonitoring-staging"} <= set(names)
        assert [one["verdict"] for one in Drill(aws).verdicts()] == ["HEALTHY", "HEALTHY"]
        template = json.loads((cli.output / "OrdersPipeline.template.json").read_text())
        cli.destroy("Staging/*")
        assert survey.leftovers(aws) == {}
    [pipeline] = [
        one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CodePipeline::Pipeline"
    ]
    stages = {one["Name"]: one["Actions"] for one in pipeline["Stages"]}
    for name, actions in (("Staging", stages["Staging"]), ("Production", stages["Production"][1:])):
        order = {one["Name"]: one["RunOrder"] for one in actions}
        environment = name.lower()
        primary, secondary, first, second = (
            order[f"OrdersDb-{one}-{environment}.Deploy"]
            for one in ("Primary", "Secondary", "PrimaryMonitoring", "SecondaryMonitoring")
        )
        assert primary < secondary < min(first, second)
    assert stages["Production"][0]["ActionTypeId"]["Category"] == "Approval"
