"""The pause between two tries, and the clock that it goes by.

Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from random import random

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 3.0
_DOUBLINGS = 9
"""After which the pause is the longest; a larger power would be no float."""

SHORTEST_TRY = 0.5
"""Seconds below which another try is not worth its beginning."""


def pause_after(attempts: int, drawn: float) -> float:
    """Seconds after so many *attempts*; *drawn* is a random number in [0, 1)."""
    return drawn * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(attempts - 1, _DOUBLINGS))


@dataclass(frozen=True)
class Surroundings:
    """Clock, pauses and random numbers, which tests replace."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    draw: Callable[[], float] = random
    """A number in [0, 1)."""
