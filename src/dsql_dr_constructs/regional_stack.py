"""Stacks of one pair: in which account and Region, and what they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import Environment, Stack, Stage, Tags, Token
from aws_cdk import aws_kms as kms
from constructs import Construct

from .resource_policies import is_imported, warn


def regional_stack(
    scope: Construct, name: str, *, account: str | None, region: str, description: str, tags: Mapping[str, str] | None
) -> Stack:
    """A stack in *scope*, called *name* after the name of its Stage.

    Raises:
        ValueError: CloudFormation would not take the name or a tag, or *account* is none.
    """
    if account and not re.fullmatch(r"\d{12}", account) and not Token.is_unresolved(account):
        raise ValueError(f"account is {account!r}: 12 digits are needed; aws sts get-caller-identity shows them.")
    stage = scope if isinstance(scope, Stage) else Stage.of(scope)
    stack_name = _validate("-".join(part for part in (stage.stage_name if stage else "", name) if part))
    stack = Stack(
        scope,
        name,
        stack_name=stack_name,
        env=Environment(account=account, region=region),
        description=description,
    )
    add_tags(stack, tags or {})
    return stack


def add_tags(construct: Construct, tags: Mapping[str, str]) -> None:
    """Tag *construct* and what is in it.

    Raises:
        ValueError: Aurora DSQL, which knows no other letters, or CloudFormation, which wants a value, would refuse it.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_TagResource.html
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
    """
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise ValueError(f"tags has the key {key!r}: keys that begin with 'aws:' are AWS's own; give another one.")
        for what, longest, text in (("the key", 128, key), ("the value", 256, value)):
            if not re.fullmatch(rf"[A-Za-z0-9_.:/=+@ -]{{1,{longest}}}", text) and not Token.is_unresolved(text):
                raise ValueError(
                    f"tags has {what} {text!r}: 1 to {longest} letters from A to z, digits, spaces and characters of "
                    "'_.:/=+-@' are allowed."
                )
        Tags.of(construct).add(key, value)


def _validate(name: str) -> str:
    """Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_CreateStack.html"""
    if not re.fullmatch("[A-Za-z][A-Za-z0-9-]{0,127}", name):
        raise ValueError(
            f"A stack would be called {name!r}, after its Stage, the construct's id and environment_name: at most 128 "
            "letters, digits and '-' are allowed, and a letter comes first; choose another id or environment_name."
        )
    return name


def default_account(construct: Construct) -> str | None:
    """The Stage's account, else CDK_DEFAULT_ACCOUNT; None leaves it to whoever deploys."""
    stage = Stage.of(construct)
    account = (stage.account if stage else None) or os.environ.get("CDK_DEFAULT_ACCOUNT")
    return None if account and Token.is_unresolved(account) else account


def warn_of_stages_region(construct: Construct, regions: Sequence[str]) -> None:
    """Say that the Region of the Stage around *construct* is not used, where that is none of *regions*.

    Args:
        construct: In a stack, since the CDK shows no warnings of others.
        regions: Those of the stacks.
    """
    stage = Stage.of(construct)
    if stage and stage.region and not Token.is_unresolved(stage.region) and stage.region not in regions:
        warn(
            construct,
            "stageRegion",
            f"Stage {stage.stage_name!r} has Region {stage.region!r}, which the pair does not use: its stacks are in "
            f"{' and '.join(regions)}; give primary_region and secondary_region.",
        )


def refuse_options_elsewhere(options: Iterable[str], regions: Iterable[str]) -> None:
    """
    Raises:
        ValueError: *options* are given for another Region than *regions*.
    """
    if set(options) - set(regions):
        raise ValueError(
            f"monitor_options has {', '.join(sorted(options))}: monitors are in {', '.join(sorted(regions))} only; "
            "give options by the name of one of these Regions."
        )


def refuse_keys_elsewhere(keys: Mapping[str, kms.IKey], account: str | None, regions: Iterable[str]) -> None:
    """
    Raises:
        ValueError: *keys* has not exactly *regions*, or a key is in another Region than it is given for, or in a stack
            of another account.
    """
    if keys and sorted(keys) != sorted(regions):
        raise ValueError(
            f"encryption_keys has {', '.join(sorted(keys))}: one key is needed for each of "
            f"{', '.join(sorted(regions))}, by the Region's name."
        )
    for region, key in keys.items():
        if not Token.is_unresolved(key.env.region) and key.env.region != region:
            raise ValueError(
                f"encryption_keys has a key of {key.env.region} for {region}: a key works in its own Region only; "
                "give one that a stack there has, or replicate it."
            )
        owner = None if Token.is_unresolved(key.env.account) else key.env.account
        if not is_imported(key) and owner != account:  # an imported one may be of any
            raise ValueError(
                f"The key {key.node.path!r} is in a stack of {owner or 'no account'}, and the pair in "
                f"{account or 'no account'}: give both the same, for example CDK_DEFAULT_ACCOUNT, or import the key."
            )
