from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns

from dsql_dr_constructs import MonitoringOptions, MultiRegionDsqlDr, MultiRegionMonitoring

TOPIC = "arn:aws:sns:us-east-1:222222222222:ops"
ONE, OTHER = "a1" * 13, "b2" * 13
ARNS = [
    f"arn:aws:dsql:{region}:222222222222:cluster/{name}" for region, name in (("eu-west-1", ONE), ("eu-west-2", OTHER))
]


def types(stack: cdk.Stack) -> set[str]:
    return {one["Type"] for one in assertions.Template.from_stack(stack).to_json()["Resources"].values()}


def names(monitoring: MultiRegionMonitoring) -> list[tuple[str, str]]:
    return [(stack.stack_name, stack.region) for stack in monitoring.stacks]


def test_pair_of_somebody_else_is_monitored_by_its_arns(app: cdk.App) -> None:
    watch = MultiRegionMonitoring(app, "Orders", deployment_name="orders", cluster_arns=ARNS)
    assert names(watch) == [
        ("Orders-PrimaryMonitoring-production", "eu-west-1"),
        ("Orders-SecondaryMonitoring-production", "eu-west-2"),
    ]
    assert watch.account == "222222222222"
    for stack in watch.stacks:
        template = assertions.Template.from_stack(stack)
        assert "AWS::DSQL::Cluster" not in types(stack)
        assert "dsql-dr" not in str(template.to_json().get("Parameters")), "no parameter is needed"
        clusters = str(template.find_resources("AWS::Lambda::Function", {"Properties": {"MemorySize": 256}}))
        for arn, endpoint in zip(ARNS, (f"{ONE}.dsql.eu-west-1.on.aws", f"{OTHER}.dsql.eu-west-2.on.aws"), strict=True):
            assert arn.partition(":dsql:")[2] in clusters
            assert endpoint in clusters


def test_pair_of_somebody_else_is_monitored_by_its_parameters(app: cdk.App) -> None:
    watch = MultiRegionMonitoring(app, "Monitoring", deployment_name="Orders-production")
    parameters = assertions.Template.from_stack(watch.stacks[0]).to_json()["Parameters"]
    defaults = {one["Default"] for one in parameters.values()}
    assert {f"/dsql-dr/Orders-production/{one}/identifier" for one in ("us-east-1", "us-west-2")} <= defaults


