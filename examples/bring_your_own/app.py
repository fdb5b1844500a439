"""The pair among what a company has already: keys, a network, a topic, a boundary, tags, names, thresholds, Slack."""

import os

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from dsql_dr_constructs import AlarmSetting, AlarmSettings, AlertingTopic, MultiRegionDsqlDr

REGIONS = ("us-east-1", "us-west-2")
BOUNDARY = "workload-boundary"
ACCOUNT = os.environ["CDK_DEFAULT_ACCOUNT"]  # the CDK CLI sets it, from your credentials

app = cdk.App(context={"@aws-cdk/core:defaultCrossStackReferences": "strong"})  # the CDK asks apps to choose


class Platform(cdk.Stack):
    """Stands for what the company has in a Region; yours are looked up or imported."""

    def __init__(self, region: str) -> None:
        super().__init__(app, f"Platform-{region}", env=cdk.Environment(account=ACCOUNT, region=region))
        self.key = kms.Key(self, "Key", enable_key_rotation=True)
        self.vpc = ec2.Vpc(self, "Vpc", max_azs=2, nat_gateways=1)
        pages = sns.Topic(self, "Pages", topic_name="pages", master_key=self.key, enforce_ssl=True)
        self.pages = f"arn:aws:sns:{region}:{ACCOUNT}:pages"
        AlertingTopic(self, "Admitted", existing_topic=pages)  # CloudWatch may publish to it
        everything_but_iam = iam.PolicyStatement(not_actions=["iam:*", "organizations:*"], resources=["*"])
        iam.ManagedPolicy(self, "Boundary", managed_policy_name=f"{BOUNDARY}-{region}", statements=[everything_but_iam])


platforms = {region: Platform(region) for region in REGIONS}
pair = MultiRegionDsqlDr(
    app,
    "OrdersDb",
    account=ACCOUNT,
    environment_name="prod",
    cluster_prefix="acme-orders",
    deployment_name="acme-orders-prod",
    encryption_keys={region: one.key for region, one in platforms.items()},
    alert_topic_arns=[one.pages for one in platforms.values()],
    monitor_options={region: {"vpc": one.vpc, "tracing": True} for region, one in platforms.items()},
    alarm_settings=AlarmSettings(
        commit_latency=AlarmSetting(threshold=200, evaluation_periods=3, datapoints_to_alarm=3),
        dpu_budget=AlarmSetting(threshold=500_000, period=cdk.Duration.hours(1)),
    ),
    tags={"cost-center": "4711", "team": "orders"},
)
for region, topic in pair.topics.items():
    topic.add_slack_channel(f"orders-{region}", workspace_id="T0123ABCD", channel_id="C0123ABCD")
for stack in pair.stacks:
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Boundary", f"{BOUNDARY}-{stack.region}")
    iam.PermissionsBoundary.of(stack).apply(boundary)
app.synth()
