"""CloudFormation's handlers for ``AWS::Backup::BackupVault``, ``BackupPlan`` and ``BackupSelection``.

They ask AWS Backup past the access policies of vaults, since the role of a stack is unknown here.

Source: https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_Backup.html
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from .backup import Backup
from .backup_records import BackupError, Where

_NUMBERS = {
    *("MinRetentionDays", "MaxRetentionDays", "ChangeableForDays", "DeleteAfterDays", "MoveToColdStorageAfterDays"),
    *("StartWindowMinutes", "CompletionWindowMinutes"),
}

Done = tuple[str, dict[str, Any]]


class _Handler:
    """What the three have in common.

    Args:
        backup: The service.
        where: Gives the account and the Region of the stack at work.
    """

    def __init__(self, backup: Backup, where: Callable[[], tuple[str, str]]) -> None:
        self._backup = backup
        self._where = where

    def _ask(self, call: Callable[[Where, dict[str, Any]], Any], **asked: Any) -> Any:
        with self._backup.settled():
            try:
                return call(Where(*self._where()), {key: one for key, one in asked.items() if one is not None})
            except BackupError as error:
                raise RuntimeError(
                    f'Resource handler returned message: "{error.message} (Service: Backup, Status Code: 400)" '
                    f"(HandlerErrorCode: {error.code.removesuffix('Exception')})"
                ) from error

    def _exists(self, call: Callable[[Where, dict[str, Any]], Any], **asked: Any) -> bool:
        with self._backup.settled():
            try:
                call(Where(*self._where()), asked)
            except BackupError:
                return False
            return True


class VaultHandler(_Handler):
    """A change of the name or of the key replaces a vault."""

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Done:
        vaults, name = self._backup.vaults, properties.get("BackupVaultName") or _name(stack_name, logical_id)
        key, tags = properties.get("EncryptionKeyArn"), properties.get("BackupVaultTags")
        self._ask(vaults.create, BackupVaultName=name, EncryptionKeyArn=key, BackupVaultTags=tags)
        try:
            self._apply(name, {}, properties)
        except RuntimeError:
            self._ask(vaults.delete, BackupVaultName=name)
            raise
        return name, self._attributes(name)

    def update(self, name: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Done:
        if any(old.get(one) != new.get(one) for one in ("BackupVaultName", "EncryptionKeyArn")):
            return self.create("Vault", new, stack_name)
        self._apply(name, old, new)
        return name, self._attributes(name)

    def delete(self, name: str, properties: dict[str, Any]) -> None:
        if self._exists(self._backup.vaults.describe, BackupVaultName=name):
            self._ask(self._backup.vaults.delete, BackupVaultName=name)

    def _apply(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        vaults, policy = self._backup.vaults, new.get("AccessPolicy")
        if policy != old.get("AccessPolicy"):
            text = policy if isinstance(policy, str) else json.dumps(policy)
            put = vaults.put_policy if policy else vaults.delete_policy
            self._ask(put, BackupVaultName=name, Policy=text)
        lock = _numbers(new.get("LockConfiguration"))
        if lock != _numbers(old.get("LockConfiguration")):
            self._ask(vaults.put_lock if lock else vaults.delete_lock, BackupVaultName=name, **(lock or {}))
        if new.get("Notifications") != old.get("Notifications"):
            put = vaults.put_notifications if new.get("Notifications") else vaults.delete_notifications
            self._ask(put, BackupVaultName=name, **(new.get("Notifications") or {}))
        _set_tags(self._vault(name).tags, old.get("BackupVaultTags"), new.get("BackupVaultTags"))

    def _attributes(self, name: str) -> dict[str, Any]:
        return {"BackupVaultName": name, "BackupVaultArn": self._vault(name).arn}

    def _vault(self, name: str) -> Any:
        return self._backup.vaults.find(Where(*self._where()), name)


class PlanHandler(_Handler):
    """A plan is updated in place."""

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Done:
        tags = properties.get("BackupPlanTags")
        return _plan(self._ask(self._backup.plans.create, BackupPlan=_document(properties), BackupPlanTags=tags))

    def update(self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Done:
        plans = self._backup.plans
        _set_tags(
            plans.find(Where(*self._where()), identifier).tags, old.get("BackupPlanTags"), new.get("BackupPlanTags")
        )
        if _document(old) == _document(new):
            return _plan(self._ask(plans.get, BackupPlanId=identifier))
        return _plan(self._ask(plans.update, BackupPlanId=identifier, BackupPlan=_document(new)))

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        if self._exists(self._backup.plans.get, BackupPlanId=identifier):
            self._ask(self._backup.plans.delete, BackupPlanId=identifier)


class SelectionHandler(_Handler):
    """Every change replaces a selection."""

    def create(self, logical_id: str, properties: dict[str, Any], stack_name: str) -> Done:
        plan, selection = properties["BackupPlanId"], properties["BackupSelection"]
        made = self._ask(self._backup.plans.create_selection, BackupPlanId=plan, BackupSelection=selection)
        identifier = f"{made['SelectionId']}_{plan}"
        return identifier, {"Id": identifier, "SelectionId": made["SelectionId"], "BackupPlanId": plan}

    def update(self, identifier: str, old: dict[str, Any], new: dict[str, Any], stack_name: str) -> Done:
        if old != new:
            return self.create("Selection", new, stack_name)
        selection, plan = identifier.split("_")
        return identifier, {"Id": identifier, "SelectionId": selection, "BackupPlanId": plan}

    def delete(self, identifier: str, properties: dict[str, Any]) -> None:
        plans, asked = (
            self._backup.plans,
            dict(zip(("SelectionId", "BackupPlanId"), identifier.split("_"), strict=True)),
        )
        if self._exists(plans.get_selection, **asked):
            self._ask(plans.delete_selection, **asked)


def _plan(made: dict[str, Any]) -> Done:
    return made["BackupPlanId"], {key: made[key] for key in ("BackupPlanId", "BackupPlanArn", "VersionId")}


def _name(stack_name: str, logical_id: str) -> str:
    return f"{stack_name}-{logical_id}"[:37] + f"-{secrets.token_hex(6)}"


def _document(properties: dict[str, Any]) -> dict[str, Any]:
    """A plan as the API has it, which names two members otherwise than CloudFormation."""
    plan = _numbers(properties["BackupPlan"])
    rules = [{**rule, "TargetBackupVaultName": rule["TargetBackupVault"]} for rule in plan["BackupPlanRule"]]
    for rule in rules:
        del rule["TargetBackupVault"]
    return {"Rules": rules, **{key: value for key, value in plan.items() if key != "BackupPlanRule"}}


def _numbers(value: Any, name: str = "") -> Any:
    """*value* with numbers where a template may have them as texts."""
    if isinstance(value, dict):
        return {key: _numbers(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_numbers(one) for one in value]
    return int(value) if name in _NUMBERS else value


def _set_tags(tags: dict[str, str], old: dict[str, str] | None, new: dict[str, str] | None) -> None:
    for key in (old or {}).keys() - (new or {}).keys():
        tags.pop(key, None)
    tags.update(new or {})
