"""What fails the cluster of one Region on purpose: an experiment template of AWS Fault Injection Service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_fis as fis
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from ..accepted_findings import LAMBDA_FINDINGS, LOG_CHECKS, accept, skip
from ..arguments import checked
from ..asked_once import minutes
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..monitoring.health_alarms import HealthAlarms
from ..physical_names import (
    CLUSTER_DOWN,
    MONITORING_NOT_WORKING,
    PEERING_LOST,
    drill_log_name,
    drill_name,
)
from ..regions import AS_OF, WITHOUT_FIS, partition_of
from ..resource_policies import differ, warn
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from ..runtime_function import function_log_group
from .drill_options import DrillOptions
from .drill_permissions import (
    CONNECTION_FAILURE,
    accept_wildcards,
    dashboard_arn,
    experiment_role,
    permit_report,
    reports_prefix,
)
from .drill_schedule import drill_schedule
from .expected_alarm import minutes_until_noticed

_ALL_OK, _FAULT, _WAIT, _NOTICED = "all-alarms-ok", "connection-failure", "until-noticed", "alarm-raised"
_TARGET, _TARGET_KEY = "cluster", "Clusters"
_BEFORE, _AFTER = "PT5M", "PT15M"
"""What the graphs of the report have before and after the experiment."""

Action = fis.CfnExperimentTemplate.ExperimentTemplateActionProperty


class DrDrill(Construct):
    """An experiment template that lets connections to the cluster of its own Region fail; somebody has to start it.

        DrDrill(stack, "Drill", cluster=cluster, alarms=monitoring.alarms["us-west-2"])

    The experiment asserts first that alarms of this Region are in OK. It is stopped by the alarm on the other cluster,
    by *stop_alarm_arns*, and by anybody who may.
    `MultiRegionDsqlDr` creates one for each cluster with *drill*.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/disaster-recovery-resiliency.html
    """

    experiment_template: fis.CfnExperimentTemplate
    """Its tags are ``Name``, ``aurora-dsql-drill-<deployment>``, and ``dsql-dr:deployment``, the deployment name."""

    role: iam.Role
    """As whom AWS FIS acts: it may fail this cluster, and nothing else."""

    log_group: logs.LogGroup
    """``/aws/fis/aurora-dsql-drill-<deployment>``: what AWS FIS logs of each experiment."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cluster: IRegionalCluster,
        alarms: HealthAlarms,
        encryption_key: kms.IKey | None = None,
        options: DrillOptions | None = None,
    ) -> None:
        """
        Args:
            cluster: Target of the experiment, in the Region of this stack.
            alarms: Alarms of the same Region; they may be in another stack, which is deployed first.
            encryption_key: Key of the log group, in this Region. Default: a key of AWS.
            options: Duration, share, stop conditions and schedule. Default: as `DrillOptions` says.

        Raises:
            ValueError: *cluster* or *alarms* are of another Region or not of one pair, the pair has a drill in this
                Region already, a stop alarm is of another account or one that the drill itself raises, or
                *expect_alarm* is True and the alarm is not raised in time.
        """
        super().__init__(scope, id)
        self._stack, self._options = Stack.of(self), options or DrillOptions()
        self._alarms, self._deployment = alarms, alarms._monitor.deployment_name
        self._region = self._stack.region
        self._identity = (self._deployment, self._region, self._stack.account)
        self._refuse_other_regions({"cluster": cluster.cluster_region, "alarms": alarms.region})
        self._refuse_two_pairs(cluster)
        self._refuse_second_drill()
        self._warn_of_missing_service()
        self.log_group = function_log_group(
            self,
            "Logs",
            log_group_name=drill_log_name(self._deployment),
            retention=self._options.log_retention,
            encryption_key=encryption_key,
        )
        self.role = experiment_role(self, cluster)
        bucket = (self._options.report_buckets or {}).get(self._region)
        if bucket:
            permit_report(self.role, bucket, self._deployment)
        self.experiment_template = self._template(cluster, self._stop_conditions(), bucket)
        self.experiment_template.node.add_dependency(self.role)
        if schedule := (self._options.schedules or {}).get(self._region):
            drill_schedule(self, self.experiment_template, schedule, self._deployment)
        accept_wildcards(self.role, bucket, self._deployment)
        accept(self, {one: LAMBDA_FINDINGS[one] for one in ("CloudWatchLogGroupEncrypted", "IAMNoInlinePolicy")})
        skip(self, {} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS})

    def _refuse_other_regions(self, regions: Mapping[str, str]) -> None:
        for what, region in regions.items():
            if differ(region, self._region):
                raise ValueError(
                    f"Drill {self.node.path!r} is in {self._region}, and its {what} in {region}: a drill fails the "
                    "cluster of its own Region, and asserts the alarms there; create it in a stack of that Region."
                )

    def _refuse_two_pairs(self, cluster: IRegionalCluster) -> None:
        """As far as both are known: an identifier and an SSM parameter cannot be compared before the deployment."""
        for one in self._alarms._monitor.clusters:
            folders = [parameter_folder(each) for each in (one, cluster)]
            if one.cluster_region != cluster.cluster_region or any(folders) != all(folders):
                continue
            if differ(*(folders if all(folders) else (one.cluster_identifier, cluster.cluster_identifier))):
                raise ValueError(
                    f"Drill {self.node.path!r} has alarms of {self._deployment}, which are on another cluster in "
                    f"{self._region} than its own: a drill that fails it would assert alarms that never see it; give "
                    "the cluster and the alarms of one pair."
                )

    def _refuse_second_drill(self) -> None:
        for other in self.node.root.node.find_all():
            if isinstance(other, DrDrill) and other is not self and other._identity == self._identity:
                raise ValueError(
                    f"{self.node.path!r} and {other.node.path!r} are both the drill of {self._deployment!r} in "
                    f"{self._region}, with one log group and the same tags: leave one of them out."
                )

    def _warn_of_missing_service(self) -> None:
        if self._region in WITHOUT_FIS:
            warn(
                self,
                "noFaultInjection",
                f"CloudFormation had no AWS::FIS::ExperimentTemplate in {self._region} in {AS_OF}, when the list of "
                "this release was made, and without it this stack cannot be deployed; nothing else depends on it.",
            )

    def _stop_conditions(self) -> list[fis.CfnExperimentTemplate.ExperimentTemplateStopConditionProperty]:
        """The pair's own, and those of the user as far as they are right; without any, a warning has what to add."""
        arns = (self._options.stop_alarm_arns or {}).get(self._region, ())
        for arn in arns:
            self._refuse_or_warn(arn)
        if not arns:
            warn(
                self,
                "noStopCondition",
                f"Nothing stops a drill of {self._deployment!r} in {self._region} when users suffer from it: give "
                f'DrillOptions(stop_alarm_arns={{"{self._region}": ["arn:{partition_of(self._region)}:cloudwatch:'
                f'{self._region}:<account>:alarm:<name>"]}}) an alarm on the errors of your application.',
            )
        condition = fis.CfnExperimentTemplate.ExperimentTemplateStopConditionProperty
        own = list(self._alarms_on_others())
        others = [arn for arn in arns if not any(arn.endswith(f":{self._alarms._name(what)}") for what in own)]
        found = [condition(source="aws:cloudwatch:alarm", value=arn) for arn in (*map(self._alarm_arn, own), *others)]
        return found or [condition(source="none")]

    def _alarms_on_others(self) -> Iterator[str]:
        """On the cluster that has to go on: if that is down as well, the fault ends at once."""
        for cluster in self._alarms._monitor.clusters:
            what = f"{CLUSTER_DOWN}{cluster.cluster_region}"
            if cluster.cluster_region != self._region and what in self._alarms.alarms:
                yield what

    def _refuse_or_warn(self, arn: str) -> None:
        start, _, name = arn.partition(":alarm:")  # no name, if it is a token as a whole
        account = start.rpartition(":")[2]
        if name and differ(account, self._stack.account):
            raise ValueError(
                f"stop_alarm_arns has an alarm of account {account} for {self._region}, and the drill is in "
                f"{self._stack.account}: AWS FIS follows alarms of its own account; give one that is there."
            )
        raised = [self._alarms._name(f"{kind}{self._region}") for kind in (CLUSTER_DOWN, "cluster-health-")]
        if name in raised:
            raise ValueError(
                f"stop_alarm_arns has {name!r} for {self._region}, which the drill itself raises: give an alarm on the "
                "errors of your application, or one on the other cluster."
            )
        if name in [self._alarms._name(one) for one in (PEERING_LOST, MONITORING_NOT_WORKING)]:
            warn(
                self,
                "compositeStopAlarm",
                f"stop_alarm_arns has {name!r} for {self._region}, a composite alarm, and AWS does not say whether AWS "
                "FIS follows those: give metric alarms, or see in the first drill that it stops.",
            )

    def _template(
        self,
        cluster: IRegionalCluster,
        stop_conditions: list[fis.CfnExperimentTemplate.ExperimentTemplateStopConditionProperty],
        bucket: str | None,
    ) -> fis.CfnExperimentTemplate:
        options, made = self._options, fis.CfnExperimentTemplate
        return made(
            self,
            "Template",
            description=f"Aurora DSQL pair {self._deployment}: {options.share} % of the calls to the cluster in "
            f"{self._region} fail for {options.duration.to_human_string()}",
            role_arn=self.role.role_arn,
            stop_conditions=stop_conditions,
            targets={
                _TARGET: made.ExperimentTemplateTargetProperty(
                    resource_type="aws:dsql:cluster", resource_arns=[cluster.cluster_arn], selection_mode="ALL"
                )
            },
            actions=dict(self._actions()),
            experiment_options=made.ExperimentTemplateExperimentOptionsProperty(empty_target_resolution_mode="fail"),
            log_configuration=made.ExperimentTemplateLogConfigurationProperty(
                log_schema_version=2,
                # the CDK passes it on as it is
                cloud_watch_logs_configuration={"LogGroupArn": self.log_group.log_group_arn},
            ),
            experiment_report_configuration=self._report(bucket) if bucket else None,
            tags={"Name": drill_name(self._deployment), DEPLOYMENT_TAG: self._deployment},
        )

    def _actions(self) -> Iterator[tuple[str, Action]]:
        """By name; each begins when those that it names have ended."""
        regions = [one.cluster_region for one in self._alarms._monitor.clusters]
        kinds = [f"{kind}{region}" for kind in (CLUSTER_DOWN, "peering-") for region in regions]
        present = [one for one in (*kinds, "monitor-no-data") if one in self._alarms.alarms]
        if present:
            yield _ALL_OK, self._assertion("OK", present)
        after = [_ALL_OK] if present else None
        yield (
            _FAULT,
            Action(
                action_id=CONNECTION_FAILURE,
                parameters={
                    "duration": self._options.duration.to_iso_string(),
                    "percentage": str(self._options.share),
                },
                targets={_TARGET_KEY: _TARGET},
                start_after=after,
            ),
        )
        wait = minutes_until_noticed(self._alarms, self._region, self._options)
        if wait:
            duration = minutes(wait).to_iso_string()
            yield _WAIT, Action(action_id="aws:fis:wait", parameters={"duration": duration}, start_after=after)
            yield _NOTICED, self._assertion("ALARM", [f"{CLUSTER_DOWN}{self._region}"], [_WAIT])

    def _assertion(self, state: str, kinds: Sequence[str], after: list[str] | None = None) -> Action:
        return Action(
            action_id="aws:cloudwatch:assert-alarm-state",
            parameters={"alarmArns": ",".join(map(self._alarm_arn, kinds)), "alarmStates": state},
            start_after=after,
        )

    def _alarm_arn(self, what: str) -> str:
        """By its name: no stack refers to another."""
        return self._stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=self._alarms._name(what),
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )

    def _report(self, bucket: str) -> fis.CfnExperimentTemplate.ExperimentTemplateExperimentReportConfigurationProperty:
        made = fis.CfnExperimentTemplate
        arn = dashboard_arn(self._stack, self._deployment)
        return made.ExperimentTemplateExperimentReportConfigurationProperty(
            outputs=made.OutputsProperty(
                experiment_report_s3_configuration=made.ExperimentReportS3ConfigurationProperty(
                    bucket_name=bucket, prefix=reports_prefix(self._deployment)
                )
            ),
            data_sources=made.DataSourcesProperty(
                cloud_watch_dashboards=[made.CloudWatchDashboardProperty(dashboard_identifier=arn)]
            ),
            pre_experiment_duration=_BEFORE,
            post_experiment_duration=_AFTER,
        )
