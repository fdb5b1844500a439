"""Connections to Aurora DSQL that go to the other Region by themselves."""

from ._async_pool import AsyncFailoverPool
from ._errors import AllEndpointsFailed, CommitUnknown, ConflictBudgetExceeded, NoAnswer
from ._events import Event
from ._pool import FailoverPool

__all__ = [
    "AllEndpointsFailed",
    "AsyncFailoverPool",
    "CommitUnknown",
    "ConflictBudgetExceeded",
    "Event",
    "FailoverPool",
    "NoAnswer",
]
