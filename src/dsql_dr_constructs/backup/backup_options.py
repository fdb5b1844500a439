"""When a pair is backed up, how long recovery points are kept, and who may delete them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_backup as backup

from ..arguments import check_fields
from ..runtime.postgresql import ROLE_ARN

_LONGEST_DAYS = 36_500
_SHORTEST_DAYS = 2
"""Of what is kept as a rule; the next backup is not there after a day, but when it has begun, ended and been copied."""
_COOLING_OFF_DAYS = 3


@dataclass(frozen=True, kw_only=True)
class BackupOptions:
    """The backups of a pair: one a day in the primary Region, and its copy in the other.

        BackupOptions(hour=3, retention=Duration.days(90), monthly_retention=Duration.days(365))

    Args:
        hour: Hour of the day, UTC, ten minutes after which AWS Backup begins; 0 to 23. Default: 5.
        retention: How long a recovery point and its copy are kept; whole days, 2 to 36,500. Default: 35 days.
        weekly_retention: The same for the backup of each Sunday, from 1 day. Default: none, it is kept as the others.
        monthly_retention: The same for the backup of each month's first day, from 1 day. Default: none, it is kept as
            the others.
        vaults: Vaults of yours by the Region of each cluster: a vault, its name or its ARN. Default: a new one in each,
            called ``dsql-<deployment>``, with a key of its own or that of *encryption_keys*.
        deletion_principals: ARNs of IAM roles that may delete recovery points, or let them expire earlier; the policy
            of the vaults denies it to everybody else. Default: nobody may.
        lock: AWS Backup Vault Lock of both vaults, with the shortest and longest retention that they take. With
            *changeable_for* it is in compliance mode, which nobody can undo after that time. Default: none.
        removal_policy: What happens to the vaults when their stacks are deleted. With DESTROY, CloudFormation deletes
            a vault that has no recovery point, and fails for another. Default: RETAIN, they are kept, with their keys.
        delete_recovery_points: Whether deleting the stacks also deletes all recovery points, for good. It needs
            *removal_policy* DESTROY. Default: False.

    Raises:
        ValueError: a field has a value of another type, or one that AWS Backup would refuse; a retention that the lock
            does not take; or a field for new vaults beside *vaults*.

    Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
    """

    hour: int = 5
    retention: Duration = field(default_factory=lambda: Duration.days(35))
    weekly_retention: Duration | None = None
    monthly_retention: Duration | None = None
    vaults: Mapping[str, backup.IBackupVault | str] | None = None
    deletion_principals: Sequence[str] = ()
    lock: backup.LockConfiguration | None = None
    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
    delete_recovery_points: bool = False

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.hour <= 23:
            raise ValueError(f"hour is {self.hour}: an hour of the day, UTC, is needed, 0 to 23.")
        for arn in self.deletion_principals:
            if not re.fullmatch(ROLE_ARN, arn):
                raise ValueError(
                    f"deletion_principals has {arn!r}: the ARN of an IAM role is needed, such as "
                    "arn:aws:iam::111111111111:role/backup-admin."
                )
        self._refuse_contradictions()
        self._refuse_other_retentions()

    @property
    def retention_days(self) -> Mapping[str, int]:
        """By the field that has it."""
        names = ("retention", "weekly_retention", "monthly_retention")
        return {name: days_of(name, found) for name in names if (found := getattr(self, name)) is not None}

    def _refuse_contradictions(self) -> None:
        if self.removal_policy == RemovalPolicy.SNAPSHOT:
            raise ValueError(
                "removal_policy is SNAPSHOT, which CloudFormation does not offer for backup vaults: give "
                "RemovalPolicy.RETAIN or RemovalPolicy.DESTROY."
            )
        destroy = self.removal_policy == RemovalPolicy.DESTROY
        if self.delete_recovery_points and not destroy:
            raise ValueError(
                "delete_recovery_points is on, and the vaults are kept: give removal_policy=RemovalPolicy.DESTROY too, "
                "or leave delete_recovery_points out."
            )
        if self.delete_recovery_points and self.lock:
            raise ValueError(
                "delete_recovery_points is given with lock, which keeps recovery points from being deleted: leave one "
                "of them out."
            )
        if self.vaults is not None:
            given = {
                "deletion_principals": self.deletion_principals,
                "lock": self.lock,
                "removal_policy": destroy,
                "delete_recovery_points": self.delete_recovery_points,
            }
            for name, value in given.items():
                if value:
                    raise ValueError(f"{name} is given with vaults, which have their own: leave one of them out.")

    def _refuse_other_retentions(self) -> None:
        """Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html"""
        if self.retention_days["retention"] < _SHORTEST_DAYS:
            raise ValueError(
                f"retention is {self.retention.to_human_string()}: {_SHORTEST_DAYS} days at least are needed, or a "
                "recovery point expires before the next one is complete, and for hours there is none."
            )
        shortest, longest = 1, _LONGEST_DAYS
        if self.lock:
            shortest = days_of("lock.min_retention", self.lock.min_retention)
            if self.lock.max_retention:
                longest = days_of("lock.max_retention", self.lock.max_retention)
            if shortest > longest:
                raise ValueError(
                    f"lock has min_retention {shortest} days and max_retention {longest} days: the first is no longer "
                    "than the second."
                )
            if (
                self.lock.changeable_for
                and days_of("lock.changeable_for", self.lock.changeable_for) < _COOLING_OFF_DAYS
            ):
                raise ValueError(
                    f"lock has changeable_for {self.lock.changeable_for.to_human_string()}: {_COOLING_OFF_DAYS} days "
                    "at least are needed, or none for governance mode."
                )
        for name, days in self.retention_days.items():
            if not shortest <= days <= longest:
                raise ValueError(
                    f"{name} is {days} days, and lock allows {shortest} to {longest}: AWS Backup would fail every job; "
                    "change one of them."
                )


def days_of(name: str, duration: Duration) -> int:
    """
    Raises:
        ValueError: *duration*, of the parameter *name*, is not whole days, or not as many as AWS Backup takes.
    """
    days = duration.to_days(integral=False)
    if days != int(days) or not 1 <= days <= _LONGEST_DAYS:
        raise ValueError(
            f"{name} is {duration.to_human_string()}: whole days are needed, 1 to {_LONGEST_DAYS}; for example "
            "Duration.days(35)."
        )
    return int(days)
