from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest

from dsql_dr_constructs import IRegionalCluster, RegionalCluster
from dsql_dr_constructs.emulator.alarm_evaluation import evaluate

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
]
USAGE = {
    "write_dpu": "WriteDPU",
    "read_dpu": "ReadDPU",
    "compute_dpu": "ComputeDPU",
    "multi_region_write_dpu": "MultiRegionWriteDPU",
    "total_dpu": "TotalDPU",
}


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
    assert methods == {*(method for method, *_ in PUBLISHED), *USAGE, "stream_dpu"}


@pytest.mark.parametrize(("method", "name"), USAGE.items())
def test_usage_is_seen_under_either_dimension(cluster: IRegionalCluster, method: str, name: str) -> None:
    """The user guide says ResourceId, public code says ClusterId; whichever exists is the value."""
    metric = getattr(cluster, f"metric_{method}")(period=cdk.Duration.hours(1))
    configs = {id: _config(one) for id, one in metric.using_metrics.items()}
    assert [(one.metric_name, one.statistic, one.period.to_hours()) for one in configs.values()] == [
        (name, "Sum", 1)
    ] * 2
    dimensions = {id: (one.dimensions[0].name, one.dimensions[0].value) for id, one in configs.items()}
    assert sorted(dimensions.values()) == [("ClusterId", "a" * 26), ("ResourceId", "a" * 26)]
    for id in dimensions:
        seen = {**dict.fromkeys(dimensions, None), id: 7.0}
        assert evaluate(metric.expression, seen) == 7
    assert evaluate(metric.expression, dict.fromkeys(dimensions, 7.0)) == 7, "and is not counted twice"


def test_usage_of_a_stream_has_the_streams_dimension(cluster: IRegionalCluster) -> None:
    config = _config(cluster.metric_stream_dpu("s-1"))
    dimensions = [(one.name, one.value) for one in config.dimensions]
    assert (config.metric_name, dimensions) == ("StreamDPU", [("ClusterId", "a" * 26), ("StreamId", "s-1")])


def test_statistic_and_period_can_be_chosen(cluster: IRegionalCluster) -> None:
    config = _config(cluster.metric_commit_latency(statistic="p99", period=cdk.Duration.minutes(1)))
    assert (config.statistic, config.period.to_seconds()) == ("p99", 60)


def test_metric_of_a_later_aws_is_reached_by_name(cluster: IRegionalCluster) -> None:
    metric = cluster.metric("NewMetric", statistic="Average", label="New")
    assert (_config(metric).metric_name, metric.label) == ("NewMetric", "New")


def _config(metric: Any) -> Any:
    return metric.to_metric_config().metric_stat
