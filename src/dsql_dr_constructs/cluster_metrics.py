"""The metrics that Aurora DSQL publishes for a cluster."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from .arguments import checked


class ClusterMetrics:
    """One method for each metric in ``AWS/AuroraDSQL``, ready for alarms and dashboards of any Region.

    Every method takes *statistic* and *period* (5 minutes by default); the default statistic and the unit are those of
    the user guide, and each docstring names them.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/monitoring-cloudwatch.html
    """

    cluster_identifier: str
    cluster_region: str

    @checked
    def metric(
        self,
        metric_name: str,
        *,
        statistic: str = "Sum",
        unit: cloudwatch.Unit | None = None,
        period: Duration | None = None,
        label: str | None = None,
    ) -> cloudwatch.Metric:
        """Any metric of this cluster by name.

        Args:
            metric_name: Name in ``AWS/AuroraDSQL``, for example ``"TotalTransactions"``.
            statistic: For example ``"Sum"``, ``"p99"``. Default: Sum.
            unit: Only datapoints in this unit. Default: any.
            period: Length of one datapoint. Default: 5 minutes.
            label: Name in graphs. Default: the metric's name.
        """
        return cloudwatch.Metric(
            namespace="AWS/AuroraDSQL",
            metric_name=metric_name,
            dimensions_map={"ClusterId": self.cluster_identifier},
            region=self.cluster_region,
            statistic=statistic,
            unit=unit,
            period=period,  # the CDK's own default is 5 minutes
            label=label,
        )

    def metric_read_only_transactions(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Read-only transactions that finished (count; Sum by default)."""
        return self.metric("ReadOnlyTransactions", statistic=statistic, period=period)

    def metric_total_transactions(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Transactions that finished, read-only ones included (count; Sum by default)."""
        return self.metric("TotalTransactions", statistic=statistic, period=period)

    def metric_query_timeouts(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Queries that ended because they took too long (count; Sum by default)."""
        return self.metric("QueryTimeouts", statistic=statistic, period=period)

    def metric_occ_conflicts(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Transactions refused by optimistic concurrency control (SQLSTATE 40001) (count; Sum by default)."""
        return self.metric("OccConflicts", statistic=statistic, period=period)

    def metric_commit_latency(self, *, statistic: str = "p50", period: Duration | None = None) -> cloudwatch.Metric:
        """Time that a commit takes (milliseconds; p50 by default)."""
        return self.metric("CommitLatency", statistic=statistic, period=period, unit=cloudwatch.Unit.MILLISECONDS)

    def metric_bytes_written(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Bytes written to storage (bytes; Sum by default)."""
        return self.metric("BytesWritten", statistic=statistic, period=period, unit=cloudwatch.Unit.BYTES)

    def metric_bytes_read(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Bytes read from storage (bytes; Sum by default)."""
        return self.metric("BytesRead", statistic=statistic, period=period, unit=cloudwatch.Unit.BYTES)

    def metric_cluster_storage_size(
        self, *, statistic: str = "Maximum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Size of the cluster's data (bytes; Maximum by default)."""
        return self.metric("ClusterStorageSize", statistic=statistic, period=period, unit=cloudwatch.Unit.BYTES)

    def metric_compute_time(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Time that the query processors worked (milliseconds; Sum by default)."""
        return self.metric("ComputeTime", statistic=statistic, period=period, unit=cloudwatch.Unit.MILLISECONDS)

    def metric_write_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Distributed processing units of writes (count; Sum by default)."""
        return self.metric("WriteDPU", statistic=statistic, period=period)

    def metric_read_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Distributed processing units of reads (count; Sum by default)."""
        return self.metric("ReadDPU", statistic=statistic, period=period)

    def metric_compute_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Distributed processing units of query processing (count; Sum by default)."""
        return self.metric("ComputeDPU", statistic=statistic, period=period)

    def metric_multi_region_write_dpu(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Distributed processing units of writes replicated to the peer (count; Sum by default)."""
        return self.metric("MultiRegionWriteDPU", statistic=statistic, period=period)

    def metric_stream_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """Distributed processing units of change streams (count; Sum by default)."""
        return self.metric("StreamDPU", statistic=statistic, period=period)

    def metric_total_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.Metric:
        """All distributed processing units: what the bill counts (count; Sum by default)."""
        return self.metric("TotalDPU", statistic=statistic, period=period)
