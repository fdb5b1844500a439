"""The command `dsql-dr cost`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import assertions

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.cli import monthly_cost

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.cli.command_line import main; main()", "cost"]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments, str(ROOT / "examples" / "quickstart")],
        env=os.environ | {"COLUMNS": "500"},
        check=False,
        capture_output=True,
        text=True,
    )


def test_table_is_printed_with_what_it_does_not_count() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    pair = MultiRegionDsqlDr(cdk.App(), "Orders")
    lines = monthly_cost.monitoring(assertions.Template.from_stack(one).to_json() for one in pair.stacks)
    assert monthly_cost.markdown(lines) in done.stdout
    assert "The cost of Aurora DSQL depends on your load" in done.stdout
    assert "- Stacks in us-west-2 are counted at the prices of us-east-1" in done.stdout
    assert "- Rotation is on for 2 of the KMS keys." in done.stdout


def test_json_names_the_region_whose_prices_it_has() -> None:
    found = json.loads(run("--json", "--tx-per-second=1", "--region=ap-northeast-1").stdout)
    assert found["region"] == "ap-northeast-1"
    assert any("us-east-1 and us-west-2 are counted at the prices of ap-northeast-1" in one for one in found["notes"])
    assert {"Write DPUs", "Storage in both Regions, GB"} <= {one["what"] for one in found["lines"]}
    done = run("--region=eu-north-1")
    assert done.returncode == 2
    assert "choose from" in done.stderr
    said = " ".join(run("--help").stdout.split())
    assert "us-east-1 or ap-northeast-1, the only ones known here" in said
