"""Repair on demand: the peering's own steps, one after the other, and what came of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .pair import Cluster, Pair, PeeringError, TryAgain
from .peering import Peering

_POLL_SECONDS = 2.0


class Repair(Peering):
    """Peers and registers the pair as a deployment would, and answers to the person who asked.

    Args:
        pair: Which it is.
        clock: Seconds since the epoch.
        sleep: Waits so many seconds.
        seconds: Time that it has; what remains to be done then is for the next call.
    """

    doing = "Repair"
    settles_within = 0.0  # nothing was made for it

    def __init__(
        self, *, pair: Pair, clock: Callable[[], float], sleep: Callable[[float], None], seconds: float
    ) -> None:
        super().__init__({"StartedAt": clock()}, pair=pair, clock=clock)
        self._timeout = seconds
        self._sleep = sleep

    def run(self) -> dict[str, Any]:
        """Whether both sides are as the template says, what was changed for that, how they are, and what failed."""
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
