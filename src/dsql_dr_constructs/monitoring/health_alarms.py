"""The alarms of one observing Region, and which of them notify people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aws_cdk import Duration, Stack, Stage, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from constructs import Construct

from ..accepted_findings import accept
from ..arguments import checked
from ..physical_names import MONITORING_NOT_WORKING, PEERING_LOST, alarm_name
from ..resource_policies import is_imported
from ..runtime.health_monitor.settings import NotificationPath
from .alarm_definitions import AlarmDefinition, alarm_definitions, notifications_broken
from .alarm_options import AlarmOptions, HealthAlarmOptions, refuse_period
from .alerting_topic import AlertingTopic
from .health_monitor import HealthMonitor
from .notification_path import check_notifications, notification_path, watched
from .runbook import ask_for_verdict, dashboard_url, notification_commands, repair_step

_ONE_A_RUN = (
    "cluster_down",
    "cluster_health",
    "peering",
    "monitor_no_data",
    "data_without_runs",
    "parameters",
    "notifications",
)
"""Settings of alarms whose metrics have one datapoint a run at most."""

_COMPOSITES = {
    PEERING_LOST: (
        "The clusters do not name each other as peers any more, or one has another witness.",
        "",  # the step that its children have
    ),
    MONITORING_NOT_WORKING: (
        "The monitor fails, puts no metrics, or others put them: whether the clusters are healthy is not known there.",
        "Ask for the verdict in another Region, then read the function's log.",
    ),
}


class HealthAlarms(Construct):
    """Alarms on what a `HealthMonitor` sees and on the monitor itself.

        HealthAlarms(stack, "Alarms", monitor=monitor, topic=AlertingTopic(stack, "Alerts", emails=[...]))

    Each kind of fault has one alarm that notifies: a cluster is down (one alarm for each cluster), the peering is lost
    or the witness was changed, an SSM parameter was changed, monitoring does not work, and, with `check_each_other`,
    another Region could not notify anybody. So one fault makes one notification from each Region that
    sees it, and one when it is over; another fault that comes while the first one lasts makes its own. All others are
    warnings: they show on the dashboard, and go to *warning_topic* if there is one.

    Names end with the Region (``aurora-dsql-<deployment>-cluster-down-us-east-1-from-us-west-2``), since incident tools
    take an alarm's name as the key of the incident.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Create_Composite_Alarm.html
    """

    region: str
    """Region that the alarms are in, and see from."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        monitor: HealthMonitor,
        topic: AlertingTopic | None = None,
        settings: HealthAlarmOptions | None = None,
        warning_topic: AlertingTopic | None = None,
        peering_region: str | None = None,
    ) -> None:
        """
        Args:
            monitor: Whose metrics are watched, in the same stack.
            topic: What faults are published to. Default: none, the alarms show on the dashboard.
            settings: Thresholds, periods, M of N, missing data; None for an alarm leaves it out. Default: as
                `HealthAlarmOptions` says.
            warning_topic: What warnings are published to. Default: none, they show on the dashboard.
            peering_region: Region of the pair's `ClusterPeering`, whose function repairs a lost peering; the text of
                the notification has the command. Default: none, it says what to do without.

        Raises:
            ValueError: an alarm looks back for longer than CloudWatch does, or counts on more runs than there are.
        """
        super().__init__(scope, id)
        self.region = Stack.of(self).region
        self._monitor = monitor
        self._topic, self._warning_topic = topic, warning_topic
        self._repair = repair_step(monitor.deployment_name, peering_region)
        self._alarms: dict[str, cloudwatch.AlarmBase] = {}
        self._settings = settings = settings or HealthAlarmOptions()
        self._watched: dict[str, Callable[[], Mapping[str, Any]]] = {}
        self._notifying: list[str] = []
        self._causes: dict[str, list[str]] = {name: [] for name in _COMPOSITES}
        for one in alarm_definitions(monitor, self.region, peering_region):
            setting: AlarmOptions | None = getattr(settings, one.setting)
            if setting:
                self._alarm(one, setting)
                self._causes.get(one.notifies, []).append(one.what)
        for name, causes in self._causes.items():
            if causes:
                self._notify_of_fault(name, self._composite(name, causes))
        self.node.add_dependency(monitor.first_probe)
        accept(self, {"CloudWatchAlarmAction": "Composite alarms act for some; others are for Route 53, or warnings."})

    @property
    def alarms(self) -> Mapping[str, cloudwatch.AlarmBase]:
        """Every alarm by what it is about, for example ``alarms["cluster-down-us-east-1"]``.

        ``cluster-health-<region>`` is for Route 53 health checks: a plain metric alarm, to which no data is unhealthy.

        Source: https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-types.html
        """
        return dict(self._alarms)

    @property
    def names(self) -> Sequence[str]:
        """Physical names of all alarms; they hold in any Region's stack."""
        return [self._name(what) for what in self._alarms]

    @staticmethod
    @checked
    def check_each_other(alarms: Sequence[HealthAlarms]) -> None:
        """Let the monitor of each Region check that the others can notify people, about every 4 minutes.

            HealthAlarms.check_each_other([in_virginia, in_oregon])

        It reads the others' alarms that notify, their topic and its key. What is wrong there, notifies here: an alarm
        or its actions are gone, nobody is subscribed, or CloudWatch cannot publish. A Region that does not answer is
        not reported by this.

        Args:
            alarms: Those of all observing Regions of a pair, each with a topic that has a name.

        Raises:
            ValueError: a stack in another Region cannot say the ARN of a topic.
        """
        topics = {one: one._topic for one in alarms if one._topic}
        checking = {
            one: one._settings.notifications
            for one in alarms
            if one._settings.notifications and any(other is not one for other in topics)
        }
        for one, setting in checking.items():
            one._alarm(notifications_broken(one._monitor), setting)
        if checking:
            paths = {one: one._notification_path(topic) for one, topic in topics.items()}
            for one in checking:
                check_notifications(one._monitor, [path for other, path in paths.items() if other is not one])

    @checked
    def notify(self, alarm: cloudwatch.AlarmBase, *, warning: bool = False) -> None:
        """Let *alarm*, one of yours in this Region, notify as these alarms do, when it goes off and when it is over.

        Args:
            alarm: A metric or composite alarm in any stack of this Region.
            warning: Whether it goes to the topic for warnings. Default: False.

        Raises:
            ValueError: there is no such topic, or *alarm* has no name, or is in another Region or Stage.
        """
        topic, path = self._warning_topic if warning else self._topic, alarm.node.path
        if not topic:
            raise ValueError(
                f"Alarm {path!r} has no topic to notify: give {'warning_emails' if warning else 'a topic'} first."
            )
        if is_imported(alarm):
            raise ValueError(
                f"Alarm {path!r} is imported, and its actions cannot be changed from here: add the ARN of the topic to "
                "its actions where it is made."
            )
        stack, own = Stack.of(alarm), Stack.of(self)
        region = stack.region
        if stack.account != own.account:
            raise ValueError(
                f"Alarm {path!r} is in a stack of {_account(stack)}, and the topic in one of {_account(own)}: give "
                "both the same env, for example account=os.environ['CDK_DEFAULT_ACCOUNT']."
            )
        if region != self.region or Stage.of(alarm) is not Stage.of(self):
            raise ValueError(
                f"Alarm {path!r} is in {region!r}, and the topic in {self.region!r}: an alarm notifies topics "
                "of its own Region and its own Stage only; create it there."
            )
        topic.admit_alarm(alarm)
        _publish(alarm, topic)

    def _name(self, what: str) -> str:
        return alarm_name(self._monitor.deployment_name, what, self.region)

    def _alarm(self, one: AlarmDefinition, setting: AlarmOptions) -> cloudwatch.Alarm:
        period = setting.period or one.period or self._monitor.schedule
        refuse_period(one.setting, period, setting.evaluation_periods or 0)
        if one.setting in _ONE_A_RUN:
            self._refuse_more_than_the_monitor_puts(one.setting, period, setting.threshold or 0)
        metric = one.metric(period)
        self._watched[one.what] = lambda: watched(metric, setting)
        alarm = cloudwatch.Alarm(
            self,
            one.what,
            alarm_name=self._name(one.what),
            alarm_description=self._description(one.happened, one.first_step),
            metric=metric,
            threshold=setting.threshold or 0,
            comparison_operator=setting.comparison,
            evaluation_periods=setting.evaluation_periods or 0,
            datapoints_to_alarm=setting.datapoints_to_alarm,
            treat_missing_data=setting.missing_data,
        )
        self._alarms[one.what] = alarm
        if one.notifies == "itself":
            self._notify_of_fault(one.what, alarm)
        elif one.notifies == "warning":
            _publish(alarm, self._warning_topic)
        return alarm

    def _notify_of_fault(self, what: str, alarm: cloudwatch.AlarmBase) -> None:
        self._notifying.append(what)
        _publish(alarm, self._topic)

    def _repair_of_notifications(self) -> list[str]:
        if not self._topic or not self._notifying:
            return []
        return notification_commands(self.region, self._name("*"), self._notifying, self._topic.known_arn)

    def _notification_path(self, topic: AlertingTopic) -> NotificationPath:
        causes = [cause for causes in self._causes.values() for cause in causes]
        notifying, children = ({what: self._watched[what]() for what in one} for one in (self._notifying, causes))
        return notification_path(self._name("*"), notifying, children, topic)

    def _refuse_more_than_the_monitor_puts(self, name: str, period: Duration, threshold: float) -> None:
        """
        Raises:
            ValueError: in some periods there would be no run, or never as many as the alarm counts on.
        """
        schedule = self._monitor.schedule
        runs = period.to_seconds() // schedule.to_seconds()
        if runs < 1 or (name == "monitor_no_data" and threshold > runs):
            raise ValueError(
                f"{name} looks at periods of {period.to_human_string()}, and the monitor runs every "
                f"{schedule.to_human_string()}, so that the alarm would go off while all is as it should be: give a "
                "period of at least the schedule, and a threshold of no more than the runs in it."
            )

    def _composite(self, name: str, causes: Sequence[str]) -> cloudwatch.CompositeAlarm:
        happened, first_step = _COMPOSITES[name]
        rules = [cloudwatch.AlarmRule.from_alarm(self._alarms[one], cloudwatch.AlarmState.ALARM) for one in causes]
        self._watched[name] = lambda: {"AlarmRule": " OR ".join(f'ALARM("{self._name(one)}")' for one in causes)}
        alarm = cloudwatch.CompositeAlarm(
            self,
            name,
            composite_alarm_name=self._name(name),
            alarm_description=self._description(happened, first_step or self._repair),
            alarm_rule=cloudwatch.AlarmRule.any_of(*rules),
        )
        self._alarms[name] = alarm
        return alarm

    def _description(self, happened: str, first_step: str) -> str:
        """What happened, what comes first, and where the rest of the runbook is."""
        deployment = self._monitor.deployment_name
        lines = (
            f"ALARM: {happened} OK: that is over. Seen from {self.region}, Aurora DSQL pair {deployment}.",
            f"First: {first_step}",
            f"Verdict: {ask_for_verdict(deployment, self.region)}",
            f"Runbook: {dashboard_url(deployment, self.region)}",
        )
        return "\n".join(lines)


def _account(stack: Stack) -> str:
    return "no account" if Token.is_unresolved(stack.account) else f"account {stack.account}"


def _publish(alarm: cloudwatch.AlarmBase, topic: AlertingTopic | None) -> None:
    if topic:
        action = actions.SnsAction(topic.topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
