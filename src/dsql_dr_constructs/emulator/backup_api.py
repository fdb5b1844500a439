"""AWS Backup's REST API in front of `Backup`: which call a request is, what it needs from IAM, and its answer.

Paths and parameters are those of botocore's model of the service.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_Operations.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

from . import service_model
from .backup import Backup
from .backup_records import BackupError, Where, page
from .backup_roles import SERVICE
from .backup_vaults import Asked
from .dsql_api import error_response
from .function_permissions import vault_policy_denial

_Handler = Callable[[Backup, Where, Asked], dict[str, Any] | None]

_HANDLERS: dict[str, _Handler] = {
    "CreateBackupVault": lambda backup, *asked: backup.vaults.create(*asked),
    "DescribeBackupVault": lambda backup, *asked: backup.vaults.describe(*asked),
    "ListBackupVaults": lambda backup, *asked: backup.vaults.list(*asked),
    "DeleteBackupVault": lambda backup, *asked: backup.vaults.delete(*asked),
    "PutBackupVaultAccessPolicy": lambda backup, *asked: backup.vaults.put_policy(*asked),
    "GetBackupVaultAccessPolicy": lambda backup, *asked: backup.vaults.get_policy(*asked),
    "DeleteBackupVaultAccessPolicy": lambda backup, *asked: backup.vaults.delete_policy(*asked),
    "PutBackupVaultNotifications": lambda backup, *asked: backup.vaults.put_notifications(*asked),
    "GetBackupVaultNotifications": lambda backup, *asked: backup.vaults.get_notifications(*asked),
    "DeleteBackupVaultNotifications": lambda backup, *asked: backup.vaults.delete_notifications(*asked),
    "PutBackupVaultLockConfiguration": lambda backup, *asked: backup.vaults.put_lock(*asked),
    "DeleteBackupVaultLockConfiguration": lambda backup, *asked: backup.vaults.delete_lock(*asked),
    "ListRecoveryPointsByBackupVault": lambda backup, *asked: backup.points.list_by_vault(*asked),
    "ListRecoveryPointsByResource": lambda backup, *asked: backup.points.list_by_resource(*asked),
    "DescribeRecoveryPoint": lambda backup, *asked: backup.points.describe(*asked),
    "DeleteRecoveryPoint": lambda backup, *asked: backup.points.delete(*asked),
    "UpdateRecoveryPointLifecycle": lambda backup, *asked: backup.points.update_lifecycle(*asked),
    "GetRecoveryPointRestoreMetadata": lambda backup, *asked: backup.points.restore_metadata(*asked),
    "CreateBackupPlan": lambda backup, *asked: backup.plans.create(*asked),
    "GetBackupPlan": lambda backup, *asked: backup.plans.get(*asked),
    "ListBackupPlans": lambda backup, *asked: backup.plans.list(*asked),
    "UpdateBackupPlan": lambda backup, *asked: backup.plans.update(*asked),
    "DeleteBackupPlan": lambda backup, *asked: backup.plans.delete(*asked),
    "CreateBackupSelection": lambda backup, *asked: backup.plans.create_selection(*asked),
    "GetBackupSelection": lambda backup, *asked: backup.plans.get_selection(*asked),
    "ListBackupSelections": lambda backup, *asked: backup.plans.list_selections(*asked),
    "DeleteBackupSelection": lambda backup, *asked: backup.plans.delete_selection(*asked),
    "StartBackupJob": lambda backup, *asked: backup.jobs.start(*asked),
    "DescribeBackupJob": lambda backup, *asked: backup.jobs.describe(*asked),
    "ListBackupJobs": lambda backup, *asked: backup.jobs.list(*asked),
    "StopBackupJob": lambda backup, *asked: backup.jobs.stop(*asked),
    "StartCopyJob": lambda backup, *asked: backup.copy_jobs.start(*asked),
    "DescribeCopyJob": lambda backup, *asked: backup.copy_jobs.describe(*asked),
    "ListCopyJobs": lambda backup, *asked: backup.copy_jobs.list(*asked),
    "StartRestoreJob": lambda backup, *asked: backup.restore_jobs.start(*asked),
    "DescribeRestoreJob": lambda backup, *asked: backup.restore_jobs.describe(*asked),
    "ListRestoreJobs": lambda backup, *asked: backup.restore_jobs.list(*asked),
    "GetRestoreJobMetadata": lambda backup, *asked: backup.restore_jobs.metadata(*asked),
    "ListTags": lambda backup, where, asked: _tags(backup, where, asked),
    "TagResource": lambda backup, where, asked: _tag(backup, where, asked),
    "UntagResource": lambda backup, where, asked: _untag(backup, where, asked),
}
_ON_PLAN = {
    *("CreateBackupPlan", "GetBackupPlan", "UpdateBackupPlan", "DeleteBackupPlan"),
    *("CreateBackupSelection", "GetBackupSelection", "ListBackupSelections", "DeleteBackupSelection"),
}
_ON_POINT = {
    *("DescribeRecoveryPoint", "DeleteRecoveryPoint", "UpdateRecoveryPointLifecycle"),
    *("GetRecoveryPointRestoreMetadata", "StartCopyJob", "StartRestoreJob"),
}
_ON_VAULT = {name for name in _HANDLERS if "BackupVault" in name and name != "ListBackupVaults"} | {"StartBackupJob"}
_HTTP_STATUS = {"AccessDeniedException": 403, "UnknownOperationException": 404}


@dataclass(frozen=True)
class BackupCall:
    """A request, understood: *asked* has its parameters by the names that they have in the model."""

    name: str
    account: str
    region: str
    asked: dict[str, Any]

    @property
    def where(self) -> Where:
        return Where(self.account, self.region)

    @property
    def arn(self) -> str:
        """What IAM checks; a call without a resource type has none."""
        prefix = f"arn:aws:backup:{self.region}:{self.account}"
        if self.name in _ON_POINT:
            return str(self.asked["RecoveryPointArn"])
        if self.name in _ON_VAULT:
            return f"{prefix}:backup-vault:{self.asked['BackupVaultName']}"
        if self.name in _ON_PLAN:
            return f"{prefix}:backup-plan:{self.asked.get('BackupPlanId', '*')}"
        return str(self.asked["ResourceArn"]) if self.name in ("ListTags", "TagResource", "UntagResource") else "*"


def parse(
    method: str, path: str, query: dict[str, list[str]], body: bytes, account: str, region: str
) -> BackupCall | None:
    """The call behind a request; None if AWS Backup has no such path, or the emulator does without it."""
    found = service_model.understood("backup", tuple(_HANDLERS), method, path, query, body)
    return BackupCall(found[0], account, region, found[1]) if found else None


def permissions(call: BackupCall) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each action, resource and condition context that IAM checks for *call*.

    Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbackup.html
    """
    yield f"backup:{call.name}", call.arn, {}
    if call.asked.get("BackupVaultTags") or call.asked.get("BackupPlanTags"):
        yield "backup:TagResource", call.arn, {}
    role = call.asked.get("IamRoleArn") or (call.asked.get("BackupSelection") or {}).get("IamRoleArn")
    if role:
        yield "iam:PassRole", role, {"iam:PassedToService": SERVICE}


