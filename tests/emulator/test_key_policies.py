"""What a key's policy admits decides, here as in AWS, on clusters, topics, log groups and functions."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT
from tests.emulator.test_cloudformation import Stack, cluster

REGION = "us-east-1"
OWNER = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, "Action": "kms:*", "Resource": "*"}
OUR_CLUSTERS = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnLike": {"aws:SourceArn": f"arn:aws:dsql:{REGION}:{ACCOUNT}:cluster/*"},
}
OUR_ALARMS = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"},
}
OUR_GROUPS = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*"}}
FOR_CLUSTERS = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
FOR_LOGS = ["kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]


def admits(service: str, actions: list[str] | str, conditions: dict[str, Any] | None = None) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": actions, "Resource": "*"}
    return {**statement, "Condition": conditions} if conditions else statement


DSQL = [
    admits("dsql.amazonaws.com", FOR_CLUSTERS, OUR_CLUSTERS),
    admits("dsql.amazonaws.com", "kms:DescribeKey", OUR_CLUSTERS),
]
ALARMS = admits("cloudwatch.amazonaws.com", ["kms:Decrypt", "kms:GenerateDataKey*"], OUR_ALARMS)
LOGS = admits(f"logs.{REGION}.amazonaws.com", FOR_LOGS, OUR_GROUPS)


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [OWNER, *statements]}


def key_resource(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy(*statements)}}


KEY_ARN = {"Fn::GetAtt": ["Key", "Arn"]}


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=[REGION, "us-west-2"], transition_seconds=0.05) as aws:
        yield aws


@pytest.fixture
def stack(aws: AwsEmulator) -> Iterator[Stack]:
    stack = Stack(aws)
    yield stack
    if [one for one in stack.client.describe_stacks()["Stacks"] if one["StackStatus"] != "DELETE_COMPLETE"]:
        stack.run("delete")


class Keys:
    """Keys of the Region, made and changed by API calls."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.kms = aws.client("kms", REGION)

    def new(self, *statements: dict[str, Any]) -> str:
        made = self.kms.create_key(Policy=json.dumps(policy(*statements)))
        return str(made["KeyMetadata"]["Arn"])

    def change(self, arn: str, *statements: dict[str, Any]) -> None:
        self.kms.put_key_policy(KeyId=arn, PolicyName="default", Policy=json.dumps(policy(*statements)))


@pytest.fixture
def keys(aws: AwsEmulator) -> Keys:
    return Keys(aws)


# clusters


def encryption(aws: AwsEmulator, identifier: str) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("dsql", REGION).get_cluster(identifier=identifier)
    return {**found["encryptionDetails"], "status": found["status"]}


def active(aws: AwsEmulator, **options: Any) -> str:
    dsql = aws.client("dsql", REGION)
    identifier = str(dsql.create_cluster(deletionProtectionEnabled=False, **options)["identifier"])
    until_active(aws, identifier)
    return identifier


def until_active(aws: AwsEmulator, identifier: str) -> None:
    while aws.client("dsql", REGION).get_cluster(identifier=identifier)["status"] in ("CREATING", "UPDATING"):
        time.sleep(0.02)


def test_stack_with_the_documented_statements_has_its_cluster_under_the_key(aws: AwsEmulator, stack: Stack) -> None:
    resources = {"Key": key_resource(*DSQL), "One": cluster(KmsEncryptionKey=KEY_ARN)}
    outputs = {"Id": {"Ref": "One"}, "Key": KEY_ARN}
    assert stack.run("create", resources, outputs) == "CREATE_COMPLETE"
    given = stack.outputs()
    details = encryption(aws, given["Id"])
    assert (details["encryptionType"], details["kmsKeyArn"]) == ("CUSTOMER_MANAGED_KMS_KEY", given["Key"])
    assert details["encryptionStatus"] == "ENABLED"


