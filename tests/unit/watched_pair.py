"""A stack that watches a pair of another stack, in few lines."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import HealthMonitor, IRegionalCluster, RegionalCluster

REGIONS = ("us-east-1", "us-west-2")
DEPLOYMENT = "Orders-production"


class WatchedPair:
    """Its clusters are those of the registry."""

    def __init__(self, app: cdk.App, region: str = "us-east-1") -> None:
        self.stack = cdk.Stack(app, "Watch", env=cdk.Environment(account="111111111111", region=region))
        self.clusters: list[IRegionalCluster] = [
            RegionalCluster.from_registry(self.stack, one, deployment=DEPLOYMENT, region=one) for one in REGIONS
        ]

    def monitor(self, **options: Any) -> HealthMonitor:
        given = {"deployment_name": DEPLOYMENT, "clusters": self.clusters, "witness_region": "us-east-2", **options}
        return HealthMonitor(self.stack, "Monitor", **given)

    def properties(self, resource_type: str) -> list[dict[str, Any]]:
        found = self.template().find_resources(resource_type).values()
        return [one["Properties"] for one in found]

    def template(self) -> assertions.Template:
        return assertions.Template.from_stack(self.stack)

    def written_out(self, value: Any) -> str:
        """*value* with the names of the SSM parameters and of the partition that it takes from its deployment."""
        if isinstance(value, str):
            return value
        if "Fn::Join" in value:
            return "".join(self.written_out(part) for part in value["Fn::Join"][1])
        if "Fn::Select" in value:
            return self.written_out(value["Fn::Select"][1]["Fn::Split"][1])
        if value["Ref"] == "AWS::Partition":
            return "aws"
        found: str = self.template().to_json()["Parameters"][value["Ref"]]["Default"]
        return found
