"""The deployment name: the name of one pair in SSM paths, tags, metrics and function names."""

from __future__ import annotations

import re
from functools import cache

from aws_cdk import Stage
from constructs import Construct

from .asked_once import unresolved
from .physical_names import MONITOR

_LONGEST = 64 - len(MONITOR)
"""A Lambda function name has at most 64 characters, and the monitor's name ends with the deployment's.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""


def default_deployment_name(construct: Construct, environment_name: str) -> str:
    """Join the name of the Stage around *construct* (if there is one), its id and *environment_name* with ``-``."""
    stage = Stage.of(construct)
    names = [stage.stage_name if stage else "", construct.node.id, environment_name]
    return "-".join(name for name in names if name)


@cache
def validate_deployment_name(name: str) -> str:
    """Return *name* if it can stand in an SSM path and in a function name.

    Raises:
        ValueError: *name* is a token, too long, or has characters other than letters, digits, ``-`` and ``_``.
    """
    if unresolved(name):
        raise ValueError("The deployment name is a token: paths need it at synth; give deployment_name='...'.")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        suggestion = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:_LONGEST] or "orders-production"
        raise ValueError(
            f"The deployment name {name!r} cannot be an SSM path and a function name: letters, digits, '-' and '_' are "
            f"allowed; give deployment_name={suggestion!r}."
        )
    if len(name) > _LONGEST:
        raise ValueError(
            f"The deployment name {name!r} has {len(name)} characters, and at most {_LONGEST} fit a function name: "
            f"give deployment_name={name[:_LONGEST].rstrip('-_')!r} or another short one."
        )
    return name


def refuse_doubled_name(construct: Construct, deployment_name: str, account: str | None) -> None:
    """
    Raises:
        ValueError: another construct of this kind in the app has the same deployment name in the same account.
    """
    node = construct.node
    for other in node.root.node.find_all():
        if type(other) is not type(construct) or other is construct:
            continue
        taken, where = getattr(other, "deployment_name", None), getattr(other, "account", None)
        if taken == deployment_name and (where == account or None in (where, account)):
            raise ValueError(
                f"{node.path!r} and {other.node.path!r} are both deployment {deployment_name!r} in one account, and "
                "would overwrite each other's SSM parameters and names: give one of them another deployment_name."
            )
