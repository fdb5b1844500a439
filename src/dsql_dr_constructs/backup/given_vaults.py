"""Vaults that a user gives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import aws_backup as backup

from ..asked_once import unresolved
from ..physical_names import VAULT_NAME
from ..regional_stack import refuse_elsewhere
from ..regions import partition_of


def vault_names(
    vaults: Mapping[str, backup.IBackupVault | str], account: str | None, regions: Sequence[str]
) -> dict[str, str]:
    """Names by Region.

    Raises:
        ValueError: *vaults* has not exactly *regions*, or one is no vault of its Region or of *account*, or in a stack
            of another account, or its name is not known when the app is synthesized.
    """
    made = {region: None if isinstance(one, str) else one for region, one in vaults.items()}
    refuse_elsewhere("vaults", "vault", made, account, regions)
    owners = {
        one.split(":")[4] for one in vaults.values() if isinstance(one, str) and re.fullmatch("arn(:[^:]*){5}:.*", one)
    }
    if len(owners) > 1:
        raise ValueError(f"vaults are of the accounts {' and '.join(sorted(owners))}: a pair is in one account.")
    return {
        region: _name_in(region, one, account) if isinstance(one, str) else _name_of(one)
        for region, one in vaults.items()
    }


def _name_in(region: str, given: str, account: str | None) -> str:
    if re.fullmatch(VAULT_NAME, given):
        return given
    match = re.fullmatch(
        rf"arn:{partition_of(region)}:backup:{region}:([0-9]{{12}}):backup-vault:({VAULT_NAME})", given
    )
    if not match or (account and not unresolved(account) and account != match[1]):
        raise ValueError(
            f"vaults has {given!r} for {region}: a vault of {account or 'this account'} and of this Region is needed; "
            "give its name, of 2 to 50 letters, digits, '-' and '_', or its ARN."
        )
    return match[2]


def _name_of(vault: backup.IBackupVault) -> str:
    """As another stack can write it, without a reference."""
    resource = vault.node.default_child
    name = resource.backup_vault_name if isinstance(resource, backup.CfnBackupVault) else vault.backup_vault_name
    if unresolved(name):
        raise ValueError(
            f"vaults has {vault.node.path!r}, whose name is not known before it is deployed: give its name or its ARN."
        )
    return name
