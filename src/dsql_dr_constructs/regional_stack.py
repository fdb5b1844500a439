"""Stacks of one pair: in which account and Region, and what they are called."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from aws_cdk import Environment, Stack, Stage, Tags
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from .asked_once import unresolved
from .resource_policies import differ, is_imported, warn
from .stack_options import StackOptions


def regional_stack(
    scope: Construct,
    name: str,
    *,
    account: str | None,
    region: str,
    description: str,
    tags: Mapping[str, str] | None,
    options: StackOptions | None,
) -> Stack:
    """A stack in *scope*, called *name* after the name of its Stage.

    Raises:
        ValueError: CloudFormation would refuse the name or a tag, or *account* is no account.
    """
    if account and not re.fullmatch(r"\d{12}", account) and not unresolved(account):
        raise ValueError(f"account is {account!r}: 12 digits are needed; aws sts get-caller-identity shows them.")
    stage = scope if isinstance(scope, Stage) else Stage.of(scope)
    options = options or StackOptions()
    stack_name = _validate("-".join(part for part in (stage.stage_name if stage else "", name) if part))
    stack = Stack(
        scope,
        name,
        stack_name=stack_name,
        env=Environment(account=account, region=region),
        description=description,
        synthesizer=options.synthesizer,
        termination_protection=options.termination_protection,
    )
    add_tags(stack, tags or {})
    return stack


def add_tags(construct: Construct, tags: Mapping[str, str]) -> None:
    """Tag *construct* and what is in it.

    Raises:
        ValueError: Aurora DSQL, which allows fewer characters, or CloudFormation, which needs a value, would refuse it.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/APIReference/API_TagResource.html
    Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Tag.html
    """
    for key, value in tags.items():
        if key.lower().startswith("aws:"):
            raise ValueError(f"tags has the key {key!r}: keys that begin with 'aws:' are reserved; give another one.")
        for what, longest, text in (("the key", 128, key), ("the value", 256, value)):
            if not re.fullmatch(rf"[A-Za-z0-9_.:/=+@ -]{{1,{longest}}}", text) and not unresolved(text):
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
            "letters, digits and '-' are allowed, beginning with a letter; choose another id or environment_name."
        )
    return name


def default_account(construct: Construct) -> str | None:
    """The Stage's account, else CDK_DEFAULT_ACCOUNT; None is the account of whoever deploys."""
    stage = Stage.of(construct)
    account = (stage.account if stage else None) or os.environ.get("CDK_DEFAULT_ACCOUNT")
    return None if account and unresolved(account) else account


def warn_of_stages_region(construct: Construct, regions: Sequence[str]) -> None:
    """Warn that the Region of the Stage around *construct* is not used, where it is none of *regions*.

    Args:
        construct: A construct in a stack, since the CDK shows no warnings of others.
        regions: Regions of the stacks.
    """
    stage = Stage.of(construct)
    if stage and stage.region and not unresolved(stage.region) and stage.region not in regions:
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


def refuse_elsewhere(
    parameter: str,
    what: str,
    given: Mapping[str, kms.IKey | sns.ITopic | backup.IBackupVault | None] | None,
    account: str | None,
    regions: Iterable[str],
) -> None:
    """
    Raises:
        ValueError: *given*, resources called *what*, has not exactly *regions*, or one is in another Region than it is
            given for, in a stack without a Region, or in one of another account. (None stands for one that only has an
            ARN.)
    """
    if given is not None and sorted(given) != sorted(regions):
        raise ValueError(
            f"{parameter} has {', '.join(sorted(given)) or 'no Region'}: one {what} is needed for each of "
            f"{', '.join(sorted(regions))}, by the Region's name; or leave {parameter} out."
        )
    for region, one in (given or {}).items():
        if one is None:
            continue
        if differ(one.env.region, region):
            raise ValueError(
                f"{parameter} has a {what} of {one.env.region} for {region}: a {what} serves its own Region only; give "
                "one that is there."
            )
        if not is_imported(one) and unresolved(one.env.region):
            raise ValueError(
                f"{parameter} has {one.node.path!r} for {region}, which is in a stack without a Region: give that "
                f"stack env with {region!r}."
            )
        owner = None if unresolved(one.env.account) else one.env.account
        if not is_imported(one) and owner != account:  # an imported one may be in any account
            raise ValueError(
                f"{parameter} has {one.node.path!r}, which is in a stack of {owner or 'no account'}, and the pair is "
                f"in {account or 'no account'}: give both the same, for example CDK_DEFAULT_ACCOUNT, or import the "
                f"{what}."
            )