def answer(call: BackupCall, backup: Backup, principal: str) -> tuple[int, dict[str, str], bytes]:
    """Status code, headers and body, for a caller with the ARN *principal*."""
    date = {"date": formatdate(backup.now(), usegmt=True)}
    try:
        with backup.settled():
            _refuse_by_vault_policy(call, backup, principal)
            result = _HANDLERS[call.name](backup, call.where, call.asked)
    except BackupError as error:
        more = {"Code": error.code, "Message": error.message}
        status, headers, body = error_response(error.code, error.message, _HTTP_STATUS.get(error.code, 400), more)
        return status, headers | date, body
    return 200, {"content-type": "application/json", **date}, json.dumps(result or {}).encode()


def unknown_operation(path: str) -> tuple[int, dict[str, str], bytes]:
    sentence = f"The local AWS emulator has no call of AWS Backup at {path}."
    return error_response("UnknownOperationException", sentence, 404)


def _refuse_by_vault_policy(call: BackupCall, backup: Backup, principal: str) -> None:
    """Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/create-a-vault-access-policy.html"""
    name = call.asked.get("BackupVaultName") or call.asked.get("SourceBackupVaultName")
    point = backup.points.at(call.arn) if call.name in _ON_POINT else None
    vault = point.vault if point else backup.vaults.find(call.where, name) if name and _exists(call) else None
    if vault and vault.policy:
        denial = vault_policy_denial(vault.policy, principal, f"backup:{call.name}", call.arn, call.region)
        if denial:
            raise BackupError("AccessDeniedException", denial)


def _exists(call: BackupCall) -> bool:
    return call.name in _ON_VAULT | _ON_POINT and call.name != "CreateBackupVault"


def _tags(backup: Backup, where: Where, asked: Asked) -> dict[str, Any]:
    tags = backup.tags_of(where, asked["ResourceArn"])
    entries = page(asked, "Tags", [{"Key": key, "Value": tags[key]} for key in sorted(tags)])
    return {**entries, "Tags": {one["Key"]: one["Value"] for one in entries["Tags"]}}


def _tag(backup: Backup, where: Where, asked: Asked) -> None:
    backup.tags_of(where, asked["ResourceArn"]).update(asked["Tags"])


def _untag(backup: Backup, where: Where, asked: Asked) -> None:
    tags = backup.tags_of(where, asked["ResourceArn"])
    for key in asked["TagKeyList"]:
        tags.pop(key, None)
