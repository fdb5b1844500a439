"""Connections to Aurora DSQL that go to the other Region by themselves."""

from ._errors import AllEndpointsFailed, CommitUnknown, NoAnswer
from ._events import Event
from ._pool import FailoverPool

__all__ = ["AllEndpointsFailed", "CommitUnknown", "Event", "FailoverPool", "NoAnswer"]
