"""What the monitoring of a pair can have beside addresses and a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_sns as sns

from ..arguments import check_fields
from .alarm_options import HealthAlarmOptions
from .monitor_options import MonitorOptions
from .subscriptions import refuse_no_email


@dataclass(frozen=True, kw_only=True)
class MonitoringOptions:
    """Observers, topics, thresholds and monitors of a pair. A field that is left out keeps its own default.

        MonitoringOptions(
            warning_emails=["dev@example.com"],
            alert_topics={"us-east-1": "arn:aws:sns:us-east-1:111111111111:ops", "us-west-2": topic},
            alarm_options=HealthAlarmOptions(commit_latency=AlarmOptions(threshold=200)),
        )

    The observing Regions are those of both clusters, and with *witness_observer* that of the witness.

    Args:
        witness_observer: Whether the witness Region monitors both clusters, too. Default: False.
        sql_probe: Whether each run of a monitor also writes a row through one endpoint and reads it through the other,
            as a database role of its own: the proof that both sides serve. It keeps the clusters from becoming idle,
            and is charged in DPU. Default: False.
        alert_topics: Topics of yours for faults, by observing Region, one for each: a topic or its ARN. An empty
            mapping is refused. Default: new ones.
        warning_emails: Addresses that every observing Region notifies of warnings. Default: none.
        warning_topics: Topics of yours for warnings, given as *alert_topics*. Default: new ones if there are
            *warning_emails*, else none, and warnings are shown on the dashboard only.
        alarm_options: Thresholds, periods and evaluation periods of the alarms. Default: as `HealthAlarmOptions` says.
        monitor_options: Network, memory, tracing and the like of the monitors, by observing Region; a Region that is
            left out keeps the defaults. Default: as `MonitorOptions` says.

    Raises:
        ValueError: a field has a value of another type, or one of *warning_emails* is no address.
    """

    witness_observer: bool = False
    sql_probe: bool = False
    alert_topics: Mapping[str, sns.ITopic | str] | None = None
    warning_emails: Sequence[str] = ()
    warning_topics: Mapping[str, sns.ITopic | str] | None = None
    alarm_options: HealthAlarmOptions = HealthAlarmOptions()  # noqa: RUF009 - frozen
    monitor_options: Mapping[str, MonitorOptions] | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        for email in self.warning_emails:
            refuse_no_email("warning_emails", email)
