"""The resources of `MultiRegionDsqlDr` as a team would write them without the library, in aws_cdk's own constructs.

synthesis.py checks that they are the same, by type and number. This is not an example: nothing is validated here.
"""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cw
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_dsql as dsql
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_ssm as ssm
from aws_cdk import custom_resources as cr

REGIONS = ("us-east-1", "us-west-2")
NAME = "Orders-production"
SOURCES = Path(__file__).parents[1] / "src" / "dsql_dr_constructs"
MINUTES_2, MINUTES_5 = cdk.Duration.minutes(2), cdk.Duration.minutes(5)


def pair_by_hand(app: cdk.App) -> None:
    stacks = [
        cdk.Stack(app, name, env=cdk.Environment(region=region))
        for name, region in (
            ("Primary", REGIONS[0]),
            ("Secondary", REGIONS[1]),
            ("PrimaryMonitoring", REGIONS[0]),
            ("SecondaryMonitoring", REGIONS[1]),
        )
    ]
    clusters = [cluster(stack) for stack in stacks[:2]]
    peering(stacks[1], clusters[1])
    stacks[1].add_stack_dependency(stacks[0])
    for stack in stacks[2:]:
        monitoring(stack)
        stack.add_stack_dependency(stacks[1])


def path(region: str, field: str) -> str:
    return f"/dsql-dr/{NAME}/{region}/{field}"


def cluster(stack: cdk.Stack) -> dsql.CfnCluster:
    multi_region = dsql.CfnCluster.MultiRegionPropertiesProperty(witness_region="us-east-2")
    one = dsql.CfnCluster(stack, "Cluster", deletion_protection_enabled=True, multi_region_properties=multi_region)
    one.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
    for tag, value in (("Name", "dr-dsql"), ("dsql-dr:deployment", NAME)):
        cdk.Tags.of(one).add(tag, value)
    for name, value in (("Arn", one.attr_resource_arn), ("Id", one.attr_identifier), ("Endpoint", one.attr_endpoint)):
        cdk.CfnOutput(stack, name, value=value)
    return one


def code(package: str) -> lambda_.Code:
    shipped = ["runtime", "runtime/*.py", f"runtime/{package}", f"runtime/{package}/*.py"]
    return lambda_.Code.from_asset(str(SOURCES), exclude=["*", *(f"!{one}" for one in shipped)])


def role(stack: cdk.Stack, id: str, log_group: logs.LogGroup) -> iam.Role:
    one = iam.Role(stack, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    log_group.grant_write(one)
    return one


def log_group(stack: cdk.Stack) -> logs.LogGroup:
    keep = logs.RetentionDays.ONE_MONTH
    return logs.LogGroup(stack, "Logs", retention=keep, removal_policy=cdk.RemovalPolicy.DESTROY)


def allow(role: iam.Role, actions: list[str], resources: list[str], condition: dict[str, str] | None = None) -> None:
    conditions = {"StringEquals": condition} if condition else None
    role.add_to_policy(iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions))


def peering(stack: cdk.Stack, own: dsql.CfnCluster) -> None:
    group = log_group(stack)
    ours = role(stack, "Role", group)
    calls = ["dsql:GetCluster", "dsql:UpdateCluster", "dsql:PutMultiRegionProperties"]
    anywhere = [f"arn:aws:dsql:{region}:{stack.account}:cluster/*" for region in (REGIONS[0], "us-east-2")]
    entries = [
        f"arn:aws:ssm:{region}:{stack.account}:parameter{path(of, field)}"
        for region in REGIONS
        for of in REGIONS
        for field in ("arn", "identifier", "endpoint", "vpc-endpoint-service-name")
    ]
    allow(ours, calls, [own.attr_resource_arn])
    allow(ours, calls, anywhere[:1], {"aws:ResourceTag/dsql-dr:deployment": NAME})
    allow(ours, ["dsql:AddPeerCluster"], [own.attr_resource_arn, anywhere[0]])
    allow(ours, ["dsql:PutWitnessRegion"], [own.attr_resource_arn, *anywhere], {"dsql:WitnessRegion": "us-east-2"})
    allow(ours, ["cloudformation:DescribeStacks"], [stack.stack_id])
    allow(ours, ["ssm:GetParameters", "ssm:PutParameter"], entries)
    allow(ours, ["ssm:DeleteParameters"], entries[1:])
    function = lambda_.Function(
        stack,
        "Function",
        function_name=f"aurora-dsql-peering-{NAME}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        memory_size=256,
        timeout=MINUTES_5,
        code=code("cluster_peering"),
        handler="runtime.cluster_peering.handler.handle",
        environment={"DEPLOYMENT": NAME, "CLUSTER_ARN": own.attr_resource_arn, "PEER_REGION": REGIONS[0]},
        role=ours,
        log_group=group,
    )
    provider = cr.Provider(
        stack,
        "Provider",
        on_event_handler=function,
        is_complete_handler=function,
        query_interval=cdk.Duration.seconds(10),
        total_timeout=cdk.Duration.minutes(35),
        log_group=group,
        disable_waiter_state_machine_logging=True,
        framework_on_event_role=role(stack, "FrameworkOnEventRole", group),
        framework_complete_and_timeout_role=role(stack, "FrameworkIsCompleteRole", group),
    )
    properties = {"Deployment": NAME, "ClusterArn": own.attr_resource_arn, "PeerRegion": REGIONS[0]}
    cdk.CustomResource(
        stack,
        "Peering",
        resource_type="Custom::DsqlClusterPeering",
        service_token=provider.service_token,
        properties=properties,
    ).node.add_dependency(ours)


