"""Restore jobs: new clusters with the data of a recovery point, one or a pair. What exists is never touched.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from .backup_events import Notice, Outbox
from .backup_points import USABLE, RecoveryPoints
from .backup_records import (
    RESOURCE_TYPE,
    BackupError,
    Check,
    Pace,
    Snapshots,
    Trust,
    Where,
    filled,
    invalid,
    is_in_period,
    iso,
    not_found,
    page,
    refused,
)
from .backup_restore_job import RestoreJob, described, notice
from .backup_restore_request import RestoredCluster, RestoreRequest
from .backup_vaults import Asked
from .dsql import MULTI_REGION_QUOTA, ON_THE_WAY_OUT, SINGLE_REGION_QUOTA, Dsql
from .dsql_api import DsqlCall, permissions
from .dsql_cluster import DsqlError, new_identifier
from .faults import Faults

_ROLE_ACTIONS = ("dsql:StartRestoreJob", "dsql:GetRestoreJob", "dsql:GetCluster")
_KEY_ACTIONS = ("kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey")


class RestoreJobs:
    """The restore jobs of every account and Region; each method that has *asked* is a call of the API.

    Assumed: a mistake in the metadata is refused at once, and everything else fails the job.

    Args:
        use_key: As of `Dsql`.
        now: Seconds since the epoch, on the emulator's clock.
    """

    def __init__(
        self,
        dsql: Dsql,
        faults: Faults,
        points: RecoveryPoints,
        data: Snapshots,
        trust: Trust,
        outbox: Outbox[Notice],
        *,
        use_key: Callable[[str, str], str],
        now: Callable[[], float],
        pace: Pace,
    ) -> None:
        self._dsql, self._faults, self._points, self._data = dsql, faults, points, data
        self._trust, self._outbox, self._use_key, self._now, self._pace = trust, outbox, use_key, now, pace
        self._jobs: dict[str, RestoreJob] = {}
        self._by_token: dict[tuple[Where, str], str] = {}

    # calls of the API

    def start(self, where: Where, asked: Asked) -> dict[str, Any]:
        arn, role, token = asked["RecoveryPointArn"], asked.get("IamRoleArn"), asked.get("IdempotencyToken")
        if token and (where, token) in self._by_token:
            return {"RestoreJobId": self._by_token[where, token]}
        point = self._points.at(arn)
        if not point or point.vault.where != where:
            raise not_found("recovery point", arn)
        if point.status not in USABLE:
            raise refused(f"Recovery point {arn} is {point.status} and cannot be restored.")
        if not role:
            raise BackupError("MissingParameterValueException", "IamRoleArn is required.")
        if asked.get("ResourceType", RESOURCE_TYPE) != RESOURCE_TYPE:
            raise invalid(f"ResourceType is {asked['ResourceType']}: the recovery point is of {RESOURCE_TYPE}.")
        request = RestoreRequest.of(asked["Metadata"], where.region)
        if untrusted := self._trust.untrusted(role):
            raise invalid(untrusted)
        tags = dict(point.tags) if asked.get("CopySourceTagsToRestoredResource") else {}
        job = RestoreJob(where, point, asked["Metadata"], request, role, self._now(), self._pace.due(), tags)
        self._jobs[job.identifier] = job
        if token:
            self._by_token[where, token] = job.identifier
        self._outbox.put(notice(job, is_new=True))
        self._outbox.put(notice(job))
        return {"RestoreJobId": job.identifier}

    def describe(self, where: Where, asked: Asked) -> dict[str, Any]:
        return described(self._find(where, asked))

    def metadata(self, where: Where, asked: Asked) -> dict[str, Any]:
        job = self._find(where, asked)
        return {"RestoreJobId": job.identifier, "Metadata": job.metadata}

    def list(self, where: Where, asked: Asked) -> dict[str, Any]:
        found = [
            described(one)
            for one in reversed(self._jobs.values())
            if one.where == where
            and asked.get("ByStatus", one.status) == one.status
            and asked.get("ByResourceType", RESOURCE_TYPE) == RESOURCE_TYPE
            and asked.get("ByAccountId", where.account) in (where.account, "*")
            and is_in_period(asked, one.created, one.completed)
        ]
        return page(asked, "RestoreJobs", found)

    # what happens by itself

    def settle(self) -> None:
        """Take every job to where it has come by now."""
        for job in [one for one in self._jobs.values() if one.status in ("PENDING", "RUNNING")]:
            region = job.where.region
            if not self._pace.is_over(job.due) or self._faults.affecting(("stuck",), region, "backup", "RestoreJob"):
                continue
            try:
                if job.status == "RUNNING":
                    self._go_on(job)
                else:
                    self._begin(job)
            except (DsqlError, RuntimeError, ValueError) as error:
                self._end(job, "FAILED", str(error))

    def _begin(self, job: RestoreJob) -> None:
        fault = self._faults.affecting(("error", "slow"), job.where.region, "backup", "RestoreJob")
        message = fault.message if fault and fault.effect == "error" else self._refusal(job)
        if message:
            self._end(job, "FAILED", message)
            return
        for one in job.request.clusters:
            body = self._body(job, one)
            job.clusters.append(self._dsql.create_cluster(job.where.account, one.region, body))
        self._data.restore(job.point.snapshot, [one.arn for one in job.clusters])
        job.status, job.due = "RUNNING", self._pace.due(fault.seconds if fault else None)
        self._outbox.put(notice(job))

    def _go_on(self, job: RestoreJob) -> None:
        now = [self._dsql.get_cluster(one.account, one.region, one.identifier) for one in job.clusters]
        statuses = {one.status for one in now}
        if leaving := [one for one in now if one.status in ON_THE_WAY_OUT]:
            self._end(job, "FAILED", f"Cluster {leaving[0].arn} is {leaving[0].status}.")
            return
        last = "PENDING_SETUP" if job.request.witness and len(now) == 1 else "ACTIVE"
        if len(now) == 2 and not all(one.peers for one in now):
            for one, peer in ((now[0], now[1]), (now[1], now[0])):
                if one.status == "PENDING_SETUP" and not one.peers:
                    asked = {"witnessRegion": job.request.witness, "clusters": [peer.arn]}
                    update = {"multiRegionProperties": asked}
                    self._dsql.update_cluster(one.account, one.region, one.identifier, update)
        elif statuses == {last}:
            job.point.restored = self._now()
            self._end(job, "COMPLETED", None)

    def _body(self, job: RestoreJob, cluster: RestoredCluster) -> dict[str, Any]:
        return filled(
            {
                "deletionProtectionEnabled": cluster.protected,
                "kmsEncryptionKey": cluster.key,
                "tags": job.tags or None,
                "multiRegionProperties": {"witnessRegion": job.request.witness} if job.request.witness else None,
            }
        )

    def _end(self, job: RestoreJob, status: str, message: str | None) -> None:
        job.status, job.message, job.completed = status, message, self._now()
        self._outbox.put(notice(job))

    # refusals

    def _refusal(self, job: RestoreJob) -> str | None:
        """Why nothing can be restored. Assumed: every sentence."""
        point, account = job.point, job.where.account
        if untrusted := self._trust.untrusted(job.role):
            return untrusted
        if point.arn not in point.vault.points or point.status not in USABLE:
            return f"Recovery point {point.arn} does not exist."
        sources = [point]
        for one in job.request.clusters[1:]:
            copies = self._points.copies(point, Where(account, one.region))
            if not copies:
                same = f"with resource {point.resource} and creation time {iso(point.created)}"
                return f"There is no identical copy of recovery point {point.arn} in {one.region}: one {same}."
            sources.append(copies[0])
        for source in sources:
            key, vault = source.vault.key, source.vault
            if key and (unusable := self._trust.unusable(key, vault.arn, job.role)):
                return f"Access Denied: {unusable}"
        if denied := self._trust.denied(job.role, self._checks(job)):
            return f"Access Denied: {denied}"
        return next(
            (one for one in (self._region_refusal(job, cluster) for cluster in job.request.clusters) if one), None
        )

    def _region_refusal(self, job: RestoreJob, cluster: RestoredCluster) -> str | None:
        account, is_pair = job.where.account, bool(job.request.witness)
        quota = MULTI_REGION_QUOTA if is_pair else SINGLE_REGION_QUOTA
        there = [one for one in self._dsql.list_clusters(account, cluster.region) if one.multi_region == is_pair]
        if len(there) >= quota:
            return f"You have reached the cluster limit of {quota} in {cluster.region}."
        if cluster.key:
            try:
                self._use_key(f"arn:aws:dsql:{cluster.region}:{account}:cluster/{new_identifier()}", cluster.key)
            except DsqlError as error:
                return f"Access Denied: {error.message}"
        return None

    def _checks(self, job: RestoreJob) -> Iterator[Check]:
        """Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/security-iam-awsmanpol.html"""
        account, regions = job.where.account, [one.region for one in job.request.clusters]
        arns = [f"arn:aws:dsql:{region}:{account}:cluster/*" for region in regions]
        for cluster, arn in zip(job.request.clusters, arns, strict=True):
            for action in _ROLE_ACTIONS:
                yield action, arn, {}
            body = self._body(job, cluster)
            yield from permissions(DsqlCall("CreateCluster", account, cluster.region, "", body, {}), self._dsql)
            if len(arns) > 1:
                peers = [one for one in arns if one != arn]
                update = {"multiRegionProperties": {"witnessRegion": job.request.witness, "clusters": peers}}
                yield from permissions(DsqlCall("UpdateCluster", account, cluster.region, "", update, {}), self._dsql)
            if cluster.key:
                for action in _KEY_ACTIONS:
                    yield action, cluster.key, {"kms:ViaService": f"dsql.{cluster.region}.amazonaws.com"}

    def _find(self, where: Where, asked: Asked) -> RestoreJob:
        job = self._jobs.get(asked["RestoreJobId"])
        if not job or job.where != where:
            raise not_found("restore job", asked["RestoreJobId"])
        return job
