"""KMS key policies, for everything that a customer's key encrypts here: clusters, topics, log groups and functions.

A service can use a key only as far as the key's own policy allows it, so a missing statement fails here, or stops
deliveries, as in AWS. Of the account's own principals only the roles of functions are checked.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import Any

from . import ministack_alarms, ministack_cloudformation, ministack_functions, ministack_seams
from .dsql_cluster import invalid
from .function_permissions import refusal as role_refusal

_CRYPTOGRAPHY = ("kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo")


def install(*, enforce_roles: bool) -> None:
    """Enforce them for topics and log groups, and with *enforce_roles* for functions; DSQL asks `cluster_key`."""
    ministack_cloudformation.follow_resource_type("AWS::SNS::Topic", _remember_topic_key)
    ministack_cloudformation.follow_resource_type("AWS::Logs::LogGroup", _admit_log_group)
    ministack_cloudformation.follow_resource_type("AWS::Lambda::Function", _remember_function_key)
    ministack_seams.check_log_groups(log_group_refusal)
    ministack_alarms.check_alarm_actions(alarm_refusal)
    if enforce_roles:
        ministack_functions.check_functions(function_refusal)


def cluster_key(cluster_arn: str, key: str) -> str:
    """ARN of *key*, which a cluster may use.

    Raises:
        DsqlError: it may not. Assumed: as a ValidationException.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html
    """
    source = {"aws:SourceArn": cluster_arn, "aws:SourceAccount": cluster_arn.split(":")[4]}
    identifier = cluster_arn.rpartition("/")[2]
    encryption = {"kms:EncryptionContext:aws:dsql:ClusterId": identifier}
    for actions, context in ((_CRYPTOGRAPHY, source | encryption), (("kms:DescribeKey",), source)):
        refused = service_refusal(key, cluster_arn, "dsql.amazonaws.com", actions, context)
        if refused:
            raise invalid(refused)
    return str(_key(key, cluster_arn)["Arn"])


def alarm_refusal(alarm_arn: str, topic_arn: str) -> str | None:
    """Why an alarm cannot publish to a topic; None if it can, or if there is no such topic.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    """
    service = "cloudwatch.amazonaws.com"
    account = alarm_arn.split(":")[4]
    source = {"aws:SourceArn": alarm_arn, "aws:SourceAccount": account, "aws:SourceOwner": account}
    topic = ministack_seams.topic_attributes(topic_arn) or {}
    policy, key = topic.get("Policy"), topic.get("KmsMasterKeyId")
    if policy and not admits(policy, service, "sns:Publish", topic_arn, source):
        return f"The policy of topic {topic_arn} does not allow {service} to perform sns:Publish for {alarm_arn}."
    encryption = {"kms:EncryptionContext:aws:sns:topicArn": topic_arn}
    actions = ("kms:Decrypt", "kms:GenerateDataKey")
    return service_refusal(key, topic_arn, service, actions, source | encryption) if key else None


def log_group_refusal(group_arn: str, key: str) -> str | None:
    """Why a log group cannot have *key*; the sentence begins as CloudWatch Logs' own.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    service = f"logs.{group_arn.split(':')[3]}.amazonaws.com"
    context = {"kms:EncryptionContext:aws:logs:arn": group_arn}
    # DescribeKey has no encryption context in KMS, but stands under that condition in the documented statement
    refused = service_refusal(key, group_arn, service, (*_CRYPTOGRAPHY, "kms:DescribeKey"), context)
    sentence = f"The specified KMS key does not exist or is not allowed to be used with LogGroup '{group_arn}'"
    return f"{sentence}: {refused}" if refused else None