def test_dashboard_stands_in_the_first_stack_only(app: cdk.App) -> None:
    watch = MultiRegionMonitoring(app, "Orders", deployment_name="orders", cluster_arns=ARNS)
    assert ["AWS::CloudWatch::Dashboard" in types(stack) for stack in watch.stacks] == [True, False]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cluster_arns": ARNS, "account": "111111111111"}, "account is 111111111111, and cluster_arns are of 2222"),
        (
            {"cluster_arns": ARNS, "primary_region": "us-east-1"},
            "primary_region is 'us-east-1', and its ARN in cluster_arns is of 'eu-west-1': leave primary_region out",
        ),
        (
            {"cluster_arns": ARNS, "primary_region": "eu-west-1", "secondary_region": "us-west-2"},
            "secondary_region is 'us-west-2', and its ARN in cluster_arns is of 'eu-west-2'",
        ),
        (
            {"cluster_arns": ARNS[::-1], "primary_region": "eu-west-1", "secondary_region": "eu-west-2"},
            "primary_region is 'eu-west-1', and its ARN in cluster_arns is of 'eu-west-2'",
        ),
        ({"primary_region": "us-nowhere-9"}, "is no AWS Region"),
        ({"secondary_region": "eu-west-1"}, "peers on one continent only"),
        ({"secondary_region": "us-east-1"}, "a pair needs two different Regions"),
        ({"witness_region": "us-east-1"}, "the witness must outlive the loss"),
    ],
)
def test_what_contradicts_itself_is_refused(app: cdk.App, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionMonitoring(app, "Orders", deployment_name="orders", **options)


def test_regions_may_be_given_beside_the_arns_of_the_same(app: cdk.App) -> None:
    regions: dict[str, Any] = {"primary_region": "eu-west-1", "secondary_region": "eu-west-2"}
    watch = MultiRegionMonitoring(app, "Orders", deployment_name="orders", cluster_arns=ARNS, **regions)
    assert [stack.region for stack in watch.stacks] == ["eu-west-1", "eu-west-2"]


def test_witness_region_observes_if_asked(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(witness_observer=True))
    assert pair.stacks[4].stack_name == "Orders-WitnessMonitoring-production"
    assert pair.stacks[4].region == "us-east-2"
    assert pair.stacks[4].dependencies == [pair.stacks[1]]
    [peering] = assertions.Template.from_stack(pair.stacks[1]).find_resources("Custom::DsqlClusterPeering").values()
    assert peering["Properties"]["ParameterRegions"] == ["us-east-1", "us-west-2", "us-east-2"]
    assert list(pair.monitors) == list(pair.topics) == list(pair.alarms) == ["us-east-1", "us-west-2", "us-east-2"]


def test_monitoring_can_be_left_out(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=None)
    assert len(pair.stacks) == 2
    assert (pair.monitoring, pair.dashboard) == (None, None)
    assert (pair.monitors, pair.topics, pair.alarms) == ({}, {}, {})
    [peering] = assertions.Template.from_stack(pair.stacks[1]).find_resources("Custom::DsqlClusterPeering").values()
    assert peering["Properties"]["ParameterRegions"] == ["us-east-1", "us-west-2"]


def test_addresses_without_monitoring_are_a_warning(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=None, alert_emails=["ops@example.com"])
    [told] = assertions.Annotations.from_stack(pair.stacks[0]).find_warning("*", assertions.Match.any_value())
    assert "monitoring is None, so nobody in alert_emails is notified." in str(told.entry.data)


def test_a_schedule_without_monitoring_is_a_warning(app: cdk.App) -> None:
    given: dict[str, Any] = {"schedule": cdk.Duration.minutes(5), "alert_emails": ["ops@example.com"]}
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=None, **given)
    [told] = assertions.Annotations.from_stack(pair.stacks[0]).find_warning("*", assertions.Match.any_value())
    effects = "nobody in alert_emails is notified and schedule has no effect."
    assert f"monitoring is None, so {effects}" in str(told.entry.data)


def test_without_monitoring_and_its_parameters_there_is_no_warning(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=None)
    assert assertions.Annotations.from_stack(pair.stacks[0]).find_warning("*", assertions.Match.any_value()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"schedule": cdk.Duration.seconds(7)}, "schedule is 7 seconds: whole minutes from 1 to 60 are allowed"),
        ({"alert_emails": ["nonsense"]}, "In alert_emails: 'nonsense' is not an address"),
    ],
)
@pytest.mark.parametrize("monitoring", [None, MonitoringOptions()])
def test_schedule_and_addresses_are_checked_with_and_without_monitoring(
    app: cdk.App, options: dict[str, Any], sentence: str, monitoring: MonitoringOptions | None
) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionDsqlDr(app, "Orders", monitoring=monitoring, **options)


@pytest.mark.parametrize("parameter", ["alert_topics", "warning_topics"])
def test_an_empty_mapping_of_topics_is_refused(app: cdk.App, parameter: str) -> None:
    options: dict[str, Any] = {parameter: {}}
    sentence = f"{parameter} has no Region: one topic is needed for each of us-east-1, us-west-2, by the Region's name"
    with pytest.raises(ValueError, match=f"{sentence}; or leave {parameter} out"):
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(**options))


@pytest.mark.parametrize("monitoring", [None, MonitoringOptions()])
def test_an_empty_mapping_of_keys_is_refused(app: cdk.App, monitoring: MonitoringOptions | None) -> None:
    with pytest.raises(ValueError, match="encryption_keys has no Region: one key is needed for each of us-east-1"):
        MultiRegionDsqlDr(app, "Orders", monitoring=monitoring, encryption_keys={})


