"""How the peering works with the Provider framework: begin once, then step until it is done or the time is up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

from ..parameter_registry import parameter_path
from .cluster import Cluster, Denied, NotFound, PeeringError, TryAgain
from .pair import Pair

UNFINISHED = "/unfinished"
"""How the physical id ends for as long as no Create has succeeded, and so in the Delete that follows a failed one."""


class PolledChange(ABC):
    """One change of the pair, in steps that can be repeated, lost or run by a new process at any time.

    All state is in AWS, except the time of the beginning, which the Provider framework carries from poll to poll.

    Args:
        event: CloudFormation's event, with what `begin` returned merged into it by the framework. Whoever may invoke
            the function can send one, so it does not say which clusters are meant, nor what may be deleted.
        pair: Says that.
        clock: Seconds since the epoch.
    """

    doing: str
    """The change in messages, for example ``"Peering"``."""

    settles_within = 120.0
    """Seconds that what was just made may need to hold: a policy of IAM, a cluster that GetCluster does not know yet.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot.html#troubleshoot_general_eventual-consistency
    """

    def __init__(self, event: dict[str, Any], *, pair: Pair, clock: Callable[[], float]) -> None:
        self._event = event
        self._clock = clock
        self._timeout = pair.timeout
        self.pair = pair

    def begin(self) -> dict[str, Any]:
        """What the framework keeps: the physical id, and when this change began."""
        unfinished = f"{self._physical_id}{UNFINISHED}"
        return {"PhysicalResourceId": self._event.get("PhysicalResourceId", unfinished), "StartedAt": self._clock()}

    def step(self) -> dict[str, Any]:
        """Do what can be done now.

        Raises:
            PeeringError: it cannot succeed, or the time is up; the sentence says which, and the state of both sides.
        """
        try:
            data = self.attempt()
        except TryAgain:
            return {"IsComplete": False}
        except PeeringError as error:
            state = "; ".join(map(str, self.sides()))
            sentence = f"{self.doing} of {self.pair.deployment} failed: {error} State: {state}."
            raise PeeringError(sentence) from error
        finished = {"PhysicalResourceId": self._physical_id} if self._event.get("RequestType") == "Create" else {}
        return {"IsComplete": True, "Data": data, **finished}

    def attempt(self) -> dict[str, str]:
        """
        Raises:
            TryAgain: it is not done yet.
            PeeringError: it cannot succeed, or the time is up.
        """
        try:
            return self.advance()
        except Denied as denied:
            if self.settled:
                raise
            raise TryAgain(str(denied)) from denied
        except TryAgain as wait:
            if self.elapsed < self._timeout:
                raise
            raise PeeringError(f"still not done after {self._timeout / 60:g} minutes: {wait}.") from wait
        except NotFound as missing:
            raise PeeringError(f"{missing} found no such resource.") from missing

    @abstractmethod
    def advance(self) -> dict[str, str]:
        """Take the next step; return the resource's attributes once nothing is left to do, else raise `TryAgain`."""

    @property
    def elapsed(self) -> float:
        return self._clock() - float(self._event["StartedAt"])

    @property
    def settled(self) -> bool:
        """Whether what was made for this change holds by now; half of a short timeout is left for the error message."""
        return self.elapsed >= min(self.settles_within, self._timeout / 2)

    def sides(self) -> Iterator[Cluster | str]:
        """Peer and local cluster as they are now, or the sentence that says why that is not known."""
        yield self._side(lambda: self.pair.peer_arn)
        yield self._side(lambda: self.pair.local_arn)

    def _side(self, find: Callable[[], str | None]) -> Cluster | str:
        try:
            arn = find()
            return (
                self.pair.describe(arn)
                if arn
                else f"no cluster in stack {self.pair.peer_stack} in {self.pair.peer_region}"
            )
        except (NotFound, TryAgain, PeeringError) as error:
            return str(error)

    @property
    def _physical_id(self) -> str:
        return parameter_path(self.pair.deployment).lstrip("/")
