"""The backup vaults whose recovery points a monitor checks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from aws_cdk import Duration, Stack

from ..asked_once import seconds, unresolved
from ..clusters.cluster_interface import IRegionalCluster
from ..physical_names import VAULT_NAME

_MINUTES = 15
"""Between two checks: the age is one of hours."""


def vaults_environment(
    vaults: Mapping[str, str] | None, clusters: Sequence[IRegionalCluster], schedule: Duration, stack: Stack
) -> dict[str, str]:
    """For the function's environment; empty without *vaults*.

    Raises:
        ValueError: *vaults* are not those of the clusters' Regions, or one has no name that AWS Backup allows.
    """
    if vaults is None:
        return {}
    regions = sorted(one.cluster_region for one in clusters)
    if sorted(vaults) != regions:
        raise ValueError(
            f"backup_vaults has {', '.join(sorted(vaults)) or 'no Region'}: the name of one vault is needed for each "
            f"of {', '.join(regions)}, by the Region's name; or leave backup_vaults out."
        )
    for region, name in vaults.items():
        if not unresolved(name) and not re.fullmatch(VAULT_NAME, name):
            raise ValueError(
                f"backup_vaults has {name!r} for {region}: the name of a vault has 2 to 50 letters, digits, '-' and "
                "'_'; give the name, not an ARN."
            )
    every = max(1, _MINUTES * 60 // int(seconds(schedule)))
    return {"BACKUP_VAULTS": stack.to_json_string(dict(vaults)), "BACKUPS_EVERY": str(every)}
