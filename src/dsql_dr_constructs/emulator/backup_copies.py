"""Copy jobs: the same recovery point once more, in a vault of another Region or of the same.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/cross-region-backup.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .backup_events import Notice, Outbox
from .backup_job import BackupJob, event_creator
from .backup_points import USABLE, RecoveryPoints
from .backup_records import (
    RESOURCE_TYPE,
    Check,
    Pace,
    RecoveryPoint,
    Trust,
    Where,
    checked_lifecycle,
    filled,
    invalid,
    is_arn,
    is_in_period,
    iso,
    new_job_id,
    not_found,
    page,
    refused,
)
from .backup_vaults import Asked, Vaults
from .faults import Faults


@dataclass
class CopyJob:
    """One job, in the Region of its *source*."""

    where: Where
    source: RecoveryPoint
    destination: str
    role: str
    created: float
    due: tuple[float, float]
    lifecycle: dict[str, Any]
    created_by: dict[str, Any] | None = None
    backup_job: str | None = None
    state: str = "CREATED"
    message: str | None = None
    completed: float | None = None
    copy: RecoveryPoint | None = None
    identifier: str = field(default_factory=new_job_id)


class CopyJobs:
    """The copy jobs of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch, on the emulator's clock.
    """

    def __init__(
        self,
        faults: Faults,
        vaults: Vaults,
        points: RecoveryPoints,
        trust: Trust,
        outbox: Outbox[Notice],
        *,
        now: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._faults, self._vaults, self._points = faults, vaults, points
        self._trust, self._outbox, self._now, self._pace = trust, outbox, now, pace
        self._jobs: dict[str, CopyJob] = {}

    # calls of the API

    def start(self, where: Where, asked: Asked) -> dict[str, Any]:
        destination, role = asked["DestinationBackupVaultArn"], asked["IamRoleArn"]
        vault = {**asked, "BackupVaultName": asked["SourceBackupVaultName"]}
        point = self._points.find(where, vault)
        if point.status not in USABLE:
            raise refused(f"Recovery point {point.arn} is {point.status} and cannot be copied.")
        if not is_arn(destination, "backup-vault:"):
            raise invalid(f"DestinationBackupVaultArn is {destination}: the ARN of a backup vault is required.")
        if untrusted := self._trust.untrusted(role):
            raise invalid(untrusted)
        job = self._create(point, destination, role, checked_lifecycle(asked.get("Lifecycle")))
        return {"CopyJobId": job.identifier, "CreationDate": job.created, "IsParent": False}

    def describe(self, where: Where, asked: Asked) -> dict[str, Any]:
        job = self._jobs.get(asked["CopyJobId"])
        if not job or job.where != where:
            raise not_found("copy job", asked["CopyJobId"])
        return {"CopyJob": _described(job)}

    def list(self, where: Where, asked: Asked) -> dict[str, Any]:
        found = [
            _described(one)
            for one in reversed(self._jobs.values())
            if one.where == where
            and asked.get("ByResourceArn", one.source.resource) == one.source.resource
            and asked.get("ByState", one.state) == one.state
            and asked.get("ByDestinationVaultArn", one.destination) == one.destination
            and asked.get("BySourceRecoveryPointArn", one.source.arn) == one.source.arn
            and asked.get("ByResourceType", RESOURCE_TYPE) == RESOURCE_TYPE
            and asked.get("ByAccountId", where.account) in (where.account, "*")
            and is_in_period(asked, one.created, one.completed)
        ]
        return page(asked, "CopyJobs", found)

    # what happens by itself

    def follow(self, job: BackupJob, action: dict[str, Any]) -> None:
        """Begin the copy that a rule asks for after its backup *job*."""
        assert job.point  # noqa: S101 - a job that is COMPLETED has one
        copy = self._create(job.point, action["DestinationBackupVaultArn"], job.role, action["Lifecycle"])
        copy.created_by, copy.backup_job = job.created_by, job.identifier

    def settle(self) -> None:
        """Take every job to where it has come by now."""
        for job in [one for one in self._jobs.values() if one.state in ("CREATED", "RUNNING")]:
            region = job.where.region
            if not self._pace.is_over(job.due) or self._faults.affecting(("stuck",), region, "backup", "CopyJob"):
                continue
            if job.state == "RUNNING":
                self._end(job, "COMPLETED", None)
                continue
            fault = self._faults.affecting(("error", "slow"), region, "backup", "CopyJob")
            message = fault.message if fault and fault.effect == "error" else self._refusal(job)
            if message:
                self._end(job, "FAILED", message)
            else:
                self._run(job, fault.seconds if fault else None)

    def _create(self, source: RecoveryPoint, destination: str, role: str, lifecycle: dict[str, Any]) -> CopyJob:
        job = CopyJob(source.vault.where, source, destination, role, self._now(), self._pace.due(), lifecycle)
        self._jobs[job.identifier] = job
        self._report(job)
        return job

    def _run(self, job: CopyJob, seconds: float | None) -> None:
        vault, source = self._vaults.at(job.destination), job.source
        assert vault  # noqa: S101 - or the job was refused
        kept = (source.snapshot, source.size, job.lifecycle, job.created_by or source.created_by, dict(source.tags))
        job.copy = RecoveryPoint(vault, source.resource, source.created, job.role, *kept, source_vault=source.vault.arn)
        vault.points[job.copy.arn] = job.copy
        job.state, job.due = "RUNNING", self._pace.due(seconds)
        self._report(job)

    def _end(self, job: CopyJob, state: str, message: str | None) -> None:
        job.state, job.message, job.completed = state, message, self._now()
        if job.copy:
            job.copy.status, job.copy.completed = "COMPLETED", job.completed
        self._report(job)

    def _refusal(self, job: CopyJob) -> str | None:
        """Why there can be no copy."""
        vault, source = self._vaults.at(job.destination), job.source
        if not vault:
            return f"Copy job failed because the destination backup vault {job.destination} does not exist."
        if source.arn not in source.vault.points or source.status not in USABLE:
            return f"Copy job failed because recovery point {source.arn} does not exist."
        if vault.lock and (reason := vault.lock.refusal(job.lifecycle)):
            return f"Copy job failed because {reason}."
        if untrusted := self._trust.untrusted(job.role):
            return untrusted
        checks: list[Check] = [
            ("backup:CopyFromBackupVault", source.arn, {"backup:CopyTargets": vault.arn}),
            ("backup:CopyIntoBackupVault", vault.arn, {}),
        ]
        if denied := self._trust.denied(job.role, checks):
            return f"Access Denied: {denied}"
        for one in (source.vault, vault):
            if one.key and (unusable := self._trust.unusable(one.key, one.arn, job.role)):
                return f"Access Denied: {unusable}"
        return None

    def _report(self, job: CopyJob) -> None:
        metric = f"NumberOfCopyJobs{job.state.capitalize()}"
        resources, name = (job.source.arn,), job.source.vault.name
        self._outbox.put(Notice(job.where, "Copy Job State Change", resources, _event(job), metric, name))


def _event(job: CopyJob) -> dict[str, Any]:
    ends = {"sourceBackupVaultArn": job.source.vault.arn, "destinationBackupVaultArn": job.destination}
    if job.state == "CREATED":
        return {"copyJobId": job.identifier, "creationDate": iso(job.created), "state": job.state, **ends}
    return filled(
        {
            "copyJobId": job.identifier,
            "backupSizeInBytes": job.source.size,
            "creationDate": iso(job.created),
            "iamRoleArn": job.role,
            "resourceArn": job.source.resource,
            "resourceType": RESOURCE_TYPE,
            "state": job.state,
            "statusMessage": job.message,
            "completionDate": iso(job.completed) if job.completed else None,
            **ends,
            "destinationRecoveryPointArn": job.copy.arn if job.copy and job.state == "COMPLETED" else {},
            "createdBy": event_creator(job.created_by),
        }
    )


def _described(job: CopyJob) -> dict[str, Any]:
    return filled(
        {
            "AccountId": job.where.account,
            "CopyJobId": job.identifier,
            "SourceBackupVaultArn": job.source.vault.arn,
            "SourceRecoveryPointArn": job.source.arn,
            "DestinationBackupVaultArn": job.destination,
            "DestinationRecoveryPointArn": job.copy.arn if job.copy else None,
            "DestinationEncryptionKeyArn": job.copy.vault.key_arn if job.copy else None,
            "DestinationRecoveryPointLifecycle": job.lifecycle or None,
            "ResourceArn": job.source.resource,
            "ResourceType": RESOURCE_TYPE,
            "CreationDate": job.created,
            "CompletionDate": job.completed,
            "State": job.state,
            "StatusMessage": job.message,
            "MessageCategory": "SUCCESS" if job.state == "COMPLETED" else None,
            "BackupSizeInBytes": job.source.size,
            "IamRoleArn": job.role,
            "CreatedBy": job.created_by,
            "CreatedByBackupJobId": job.backup_job,
            "IsParent": False,
        }
    )