@pytest.mark.parametrize(
    "arn",
    [
        lambda: "arn:aws-cn:sns:us-east-1:222222222222:ops",
        lambda: f"arn:aws:sns:us-east-1:222222222222:{'o' * 257}",
        lambda: "arn:aws:sns:us-east-1:222222222222:ops.team",
        lambda: f"arn:aws:sns:{cdk.Aws.REGION}:222222222222:ops",
        lambda: f"arn:aws:sns:us-west-2:{cdk.Aws.ACCOUNT_ID}:ops",
        lambda: cdk.Fn.import_value("OpsTopicArn"),
    ],
    ids=["partition", "long name", "name", "no Region", "other Region", "token"],
)
def test_what_is_no_topic_of_the_region_is_refused_without_the_inside_of_tokens(
    app: cdk.App, arn: Callable[[], str]
) -> None:
    topics = {"us-east-1": arn(), "us-west-2": "arn:aws:sns:us-west-2:222222222222:ops"}
    with pytest.raises(ValueError, match="give arn:aws:sns:us-east-1:<account>:<name>, whose account") as raised:
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=topics))
    assert "Token[" not in str(raised.value)


def test_partition_of_a_topic_is_that_of_its_region(app: cdk.App) -> None:
    regions = ("cn-north-1", "cn-northwest-1")
    given: dict[str, Any] = dict(zip(("primary_region", "secondary_region"), regions, strict=True))
    topics = {region: f"arn:aws-cn:sns:{region}:222222222222:ops" for region in regions}
    options = MonitoringOptions(alert_topics=topics)
    MultiRegionMonitoring(app, "China", deployment_name="orders", **given, options=options)
    topics["cn-north-1"] = "arn:aws:sns:cn-north-1:222222222222:ops"
    with pytest.raises(ValueError, match="give arn:aws-cn:sns:cn-north-1:<account>:<name>"):
        MultiRegionMonitoring(app, "Other", deployment_name="other", **given, options=options)


@pytest.mark.parametrize("partition", ["aws", "a token"])
def test_account_and_partition_of_a_topic_may_be_tokens(app: cdk.App, partition: str) -> None:
    name = "o" * 256
    start = f"arn:{partition if partition == 'aws' else cdk.Aws.PARTITION}"
    topics = {one: f"{start}:sns:{one}:{cdk.Aws.ACCOUNT_ID}:{name}" for one in ("us-east-1", "us-west-2")}
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=topics))
    for stack, other in zip(pair.stacks[2:], ("us-west-2", "us-east-1"), strict=True):
        template = assertions.Template.from_stack(stack)
        actions = str(template.find_resources("AWS::CloudWatch::CompositeAlarm"))
        assert f":sns:{stack.region}:" in actions
        checked = str(template.find_resources("AWS::IAM::Policy"))
        assert f":sns:{other}:" in checked, "the monitor checks the other Region's topic"


def test_arn_of_a_topic_that_only_one_stack_knows_cannot_be_checked(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Imports")
    topics: dict[str, sns.ITopic | str] = {
        region: sns.Topic.from_topic_arn(stack, region, f"arn:aws:sns:{region}:222222222222:{cdk.Fn.import_value('N')}")
        for region in ("us-east-1", "us-west-2")
    }
    with pytest.raises(ValueError, match="has no physical name, by which a monitor in another Region can check it"):
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=topics))


def test_topics_or_keys_of_a_stack_without_a_region_are_refused(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Anywhere")
    regions = ("us-east-1", "us-west-2")
    topics: dict[str, sns.ITopic | str] = {one: sns.Topic(stack, one, topic_name=f"ops-{one}") for one in regions}
    sentence = "has 'Anywhere/{}' for us-east-1, which is in a stack without a Region: give that stack env"
    with pytest.raises(ValueError, match="alert_topics " + sentence.format("us-east-1")):
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=topics))
    keys = {one: kms.Key(stack, f"Key-{one}") for one in regions}
    with pytest.raises(ValueError, match="encryption_keys " + sentence.format("Key-us-east-1")):
        MultiRegionDsqlDr(app, "Others", monitoring=None, encryption_keys=keys)


