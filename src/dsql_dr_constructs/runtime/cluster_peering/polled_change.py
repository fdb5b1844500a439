"""How the peering works with the Provider framework: begin once, then step until it is done or time is up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .pair import ClientFactory, Cluster, NotFound, Pair, PeeringError, TryAgain
from .registry import registry_path


class PolledChange(ABC):
    """One change of the pair, in steps that can be repeated, lost or run by a new process at any time.

    All state is in AWS, except the time of the beginning, which the Provider framework carries from poll to poll.

    Args:
        event: CloudFormation's event, with what `begin` returned merged into it by the framework.
        client: Gives the boto3 client for a service and a Region.
        clock: Seconds since the epoch.
    """

    doing: str
    """The change in messages, for example ``"Peering"``."""

    def __init__(self, event: dict[str, Any], *, client: ClientFactory, clock: Callable[[], float]) -> None:
        self._event = event
        self._clock = clock
        self._timeout = float(event["ResourceProperties"]["TimeoutSeconds"])
        self.pair = Pair(event["ResourceProperties"], client)

    def begin(self) -> dict[str, Any]:
        """What the framework keeps: the physical id, and when this change began."""
        physical_id = registry_path(self.pair.deployment).lstrip("/")
        return {"PhysicalResourceId": self._event.get("PhysicalResourceId", physical_id), "StartedAt": self._clock()}

    def step(self) -> dict[str, Any]:
        """Do what can be done now.

        Raises:
            PeeringError: it cannot succeed, or the time is up; the sentence says which, and the state of both sides.
        """
        try:
            data = self.advance()
        except TryAgain as wait:
            if self.elapsed < self._timeout:
                return {"IsComplete": False}
            raise self._failure(f"still not done after {self._timeout / 60:g} minutes: {wait}.") from wait
        except NotFound as missing:
            raise self._failure(f"{missing} found no such resource.") from missing
        except PeeringError as error:
            raise self._failure(str(error)) from error
        return {"IsComplete": True, "Data": data}

    @abstractmethod
    def advance(self) -> dict[str, str]:
        """Take the next step; return the resource's attributes once nothing is left to do, else raise `TryAgain`."""

    @property
    def elapsed(self) -> float:
        return self._clock() - float(self._event["StartedAt"])

    def _failure(self, sentence: str) -> PeeringError:
        return PeeringError(f"{self.doing} of {self.pair.deployment} failed: {sentence} State: {self._state()}.")

    def _state(self) -> str:
        return f"{self._state_of(self.pair.peer_arn)}; {self._state_of(lambda: self.pair.local_arn)}"

    def _state_of(self, find: Callable[[], str | None]) -> str:
        try:
            arn = find()
            found: Cluster | str = (
                self.pair.describe(arn) if arn else f"no cluster registered in {self.pair.peer_region}"
            )
        except (NotFound, TryAgain, PeeringError) as error:
            return str(error)
        return str(found)
