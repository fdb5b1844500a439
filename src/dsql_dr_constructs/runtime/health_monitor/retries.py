"""Tries again what is transient, with full jitter, for as long as the run's budget lasts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from .. import full_jitter
from ..full_jitter import SHORTEST_TRY, pause_after

T = TypeVar("T")


class Unreachable(Exception):  # noqa: N818 - an observation, not an error of ours
    """The call has no good answer, and would not have one at the next try; the text is the reason."""


class TransientlyUnreachable(Unreachable):
    """The next try may succeed."""


class NoAnswer(TransientlyUnreachable):
    """No answer came, as from a Region that is down."""


class NotAllowedYet(TransientlyUnreachable):
    """A policy just attached takes seconds to minutes to hold.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """


class MonitorError(Exception):
    """The monitor itself cannot work, which says nothing about the clusters: the function has to fail."""


def _wait(questions: Collection[Future[Any]], seconds: float) -> None:
    wait(questions, timeout=seconds)


@dataclass(frozen=True)
class Surroundings(full_jitter.Surroundings):
    """And the time of day, and waiting for answers."""

    now: Callable[[], float] = time.time
    """Seconds since 1970."""
    wait: Callable[[Collection[Future[Any]], float], None] = _wait
    """Returns when all are answered, or after that many seconds."""


@dataclass
class Tries:
    """The tries of one call.

    Source of full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        until: When the budget ends, by *surroundings*' clock.
        permission_until: When waiting for a permission ends, if that is later.
    """

    until: float
    surroundings: Surroundings = field(default_factory=Surroundings)
    permission_until: float = 0.0
    attempts: int = 0
    denied: bool = False
    """Whether the last failure was `NotAllowedYet`."""

    @property
    def time_left(self) -> float:
        """Seconds; while a permission is missing, those of waiting for it."""
        until = max(self.until, self.permission_until) if self.denied else self.until
        return until - self.surroundings.clock()

    def of(self, call: Callable[[], T]) -> T:
        """The result of *call*, which is called again after `TransientlyUnreachable`."""
        while True:
            self.attempts += 1
            try:
                return call()
            except TransientlyUnreachable as reason:
                self.denied = isinstance(reason, NotAllowedYet)
                pause = pause_after(self.attempts, self.surroundings.draw())
                if self.time_left < pause + SHORTEST_TRY:
                    raise
                self.surroundings.sleep(pause)