def test_topics_without_subscription_are_named_with_the_parameter_of_their_kind(app: cdk.App) -> None:
    stacks = {
        one: cdk.Stack(app, f"Topics-{one}", env=cdk.Environment(region=one)) for one in ("us-east-1", "us-west-2")
    }
    topics: dict[str, sns.ITopic | str] = {one: sns.Topic(at, "Dev", topic_name="dev") for one, at in stacks.items()}
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(warning_topics=topics))
    warned = assertions.Annotations.from_stack(pair.stacks[2]).find_warning("*", assertions.Match.any_value())
    told = {one.id.rpartition("/")[2]: str(one.entry.data) for one in warned}
    assert "so nobody is notified: give emails (alert_emails), or call" in told["Alerts"]
    assert "so no warning is sent: give emails (warning_emails), or call" in told["Warnings"]


def test_options_reach_every_region(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        alert_emails=["ops@example.com"],
        schedule=cdk.Duration.minutes(1),
        monitoring=MonitoringOptions(warning_emails=["dev@example.com"]),
        tags={"team": "orders"},
    )
    for stack in pair.stacks[2:]:
        template = assertions.Template.from_stack(stack)
        template.has_resource_properties("AWS::SNS::Subscription", {"Endpoint": "ops@example.com"})
        template.has_resource_properties("AWS::Events::Rule", {"ScheduleExpression": "rate(1 minute)"})
        template.has_resource_properties("AWS::SNS::Subscription", {"Endpoint": "dev@example.com"})
        template.resource_count_is("AWS::KMS::Key", 1)  # both topics share it
        template.has_resource_properties(
            "AWS::SNS::Topic", {"Tags": assertions.Match.array_with([{"Key": "team", "Value": "orders"}])}
        )


def test_nothing_of_one_region_is_exported_to_another(app: cdk.App) -> None:
    for stack in MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(witness_observer=True)).stacks:
        text = str(assertions.Template.from_stack(stack).to_json())
        assert "Export" not in text.replace("ExportName", "")
        assert "ImportValue" not in text


