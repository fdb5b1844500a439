"""One request's way to a connection, over all endpoints until its deadline. No I/O."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import uniform

from psycopg_pool import PoolTimeout

from ._endpoint import INTERVAL, Endpoint, describe
from ._errors import AllEndpointsFailed
from ._routing import Router

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0
"""Seconds between two rounds over all endpoints: full jitter."""


class Attempt:
    def __init__(
        self,
        router: Router,
        deadline: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[float, float], float] = uniform,
    ) -> None:
        self._router, self._deadline, self._clock, self._jitter = router, deadline, clock, jitter
        self._begun = clock()
        self._rounds = 0
        self._tried: set[str] = set()
        self._reasons: dict[str, str] = {}

    def next(self) -> str | None:
        """Region of the endpoint to try; None after a round: it is time for a `pause`."""
        return self._router.choose(self._tried)

    @property
    def remaining(self) -> float:
        return self._deadline - self._clock()

    def answer_timeout(self, longest: float) -> float:
        """Seconds for BEGIN: half of what remains at most, so that the peer has its turn."""
        half = (self._deadline - self._clock()) / 2
        return longest if longest < half else max(INTERVAL, half)

    def failed(self, region: str, reason: str) -> None:
        self._tried.add(region)
        self._reasons[region] = reason

    def pause(self) -> float:
        """Seconds until the next round.

        Raises:
            AllEndpointsFailed: It would begin too late.
        """
        pause = self._jitter(0, min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._rounds))
        if pause >= self.remaining:
            raise AllEndpointsFailed(self._reasons, round(self._deadline - self._begun, 1))
        self._rounds += 1
        self._tried.clear()
        return pause

    def timed_out(self, endpoint: Endpoint, error: PoolTimeout) -> None:
        """There was no connection in time; with no endpoint to blame, all are in use, as *error* says.

        Raises:
            AllEndpointsFailed: An endpoint is to blame.
        """
        reasons = {**self._router.reasons_of_failed(), **self._reasons}
        if reasons or endpoint.limit:
            reasons.setdefault(endpoint.region, endpoint.limit or describe(error))
            raise AllEndpointsFailed(reasons, round(self._deadline - self._begun, 1)) from error
