"""Aurora DSQL across Regions, from the AWS CDK in Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .alarm_settings import AlarmSetting, AlarmSettings
    from .alerting_topic import AlertingTopic
    from .cluster_interface import IRegionalCluster
    from .cluster_peering import ClusterPeering
    from .dr_dashboard import DrDashboard
    from .health_alarms import HealthAlarms
    from .health_monitor import HealthMonitor
    from .monitor_options import MonitorOptions
    from .multi_region_dsql_dr import MultiRegionDsqlDr
    from .multi_region_monitoring import MultiRegionMonitoring
    from .regional_cluster import RegionalCluster
    from .regions import validate_topology

__all__ = [
    "AlarmSetting",
    "AlarmSettings",
    "AlertingTopic",
    "ClusterPeering",
    "DrDashboard",
    "HealthAlarms",
    "HealthMonitor",
    "IRegionalCluster",
    "MonitorOptions",
    "MultiRegionDsqlDr",
    "MultiRegionMonitoring",
    "RegionalCluster",
    "validate_topology",
]

_MODULES = (
    "alarm_settings",
    "alerting_topic",
    "cluster_interface",
    "cluster_peering",
    "dr_dashboard",
    "health_alarms",
    "health_monitor",
    "monitor_options",
    "multi_region_dsql_dr",
    "multi_region_monitoring",
    "regional_cluster",
    "regions",
)


def __getattr__(name: str) -> Any:
    """Import on first use: importing aws_cdk starts Node, which `dsql_dr_constructs.rehearsal` has no need of."""
    if name in __all__:
        for module in _MODULES:
            found = getattr(import_module(f".{module}", __name__), name, None)
            if found is not None:
                return globals().setdefault(name, found)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
