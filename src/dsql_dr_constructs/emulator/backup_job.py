"""One backup job, as AWS Backup's API and its events show it.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupJob.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .backup_events import Notice
from .backup_records import RESOURCE_TYPE, RecoveryPoint, Where, filled, iso, new_job_id, vault_arn

SIZE_IN_BYTES = 36_635_253
"""Of every recovery point: what one of a small cluster really had."""


@dataclass
class BackupJob:
    """One job. *copies* are the copy actions of its rule, which follow once it is COMPLETED."""

    where: Where
    vault_name: str
    resource: str
    role: str
    created: float
    start_by: float
    complete_by: float
    due: tuple[float, float]
    lifecycle: dict[str, Any]
    created_by: dict[str, Any] | None = None
    tags: dict[str, str] = field(default_factory=dict)
    copies: list[dict[str, Any]] = field(default_factory=list)
    state: str = "CREATED"
    message: str | None = None
    completed: float | None = None
    point: RecoveryPoint | None = None
    retries: int = 0
    retry_at: float = 0.0
    identifier: str = field(default_factory=new_job_id)


def notice(job: BackupJob) -> Notice:
    """What AWS Backup reports of the state that *job* has now."""
    resources = (job.point.arn,) if job.point else ()
    metric = f"NumberOfBackupJobs{job.state.capitalize()}"
    return Notice(job.where, "Backup Job State Change", resources, _event(job), metric, job.vault_name)


def _event(job: BackupJob) -> dict[str, Any]:
    if job.state == "CREATED":
        return {"backupJobId": job.identifier, "state": job.state, "creationDate": iso(job.created)}
    by = job.created_by
    return filled(
        {
            "backupJobId": job.identifier,
            "backupSizeInBytes": str(SIZE_IN_BYTES) if job.point else None,
            "backupVaultArn": vault_arn(job.where, job.vault_name),
            "backupVaultName": job.vault_name,
            "bytesTransferred": str(SIZE_IN_BYTES) if job.state == "COMPLETED" else "0",
            "creationDate": iso(job.created),
            "iamRoleArn": job.role,
            "resourceArn": job.resource,
            "resourceType": RESOURCE_TYPE,
            "state": job.state,
            "statusMessage": f'"{job.message}"' if job.message else None,
            "completionDate": iso(job.completed) if job.completed else None,
            "startBy": iso(job.start_by),
            "percentDone": 100 if job.state == "COMPLETED" else 0,
            "createdBy": event_creator(by),
        }
    )


def event_creator(created_by: dict[str, Any] | None) -> dict[str, Any] | None:
    """CreatedBy as events have it, where the rule's id has another name."""
    if not created_by:
        return None
    return {
        "backupPlanId": created_by["BackupPlanId"],
        "backupPlanArn": created_by["BackupPlanArn"],
        "backupPlanVersion": created_by["BackupPlanVersion"],
        "backupPlanRuleId": created_by["BackupRuleId"],
    }


def described(job: BackupJob) -> dict[str, Any]:
    done = job.state == "COMPLETED"
    return filled(
        {
            "AccountId": job.where.account,
            "BackupJobId": job.identifier,
            "BackupVaultName": job.vault_name,
            "BackupVaultArn": vault_arn(job.where, job.vault_name),
            "RecoveryPointArn": job.point.arn if job.point else None,
            "RecoveryPointLifecycle": job.lifecycle or None,
            "ResourceArn": job.resource,
            "ResourceType": RESOURCE_TYPE,
            "CreationDate": job.created,
            "InitiationDate": job.point.created if job.point else None,
            "CompletionDate": job.completed,
            "State": job.state,
            "StatusMessage": job.message,
            "MessageCategory": "SUCCESS" if done else None,
            "PercentDone": "100.0" if done else "0.0",
            "BackupSizeInBytes": SIZE_IN_BYTES if job.point else None,
            "BytesTransferred": SIZE_IN_BYTES if done else None,
            "IsEncrypted": True,
            "EncryptionKeyArn": job.point.vault.key_arn if job.point else None,
            "IamRoleArn": job.role,
            "CreatedBy": job.created_by,
            "StartBy": job.start_by,
            "IsParent": False,
        }
    )
