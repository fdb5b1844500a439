from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import MultiRegionDsqlDr
from dsql_dr_constructs.rehearsal import cost

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-c", "from dsql_dr_constructs.rehearsal.command_line import main; main()", "cost"]


def bill(**options: Any) -> dict[str, cost.Line]:
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", **options)
    templates = [assertions.Template.from_stack(stack).to_json() for stack in pair.stacks]
    return {one.what: one for one in cost.monitoring(templates)}


def total(lines: dict[str, cost.Line]) -> float:
    return sum(one.total for one in lines.values())


def test_monitoring_with_the_defaults_is_under_20_dollars_and_the_readme_has_the_table() -> None:
    found = bill()
    assert total(found) < 20
    assert cost.markdown(found.values()) in (ROOT / "README.md").read_text()


def test_every_paid_part_is_counted() -> None:
    counts = {what: one.count for what, one in bill().items()}
    a_region = 2 + 2 + 1 + 1 + 4 + 1 + 2 + 1  # health, peering by two metrics, ..., conflicts by two, commit latency
    assert counts["Alarms, by metric"] == 2 * a_region
    assert counts["Custom metrics"] == 2 * (2 * 5 + 1)
    assert (counts["Composite alarms"], counts["Dashboards"], counts["KMS keys"]) == (2, 1, 2)
    assert counts["PutMetricData, calls"] == pytest.approx(2 * 730 * 30)


def test_what_is_left_out_costs_nothing_and_what_runs_more_often_costs_more() -> None:
    assert total(bill(monitoring=False)) == 0
    assert bill(schedule=cdk.Duration.minutes(1))["Lambda, runs"].count == 2 * bill()["Lambda, runs"].count
    assert total(bill(witness_observer=True)) > total(bill())


def test_load_is_billed_by_dpus_after_the_free_ones_and_storage_in_both_regions() -> None:
    dpus, storage = cost.dsql(tx_per_second=10, dpu_per_tx=0.05, storage_gb=5)
    assert dpus.count == pytest.approx(10 * 3600 * 730 * 0.05 - 100_000)
    assert storage.count == 2 * 5 - 1
    assert sum(one.total for one in cost.dsql(tx_per_second=0.001, dpu_per_tx=0.05, storage_gb=0.5)) == 0


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments, str(ROOT / "examples" / "quickstart")], check=False, capture_output=True, text=True
    )


def test_command_prints_the_table_and_says_what_it_does_not_know() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    assert cost.markdown(bill().values()) in done.stdout
    assert "What Aurora DSQL bills depends on your load" in done.stdout


def test_command_speaks_json_and_asks_for_what_it_needs() -> None:
    found = json.loads(run("--json", "--tx-per-second=1", "--dpu-per-tx=0.1").stdout)
    assert [one["what"] for one in found["lines"]][-2:] == ["DPUs", "Storage in both Regions, GB"]
    done = run("--tx-per-second=1")
    assert done.returncode == 1
    assert "--tx-per-second needs --dpu-per-tx" in done.stdout