def registered(stack: cdk.Stack, region: str, field: str) -> str:
    return ssm.StringParameter.value_for_string_parameter(stack, path(region, field))


def monitoring(stack: cdk.Stack) -> None:
    account = {"aws:SourceAccount": stack.account}
    key = kms.Key(stack, "Key", enable_key_rotation=True, removal_policy=cdk.RemovalPolicy.DESTROY)
    kms.Alias(stack, "Alias", alias_name=f"alias/aurora-dsql-alerts-{NAME}", target_key=key)
    topic = sns.Topic(stack, "Topic", master_key=key, enforce_ssl=True, topic_name=f"aurora-dsql-alerts-{NAME}")
    for add, calls, resource in (
        (topic.add_to_resource_policy, ["sns:Publish"], topic.topic_arn),
        (key.add_to_resource_policy, ["kms:Decrypt", "kms:GenerateDataKey"], "*"),
    ):
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com", conditions={"StringEquals": account})
        add(iam.PolicyStatement(actions=calls, resources=[resource], principals=[cloudwatch]))
    group = log_group(stack)
    ours = role(stack, "Role", group)
    for region in REGIONS:
        allow(ours, ["dsql:GetCluster"], [registered(stack, region, "arn")])
    allow(ours, ["cloudwatch:PutMetricData"], ["*"], {"cloudwatch:namespace": "Aurora/DSQL/DisasterRecovery"})
    managed = sqs.QueueEncryption.SQS_MANAGED
    letters = sqs.Queue(stack, "Dead", encryption=managed, enforce_ssl=True, retention_period=cdk.Duration.days(14))
    clusters = [
        {"arn": registered(stack, one, "arn"), "endpoint": registered(stack, one, "endpoint")} for one in REGIONS
    ]
    function = lambda_.Function(
        stack,
        "Function",
        function_name=f"aurora-dsql-monitor-{NAME}",
        runtime=lambda_.Runtime.PYTHON_3_14,
        architecture=lambda_.Architecture.ARM_64,
        memory_size=256,
        timeout=cdk.Duration.seconds(40),
        code=code("health_monitor"),
        handler="runtime.health_monitor.handler.handle",
        role=ours,
        log_group=group,
        environment={"DEPLOYMENT": NAME, "CLUSTERS": stack.to_json_string(clusters), "BUDGET_SECONDS": "20"},
        dead_letter_queue=letters,
        retry_attempts=0,
        max_event_age=MINUTES_2,
    )
    rule = events.Rule(stack, "Rule", rule_name=f"monitor-{NAME}", schedule=events.Schedule.rate(MINUTES_2))
    rule.add_target(
        targets.LambdaFunction(function, dead_letter_queue=letters, retry_attempts=0, max_event_age=MINUTES_2)
    )
    provider = cr.Provider(
        stack,
        "Provider",
        on_event_handler=function,
        log_group=group,
        framework_on_event_role=role(stack, "FrameworkOnEventRole", group),
    )
    probe = cdk.CustomResource(
        stack, "Probe", resource_type="Custom::DsqlFirstProbe", service_token=provider.service_token
    )
    probe.node.add_dependency(ours, rule)
    alarms(stack, function, letters, topic, probe)
    if stack.region == REGIONS[0]:
        dashboard(stack)


def seen(region: str, name: str, observer: str) -> cw.Metric:
    dimensions = {"Deployment": NAME, "ClusterRegion": region, "ObserverRegion": observer}
    return cw.Metric(
        namespace="Aurora/DSQL/DisasterRecovery",
        metric_name=name,
        dimensions_map=dimensions,
        region=observer,
        statistic="Minimum",
        period=MINUTES_2,
        label=f"{region}, seen from {observer}",
    )


def of_dsql(stack: cdk.Stack, region: str, name: str) -> cw.Metric:
    return cw.Metric(
        namespace="AWS/AuroraDSQL",
        metric_name=name,
        dimensions_map={"ClusterId": registered(stack, region, "identifier")},
        region=region,
        statistic="Sum",
        period=MINUTES_5,
    )


