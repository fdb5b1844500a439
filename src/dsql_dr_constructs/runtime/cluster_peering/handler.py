"""Entry points of the peering's two Lambda functions, called by the CDK's Provider framework."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from .handshake import Handshake
from .teardown import Teardown

# A Region that answers nothing must not use up the function's time: two tries of 5 s connect and 10 s read each.
_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})


@cache
def _client(service: str, region: str) -> Any:
    return boto3.client(service, region_name=region, config=_CONFIG)


def on_event(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Name the resource, and for Delete decide what is to be undone; `is_complete` does the work."""
    if event["RequestType"] == "Delete":
        return Teardown(event, client=_client, clock=time.time).begin()
    return Handshake(event, client=_client, clock=time.time).begin()


def is_complete(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Take one step towards the wanted state; called every 10 s until it says that it is reached."""
    if event["RequestType"] == "Delete":
        return Teardown(event, client=_client, clock=time.time).step()
    return Handshake(event, client=_client, clock=time.time).step()
