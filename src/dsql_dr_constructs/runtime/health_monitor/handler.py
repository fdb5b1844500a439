"""Entry point of the monitor's Lambda function: a schedule, a person, or a deployment calls it."""
# ruff: noqa: E402

from __future__ import annotations

import gc

gc.disable()  # all that is made from here to the end stays; to look for garbage in it costs a tenth of the start

import os
import ssl
from functools import cache, partial
from typing import Any

from botocore.config import Config
from botocore.session import get_session  # not boto3, whose resources this needs not: a third of the start is saved

from .retries import Surroundings
from .watch import Settings, Watch

# One try each: the run's own retries know its budget and count what they need.
_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})
_SESSION = get_session()


@cache
def _client(service: str, region: str) -> Any:
    return _SESSION.create_client(service, region_name=region, config=_CONFIG)


_tls = cache(ssl.create_default_context)
_watch = partial(Watch, Settings.of(os.environ), client=_client, tls=_tls, surroundings=Surroundings())
_watch()  # its clients are made now, outside of any run's budget
gc.freeze()
gc.enable()


def handle(event: dict[str, Any] | None, context: object) -> dict[str, Any]:
    """Look at both clusters once.

    Args:
        event: Anything, for example ``{}`` or nothing. From CloudFormation: its request, of which only Create and
            Update look.

    Returns:
        The verdict with its evidence.
    """
    request = (event or {}).get("RequestType")
    if request == "Delete":
        return {}
    return _watch(first=request is not None).run()
