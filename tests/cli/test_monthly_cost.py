from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import (
    DrillOptions,
    FailoverOptions,
    MonitoringOptions,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
)
from dsql_dr_constructs.cli import monthly_cost
from dsql_dr_constructs.cli.prices import BY_REGION

ROOT = Path(__file__).parents[2]


def stacks(**options: Any) -> list[tuple[str, Any]]:
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", **options)
    return [(stack.region, assertions.Template.from_stack(stack).to_json()) for stack in pair.stacks]


def bill(**options: Any) -> dict[str, monthly_cost.Line]:
    return {one.what: one for one in monthly_cost.monitoring(template for _, template in stacks(**options))}


def total(lines: dict[str, monthly_cost.Line]) -> float:
    return sum(one.total for one in lines.values())


def test_monitoring_with_the_defaults_is_under_20_dollars_and_the_documents_have_its_price() -> None:
    found = bill()
    assert total(found) < 20
    assert monthly_cost.markdown(found.values()) in (ROOT / "docs" / "costs.md").read_text()
    assert f"[{total(found):.2f} $ a month](docs/costs.md)" in (ROOT / "README.md").read_text()


def test_every_paid_part_is_counted() -> None:
    counts = {what: one.count for what, one in bill().items()}
    a_region = 2 + 2 + 2 + 1 + 1 + 1 + 2 + 1 + 4 + 1 + 2 + 1  # ..., data without runs and conflicts by two, latency
    assert counts["Alarms, by metric"] == 2 * a_region
    assert counts["Custom metrics"] == 2 * (2 * 5 + 1 + 2)
    assert (counts["Composite alarms"], counts["Dashboards"], counts["KMS keys"]) == (4, 1, 2)
    assert counts["PutMetricData, calls"] == pytest.approx(2 * 730 * 30)
    assert counts["DescribeAlarms, calls"] == counts["DescribeKey, calls"] == pytest.approx(2 * 730 * 15)
    every_minute = bill(schedule=cdk.Duration.minutes(1))
    assert every_minute["DescribeAlarms, calls"].count == pytest.approx(2 * 730 * 15), "on a beat of its own"
    assert bill(schedule=cdk.Duration.minutes(10))["DescribeAlarms, calls"].count == pytest.approx(2 * 730 * 6)


WITH_SQL = MonitoringOptions(sql_probe=True)


def test_price_with_the_sql_probe_is_in_the_documents() -> None:
    found = bill(monitoring=WITH_SQL)
    assert monthly_cost.markdown(found.values()) in (ROOT / "docs" / "costs.md").read_text()
    assert f"{total(found):.2f} $ with the [SQL probe]" in (ROOT / "README.md").read_text()


def test_sql_probe_is_counted_with_its_metrics_its_run_time_and_its_transactions() -> None:
    without, found = bill(), bill(monitoring=WITH_SQL)
    assert found["Custom metrics"].count == without["Custom metrics"].count + 2 * 6
    assert found["Lambda, GB-seconds"].count == 2 * without["Lambda, GB-seconds"].count
    assert found.keys() - without.keys() == {"DPUs of the SQL probe"}
    insert, point_read = dpus(), dpus(written_bytes=0)
    a_run = 2 * (sum(insert.values()) + sum(point_read.values()))
    assert a_run == pytest.approx(2 * (0.1117 + 0.01175), rel=1e-2), "of the guide's example, and of a read like it"
    assert found["DPUs of the SQL probe"].count == pytest.approx(2 * 730 * 30 * a_run)
    assert found["DPUs of the SQL probe"].each == BY_REGION["us-east-1"].dpu


def test_age_of_recovery_points_is_one_metric_and_one_alarm_of_each_observer() -> None:
    vaults = dict.fromkeys(("us-east-1", "us-west-2"), "dsql-orders")
    without, found = (
        {
            one.what: one
            for one in monthly_cost.monitoring(
                assertions.Template.from_stack(stack).to_json()
                for stack in MultiRegionMonitoring(
                    cdk.App(), "Orders", deployment_name="orders", backup_vaults=given
                ).stacks
            )
        }
        for given in (None, vaults)
    )
    assert {what: one.count - without[what].count for what, one in found.items() if one != without[what]} == {
        "Custom metrics": 2,
        "Alarms, by metric": 2,
    }
    more = total(found) - total(without)
    assert f"{more:.2f} $ more" in (ROOT / "docs" / "costs.md").read_text()


