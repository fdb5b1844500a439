"""Backup jobs: from CREATED over RUNNING to a recovery point, or to the reason why there is none.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_BackupJob.html
Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-aurora.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .backup_events import Notice, Outbox
from .backup_job import SIZE_IN_BYTES, BackupJob, described, notice
from .backup_points import RecoveryPoints
from .backup_records import (
    RESOURCE_TYPE,
    Check,
    Pace,
    RecoveryPoint,
    Snapshots,
    Trust,
    Vault,
    Where,
    checked_lifecycle,
    invalid,
    is_arn,
    is_in_period,
    not_found,
    page,
    refused,
    vault_arn,
)
from .backup_vaults import Asked, Vaults
from .clock import MINUTE
from .dsql import Dsql
from .dsql_cluster import Cluster
from .faults import Faults

RETRY_EVERY = 10 * MINUTE
OPEN = ("CREATED", "RUNNING", "ABORTING")
_ROLE_ACTIONS = ("dsql:GetCluster", "dsql:StartBackupJob", "dsql:GetBackupJob", "dsql:ListTagsForResource")


class BackupJobs:
    """The jobs of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch, on the emulator's clock.
        then_copy: Called with a job that is COMPLETED, for each of its copy actions.
        retries_idle: Whether a plan's job that finds its cluster not ACTIVE is tried again within its start window.
    """

    def __init__(
        self,
        dsql: Dsql,
        faults: Faults,
        vaults: Vaults,
        points: RecoveryPoints,
        data: Snapshots,
        trust: Trust,
        outbox: Outbox[Notice],
        *,
        now: Callable[[], float],
        pace: Pace,
        then_copy: Callable[[BackupJob, dict[str, Any]], None],
        retries_idle: bool,
    ) -> None:
        self._dsql, self._faults, self._vaults, self._points = dsql, faults, vaults, points
        self._data, self._trust, self._outbox = data, trust, outbox
        self._now, self._pace, self._then_copy, self._retries_idle = now, pace, then_copy, retries_idle
        self._jobs: dict[str, BackupJob] = {}

    # calls of the API

    def start(self, where: Where, asked: Asked) -> dict[str, Any]:
        vault, resource = self._vaults.find(where, asked["BackupVaultName"]), asked["ResourceArn"]
        role, lifecycle = asked["IamRoleArn"], checked_lifecycle(asked.get("Lifecycle"))
        if not is_arn(resource, "cluster/") or resource.split(":")[2:5] != ["dsql", where.region, where.account]:
            raise invalid(f"ResourceArn is {resource}: the ARN of an Aurora DSQL cluster in {where.region} is needed.")
        if untrusted := self._trust.untrusted(role):
            raise invalid(untrusted)
        start = int(asked.get("StartWindowMinutes") or 480)
        if start < 60:
            raise invalid(f"StartWindowMinutes is {start}: 60 or more is allowed.")
        complete = int(asked.get("CompleteWindowMinutes") or 10_080)
        job = self._create(where, vault.name, resource, role, start, complete, lifecycle)
        job.tags = dict(asked.get("RecoveryPointTags") or {})
        return {"BackupJobId": job.identifier, "CreationDate": job.created, "IsParent": False}

    def describe(self, where: Where, asked: Asked) -> dict[str, Any]:
        return described(self._find(where, asked))

    def list(self, where: Where, asked: Asked) -> dict[str, Any]:
        found = [
            described(one)
            for one in reversed(self._jobs.values())
            if one.where == where
            and asked.get("ByResourceArn", one.resource) == one.resource
            and asked.get("ByState", one.state) == one.state
            and asked.get("ByBackupVaultName", one.vault_name) == one.vault_name
            and asked.get("ByResourceType", RESOURCE_TYPE) == RESOURCE_TYPE
            and asked.get("ByAccountId", where.account) in (where.account, "*")
            and is_in_period(asked, one.created, one.completed)
        ]
        return page(asked, "BackupJobs", found)

    def stop(self, where: Where, asked: Asked) -> None:
        job = self._find(where, asked)
        if job.state not in ("CREATED", "RUNNING"):
            raise refused(f"Backup job {job.identifier} is {job.state} and cannot be stopped.")
        self._end(job, "ABORTED", "Backup job was stopped by user.")

    # what happens by itself

    def create_for_rule(
        self, where: Where, rule: dict[str, Any], resource: str, role: str, created_by: dict[str, Any]
    ) -> None:
        """Begin the job of a plan's rule."""
        windows = {one: rule[f"{one}WindowMinutes"] for one in ("Start", "Completion")}
        vault, tags = rule["TargetBackupVaultName"], dict(rule.get("RecoveryPointTags") or {})
        job = self._create(where, vault, resource, role, windows["Start"], windows["Completion"], rule["Lifecycle"])
        job.created_by, job.tags, job.copies = created_by, tags, rule["CopyActions"]

    def _create(
        self,
        where: Where,
        vault_name: str,
        resource: str,
        role: str,
        start_minutes: float,
        complete_minutes: float,
        lifecycle: dict[str, Any],
    ) -> BackupJob:
        now = self._now()
        start_by, complete_by = now + start_minutes * MINUTE, now + complete_minutes * MINUTE
        job = BackupJob(where, vault_name, resource, role, now, start_by, complete_by, self._pace.due(), lifecycle)
        self._jobs[job.identifier] = job
        self._report(job)
        return job

    def settle(self) -> None:
        """Take every job to where it has come by now."""
        for job in [one for one in self._jobs.values() if one.state in OPEN]:
            if job.state == "CREATED" and self._now() >= job.start_by:
                self._end(job, "EXPIRED", job.message or "Backup job expired before start.")
            elif job.state == "RUNNING" and self._now() >= job.complete_by:
                self._end(job, "EXPIRED", "Backup job expired before completion.")
            elif not self._pace.is_over(job.due) or self._is_stuck(job):
                continue
            elif job.state == "RUNNING":
                self._complete(job)
            elif self._now() >= job.retry_at:
                self._begin(job)

    def _is_stuck(self, job: BackupJob) -> bool:
        return self._faults.affecting(("stuck",), job.where.region, "backup", "BackupJob") is not None

    def _begin(self, job: BackupJob) -> None:
        others = (one for one in self._jobs.values() if one.resource == job.resource and one.state == "RUNNING")
        if next(others, None):  # AWS backs up a resource once at a time
            job.message = "Backup job failed because there was a running job for the same resource."
            return
        clusters = self._dsql.list_clusters(*job.where)  # through their transitions
        cluster = next((one for one in clusters if one.arn == job.resource), None)
        fault = self._faults.affecting(("error", "slow"), job.where.region, "backup", "BackupJob")
        message = fault.message if fault and fault.effect == "error" else self._refusal(job, cluster)
        vault = self._vaults.at(vault_arn(job.where, job.vault_name))
        if message is None and cluster and vault:
            self._run(job, cluster, vault, fault.seconds if fault else None)
        elif self._retries_idle and job.created_by and cluster and self._is_not_active(cluster):
            job.message, job.retries, job.retry_at = message, job.retries + 1, self._now() + RETRY_EVERY
        else:
            self._end(job, "FAILED", message)

    def _run(self, job: BackupJob, cluster: Cluster, vault: Vault, seconds: float | None) -> None:
        try:
            snapshot, now = self._data.snapshot(cluster.arn), self._now()
        except RuntimeError as error:
            self._end(job, "FAILED", str(error))
            return
        tags = {**cluster.tags, **job.tags}
        kept = (snapshot, SIZE_IN_BYTES, job.lifecycle, job.created_by, tags)
        job.point = RecoveryPoint(vault, job.resource, now, job.role, *kept)
        vault.points[job.point.arn] = job.point
        job.state, job.message, job.due = "RUNNING", None, self._pace.due(seconds)
        self._report(job)

    def _complete(self, job: BackupJob) -> None:
        assert job.point  # noqa: S101 - a job that runs has one
        job.point.status, job.point.completed = "COMPLETED", self._now()
        self._end(job, "COMPLETED", None)
        for action in job.copies:
            self._then_copy(job, action)

    def _end(self, job: BackupJob, state: str, message: str | None) -> None:
        job.state, job.message, job.completed = state, message, self._now()
        if job.point and state != "COMPLETED":
            self._points.remove(job.point)
            job.point = None
        self._report(job)

    def _refusal(self, job: BackupJob, cluster: Cluster | None) -> str | None:
        """Why there can be no backup now; each sentence about a cluster's state is AWS's own."""
        arn = vault_arn(job.where, job.vault_name)
        vault = self._vaults.at(arn)
        if not vault:
            return f"Backup job failed because backup vault {arn} does not exist."
        if vault.lock and (reason := vault.lock.refusal(job.lifecycle)):
            return f"Backup job failed because {reason}."
        if untrusted := self._trust.untrusted(job.role):
            return untrusted
        if denied := self._trust.denied(job.role, self._checks(job, cluster)):
            return f"Access Denied: {denied}"
        if vault.key and (unusable := self._trust.unusable(vault.key, vault.arn, job.role)):
            return f"Access Denied: {unusable}"
        if not cluster:
            return f"ResourceNotFound: Cluster '{job.resource.rpartition('/')[2]}' does not exist"
        if self._is_not_active(cluster):
            state = f"is in state '{self._state(cluster)}' and can't be backed up"
            return f"FailedPrecondition: Cluster '{cluster.identifier}' {state}"
        return None

    def _checks(self, job: BackupJob, cluster: Cluster | None) -> Iterator[Check]:
        """Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html"""
        for action in _ROLE_ACTIONS:
            yield action, job.resource, {}
        if cluster and cluster.kms_key:
            context = {
                "kms:ViaService": f"dsql.{cluster.region}.amazonaws.com",
                "kms:EncryptionContextKeys": ["aws:dsql:ClusterId"],
                "kms:EncryptionContext:aws:dsql:ClusterId": cluster.identifier,
            }
            yield "kms:Decrypt", cluster.kms_key, context

    def _is_not_active(self, cluster: Cluster) -> bool:
        return self._state(cluster) != "ACTIVE"

    def _state(self, cluster: Cluster) -> str:
        key_is_away = self._dsql.encryption_status(cluster) == "KMS_KEY_INACCESSIBLE"
        return "IDLE" if key_is_away and cluster.status == "ACTIVE" else cluster.status

    def _find(self, where: Where, asked: Asked) -> BackupJob:
        job = self._jobs.get(asked["BackupJobId"])
        if not job or job.where != where:
            raise not_found("backup job", asked["BackupJobId"])
        return job

    def _report(self, job: BackupJob) -> None:
        self._outbox.put(notice(job))
