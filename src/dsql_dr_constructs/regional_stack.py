"""Stacks of one pair: in which account and Region, and what they are called."""

from __future__ import annotations

import os
from collections.abc import Mapping

from aws_cdk import Environment, Stack, Stage, Tags, Token
from constructs import Construct


def regional_stack(
    scope: Construct, name: str, *, account: str | None, region: str, description: str, tags: Mapping[str, str] | None
) -> Stack:
    """A stack in *scope*, called *name* after the name of its Stage."""
    stage = scope if isinstance(scope, Stage) else Stage.of(scope)
    stack = Stack(
        scope,
        name,
        stack_name="-".join(part for part in (stage.stage_name if stage else "", name) if part),
        env=Environment(account=account, region=region),
        description=description,
    )
    for key, value in (tags or {}).items():
        Tags.of(stack).add(key, value)
    return stack


def default_account(construct: Construct) -> str | None:
    """The Stage's account, else CDK_DEFAULT_ACCOUNT; None leaves it to whoever deploys."""
    stage = Stage.of(construct)
    account = (stage.account if stage else None) or os.environ.get("CDK_DEFAULT_ACCOUNT")
    return None if account and Token.is_unresolved(account) else account
