"""What a pair shows of its monitoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import IConstruct

from ..arguments import checked
from ..clusters.connected_pair import ConnectedPair
from ..resource_policies import warn
from .alerting_topic import AlertingTopic
from .dr_dashboard import DrDashboard
from .health_alarms import HealthAlarms
from .health_monitor import HealthMonitor
from .monitor_options import refuse_other_schedules
from .multi_region_monitoring import MultiRegionMonitoring
from .subscriptions import refuse_no_email


class MonitoredPair(ConnectedPair):
    """A pair with or without monitoring."""

    monitoring: MultiRegionMonitoring | None
    """What monitors the clusters; None without *monitoring*."""

    @property
    def monitors(self) -> Mapping[str, HealthMonitor]:
        """By observing Region; none without *monitoring*."""
        return self.monitoring.monitors if self.monitoring else {}

    @property
    def topics(self) -> Mapping[str, AlertingTopic]:
        """Topics for faults, by observing Region, to add subscriptions to. None without *monitoring*."""
        return self.monitoring.topics if self.monitoring else {}

    @property
    def warning_topics(self) -> Mapping[str, AlertingTopic]:
        """Topics for warnings, by observing Region; none without *warning_emails* and *warning_topics*."""
        return self.monitoring.warning_topics if self.monitoring else {}

    @property
    def alarms(self) -> Mapping[str, HealthAlarms]:
        """By observing Region; none without *monitoring*."""
        return self.monitoring.alarms if self.monitoring else {}

    @property
    def dashboard(self) -> DrDashboard | None:
        """In the primary's monitoring stack; None without *monitoring*."""
        return self.monitoring.dashboard if self.monitoring else None

    @checked
    def add_alarms(self, alarms: Sequence[cloudwatch.AlarmBase], *, warnings: bool = False) -> None:
        """Let alarms of yours notify as the pair's do, and show them in a row of the dashboard.

        Args:
            alarms: Metric or composite alarms with names, in stacks of observing Regions.
            warnings: Whether they notify the topics for warnings. Default: False.

        Raises:
            ValueError: *monitoring* is None, or an alarm has no name, or is in a Region without a topic.
        """
        if not self.monitoring:
            raise ValueError(f"{self.node.path!r} has monitoring=None, and so no topic: leave it out to add alarms.")
        self._registry.refuse_in_a_clusters_stack(alarms)
        self.monitoring.add_alarms(alarms, warnings=warnings)


def warn_of_no_monitoring(scope: IConstruct, alert_emails: Sequence[str], schedule: Duration | None) -> None:
    """Of what is given for it; a wrong value is refused as with monitoring."""
    for email in alert_emails:
        refuse_no_email("alert_emails", email)
    if schedule:
        refuse_other_schedules(schedule)
    effects = ["nobody in alert_emails is notified"] * bool(alert_emails) + ["schedule has no effect"] * bool(schedule)
    if effects:
        warn(scope, "monitoringOff", f"monitoring is None, so {' and '.join(effects)}.")
