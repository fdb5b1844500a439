"""A pool of connections to the endpoint of the own Region, and to the peer's while that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


class FailoverPool:
    @contextmanager
    def _acquire(self, deadline: float, answer_timeout: float | None = None) -> Iterator[psycopg.Connection[Any]]:
        """A connection in which BEGIN has been answered, until *deadline* of ``time.monotonic``.

        The caller commits. A transaction that is open at the end is rolled back, an exception that passes is reported
        to the router (`_failed`), and the connection returned, or closed if it is lost or its endpoint was left.

        Raises:
            AllEndpointsFailed: Nothing of the caller's work has run.
        """
        raise NotImplementedError
        yield

    def _failed(self, connection: psycopg.Connection[Any], error: BaseException) -> None:
        """Report to the router what *error* says of the connection's endpoint; `_acquire` does it by itself."""
