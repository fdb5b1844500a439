"""The alarms that say for Route 53 which Region of a pair is evacuated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, IMetric, TreatMissingData

from ..physical_names import EVACUATED
from ..runtime.health_monitor import metric_names as names
from .alarm_definitions import AlarmDefinition, period_of_runs
from .alarm_description import AlarmDescription
from .alarm_options import AlarmOptions
from .health_monitor import HealthMonitor


def evacuation_alarms(monitor: HealthMonitor, observer: str) -> Iterator[AlarmDefinition]:
    """One for each cluster, where *monitor* reads what is declared; ``HealthAlarmOptions`` has no field for them.

    Without data, a Region is evacuated as its own monitor says, for that may be lost with the Region, and is not as
    the other one says.
    """
    for cluster in monitor.clusters if monitor.evacuation else ():
        region = cluster.cluster_region
        own = region == observer
        yield AlarmDefinition(
            kind=EVACUATED.removesuffix("-"),
            cluster_region=region,
            metric=partial(_metric, monitor, region),
            description=AlarmDescription(
                fault=f"{region} is evacuated: somebody declared it, as seen from {observer}"
                f"{', or the monitor there puts no data' if own else ''}. This alarm is for Route 53 health checks, "
                "and notifies nobody.",
                action="dsql-dr status says who declared it, when, and why; dsql-dr evacuate --back ends it.",
            ),
            period=period_of_runs(monitor),
            options=AlarmOptions(
                threshold=1,
                comparison_operator=ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
                evaluation_periods=1,
                treat_missing_data=TreatMissingData.BREACHING if own else TreatMissingData.NOT_BREACHING,
            ),
            notifies="nobody",
        )


def _metric(monitor: HealthMonitor, region: str, period: Duration) -> IMetric:
    return monitor.metric(names.EVACUATED, region, statistic="Maximum", period=period)
