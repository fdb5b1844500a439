"""The alarms of one observing Region, and which of them notify people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from ..accepted_findings import accept
from ..arguments import checked
from ..asked_once import seconds
from ..physical_names import alarm_name
from ..runtime.health_monitor.settings import STALE_HOURS, NotificationPath
from .alarm_actions import publish, refuse_unable_to_publish
from .alarm_definitions import AlarmDefinition, alarm_definitions, notifications_broken
from .alarm_description import composite_descriptions
from .alarm_options import AlarmOptions, HealthAlarmOptions, completed, refuse_period
from .alerting_topic import AlertingTopic
from .evacuation_alarms import evacuation_alarms
from .health_monitor import HealthMonitor
from .notification_path import check_notifications, described, notification_path
from .runbook import notification_commands

_ONE_A_RUN = (
    "cluster_down",
    "cluster_health",
    "peering",
    "monitor_no_data",
    "data_without_runs",
    "parameters_changed",
    "notifications_broken",
    "recovery_point_age",
)
"""Options of alarms whose metrics have one datapoint for each run at most."""


class HealthAlarms(Construct):
    """Alarms on the metrics of a `HealthMonitor` and on the monitor itself, for one observing Region.

        HealthAlarms(stack, "Alarms", monitor=monitor, topic=AlertingTopic(stack, "Alerts", emails=[...]))

    Each kind of fault has one alarm that notifies *topic*: a cluster is down (one alarm for each cluster), the peering
    is lost or the witness was changed, an SSM parameter was changed, monitoring does not work, and, with
    `check_each_other`, another Region cannot notify anybody. So one fault makes one notification from each Region that
    sees it, and one when it is over; a different fault that comes while the first one lasts makes its own. All other
    alarms are warnings: they are shown on the dashboard, and notify *warning_topic* if there is one; that of the age of
    recovery points notifies *topic* if there is none.

    Names end with the Region (``aurora-dsql-<deployment>-cluster-down-us-east-1-from-us-west-2``), since incident tools
    take an alarm's name as the key of the incident.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm.html
    """

    region: str
    """Region of the alarms and of their monitor."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        monitor: HealthMonitor,
        topic: AlertingTopic | None = None,
        warning_topic: AlertingTopic | None = None,
        options: HealthAlarmOptions | None = None,
        peering_region: str | None = None,
    ) -> None:
        """
        Args:
            monitor: Monitor whose metrics the alarms evaluate, in the same stack.
            topic: Topic that is notified of faults. Default: none, the alarms are shown on the dashboard only.
            warning_topic: Topic that is notified of warnings. Default: none, they are shown on the dashboard only.
            options: Thresholds, periods and evaluation periods; None for an alarm leaves it out. Default: as
                `HealthAlarmOptions` says.
            peering_region: Region of the pair's `ClusterPeering`, whose function repairs the pair; notifications have
                the command. Default: none, notifications say what to do without it.

        Raises:
            ValueError: all periods of an alarm are longer than CloudWatch allows, or it needs more runs than there are.
        """
        super().__init__(scope, id)
        self._monitor = monitor
        self.region = monitor.region
        self._topic, self._warning_topic = topic, warning_topic
        if warning_topic and warning_topic is not topic:
            warning_topic._no_subscription.for_warnings = True
        self._composites = composite_descriptions(monitor, peering_region, self.region)
        self._alarms: dict[str, cloudwatch.AlarmBase] = {}
        self._options = options or HealthAlarmOptions()
        self._rules: dict[str, Mapping[str, Any]] = {}
        self._evaluated: dict[str, tuple[cloudwatch.IMetric, Duration, AlarmOptions]] = {}
        self._notifying: list[str] = []
        self._causes: dict[str, list[str]] = {name: [] for name in self._composites}
        for one in (*alarm_definitions(monitor, self.region, peering_region), *evacuation_alarms(monitor, self.region)):
            evaluated = one.options or self._given(one.option)
            if evaluated:
                self._alarm(one, evaluated)
                self._causes.get(one.notifies, []).append(one.what)
        for name, causes in self._causes.items():
            if causes:
                self._notify_of_fault(name, self._composite(name, causes))
        self.node.add_dependency(monitor.first_probe)
        accept(self, {"CloudWatchAlarmAction": "Composite alarms act for some; others are for Route 53, or warnings."})

    @property
    def alarms(self) -> Mapping[str, cloudwatch.AlarmBase]:
        """Every alarm by its field of `HealthAlarmOptions` with ``-`` for ``_``, such as ``alarms["commit-latency"]``.

        Those of a cluster have its Region, too: ``alarms["cluster-down-us-east-1"]``. The composite alarms are
        ``peering-lost`` and ``monitoring-not-working``. ``cluster-health-<region>`` is for Route 53 health checks, as
        is ``evacuated-<region>``, which monitors with *evacuation* have.

        Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
        """
        return dict(self._alarms)

    @property
    def names(self) -> Sequence[str]:
        """Physical names of all alarms, which a stack in any Region can use."""
        return [self._name(what) for what in self._alarms]

    @staticmethod
    @checked
    def check_each_other(alarms: Sequence[HealthAlarms]) -> None:
        """Let the monitor of each Region check, about every 4 minutes, that the other Regions can notify people.

            HealthAlarms.check_each_other([in_virginia, in_oregon])

        It reads the alarms that notify there, their topic and its key. The alarm ``notifications-broken`` reports an
        alarm that is gone or has lost its actions, a topic without a confirmed subscription, and a key or a policy that
        does not admit CloudWatch. It does not report a Region that does not answer.

        Args:
            alarms: The alarms of all observing Regions of a pair; each topic needs a name.

        Raises:
            ValueError: a topic has no name, so that a stack in another Region does not know its ARN.
        """
        topics = {one: one._topic for one in alarms if one._topic}
        checking = {
            one: one._options.notifications_broken
            for one in alarms
            if one._options.notifications_broken and any(other is not one for other in topics)
        }
        for one, given in checking.items():
            others = [other.region for other in topics if other is not one]
            definition = notifications_broken(one._monitor, one.region, others)
            one._alarm(definition, completed(definition.option, given))
        if checking:
            paths = {one: one._notification_path(topic) for one, topic in topics.items()}
            for one in checking:
                check_notifications(one._monitor, [path for other, path in paths.items() if other is not one])

    @checked
    def notify(self, alarm: cloudwatch.AlarmBase, *, warnings: bool = False) -> None:
        """Let *alarm*, one of yours in this Region, notify as these alarms do, of ALARM and of OK.

        Args:
            alarm: A metric or composite alarm with a name, in any stack of this Region.
            warnings: As in `MultiRegionDsqlDr.add_alarms`.

        Raises:
            ValueError: there is no such topic, or *alarm* has no name, or is in another account, Region or Stage.
        """
        topic = self._warning_topic if warnings else self._topic
        if not topic:
            raise ValueError(
                f"Alarm {alarm.node.path!r} has no topic to notify: give "
                f"{'warning_emails' if warnings else 'a topic'} first."
            )
        refuse_unable_to_publish(alarm, self)
        topic.admit_alarm(alarm)
        publish(alarm, topic)

    def _given(self, option: str) -> AlarmOptions | None:
        given: AlarmOptions | None = getattr(self._options, option)
        return completed(option, given) if given else None

    def _name(self, what: str) -> str:
        return alarm_name(self._monitor.deployment_name, what, self.region)

    def _alarm(self, one: AlarmDefinition, options: AlarmOptions) -> cloudwatch.Alarm:
        period = options.period or one.period or self._monitor.schedule
        refuse_period(one.option, period, options.evaluation_periods or 0)
        if one.option in _ONE_A_RUN:
            self._refuse_more_than_the_monitor_puts(one.option, period, options.threshold or 0)
        metric = one.metric(period)
        self._evaluated[one.what] = metric, period, options
        alarm = cloudwatch.Alarm(
            self,
            one.what,
            alarm_name=self._name(one.what),
            alarm_description=one.description.text(self._monitor.deployment_name, self.region),
            metric=metric,
            threshold=options.threshold or 0,
            comparison_operator=options.comparison_operator,
            evaluation_periods=options.evaluation_periods or 0,
            datapoints_to_alarm=options.datapoints_to_alarm,
            treat_missing_data=options.treat_missing_data,
        )
        self._alarms[one.what] = alarm
        if one.option == "recovery_point_age" and options.threshold != STALE_HOURS:
            self._monitor.function.add_environment("STALE_HOURS", f"{options.threshold:g}")
        if one.notifies == "itself":
            self._notify_of_fault(one.what, alarm)
        elif one.notifies == "warning":
            publish(alarm, self._warning_topic)
        elif one.notifies == "somebody":
            publish(alarm, self._warning_topic or self._topic)
        return alarm

    def _notify_of_fault(self, what: str, alarm: cloudwatch.AlarmBase) -> None:
        self._notifying.append(what)
        publish(alarm, self._topic)

    def _repair_of_notifications(self) -> list[str]:
        if not self._topic or not self._notifying:
            return []
        return notification_commands(self.region, self._name("*"), self._notifying, self._topic.known_arn)

    def _notification_path(self, topic: AlertingTopic) -> NotificationPath:
        causes = [cause for causes in self._causes.values() for cause in causes]
        alarms = self._rules | described(self._evaluated, self._monitor._stack)
        notifying, children = ({what: alarms[what] for what in one} for one in (self._notifying, causes))
        return notification_path(self._name("*"), notifying, children, topic)

    def _refuse_more_than_the_monitor_puts(self, name: str, period: Duration, threshold: float) -> None:
        """
        Raises:
            ValueError: some periods would have no run, or never as many as the alarm needs.
        """
        schedule = self._monitor.schedule
        runs = seconds(period) // seconds(schedule)
        if runs < 1 or (name == "monitor_no_data" and threshold > runs):
            raise ValueError(
                f"{name} has periods of {period.to_human_string()}, and the monitor runs every "
                f"{schedule.to_human_string()}, so that the alarm would be in ALARM while the pair is healthy: give a "
                "period of at least the schedule, and a threshold of no more than the runs in it."
            )

    def _composite(self, name: str, causes: Sequence[str]) -> cloudwatch.CompositeAlarm:
        self._rules[name] = {"AlarmRule": " OR ".join(f'ALARM("{self._name(one)}")' for one in causes)}
        alarm = cloudwatch.CompositeAlarm(
            self,
            name,
            composite_alarm_name=self._name(name),
            alarm_description=self._composites[name].text(self._monitor.deployment_name, self.region),
            alarm_rule=cloudwatch.AlarmRule.any_of(*(self._alarms[one] for one in causes)),
        )
        self._alarms[name] = alarm
        return alarm
