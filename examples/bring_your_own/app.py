"""The pair among what a company has already: networks, topics, a permission boundary, keys, tags, names, Slack.

cdk.json says what exists, by Region.
"""

import os

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from dsql_dr_constructs import (
    AlarmOptions,
    ClusterOptions,
    HealthAlarmOptions,
    MonitoringOptions,
    MonitorOptions,
    MultiRegionDsqlDr,
)

app = cdk.App()
platform = app.node.get_context("platform")


account = os.environ.get("CDK_DEFAULT_ACCOUNT")  # the CDK CLI sets it; keys and pair are in one account
environments = {region: cdk.Environment(account=account, region=region) for region in platform}
stacks = {region: cdk.Stack(app, f"OrdersDb-Keys-{region}", env=env) for region, env in environments.items()}
networks = {
    region: ec2.Vpc.from_vpc_attributes(
        stack,
        "Network",
        vpc_id=platform[region]["vpcId"],
        vpc_cidr_block=platform[region]["addresses"],
        availability_zones=platform[region]["availabilityZones"],
        private_subnet_ids=platform[region]["privateSubnetIds"],  # with a NAT: the other Region is outside
    )
    for region, stack in stacks.items()
}
pair = MultiRegionDsqlDr(
    app,
    "OrdersDb",
    environment_name="prod",
    cluster_options=ClusterOptions(name_prefix="acme-orders"),
    deployment_name="acme-orders-prod",
    encryption_keys={region: kms.Key(stack, "Key", enable_key_rotation=True) for region, stack in stacks.items()},
    monitoring=MonitoringOptions(
        alert_topics={region: one["topicArn"] for region, one in platform.items()},
        monitor_options={region: MonitorOptions(vpc=network, tracing=True) for region, network in networks.items()},
        alarm_options=HealthAlarmOptions(
            commit_latency=AlarmOptions(threshold=200, evaluation_periods=3, datapoints_to_alarm=3),
            dpu_budget=AlarmOptions(threshold=500_000, period=cdk.Duration.hours(1)),
        ),
    ),
    tags={"cost-center": "4711", "team": "orders"},
)
for region, topic in pair.topics.items():
    topic.add_slack_channel(f"orders-{region}", workspace_id="T0123ABCD", channel_id="C0123ABCD")
for stack in pair.stacks:
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", platform[stack.region]["boundary"])
    iam.PermissionsBoundary.of(stack).apply(boundary)
app.synth()
