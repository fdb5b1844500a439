"""A Lambda function that looks at both clusters of a pair from its own Region, on a schedule."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import CustomResource, Duration, Stack, Token, custom_resources
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from ..accepted_findings import LAMBDA_CHECKS, LOG_CHECKS, MONITOR_FINDINGS, accept, skip, versions_of
from ..arguments import checked
from ..clusters.cluster_interface import IRegionalCluster
from ..clusters.existing_cluster import parameter_folder
from ..deployment_name import validate_deployment_name
from ..physical_names import monitor_name
from ..resource_policies import admit, is_imported, key_for_role
from ..runtime.health_monitor import metric_names as names
from ..runtime_function import (
    architecture,
    function_log_group,
    function_role,
    refuse_other_sizes,
    runtime,
    runtime_code,
)
from .health_metric import health_metric
from .monitor_network import add_endpoints, outbound_only, permit_network_interfaces, refuse_unusable_network
from .monitor_options import longest_run
from .monitor_permissions import permit_checks

_FIRST_RUN_SECONDS = 150  # it waits up to 120 s for its permissions to hold (runtime/health_monitor/watch.py)


class HealthMonitor(Construct):
    """Looks at both clusters every 2 minutes, and puts what it sees into CloudWatch.

        clusters = [RegionalCluster.from_registry(stack, region, deployment="Orders-production", region=region)
                    for region in ("us-east-1", "us-west-2")]
        HealthMonitor(stack, "Monitor", deployment_name="Orders-production", clusters=clusters)

    Of each cluster it asks the control plane (GetCluster), and knocks at the endpoint as a PostgreSQL client would, up
    to the request for authentication. One in each Region, and a Region that is down is told by the other one. By hand:
    ``aws lambda invoke --function-name aurora-dsql-monitor-Orders-production --payload '{}' response.json``.

    ``ClusterHealth`` without dimensions is there for the recipe's command, and means something only where one pair is
    in the account and Region: two pairs mix in it. Use the Deployment dimension then, as `metric` does.
    """

    deployment_name: str
    """What the pair is called in the registry, in tags, metrics and names."""

    region: str
    """Region that it is in, and sees from."""

    clusters: tuple[IRegionalCluster, ...]
    """Both clusters, as they were given."""

    schedule: Duration
    """Time between two runs."""

    longest_run: Duration
    """Time that a run on schedule has, the probe budget and 20 s to report. The function's time-out may be longer."""

    function: lambda_.Function
    """``aurora-dsql-monitor-<deployment>``."""

    rule: events.Rule
    """What calls the function on schedule; it has the function's name."""

    dead_letter_queue: sqs.Queue
    """Runs that failed or could not be started, kept for 14 days."""

    first_probe: CustomResource
    """A run during deployment. Alarms depend on it, so that they start from data."""

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
        probe_budget: Duration | None = None,
        memory_size: int = 256,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_MONTH,
        encryption_key: kms.IKey | None = None,
        reserved_concurrent_executions: int | None = None,
        tracing: bool = False,
        vpc: ec2.IVpc | None = None,
        vpc_subnets: ec2.SubnetSelection | None = None,
        security_group: ec2.ISecurityGroup | None = None,
        vpc_endpoints: bool = True,
    ) -> None:
        """
        Args:
            deployment_name: What the pair is called in metrics, and in the function's name.
            clusters: Both clusters of the pair.
            witness_region: Witness that both should have. Default: any.
            schedule: Time between two runs; whole minutes, 1 to 60. Default: 2 minutes.
            probe_budget: Time that one run has for looking, retries included; 5 s up to 20 s less than the schedule.
                Default: 20 seconds.
            memory_size: MiB. Default: 256.
            log_retention: How long logs are kept. Default: 1 month.
            encryption_key: Key for the log group and the function's environment; CloudWatch Logs is added to its
                policy, and where it is imported a warning has the statements. Default: those of CloudWatch Logs and
                Lambda.
            reserved_concurrent_executions: Concurrency that is kept for it. Default: none, since new accounts have too
                few to reserve any.
            tracing: Whether AWS X-Ray records each run. Default: False.
            vpc: Network to run in. Default: none.
            vpc_subnets: Subnets in *vpc*; they need a NAT, since another Region has no endpoint in yours. Default:
                private subnets with egress.
            security_group: Of the function. Default: a new one, that lets it out on ports 443 and 5432 only.
            vpc_endpoints: Whether *vpc* gets interface endpoints for CloudWatch metrics and the DSQL API, so that the
                view of the own Region does not depend on the NAT. False if it has them. Default: True.

        Raises:
            ValueError: a schedule or budget out of bounds, not two clusters of two Regions, isolated subnets, or a bad
                deployment name.
        """
        super().__init__(scope, id)
        self.deployment_name = validate_deployment_name(deployment_name)
        stack = Stack.of(self)
        self.region = stack.region
        self.clusters = tuple(clusters)
        self.schedule = schedule or Duration.minutes(2)
        probe_budget = probe_budget or Duration.seconds(20)
        self._refuse_no_pair()
        self.longest_run = longest_run(self.schedule, probe_budget)
        refuse_other_sizes(memory_size, reserved_concurrent_executions)
        self._log_group = function_log_group(self, "Logs", retention=log_retention, encryption_key=encryption_key)
        self._role = function_role(self, "Role", self._log_group)
        self.dead_letter_queue = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(14),
        )
        if (security_group or vpc_subnets) and not vpc:
            raise ValueError(f"The monitor {self.node.path!r} has vpc_subnets or security_group and no vpc: give it.")
        if vpc:
            refuse_unusable_network(vpc, vpc_subnets, self.region)
            security_group = security_group or outbound_only(self, vpc)
        environment = self._environment(stack, witness_region, probe_budget)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=monitor_name(self.deployment_name),
            description=f"Aurora DSQL pair {self.deployment_name}: health monitor",
            runtime=runtime(),
            architecture=architecture(),
            memory_size=memory_size,
            timeout=Duration.seconds(max(self.longest_run.to_seconds(), _FIRST_RUN_SECONDS)),
            code=runtime_code("health_monitor"),
            handler="runtime.health_monitor.handler.handle",
            role=self._role,
            log_group=self._log_group,
            environment=environment,
            environment_encryption=encryption_key,
            reserved_concurrent_executions=reserved_concurrent_executions,
            tracing=lambda_.Tracing.ACTIVE if tracing else None,  # two X-Ray actions, which have no resource type
            dead_letter_queue=self.dead_letter_queue,
            retry_attempts=0,  # a run that is late tells nothing, and one that is repeated counts twice
            max_event_age=self.schedule,
            vpc=vpc,
            vpc_subnets=vpc_subnets if vpc else None,
            security_groups=[security_group] if security_group else None,
        )
        permit_checks(self._role, self.clusters)
        if vpc:
            permit_network_interfaces(self._role)
        if vpc and vpc_endpoints:
            add_endpoints(self, vpc)
        if encryption_key:
            encryption_key.grant_decrypt(self._role)
            if is_imported(encryption_key):
                admit(self, encryption_key, key_for_role(self._role), "Lambda may not be able to start the function")
        self.rule = self._rule()
        self.first_probe = self._probe_during_deployment(environment)
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
        """What this monitor puts, for the cluster in *cluster_region* or of no cluster, one datapoint a run at most.

        Args:
            metric_name: ``ClusterHealth``, ``PeeringHealth``, ``EndpointReachable`` (1 or 0), ``ProbeLatency``
                (milliseconds) or ``ProbeAttempts`` (count) of a cluster; ``ParameterHealth`` or ``NotificationHealth``
                (1 or 0) of none.
            cluster_region: Region of either cluster. Default: none, for the metrics of no cluster.
            statistic: How datapoints of a period become one. Default: Minimum.
            period: Length of a datapoint. Default: the schedule.

        Raises:
            ValueError: a metric of a cluster without its Region, or one of no cluster with one.
        """
        if (metric_name in names.OF_THE_OBSERVER) == (cluster_region is not None):
            raise ValueError(
                f"metric_name is {metric_name!r} and cluster_region is {cluster_region!r}: give cluster_region for all "
                f"but {' and '.join(names.OF_THE_OBSERVER)}, which are of no cluster."
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
        known = [region for region in regions if not Token.is_unresolved(region)]
        if len(regions) != 2 or len(set(known)) != len(known):
            raise ValueError(
                f"The monitor {self.node.path!r} got clusters in {regions}: a pair is two, in two Regions."
            )

    def _environment(self, stack: Stack, witness_region: str | None, budget: Duration) -> dict[str, str]:
        watched: list[dict[str, str]] = []
        for one in self.clusters:
            folder = parameter_folder(one)
            known = {"arn": one.cluster_arn, "endpoint": one.cluster_endpoint}
            watched.append({**known, "parameters": folder} if folder else known)
        return {
            "DEPLOYMENT": self.deployment_name,
            "CLUSTERS": stack.to_json_string(watched),
            **({"WITNESS_REGION": witness_region} if witness_region else {}),
            "BUDGET_SECONDS": f"{budget.to_seconds():g}",
        }

    def _accept_findings(self, encryption_key: kms.IKey | None) -> None:
        accept(self, {**MONITOR_FINDINGS, **versions_of([self.function])})
        skip(self.function, LAMBDA_CHECKS)
        skip(self.dead_letter_queue, {"CKV_AWS_27": "SQS encrypts it with a key of its own."})
        skip(
            self._role.node.find_child("DefaultPolicy"),
            {"CKV_AWS_111": "PutMetricData has no resource type, a condition on the namespace fences it."},
        )
        if not encryption_key:
            skip(self._log_group, LOG_CHECKS)

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

    def _probe_during_deployment(self, environment: dict[str, str]) -> CustomResource:
        provider = custom_resources.Provider(
            self,
            "Provider",
            on_event_handler=self.function,
            log_group=self._log_group,
            framework_on_event_role=function_role(self, "FrameworkOnEventRole", self._log_group),
        )
        skip(provider.node.find_child("framework-onEvent"), LAMBDA_CHECKS)
        probe = CustomResource(
            self,
            "FirstProbe",
            resource_type="Custom::DsqlFirstProbe",
            service_token=provider.service_token,
            properties={key.title().replace("_", ""): value for key, value in environment.items()},
        )
        probe.node.add_dependency(self._role, self.rule)
        return probe
