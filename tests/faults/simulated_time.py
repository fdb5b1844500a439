"""Time that passes only where something waits, and for each task of a run on its own, as with real threads."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any


class SimulatedTime:
    """Seconds; *epoch* of them had passed in 1970."""

    epoch = 1_800_000_000.0

    def __init__(self) -> None:
        self.main = 0.0
        self._of_task = threading.local()

    def now(self) -> float:
        """Of the task that asks."""
        found: float = getattr(self._of_task, "now", self.main)
        return found

    def sleep(self, seconds: float) -> None:
        """Let that much pass for the task that waits."""
        if hasattr(self._of_task, "now"):
            self._of_task.now += seconds
        else:
            self.main += seconds

    def wait(self, questions: Collection[Future[Any]], seconds: float) -> None:
        """Until all have ended, or that many seconds."""
        assert not concurrent.futures.wait(questions, timeout=60).not_done, "no task waits for real time"
        ended = max((getattr(one, "ended", [0.0])[0] for one in questions), default=0.0)
        self.sleep(max(0.0, min(seconds, ended - self.now())))

    def pool(self, *, threads: bool) -> Callable[..., Any]:
        """Stands in for ThreadPoolExecutor.

        Args:
            threads: Whether tasks wait for each other; else each is done when it is submitted, which takes less time.
        """
        time = self

        class Pool:
            def __init__(self, max_workers: int) -> None:
                self._executor = concurrent.futures.ThreadPoolExecutor(max_workers) if threads else None

            def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
                began, ended = time.now(), [0.0]

                def task() -> Any:
                    time._of_task.now = began
                    try:
                        return function(*arguments)
                    finally:
                        ended[0] = time._of_task.now
                        del time._of_task.now

                future: Future[Any] = self._executor.submit(task) if self._executor else _done(task)
                future.ended = ended  # type: ignore[attr-defined]
                return future

            def shutdown(self, wait: bool, cancel_futures: bool) -> None:
                if self._executor:
                    self._executor.shutdown(wait=wait, cancel_futures=cancel_futures)

        return Pool


def _done(task: Callable[[], Any]) -> Future[Any]:
    future: Future[Any] = Future()
    try:
        future.set_result(task())
    except BaseException as error:
        future.set_exception(error)
    return future