@pytest.mark.parametrize("missing", [*FOR_CLUSTERS, "kms:DescribeKey"])
def test_stack_fails_with_the_action_that_the_keys_policy_does_not_allow(stack: Stack, missing: str) -> None:
    statements = [
        admits("dsql.amazonaws.com", [one for one in FOR_CLUSTERS if one != missing], OUR_CLUSTERS),
        *([] if missing == "kms:DescribeKey" else [DSQL[1]]),
    ]
    resources = {"Key": key_resource(*statements), "One": cluster(KmsEncryptionKey=KEY_ARN)}
    assert stack.run("create", resources) == "ROLLBACK_COMPLETE"
    sentence = f"does not allow dsql.amazonaws.com to perform {missing} with aws:SourceArn=arn:aws:dsql:{REGION}:"
    assert any("The policy of key arn:aws:kms:" in one and sentence in one for one in stack.reasons()), stack.reasons()


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": "111111111111"}},
        {"ArnLike": {"aws:SourceArn": f"arn:aws:dsql:us-west-2:{ACCOUNT}:cluster/*"}},
        {"StringLike": {"kms:EncryptionContext:aws:dsql:ClusterId": "another"}},
    ],
    ids=["account", "region", "encryption-context"],
)
def test_statement_for_others_admits_nobody_here(keys: Keys, aws: AwsEmulator, condition: dict[str, Any]) -> None:
    key = keys.new(admits("dsql.amazonaws.com", "kms:*", condition))
    with pytest.raises(ClientError, match=r"does not allow dsql\.amazonaws\.com to perform kms:Decrypt"):
        aws.client("dsql", REGION).create_cluster(kmsEncryptionKey=key)


def test_encryption_context_does_not_cover_describe_key(keys: Keys, aws: AwsEmulator) -> None:
    """KMS has none for it, which is why the user guide has a statement of its own."""
    context = {"StringLike": {"kms:EncryptionContext:aws:dsql:ClusterId": "*"}}
    key = keys.new(admits("dsql.amazonaws.com", "kms:*", context))
    with pytest.raises(ClientError, match="to perform kms:DescribeKey"):
        aws.client("dsql", REGION).create_cluster(kmsEncryptionKey=key)


def test_denial_outweighs_what_is_allowed(keys: Keys, aws: AwsEmulator) -> None:
    denied = {**admits("dsql.amazonaws.com", "kms:Encrypt"), "Effect": "Deny"}
    with pytest.raises(ClientError, match="to perform kms:Encrypt"):
        aws.client("dsql", REGION).create_cluster(kmsEncryptionKey=keys.new(*DSQL, denied))


def test_unknown_key_and_one_of_another_region_do_not_exist(aws: AwsEmulator) -> None:
    dsql, key = aws.client("dsql", "us-west-2"), Keys(aws).new(*DSQL)
    for one in (key, f"arn:aws:kms:us-west-2:{ACCOUNT}:key/unknown"):
        with pytest.raises(dsql.exceptions.ValidationException, match=f"NotFoundException: Key '{one}' does not exist"):
            dsql.create_cluster(kmsEncryptionKey=one)


def test_asymmetric_key_encrypts_no_cluster(keys: Keys, aws: AwsEmulator) -> None:
    made = keys.kms.create_key(KeySpec="RSA_2048", Policy=json.dumps(policy(*DSQL)))
    with pytest.raises(ClientError, match="is RSA_2048, and only a symmetric key"):
        aws.client("dsql", REGION).create_cluster(kmsEncryptionKey=made["KeyMetadata"]["Arn"])


def test_key_can_be_given_by_id_and_alias(keys: Keys, aws: AwsEmulator) -> None:
    arn = keys.new(*DSQL)
    keys.kms.create_alias(AliasName="alias/orders", TargetKeyId=arn)
    for name in (arn.rpartition("/")[2], "alias/orders"):
        assert encryption(aws, active(aws, kmsEncryptionKey=name))["kmsKeyArn"] == arn


