"""Where alarms go: an encrypted SNS topic that CloudWatch is allowed to publish to."""

from __future__ import annotations

import re
from collections.abc import Sequence

import jsii
from aws_cdk import ArnFormat, Aspects, CfnResource, Duration, IAspect, RemovalPolicy, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct, IConstruct

from ..accepted_findings import accept
from ..arguments import checked
from ..resource_policies import admit, alarms_of, is_imported, key_for_notifications, name_of, refuse_unusable_key, warn

_SUBSCRIBERS = ("AWS::SNS::Subscription", "AWS::Chatbot::SlackChannelConfiguration")
_SILENT = "CloudWatch drops what its alarms would notify"


class AlertingTopic(Construct):
    """An SNS topic, encrypted with its own key, that tells people about alarms.

        topic = AlertingTopic(stack, "Alerts", emails=["ops@example.com"])

    CloudWatch alarms cannot publish to a topic under the AWS managed key ``alias/aws/sns``, because that key's policy
    does not admit CloudWatch; so this construct brings a key of its own, rotated every year.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    topic: sns.ITopic
    """What alarms publish to."""

    known_arn: str | None
    """ARN of the topic that stacks in other Regions can say, too; None without a name or an ARN of its own."""

    key_alias: str | None
    """Alias of the topic's key, for the checks of other Regions; None where this construct did not make one."""

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
        topic_name: str | None = None,
        display_name: str | None = None,
        alarm_name_prefix: str = "",
    ) -> None:
        """
        Args:
            emails: Addresses to subscribe; each gets a mail to confirm first. Doubled ones count once. Default: none.
            encryption_key: Key for messages at rest; CloudWatch is added to its policy, and where it is imported a
                warning has the statement. Default: a new one, rotated every year.
            existing_topic: A topic of yours instead of a new one; CloudWatch is added to its policy and its key's, and
                where they are imported a warning has the statements. Default: none.
            topic_name: Physical name, which monitors of other Regions need to check the topic; its key gets the alias
                ``alias/<topic_name>``, unless the key is imported. Default: a generated one, and no alias.
            display_name: Sender of the e-mails. Default: none, which is "AWS Notifications".
            alarm_name_prefix: What the names of alarms begin with that may publish to a new topic; `admit_alarm` lets
                others. Default: all alarms of the account in this Region may.

        Raises:
            ValueError: an address is not one, a key is one that AWS manages, *topic_name* is none, or a key or a name
                is given for *existing_topic*.
        """
        super().__init__(scope, id)
        self._emails: list[str] = []
        self._prefix = "" if existing_topic else alarm_name_prefix
        self._admitted = [f"{self._prefix}*"]
        self._statements: list[iam.PolicyStatement] = []
        self._subscribed = False
        self.known_arn = self.key_alias = None
        if existing_topic:
            _refuse_what_would_be_silent(existing_topic, encryption_key, topic_name)
            if not Token.is_unresolved(existing_topic.topic_arn):
                self.known_arn = existing_topic.topic_arn
            self.encryption_key = existing_topic.master_key
            self.topic = existing_topic
        else:
            refuse_unusable_key(self, encryption_key, "a topic that alarms publish to")
            self.encryption_key = encryption_key or kms.Key(
                self,
                "Key",
                enable_key_rotation=True,
                removal_policy=RemovalPolicy.DESTROY,  # messages pass through; nothing is kept that it could open
                description=f"Encrypts the alarms of {self.node.path}",
            )
            self.topic = sns.Topic(
                self,
                "Topic",
                topic_name=topic_name,
                master_key=self.encryption_key,
                enforce_ssl=True,
                display_name=display_name,
            )
            if topic_name:
                self._make_known(topic_name, self.encryption_key)
        if not is_imported(self.topic):
            Aspects.of(self).add(_NobodySubscribed())
        self._admit_alarms()
        for email in emails:
            self.add_email(email)

    @checked
    def add_email(self, address: str) -> None:
        """Subscribe *address* once; AWS asks its owner to confirm, and until then sends nothing.

        Raises:
            ValueError: *address* is not one.
        """
        refuse_no_email("emails, address", address)
        if address not in self._emails:
            self._emails.append(address)
            self._subscribe(subscriptions.EmailSubscription(address))

    @checked
    def add_https(self, url: str) -> None:
        """Post every alarm to *url*, which has to confirm the subscription; it may have a secret's value in it.

        Raises:
            ValueError: *url* is not https.
        """
        if not url.startswith("https://"):
            raise ValueError(f"Alert endpoint url {url!r} is not https: alarms go over TLS only; give 'https://...'.")
        self._subscribe(subscriptions.UrlSubscription(url, protocol=sns.SubscriptionProtocol.HTTPS))

    @checked
    def add_queue(self, queue: sqs.IQueue) -> None:
        """Put every alarm into *queue*; where it is imported, a warning has the statement that its policy needs."""
        key, resource = queue.encryption_master_key, queue.node.default_child
        refuse_unusable_key(self, key, "a queue that SNS sends to")
        if isinstance(resource, sqs.CfnQueue) and "alias/aws/" in str(resource.kms_master_key_id):
            raise ValueError(
                f"The queue {queue.node.path!r} is under {resource.kms_master_key_id}, which AWS manages and whose "
                "policy does not admit SNS: give it a key of your own, or QueueEncryption.SQS_MANAGED."
            )
        self._subscribe(subscriptions.SqsSubscription(queue))
        if key and is_imported(key):
            admit(self, key, key_for_notifications(), "the queue gets no message")
        if is_imported(queue):
            publish = iam.PolicyStatement(
                actions=["sqs:SendMessage"],
                principals=[iam.ServicePrincipal("sns.amazonaws.com")],
                resources=[queue.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": self.topic.topic_arn}},
            )
            admit(self, queue, [publish], "it gets no message")

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

        self._subscribed = True
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
    def admit_alarm(self, alarm: cloudwatch.AlarmBase) -> None:
        """Let *alarm* publish, which *alarm_name_prefix* may exclude; `HealthAlarms.notify` does it.

        Raises:
            ValueError: *alarm* has no name, so that no policy can name it.
        """
        if self._prefix:
            name = name_of(alarm)
            if not name.startswith(self._prefix) and name not in self._admitted:
                self._admitted.append(name)
                for one in self._statements:
                    one.add_conditions(alarms_of(Stack.of(self), *self._admitted))

    @checked
    def metric_notifications_failed(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Messages that SNS could not deliver (count; Sum over *period*, 5 minutes by default)."""
        return self.topic.metric_number_of_notifications_failed(period=period, statistic="Sum")

    def _make_known(self, topic_name: str, key: kms.IKey) -> None:
        if not re.fullmatch("[A-Za-z0-9_-]{1,256}", topic_name):
            raise ValueError(f"topic_name is {topic_name!r}: up to 256 letters, digits, '-' and '_' are allowed.")
        self.known_arn = Stack.of(self).format_arn(
            service="sns", resource=topic_name, arn_format=ArnFormat.NO_RESOURCE_NAME
        )
        if not is_imported(key):  # an imported one may not let its aliases be made, or be of another account
            self.key_alias = f"alias/{topic_name}"
            kms.Alias(self, "Alias", alias_name=self.key_alias, target_key=key)

    def _subscribe(self, subscriber: sns.ITopicSubscription) -> None:
        self._subscribed = True
        subscription = self.topic.add_subscription(subscriber)
        accept(subscription, {"SNSRedrivePolicy": "SNS counts what failed in a metric; nobody would read the queue."})

    def _has_subscriber(self) -> bool:
        """By this construct, or by whatever else in the app names the topic."""
        arn = self.topic.topic_arn
        return self._subscribed or any(
            arn in (getattr(one, "topic_arn", None), *(getattr(one, "sns_topic_arns", None) or ()))
            for one in self.node.root.node.find_all()
            if isinstance(one, CfnResource) and one.cfn_resource_type in _SUBSCRIBERS
        )

    def _admit_alarms(self) -> None:
        """Alarms of this account and Region with the right names, and nobody else.

        Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        """
        stack, cloudwatch_alarms = Stack.of(self), iam.ServicePrincipal("cloudwatch.amazonaws.com")
        conditions = alarms_of(stack, *self._admitted)
        publish = iam.PolicyStatement(
            actions=["sns:Publish"],
            principals=[cloudwatch_alarms],
            resources=[self.topic.topic_arn],
            conditions=conditions,
        )
        use_key = iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            principals=[cloudwatch_alarms],
            resources=["*"],  # in a key's policy that is the key
            conditions=conditions,
        )
        key = self.encryption_key
        admit(self, self.topic, [publish], _SILENT, of_its_key=[] if key else [use_key])
        self._statements = [publish, use_key]
        if key and is_imported(key):  # its owner adds the statement once, whatever alarms there will be
            use_key.add_conditions(alarms_of(stack, "*"))
            self._statements = [publish]
        if key:
            admit(self, key, [use_key], _SILENT)


def refuse_no_email(parameter: str, address: str) -> None:
    """
    Raises:
        ValueError: *address*, given as *parameter*, is not one.
    """
    name, _, domain = address.partition("@")
    if not name or not domain or any(character.isspace() for character in address):
        raise ValueError(f"In {parameter}: {address!r} is not an address: give something like 'ops@example.com'.")


def _refuse_what_would_be_silent(topic: sns.ITopic, encryption_key: kms.IKey | None, topic_name: str | None) -> None:
    for parameter, given in (("encryption_key", encryption_key), ("topic_name", topic_name)):
        if given:
            raise ValueError(f"{parameter} is given with existing_topic, which has its own: leave one of them out.")
    refuse_unusable_key(topic, topic.master_key, "a topic that alarms publish to")


@jsii.implements(IAspect)
class _NobodySubscribed:
    """Warns when the app is synthesized, since subscriptions are added after the topic is made."""

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, AlertingTopic) and not node._has_subscriber():
            warn(
                node,
                "nobodyNotified",
                f"Nobody subscribes to topic {node.node.path!r}, so nobody is notified: give emails (alert_emails), or "
                "call add_email, add_https, add_queue, add_function or add_slack_channel of it.",
            )
