from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import IRegionalCluster, RegionalCluster

PUBLISHED = [
    ("read_only_transactions", "ReadOnlyTransactions", "Sum", None),
    ("total_transactions", "TotalTransactions", "Sum", None),
    ("query_timeouts", "QueryTimeouts", "Sum", None),
    ("occ_conflicts", "OccConflicts", "Sum", None),
    ("commit_latency", "CommitLatency", "p50", "Milliseconds"),
    ("bytes_written", "BytesWritten", "Sum", "Bytes"),
    ("bytes_read", "BytesRead", "Sum", "Bytes"),
    ("cluster_storage_size", "ClusterStorageSize", "Maximum", "Bytes"),
    ("compute_time", "ComputeTime", "Sum", "Milliseconds"),
    ("write_dpu", "WriteDPU", "Sum", None),
    ("read_dpu", "ReadDPU", "Sum", None),
    ("compute_dpu", "ComputeDPU", "Sum", None),
    ("multi_region_write_dpu", "MultiRegionWriteDPU", "Sum", None),
    ("stream_dpu", "StreamDPU", "Sum", None),
    ("total_dpu", "TotalDPU", "Sum", None),
]


@pytest.fixture
def cluster(stack: cdk.Stack) -> IRegionalCluster:
    return RegionalCluster.from_cluster_attributes(stack, "Cluster", cluster_identifier="a" * 26, region="us-west-2")


@pytest.mark.parametrize(("method", "name", "statistic", "unit"), PUBLISHED)
def test_metric_is_the_published_one_with_the_guides_statistic(
    cluster: IRegionalCluster, method: str, name: str, statistic: str, unit: str | None
) -> None:
    config = _config(getattr(cluster, f"metric_{method}")())
    assert (config.namespace, config.metric_name, config.statistic) == ("AWS/AuroraDSQL", name, statistic)
    assert [(one.name, one.value) for one in config.dimensions] == [("ClusterId", "a" * 26)]
    assert config.region == "us-west-2"
    assert config.period.to_seconds() == 300
    assert (config.unit_filter.name if config.unit_filter else None) == (unit.upper() if unit else None)


def test_every_metric_method_is_a_published_metric() -> None:
    methods = {name.removeprefix("metric_") for name in dir(IRegionalCluster) if name.startswith("metric_")}
    assert methods == {method for method, *_ in PUBLISHED}


def test_statistic_and_period_can_be_chosen(cluster: IRegionalCluster) -> None:
    config = _config(cluster.metric_commit_latency(statistic="p99", period=cdk.Duration.minutes(1)))
    assert (config.statistic, config.period.to_seconds()) == ("p99", 60)


def test_metric_of_a_later_aws_is_reached_by_name(cluster: IRegionalCluster) -> None:
    metric = cluster.metric("NewMetric", statistic="Average", label="New")
    assert (_config(metric).metric_name, metric.label) == ("NewMetric", "New")


def _config(metric: Any) -> Any:
    return metric.to_metric_config().metric_stat
