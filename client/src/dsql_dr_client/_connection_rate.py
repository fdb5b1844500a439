"""How many new connections a pool makes in a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class ConnectionRate:
    """A token bucket: a fail-over of many processes at once stays below what Aurora DSQL accepts.

    Args:
        per_second: Most new connections in any second, those without a pause included.
        at_once: How many of them may be made without a pause.
        clock: Seconds that never go back.

    Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/CHAP_quotas.html (100 a second in each cluster)
    """

    def __init__(self, per_second: float, *, at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._at_once, self._clock = 1 / (per_second - at_once + 1), at_once, clock
        self._lock = threading.Lock()
        self._next = clock() - at_once * self._interval

    def reserve(self) -> float:
        """Take one connection's turn: the seconds until it may be made."""
        with self._lock:
            now = self._clock()
            turn = max(self._next, now - (self._at_once - 1) * self._interval)
            self._next = turn + self._interval
            return max(0.0, turn - now)
