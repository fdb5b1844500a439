"""Tries again what is transient, with full jitter, for as long as the run's budget lasts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random
from typing import TypeVar

T = TypeVar("T")

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
_SHORTEST_TRY = 0.5
"""Seconds below which another try is not worth its beginning."""


class Unreachable(Exception):  # noqa: N818 - what was seen, not an error of ours
    """What was asked gave no good answer, and will not at the next try; the text is the reason, for a person."""


class TransientlyUnreachable(Unreachable):
    """The next try may succeed."""


class MonitorError(Exception):
    """The monitor itself cannot work, which says nothing of the clusters: the function has to fail."""


@dataclass(frozen=True)
class Surroundings:
    """Time and chance, so that tests can bring their own."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random
    """A number in [0, 1)."""


@dataclass
class Tries:
    """The tries of one question.

    Source of full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        until: When the budget ends, by *surroundings*' clock.
    """

    until: float
    surroundings: Surroundings = field(default_factory=Surroundings)
    attempts: int = 0

    @property
    def time_left(self) -> float:
        return self.until - self.surroundings.clock()

    def of(self, call: Callable[[], T]) -> T:
        """The result of *call*, which is called again after `TransientlyUnreachable`."""
        while True:
            self.attempts += 1
            try:
                return call()
            except TransientlyUnreachable:
                pause = self.surroundings.draw() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (self.attempts - 1))
                if self.time_left < pause + _SHORTEST_TRY:
                    raise
                self.surroundings.sleep(pause)
