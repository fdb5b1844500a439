"""A stack that monitors a pair of another stack, in few lines."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import HealthMonitor, IRegionalCluster, RegionalCluster
from tests.unit.intrinsics import written_out

REGIONS = ("us-east-1", "us-west-2")
DEPLOYMENT = "Orders-production"


class MonitoredPair:
    """Its clusters are found by their SSM parameters."""

    def __init__(self, app: cdk.App, region: str = "us-east-1") -> None:
        self.stack = cdk.Stack(app, "Monitoring", env=cdk.Environment(account="111111111111", region=region))
        self.clusters: list[IRegionalCluster] = [
            RegionalCluster.from_parameters(self.stack, one, deployment_name=DEPLOYMENT, region=one) for one in REGIONS
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
        """*value* as it is deployed where each SSM parameter says its own name, with ``-`` between its parts."""
        parameters = self.template().to_json()["Parameters"]

        def ref(name: str) -> str:
            found: str = "aws" if name == "AWS::Partition" else parameters[name]["Default"].strip("/").replace("/", "-")
            return found

        found: str = written_out(value, ref)
        return found
