"""The deployment name: what one pair is called in SSM paths, tags, metrics and function names."""

from __future__ import annotations

import re

from aws_cdk import Stage, Token
from constructs import Construct

_LONGEST = 64 - len("aurora-dsql-monitor-")
"""A Lambda function name has at most 64 characters, and the monitor's name ends with the deployment's.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html
"""


def default_deployment_name(construct: Construct, environment_name: str) -> str:
    """Join the name of the Stage around *construct* (if there is one), its id and *environment_name* with ``-``."""
    stage = Stage.of(construct)
    names = [stage.stage_name if stage else "", construct.node.id, environment_name]
    return "-".join(name for name in names if name)


def validate_deployment_name(name: str) -> str:
    """Return *name* if it can stand in an SSM path and in a function name.

    Raises:
        ValueError: *name* is a token, too long, or has characters other than letters, digits, ``-`` and ``_``.
    """
    if Token.is_unresolved(name):
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
