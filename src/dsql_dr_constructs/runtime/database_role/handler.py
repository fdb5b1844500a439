"""Entry point of the database role's Lambda function: the CDK's Provider framework invokes it."""

from __future__ import annotations

import json
import os
import ssl
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import get_session

from .role_change import RoleChange
from .role_repair import RoleRepair
from .role_request import RoleError
from .serving_endpoint import Cluster, ServingEndpoint
from .wake import Wake

# One try each: a status is only asked for where no endpoint serves, and the answer can do without it.
_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 1})
_SESSION = get_session()
_tls = cache(ssl.create_default_context)


@cache
def _client(service: str, region: str) -> Any:
    return _SESSION.create_client(service, region_name=region, config=_CONFIG)


def handle(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Create, change or delete a database role, repair all, or wake the own Region's cluster for its backup.

    Environment variables: ``CLUSTERS``, a JSON list of ``{"arn", "endpoint"}``, own Region's first; ``BUDGET_SECONDS``,
    240 by default, of the function's 300.

    Args:
        event: CloudFormation's, as the framework passes it on. A person's:
            ``{"action": "repair"}``, and with ``"forget"`` an asker that is gone, as the answer has it; or
            ``{"action": "wake"}``. The schedule's is the latter with ``"plan"`` and ``"hour"``, as in `Wake`.

    Returns:
        The physical id, and ``Role`` and ``Notes`` as attributes; else what `RoleRepair.run` or `Wake.run` says.

    Raises:
        RoleError: what was asked for failed, or the action is unknown.
    """
    clusters = [Cluster(one["arn"], one["endpoint"]) for one in json.loads(os.environ["CLUSTERS"])]
    endpoint = ServingEndpoint(clusters, _client, _tls())
    seconds = float(os.environ.get("BUDGET_SECONDS", "240"))
    if "RequestType" in event:
        return RoleChange(event, endpoint=endpoint, seconds=seconds).run()
    if event.get("action") == "repair":
        return RoleRepair(endpoint, seconds, forget=event.get("forget")).run()
    if event.get("action") == "wake":
        own = ServingEndpoint(clusters[:1], _client, _tls(), then="Invoke the function again")
        return Wake(own, seconds, plan=event.get("plan"), hour=event.get("hour")).run()
    raise RoleError(
        f"The action is {event.get('action')!r}, and this function has one for people: invoke it with "
        '{"action":"repair"}.'
    )
