"""A Lambda function that checks both clusters of a pair from its own Region, on a schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import CustomResource, Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from ..accepted_findings import LAMBDA_CHECKS, LOG_CHECKS, MONITOR_FINDINGS, accept, skip, versions_of
from ..arguments import checked
from ..asked_once import minutes, seconds, unresolved
from ..clusters.cluster_interface import IRegionalCluster
from ..deployment_name import validate_deployment_name
from ..physical_names import monitor_name
from ..resource_policies import admit, is_imported, key_for_role
from ..runtime.health_monitor import metric_names as names
from ..runtime_function import (
    architecture,
    function_log_group,
    function_role,
    runtime,
    runtime_code,
)
from .backup_vaults import vaults_environment
from .evacuation_parameter import evacuation_environment, evacuation_parameter
from .first_probe import first_probe
from .health_metric import health_metric
from .monitor_environment import monitor_environment
from .monitor_network import add_endpoints, outbound_only, permit_network_interfaces, refuse_unusable_network
from .monitor_options import MonitorOptions, longest_run
from .monitor_permissions import permit_backup_checks, permit_checks, permit_evacuation_checks
from .sql_probe import probe_environment, probe_role

_FIRST_RUN_SECONDS = 150  # it waits up to 120 s for its permissions to hold (runtime/health_monitor/monitoring_run.py)


class HealthMonitor(Construct):
    """A Lambda function that checks both clusters every 2 minutes, and puts what it finds into CloudWatch.

        clusters = [
            RegionalCluster.from_parameters(stack, region, deployment_name="Orders-production", region=region)
            for region in ("us-east-1", "us-west-2")
        ]
        HealthMonitor(stack, "Monitor", deployment_name="Orders-production", clusters=clusters)

    For each cluster it calls GetCluster, and probes the endpoint: it connects as a PostgreSQL client would, up to the
    server's request for authentication. With *sql_probe* it also commits a row through each endpoint, and reads it
    through the other one. Create one in each Region, so that the monitor of the other Region reports a
    Region that is down. To run one now, and see its verdict: ``aws lambda invoke --function-name
    aurora-dsql-monitor-Orders-production --payload '{}' response.json``.

    Use `metric` for its metrics. The metric ``ClusterHealth`` without dimensions has the values of all pairs of the
    account and Region, and is useful only where there is one.
    """

    deployment_name: str
    """As in `MultiRegionDsqlDr`."""

    region: str
    """Region that the monitor is in."""

    clusters: tuple[IRegionalCluster, ...]
    """Both clusters, as they were given."""

    schedule: Duration
    """Time between two runs."""

    sql_probe: bool
    """As given."""

    backup_vaults: Mapping[str, str]
    """As given; empty where recovery points are not checked."""

    evacuation: bool
    """As given."""

    longest_run: Duration
    """Time that a scheduled run has: the probe timeout, and 20 s to report. The function may have longer."""

    function: lambda_.Function
    """``aurora-dsql-monitor-<deployment>``."""

    rule: events.Rule
    """EventBridge rule that invokes the function on schedule; it has the function's name."""

    dead_letter_queue: sqs.Queue
    """Runs that failed or could not be started, kept for 14 days."""

    first_probe: CustomResource
    """A run during deployment. Alarms depend on it, so that they start with data."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        deployment_name: str,
        clusters: Sequence[IRegionalCluster],
        witness_region: str | None = None,
        schedule: Duration | None = None,
        sql_probe: bool = False,
        backup_vaults: Mapping[str, str] | None = None,
        evacuation: bool = False,
        encryption_key: kms.IKey | None = None,
        options: MonitorOptions | None = None,
    ) -> None:
        """
        Args:
            deployment_name: As in `MultiRegionDsqlDr`, but required.
            clusters: Both clusters of the pair, as this stack knows them.
            witness_region: Witness that both clusters should have. Default: any witness is right.
            schedule: As in `MultiRegionDsqlDr`.
            sql_probe: As in `MonitoringOptions`. A pair that is read from SSM parameters needs *database_roles* of
                `ClusterOptions`.
            backup_vaults: Name of the backup vault in the Region of each cluster, by Region: the monitor checks the age
                of the newest recovery point that both hold. Default: none, and nothing is checked.
            evacuation: Whether a Region of the pair can be declared evacuated, which `RegionHealthCheck` needs: by the
                SSM parameter ``/dsql-dr/<deployment>/evacuation``, which is created here, and which the monitor reads
                in the Regions of both clusters. Default: False.
            encryption_key: Key for the log group and the function's environment; CloudWatch Logs is added to its
                policy, and where it is imported a warning has the statements to add. Default: keys of AWS.
            options: Time, size, logs and network. Default: as `MonitorOptions` says.

        Raises:
            ValueError: a schedule or probe timeout out of bounds, not two clusters of two Regions, vaults of others,
                isolated subnets, *evacuation* in a Region without a cluster, or a bad deployment name.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        self._stack = Stack.of(self)
        self.region = self._stack.region
        self.clusters = tuple(clusters)
        self.schedule = schedule or minutes(2)
        self.sql_probe, self.backup_vaults, self.evacuation = sql_probe, dict(backup_vaults or {}), evacuation
        options = options or MonitorOptions()
        probe_timeout = options.probe_timeout or Duration.seconds(20)
        self._refuse_no_pair()
        self.longest_run = longest_run(self.schedule, probe_timeout)
        self._log_group = function_log_group(
            self, "Logs", retention=options.log_retention, encryption_key=encryption_key
        )
        self._role = function_role(self, "Role", self._log_group)
        self.dead_letter_queue = self._dead_letters()
        environment = {
            **monitor_environment(self.deployment_name, self.clusters, witness_region, probe_timeout, self._stack),
            **(probe_environment(self.deployment_name, self.region) if sql_probe else {}),
            **vaults_environment(backup_vaults, self.clusters, self.schedule, self._stack),
            **(evacuation_environment(self.clusters, self.region) if evacuation else {}),
        }
        self.function = self._function(options, environment, encryption_key)
        self._permit(options, encryption_key)
        self.rule = self._rule()
        self.first_probe = first_probe(self, self.function, self._log_group, environment)
        self.first_probe.node.add_dependency(self._role, self.rule)
        if evacuation:
            self.first_probe.node.add_dependency(evacuation_parameter(self, self.deployment_name))
        if sql_probe:
            role = probe_role(self, self.clusters, self._role, environment, encryption_key)
            self.function.node.add_dependency(role.resource)  # and so what invokes it
        self._accept_findings(encryption_key)

    @checked
    def metric(
        self,
        metric_name: str,
        cluster_region: str | None = None,
        *,
        statistic: str = "Minimum",
        period: Duration | None = None,
    ) -> cloudwatch.Metric:
        """A metric that this monitor puts, one datapoint for each run at most.

        Args:
            metric_name: ``ClusterHealth``, ``PeeringHealth``, ``EndpointReachable`` (1 or 0), ``ProbeLatency``
                (milliseconds) or ``ProbeAttempts`` (count) of one cluster, with *evacuation* ``Evacuated`` (1 or 0),
                and with *sql_probe* ``SqlServes`` (1 or 0), ``CommitLatency`` and ``ReadBackLatency`` (milliseconds);
                ``ParameterHealth`` or ``NotificationHealth`` (1 or 0) of the pair, and with *backup_vaults*
                ``RecoveryPointAge`` (hours).
            cluster_region: Region of the cluster. Default: none, for the metrics of the pair.
            statistic: As in `RegionalCluster.metric`. Default: Minimum.
            period: As in `RegionalCluster.metric`. Default: the schedule.

        Raises:
            ValueError: a metric of one cluster without its Region, or one of the pair with a Region.
        """
        if (metric_name in names.OF_THE_OBSERVER) == (cluster_region is not None):
            raise ValueError(
                f"metric_name is {metric_name!r} and cluster_region is {cluster_region!r}: give cluster_region for all "
                f"metrics but {', '.join(names.OF_THE_OBSERVER)}, which are of the pair."
            )
        return health_metric(
            self.deployment_name,
            metric_name,
            cluster_region=cluster_region,
            observer_region=self.region,
            statistic=statistic,
            period=period or self.schedule,
        )

    def _refuse_no_pair(self) -> None:
        regions = [cluster.cluster_region for cluster in self.clusters]
        known = [region for region in regions if not unresolved(region)]
        if len(regions) != 2 or len(set(known)) != len(known):
            raise ValueError(
                f"The monitor {self.node.path!r} has clusters in {regions}: give two clusters, in two Regions."
            )

    def _dead_letters(self) -> sqs.Queue:
        return sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )

    def _function(
        self, options: MonitorOptions, environment: dict[str, str], encryption_key: kms.IKey | None
    ) -> lambda_.Function:
        group = options.security_group
        if options.vpc:
            refuse_unusable_network(options.vpc, options.vpc_subnets, self.region)
            group = group or outbound_only(self, options.vpc)
        return lambda_.Function(
            self,
            "Function",
            function_name=monitor_name(self.deployment_name),
            description=f"Aurora DSQL pair {self.deployment_name}: health monitor",
            runtime=runtime(),
            architecture=architecture(),
            memory_size=options.memory_size,
            timeout=Duration.seconds(max(seconds(self.longest_run), _FIRST_RUN_SECONDS)),
            code=runtime_code(self, "health_monitor", driver="SQL_ROLE" in environment),
            handler="runtime.health_monitor.handler.handle",
            role=self._role,
            log_group=self._log_group,
            environment=environment,
            environment_encryption=encryption_key,
            reserved_concurrent_executions=options.reserved_concurrent_executions,
            tracing=lambda_.Tracing.ACTIVE if options.tracing else None,  # its X-Ray actions have no resource type
            dead_letter_queue=self.dead_letter_queue,
            retry_attempts=0,  # a late run is of no use, and a repeated one counts twice
            max_event_age=self.schedule,
            vpc=options.vpc,
            vpc_subnets=options.vpc_subnets,
            security_groups=[group] if group else None,
        )

    def _permit(self, options: MonitorOptions, encryption_key: kms.IKey | None) -> None:
        permit_checks(self._role, self.clusters, self._stack)
        if self.backup_vaults:
            permit_backup_checks(self._role, self.backup_vaults, self._stack)
        if self.evacuation:
            permit_evacuation_checks(self._role, self.clusters, self.deployment_name, self._stack)
        if options.vpc:
            permit_network_interfaces(self._role)
        if options.vpc and options.vpc_endpoints:
            add_endpoints(self, options.vpc, ssm=self.evacuation)
        if encryption_key:
            encryption_key.grant_decrypt(self._role)
            if is_imported(encryption_key):
                admit(self, encryption_key, key_for_role(self._role), "Lambda may not be able to start the function")

    def _accept_findings(self, encryption_key: kms.IKey | None) -> None:
        accept(self, {**MONITOR_FINDINGS, **versions_of([self.function], self._stack)})
        skip(
            self,
            {
                lambda_.CfnFunction: LAMBDA_CHECKS,
                sqs.CfnQueue: {"CKV_AWS_27": "SQS encrypts it with a key of its own."},
                **({} if encryption_key else {logs.CfnLogGroup: LOG_CHECKS}),
            },
        )
        unlimited = "PutMetricData has no resource type, a condition on the namespace limits it."
        skip(self._role, {iam.CfnPolicy: {"CKV_AWS_111": unlimited}})

    def _rule(self) -> events.Rule:
        rule = events.Rule(
            self,
            "Schedule",
            rule_name=monitor_name(self.deployment_name),
            description=f"Aurora DSQL pair {self.deployment_name}: calls the health monitor",
            schedule=events.Schedule.rate(self.schedule),
        )
        rule.add_target(
            targets.LambdaFunction(
                self.function, dead_letter_queue=self.dead_letter_queue, retry_attempts=0, max_event_age=self.schedule
            )
        )
        return rule
