from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "configured"
VARIABLES = ("ENVIRONMENT", "PRIMARY_REGION", "SECONDARY_REGION", "WITNESS_REGION", "MONITORING_EMAIL")


class Synthesis:
    """The app as the CDK CLI runs it, with *context* and the environment *variables*."""

    def __init__(self, folder: Path, context: dict[str, str], variables: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in VARIABLES}
        inherited.pop("CDK_DEFAULT_ACCOUNT", None)
        self.folder = folder
        self.done = subprocess.run(
            [sys.executable, "app.py"],
            cwd=EXAMPLE,
            env={**inherited, "CDK_OUTDIR": str(folder), "CDK_CONTEXT_JSON": json.dumps(context), **variables},
            check=False,
            capture_output=True,
            text=True,
        )

    def environments(self) -> dict[str, str]:
        """Account and Region of each stack."""
        assert self.done.returncode == 0, self.done.stderr
        artifacts = json.loads((self.folder / "manifest.json").read_text())["artifacts"]
        stacks = {name: one for name, one in artifacts.items() if one["type"] == "aws:cloudformation:stack"}
        return {name: one["environment"].removeprefix("aws://") for name, one in stacks.items()}

    def properties(self, resource_type: str) -> list[dict[str, Any]]:
        found = []
        for template in sorted(self.folder.glob("*.template.json")):
            resources = json.loads(template.read_text())["Resources"].values()
            found += [one["Properties"] for one in resources if one["Type"] == resource_type]
        return found


def test_defaults_are_those_of_the_construct(tmp_path: Path) -> None:
    synthesis = Synthesis(tmp_path, {}, {})
    assert synthesis.environments() == {
        "AuroraDsqlDR-Primary-production": "unknown-account/us-east-1",
        "AuroraDsqlDR-Secondary-production": "unknown-account/us-west-2",
        "AuroraDsqlDR-PrimaryMonitoring-production": "unknown-account/us-east-1",
        "AuroraDsqlDR-SecondaryMonitoring-production": "unknown-account/us-west-2",
    }
    assert synthesis.properties("AWS::SNS::Subscription") == []


def test_context_wins_over_the_environment_which_wins_over_defaults(tmp_path: Path) -> None:
    synthesis = Synthesis(
        tmp_path,
        {"secondaryRegion": "eu-west-2", "monitoringFrequencyMinutes": "5", "clusterPrefix": "orders"},
        {
            "CDK_DEFAULT_ACCOUNT": "222222222222",
            "ENVIRONMENT": "staging",
            "PRIMARY_REGION": "eu-west-1",
            "SECONDARY_REGION": "eu-west-3",
            "WITNESS_REGION": "eu-central-1",
            "MONITORING_EMAIL": "staging-ops@example.com",
        },
    )
    assert synthesis.environments() == {
        "AuroraDsqlDR-Primary-staging": "222222222222/eu-west-1",
        "AuroraDsqlDR-Secondary-staging": "222222222222/eu-west-2",
        "AuroraDsqlDR-PrimaryMonitoring-staging": "222222222222/eu-west-1",
        "AuroraDsqlDR-SecondaryMonitoring-staging": "222222222222/eu-west-2",
    }
    clusters = synthesis.properties("AWS::DSQL::Cluster")
    assert {one["MultiRegionProperties"]["WitnessRegion"] for one in clusters} == {"eu-central-1"}
    names = [tag["Value"] for one in clusters for tag in one["Tags"] if tag["Key"] == "Name"]
    assert sorted(names) == ["orders-primary", "orders-secondary"]
    assert {one["ScheduleExpression"] for one in synthesis.properties("AWS::Events::Rule")} == {"rate(5 minutes)"}
    assert [one["Endpoint"] for one in synthesis.properties("AWS::SNS::Subscription")] == [
        "staging-ops@example.com",
        "staging-ops@example.com",
    ]


@pytest.mark.parametrize(
    ("context", "variables", "sentence"),
    [
        ({"environment": "a/b"}, {}, "environment (environment variable ENVIRONMENT) is 'a/b': a name"),
        ({}, {"PRIMARY_REGION": "Virginia"}, "primaryRegion (environment variable PRIMARY_REGION) is 'Virginia'"),
        ({"secondaryRegion": "us-east-1"}, {}, "primaryRegion and secondaryRegion are both 'us-east-1'"),
        ({"monitoringEmail": "ops"}, {}, "monitoringEmail (environment variable MONITORING_EMAIL) is 'ops'"),
        ({"clusterPrefix": "#"}, {}, "clusterPrefix is '#'"),
        ({"monitoringFrequencyMinutes": "0.5"}, {}, "monitoringFrequencyMinutes is '0.5': a whole number from 1 to 60"),
    ],
)
def test_wrong_value_is_refused_with_the_name_of_the_parameter(
    tmp_path: Path, context: dict[str, str], variables: dict[str, str], sentence: str
) -> None:
    done = Synthesis(tmp_path, context, variables).done
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_the_recipes_witness_is_refused_with_why_and_what_to_use(tmp_path: Path) -> None:
    said = Synthesis(tmp_path, {}, {"WITNESS_REGION": "us-west-1"}).done.stderr
    assert "witnessRegion is 'us-west-1', where AWS offers no Aurora DSQL, for a cluster as for a witness" in said
    assert "choose from 'us-east-2'" in said