def test_subscriptions_can_be_added_to_every_region(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    for topic in pair.topics.values():
        topic.add_https("https://pager.example.com")
    for stack in pair.stacks[2:]:
        assertions.Template.from_stack(stack).has_resource_properties("AWS::SNS::Subscription", {"Protocol": "https"})


def test_topics_of_the_users_are_notified_instead_of_new_ones(app: cdk.App) -> None:
    arns = {region: f"arn:aws:sns:{region}:222222222222:ops" for region in ("us-west-2", "us-east-1")}
    options = MonitoringOptions(alert_topics=arns)
    pair = MultiRegionDsqlDr(app, "Orders", alert_emails=["ops@example.com"], monitoring=options)
    for stack in pair.stacks[2:]:
        arn = arns[stack.region]
        template = assertions.Template.from_stack(stack)
        assert not {"AWS::SNS::Topic", "AWS::KMS::Key"} & types(stack)
        template.has_resource_properties("AWS::CloudWatch::CompositeAlarm", {"AlarmActions": [arn], "OKActions": [arn]})
        template.has_resource_properties("AWS::SNS::Subscription", {"TopicArn": arn, "Endpoint": "ops@example.com"})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"cluster_arns": ARNS[:1]}, "two clusters of one account in two Regions are needed"),
        ({"cluster_arns": [ARNS[0], ARNS[0]]}, "two clusters of one account in two Regions are needed"),
        ({"cluster_arns": [ARNS[0], "orders"]}, r"each as arn:aws:dsql:<region>"),
        ({"cluster_arns": [ARNS[0], ARNS[1].replace("arn:aws:", "arn:aws-cn:")]}, "of one account in two Regions are"),
        ({"options": MonitoringOptions(witness_observer=True)}, "there is no witness_region: give the pair's"),
        ({"alert_emails": ["ops"]}, "'ops' is not an address"),
        (
            {"options": MonitoringOptions(alert_topics={"us-east-1": TOPIC})},
            "alert_topics has us-east-1: one topic is needed for each of us-east-1, us-west-2, by the Region's name",
        ),
        (
            {"options": MonitoringOptions(warning_topics={"us-east-1": TOPIC, "us-west-2": TOPIC})},
            f"warning_topics has {TOPIC!r} for us-west-2: an alarm notifies topics of its own Region only; give arn",
        ),
        (
            {"options": MonitoringOptions(alert_topics={"us-east-1": "ops", "us-west-2": "ops"})},
            "alert_topics has 'ops' for us-east-1: .*; give arn:aws:sns:us-east-1:<account>:<name>, .*, or the topic",
        ),
        ({"schedule": cdk.Duration.seconds(90)}, "whole minutes from 1 to 60 are allowed"),
        ({"deployment_name": "a/b"}, "give deployment_name='a-b'"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(app: cdk.App, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionMonitoring(app, "Orders", **{"deployment_name": "orders", **options})


def test_two_constructs_that_monitor_one_deployment_are_refused(app: cdk.App) -> None:
    MultiRegionMonitoring(app, "First", deployment_name="orders", cluster_arns=ARNS)
    with pytest.raises(ValueError, match="'Second' and 'First' are both deployment 'orders' in one account"):
        MultiRegionMonitoring(app, "Second", deployment_name="orders", cluster_arns=ARNS)


def own_topics(app: cdk.App, *regions: str, account: str | None = None, **options: Any) -> dict[str, sns.ITopic]:
    stacks = [cdk.Stack(app, f"Topics-{one}", env=cdk.Environment(account=account, region=one)) for one in regions]
    return {one.region: sns.Topic(one, "Ops", **options) for one in stacks}


def test_topics_of_the_users_own_stacks_are_notified_and_checked_by_their_names(app: cdk.App) -> None:
    topics = own_topics(app, "us-east-1", "us-west-2", topic_name="ops")
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=topics, warning_topics=topics))
    for stack in pair.stacks[2:]:
        template = assertions.Template.from_stack(stack)
        assert not {"AWS::SNS::Topic", "AWS::KMS::Key"} & types(stack)
        [alarm] = template.find_resources(
            "AWS::CloudWatch::CompositeAlarm",
            {"Properties": {"AlarmName": f"aurora-dsql-Orders-production-peering-lost-from-{stack.region}"}},
        ).values()
        assert f"Topics-{stack.region}:ExportsOutput" in str(alarm["Properties"]["AlarmActions"])
        assert ":sns:" in str(template.find_resources("AWS::IAM::Policy")), "of the other Region, by its name"
    owner = assertions.Template.from_stack(cdk.Stack.of(topics["us-east-1"]))
    assert "cloudwatch.amazonaws.com" in str(owner.find_resources("AWS::SNS::TopicPolicy"))


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            lambda app: {"us-east-1": own_topics(app, "us-west-2")["us-west-2"], "us-west-2": f"{TOPIC}"},
            "alert_topics has a topic of us-west-2 for us-east-1: a topic serves its own Region only",
        ),
        (
            lambda app: own_topics(app, "us-east-1", "us-west-2", account="222222222222"),
            "'Topics-us-east-1/Ops', which is in a stack of 222222222222, and the pair is in no account: give both",
        ),
        (
            lambda app: own_topics(app, "us-east-1", "us-west-2"),
            "has no physical name, by which a monitor in another Region can check it: give the topic a topic_name",
        ),
    ],
)
def test_topics_that_cannot_be_notified_or_checked_are_refused(app: cdk.App, made: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionDsqlDr(app, "Orders", monitoring=MonitoringOptions(alert_topics=made(app)))
