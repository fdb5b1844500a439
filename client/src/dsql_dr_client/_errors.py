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

    reasons: Mapping[str, str]
    """As given."""

    def __init__(self, reasons: Mapping[str, str], timeout: float) -> None:
        each = "; ".join(f"{region}: {reason}" for region, reason in reasons.items())
        super().__init__(f"No endpoint gave a connection within {timeout:g} s. {each}.")
        self.reasons = reasons


class CommitUnknown(psycopg.OperationalError):
    """The connection was lost at COMMIT: the transaction is committed, or it is not, and nobody can say which.

    Args:
        attempts: How often the function ran.
        region: Region of the endpoint at which it ran last.
    """

    attempts: int
    """As given."""
    region: str
    """As given."""

    def __init__(self, attempts: int, region: str) -> None:
        super().__init__(
            f"It is not known whether the transaction is committed: attempt {attempts}, in {region}, or one before it "
            "had no answer to COMMIT. Run it again with idempotent=True, in a form in which twice is as good as once."
        )
        self.attempts, self.region = attempts, region


class ConflictBudgetExceeded(psycopg.errors.SerializationFailure):
    """Other transactions were first until the budget was used up; nothing is stored.

    Args:
        attempts: How often the function ran.
        region: Region of the endpoint at which it ran last.
    """

    attempts: int
    """As given."""
    region: str
    """As given."""

    def __init__(self, attempts: int, region: str) -> None:
        super().__init__(
            f"Other transactions changed the same rows first, {attempts} times, the last in {region}, until the budget "
            "was used up: nothing is stored. Let fewer transactions write these rows, or give a larger budget."
        )
        self.attempts, self.region = attempts, region


class TransactionEnded(psycopg.ProgrammingError):
    """The function of run_transaction sent COMMIT or ROLLBACK as SQL; what came after would be another transaction."""

    def __init__(self) -> None:
        super().__init__(
            "The function ended the transaction by a statement of its own, which decided whether it is stored: "
            "leave COMMIT to run_transaction, and raise an exception to roll back."
        )


class NoAnswer(psycopg.OperationalError):
    """A statement was not answered within ``answer_timeout``, and its connection is closed."""
