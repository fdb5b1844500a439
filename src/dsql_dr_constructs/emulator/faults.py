"""Faults that can be injected into the local AWS emulator."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

EFFECTS = ("error", "timeout", "slow", "stuck")
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
    """A fault of one Region, service or call, or of several; it lasts until it is cleared.

        aws.inject(Fault("east-down", service="postgresql", region="us-east-1"))  # endpoints refuse every connection
        aws.clear_faults("east-down")

    Args:
        name: Name by which `AwsEmulator.clear_faults` clears it.
        effect: ``error`` answers a call with *error*; ``timeout`` never answers; ``slow`` makes a cluster's transition
            take *seconds*; ``stuck`` keeps a cluster in its transition. Default: error.
        region: Region of the calls. Default: all.
        service: Service of the calls as boto3 names it, for example ``dsql`` or ``cloudwatch``, or ``postgresql`` for
            connections to clusters. Default: all.
        call: Name of the calls, for example ``UpdateCluster``. ``Peering`` is the transition of a pair to ACTIVE, which
            can be ``stuck``. ``BackupJob``, ``CopyJob`` and ``RestoreJob`` of ``backup`` are jobs of AWS Backup, which
            can fail, be ``slow`` or ``stuck``. Of ``postgresql``, ``Connect`` is a new connection, ``Login`` one that
            has sent its token, and ``Query`` a message of an open one. Default: all.
        error: Code of the error. Default: InternalServerException.
        message: Message of the error. Default: "A fault of the test."
        first: Number of calls that fail, from the first on. Default: all.
        share: Share of the calls that fail, from 0 to 1, drawn from a fixed seed. Default: 1.
        seconds: Duration of a slow transition, in seconds. Default: 5.
        cluster: Identifier of the cluster that connections of ``postgresql`` are to. Default: all.
        functions_only: Whether calls that no Lambda function makes are spared, such as those of the test itself.
            Default: False.

    Raises:
        ValueError: *effect* is unknown, or *share* is not between 0 and 1.
    """

    name: str
    effect: str = "error"
    region: str | None = None
    service: str | None = None
    call: str | None = None
    error: str = "InternalServerException"
    message: str = "A fault of the test."
    first: int | None = None
    share: float = 1.0
    seconds: float = 5.0
    cluster: str | None = None
    functions_only: bool = False

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"Fault {self.name!r} has effect {self.effect!r}: one of {', '.join(EFFECTS)} is allowed.")
        if not 0 <= self.share <= 1:
            raise ValueError(f"Fault {self.name!r} has share {self.share}: 0 to 1 is allowed.")

    @property
    def status_code(self) -> int:
        """HTTP status code of the error."""
        return _STATUS_CODES.get(self.error, 400)

    def to_json(self) -> dict[str, Any]:
        """Its parameters by name."""
        return asdict(self)

    def _covers(self, region: str, service: str, call: str, cluster: str) -> bool:
        wanted = ((self.region, region), (self.service, service), (self.call, call), (self.cluster, cluster))
        return all(mine is None or mine == theirs for mine, theirs in wanted)


@dataclass
class Faults:
    """The injected faults, and how many calls each has affected."""

    _active: dict[str, Fault] = field(default_factory=dict)
    _held: set[str] = field(default_factory=set)
    _affected: dict[str, int] = field(default_factory=dict)
    _draw: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - no secret

    def inject(self, fault: Fault) -> None:
        self._active[fault.name] = fault
        self._affected[fault.name] = 0

    def clear(self, name: str | None = None) -> None:
        for one in [name] if name else set(self._active) - self._held:
            self._active.pop(one, None)

    def hold(self, fault: Fault) -> None:
        """Inject *fault* until it is released: to clear all faults does not end it."""
        self._held.add(fault.name)
        self.inject(fault)

    def release(self, name: str) -> None:
        """End the fault that is held with this name."""
        self.clear(name)
        self._held.discard(name)

    def affecting(
        self, effects: Iterable[str], region: str, service: str, call: str, cluster: str = ""
    ) -> Fault | None:
        """The first fault with one of *effects* that affects this call; *cluster* is an identifier."""
        for fault in list(self._active.values()):
            if fault.effect not in effects or not fault._covers(region, service, call, cluster):
                continue
            if fault.first is not None and self._affected[fault.name] >= fault.first:
                continue
            if self._draw.random() >= fault.share:
                continue
            self._affected[fault.name] += 1
            return fault
        return None
