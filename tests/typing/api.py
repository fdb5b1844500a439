"""The library as a typed user writes it: `mypy --strict` reads it with all other files, pyright in test_pyright.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from dsql_dr_constructs import (
    AlarmOptions,
    AlertingTopic,
    BackupOptions,
    ClusterOptions,
    ClusterPeering,
    DrDashboard,
    DrDrill,
    DrillOptions,
    FailoverOptions,
    HealthAlarmOptions,
    HealthAlarms,
    HealthMonitor,
    IRegionalCluster,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionBackup,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
    RegionalCluster,
    RegionHealthCheck,
    StackOptions,
    validate_topology,
)
from dsql_dr_constructs.emulator import AwsEmulator, Fault


def a_pair(app: cdk.App) -> MultiRegionDsqlDr:
    return MultiRegionDsqlDr(
        app,
        "AuroraDsqlDR",
        primary_region="eu-west-1",
        secondary_region="eu-west-2",
        witness_region="eu-central-1",
        removal_policy=cdk.RemovalPolicy.RETAIN,
        schedule=cdk.Duration.minutes(1),
        alert_emails=["ops@example.com"],
        cluster_options=ClusterOptions(name_prefix="orders", peering_timeout=cdk.Duration.minutes(45)),
        stack_options=StackOptions(synthesizer=cdk.DefaultStackSynthesizer(qualifier="orders")),
        monitoring=MonitoringOptions(
            warning_emails=["dev@example.com"],
            alarm_options=HealthAlarmOptions(commit_latency=AlarmOptions(threshold=200), query_timeouts=None),
        ),
        tags={"team": "orders"},
    )


def an_adopted_pair(app: cdk.App, arns: Sequence[str]) -> IRegionalCluster:
    return MultiRegionDsqlDr(app, "AuroraDsqlDR", cluster_arns=arns).primary


def of_a_pair(
    pair: MultiRegionDsqlDr,
) -> tuple[Mapping[str, HealthMonitor], Mapping[str, AlertingTopic], Sequence[cdk.Stack], DrDashboard | None]:
    return pair.monitors, pair.topics, pair.stacks, pair.dashboard


def of_a_cluster(
    cluster: IRegionalCluster, vpc: ec2.IVpc, role: iam.IGrantable
) -> tuple[ec2.InterfaceVpcEndpoint, iam.Grant, cloudwatch.Metric]:
    latency = cluster.metric_commit_latency(period=cdk.Duration.minutes(5))
    return cluster.add_vpc_endpoint(vpc), cluster.grant_connect(role), latency


def a_service(pair: MultiRegionDsqlDr, function: lambda_.Function) -> Sequence[iam.Grant]:
    function.add_environment("ENDPOINT", pair.endpoints(function)["us-west-2"])
    pair.clusters(function)["us-west-2"].grant_describe(function)
    return pair.grant_connect(function)


def own_alarms(pair: MultiRegionDsqlDr, alarm: cloudwatch.Alarm) -> Mapping[str, AlertingTopic]:
    pair.add_alarms([alarm], warnings=True)
    return pair.warning_topics


def parts(stack: cdk.Stack, vpc: ec2.IVpc, key: kms.IKey, queue: sqs.IQueue) -> Mapping[str, cloudwatch.AlarmBase]:
    clusters: list[IRegionalCluster] = [
        RegionalCluster(stack, "Cluster", witness_region="us-east-2", encryption_key=key),
        RegionalCluster.from_parameters(stack, "Peer", deployment_name="orders", region="us-west-2"),
        RegionalCluster.from_cluster_attributes(stack, "Other", cluster_identifier="a" * 26),
    ]
    monitor = HealthMonitor(
        stack, "Monitor", deployment_name="orders", clusters=clusters[:2], options=MonitorOptions(vpc=vpc)
    )
    topic = AlertingTopic(stack, "Alerts", emails=("ops@example.com",), encryption_key=key)
    topic.add_queue(queue)
    DrDashboard(stack, "Dashboard", deployment_name="orders", clusters=clusters[:2])
    return HealthAlarms(stack, "Alarms", monitor=monitor, topic=topic).alarms


def peering(stack: cdk.Stack, cluster: RegionalCluster, peer: RegionalCluster) -> ClusterPeering:
    return ClusterPeering(
        stack, "Peering", cluster=cluster, peer=peer, witness_region="us-east-2", deployment_name="orders"
    )


def monitoring_of_an_existing_pair(app: cdk.App) -> MultiRegionMonitoring:
    return MultiRegionMonitoring(app, "Orders", deployment_name="orders", cluster_arns=["arn:1", "arn:2"])


def own_keys_network_and_topics(
    app: cdk.App, vpc: ec2.IVpc, key: kms.IKey, topic: sns.ITopic
) -> Sequence[MultiRegionDsqlDr]:
    options = MonitoringOptions(
        alert_topics={"us-east-1": topic, "us-west-2": "arn:aws:sns:us-west-2:111111111111:ops"},
        monitor_options={"us-east-1": MonitorOptions(vpc=vpc, tracing=True)},
    )
    return [
        MultiRegionDsqlDr(app, "Orders", monitoring=options, encryption_keys={"us-east-1": key}),
        MultiRegionDsqlDr(app, "Billing", monitoring=None),
    ]


def backups(app: cdk.App) -> Sequence[str]:
    lock = backup.LockConfiguration(min_retention=cdk.Duration.days(7))
    pair = MultiRegionDsqlDr(app, "Orders", backup=BackupOptions(hour=3, lock=lock))
    own = BackupOptions(vaults={"us-east-1": "own", "us-west-2": "own"})
    alone = MultiRegionBackup(app, "Billing", deployment_name="billing", options=own)
    found = [one.backup_vault_name for one in alone.vaults.values()]
    return [*found, *alone.vault_names.values(), *(pair.backup.vault_names.values() if pair.backup else ())]


def drills(app: cdk.App, stack: cdk.Stack, monitoring: MultiRegionMonitoring) -> Sequence[str | None]:
    options = DrillOptions(
        stop_alarm_arns={"us-east-1": ["arn:aws:cloudwatch:us-east-1:111111111111:alarm:errors"]},
        duration=cdk.Duration.minutes(20),
        share=50,
        schedules={"us-east-1": "cron(0 9 ? 1,7 TUE#2 *)"},
    )
    pair = MultiRegionDsqlDr(app, "Orders", drill=options)
    cluster = RegionalCluster.from_cluster_attributes(stack, "Cluster", cluster_identifier="a" * 26)
    alone = DrDrill(stack, "Drill", cluster=cluster, alarms=monitoring.alarms["us-east-1"], options=options)
    every = [alone, *pair.drills.values()]
    return [
        text
        for one in every
        for text in (one.experiment_template.attr_id, one.role.role_arn, one.log_group.log_group_name)
    ]


def failover(app: cdk.App, stack: cdk.Stack, monitoring: MultiRegionMonitoring) -> Sequence[str]:
    options = FailoverOptions(unhealthy_without_data=False)
    pair = MultiRegionDsqlDr(app, "Orders", failover=options)
    alarms = list(monitoring.alarms.values())
    alone = RegionHealthCheck(stack, "Check", region="us-east-1", alarms=alarms, options=options)
    checks: list[route53.IHealthCheck] = [alone.health_check, pair.health_check("us-west-2")]
    return [alone.health_check_id, *(one.health_check_id for one in checks), *(one.ref for one in alone.children)]


def topology() -> Sequence[str]:
    return validate_topology("us-east-1", "us-west-2", "us-east-2")


def local_emulator() -> list[dict[str, object]]:
    with AwsEmulator(regions=["us-east-1", "us-west-2"], time_scale=1 / 20) as aws:
        aws.inject(Fault("lost", "timeout", service="postgresql", region="us-east-1"))
        return list(aws.calls())
