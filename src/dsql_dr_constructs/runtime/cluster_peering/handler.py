"""Entry points of the peering's and of adoption's Lambda functions: the CDK's Provider framework, or a person."""

from __future__ import annotations

import json
import os
import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from .adoption import Adoption
from .cluster import PeeringError
from .pair import Pair
from .peering import Peering
from .repair import Repair
from .teardown import Teardown

# A Region that answers nothing must not use up the function's time: two tries of 5 s connect and 10 s read each.
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})

_REPAIR_SECONDS = 210.0
"""Of the function's 300: the last step, and reading both clusters after it, can each wait for a Region that does not
answer."""

_ADOPTION_SECONDS = 240.0
"""Of the function's 300, so that it can still say why it failed."""


@cache
def _client(service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, config=_CONFIG)


def handle(event: dict[str, Any] | None, context: object) -> dict[str, Any]:
    """Begin a change by CloudFormation, take its next step, or repair the pair now.

    Args:
        event: The framework's: the request as it comes from CloudFormation to begin, and with what that returned to
            step, every 10 s. A person's: ``{"action": "repair"}``.

    Returns:
        To the framework, what it keeps and whether the end is reached; to a person, what `Repair.run` says.

    Raises:
        PeeringError: the change cannot succeed, or the action is unknown.
    """
    event = event or {}
    pair = Pair(os.environ, _client)
    if "RequestType" in event:
        kind = Teardown if event["RequestType"] == "Delete" else Peering
        change = kind(event, pair=pair, clock=time.time)
        return change.step() if "StartedAt" in event else change.begin()
    action = event.get("action")
    if action != "repair":
        raise PeeringError(
            f'The action is {action!r}, and this function has one action: invoke it with {{"action":"repair"}}.'
        )
    answer = Repair(pair=pair, clock=time.time, sleep=time.sleep, seconds=_REPAIR_SECONDS).run()
    print(json.dumps(answer))  # noqa: T201 - for the log
    return answer


def adopt(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Adopt the cluster of the function's environment, as `Adoption.run` says."""
    adoption = Adoption(event, os.environ, _client, clock=time.time, sleep=time.sleep, seconds=_ADOPTION_SECONDS)
    return adoption.run()
