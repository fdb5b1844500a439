"""Recovery points, as AWS Backup's API lists, changes and deletes them, and their end.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/recovery-points.html
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backup_records import (
    RESOURCE_TYPE,
    BackupError,
    Pace,
    RecoveryPoint,
    Snapshots,
    Vault,
    Where,
    checked_lifecycle,
    filled,
    is_in_period,
    not_found,
    page,
    refused,
)
from .backup_vaults import Asked, Vaults
from .clock import MINUTE

USABLE = ("COMPLETED", "AVAILABLE")
EXPIRY_EVERY = 60 * MINUTE
LOCKED = "RecoveryPoint cannot be deleted or updated (Backup vault configured with Lock)"
"""AWS's own sentence, for points of any age, as users of DSQL's backups have reported it."""


class RecoveryPoints:
    """The recovery points of all vaults; each method that has *asked* is a call of the API.

    Args:
        vaults: Where they are.
        data: Keeps their snapshots.
        now: Seconds since the epoch, on the emulator's clock.
        pace: How long a point is DELETING.
        untrusted: Why AWS Backup cannot assume a role, or None.
    """

    def __init__(
        self,
        vaults: Vaults,
        data: Snapshots,
        *,
        now: Callable[[], float],
        pace: Pace,
        untrusted: Callable[[str], str | None],
    ) -> None:
        self._vaults, self._data, self._now, self._pace, self._untrusted = vaults, data, now, pace, untrusted
        self._expiry_at = 0.0

    def find(self, where: Where, asked: Asked) -> RecoveryPoint:
        vault, arn = self._vaults.find(where, asked["BackupVaultName"]), asked["RecoveryPointArn"]
        if arn not in vault.points:
            raise not_found("recovery point", arn)
        return vault.points[arn]

    def at(self, arn: str) -> RecoveryPoint | None:
        return next((vault.points[arn] for vault in self._vaults if arn in vault.points), None)

    def copies(self, point: RecoveryPoint, where: Where) -> list[RecoveryPoint]:
        """What is identical to *point* in the vaults of another Region: the same resource and creation time.

        Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
        """
        there = (one for vault in self._vaults if vault.where == where for one in vault.points.values())
        same = (one for one in there if (one.resource, one.created) == (point.resource, point.created))
        return [one for one in same if one.status in USABLE]

    def remove(self, point: RecoveryPoint) -> None:
        """Take *point* out of its vault; its snapshot goes with the last that has it."""
        point.vault.points.pop(point.arn, None)
        left = (one.snapshot for vault in self._vaults for one in vault.points.values())
        if point.snapshot not in left:
            self._data.delete(point.snapshot)

    def settle(self) -> None:
        """Finish deletions, and once an hour let points expire; AWS takes up to 8 hours for these.

        A point whose role is gone stays as EXPIRED, since AWS Backup deletes it as that role.

        Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/deleting-backups.html
        """
        now, points = self._now(), [one for vault in self._vaults for one in vault.points.values()]
        gone = [one for one in points if one.status == "DELETING" and self._pace.is_over(one.due)]
        if now >= self._expiry_at:
            self._expiry_at = now + EXPIRY_EVERY
            usable = [one for one in points if one.status in USABLE]
            for point in [one for one in usable if one.delete_at is not None and now >= one.delete_at]:
                if self._untrusted(point.role):
                    point.status = "EXPIRED"
                else:
                    gone.append(point)
        for point in gone:
            self.remove(point)

    # calls of the API

    def list_by_vault(self, where: Where, asked: Asked) -> dict[str, Any]:
        vault = self._vaults.find(where, asked["BackupVaultName"])
        found = [one for one in vault.points.values() if _is_wanted(one, asked)]
        return page(asked, "RecoveryPoints", [_described(one) for one in _newest_first(found)])

    def list_by_resource(self, where: Where, asked: Asked) -> dict[str, Any]:
        found = [
            one
            for vault in self._vaults
            if vault.where == where
            for one in vault.points.values()
            if one.resource == asked["ResourceArn"]
        ]
        shown = [
            {
                "RecoveryPointArn": one.arn,
                "CreationDate": one.created,
                "Status": one.status,
                "EncryptionKeyArn": one.vault.key_arn,
                "BackupSizeBytes": one.size,
                "BackupVaultName": one.vault.name,
                "IsParent": False,
                "VaultType": "BACKUP_VAULT",
            }
            for one in _newest_first(found)
        ]
        return page(asked, "RecoveryPoints", shown)

    def describe(self, where: Where, asked: Asked) -> dict[str, Any]:
        return {**_described(self.find(where, asked)), "StorageClass": "WARM"}

    def delete(self, where: Where, asked: Asked) -> None:
        """It is DELETING for a while, and for so long its vault cannot be deleted.

        Source: https://github.com/go-to-k/delstack/issues/370
        """
        point = self.find(where, asked)
        _refuse_if_locked(point.vault)
        if point.status == "CREATING":
            raise BackupError("InvalidResourceStateException", f"Recovery point {point.arn} is CREATING.")
        if point.status != "DELETING":
            point.status, point.due = "DELETING", self._pace.due()

    def update_lifecycle(self, where: Where, asked: Asked) -> dict[str, Any]:
        point = self.find(where, asked)
        _refuse_if_locked(point.vault)
        point.lifecycle = checked_lifecycle(asked.get("Lifecycle"))
        kept = ("BackupVaultArn", "RecoveryPointArn", "Lifecycle", "CalculatedLifecycle")
        return {key: value for key, value in _described(point).items() if key in kept}

    def restore_metadata(self, where: Where, asked: Asked) -> dict[str, Any]:
        """What AWS gives for a DSQL cluster, and StartRestoreJob refuses, as users have reported both."""
        point = self.find(where, asked)
        return {
            "BackupVaultArn": point.vault.arn,
            "RecoveryPointArn": point.arn,
            "RestoreMetadata": {"cluster_id": point.resource.rpartition("/")[2]},
            "ResourceType": RESOURCE_TYPE,
        }


def _refuse_if_locked(vault: Vault) -> None:
    if vault.lock:
        raise refused(LOCKED)


def _newest_first(points: list[RecoveryPoint]) -> list[RecoveryPoint]:
    return sorted(points, key=lambda one: -one.created)


def _is_wanted(point: RecoveryPoint, asked: Asked) -> bool:
    plan = (point.created_by or {}).get("BackupPlanId")
    return (
        asked.get("ByResourceArn", point.resource) == point.resource
        and asked.get("ByResourceType", RESOURCE_TYPE) == RESOURCE_TYPE
        and asked.get("ByBackupPlanId", plan) == plan
        and "ByParentRecoveryPointArn" not in asked
        and is_in_period(asked, point.created)
    )


def _described(point: RecoveryPoint) -> dict[str, Any]:
    return filled(
        {
            "RecoveryPointArn": point.arn,
            "BackupVaultName": point.vault.name,
            "BackupVaultArn": point.vault.arn,
            "SourceBackupVaultArn": point.source_vault,
            "ResourceArn": point.resource,
            "ResourceType": RESOURCE_TYPE,
            "CreatedBy": point.created_by,
            "IamRoleArn": point.role,
            "Status": point.status,
            "CreationDate": point.created,
            "InitiationDate": point.created,
            "CompletionDate": point.completed,
            "BackupSizeInBytes": point.size,
            "CalculatedLifecycle": filled({"DeleteAt": point.delete_at}) or None,
            "Lifecycle": point.lifecycle or None,
            "EncryptionKeyArn": point.vault.key_arn,
            "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if point.vault.key else None,
            "IsEncrypted": True,
            "LastRestoreTime": point.restored,
            "IsParent": False,
            "VaultType": "BACKUP_VAULT",
        }
    )