def alarms(
    stack: cdk.Stack, function: lambda_.Function, letters: sqs.Queue, topic: sns.Topic, probe: cdk.CustomResource
) -> None:
    here = stack.region
    runs = seen(REGIONS[0], "ProbeAttempts", here).with_(statistic="SampleCount")
    duration = function.metric_duration(period=MINUTES_2, statistic="Maximum")
    share = {"conflicts": of_dsql(stack, here, "OccConflicts"), "total": of_dsql(stack, here, "TotalTransactions")}
    failed = cw.Metric(
        namespace="AWS/Events", metric_name="FailedInvocations", dimensions_map={"RuleName": f"monitor-{NAME}"}
    )
    metrics: dict[str, cw.IMetric] = {
        **{f"down-{region}": seen(region, "ClusterHealth", here) for region in REGIONS},
        **{f"peering-{region}": seen(region, "PeeringHealth", here) for region in REGIONS},
        "parameters-changed": seen(here, "ParameterHealth", here),
        "notifications-broken": seen(here, "NotificationHealth", here),
        "no-data": cw.MathExpression(expression="FILL(runs, 0)", using_metrics={"runs": runs}, period=MINUTES_2),
        "errors": function.metric_errors(period=MINUTES_2),
        **{f"health-{region}": seen(region, "ClusterHealth", here) for region in REGIONS},
        "data-without-runs": function.metric_invocations(period=MINUTES_2),
        "throttles": function.metric_throttles(period=MINUTES_2),
        "duration": cw.MathExpression(expression="100 * d / 40000", using_metrics={"d": duration}, period=MINUTES_2),
        "not-invoked": failed,
        "dead-letters": letters.metric_approximate_number_of_messages_visible(),
        "query-timeouts": of_dsql(stack, here, "QueryTimeouts"),
        "occ-conflicts": cw.MathExpression(expression="100 * conflicts / total", using_metrics=share),
        "commit-latency": of_dsql(stack, here, "CommitLatency"),
    }
    made = []
    for name, metric in metrics.items():
        one = cw.Alarm(
            stack,
            name,
            alarm_name=f"aurora-dsql-{NAME}-{name}",
            alarm_description=f"{name}: see the runbook on the dashboard.",
            metric=metric,
            threshold=1,
            evaluation_periods=2,
            datapoints_to_alarm=2,
            comparison_operator=cw.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cw.TreatMissingData.BREACHING,
        )
        one.node.add_dependency(probe)
        made.append(one)
    notifying: list[cw.AlarmBase] = [*made[:2]]
    for name, causes in (("peering-lost", made[2:4]), ("monitoring-not-working", made[4:8])):
        rule = cw.AlarmRule.any_of(*(cw.AlarmRule.from_alarm(one, cw.AlarmState.ALARM) for one in causes))
        several = cw.CompositeAlarm(stack, name, composite_alarm_name=f"aurora-dsql-{NAME}-{name}", alarm_rule=rule)
        several.node.add_dependency(probe)
        notifying.append(several)
    for alarm in notifying:
        alarm.add_alarm_action(actions.SnsAction(topic))
        alarm.add_ok_action(actions.SnsAction(topic))


def dashboard(stack: cdk.Stack) -> None:
    def graph(title: str, metrics: list[cw.IMetric], width: int = 8) -> cw.GraphWidget:
        return cw.GraphWidget(title=title, left=metrics, width=width)

    def by_observer(name: str) -> list[cw.IMetric]:
        return [seen(region, name, observer) for region in REGIONS for observer in REGIONS]

    def of_function(name: str) -> list[cw.IMetric]:
        dimensions = {"FunctionName": f"aurora-dsql-monitor-{NAME}"}
        return [
            cw.Metric(namespace="AWS/Lambda", metric_name=name, dimensions_map=dimensions, region=one)
            for one in REGIONS
        ]

    rows = ("TotalTransactions", "ReadOnlyTransactions"), ("OccConflicts", "QueryTimeouts"), ("CommitLatency",)
    dpus = ("WriteDPU", "ReadDPU", "ComputeDPU", "MultiRegionWriteDPU")
    names = [f"aurora-dsql-{NAME}-{one}" for one in ("peering-lost", *(f"alarm-{n}" for n in range(16)))]
    arns = [f"arn:aws:cloudwatch:{region}:{stack.account}:alarm:{name}" for region in REGIONS for name in names]
    known = [cw.Alarm.from_alarm_arn(stack, f"Known{number}", arn) for number, arn in enumerate(arns)]
    cw.Dashboard(
        stack,
        "Dashboard",
        dashboard_name=f"Aurora-DSQL-DR-Dashboard-{NAME}",
        default_interval=cdk.Duration.hours(3),
        widgets=[
            [graph("Up or down", by_observer("ClusterHealth"), 12), cw.AlarmStatusWidget(alarms=known, width=12)],
            [graph(one, by_observer(one)) for one in ("PeeringHealth", "EndpointReachable", "ProbeLatency")],
            [cw.TextWidget(markdown="# Runbook", width=24, height=16)],
            *(
                [graph(row[0], [of_dsql(stack, region, name) for name in row], 12) for region in REGIONS]
                for row in (*rows, dpus)
            ),
            [graph(one, of_function(one)) for one in ("Invocations", "Errors", "Duration")],
        ],
    )
