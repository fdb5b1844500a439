"""Aurora DSQL across Regions, from the AWS CDK in Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backup.backup_options import BackupOptions
    from .backup.multi_region_backup import MultiRegionBackup
    from .clusters.cluster_interface import IRegionalCluster
    from .clusters.cluster_options import ClusterOptions
    from .clusters.cluster_peering import ClusterPeering
    from .clusters.database_privilege import DatabasePrivilege
    from .clusters.database_role import DatabaseRole
    from .clusters.regional_cluster import RegionalCluster
    from .drill.dr_drill import DrDrill
    from .drill.drill_options import DrillOptions
    from .failover.failover_options import FailoverOptions
    from .failover.region_health_check import RegionHealthCheck
    from .monitoring.alarm_options import AlarmOptions, HealthAlarmOptions
    from .monitoring.alerting_topic import AlertingTopic
    from .monitoring.dr_dashboard import DrDashboard
    from .monitoring.health_alarms import HealthAlarms
    from .monitoring.health_monitor import HealthMonitor
    from .monitoring.monitor_options import MonitorOptions
    from .monitoring.monitoring_options import MonitoringOptions
    from .monitoring.multi_region_monitoring import MultiRegionMonitoring
    from .multi_region_dsql_dr import MultiRegionDsqlDr
    from .regions import validate_topology
    from .stack_options import StackOptions

__all__ = [
    "AlarmOptions",
    "AlertingTopic",
    "BackupOptions",
    "ClusterOptions",
    "ClusterPeering",
    "DatabasePrivilege",
    "DatabaseRole",
    "DrDashboard",
    "DrDrill",
    "DrillOptions",
    "FailoverOptions",
    "HealthAlarmOptions",
    "HealthAlarms",
    "HealthMonitor",
    "IRegionalCluster",
    "MonitorOptions",
    "MonitoringOptions",
    "MultiRegionBackup",
    "MultiRegionDsqlDr",
    "MultiRegionMonitoring",
    "RegionHealthCheck",
    "RegionalCluster",
    "StackOptions",
    "validate_topology",
]

_HOMES = {
    "AlarmOptions": "monitoring.alarm_options",
    "AlertingTopic": "monitoring.alerting_topic",
    "BackupOptions": "backup.backup_options",
    "ClusterOptions": "clusters.cluster_options",
    "ClusterPeering": "clusters.cluster_peering",
    "DatabasePrivilege": "clusters.database_privilege",
    "DatabaseRole": "clusters.database_role",
    "DrDashboard": "monitoring.dr_dashboard",
    "DrDrill": "drill.dr_drill",
    "DrillOptions": "drill.drill_options",
    "FailoverOptions": "failover.failover_options",
    "HealthAlarmOptions": "monitoring.alarm_options",
    "HealthAlarms": "monitoring.health_alarms",
    "HealthMonitor": "monitoring.health_monitor",
    "IRegionalCluster": "clusters.cluster_interface",
    "MonitorOptions": "monitoring.monitor_options",
    "MonitoringOptions": "monitoring.monitoring_options",
    "MultiRegionBackup": "backup.multi_region_backup",
    "MultiRegionDsqlDr": "multi_region_dsql_dr",
    "MultiRegionMonitoring": "monitoring.multi_region_monitoring",
    "RegionHealthCheck": "failover.region_health_check",
    "RegionalCluster": "clusters.regional_cluster",
    "StackOptions": "stack_options",
    "validate_topology": "regions",
}


def __getattr__(name: str) -> Any:
    """Import on first use: importing aws_cdk starts Node, which the emulator and the command line do not need."""
    if name in _HOMES:
        return globals().setdefault(name, getattr(import_module(f".{_HOMES[name]}", __name__), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
