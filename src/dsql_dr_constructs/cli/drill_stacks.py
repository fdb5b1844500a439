"""Which templates a pair was deployed from when it was drilled."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from .aws_session import Client


def deployed(template: Mapping[str, Any], cloudformation: Any) -> tuple[str, Mapping[str, Any]]:
    """Name of the stack that made an experiment template and its role, and the template's properties as deployed.

    Both are empty where no stack made the two.
    """
    try:
        found = cloudformation.describe_stack_resources(PhysicalResourceId=template["id"])["StackResources"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":  # which is: no stack has it
            raise
        return "", {}
    made = {one.get("PhysicalResourceId"): one for one in found}
    if not {template["id"], template["roleArn"].rpartition("/")[2]} <= made.keys():
        return "", {}
    stack, logical_id = made[template["id"]]["StackName"], made[template["id"]]["LogicalResourceId"]
    body = cloudformation.get_template(StackName=stack, TemplateStage="Original")["TemplateBody"]
    return stack, body["Resources"][logical_id]["Properties"]


def template_hashes(
    deployment: str, drill_stack: str, regions: Iterable[str], client: Client
) -> Iterator[tuple[str, str]]:
    """Stack with its Region, and the SHA-256 of its template.

    Which stacks are the pair's follows from the name of *drill_stack*. The hash is the one that ``sha256sum`` has of
    the stack's file in ``cdk.out``.
    """
    for region in regions:
        cloudformation = client("cloudformation", region)
        for page in cloudformation.get_paginator("describe_stacks").paginate():
            for one in page["Stacks"]:
                if _is_of(deployment, drill_stack, one["StackName"]) and one["StackStatus"] != "DELETE_COMPLETE":
                    answer = cloudformation.get_template(StackName=one["StackId"], TemplateStage="Original")
                    yield f"{one['StackName']} ({region})", _hash(answer["TemplateBody"])


def _is_of(deployment: str, drill_stack: str, stack: str) -> bool:
    """A stack's name has what it is for within the deployment's; where in it, the drill stack's name says."""
    parts = deployment.split("-")
    for at in range(1, len(parts)):
        first, last = (re.escape("-".join(one)) for one in (parts[:at], parts[at:]))
        if re.fullmatch(f"{first}-(Primary|Secondary)Drill-{last}", drill_stack):
            return bool(re.fullmatch(f"{first}-(Primary|Secondary|Witness)[A-Za-z]*-{last}", stack))
    return False


def _hash(template: object) -> str:
    text = template if isinstance(template, str) else json.dumps(template, indent=1, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
