"""What AWS Backup keeps, and the errors of its API.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Types_AWS_Backup.html
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple, Protocol

from .clock import MINUTE, Clock

DAY = 86_400.0
RESOURCE_TYPE = "DSQL"

Check = tuple[str, str, dict[str, Any]]
"""An action, a resource, and the condition context of one decision of IAM."""


class BackupError(Exception):
    """An error of the AWS Backup API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def invalid(message: str) -> BackupError:
    return BackupError("InvalidParameterValueException", message)


def refused(message: str) -> BackupError:
    return BackupError("InvalidRequestException", message)


def not_found(kind: str, name: str) -> BackupError:
    return BackupError("ResourceNotFoundException", f"The {kind} {name} does not exist.")


class Where(NamedTuple):
    """An account and a Region."""

    account: str
    region: str


class Snapshots(Protocol):
    """What keeps the data behind clusters: `ClusterData`."""

    def snapshot(self, cluster_arn: str) -> str: ...

    def restore(self, snapshot: str, cluster_arns: Sequence[str]) -> None: ...

    def delete(self, snapshot: str) -> None: ...


class Trust(Protocol):
    """Whether a role and a key may be used: `BackupRoles`. Each answer is the reason why not, or None."""

    def untrusted(self, role: str) -> str | None: ...

    def denied(self, role: str, checks: Iterable[Check]) -> str | None: ...

    def unusable(self, key: str, vault_arn: str, role: str) -> str | None: ...


class Pace:
    """How long a job stays in one state: some seconds of real time or a minute of the clock, whichever is over first.

    Args:
        clock: The emulator's.
        seconds: Of real time.
        real_time: Seconds. Default: `time.monotonic`.
    """

    def __init__(self, clock: Clock, seconds: float, real_time: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seconds, self._real_time = clock, seconds, real_time

    def due(self, seconds: float | None = None) -> tuple[float, float]:
        """When a state that begins now is over. Default: after the seconds of all states."""
        if seconds is not None:
            return self._real_time() + seconds, float("inf")
        return self._real_time() + self._seconds, self._clock.now() + MINUTE

    def is_over(self, due: tuple[float, float]) -> bool:
        return self._real_time() >= due[0] or self._clock.now() >= due[1]


@dataclass(frozen=True)
class Lock:
    """AWS Backup Vault Lock; it is immutable from *date* on, and never without one."""

    min_days: int | None = None
    max_days: int | None = None
    date: float | None = None

    def refusal(self, lifecycle: Mapping[str, Any]) -> str | None:
        """Why no job may put a recovery point with *lifecycle* into the vault. Assumed: the sentence.

        Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html
        """
        days = retention(lifecycle)
        if self.min_days is not None and days < self.min_days:
            return f"the retention of {days:g} days is shorter than the vault's minimum of {self.min_days} days"
        if self.max_days is not None and days > self.max_days:
            kept = "forever" if days == float("inf") else f"for {days:g} days"
            return f"recovery points are kept {kept}, longer than the vault's maximum of {self.max_days} days"
        return None


@dataclass
class Vault:
    """A vault. *key* is None with the key that AWS manages."""

    where: Where
    name: str
    created: float
    key: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    request_id: str | None = None
    policy: str | None = None
    lock: Lock | None = None
    notifications: dict[str, Any] | None = None
    points: dict[str, RecoveryPoint] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return vault_arn(self.where, self.name)

    @property
    def key_arn(self) -> str:
        account, region = self.where
        return self.key or f"arn:aws:kms:{region}:{account}:key/{uuid.uuid5(uuid.NAMESPACE_OID, account + region)}"


@dataclass
class RecoveryPoint:
    """A recovery point, or its copy in another vault, which has the same *resource* and *created*."""

    vault: Vault
    resource: str
    created: float
    role: str
    snapshot: str
    size: int
    lifecycle: dict[str, Any] = field(default_factory=dict)
    created_by: dict[str, Any] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "CREATING"
    completed: float | None = None
    source_vault: str | None = None
    restored: float | None = None
    due: tuple[float, float] = (0.0, 0.0)
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def arn(self) -> str:
        """As those of resource types have it that AWS Backup manages fully."""
        account, region = self.vault.where
        return f"arn:aws:backup:{region}:{account}:recovery-point:{self.identifier}"

    @property
    def delete_at(self) -> float | None:
        days = retention(self.lifecycle)
        return None if days == float("inf") else self.created + days * DAY


def vault_arn(where: Where, name: str) -> str:
    return f"arn:aws:backup:{where.region}:{where.account}:backup-vault:{name}"


def retention(lifecycle: Mapping[str, Any]) -> float:
    """Days; infinity if recovery points never expire, which CloudFormation and the API also write as -1."""
    days = lifecycle.get("DeleteAfterDays")
    return float("inf") if days is None or int(days) == -1 else float(days)


def checked_lifecycle(asked: Mapping[str, Any] | None) -> dict[str, Any]:
    """*asked*, as it is kept.

    Raises:
        BackupError: its days are not possible.
    """
    lifecycle = {key: value for key, value in (asked or {}).items() if value is not None}
    days, cold = retention(lifecycle), lifecycle.get("MoveToColdStorageAfterDays")
    if days < 1:
        raise invalid(f"DeleteAfterDays is {days:g}: 1 or more, or -1 for never, is allowed.")
    if cold is not None and days < int(cold) + 90:
        raise invalid(f"DeleteAfterDays is {days:g}: 90 days more than MoveToColdStorageAfterDays are required.")
    return lifecycle


def page(asked: Mapping[str, Any], name: str, found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """As many entries as were asked for; the token is where the next answer begins."""
    token, size = str(asked.get("NextToken") or "0"), int(asked.get("MaxResults") or 1000)
    if not token.isdigit():
        raise invalid(f"NextToken is {token}, which was never given.")
    begin, end = int(token), int(token) + size
    entries: dict[str, Any] = {name: found[begin:end]}
    return {**entries, "NextToken": str(end)} if end < len(found) else entries


def is_in_period(asked: Mapping[str, Any], created: float, completed: float | None = None) -> bool:
    """Whether the filters by creation and completion of a list let this through."""
    done = completed is not None
    return (
        created > asked.get("ByCreatedAfter", created - 1)
        and created < asked.get("ByCreatedBefore", created + 1)
        and ("ByCompleteAfter" not in asked or (done and (completed or 0) > asked["ByCompleteAfter"]))
        and ("ByCompleteBefore" not in asked or (done and (completed or 0) < asked["ByCompleteBefore"]))
    )


def is_arn(text: Any, kind: str) -> bool:
    """Whether *text* is an ARN that has *kind* after the account, such as ``role/``."""
    return re.fullmatch(rf"arn:aws[\w-]*:[\w-]+:[\w-]*:[\w-]*:{kind}.+", str(text)) is not None


def new_job_id() -> str:
    return str(uuid.uuid4()).upper()


def iso(seconds: float) -> str:
    """As events have times."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def filled(members: Mapping[str, Any]) -> dict[str, Any]:
    """*members* without those that have no value."""
    return {key: value for key, value in members.items() if value is not None}
