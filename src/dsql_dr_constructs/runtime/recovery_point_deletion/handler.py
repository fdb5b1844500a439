"""Entry point of the Lambda function that deletes recovery points: the CDK's Provider framework invokes it."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import Any

import boto3
from botocore.config import Config

from .deletion import RecoveryPointDeletion

_CONFIG = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


@cache
def _client(service: str) -> Any:
    return boto3.client(service, config=_CONFIG)


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Begin, and then take the next step, every 10 s.

    Environment variables: ``VAULT`` and ``STACK_ID``, which say what may be deleted, and when; ``TIMEOUT_SECONDS``.

    Args:
        event: The framework's: the request as it comes from CloudFormation to begin, and with what that returned to
            step.

    Returns:
        What the framework keeps, and whether the end is reached.

    Raises:
        DeletionError: recovery points are left when the time is up; the sentence has them.
    """
    deletion = RecoveryPointDeletion(event, environment=os.environ, client=_client, clock=time.time)
    return deletion.step() if "StartedAt" in event else deletion.begin()
