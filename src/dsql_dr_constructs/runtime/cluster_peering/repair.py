"""Repair on demand: the peering's own steps, one after the other, and their result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .cluster import Cluster, PeeringError, TryAgain
from .pair import Pair
from .peering import Peering

_POLL_SECONDS = 2.0


class Repair(Peering):
    """Peers the clusters and writes the SSM parameters as a deployment would, and returns the result to who invoked it.

    Args:
        pair: The pair.
        clock: Seconds since the epoch.
        sleep: Waits so many seconds.
        seconds: Time that it has; what remains to be done then is left to the next invocation.
    """

    doing = "Repair"
    settles_within = 0.0  # nothing new has to take effect

    def __init__(
        self, *, pair: Pair, clock: Callable[[], float], sleep: Callable[[float], None], seconds: float
    ) -> None:
        super().__init__({"StartedAt": clock()}, pair=pair, clock=clock)
        self._timeout = seconds
        self._sleep = sleep

    def run(self) -> dict[str, Any]:
        """Whether both clusters are as in the template, what was changed for that, their state, and what failed."""
        answer: dict[str, Any] = {"done": True}
        try:
            self._until_done()
        except PeeringError as error:
            answer = {"done": False, "error": f"{self.doing} of {self.pair.deployment} failed: {error}"}
        sides = [one.to_json() if isinstance(one, Cluster) else one for one in self.sides()]
        return {**answer, "changed": self.changed, "clusters": sides}

    def _until_done(self) -> None:
        while True:
            try:
                self.attempt()
            except TryAgain:
                self._sleep(_POLL_SECONDS)
            else:
                return
