"""Where alarms go: an encrypted SNS topic that CloudWatch is allowed to publish to."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Annotations, ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .accepted_findings import accept
from .arguments import checked

_AWS_MANAGED_KEY = "alias/aws/sns"


class AlertingTopic(Construct):
    """An SNS topic, encrypted with its own key, that tells people about alarms.

        topic = AlertingTopic(stack, "Alerts", emails=["ops@example.com"])

    CloudWatch alarms cannot publish to a topic under the AWS managed key ``alias/aws/sns``, because that key's policy
    does not admit CloudWatch; so this construct brings a key of its own, rotated every year.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    topic: sns.ITopic
    """What alarms publish to."""

    encryption_key: kms.IKey | None
    """The topic's key; None if an existing topic has none, or is imported without it."""

    @checked
    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        emails: Sequence[str] = (),
        encryption_key: kms.IKey | None = None,
        existing_topic: sns.ITopic | None = None,
        display_name: str | None = None,
    ) -> None:
        """
        Args:
            emails: Addresses to subscribe; each gets a mail to confirm first. Doubled ones count once. Default: none.
            encryption_key: Key for messages at rest; its policy is extended for CloudWatch. Default: a new
                one, rotated every year.
            existing_topic: A topic of yours instead of a new one; its policy and its key's are extended for CloudWatch.
                If it is imported, see to it yourself that both admit ``cloudwatch.amazonaws.com``. Default: none.
            display_name: Sender of the mails. Default: none, which is "AWS Notifications".

        Raises:
            ValueError: an address is not one, *existing_topic* is under the AWS managed key, or a key is given for it.
        """
        super().__init__(scope, id)
        self._emails: list[str] = []
        if existing_topic:
            _refuse_what_would_be_silent(existing_topic, encryption_key)
            self.encryption_key = existing_topic.master_key
            self.topic = existing_topic
            self._tell_what_an_import_needs()
        else:
            self.encryption_key = encryption_key or kms.Key(
                self,
                "Key",
                enable_key_rotation=True,
                removal_policy=RemovalPolicy.DESTROY,  # messages pass through; nothing is kept that it could open
                description=f"Encrypts the alarms of {self.node.path}",
            )
            self.topic = sns.Topic(
                self, "Topic", master_key=self.encryption_key, enforce_ssl=True, display_name=display_name
            )
        self._admit_alarms()
        for email in emails:
            self.add_email(email)

    @checked
    def add_email(self, address: str) -> None:
        """Subscribe *address* once; AWS asks its owner to confirm, and until then sends nothing.

        Raises:
            ValueError: *address* is not one.
        """
        name, _, domain = address.partition("@")
        if not name or not domain or any(character.isspace() for character in address):
            raise ValueError(f"Alert email {address!r} is not an address: give something like 'ops@example.com'.")
        if address not in self._emails:
            self._emails.append(address)
            self._subscribe(subscriptions.EmailSubscription(address))

    @checked
    def add_https(self, url: str) -> None:
        """Post every alarm to *url*, which has to confirm the subscription.

        Raises:
            ValueError: *url* is not https.
        """
        if not url.startswith("https://"):
            raise ValueError(f"Alert endpoint url {url!r} is not https: alarms go over TLS only; give 'https://...'.")
        self._subscribe(subscriptions.UrlSubscription(url))

    @checked
    def add_queue(self, queue: sqs.IQueue) -> None:
        """Put every alarm into *queue*."""
        self._subscribe(subscriptions.SqsSubscription(queue))

    @checked
    def add_function(self, function: lambda_.IFunction) -> None:
        """Call *function* with every alarm."""
        self._subscribe(subscriptions.LambdaSubscription(function))

    @checked
    def add_slack_channel(self, name: str, *, workspace_id: str, channel_id: str) -> None:
        """Show every alarm in a Slack channel, by Amazon Q Developer in chat applications (AWS Chatbot).

        Its role has no permissions, and whatever is added to it later cannot do more than read CloudWatch.

        Args:
            name: Name of the configuration, unique in the account.
            workspace_id: For example ``"T0123ABCD"``; the workspace is authorized in the console once.
            channel_id: For example ``"C0123ABCD"``.

        Source: https://docs.aws.amazon.com/chatbot/latest/adminguide/slack-setup.html
        """
        from aws_cdk import aws_chatbot as chatbot

        chatbot.SlackChannelConfiguration(
            self,
            f"Slack-{name}",
            slack_channel_configuration_name=name,
            slack_workspace_id=workspace_id,
            slack_channel_id=channel_id,
            notification_topics=[self.topic],
            guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("CloudWatchReadOnlyAccess")],
        )

    @checked
    def metric_notifications_failed(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Messages that SNS could not deliver (count; Sum over *period*, 5 minutes by default)."""
        return self.topic.metric_number_of_notifications_failed(period=period, statistic="Sum")

    def _subscribe(self, subscriber: sns.ITopicSubscription) -> None:
        subscription = self.topic.add_subscription(subscriber)
        accept(subscription, {"SNSRedrivePolicy": "SNS tells what failed in a metric; nobody would read the queue."})

    def _admit_alarms(self) -> None:
        """Alarms of this account and Region, and nobody else.

        Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
        Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        """
        stack = Stack.of(self)
        alarms = stack.format_arn(
            service="cloudwatch", resource="alarm", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        cloudwatch_alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        ours = {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": alarms}}
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["sns:Publish"],
                principals=[cloudwatch_alarms],
                resources=[self.topic.topic_arn],
                conditions=ours,
            )
        )
        if self.encryption_key:
            self.encryption_key.add_to_resource_policy(
                iam.PolicyStatement(
                    actions=["kms:Decrypt", "kms:GenerateDataKey"],
                    principals=[cloudwatch_alarms],
                    resources=["*"],  # in a key's policy that is the key
                    conditions=ours,
                )
            )

    def _tell_what_an_import_needs(self) -> None:
        if not isinstance(self.topic.node.default_child, sns.CfnTopic):
            Annotations.of(self).add_info(
                "This topic is imported, and its policies cannot be seen from here: it and its key must admit "
                "cloudwatch.amazonaws.com, or its alarms stay silent. Try it with aws cloudwatch set-alarm-state."
            )


def _refuse_what_would_be_silent(topic: sns.ITopic, encryption_key: kms.IKey | None) -> None:
    if encryption_key:
        raise ValueError("encryption_key is given with existing_topic, which has its own: leave one of them out.")
    resource = topic.node.default_child
    key = Stack.of(topic).resolve(resource.kms_master_key_id) if isinstance(resource, sns.CfnTopic) else None
    if _AWS_MANAGED_KEY in str(key):
        raise ValueError(
            f"Topic {topic.node.path!r} is encrypted with {_AWS_MANAGED_KEY}, through which no alarm can publish: give "
            "it a key of your own whose policy admits cloudwatch.amazonaws.com, or leave existing_topic out."
        )
