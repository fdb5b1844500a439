from __future__ import annotations

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import MultiRegionDsqlDr, MultiRegionMonitoring

ONE, OTHER = "a1" * 13, "b2" * 13
ARNS = [
    f"arn:aws:dsql:{region}:222222222222:cluster/{name}" for region, name in (("eu-west-1", ONE), ("eu-west-2", OTHER))
]


def types(stack: cdk.Stack) -> set[str]:
    return {one["Type"] for one in assertions.Template.from_stack(stack).to_json()["Resources"].values()}


def names(monitoring: MultiRegionMonitoring) -> list[tuple[str, str]]:
    return [(stack.stack_name, stack.region) for stack in monitoring.stacks]


def test_pair_of_somebody_else_is_watched_by_its_arns(app: cdk.App) -> None:
    watch = MultiRegionMonitoring(app, "Orders", deployment_name="orders", cluster_arns=ARNS)
    assert names(watch) == [
        ("Orders-PrimaryMonitoring-production", "eu-west-1"),
        ("Orders-SecondaryMonitoring-production", "eu-west-2"),
    ]
    assert watch.account == "222222222222"
    for stack in watch.stacks:
        template = assertions.Template.from_stack(stack)
        assert "AWS::DSQL::Cluster" not in types(stack)
        assert "dsql-dr" not in str(template.to_json().get("Parameters")), "no registry is needed"
        clusters = str(template.find_resources("AWS::Lambda::Function", {"Properties": {"MemorySize": 256}}))
        for arn, endpoint in zip(ARNS, (f"{ONE}.dsql.eu-west-1.on.aws", f"{OTHER}.dsql.eu-west-2.on.aws"), strict=True):
            assert arn.partition(":dsql:")[2] in clusters
            assert endpoint in clusters


def test_pair_of_somebody_else_is_watched_by_its_registry(app: cdk.App) -> None:
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
        ({"primary_region": "us-nowhere-9"}, "is no AWS Region"),
        ({"secondary_region": "eu-west-1"}, "peers on one continent only"),
        ({"secondary_region": "us-east-1"}, "a pair needs two different Regions"),
        ({"witness_region": "us-east-1", "witness_observer": True}, "the witness must outlive the loss"),
        ({"alert_topic_arns": ["arn:aws:sqs:us-east-1:111111111111:x"] * 2}, "alert_topic_arns is"),
    ],
)
def test_what_contradicts_itself_is_refused(app: cdk.App, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionMonitoring(app, "Orders", deployment_name="orders", **options)


def test_witness_region_observes_if_asked(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", witness_observer=True)
    assert pair.stacks[4].stack_name == "Orders-WitnessMonitoring-production"
    assert pair.stacks[4].region == "us-east-2"
    assert pair.stacks[4].dependencies == [pair.stacks[1]]
    [peering] = assertions.Template.from_stack(pair.stacks[1]).find_resources("Custom::DsqlClusterPeering").values()
    assert peering["Properties"]["RegistryRegions"] == ["us-east-1", "us-west-2", "us-east-2"]
    assert list(pair.monitors) == list(pair.topics) == list(pair.alarms) == ["us-east-1", "us-west-2", "us-east-2"]


def test_monitoring_can_be_left_out(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=False, witness_observer=True)
    assert len(pair.stacks) == 2
    assert (pair.monitoring, pair.dashboard) == (None, None)
    assert (pair.monitors, pair.topics, pair.alarms) == ({}, {}, {})
    [peering] = assertions.Template.from_stack(pair.stacks[1]).find_resources("Custom::DsqlClusterPeering").values()
    assert peering["Properties"]["RegistryRegions"] == ["us-east-1", "us-west-2"]


def test_addresses_without_monitoring_are_a_warning(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", monitoring=False, alert_emails=["ops@example.com"])
    [told] = assertions.Annotations.from_stack(pair.stacks[0]).find_warning("*", assertions.Match.any_value())
    assert "monitoring is off, so nobody whom alert_ or warning_ names is notified" in str(told.entry.data)


def test_options_reach_every_region(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        alert_emails=["ops@example.com"],
        schedule=cdk.Duration.minutes(1),
        warning_emails=["dev@example.com"],
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
    for stack in MultiRegionDsqlDr(app, "Orders", witness_observer=True).stacks:
        text = str(assertions.Template.from_stack(stack).to_json())
        assert "Export" not in text.replace("ExportName", "")
        assert "ImportValue" not in text


def test_subscriptions_can_be_added_to_every_region(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    for topic in pair.topics.values():
        topic.add_https("https://pager.example.com")
    for stack in pair.stacks[2:]:
        assertions.Template.from_stack(stack).has_resource_properties("AWS::SNS::Subscription", {"Protocol": "https"})


def test_topics_of_the_users_are_paged_instead_of_new_ones(app: cdk.App) -> None:
    arns = [f"arn:aws:sns:{region}:222222222222:ops" for region in ("us-west-2", "us-east-1")]
    pair = MultiRegionDsqlDr(app, "Orders", alert_emails=["ops@example.com"], alert_topic_arns=arns)
    for stack, arn in zip(pair.stacks[2:], reversed(arns), strict=True):
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
        ({"witness_observer": True}, "there is no witness_region: give the pair's"),
        ({"alert_emails": ["ops"]}, "'ops' is not an address"),
        ({"alert_topic_arns": ["ops"]}, r"one topic is needed in each of us-east-1, us-west-2, since an alarm"),
        ({"alert_topic_arns": ["arn:aws:sns:us-east-1:222222222222:ops"]}, "give arn:aws:sns:<region>"),
        ({"schedule": cdk.Duration.seconds(90)}, "whole minutes from 1 to 60 are allowed"),
        ({"deployment_name": "a/b"}, "give deployment_name='a-b'"),
    ],
)
def test_bad_input_is_refused_with_what_to_do(app: cdk.App, options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        MultiRegionMonitoring(app, "Orders", **{"deployment_name": "orders", **options})


def test_one_name_watched_twice_is_refused(app: cdk.App) -> None:
    MultiRegionMonitoring(app, "First", deployment_name="orders", cluster_arns=ARNS)
    with pytest.raises(ValueError, match="'Second' and 'First' are both deployment 'orders' in one account"):
        MultiRegionMonitoring(app, "Second", deployment_name="orders", cluster_arns=ARNS)
