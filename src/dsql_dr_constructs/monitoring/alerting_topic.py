"""What alarms notify: an encrypted SNS topic that CloudWatch may publish to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import ArnFormat, Aspects, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as sns_subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from ..accepted_findings import accept
from ..arguments import checked
from ..asked_once import unresolved
from ..resource_policies import admit, alarms_of, is_imported, key_for_notifications, name_of, refuse_unusable_key
from .subscriptions import WarnsOfNoSubscription, refuse_no_email

_NOT_NOTIFIED = "CloudWatch cannot publish, and nobody is notified"


class AlertingTopic(Construct):
    """An SNS topic, encrypted with its own key, that notifies people of alarms.

        topic = AlertingTopic(stack, "Alerts", emails=["ops@example.com"])

    CloudWatch alarms cannot publish to a topic under the AWS managed key ``alias/aws/sns``, because that key's policy
    does not admit CloudWatch; so this construct creates a key of its own, rotated every year.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
    """

    topic: sns.ITopic
    """The topic that alarms publish to."""

    known_arn: str | None
    """ARN of the topic as stacks in other Regions can write it; None for a topic without a physical name."""

    key_alias: str | None
    """Alias of the topic's key, for the checks of other Regions; None where this construct created none."""

    encryption_key: kms.IKey | None
    """The topic's key; None if an existing topic has none, or was imported without it."""

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
            emails: Addresses to subscribe; AWS asks the owner of each to confirm first, and addresses that are given
                twice are subscribed once. Default: none.
            encryption_key: Key that encrypts messages at rest. Its policy has to admit CloudWatch, which is done here;
                for an imported key a warning has the statement. Default: a new one, rotated every year.
            existing_topic: A topic of yours instead of a new one; CloudWatch is added to its policy and to its key's,
                and where they are imported a warning has the statements to add. Default: none.
            topic_name: Physical name, which the monitors of other Regions need to check the topic. The key gets the
                alias ``alias/<topic_name>``, unless it is imported. Default: a generated name, and no alias.
            display_name: Sender of the emails. Default: none, which is "AWS Notifications".
            alarm_name_prefix: First part of the names of alarms that may publish to a new topic; `admit_alarm` adds
                others. Default: all alarms of the account in this Region may publish.

        Raises:
            ValueError: an address is not one, a key is one that AWS manages, *topic_name* is not allowed, or a key or a
                name is given with *existing_topic*.
        """
        super().__init__(scope, id)
        self._emails: list[str] = []
        self._prefix = "" if existing_topic else alarm_name_prefix
        self._admitted = [f"{self._prefix}*"]
        self._statements: list[iam.PolicyStatement] = []
        self._stack = Stack.of(self)
        self.known_arn = None
        self.key_alias = None
        if existing_topic:
            self._take(existing_topic, encryption_key, topic_name)
        else:
            self._create(encryption_key, topic_name, display_name)
        self._action = actions.SnsAction(self.topic)
        self._no_subscription = WarnsOfNoSubscription(self, self.topic)
        if resource := self.topic.node.default_child:  # which has no children, that an aspect would visit, too
            Aspects.of(resource).add(self._no_subscription)
        self._admit_alarms()
        for email in emails:
            self.add_email(email)

    @checked
    def add_email(self, address: str) -> None:
        """Subscribe *address* once; AWS asks its owner to confirm, and sends no notification before.

        Raises:
            ValueError: *address* is not one.
        """
        refuse_no_email("emails, address", address)
        if address not in self._emails:
            self._emails.append(address)
            self._subscribe(sns_subscriptions.EmailSubscription(address))

    @checked
    def add_https(self, url: str) -> None:
        """Post every notification to *url*, whose server has to confirm the subscription; it may have a secret in it.

        Raises:
            ValueError: *url* is not https.
        """
        if not url.startswith("https://"):
            raise ValueError(f"url is {url!r}: notifications are sent over TLS only; give 'https://...'.")
        self._subscribe(sns_subscriptions.UrlSubscription(url, protocol=sns.SubscriptionProtocol.HTTPS))

    @checked
    def add_queue(self, queue: sqs.IQueue) -> None:
        """Send every notification to *queue*; where it is imported, a warning has the statement that its policy needs.

        Raises:
            ValueError: *queue* is under a key that AWS manages, whose policy does not admit SNS.
        """
        key, resource = queue.encryption_master_key, queue.node.default_child
        refuse_unusable_key(self, key, "a queue that SNS sends to")
        if isinstance(resource, sqs.CfnQueue) and "alias/aws/" in str(resource.kms_master_key_id):
            raise ValueError(
                f"The queue {queue.node.path!r} is under {resource.kms_master_key_id}, which AWS manages and whose "
                "policy does not admit SNS: give it a key of your own, or QueueEncryption.SQS_MANAGED."
            )
        self._subscribe(sns_subscriptions.SqsSubscription(queue))
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
        """Invoke *function* with every notification."""
        self._subscribe(sns_subscriptions.LambdaSubscription(function))

    @checked
    def add_slack_channel(self, name: str, *, workspace_id: str, channel_id: str) -> None:
        """Send every notification to a Slack channel, by Amazon Q Developer in chat applications (AWS Chatbot).

        The channel's role has no permissions, and its guardrail policy allows no more than to read CloudWatch.

        Args:
            name: Name of the configuration, unique in the account.
            workspace_id: For example ``"T0123ABCD"``; authorize the workspace once, in the console.
            channel_id: For example ``"C0123ABCD"``.

        Source: https://docs.aws.amazon.com/chatbot/latest/adminguide/slack-setup.html
        """
        from aws_cdk import aws_chatbot as chatbot

        self._no_subscription.subscribed = True
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
        """Let *alarm* publish, whose name may not begin with *alarm_name_prefix*. `HealthAlarms.notify` calls this.

        Raises:
            ValueError: *alarm* has no name, so that the topic's policy cannot admit it.
        """
        if self._prefix:
            name = name_of(alarm)
            if not name.startswith(self._prefix) and name not in self._admitted:
                self._admitted.append(name)
                for one in self._statements:
                    one.add_conditions(alarms_of(self._stack, *self._admitted))

    @checked
    def metric_notifications_failed(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Notifications that SNS could not deliver (count; Sum over *period*, 5 minutes by default)."""
        return self.topic.metric_number_of_notifications_failed(period=period, statistic="Sum")

    def _take(self, topic: sns.ITopic, encryption_key: kms.IKey | None, topic_name: str | None) -> None:
        for parameter, given in (("encryption_key", encryption_key), ("topic_name", topic_name)):
            if given:
                raise ValueError(f"{parameter} is given with existing_topic, which has its own: leave one of them out.")
        refuse_unusable_key(topic, topic.master_key, "a topic that alarms publish to")
        self.topic, self.encryption_key = topic, topic.master_key
        self._key_is_imported = bool(topic.master_key and is_imported(topic.master_key))
        resource = topic.node.default_child
        name = resource.topic_name if isinstance(resource, sns.CfnTopic) else None
        if not unresolved(topic.topic_arn) or (is_imported(topic) and _same_in_every_stack(topic)):
            self.known_arn = topic.topic_arn
        elif name and not unresolved(name):
            self.known_arn = _arn_of(name, Stack.of(topic))

    def _create(self, encryption_key: kms.IKey | None, topic_name: str | None, display_name: str | None) -> None:
        refuse_unusable_key(self, encryption_key, "a topic that alarms publish to")
        self._key_is_imported = bool(encryption_key and is_imported(encryption_key))
        self.encryption_key = key = encryption_key or kms.Key(
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
            master_key=key,
            enforce_ssl=True,
            display_name=display_name,
        )
        if topic_name:
            self._make_known(topic_name, key)

    def _make_known(self, topic_name: str, key: kms.IKey) -> None:
        if not re.fullmatch("[A-Za-z0-9_-]{1,256}", topic_name):
            raise ValueError(f"topic_name is {topic_name!r}: up to 256 letters, digits, '-' and '_' are allowed.")
        self.known_arn = _arn_of(topic_name, self._stack)
        if not self._key_is_imported:  # an imported one may not allow an alias, or be in another account
            self.key_alias = f"alias/{topic_name}"
            kms.Alias(self, "Alias", alias_name=self.key_alias, target_key=key)

    def _subscribe(self, subscriber: sns.ITopicSubscription) -> None:
        self._no_subscription.subscribed = True
        subscription = self.topic.add_subscription(subscriber)
        accept(subscription, {"SNSRedrivePolicy": "SNS counts what failed in a metric; nobody would read the queue."})

    def _admit_alarms(self) -> None:
        """Let CloudWatch publish for alarms of this account and Region whose names are admitted, and for no others.

        Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
        """
        stack, cloudwatch_alarms = self._stack, iam.ServicePrincipal("cloudwatch.amazonaws.com")
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
        admit(self, self.topic, [publish], _NOT_NOTIFIED, of_its_key=[] if key else [use_key])
        self._statements = [publish, use_key]
        if self._key_is_imported:  # its owner adds the statement once, for every alarm
            use_key.add_conditions(alarms_of(stack, "*"))
            self._statements = [publish]
        if key:
            admit(self, key, [use_key], _NOT_NOTIFIED)


def _same_in_every_stack(topic: sns.ITopic) -> bool:
    """Whether the tokens in its ARN are no others than the account and the partition of whoever deploys."""
    resolved = str(Stack.of(topic).resolve(topic.topic_arn))
    names = re.findall(r"'(Ref|Fn::(?!Join)\w+)': ('AWS::AccountId'|'AWS::Partition')?", resolved)
    return all(name == "Ref" and of_the_deployment for name, of_the_deployment in names)


def _arn_of(topic_name: str, stack: Stack) -> str:
    """ARN of a topic in *stack*, without a reference to it."""
    return stack.format_arn(service="sns", resource=topic_name, arn_format=ArnFormat.NO_RESOURCE_NAME)
