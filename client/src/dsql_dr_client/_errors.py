"""What callers can catch beside psycopg's own errors."""

from __future__ import annotations

from collections.abc import Mapping

import psycopg


class AllEndpointsFailed(psycopg.OperationalError):
    """No endpoint gave a connection in time; nothing of the caller's work has run.

    Args:
        reasons: The last failure of each endpoint, by Region.
        timeout: How long they were tried, in seconds.
    """

    def __init__(self, reasons: Mapping[str, str], timeout: float) -> None:
        each = "; ".join(f"{region}: {reason}" for region, reason in reasons.items())
        super().__init__(f"No endpoint gave a connection within {timeout:g} s. {each}.")
        self.reasons = dict(reasons)


class CommitUnknown(psycopg.OperationalError):
    """The connection was lost at COMMIT: the transaction is committed, or it is not, and nobody can say which."""


class NoAnswer(psycopg.OperationalError):
    """A statement was not answered within ``answer_timeout``, and its connection is closed."""
