"""Times of a drill: the clock that it goes by, and how times are given and shown."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from ..runtime.answer_time import time_of_answer

_UNITS = {"s": 1, "m": 60, "h": 3600}


class DrillTime:
    """A clock, and pauses. On the local AWS emulator, a minute of AWS can be shorter than a real one.

    Args:
        scale: Duration of a minute of AWS, in real minutes. Default: 1.
        now: Seconds since 1970, really.
        sleep: Waits some real seconds.
    """

    def __init__(
        self,
        scale: float = 1.0,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.scale = scale
        self._now = now
        self._sleep = sleep
        self._ahead = 0.0
        self.start = now()

    def follow(self, answer: Mapping[str, Any]) -> None:
        """From here on it is AWS's own time, by *answer*, whatever the clock of this machine says."""
        self._ahead = time_of_answer(answer).timestamp() - self._now()
        self.start = self.now()

    def now(self) -> float:
        """Seconds since 1970, by AWS once an answer was followed."""
        return self._now() + self._ahead

    def pause(self, seconds: float) -> None:
        """Wait *seconds* of AWS."""
        self._sleep(max(0.1, self.real(seconds)))

    def real(self, seconds: float) -> float:
        """Real seconds in *seconds* of AWS."""
        return seconds * self.scale

    def of_aws(self, at: datetime | float) -> float:
        """When *at*, as AWS answers it, is in the drill: seconds since 1970, as if all its minutes were real ones."""
        real = at.timestamp() if isinstance(at, datetime) else at
        return self.start + (real - self.start) / self.scale

    @property
    def period(self) -> int:
        """Seconds of a minute of AWS in requests for metrics."""
        return max(1, round(self.real(60)))


def duration(given: str) -> float:
    """Seconds of ``90s``, ``10m`` or ``1h``.

    Raises:
        ValueError: *given* has another form.
    """
    found = re.fullmatch(r"([0-9]{1,6})([smh])", given)
    if not found:
        raise ValueError(f"{given!r} is not a duration: give a whole number and a unit, such as 90s, 10m or 1h.")
    return float(found[1]) * _UNITS[found[2]]


def in_words(seconds: float) -> str:
    """As AWS's guides write durations, to the second: ``5 min 20 s``."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def clock(at: float) -> str:
    """Time of day in UTC."""
    return datetime.fromtimestamp(at, timezone.utc).strftime("%H:%M:%S")
