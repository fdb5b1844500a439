"""Each example, installed from the wheel, is deployed on the local AWS emulator, checked, and destroyed."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkCli
from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT
from tests.end_to_end.drill import Drill
from tests.examples.conftest import Installed

REGIONS = ["us-east-1", "us-west-2"]


KEPT: dict[str, set[str]] = {
    "quickstart": set(),  # it asks for its data to go
    "configured": {"AWS::DSQL::Cluster"},
    "bring_your_own": {"AWS::DSQL::Cluster", "AWS::KMS::Key", "AWS::SNS::Topic"},
}


@pytest.mark.parametrize("name", KEPT)
def test_example_is_deployed_monitored_and_destroyed(installed: Installed, name: str) -> None:
    example = installed(name)
    with AwsEmulator(regions=REGIONS) as aws:
        if name == "bring_your_own":
            settings = json.loads((example.folder / "cdk.json").read_text())
            settings["context"]["platform"] = {region: a_platform(aws, region) for region in REGIONS}
            (example.folder / "cdk.json").write_text(json.dumps(settings))
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy()
        assert [one["status"] for one in survey.clusters(aws)] == ["ACTIVE", "ACTIVE"]
        subscribe(aws)
        assert [one["verdict"] for one in Drill(aws).verdicts()] == ["HEALTHY", "HEALTHY"]
        cli.destroy()
        assert set(survey.leftovers(aws)) == KEPT[name]


def subscribe(aws: AwsEmulator) -> None:
    """A subscription to every topic: without one, no Region could notify anybody."""
    for region in REGIONS:
        sns = aws.client("sns", region)
        for topic in sns.list_topics()["Topics"]:
            sns.subscribe(TopicArn=topic["TopicArn"], Protocol="email", Endpoint="ops@example.com")


def a_platform(aws: AwsEmulator, region: str) -> dict[str, Any]:
    """What a company has in a Region."""
    ec2 = aws.client("ec2", region)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    zones = [f"{region}a", f"{region}b"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for number, zone in enumerate(zones)
    ]
    topic = aws.client("sns", region).create_topic(Name="alerts")["TopicArn"]
    return {
        "vpcId": vpc,
        "addresses": "10.0.0.0/16",
        "availabilityZones": zones,
        "privateSubnetIds": subnets,
        "topicArn": topic,
        "boundary": "workload-boundary",
    }


def test_pipeline_is_deployed_and_its_order_brings_the_pair_to_each_stage(installed: Installed) -> None:
    example = installed("pipeline")
    app = example.folder / "app.py"
    app.write_text(re.sub(r'"\d{12}"', f'"{ACCOUNT}"', app.read_text()))
    with AwsEmulator(regions=[*REGIONS, "us-east-2"]) as aws:  # production has an observer in the witness Region
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy("OrdersPipeline")
        cli = cli.synthesized()
        template = json.loads((cli.output / "OrdersPipeline.template.json").read_text())
        [pipeline] = [one for one in template["Resources"].values() if one["Type"] == "AWS::CodePipeline::Pipeline"]
        stages = {one["Name"]: one["Actions"] for one in pipeline["Properties"]["Stages"]}
        approval, *production = stages["Production"]
        assert (approval["ActionTypeId"]["Category"], approval["RunOrder"]) == ("Approval", 1)
        for actions, observers in ((stages["Staging"], 2), (production, 3)):
            for order in sorted({one["RunOrder"] for one in actions}):
                stacks = [one["Configuration"]["StackName"] for one in actions if one["RunOrder"] == order]
                cli.deploy("--exclusively", *(one.replace("-", "/", 1) for one in stacks))
            assert [one["verdict"] for one in Drill(aws).verdicts()] == ["HEALTHY"] * observers
            cli.destroy(f"{stacks[0].partition('-')[0]}/*")
        cli.destroy("OrdersPipeline", "cross-region-stack-*")
        assert list(survey.leftovers(aws)) == ["AWS::DSQL::Cluster"], "production keeps its data"