def test_failover_is_counted_with_its_health_checks_metrics_and_alarms_and_its_price_is_in_the_documents() -> None:
    without, found = bill(), bill(failover=FailoverOptions())
    added = {what: one.count - (without[what].count if what in without else 0) for what, one in found.items()}
    assert {what: count for what, count in added.items() if count} == {
        "Alarms, by metric": 2 * 2,
        "Custom metrics": 2 * 2,
        "Health checks of Route 53": 2 * 7,
    }
    assert found["Health checks of Route 53"].each == 0.50
    more = f"{total(found) - total(without):.2f} $"
    for document in ("costs.md", "failover.md"):
        assert more in (ROOT / "docs" / document).read_text()
    said = "Health checks of Route 53 are counted"
    assert any(one.startswith(said) for one in monthly_cost.notes(stacks(failover=FailoverOptions()), "us-east-1"))
    assert not any(one.startswith(said) for one in monthly_cost.notes(stacks(), "us-east-1"))


def test_note_says_that_free_dpus_are_not_taken_off_the_sql_probe() -> None:
    said = "The DPUs of the SQL probe are counted without the free ones"
    assert any(one.startswith(said) for one in monthly_cost.notes(stacks(monitoring=WITH_SQL), "us-east-1"))
    assert not any(one.startswith(said) for one in monthly_cost.notes(stacks(), "us-east-1"))


def test_drills_cost_nothing_until_one_runs_and_the_note_says_what_it_costs() -> None:
    drilled = stacks(drill=DrillOptions(), monitoring=WITH_SQL)
    assert total(bill(drill=DrillOptions())) == total(bill())
    [note] = [one for one in monthly_cost.notes(drilled, "us-east-1") if one.startswith("Drills cost nothing")]
    for region in ("us-east-1", "us-west-2"):
        said = f"A drill in {region} costs 1.60 $ (0.10 $ for each of its 16 action minutes)."
        assert said in note, "10 of the fault, 6 of the wait"
    assert "1.60 $" in (ROOT / "docs" / "costs.md").read_text()
    long = stacks(drill=DrillOptions(duration=cdk.Duration.minutes(90)))
    assert any("A drill in us-east-1 costs 9.00 $ (0.10" in one for one in monthly_cost.notes(long, "us-east-1"))
    assert not any("Drills" in one for one in monthly_cost.notes(stacks(), "us-east-1"))


def test_what_is_left_out_costs_nothing_and_what_runs_more_often_costs_more() -> None:
    assert total(bill(monitoring=None)) == 0
    assert bill(schedule=cdk.Duration.minutes(1))["Lambda, runs"].count == 2 * bill()["Lambda, runs"].count
    assert total(bill(monitoring=MonitoringOptions(witness_observer=True))) > total(bill())


def test_run_time_is_billed_by_the_architecture_of_the_function() -> None:
    arm = [template for _, template in stacks()]
    x86 = copy.deepcopy(arm)
    for template in x86:
        for one in template["Resources"].values():
            one.get("Properties", {}).pop("Architectures", None)  # Lambda's default is x86_64
    lines = {one.what: one for one in monthly_cost.monitoring(x86)}
    assert lines["Lambda on x86_64, GB-seconds"].count == bill()["Lambda, GB-seconds"].count
    assert lines["Lambda on x86_64, GB-seconds"].each == 0.0000166667
    assert "Lambda, GB-seconds" not in lines
    both = {one.what: one.each for one in monthly_cost.monitoring([*arm, *x86])}
    assert both["Lambda on x86_64, GB-seconds"] > both["Lambda, GB-seconds"]


