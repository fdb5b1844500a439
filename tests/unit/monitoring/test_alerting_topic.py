from __future__ import annotations

import re
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as sns_subscriptions
from aws_cdk import aws_sqs as sqs

from dsql_dr_constructs import AlertingTopic


def alarms(*names: str) -> dict[str, Any]:
    arn = ["arn:", {"Ref": "AWS::Partition"}]
    arns = [{"Fn::Join": ["", [*arn, f":cloudwatch:us-east-1:111111111111:alarm:{one}"]]} for one in names]
    return {"StringEquals": {"aws:SourceAccount": "111111111111"}, "ArnLike": {"aws:SourceArn": arns}}


CLOUDWATCH = {"Service": "cloudwatch.amazonaws.com"}


@pytest.fixture
def stack(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Monitoring", env=cdk.Environment(account="111111111111", region="us-east-1"))


def statements(stack: cdk.Stack, resource_type: str, document: str) -> list[dict[str, Any]]:
    [one] = assertions.Template.from_stack(stack).find_resources(resource_type).values()
    found: list[dict[str, Any]] = one["Properties"][document]["Statement"]
    return found


def subscriptions(stack: cdk.Stack) -> list[tuple[str, Any]]:
    found = assertions.Template.from_stack(stack).find_resources("AWS::SNS::Subscription").values()
    return [(one["Properties"]["Protocol"], one["Properties"]["Endpoint"]) for one in found]


def test_topic_is_encrypted_with_a_key_of_its_own_that_is_rotated(stack: cdk.Stack) -> None:
    AlertingTopic(stack, "Alerts")
    template = assertions.Template.from_stack(stack)
    [key] = template.find_resources("AWS::KMS::Key")
    template.has_resource("AWS::KMS::Key", {"Properties": {"EnableKeyRotation": True}, "DeletionPolicy": "Delete"})
    template.has_resource_properties("AWS::SNS::Topic", {"KmsMasterKeyId": {"Fn::GetAtt": [key, "Arn"]}})


def test_alarms_of_this_account_may_publish_and_nobody_else_and_only_over_tls(stack: cdk.Stack) -> None:
    AlertingTopic(stack, "Alerts")
    deny, allow = statements(stack, "AWS::SNS::TopicPolicy", "PolicyDocument")
    assert (deny["Effect"], deny["Principal"], deny["Condition"]) == (
        "Deny",
        "*",
        {"Bool": {"aws:SecureTransport": "false"}},
    )
    assert (allow["Action"], allow["Principal"]) == ("sns:Publish", CLOUDWATCH)
    assert allow["Condition"] == alarms("*")


def own_alarm(stack: cdk.Stack, name: str | None) -> cloudwatch.Alarm:
    metric = cloudwatch.Metric(namespace="Orders", metric_name="Failed")
    return cloudwatch.Alarm(stack, name or "Own", metric=metric, threshold=1, evaluation_periods=1, alarm_name=name)


def test_topic_and_key_admit_alarms_with_the_prefix_and_those_that_were_named(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts", alarm_name_prefix="aurora-dsql-orders-")
    for one in ("orders-failed", "aurora-dsql-orders-mine"):
        topic.admit_alarm(own_alarm(stack, one))
    named = alarms("aurora-dsql-orders-*", "orders-failed")
    assert statements(stack, "AWS::SNS::TopicPolicy", "PolicyDocument")[1]["Condition"] == named
    assert statements(stack, "AWS::KMS::Key", "KeyPolicy")[1]["Condition"] == named


def test_key_that_is_imported_is_to_admit_all_alarms_once(stack: cdk.Stack) -> None:
    key = kms.Key.from_key_arn(stack, "Ours", "arn:aws:kms:us-east-1:111111111111:key/1234")
    topic = AlertingTopic(stack, "Alerts", encryption_key=key, alarm_name_prefix="aurora-dsql-orders-")
    topic.admit_alarm(own_alarm(stack, "orders-failed"))
    [told] = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.string_like_regexp("Ours"))
    assert ":111111111111:alarm:*" in str(told.entry.data)
    [_, allow] = statements(stack, "AWS::SNS::TopicPolicy", "PolicyDocument")
    assert allow["Condition"] == alarms("aurora-dsql-orders-*", "orders-failed")


def test_alarm_without_a_name_cannot_be_admitted(stack: cdk.Stack) -> None:
    alarm = own_alarm(stack, None)
    AlertingTopic(stack, "Open").admit_alarm(alarm)
    with pytest.raises(ValueError, match="'Monitoring/Own' has no name of its own, by which other stacks know it"):
        AlertingTopic(stack, "Alerts", alarm_name_prefix="aurora-dsql-orders-").admit_alarm(alarm)


def test_alarms_of_this_account_may_use_the_key_and_nobody_else(stack: cdk.Stack) -> None:
    AlertingTopic(stack, "Alerts")
    owner, cloudwatch_alarms = statements(stack, "AWS::KMS::Key", "KeyPolicy")
    assert "root" in str(owner["Principal"]), "AWS's own default: without it nobody could manage the key"
    assert cloudwatch_alarms == {
        "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
        "Condition": alarms("*"),
        "Effect": "Allow",
        "Principal": CLOUDWATCH,
        "Resource": "*",
    }


def test_key_of_the_users_is_used_and_its_policy_extended(stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Ours", enable_key_rotation=True)
    topic = AlertingTopic(stack, "Alerts", encryption_key=key)
    assert topic.encryption_key is key
    assert len(statements(stack, "AWS::KMS::Key", "KeyPolicy")) == 2


def test_emails_are_subscribed_once_each_in_their_order(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts", emails=["b@example.com", "a@example.com", "b@example.com"])
    topic.add_email("a@example.com")
    topic.add_email("c@example.com")
    order = [("email", f"{name}@example.com") for name in "bac"]
    assert subscriptions(stack) == order


@pytest.mark.parametrize("address", ["ops", "@example.com", "ops@", "ops team@example.com", "a@b@c"])
def test_what_is_no_address_is_refused(stack: cdk.Stack, address: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"{address!r} is not an address: give something like")):
        AlertingTopic(stack, "Alerts", emails=[address])


def test_queues_functions_and_https_endpoints_can_subscribe(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts")
    topic.add_https("https://pager.example.com/hook")
    topic.add_queue(sqs.Queue(stack, "Queue"))
    topic.add_function(
        lambda_.Function(
            stack,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_14,
            handler="index.handler",
            code=lambda_.Code.from_inline("def handler(event, context): pass"),
        )
    )
    assert sorted(protocol for protocol, _ in subscriptions(stack)) == ["https", "lambda", "sqs"]


def test_url_may_have_a_secret_in_it(stack: cdk.Stack) -> None:
    key = cdk.SecretValue.secrets_manager("pager-key").unsafe_unwrap()
    AlertingTopic(stack, "Alerts").add_https(f"https://events.pagerduty.com/integration/{key}/enqueue")
    [(protocol, endpoint)] = subscriptions(stack)
    assert protocol == "https"
    assert "resolve:secretsmanager:pager-key" in str(endpoint)


def test_plain_http_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="url is 'http://pager': notifications are sent over TLS only"):
        AlertingTopic(stack, "Alerts").add_https("http://pager")


def test_slack_channel_shows_alarms_and_may_do_nothing_but_read_cloudwatch(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts")
    topic.add_slack_channel("dsql", workspace_id="T0123ABCD", channel_id="C0123ABCD")
    template = assertions.Template.from_stack(stack)
    [channel] = template.find_resources("AWS::Chatbot::SlackChannelConfiguration").values()
    assert channel["Properties"]["SnsTopicArns"] == [stack.resolve(topic.topic.topic_arn)]
    assert "CloudWatchReadOnlyAccess" in str(channel["Properties"]["GuardrailPolicies"])
    assert template.find_resources("AWS::IAM::Policy") == {}


def test_topic_of_the_users_is_used_and_admits_alarms(stack: cdk.Stack) -> None:
    key = kms.Key(stack, "Ours", enable_key_rotation=True)
    ours = sns.Topic(stack, "Topic", master_key=key)
    topic = AlertingTopic(stack, "Alerts", existing_topic=ours, emails=["ops@example.com"])
    assert topic.topic is ours
    [allow] = statements(stack, "AWS::SNS::TopicPolicy", "PolicyDocument")
    assert allow["Principal"] == CLOUDWATCH
    assert statements(stack, "AWS::KMS::Key", "KeyPolicy")[-1]["Principal"] == CLOUDWATCH, (
        "or nothing would be delivered"
    )
    assertions.Template.from_stack(stack).resource_count_is("AWS::SNS::Topic", 1)


def test_topic_under_the_aws_managed_key_is_refused_since_it_would_deliver_no_alarm(stack: cdk.Stack) -> None:
    managed = kms.Alias.from_alias_name(stack, "Managed", "alias/aws/sns")
    undelivered = sns.Topic(stack, "Topic", master_key=managed)
    with pytest.raises(
        ValueError, match=r"'Monitoring/Managed' is alias/aws/sns, which AWS manages .* a topic that alarms"
    ):
        AlertingTopic(stack, "Alerts", existing_topic=undelivered)


def test_key_for_a_topic_that_has_one_is_refused(stack: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="encryption_key is given with existing_topic"):
        AlertingTopic(stack, "Alerts", existing_topic=sns.Topic(stack, "Topic"), encryption_key=kms.Key(stack, "Key"))


def warnings(stack: cdk.Stack) -> list[str]:
    found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    return [str(one.entry.data) for one in found]


def test_imported_topic_comes_with_the_statements_that_it_and_its_key_need(stack: cdk.Stack) -> None:
    imported = sns.Topic.from_topic_arn(stack, "Topic", "arn:aws:sns:us-east-1:111111111111:pager")
    AlertingTopic(stack, "Alerts", existing_topic=imported, emails=["ops@example.com"])
    [told] = warnings(stack)
    assert "'Monitoring/Topic' is imported" in told
    assert '"Action": "sns:Publish", "Condition": {"StringEquals": {"aws:SourceAccount": "111111111111"}' in told
    assert '"Principal": {"Service": "cloudwatch.amazonaws.com"}' in told
    assert '"Action": ["kms:Decrypt", "kms:GenerateDataKey"]' in told.partition("that key's policy needs")[2]
    assert subscriptions(stack) == [("email", "ops@example.com")]


@pytest.mark.parametrize("kind", ["key", "alias"])
def test_imported_key_comes_with_the_statement_that_it_needs(stack: cdk.Stack, kind: str) -> None:
    arn = "arn:aws:kms:us-east-1:111111111111:key/1234"
    key = (
        kms.Key.from_key_arn(stack, "Ours", arn)
        if kind == "key"
        else kms.Alias.from_alias_name(stack, "Ours", "alias/x")
    )
    AlertingTopic(stack, "Alerts", encryption_key=key, emails=["ops@example.com"])
    [told] = warnings(stack)
    assert f"'{key.node.path}' is imported" in told
    assert "CloudWatch cannot publish, and nobody is notified" in told
    assert '"Action": ["kms:Decrypt", "kms:GenerateDataKey"]' in told


def test_imported_queue_comes_with_the_statement_that_it_needs(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts")
    topic.add_queue(sqs.Queue.from_queue_arn(stack, "Queue", "arn:aws:sqs:us-east-1:111111111111:pager"))
    [told] = warnings(stack)
    assert "'Monitoring/Queue' is imported" in told
    assert '"Action": "sqs:SendMessage", "Condition": {"ArnEquals": {"aws:SourceArn": "${AlertsTopic' in told


def test_own_queue_and_own_key_need_no_word(stack: cdk.Stack) -> None:
    topic = AlertingTopic(stack, "Alerts", encryption_key=kms.Key(stack, "Key"))
    topic.add_queue(sqs.Queue(stack, "Queue"))
    assert warnings(stack) == []


def test_aws_managed_key_is_refused_for_a_new_topic_too(stack: cdk.Stack) -> None:
    managed = kms.Alias.from_alias_name(stack, "Managed", "alias/aws/sns")
    with pytest.raises(
        ValueError, match=r"'Monitoring/Managed' is alias/aws/sns, which AWS manages .* a topic that alarms"
    ):
        AlertingTopic(stack, "Alerts", encryption_key=managed)


def test_topic_that_nobody_subscribes_to_is_a_warning(stack: cdk.Stack) -> None:
    AlertingTopic(stack, "Alerts")
    [told] = warnings(stack)
    assert "Topic 'Monitoring/Alerts' has no subscription, so nobody is notified: give emails" in told


def test_own_topic_that_nobody_subscribes_to_is_a_warning_too(stack: cdk.Stack) -> None:
    AlertingTopic(stack, "Alerts", existing_topic=sns.Topic(stack, "Topic"))
    assert "Topic 'Monitoring/Alerts' has no subscription" in warnings(stack)[0]


def test_imported_topic_under_the_aws_managed_key_is_refused(stack: cdk.Stack) -> None:
    arn = "arn:aws:sns:us-east-1:111111111111:pager"
    key = "arn:aws:kms:us-east-1:111111111111:alias/aws/sns"
    imported = sns.Topic.from_topic_attributes(stack, "Topic", topic_arn=arn, key_arn=key)
    with pytest.raises(ValueError, match="alias/aws/sns, which AWS manages"):
        AlertingTopic(stack, "Alerts", existing_topic=imported)


def test_imported_key_of_a_queue_comes_with_the_statement_that_it_needs(stack: cdk.Stack) -> None:
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:us-east-1:111111111111:key/1234")
    AlertingTopic(stack, "Alerts").add_queue(sqs.Queue(stack, "Queue", encryption_master_key=key))
    [told] = warnings(stack)
    assert '"Action": ["kms:Decrypt", "kms:GenerateDataKey"]' in told
    assert '"Principal": {"Service": "sns.amazonaws.com"}' in told


def test_queue_under_the_aws_managed_key_is_refused(stack: cdk.Stack) -> None:
    queue = sqs.Queue(stack, "Queue", encryption=sqs.QueueEncryption.KMS_MANAGED)
    with pytest.raises(ValueError, match=r"'Monitoring/Queue' is under alias/aws/sqs, which AWS manages .*SQS_MANAGED"):
        AlertingTopic(stack, "Alerts").add_queue(queue)


def test_key_of_another_region_is_refused(app: cdk.App, stack: cdk.Stack) -> None:
    other = cdk.Stack(app, "Other", env=cdk.Environment(account="111111111111", region="us-west-2"))
    with pytest.raises(ValueError, match="is in us-west-2, and a topic that alarms publish to in us-east-1"):
        AlertingTopic(stack, "Alerts", encryption_key=kms.Key(other, "Key"))


@pytest.mark.parametrize("how", ["email", "https", "slack", "own subscription", "from another stack"])
def test_any_subscription_ends_the_warning(app: cdk.App, stack: cdk.Stack, how: str) -> None:
    topic = AlertingTopic(stack, "Alerts")
    url = sns_subscriptions.UrlSubscription("https://pager.example.com")
    if how == "email":
        topic.add_email("ops@example.com")
    elif how == "https":
        topic.add_https("https://pager.example.com")
    elif how == "slack":
        topic.add_slack_channel("dsql", workspace_id="T0123ABCD", channel_id="C0123ABCD")
    elif how == "own subscription":
        topic.topic.add_subscription(url)
    else:
        other = cdk.Stack(app, "Other", env=cdk.Environment(account="111111111111", region="us-east-1"))
        protocol = sns.SubscriptionProtocol.HTTPS
        sns.Subscription(other, "Ours", topic=topic.topic, protocol=protocol, endpoint="https://pager.example.com")
    assert warnings(stack) == []
