"""What a pool reports to its hook, in the words of OpenTelemetry's conventions for databases.

Source: https://opentelemetry.io/docs/specs/semconv/database/database-metrics/
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

logger = logging.getLogger("dsql_dr_client")
"""For what has no event: errors of the hook, and of the pool's own threads."""

CONNECTION_CREATED = "db.client.connection.create_time"
FAILOVER = "dsql.failover"
CIRCUIT = "dsql.circuit.state"
EVACUATED = "dsql.evacuated"
RETRIES = "dsql.transaction.retries"
EVACUATION_UNREADABLE = "dsql.evacuation.unreadable"


@dataclass(frozen=True)
class Event:
    """One thing that happened in a pool.

    Args:
        name: Such as ``dsql.failover``.
        attributes: What belongs to it: ``cloud.region``, ``server.address``, a state, a number of seconds.
    """

    name: str
    attributes: Mapping[str, str | float]