def test_rotation_of_keys_is_noted_with_what_it_adds_from_the_third_year_on() -> None:
    keys = [
        {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": rotated}} for rotated in (True, True, True, False)
    ]
    [note, *_] = monthly_cost.notes([("us-east-1", {"Resources": dict(zip("abcd", keys, strict=True))})], "us-east-1")
    assert note == (
        "Rotation is on for 3 of the KMS keys. Each of a key's first two rotations adds 1.00 $ a month, later ones add "
        "nothing: if the keys are rotated every year, 6.00 $ a month more from the third year on."
    )
    assert any("Rotation is on for 2 of the KMS keys." in one for one in monthly_cost.notes(stacks(), "us-east-1"))
    assert not any("Rotation" in one for one in monthly_cost.notes(stacks(monitoring=None), "us-east-1"))


def test_stacks_in_other_regions_than_the_prices_are_noted() -> None:
    europe = stacks(primary_region="eu-west-1", secondary_region="eu-west-2", witness_region="eu-central-1")
    [note] = [one for one in monthly_cost.notes(europe, "us-east-1") if one.startswith("Stacks in")]
    assert note == (
        "Stacks in eu-west-1 and eu-west-2 are counted at the prices of us-east-1; only the prices of "
        "us-east-1 and ap-northeast-1 are known here."
    )
    alone = [one for one in stacks() if one[0] == "us-east-1"]
    assert not any(one.startswith("Stacks in") for one in monthly_cost.notes(alone, "us-east-1"))


EVERY_SECOND = 3600 * 730


def dpus(**load: float) -> dict[str, float]:
    """Of one transaction."""
    lines = monthly_cost.dsql(monthly_cost.Load(tx_per_second=1, **load))
    return {one.what: one.count / EVERY_SECOND for one in lines if one.count >= 0}


def test_load_is_metered_as_the_examples_of_the_user_guide() -> None:
    # https://docs.aws.amazon.com/aurora-dsql/latest/userguide/billing-metering.html#billing-dpu-examples
    insert = dpus(written_bytes=128, read_bytes=16, compute_ms=8)
    assert insert["Compute DPUs"] == pytest.approx(0.008)
    assert insert["Read DPUs"] == pytest.approx(0.00375, rel=1e-3)
    assert insert["Write DPUs"] == insert["Multi-Region write DPUs"] == pytest.approx(0.05, rel=1e-3)
    assert insert == dpus(), "which is the default"
    scan = dpus(written_bytes=0, read_bytes=10_000, compute_ms=8)
    assert scan["Read DPUs"] == pytest.approx(0.01831, rel=1e-3)
    assert scan["Write DPUs"] == 0
    bulk = dpus(written_bytes=12_800, read_bytes=1_600, compute_ms=80)
    assert bulk["Write DPUs"] == pytest.approx(0.625, rel=1e-3)


def test_document_has_the_price_of_its_example() -> None:
    load = sum(one.total for one in monthly_cost.dsql(monthly_cost.Load(tx_per_second=10, storage_gb=5)))
    document = " ".join((ROOT / "docs" / "costs.md").read_text().split())
    assert f"{load:.2f} $ for ten inserted rows a second and 5 GB" in document


def test_free_dpus_and_storage_are_taken_off_and_both_regions_keep_the_data() -> None:
    bill = {one.what: one for one in monthly_cost.dsql(monthly_cost.Load(tx_per_second=10, storage_gb=5))}
    assert bill["DPUs that are free"].count == -100_000
    assert bill["Storage in both Regions, GB"].count == 2 * 5 - 1
    little = monthly_cost.dsql(monthly_cost.Load(tx_per_second=0.001, storage_gb=0.5))
    assert sum(one.total for one in little) == pytest.approx(0)


def test_prices_are_those_of_the_region() -> None:
    load = monthly_cost.Load(tx_per_second=10, storage_gb=5)
    virginia, tokyo = (
        sum(one.total for one in monthly_cost.dsql(load, BY_REGION[region]))
        for region in ("us-east-1", "ap-northeast-1")
    )
    assert tokyo > virginia