def function_refusal(config: Mapping[str, Any]) -> str | None:
    """Why Lambda cannot decrypt the environment of a function, which it does with the function's role.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    arn, name = config["FunctionArn"], config.get("KMSKeyArn")
    if not name or not (config.get("Environment") or {}).get("Variables"):
        return None
    region = arn.split(":")[3]
    key = _key(name, arn)
    context = {"kms:EncryptionContext:aws:lambda:FunctionArn": arn, "kms:ViaService": f"lambda.{region}.amazonaws.com"}
    refused = _unusable(key, name) or role_refusal(
        config["Role"], "kms:Decrypt", key["Arn"], region, context, resource_policy=key["Policy"]
    )
    sentence = "Lambda was unable to decrypt the environment variables because KMS access was denied."
    return f"{sentence} Please check the function's KMS key settings. {refused}" if refused else None


def vault_key_refusal(name: str, vault_arn: str, role: str) -> str | None:
    """Why AWS Backup cannot encrypt the vault's recovery points with its key, which it does through a grant.

    Assumed: the key's policy has to admit the job's *role*; what the role itself needs for it is not documented.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/encryption.html
    """
    key = _key(name, vault_arn)
    if unusable := _unusable(key, name):
        return unusable
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    region, account = vault_arn.split(":")[3:5]
    for action in ("kms:CreateGrant", "kms:DescribeKey"):
        request = evaluator.EvalContext(
            principal_arn=role,
            principal_type="AssumedRole",
            principal_account=account,
            action=action,
            resource_arn=key["Arn"],
            region=region,
            service_context={
                "kms:grantisforawsresource": "true",
                "kms:viaservice": f"backup.{region}.amazonaws.com",
                "kms:calleraccount": account,
            },
        )
        if evaluator.evaluate_resource_policy(key["Policy"], request).decision != "Allow":
            return f"The policy of key {key['Arn']} does not allow {role} to perform {action}."
    return None


def service_refusal(
    name: str, user_arn: str, service: str, actions: Iterable[str], context: Mapping[str, str]
) -> str | None:
    """Why *service* cannot use the key *name* for what has *user_arn*: the first action that the key does not allow."""
    key = _key(name, user_arn)
    unusable = _unusable(key, name)
    if unusable:
        return unusable
    for action in actions:
        if not admits(key["Policy"], service, action, key["Arn"], context):
            seen = ", ".join(f"{one}={value}" for one, value in context.items())
            return f"The policy of key {key['Arn']} does not allow {service} to perform {action} with {seen}."
    return None


def _unusable(key: Mapping[str, Any], name: str) -> str | None:
    if not key:
        return f"NotFoundException: Key '{name}' does not exist."
    if key["KeyState"] != "Enabled":
        return f"KMSInvalidStateException: {key['Arn']} is {key['KeyState']}."
    if key["KeySpec"] != "SYMMETRIC_DEFAULT":
        return f"Key {key['Arn']} is {key['KeySpec']}, and only a symmetric key encrypts this."
    return None


def _key(name: str, user_arn: str) -> dict[str, Any]:
    """The key in account and Region of its user; empty if there is none, as for AWS's own ``alias/aws/...``, too,
    whose policies name no other service and cannot be changed."""
    region, account = user_arn.split(":")[3:5]
    return ministack_seams.kms_key(account, region, name) or {}


def admits(policy: str, service: str, action: str, resource: str, context: Mapping[str, str]) -> bool:
    """Whether a resource's *policy* allows *action* to an AWS service that acts with *context*."""
    evaluator = importlib.import_module("ministack.core.iam_evaluator")
    seen = {**context, "aws:PrincipalIsAWSService": "true", "aws:PrincipalServiceName": service}
    request = evaluator.EvalContext(
        principal_arn="*",  # a service is no principal of the account
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource,
        region=resource.split(":")[3],
        secure_transport=True,  # topics of the CDK deny everything else
        service_context={key.lower(): value for key, value in seen.items()},
    )
    return bool(evaluator.evaluate_resource_policy(policy, request, service=service).decision == "Allow")


# what ministack's resource types of CloudFormation do not keep


def _remember_topic_key(topic_arn: str, properties: dict[str, Any]) -> None:
    attributes = ministack_seams.topic_attributes(topic_arn)
    if attributes is not None:
        attributes["KmsMasterKeyId"] = properties.get("KmsMasterKeyId", "")


def _remember_function_key(name: str, properties: dict[str, Any]) -> None:
    ministack_functions.function_config(name)["KMSKeyArn"] = properties.get("KmsKeyArn", "")


def _admit_log_group(name: str, properties: dict[str, Any]) -> None:
    account, region = ministack_seams.where()
    key = properties.get("KmsKeyId")
    refused = log_group_refusal(f"arn:aws:logs:{region}:{account}:log-group:{name}", key) if key else None
    if refused:
        raise RuntimeError(refused)
