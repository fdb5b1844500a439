"""Policies of keys, topics and queues: the statements that AWS services need, or a warning that has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from aws_cdk import Annotations, ArnFormat, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import IConstruct

from .asked_once import unresolved

_WITH_POLICY = (iam.Role, iam.User, iam.Group)
_KEY_USE = ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo"]


class _HasPolicy(Protocol):
    @property
    def node(self) -> Any: ...

    def add_to_resource_policy(self, statement: iam.PolicyStatement) -> iam.AddToResourcePolicyResult: ...


def is_imported(resource: IConstruct) -> bool:
    """Whether the app refers to *resource* and does not create it. (Some imports are proxies of jsii, of no class.)"""
    return resource.node.default_child is None


def admit(
    scope: IConstruct,
    resource: _HasPolicy,
    statements: Sequence[iam.PolicyStatement],
    otherwise: str,
    *,
    of_its_key: Sequence[iam.PolicyStatement] = (),
) -> None:
    """Add *statements* to the policy of *resource*; where it is imported, warn beside *scope* with what to add.

    Args:
        scope: The construct that needs the statements.
        resource: A key, topic or queue.
        statements: Statements for its policy.
        otherwise: What happens without them, as the end of a sentence.
        of_its_key: Statements for the policy of the key that may encrypt it. Default: none.
    """
    added = [resource.add_to_resource_policy(one).statement_added for one in statements]
    if not all(added):
        also = f" If a key of yours encrypts it, that key's policy needs: {_readable(scope, of_its_key)}."
        warn(
            scope,
            "importedPolicy",
            f"{resource.node.path!r} is imported, and its policy cannot be changed from here. Without these statements "
            f"{otherwise}: {_readable(scope, statements)}.{also if of_its_key else ''}",
        )


def warn(scope: IConstruct, id: str, text: str) -> None:
    """A warning that ``Annotations.of(scope).acknowledge_warning`` can acknowledge."""
    Annotations.of(scope).add_warning_v2(f"dsql-dr-constructs:{id}", text)


def inform(scope: IConstruct, id: str, text: str) -> None:
    """The same, which is no warning, for ``acknowledge_info``."""
    Annotations.of(scope).add_info_v2(f"dsql-dr-constructs:{id}", text)


def refuse_lost_grant(cluster: IConstruct, grantee: iam.IGrantable, grant: iam.Grant) -> None:
    """Report what the CDK would not: a permission that has no effect.

    Raises:
        ValueError: *grantee* has no policy of its own.
    """
    if isinstance(grantee, _WITH_POLICY):
        return
    if not grant.success:
        raise ValueError(
            f"{cluster.node.path!r} cannot grant to {named(grantee)}, which has no policy of its own: give a role, a "
            "user, or what has a role, such as a function."
        )
    principal = grantee.grant_principal
    role = getattr(principal, "node", None)  # an unknown principal has none, and the CDK warns of it
    own = isinstance(principal, _WITH_POLICY)
    if role and not own and grant.principal_statement and not role.children:  # a policy would be its child
        warn(
            cluster,
            "importedRole",
            f"{role.path!r} is imported, or its policy is not to be changed. Until it has this statement it is "
            f"refused: {_readable(cluster, [grant.principal_statement])}.",
        )


def refuse_other_account(cluster: IConstruct, grantee: iam.IGrantable, account: str | None) -> None:
    """
    Raises:
        ValueError: *grantee* is in another account than *cluster*; its policy cannot be changed from here, and
            Aurora DSQL maps database roles to IAM roles of its own account.
    """
    if not account or unresolved(account):
        return
    theirs = getattr(grantee.grant_principal, "principal_account", None)  # an unknown principal has none
    if theirs and not unresolved(theirs) and account != theirs:
        raise ValueError(
            f"{grantee!r} is in account {theirs}, and {cluster.node.path!r} in {account}: grant to a role of the "
            "cluster's account, which the other account's may assume."
        )


def refuse_unusable_key(scope: IConstruct, key: kms.IKey | None, use: str) -> None:
    """
    Raises:
        ValueError: *key* is one that AWS manages, whose policy cannot be changed, or is in another Region than *scope*.

    Source: https://docs.aws.amazon.com/kms/latest/developerguide/concepts.html#aws-managed-key
    """
    if key is None:
        return
    arn, region = str(Stack.of(key).resolve(key.key_arn)), Stack.of(scope).region
    if "alias/aws/" in arn:
        name = "alias/aws/" + arn.partition("alias/aws/")[2].rstrip("']}")
        raise ValueError(
            f"The key {key.node.path!r} is {name}, which AWS manages and whose policy admits nobody else: it cannot "
            f"encrypt {use}; give a key of your own, or none."
        )
    if differ(key.env.region, region):
        raise ValueError(
            f"The key {key.node.path!r} is in {key.env.region}, and {use} in {region}: a key works in its own Region "
            "only; give one that is there."
        )


def differ(one: str | None, other: str | None) -> bool:
    """Whether both, accounts or Regions, are known when the app is synthesized, and are not the same."""
    known = one and other and not unresolved(one) and not unresolved(other)
    return bool(known and one != other)


def named(grantee: object) -> str:
    """A construct by its path, anything else by its class."""
    node = getattr(grantee, "node", None)
    return repr(node.path) if node else type(grantee).__name__


def name_of(alarm: cloudwatch.AlarmBase) -> str:
    """The physical name of *alarm*, which another stack can use without a reference.

    Raises:
        ValueError: it has none.
    """
    resource = alarm.node.default_child
    found = resource.alarm_name if isinstance(resource, cloudwatch.CfnAlarm | cloudwatch.CfnCompositeAlarm) else None
    name = Stack.of(alarm).resolve(found)
    if isinstance(name, str):
        return name
    raise ValueError(
        f"Alarm {alarm.node.path!r} has no name of its own, by which other stacks know it: give it alarm_name='...'."
    )


def key_for_clusters(stack: Stack) -> list[iam.PolicyStatement]:
    """What Aurora DSQL needs of the key of a cluster in *stack*, whose identifier is not known before it exists.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/data-encryption.html
    """
    arn = stack.format_arn(
        service="dsql", resource="cluster", resource_name="*", arn_format=ArnFormat.SLASH_RESOURCE_NAME
    )
    return [
        iam.PolicyStatement(
            actions=actions,
            principals=[iam.ServicePrincipal("dsql.amazonaws.com")],
            resources=["*"],  # in a key's policy that is the key
            conditions={"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": arn}},
        )
        for actions in (_KEY_USE, ["kms:DescribeKey"])
    ]


def key_for_logs(stack: Stack) -> list[iam.PolicyStatement]:
    """What CloudWatch Logs needs of the key of a log group in *stack*.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
    """
    groups = stack.format_arn(
        service="logs", resource="log-group", resource_name="*", arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
    return [
        iam.PolicyStatement(
            actions=[*_KEY_USE, "kms:DescribeKey"],
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    ]


def key_for_notifications() -> list[iam.PolicyStatement]:
    """What Amazon SNS needs of the key of a queue that subscribes.

    Source: https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
    """
    sns = iam.ServicePrincipal("sns.amazonaws.com")
    return [iam.PolicyStatement(actions=["kms:Decrypt", "kms:GenerateDataKey"], principals=[sns], resources=["*"])]


def key_for_role(role: iam.IRole) -> list[iam.PolicyStatement]:
    """What Lambda needs of the key of a function's environment, in the name of its *role*.

    Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars-encryption.html
    """
    return [iam.PolicyStatement(actions=["kms:Decrypt"], principals=[iam.ArnPrincipal(role.role_arn)], resources=["*"])]


def alarms_of(stack: Stack, *names: str) -> dict[str, Any]:
    """The condition that CloudWatch publishes for an alarm in *stack* with one of *names*, which may end with ``*``.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    arns = [
        stack.format_arn(
            service="cloudwatch", resource="alarm", resource_name=one, arn_format=ArnFormat.COLON_RESOURCE_NAME
        )
        for one in names
    ]
    return {"StringEquals": {"aws:SourceAccount": stack.account}, "ArnLike": {"aws:SourceArn": arns}}


def _readable(scope: IConstruct, statements: Sequence[iam.PolicyStatement]) -> str:
    """JSON, with ``${AWS::...}`` for what is known at deployment only."""
    return json.dumps(_plain(Stack.of(scope).resolve([one.to_statement_json() for one in statements])))


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::Join" in value:
        return "".join(str(_plain(one)) for one in value["Fn::Join"][1])
    if "Fn::Select" in value:  # of an identifier that is read from SSM, what comes before a quote
        return _plain(value["Fn::Select"][1]["Fn::Split"][1])
    if "Ref" in value:
        return f"${{{value['Ref']}}}"
    if "Fn::GetAtt" in value:
        return f"${{{'.'.join(value['Fn::GetAtt'])}}}"
    return {key: _plain(one) for key, one in value.items()}
