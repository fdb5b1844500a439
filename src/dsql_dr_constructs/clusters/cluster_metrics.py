"""The metrics that Aurora DSQL publishes for a cluster."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from ..arguments import checked


class ClusterMetrics:
    """One method for each metric in ``AWS/AuroraDSQL``, ready for alarms and dashboards of any Region.

    Every method takes *statistic* and *period* (5 minutes by default); the default statistic and the unit are those of
    the user guide, and each docstring names them.

    AWS's sources disagree on the dimension of the usage metrics (DPUs): the user guide says ``ResourceId``, its texts
    on billing and public code say ``ClusterId``, as for all other metrics. This has not been checked in an account
    yet, so each DPU metric is the greater of both, which is the one that exists.

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

    def _usage(self, metric_name: str, statistic: str, period: Duration | None) -> cloudwatch.MathExpression:
        by_cluster = self.metric(metric_name, statistic=statistic, period=period)
        by_resource = cloudwatch.Metric(
            namespace="AWS/AuroraDSQL",
            metric_name=metric_name,
            dimensions_map={"ResourceId": self.cluster_identifier},
            region=self.cluster_region,
            statistic=statistic,
            period=period,
        )
        name = metric_name[0].lower() + metric_name[1:]
        return cloudwatch.MathExpression(
            expression=f"MAX([FILL({name}ByCluster, 0), FILL({name}ByResource, 0)])",
            using_metrics={f"{name}ByCluster": by_cluster, f"{name}ByResource": by_resource},
            period=period,
            label=metric_name,
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
        """Queries that were ended by a time-out (count; Sum by default)."""
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

    def metric_write_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.MathExpression:
        """Distributed processing units of writes (count; Sum by default)."""
        return self._usage("WriteDPU", statistic, period)

    def metric_read_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.MathExpression:
        """Distributed processing units of reads (count; Sum by default)."""
        return self._usage("ReadDPU", statistic, period)

    def metric_compute_dpu(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Distributed processing units of query processing (count; Sum by default)."""
        return self._usage("ComputeDPU", statistic, period)

    def metric_multi_region_write_dpu(
        self, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.MathExpression:
        """Distributed processing units of writes replicated to the peer (count; Sum by default)."""
        return self._usage("MultiRegionWriteDPU", statistic, period)

    @checked
    def metric_stream_dpu(
        self, stream_id: str, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Distributed processing units of one change stream (count; Sum by default)."""
        return cloudwatch.Metric(
            namespace="AWS/AuroraDSQL",
            metric_name="StreamDPU",
            dimensions_map={"ClusterId": self.cluster_identifier, "StreamId": stream_id},
            region=self.cluster_region,
            statistic=statistic,
            period=period,
        )

    def metric_total_dpu(self, *, statistic: str = "Sum", period: Duration | None = None) -> cloudwatch.MathExpression:
        """All distributed processing units, which AWS bills (count; Sum by default)."""
        return self._usage("TotalDPU", statistic, period)
