"""Which recovery points bring a pair of clusters back.

A pair is restored from one recovery point and its identical copy in the Region of the other cluster: same resource,
same time of creation. Two backups of their own, one in each Region, do not qualify.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Final

USABLE_STATUSES: Final = frozenset({"COMPLETED", "AVAILABLE"})
"""Statuses of a recovery point that can be restored: not one that is being made or deleted, nor a partial one."""


@dataclass(frozen=True, kw_only=True)
class RecoveryPoint:
    """One entry of ListRecoveryPointsByBackupVault."""

    arn: str
    resource_arn: str
    """Cluster that was backed up; a copy has that of its original."""
    vault: str
    region: str
    """Region of the vault."""
    created: datetime
    """When the backup was created, to the second; a copy has that of its original."""
    status: str
    status_message: str | None
    size: int | None
    """Bytes; ``None`` where AWS gives none."""
    expires: datetime | None
    """When AWS Backup deletes it; ``None``: never."""
    encryption_key_arn: str | None

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any], *, region: str) -> RecoveryPoint:
        """Reads an entry of ListRecoveryPointsByBackupVault, as botocore gives it, of a vault in *region*."""
        lifecycle: Mapping[str, Any] = entry.get("CalculatedLifecycle") or {}
        return cls(
            arn=entry["RecoveryPointArn"],
            resource_arn=entry["ResourceArn"],
            vault=entry["BackupVaultName"],
            region=region,
            created=_to_the_second(entry["CreationDate"]),
            status=entry["Status"],
            status_message=entry.get("StatusMessage"),
            size=entry.get("BackupSizeInBytes"),
            expires=lifecycle.get("DeleteAt"),
            encryption_key_arn=entry.get("EncryptionKeyArn"),
        )

    @property
    def usable(self) -> bool:
        """Whether its status lets it be restored or copied."""
        return self.status in USABLE_STATUSES

    @property
    def identity(self) -> tuple[str, datetime]:
        """What a recovery point and its identical copies have in common."""
        return self.resource_arn, self.created


@dataclass(frozen=True, kw_only=True)
class HeldByBoth:
    """A recovery point and its identical copy, both usable: what a pair of clusters is restored from."""

    first: RecoveryPoint
    second: RecoveryPoint

    @property
    def created(self) -> datetime:
        """When the backup was created, to the second."""
        return self.first.created

    @property
    def resource_arn(self) -> str:
        """Cluster that was backed up."""
        return self.first.resource_arn


@dataclass(frozen=True, kw_only=True)
class MissingCopy:
    """A usable recovery point without a usable identical copy in the vault of the other Region."""

    point: RecoveryPoint
    missing_in: str
    """Region whose vault has no usable copy."""
    unusable_copy: RecoveryPoint | None
    """The copy there that is not usable, which explains itself by its status; ``None`` where there is no copy."""


def held_by_both(first: Iterable[RecoveryPoint], second: Iterable[RecoveryPoint]) -> Sequence[HeldByBoth]:
    """Pairs of identical copies of two vaults, the newest first.

    Where a vault has several identical copies, one of them is in the pair, always the same.
    """
    copies = _usable_by_identity(second)
    pairs = [
        HeldByBoth(first=point, second=copies[identity])
        for identity, point in _usable_by_identity(first).items()
        if identity in copies
    ]
    return sorted(pairs, key=lambda pair: (pair.created, pair.resource_arn), reverse=True)


def newest(pairs: Iterable[HeldByBoth], *, at: datetime | None = None) -> HeldByBoth | None:
    """Newest of *pairs*, or with *at* the newest that was created at that second or before it; ``None``: there is none.

    Raises:
        ValueError: *at* has no time zone.
    """
    until = None if at is None else _to_the_second(at)
    return max(
        (pair for pair in pairs if until is None or pair.created <= until),
        key=lambda pair: (pair.created, pair.resource_arn),
        default=None,
    )


def with_arn(first: Iterable[RecoveryPoint], second: Iterable[RecoveryPoint], arn: str) -> HeldByBoth | None:
    """The pair of the recovery point *arn*, of either vault, and its identical copy; ``None`` where there is none."""
    ours, theirs = list(first), list(second)
    pairs = held_by_both([point for point in ours if point.arn == arn], theirs) or held_by_both(
        ours, [point for point in theirs if point.arn == arn]
    )
    return newest(pairs)


def missing_copies(
    first: Iterable[RecoveryPoint], second: Iterable[RecoveryPoint], *, regions: tuple[str, str]
) -> Sequence[MissingCopy]:
    """Usable recovery points of one vault that the other has no usable copy of, the newest first.

    Args:
        first: Recovery points of the vault in the first of *regions*.
        second: Those of the vault in the second.
        regions: Regions of the two vaults; a vault without recovery points is in one of them, too.
    """
    ours, theirs = list(first), list(second)
    missing = [*_missing(ours, theirs, regions[1]), *_missing(theirs, ours, regions[0])]
    return sorted(missing, key=lambda each: (each.point.created, each.point.arn), reverse=True)


def _missing(
    points: Iterable[RecoveryPoint], others: Sequence[RecoveryPoint], missing_in: str
) -> Iterable[MissingCopy]:
    there, usable = _by_identity(others), _usable_by_identity(others)
    for identity, point in _usable_by_identity(points).items():
        if identity not in usable:
            yield MissingCopy(point=point, missing_in=missing_in, unusable_copy=there.get(identity))


def _usable_by_identity(points: Iterable[RecoveryPoint]) -> dict[tuple[str, datetime], RecoveryPoint]:
    return _by_identity(point for point in points if point.usable)


def _by_identity(points: Iterable[RecoveryPoint]) -> dict[tuple[str, datetime], RecoveryPoint]:
    """One recovery point of each identity: that with the last ARN."""
    return {point.identity: point for point in sorted(points, key=lambda point: point.arn)}


def _to_the_second(time: datetime) -> datetime:
    """AWS gives fractions of seconds, which need not be those of the copy.

    Raises:
        ValueError: *time* has no time zone.
    """
    if time.tzinfo is None:
        raise ValueError(f"The time {time.isoformat()} has no time zone. Give one, such as {time.isoformat()}+00:00.")
    return time.astimezone(timezone.utc).replace(microsecond=0)
