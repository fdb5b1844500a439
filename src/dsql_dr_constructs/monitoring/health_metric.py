"""The metrics that monitors put, for alarms and dashboards."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch

from ..runtime.health_monitor import metric_names as names


def health_metric(
    deployment_name: str,
    metric_name: str,
    *,
    cluster_region: str | None,
    observer_region: str,
    statistic: str = "Minimum",
    period: Duration | None = None,
    label: str | None = None,
) -> cloudwatch.Metric:
    """A metric that the monitor in *observer_region* puts, for a stack in any Region.

    Args:
        deployment_name: Name of the pair.
        metric_name: As in `HealthMonitor.metric`.
        cluster_region: Region of the cluster. None for the metrics of the pair.
        observer_region: Region of the monitor and of the metric.
        statistic: For example ``"Minimum"``. Default: Minimum.
        period: Length of a datapoint. Default: 2 minutes.
        label: Name in graphs. Default: the metric's name.
    """
    return cloudwatch.Metric(
        namespace=names.NAMESPACE,
        metric_name=metric_name,
        dimensions_map={
            names.DEPLOYMENT: deployment_name,
            **({names.CLUSTER_REGION: cluster_region} if cluster_region else {}),
            names.OBSERVER_REGION: observer_region,
        },
        region=observer_region,
        statistic=statistic,
        period=period or Duration.minutes(2),
        label=label,
    )
