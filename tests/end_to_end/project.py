"""An app of a test's own: synthesized here, deployed by the real CDK CLI to the local AWS emulator.

Directly, which takes half of the CPU time that change sets take; by these, examples are deployed.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from typing import Any

import aws_cdk as cdk

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CDK_CLI, CdkCli
from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.monitoring.runbook import repair_command

DESTROY = cdk.RemovalPolicy.DESTROY


def bootstrap(aws: AwsEmulator) -> None:
    """As ``cdk bootstrap`` does it with the same template, in a tenth of the CPU time of a start of the CLI."""
    given = {
        "CloudFormationExecutionPolicies": "arn:aws:iam::aws:policy/AdministratorAccess",
        "FileAssetsBucketKmsKeyId": "AWS_MANAGED_KEY",
    }
    template = (CDK_CLI.folder / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml").read_text()
    clients = [aws.client("cloudformation", region) for region in aws.regions]
    for client in clients:
        client.create_stack(
            StackName="CDKToolkit",
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
    for client in clients:
        client.get_waiter("stack_create_complete").wait(StackName="CDKToolkit", WaiterConfig={"Delay": 0.1})


class Project:
    """Deploys what a test asks for; each deployment is a synthesis of its own, as with `cdk deploy`."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.aws = aws
        self.assembly = aws.directory / "cdk.out"
        self.cdk = CdkCli(aws, aws.directory, app=str(self.assembly), output=self.assembly, change_sets=False)
        bootstrap(aws)

    def synthesize(self, build: Callable[[cdk.App], object] | None = None, **options: Any) -> CdkCli:
        """*build*'s app; by default `MultiRegionDsqlDr` with *options*, without monitoring unless they have it."""
        app = cdk.App(outdir=str(self.assembly))
        if build:
            build(app)
        else:
            MultiRegionDsqlDr(app, "Orders", **{"removal_policy": DESTROY, "monitoring": None, **options})
        app.synth()
        return self.cdk

    def deploy(self, build: Callable[[cdk.App], object] | None = None, **options: Any) -> str:
        return self.synthesize(build, **options).deploy()

    def repair(self) -> dict[str, Any]:
        """What ``aws lambda invoke`` writes into response.json, by the command of the runbook."""
        words = shlex.split(repair_command("Orders-production", self.aws.regions[1]).partition(" && ")[0])
        given = {name: words[index + 1] for index, name in enumerate(words[:-1])}
        client = self.aws.client("lambda", given["--region"])
        answer = client.invoke(FunctionName=given["--function-name"], Payload=given["--payload"].encode())
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def remove_peers(self) -> None:
        """As in the console, on both sides."""
        for region, one in self.clusters().items():
            self.aws.client("dsql", region).update_cluster(
                identifier=one["identifier"], multiRegionProperties={"witnessRegion": "us-east-2", "clusters": []}
            )

    def clusters(self) -> dict[str, dict[str, Any]]:
        """The one cluster of each Region."""
        found = survey.clusters(self.aws)
        assert len({one["region"] for one in found}) == len(found)
        return {one["region"]: one for one in found}

    def parameters(self) -> list[dict[str, str]]:
        """Those of each Region."""
        return [survey.parameters(self.aws, region) for region in self.aws.regions]

    def queue(self, region: str) -> tuple[Any, str]:
        """That of an app with the queues ``notifications-<region>``, as `Inbox` takes it."""
        client = self.aws.client("sqs", region)
        return client, client.get_queue_url(QueueName=f"notifications-{region}")["QueueUrl"]

    def calls_of_functions(self) -> set[str]:
        """The peering's calls of DSQL and SSM."""
        return {one["name"] for one in self.aws.calls() if one["role"] and one["service"] in ("dsql", "ssm")}

    def assert_peered(self) -> None:
        clusters = self.clusters()
        assert sorted(clusters) == sorted(self.aws.regions)
        assert {one["status"] for one in clusters.values()} == {"ACTIVE"}
        for region, other in (self.aws.regions, self.aws.regions[::-1]):
            assert clusters[region]["peers"] == [clusters[other]["arn"]]
        expected = {
            (region, field): str(clusters[region][field])
            for region in self.aws.regions
            for field in ("arn", "identifier", "endpoint")
        }
        for region in self.aws.regions:
            dsql = self.aws.client("dsql", region)
            service = dsql.get_vpc_endpoint_service_name(identifier=clusters[region]["identifier"])
            expected[region, "vpc-endpoint-service-name"] = service["serviceName"]
        for entries in self.parameters():
            assert {(name.split("/")[3], name.split("/")[4]): value for name, value in entries.items()} == expected
