"""What one Region of the account has by the template of its monitoring stack, as AWS's calls change and show it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

from botocore.exceptions import ClientError

from dsql_dr_constructs.emulator import key_policies
from dsql_dr_constructs.emulator.alarm_evaluation import AlarmDefinition
from dsql_dr_constructs.physical_names import monitor_name
from tests.unit.intrinsics import written_out
from tests.unit.monitoring.replay import DEPLOYMENT, AlarmSet

ACCOUNT = "111111111111"
_ALARM, _COMPOSITE = "AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"


def refusal(code: str, message: str = "no", status: int = 400) -> ClientError:
    said = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(said, "x")


class SimulatedRegion:
    """Alarms, topics, keys, the monitor's function and its rule; methods have the names and arguments of boto3's.

    Args:
        region: Its name.
        template: Of its monitoring stack.
        identifiers: Of both clusters, by Region.
    """

    def __init__(self, region: str, template: Mapping[str, Any], identifiers: Mapping[str, str]) -> None:
        self.region = region
        self._resources, self._parameters = template["Resources"], template.get("Parameters", {})
        self._identifiers = identifiers
        of_type: dict[str, dict[str, Any]] = defaultdict(dict)
        for id, one in self._resources.items():
            of_type[one["Type"]][id] = written_out(one["Properties"], self._ref, self._arn)
        self._definitions: dict[int, tuple[Any, AlarmDefinition]] = {}
        """By the identity of what is kept with them, also of alarms that are gone: to make them is much of the work."""
        self.alarms = {one["AlarmName"]: self._alarm(one) for t in (_ALARM, _COMPOSITE) for one in of_type[t].values()}
        self.topics: dict[str, dict[str, Any]] = {}
        for id, one in of_type["AWS::SNS::Topic"].items():
            self.topics[self._ref(id)] = {"KmsMasterKeyId": one["KmsMasterKeyId"], "Subscriptions": []}
        for one in of_type["AWS::SNS::TopicPolicy"].values():
            for arn in one["Topics"]:
                self.topics[arn]["Policy"] = json.dumps(one["PolicyDocument"])
        for one in of_type["AWS::SNS::Subscription"].values():
            self.topics[one["TopicArn"]]["Subscriptions"].append(one["Endpoint"])
        self.keys = {
            self._arn(id, "Arn").rpartition("/")[2]: {"Policy": json.dumps(one["KeyPolicy"]), "KeyState": "Enabled"}
            for id, one in of_type["AWS::KMS::Key"].items()
        }
        self.aliases = {
            one["AliasName"]: one["TargetKeyId"].rpartition("/")[2] for one in of_type["AWS::KMS::Alias"].values()
        }
        [function] = [one for one in of_type["AWS::Lambda::Function"].values() if "FunctionName" in one]
        self.function: dict[str, Any] = function
        [self.rule] = of_type["AWS::Events::Rule"].values()
        self.may_invoke = True
        """Whether the function's policy lets the rule invoke it."""
        self.concurrency: int | None = None
        self.role_policies: dict[str, Any] = {}
        """Policies that somebody added to the function's role."""
        self.dead_letters = 0
        self.deployments = 0
        """How often the function was changed: each time it has new processes."""

    # alarms

    def alarm_set(self) -> AlarmSet:
        """As CloudWatch evaluates them now; those of no use to anybody are left out."""
        rules = {name: one["AlarmRule"] for name, one in self.alarms.items() if "AlarmRule" in one}
        notifying = {name for name, one in self.alarms.items() if one.get("AlarmActions") and one["ActionsEnabled"]}
        metric_alarms = [
            self._definitions[id(one)][1]
            for name, one in self.alarms.items()
            if "AlarmRule" not in one and "-cluster-health-" not in name and "-evacuated-" not in name
        ]
        return AlarmSet(self.region, 120.0, metric_alarms, rules, notifying, 2)

    def delivers(self, alarm: str) -> str | None:
        """ARN of the topic that somebody gets the notification of *alarm* from; None: nobody does."""
        for arn in self.alarms[alarm]["AlarmActions"]:
            topic = self.topics.get(arn)
            if not topic or not topic["Subscriptions"]:
                continue
            key = self.keys.get(topic["KmsMasterKeyId"].rpartition("/")[2])
            if not _admits(topic["Policy"], "sns:Publish", arn, self._alarm_arn(alarm)):
                continue
            if (
                key
                and key["KeyState"] == "Enabled"
                and _admits(
                    key["Policy"], "kms:GenerateDataKey", self._key_arn(topic["KmsMasterKeyId"]), self._alarm_arn(alarm)
                )
            ):
                return str(arn)
        return None

    def cloudwatch_describe_alarms(
        self,
        *,
        AlarmNames: list[str],  # noqa: N803
        AlarmTypes: list[str] | None = None,  # noqa: N803 - botocore's
    ) -> dict[str, Any]:
        found = [self.alarms[one] for one in AlarmNames if one in self.alarms]
        return {
            "MetricAlarms": [one for one in found if "AlarmRule" not in one],
            "CompositeAlarms": [one for one in found if "AlarmRule" in one],
        }

    def cloudwatch_disable_alarm_actions(self, *, AlarmNames: list[str]) -> None:  # noqa: N803
        for one in AlarmNames:
            self.alarms[one]["ActionsEnabled"] = False

    def cloudwatch_enable_alarm_actions(self, *, AlarmNames: list[str]) -> None:  # noqa: N803
        for one in AlarmNames:
            self.alarms[one]["ActionsEnabled"] = True

    def cloudwatch_delete_alarms(self, *, AlarmNames: list[str]) -> None:  # noqa: N803
        """
        Source: https://github.com/ekristen/aws-nuke/issues/462
        """
        for one in AlarmNames:
            if any(json.dumps(self._alarm_arn(one)) in each.get("AlarmRule", "") for each in self.alarms.values()):
                raise refusal(
                    "ValidationError", f"Cannot delete {one} as there are composite alarm(s) depending on it."
                )
        for one in AlarmNames:
            del self.alarms[one]

    def cloudwatch_put_metric_alarm(self, **alarm: Any) -> None:
        self.alarms[alarm["AlarmName"]] = self._alarm(alarm)

    # topics

    def sns_get_topic_attributes(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803
        topic = self._topic(TopicArn)
        confirmed = str(len(topic["Subscriptions"]))
        shown = {"Policy": topic["Policy"], "KmsMasterKeyId": topic["KmsMasterKeyId"]}
        return {"Attributes": {**shown, "SubscriptionsConfirmed": confirmed, "SubscriptionsPending": "0"}}

    def sns_set_topic_attributes(self, *, TopicArn: str, AttributeName: str, AttributeValue: str) -> None:  # noqa: N803
        self._topic(TopicArn)[AttributeName] = AttributeValue

    def sns_list_subscriptions_by_topic(self, *, TopicArn: str) -> dict[str, Any]:  # noqa: N803
        found = self._topic(TopicArn)["Subscriptions"]
        entries = [{"SubscriptionArn": f"{TopicArn}:{one}", "Protocol": "email", "Endpoint": one} for one in found]
        return {"Subscriptions": entries}

    def sns_unsubscribe(self, *, SubscriptionArn: str) -> None:  # noqa: N803
        topic, _, endpoint = SubscriptionArn.rpartition(":")
        self._topic(topic)["Subscriptions"].remove(endpoint)

    def sns_subscribe(self, *, TopicArn: str, Protocol: str, Endpoint: str) -> dict[str, Any]:  # noqa: N803
        self._topic(TopicArn)["Subscriptions"].append(Endpoint)
        return {"SubscriptionArn": f"{TopicArn}:{Endpoint}"}

    def sns_delete_topic(self, *, TopicArn: str) -> None:  # noqa: N803
        del self.topics[TopicArn]

    def sns_create_topic(self, *, Name: str, Attributes: dict[str, str]) -> dict[str, Any]:  # noqa: N803
        arn = f"arn:aws:sns:{self.region}:{ACCOUNT}:{Name}"
        self.topics[arn] = {**Attributes, "Subscriptions": []}
        return {"TopicArn": arn}

    # keys

    def kms_describe_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        id = self.aliases.get(KeyId) if KeyId.startswith("alias/") else KeyId.rpartition("/")[2]
        if id not in self.keys:
            raise refusal("NotFoundException")
        arn = self._key_arn(str(id))
        return {"KeyMetadata": {"KeyId": str(id), "Arn": arn, "KeyState": self.keys[str(id)]["KeyState"]}}

    def kms_disable_key(self, *, KeyId: str) -> None:  # noqa: N803
        self.keys[KeyId.rpartition("/")[2]]["KeyState"] = "Disabled"

    def kms_enable_key(self, *, KeyId: str) -> None:  # noqa: N803
        self.keys[KeyId.rpartition("/")[2]]["KeyState"] = "Enabled"

    def kms_schedule_key_deletion(self, *, KeyId: str, PendingWindowInDays: int) -> dict[str, Any]:  # noqa: N803
        self.keys[KeyId.rpartition("/")[2]]["KeyState"] = "PendingDeletion"
        return {}

    def kms_cancel_key_deletion(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        self.kms_disable_key(KeyId=KeyId)
        return {}

    def kms_get_key_policy(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803
        return {"Policy": self.keys[KeyId.rpartition("/")[2]]["Policy"]}

    def kms_put_key_policy(self, *, KeyId: str, Policy: str) -> None:  # noqa: N803
        self.keys[KeyId.rpartition("/")[2]]["Policy"] = Policy

    def kms_delete_alias(self, *, AliasName: str) -> None:  # noqa: N803
        del self.aliases[AliasName]

    def kms_create_alias(self, *, AliasName: str, TargetKeyId: str) -> None:  # noqa: N803
        self.aliases[AliasName] = TargetKeyId.rpartition("/")[2]

    # the function, its rule and its role

    def events_disable_rule(self, *, Name: str) -> None:  # noqa: N803
        self._named(Name)["State"] = "DISABLED"

    def events_enable_rule(self, *, Name: str) -> None:  # noqa: N803
        self._named(Name)["State"] = "ENABLED"

    def events_list_targets_by_rule(self, *, Rule: str) -> dict[str, Any]:  # noqa: N803
        return {"Targets": [dict(one) for one in self._named(Rule)["Targets"]]}

    def events_put_targets(self, *, Rule: str, Targets: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        ids = [one["Id"] for one in Targets]
        kept = [one for one in self._named(Rule)["Targets"] if one["Id"] not in ids]
        self.rule["Targets"] = [*kept, *Targets]
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def events_remove_targets(self, *, Rule: str, Ids: list[str]) -> dict[str, Any]:  # noqa: N803
        self.rule["Targets"] = [one for one in self._named(Rule)["Targets"] if one["Id"] not in Ids]
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def events_describe_rule(self, *, Name: str) -> dict[str, Any]:  # noqa: N803
        return {key: value for key, value in self._named(Name).items() if key != "Targets"}

    def events_put_rule(self, *, Name: str, ScheduleExpression: str, State: str = "ENABLED") -> dict[str, Any]:  # noqa: N803
        self._named(Name).update(ScheduleExpression=ScheduleExpression, State=State)
        return {}

    def lambda_get_function_configuration(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == monitor_name(DEPLOYMENT)
        kept = ("FunctionName", "Role", "Environment", "DeadLetterConfig", "KMSKeyArn")
        return {key: json.loads(json.dumps(self.function[key])) for key in kept if key in self.function}

    def lambda_update_function_configuration(self, *, FunctionName: str, **changes: Any) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == monitor_name(DEPLOYMENT)
        self.function.update(changes)
        self.deployments += 1
        return {}

    def lambda_delete_function(self, *, FunctionName: str) -> None:  # noqa: N803
        """And with it the function's policy."""
        self.may_invoke = False

    def lambda_create_function(self, *, FunctionName: str, **properties: Any) -> dict[str, Any]:  # noqa: N803
        return self.lambda_update_function_configuration(FunctionName=FunctionName, **properties)

    def lambda_put_function_concurrency(
        self,
        *,
        FunctionName: str,  # noqa: N803
        ReservedConcurrentExecutions: int,  # noqa: N803
    ) -> dict[str, Any]:
        self.concurrency = ReservedConcurrentExecutions
        return {}

    def lambda_delete_function_concurrency(self, *, FunctionName: str) -> None:  # noqa: N803
        self.concurrency = None

    def decrypts(self) -> bool:
        """Whether Lambda can decrypt the function's environment; if not, an invocation fails, and no metric counts it.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
        """
        return self.keys.get("function", {}).get("KeyState") in (None, "Enabled")

    def lambda_get_policy(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        statement = {"Sid": "rule", "Condition": {"ArnLike": {"AWS:SourceArn": self._rule_arn()}}}
        return {"Policy": json.dumps({"Statement": [statement] if self.may_invoke else []})}

    def lambda_remove_permission(self, *, FunctionName: str, StatementId: str) -> None:  # noqa: N803
        self.may_invoke = False

    def lambda_add_permission(
        self,
        *,
        FunctionName: str,  # noqa: N803
        StatementId: str,  # noqa: N803
        Action: str,  # noqa: N803
        Principal: str,  # noqa: N803
        SourceArn: str,  # noqa: N803
    ) -> dict[str, Any]:
        self.may_invoke = SourceArn == self._rule_arn()
        return {}

    def iam_put_role_policy(self, *, RoleName: str, PolicyName: str, PolicyDocument: str) -> None:  # noqa: N803
        self.role_policies[PolicyName] = json.loads(PolicyDocument)

    def iam_delete_role_policy(self, *, RoleName: str, PolicyName: str) -> None:  # noqa: N803
        del self.role_policies[PolicyName]

    def sqs_get_queue_url(self, *, QueueName: str) -> dict[str, Any]:  # noqa: N803
        return {"QueueUrl": f"https://sqs.{self.region}.amazonaws.com/{ACCOUNT}/{QueueName}"}

    def sqs_send_message(self, *, QueueUrl: str, MessageBody: str) -> dict[str, Any]:  # noqa: N803
        self.dead_letters += 1
        return {}

    def sqs_purge_queue(self, *, QueueUrl: str) -> None:  # noqa: N803
        self.dead_letters = 0

    # names

    def _named(self, rule: str) -> dict[str, Any]:
        assert rule == monitor_name(DEPLOYMENT)
        found: dict[str, Any] = self.rule
        return found

    def _topic(self, arn: str) -> dict[str, Any]:
        if arn not in self.topics:
            raise refusal("NotFound", "Topic does not exist", 404)
        return self.topics[arn]

    def _alarm(self, properties: Mapping[str, Any]) -> dict[str, Any]:
        own = {"ActionsEnabled": True, "AlarmActions": [], "AlarmArn": self._alarm_arn(properties["AlarmName"])}
        made = {**own, **properties}
        if "AlarmRule" not in made:
            self._definitions[id(made)] = made, AlarmDefinition.of(made)
        return made

    def _alarm_arn(self, name: str) -> str:
        return f"arn:aws:cloudwatch:{self.region}:{ACCOUNT}:alarm:{name}"

    def _rule_arn(self) -> str:
        return f"arn:aws:events:{self.region}:{ACCOUNT}:rule/{monitor_name(DEPLOYMENT)}"

    def _key_arn(self, key: str) -> str:
        return f"arn:aws:kms:{self.region}:{ACCOUNT}:key/{key.rpartition('/')[2]}"

    def _ref(self, id: str) -> str:
        pseudo = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::Region": self.region}
        if id in pseudo:
            return pseudo[id]
        if id in self._parameters:
            return self._identifiers.get(self._parameters[id]["Default"].split("/")[-2], id)
        resource = self._resources[id]
        if resource["Type"] == "AWS::SNS::Topic":
            return f"arn:aws:sns:{self.region}:{ACCOUNT}:{resource['Properties'].get('TopicName', id)}"
        return str(resource["Properties"].get("AlarmName", id))

    def _arn(self, id: str, attribute: str) -> str:
        of_type = self._resources[id]["Type"]
        if of_type in (_ALARM, _COMPOSITE):
            return self._alarm_arn(self._resources[id]["Properties"]["AlarmName"])
        kind = {"AWS::KMS::Key": "kms", "AWS::IAM::Role": "iam", "AWS::SQS::Queue": "sqs"}.get(of_type, "lambda")
        path = {"kms": f"key/{id}", "iam": f"role/{id}"}.get(kind, id)
        return f"arn:aws:{kind}:{'' if kind == 'iam' else self.region}:{ACCOUNT}:{path}"


@cache
def _admits(policy: str, action: str, resource: str, alarm_arn: str) -> bool:
    source = {"aws:SourceArn": alarm_arn, "aws:SourceAccount": ACCOUNT}
    return key_policies.admits(policy, "cloudwatch.amazonaws.com", action, resource, source)