def test_cluster_loses_its_key_and_has_it_again(keys: Keys, aws: AwsEmulator) -> None:
    key = keys.new(*DSQL)
    identifier = active(aws, kmsEncryptionKey=key)

    def seen() -> tuple[str, str]:
        found = encryption(aws, identifier)
        return found["encryptionStatus"], found["status"]

    assert seen() == ("ENABLED", "ACTIVE")
    for lose, give_back in (
        (lambda: keys.change(key, DSQL[0]), lambda: keys.change(key, *DSQL)),
        (lambda: keys.kms.disable_key(KeyId=key), lambda: keys.kms.enable_key(KeyId=key)),
        (lambda: keys.kms.schedule_key_deletion(KeyId=key), lambda: _not_deleted(keys, key)),
    ):
        lose()
        assert seen() == ("KMS_KEY_INACCESSIBLE", "IDLE")
        give_back()
        assert seen() == ("ENABLED", "ACTIVE")


def _not_deleted(keys: Keys, key: str) -> None:
    keys.kms.cancel_key_deletion(KeyId=key)
    keys.kms.enable_key(KeyId=key)


def test_key_is_changed_and_taken_away_by_an_update(keys: Keys, aws: AwsEmulator) -> None:
    first, second, closed = keys.new(*DSQL), keys.new(*DSQL), keys.new()
    identifier = active(aws, kmsEncryptionKey=first)
    dsql = aws.client("dsql", REGION)
    with pytest.raises(dsql.exceptions.ValidationException, match="to perform kms:Decrypt"):
        dsql.update_cluster(identifier=identifier, kmsEncryptionKey=closed)
    assert encryption(aws, identifier)["kmsKeyArn"] == first
    dsql.update_cluster(identifier=identifier, kmsEncryptionKey=second)
    until_active(aws, identifier)
    details = encryption(aws, identifier)
    assert (details["kmsKeyArn"], details["encryptionStatus"]) == (second, "ENABLED")
    dsql.update_cluster(identifier=identifier, kmsEncryptionKey="AWS_OWNED_KMS_KEY")
    keys.change(second)
    details = encryption(aws, identifier)
    assert (details["encryptionType"], details["encryptionStatus"]) == ("AWS_OWNED_KMS_KEY", "ENABLED")


def test_template_without_its_key_gives_the_cluster_aws_own(aws: AwsEmulator, stack: Stack) -> None:
    resources = {"Key": key_resource(*DSQL), "One": cluster(KmsEncryptionKey=KEY_ARN)}
    assert stack.run("create", resources, {"Id": {"Ref": "One"}}) == "CREATE_COMPLETE"
    identifier = stack.outputs()["Id"]
    assert stack.run("update", {**resources, "One": cluster()}) == "UPDATE_COMPLETE"
    assert encryption(aws, identifier)["encryptionType"] == "AWS_OWNED_KMS_KEY"


# topics


class Notified:
    """A topic, made unless it is there, with an alarm that publishes to it and a queue that receives it."""

    def __init__(self, aws: AwsEmulator, name: str, key: str | None = None) -> None:
        self._cloudwatch, self._sqs = aws.client("cloudwatch", REGION), aws.client("sqs", REGION)
        self.sns, self.name = aws.client("sns", REGION), name
        attributes = {"KmsMasterKeyId": key} if key else {}
        self.topic = self.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]
        self._queue = self._sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=arn)
        self._cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="Orders",
            MetricName="Errors",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
            AlarmActions=[self.topic],
        )

    def alarm(self) -> bool:
        """Whether an alarm's message arrives."""
        for state in ("OK", "ALARM"):
            self._cloudwatch.set_alarm_state(AlarmName=self.name, StateValue=state, StateReason="test")
        found = self._sqs.receive_message(QueueUrl=self._queue).get("Messages", [])
        for one in found:
            self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=one["ReceiptHandle"])
        return bool(found)

    def failures(self) -> list[str]:
        history = self._cloudwatch.describe_alarm_history(AlarmName=self.name, HistoryItemType="Action")
        found = [one["HistorySummary"] for one in history["AlarmHistoryItems"]]
        return [one for one in found if not one.startswith("Successfully executed action")]


