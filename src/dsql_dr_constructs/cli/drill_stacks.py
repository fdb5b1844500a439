"""Which templates a pair was deployed from when it was drilled."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator

from .aws_session import Client


def template_hashes(deployment: str, regions: Iterable[str], client: Client) -> Iterator[tuple[str, str]]:
    """Stack with its Region, and the SHA-256 of its template.

    It is the one that ``sha256sum`` has of the stack's file in ``cdk.out``.
    """
    for region in regions:
        cloudformation = client("cloudformation", region)
        for page in cloudformation.get_paginator("describe_stacks").paginate():
            for one in page["Stacks"]:
                if _is_of(deployment, one["StackName"]) and one["StackStatus"] != "DELETE_COMPLETE":
                    answer = cloudformation.get_template(StackName=one["StackId"], TemplateStage="Original")
                    yield f"{one['StackName']} ({region})", _hash(answer["TemplateBody"])


def _is_of(deployment: str, stack: str) -> bool:
    """A stack's name has what it is for within the deployment's."""
    parts = deployment.split("-")
    splits = (("-".join(parts[:at]), "-".join(parts[at:])) for at in range(1, len(parts)))
    kinds = "(Primary|Secondary|Witness)[A-Za-z]*"
    return any(re.fullmatch(f"{re.escape(first)}-{kinds}-{re.escape(last)}", stack) for first, last in splits)


def _hash(template: object) -> str:
    text = template if isinstance(template, str) else json.dumps(template, indent=1, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
