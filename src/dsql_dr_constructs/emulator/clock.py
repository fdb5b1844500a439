"""The time of the local AWS emulator: faster than real time where that is asked for, and it can be moved forward."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

MINUTE = 60.0


class Clock:
    """Seconds since the epoch. It begins with real time, and runs each of its minutes once, in order.

    A minute that has passed is run by the thread of `start` or by `advance`, never by both. While `advance` runs a
    minute, the clock stands still at that minute.

    Args:
        time_scale: Length of a minute, in minutes of real time. Default: 1.
        real_time: Seconds of real time, for tests. Default: `time.monotonic`.
    """

    def __init__(self, time_scale: float = 1.0, *, real_time: Callable[[], float] = time.monotonic) -> None:
        self._time_scale = time_scale
        self._real_time = real_time
        self._turn = threading.Lock()  # whose turn it is to run minutes; now() does not wait for it
        self._was_moved = threading.Event()
        self._listeners: list[Callable[[float], None]] = []
        self._set: tuple[float, float | None] = (time.time(), real_time())  # the time, and since when; None: it stands
        self._next = (self.now() // MINUTE + 1) * MINUTE

    def now(self) -> float:
        """Seconds since the epoch in the emulator, also for listeners and while the clock is moved."""
        at, since = self._set
        return at if since is None else at + (self._real_time() - since) / self._time_scale

    @property
    def is_moved(self) -> bool:
        """Whether `advance` is running minutes, so that no time passes between them by itself."""
        return self._set[1] is None

    def each_minute(self, do: Callable[[float], None]) -> None:
        """Call *do* with the time of each minute that passes from now on, after the listeners before it."""
        self._listeners.append(do)

    def advance(self, seconds: float) -> None:
        """Move the clock forward, and run every minute on the way; returns when all of them were run.

        Raises:
            ValueError: *seconds* is negative.
        """
        if seconds < 0:
            raise ValueError(f"The clock was to be moved by {seconds:g} seconds: only 0 or more are possible.")
        with self._turn:
            until = self.now() + seconds
            try:
                while self._next <= until:
                    self._set = (self._next, None)
                    self._run_next()
            finally:
                self._set = (until, self._real_time())
                self._was_moved.set()

    def start(self) -> None:
        """Run each minute when it has come, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="clock").start()

    def _run(self) -> None:
        while True:
            self._was_moved.wait(max(0.0, self._next - self.now()) * self._time_scale)
            self._was_moved.clear()
            self.run_due()

    def run_due(self) -> None:
        """Run the minutes that have come and were not run."""
        with self._turn:
            while self._next <= self.now():
                self._run_next()

    def _run_next(self) -> None:
        minute, self._next = self._next, self._next + MINUTE
        for do in list(self._listeners):
            try:
                do(minute)
            except Exception:  # one listener's error must not stop the clock
                logging.getLogger(__name__).exception("A minute of the emulator's clock had an error")
