"""What Node is asked once, since the answer never changes: each question is a jsii request."""

from __future__ import annotations

from functools import cache

from aws_cdk import Duration, Token


@cache
def minutes(count: float) -> Duration:
    return Duration.minutes(count)


@cache
def seconds(duration: Duration) -> float:
    return duration.to_seconds(integral=False)


@cache
def unresolved(text: str) -> bool:
    """Whether *text* is, or has in it, a token."""
    return Token.is_unresolved(text)
