"""What can be made to go wrong in the embedded AWS, by name, Region and call."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

EFFECTS = ("error", "silence", "slow", "stuck")
_STATUS_CODES = {
    "AccessDeniedException": 403,
    "ConflictException": 409,
    "InternalServerException": 500,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 402,
    "ThrottlingException": 429,
    "ValidationException": 400,
}


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong until it is cleared, or for the first calls only.

    Args:
        name: What the fault is called when it is cleared.
        effect: ``error`` answers with *error*; ``silence`` never answers; ``slow`` makes a cluster's transition take
            *seconds*; ``stuck`` keeps the cluster in the middle of it.
        region: Region that it happens in. Default: all.
        service: Service as it signs its requests, for example ``dsql`` or ``ssm``; ``postgresql`` for the endpoints of
            clusters. Default: all.
        call: API call, for example ``UpdateCluster``. ``Peering`` is the transition of a pair to ACTIVE, which can be
            stuck; ``Connect`` and ``Query`` are a new connection to an endpoint and a message of an open one. Default:
            all.
        error: The error's code. Default: InternalServerException.
        message: The error's message.
        first: Only the first so many calls that match. Default: all.
        share: Only this share of the calls, 0 to 1, drawn from a fixed seed. Default: all.
        seconds: Length of a slow transition. Default: 5.

    Raises:
        ValueError: an unknown effect, or a share outside of 0 to 1.
    """

    name: str
    effect: str = "error"
    region: str | None = None
    service: str | None = None
    call: str | None = None
    error: str = "InternalServerException"
    message: str = "A fault of the rehearsal."
    first: int | None = None
    share: float = 1.0
    seconds: float = 5.0

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"Fault {self.name!r} has effect {self.effect!r}: one of {', '.join(EFFECTS)} is allowed.")
        if not 0 <= self.share <= 1:
            raise ValueError(f"Fault {self.name!r} has share {self.share}: 0 to 1 is allowed.")

    @property
    def status_code(self) -> int:
        """HTTP status of the answer, by the error's code."""
        return _STATUS_CODES.get(self.error, 400)

    def to_json(self) -> dict[str, Any]:
        """Its parameters by name."""
        return asdict(self)

    def _covers(self, region: str, service: str, call: str) -> bool:
        wanted = ((self.region, region), (self.service, service), (self.call, call))
        return all(mine is None or mine == theirs for mine, theirs in wanted)


@dataclass
class Faults:
    """The faults that are switched on, and how often each has struck."""

    _active: dict[str, Fault] = field(default_factory=dict)
    _struck: dict[str, int] = field(default_factory=dict)
    _draw: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    def switch_on(self, fault: Fault) -> None:
        self._active[fault.name] = fault
        self._struck[fault.name] = 0

    def clear(self, name: str | None = None) -> None:
        for one in [name] if name else list(self._active):
            self._active.pop(one, None)

    def strike(self, effects: Iterable[str], region: str, service: str, call: str) -> Fault | None:
        """The first fault with one of *effects* that hits this call."""
        for fault in self._active.values():
            if fault.effect not in effects or not fault._covers(region, service, call):
                continue
            if fault.first is not None and self._struck[fault.name] >= fault.first:
                continue
            if self._draw.random() >= fault.share:
                continue
            self._struck[fault.name] += 1
            return fault
        return None
