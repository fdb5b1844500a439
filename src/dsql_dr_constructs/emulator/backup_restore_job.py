"""One restore job, as AWS Backup's API and its events show it.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeRestoreJob.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .backup_events import Notice
from .backup_records import RESOURCE_TYPE, RecoveryPoint, Where, filled, iso, new_job_id
from .backup_restore_request import RestoreRequest
from .dsql_cluster import Cluster


@dataclass
class RestoreJob:
    """One job, and the clusters that it made: the first in its own Region."""

    where: Where
    point: RecoveryPoint
    metadata: dict[str, str]
    request: RestoreRequest
    role: str
    created: float
    due: tuple[float, float]
    tags: dict[str, str] = field(default_factory=dict)
    status: str = "PENDING"
    message: str | None = None
    completed: float | None = None
    clusters: list[Cluster] = field(default_factory=list)
    identifier: str = field(default_factory=new_job_id)


def notice(job: RestoreJob, *, is_new: bool = False) -> Notice:
    """What AWS Backup reports of the status that *job* has now; of a new one first that it was created."""
    created = {"restoreJobId": job.identifier, "creationDate": iso(job.created), "state": "CREATED"}
    metric = f"NumberOfRestoreJobs{'Created' if is_new else job.status.capitalize()}"
    detail = created if is_new else _event(job)
    return Notice(job.where, "Restore Job State Change", (job.point.arn,), detail, metric, job.point.vault.name)


def _event(job: RestoreJob) -> dict[str, Any]:
    return filled(
        {
            "restoreJobId": job.identifier,
            "backupVaultArn": job.point.vault.arn,
            "recoveryPointArn": job.point.arn,
            "sourceResourceArn": job.point.resource,
            "backupSizeInBytes": str(job.point.size),
            "creationDate": iso(job.created),
            "iamRoleArn": job.role,
            "percentDone": 0,
            "resourceType": RESOURCE_TYPE,
            "status": job.status,
            "statusMessage": job.message,
            "createdResourceArn": job.clusters[0].arn if job.clusters and job.status == "COMPLETED" else None,
            "completionDate": iso(job.completed) if job.completed else None,
        }
    )


def described(job: RestoreJob) -> dict[str, Any]:
    done = {"PENDING": "0.00%", "RUNNING": "50.00%", "COMPLETED": "100.00%"}.get(job.status, "0.00%")
    return filled(
        {
            "AccountId": job.where.account,
            "RestoreJobId": job.identifier,
            "RecoveryPointArn": job.point.arn,
            "RecoveryPointCreationDate": job.point.created,
            "SourceResourceArn": job.point.resource,
            "BackupVaultArn": job.point.vault.arn,
            "CreationDate": job.created,
            "CompletionDate": job.completed,
            "Status": job.status,
            "StatusMessage": job.message,
            "PercentDone": done,
            "BackupSizeInBytes": job.point.size,
            "IamRoleArn": job.role,
            "CreatedResourceArn": job.clusters[0].arn if job.clusters else None,
            "ResourceType": RESOURCE_TYPE,
            "IsParent": False,
        }
    )