def test_alarm_reaches_a_topic_whose_key_admits_cloudwatch(keys: Keys, aws: AwsEmulator) -> None:
    key = keys.new(ALARMS)
    topic = Notified(aws, "admitted", key)
    assert topic.alarm()
    keys.change(key)
    assert not topic.alarm()
    [failure] = topic.failures()
    assert failure.startswith(f"Failed to execute action {topic.topic}. Received error: The policy of key {key}")
    assert "does not allow cloudwatch.amazonaws.com to perform kms:Decrypt" in failure
    keys.change(key, ALARMS)
    assert topic.alarm()
    keys.kms.disable_key(KeyId=key)
    assert not topic.alarm()


@pytest.mark.parametrize("missing", ["kms:Decrypt", "kms:GenerateDataKey"])
def test_each_action_of_a_topics_key_is_needed(keys: Keys, aws: AwsEmulator, missing: str) -> None:
    rest = [one for one in ("kms:Decrypt", "kms:GenerateDataKey") if one != missing]
    topic = Notified(aws, f"without-{missing[4:]}", keys.new(admits("cloudwatch.amazonaws.com", rest)))
    assert not topic.alarm()
    assert f"to perform {missing} with" in topic.failures()[0]


def test_no_alarm_reaches_a_topic_under_the_key_of_aws(aws: AwsEmulator) -> None:
    topic = Notified(aws, "managed", "alias/aws/sns")
    assert not topic.alarm()
    assert "Key 'alias/aws/sns' does not exist" in topic.failures()[0]


def test_topics_own_policy_decides_too(aws: AwsEmulator) -> None:
    topic = Notified(aws, "restricted")
    assert topic.alarm()

    def restrict(service: str, conditions: dict[str, Any] | None = None) -> None:
        statement = {**admits(service, "sns:Publish", conditions), "Resource": topic.topic}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        topic.sns.set_topic_attributes(TopicArn=topic.topic, AttributeName="Policy", AttributeValue=document)

    restrict("events.amazonaws.com")
    assert not topic.alarm()
    assert "does not allow cloudwatch.amazonaws.com to perform sns:Publish" in topic.failures()[0]
    restrict("cloudwatch.amazonaws.com", OUR_ALARMS)
    assert topic.alarm()
    restrict("cloudwatch.amazonaws.com", {"Bool": {"aws:SecureTransport": "true"}})
    assert topic.alarm()
    restrict("cloudwatch.amazonaws.com", {"StringEquals": {"aws:SourceAccount": "111111111111"}})
    assert not topic.alarm()


def test_topic_of_a_stack_has_the_key_that_its_template_gives(aws: AwsEmulator, stack: Stack) -> None:
    def resources(*statements: dict[str, Any], **properties: Any) -> dict[str, Any]:
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "from-a-stack", **properties}}
        return {"Key": key_resource(*statements), "Topic": topic}

    assert stack.run("create", resources(KmsMasterKeyId=KEY_ARN)) == "CREATE_COMPLETE"
    topic = Notified(aws, "from-a-stack")
    assert not topic.alarm()
    assert stack.run("update", resources(ALARMS, KmsMasterKeyId=KEY_ARN)) == "UPDATE_COMPLETE"
    assert topic.alarm()
    assert stack.run("update", resources()) == "UPDATE_COMPLETE"
    assert topic.alarm()


# log groups


@pytest.mark.parametrize("missing", ["", *FOR_LOGS])
def test_log_group_needs_every_documented_action(keys: Keys, aws: AwsEmulator, missing: str) -> None:
    key = keys.new(admits(f"logs.{REGION}.amazonaws.com", [one for one in FOR_LOGS if one != missing], OUR_GROUPS))
    logs, name = aws.client("logs", REGION), f"needs-all-but-{missing[4:-1]}"
    if not missing:
        logs.create_log_group(logGroupName=name, kmsKeyId=key)
        assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"][0]["kmsKeyId"] == key
        return
    with pytest.raises(logs.exceptions.InvalidParameterException) as refusal:
        logs.create_log_group(logGroupName=name, kmsKeyId=key)
    sentence = f"not allowed to be used with LogGroup 'arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}'"
    assert sentence in str(refusal.value)
    assert f"to perform {missing.rstrip('*')}" in str(refusal.value)
    assert logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_log_group_of_a_stack_fails_it_and_does_not_stay(aws: AwsEmulator, stack: Stack) -> None:
    def resources(*statements: dict[str, Any]) -> dict[str, Any]:
        group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "orders", "KmsKeyId": KEY_ARN}}
        return {"Key": key_resource(*statements), "Group": group}

    groups = aws.client("logs", REGION)
    elsewhere = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:aws:logs:us-west-2:{ACCOUNT}:log-group:*"}}
    wrong = admits(f"logs.{REGION}.amazonaws.com", FOR_LOGS, elsewhere)
    assert stack.run("create", resources(wrong)) == "ROLLBACK_COMPLETE"
    assert any("not allowed to be used with LogGroup" in one for one in stack.reasons())
    assert groups.describe_log_groups(logGroupNamePrefix="orders")["logGroups"] == []
    stack.run("delete")
    assert stack.run("create", resources(LOGS)) == "CREATE_COMPLETE"


