"""The emulator's own API, for tests and the command line, which call it by `control`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

from .clock import Clock
from .dsql import Dsql
from .dsql_cluster import DsqlError
from .faults import Fault, Faults
from .route53 import Route53


class ControlApi:
    """Requests of the emulator's owner.

    Args:
        faults: Are injected and cleared.
        dsql: Its clusters get statuses that only AWS itself can give them.
        clock: Can be moved.
        route53: Gives the status of health checks, and resolves names.
    """

    def __init__(self, faults: Faults, dsql: Dsql, clock: Clock, route53: Route53) -> None:
        self._faults = faults
        self._dsql = dsql
        self._clock = clock
        self._route53 = route53

    async def answer(self, method: str, path: str, body: bytes, calls: list[Any]) -> tuple[int, Any]:
        """Status code and result; *calls* are those of AWS's APIs until now."""
        request = (method, path)
        asked = json.loads(body) if body else {}
        result: Any = {}
        try:
            if request == ("GET", "calls"):
                result = [asdict(call) for call in calls]
            elif request == ("DELETE", "calls"):
                calls.clear()
            elif request == ("POST", "faults"):
                self._faults.inject(Fault(**asked))
            elif request == ("DELETE", "faults"):
                self._faults.clear(asked.get("name"))
            elif request == ("POST", "cluster-status"):
                self._dsql.set_status(**asked)
            elif request == ("POST", "clock"):
                await asyncio.to_thread(self._clock.advance, asked["seconds"])  # functions that it starts ask us
                result = self._clock.now()
            elif request == ("POST", "health-check-status"):
                result = self._route53.status(asked["identifier"])
            elif request == ("POST", "resolve"):
                result = self._route53.resolve(**asked)
            elif request != ("GET", "health"):
                return 404, {"message": f"The local AWS emulator has no {' '.join(request)}."}
        except (DsqlError, TypeError, ValueError) as error:
            return 400, {"message": str(error)}
        return 200, result
