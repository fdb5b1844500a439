"""Backup vaults: what holds recovery points, under a key, an access policy and a lock.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/vaults.html
Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/vault-lock.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from .backup_records import (
    DAY,
    BackupError,
    Lock,
    Vault,
    Where,
    filled,
    invalid,
    is_arn,
    not_found,
    page,
    refused,
    vault_arn,
)

NAME = re.compile(r"[a-zA-Z0-9\-_]{2,50}")
COOLING_OFF_DAYS, LONGEST_DAYS = 3, 36_500

Asked = dict[str, Any]


class Vaults:
    """The vaults of every account and Region; each method that has *asked* is a call of the API.

    Args:
        now: Seconds since the epoch, on the emulator's clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._vaults: dict[str, Vault] = {}

    def __iter__(self) -> Iterator[Vault]:
        return iter(list(self._vaults.values()))

    def at(self, arn: str) -> Vault | None:
        return self._vaults.get(arn)

    def find(self, where: Where, name: str) -> Vault:
        """The vault of this name.

        Raises:
            BackupError: there is none; AWS reports that as missing privileges, whatever the caller may do.

        Source: https://github.com/aws/aws-sdk-js/issues/2625
        """
        vault = self._vaults.get(vault_arn(where, name))
        if not vault:
            raise BackupError("AccessDeniedException", "Insufficient privileges to perform this action.")
        return vault

    def create(self, where: Where, asked: Asked) -> dict[str, Any]:
        name, key = asked["BackupVaultName"], asked.get("EncryptionKeyArn") or None
        if not NAME.fullmatch(name):
            raise invalid(f"Backup vault name {name} is not valid: 2 to 50 letters, digits, - and _ are allowed.")
        if key and not is_arn(key, "key/"):
            raise invalid(f"EncryptionKeyArn is {key}: the ARN of a KMS key is required.")
        if self.at(vault_arn(where, name)):
            raise BackupError("AlreadyExistsException", f"Backup vault with the same name already exists: {name}")
        tags, request_id = dict(asked.get("BackupVaultTags") or {}), asked.get("CreatorRequestId")
        vault = Vault(where, name, self._now(), key, tags, request_id)
        self._vaults[vault.arn] = vault
        return {"BackupVaultName": name, "BackupVaultArn": vault.arn, "CreationDate": vault.created}

    def describe(self, where: Where, asked: Asked) -> dict[str, Any]:
        return _described(self.find(where, asked["BackupVaultName"]))

    def list(self, where: Where, asked: Asked) -> dict[str, Any]:
        kind = asked.get("ByVaultType", "BACKUP_VAULT")
        found = [_described(one) for one in self if one.where == where and kind == "BACKUP_VAULT"]
        return page(asked, "BackupVaultList", found)

    def delete(self, where: Where, asked: Asked) -> None:
        """Source of the sentence: https://github.com/gruntwork-io/cloud-nuke/issues/730"""
        vault = self.find(where, asked["BackupVaultName"])
        if vault.points:
            raise refused("Backup vault cannot be deleted because it contains recovery points.")
        del self._vaults[vault.arn]

    # the access policy

    def put_policy(self, where: Where, asked: Asked) -> None:
        vault, policy = self.find(where, asked["BackupVaultName"]), asked.get("Policy")
        if policy is None:
            raise BackupError("MissingParameterValueException", "Policy is required.")
        try:
            statements = json.loads(policy)["Statement"]
        except (ValueError, TypeError, KeyError):
            raise invalid("Policy is no JSON object with a Statement.") from None
        if not statements:
            raise invalid("Policy has no statement.")
        vault.policy = policy

    def get_policy(self, where: Where, asked: Asked) -> dict[str, Any]:
        vault = self.find(where, asked["BackupVaultName"])
        if vault.policy is None:
            raise not_found("access policy of vault", vault.name)
        return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "Policy": vault.policy}

    def delete_policy(self, where: Where, asked: Asked) -> None:
        self.find(where, asked["BackupVaultName"]).policy = None

    # notifications, which are recorded only

    def put_notifications(self, where: Where, asked: Asked) -> None:
        kept = {key: asked[key] for key in ("SNSTopicArn", "BackupVaultEvents")}
        self.find(where, asked["BackupVaultName"]).notifications = kept

    def get_notifications(self, where: Where, asked: Asked) -> dict[str, Any]:
        vault = self.find(where, asked["BackupVaultName"])
        if vault.notifications is None:
            raise not_found("notification configuration of vault", vault.name)
        return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, **vault.notifications}

    def delete_notifications(self, where: Where, asked: Asked) -> None:
        self.find(where, asked["BackupVaultName"]).notifications = None

    # the lock

    def put_lock(self, where: Where, asked: Asked) -> None:
        """Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html"""
        vault = self.find(where, asked["BackupVaultName"])
        self._refuse_if_immutable(vault)
        least, most = asked.get("MinRetentionDays"), asked.get("MaxRetentionDays")
        changeable = asked.get("ChangeableForDays")
        if least is not None and not 1 <= least <= LONGEST_DAYS:
            raise invalid(f"MinRetentionDays is {least}: 1 to {LONGEST_DAYS} is allowed.")
        if most is not None and not (least or 1) <= most <= LONGEST_DAYS:
            raise invalid(f"MaxRetentionDays is {most}: {least or 1} to {LONGEST_DAYS} is allowed.")
        if changeable is not None and not COOLING_OFF_DAYS <= changeable <= LONGEST_DAYS:
            raise invalid(f"ChangeableForDays is {changeable}: {COOLING_OFF_DAYS} to {LONGEST_DAYS} is allowed.")
        vault.lock = Lock(least, most, None if changeable is None else self._now() + changeable * DAY)

    def delete_lock(self, where: Where, asked: Asked) -> None:
        vault = self.find(where, asked["BackupVaultName"])
        self._refuse_if_immutable(vault)
        vault.lock = None

    def _refuse_if_immutable(self, vault: Vault) -> None:
        if vault.lock and vault.lock.date is not None and self._now() >= vault.lock.date:
            raise refused(f"The lock of vault {vault.name} is immutable since its lock date. It cannot be changed.")


def _described(vault: Vault) -> dict[str, Any]:
    lock = vault.lock
    return filled(
        {
            "BackupVaultName": vault.name,
            "BackupVaultArn": vault.arn,
            "VaultType": "BACKUP_VAULT",
            "VaultState": "AVAILABLE",
            "EncryptionKeyArn": vault.key_arn,
            "EncryptionKeyType": "CUSTOMER_MANAGED_KMS_KEY" if vault.key else None,
            "CreationDate": vault.created,
            "CreatorRequestId": vault.request_id,
            "NumberOfRecoveryPoints": len(vault.points),
            "Locked": lock is not None,
            "MinRetentionDays": lock.min_days if lock else None,
            "MaxRetentionDays": lock.max_days if lock else None,
            "LockDate": lock.date if lock else None,
        }
    )