# functions


def function(role: str) -> dict[str, Any]:
    code = {"ZipFile": "import os\ndef handler(event, context): return os.environ['SECRET']\n"}
    properties = {
        "FunctionName": "orders",
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": role,
        "Code": code,
        "Environment": {"Variables": {"SECRET": "tea"}},
        "KmsKeyArn": KEY_ARN,
    }
    return {"Type": "AWS::Lambda::Function", "Properties": properties}


def test_function_reads_its_environment_by_its_role_and_the_keys_policy(aws: AwsEmulator, stack: Stack) -> None:
    iam, client = aws.client("iam", REGION), aws.client("lambda", REGION)
    role = str(iam.create_role(RoleName="orders", AssumeRolePolicyDocument="{}")["Role"]["Arn"])
    by_name = {**OWNER, "Principal": {"AWS": role}, "Action": "kms:Decrypt"}
    nobody = {**OWNER, "Principal": {"AWS": role}, "Action": "kms:Describe*"}

    def invoke() -> Any:
        return json.loads(client.invoke(FunctionName="orders")["Payload"].read())

    def resources(*statements: dict[str, Any]) -> dict[str, Any]:
        key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": list(statements)}}}
        return {"Key": key, "Function": function(role)}

    assert stack.run("create", resources(OWNER), {"Key": KEY_ARN}) == "CREATE_COMPLETE"
    key = stack.outputs()["Key"]
    refused = invoke()
    assert refused["errorType"] == "KMSAccessDeniedException"
    assert f"not authorized to perform: kms:Decrypt on resource: {key}" in refused["errorMessage"]

    statement = {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": key}
    iam.put_role_policy(RoleName="orders", PolicyName="decrypt", PolicyDocument=json.dumps({"Statement": [statement]}))
    assert invoke() == "tea"
    assert stack.run("update", resources(nobody)) == "UPDATE_COMPLETE"
    assert invoke()["errorType"] == "KMSAccessDeniedException"
    iam.delete_role_policy(RoleName="orders", PolicyName="decrypt")
    assert stack.run("update", resources(by_name)) == "UPDATE_COMPLETE"
    assert invoke() == "tea"
    aws.client("kms", REGION).disable_key(KeyId=key)
    assert f"{key} is Disabled" in invoke()["errorMessage"]


def test_function_with_a_zip_of_the_api_has_its_key_checked_too(keys: Keys, aws: AwsEmulator) -> None:
    role = str(aws.client("iam", REGION).create_role(RoleName="api", AssumeRolePolicyDocument="{}")["Role"]["Arn"])
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return 'tea'\n")
    client = aws.client("lambda", REGION)
    client.create_function(
        FunctionName="api",
        Runtime="python3.12",
        Handler="index.handler",
        Role=role,
        Code={"ZipFile": code.getvalue()},
        KMSKeyArn=keys.new(),
    )
    assert json.loads(client.invoke(FunctionName="api")["Payload"].read()) == "tea", "there is nothing to decrypt"
    client.update_function_configuration(FunctionName="api", Environment={"Variables": {"A": "b"}})
    assert "unable to decrypt" in json.loads(client.invoke(FunctionName="api")["Payload"].read())["errorMessage"]
