"""AWS Backup in both Regions, as AWS would answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from botocore.exceptions import ClientError

from tests.runtime.judge import judged

REGIONS = ("us-east-1", "us-west-2")
CLUSTERS = {region: f"arn:aws:dsql:{region}:111111111111:cluster/{region}" for region in REGIONS}
VAULTS = dict.fromkeys(REGIONS, "dsql-Orders-production")
START = datetime(2026, 11, 1, 5, 10, tzinfo=timezone.utc)
PAGE = 2
"""Entries of an answer; AWS gives up to 1,000."""


class AwsBackup:
    """A vault in each Region; the attributes are to be changed."""

    def __init__(self) -> None:
        self.now = START
        """AWS's own time."""
        self.created = {region: START - timedelta(days=30) for region in REGIONS}
        """When each vault was created; a vault that is left out does not exist."""
        self.points: dict[str, list[dict[str, Any]]] = {region: [] for region in REGIONS}
        self.jobs: dict[str, list[dict[str, Any]]] = {region: [] for region in REGIONS}
        self.copies: dict[str, list[dict[str, Any]]] = {region: [] for region in REGIONS}
        self.failures: dict[str, list[Exception]] = {}
        """What goes wrong at the next calls of each operation, by its method's name."""
        self.asked: list[tuple[str, str]] = []
        """Method and Region of each call."""
        self.made: list[str] = []
        """Regions of the clients."""

    def client(self, region: str) -> Any:
        self.made.append(region)
        answers: dict[str, Callable[..., dict[str, Any]]] = {
            "describe_backup_vault": self._describe,
            "list_recovery_points_by_backup_vault": self._list_points,
            "list_backup_jobs": self._list_jobs,
            "list_copy_jobs": self._list_copies,
        }

        def wrap(name: str) -> Callable[..., Any]:
            def call(**arguments: Any) -> Any:
                self.asked.append((name, region))
                if self.failures.get(name):
                    raise self.failures[name].pop()
                return {**answers[name](region, **arguments), "ResponseMetadata": self._metadata()}

            return call

        return judged("backup", {name: wrap(name) for name in answers})

    def refusal(self) -> ClientError:
        """Also what AWS answers for a vault that does not exist.

        Source: https://github.com/aws/aws-sdk-js/issues/2625
        """
        said = {"Code": "AccessDeniedException", "Message": "Insufficient privileges to perform this action."}
        return ClientError({"Error": said, "ResponseMetadata": {**self._metadata(), "HTTPStatusCode": 403}}, "x")

    def missing(self) -> ClientError:
        """What AWS answers who lists recovery points of a vault that does not exist.

        Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
        """
        said = {"Code": "ResourceNotFoundException", "Message": "Backup vault not found."}
        return ClientError({"Error": said, "ResponseMetadata": {**self._metadata(), "HTTPStatusCode": 400}}, "x")

    def back_up(self, created: datetime | None = None, *, region: str = "us-east-1", **changes: Any) -> dict[str, Any]:
        """A recovery point of the cluster in *region*, in the vault there."""
        created = created or self.now
        point = {
            "RecoveryPointArn": f"arn:aws:backup:{region}:111111111111:recovery-point:{created:%Y%m%d%H%M%S}",
            "ResourceArn": CLUSTERS[region],
            "BackupVaultName": VAULTS[region],
            "CreationDate": created,
            "Status": "COMPLETED",
            **changes,
        }
        self.points[region].append(point)
        return point

    def copy(self, point: dict[str, Any], region: str = "us-west-2", **changes: Any) -> None:
        """The identical copy of *point* in the vault of *region*."""
        self.points[region].append({**point, "RecoveryPointArn": point["RecoveryPointArn"] + "-copy", **changes})

    def _metadata(self) -> dict[str, Any]:
        return {"HTTPStatusCode": 200, "HTTPHeaders": {"date": f"{self.now:%a, %d %b %Y %H:%M:%S} GMT"}}

    def _describe(self, region: str, *, BackupVaultName: str) -> dict[str, Any]:  # noqa: N803 - botocore's
        assert BackupVaultName == VAULTS[region]
        if region not in self.created:
            raise self.refusal()
        return {"BackupVaultName": BackupVaultName, "CreationDate": self.created[region]}

    def _list_points(
        self,
        region: str,
        *,
        BackupVaultName: str,  # noqa: N803
        ByResourceArn: str,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        assert BackupVaultName == VAULTS[region]
        if region not in self.created:
            raise self.missing()
        found = [one for one in self.points[region] if one["ResourceArn"] == ByResourceArn]
        return _page("RecoveryPoints", found, NextToken)

    def _list_jobs(self, region: str, *, ByBackupVaultName: str, **filters: Any) -> dict[str, Any]:  # noqa: N803
        assert ByBackupVaultName == VAULTS[region]
        return self._newer("BackupJobs", region, self.jobs[region], **filters)

    def _list_copies(self, region: str, **filters: Any) -> dict[str, Any]:
        return self._newer("CopyJobs", region, self.copies[region], **filters)

    def _newer(
        self,
        member: str,
        region: str,
        jobs: list[dict[str, Any]],
        *,
        ByResourceArn: str,  # noqa: N803
        ByCreatedAfter: datetime,  # noqa: N803
        NextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        assert ByResourceArn == CLUSTERS[region]
        return _page(member, [one for one in jobs if one["CreationDate"] > ByCreatedAfter], NextToken)


def _page(member: str, entries: list[dict[str, Any]], token: str) -> dict[str, Any]:
    end = int(token) + PAGE
    more = {"NextToken": str(end)} if end < len(entries) else {}
    return {member: entries[int(token) : end], **more}
