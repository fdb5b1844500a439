"""The metadata of a restore of an Aurora DSQL cluster: what it asks for, and why it cannot be done.

Each value is a text, and a list is JSON in one. The guide's own example has the witness in ``regionalConfig``, where
the peer belongs; here that is refused.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .backup_records import invalid

CONTINENT_GROUPS: Mapping[str, frozenset[str]] = {
    "Americas": frozenset({"us-east-1", "us-east-2", "us-west-2", "ca-west-1", "ca-central-1"}),
    "Europe": frozenset({"eu-central-1", "eu-north-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3"}),
    "Asia-Pacific": frozenset({"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1"}),
}
"""As the guide has them."""

_KEYS = ("regionalConfig", "witnessRegion", "peerRegion", "useMultiRegionOrchestration", "aws:backup:request-id")
_CONFIG_KEYS = {"region", "isDeletionProtectionEnabled", "kmsKeyId"}


@dataclass(frozen=True)
class RestoredCluster:
    """A cluster that a restore makes; *key* is None with AWS's own."""

    region: str
    protected: bool = True
    key: str | None = None


@dataclass(frozen=True)
class RestoreRequest:
    """What a restore makes: one cluster, or a pair with its witness. The first cluster is in the Region of the call."""

    clusters: tuple[RestoredCluster, ...]
    witness: str | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, str], region: str) -> RestoreRequest:
        """What *metadata* asks for in a call to *region*. Names of keys are compared without regard to their case.

        Raises:
            BackupError: it is not what AWS Backup takes. Assumed: in these sentences, and at once.
        """
        known = {key.lower(): key for key in _KEYS}
        unknown = [key for key in metadata if key.lower() not in known]
        if unknown:
            raise invalid(f"Invalid restore metadata: {', '.join(unknown)} is unknown, {', '.join(_KEYS)} are allowed.")
        asked = {known[key.lower()]: value for key, value in metadata.items()}
        orchestrated = asked.get("useMultiRegionOrchestration", "false")
        if orchestrated not in ("true", "false"):
            raise invalid(f"useMultiRegionOrchestration is {orchestrated!r}: 'true' or 'false' is allowed.")
        witness, peer = asked.get("witnessRegion") or None, None
        if orchestrated == "true":
            peer = _peer(asked.get("peerRegion"))
            _refuse_topology(region, peer, witness)
        elif "peerRegion" in asked:
            raise invalid("peerRegion is given, so useMultiRegionOrchestration has to be 'true'.")
        elif witness == region:
            raise invalid(f"witnessRegion is {witness}, which is the Region of the restored cluster.")
        regions = (region, peer) if peer else (region,)
        configured = _regional_config(asked.get("regionalConfig"), regions)
        return cls(tuple(configured.get(one, RestoredCluster(one)) for one in regions), witness)


def _peer(text: str | None) -> str:
    peers = _json("peerRegion", text or "[]")
    if not isinstance(peers, list) or len(peers) != 1 or not isinstance(peers[0], str):
        raise invalid(f"peerRegion is {text!r}: a JSON list of one Region is required, such as '[\"us-west-2\"]'.")
    return peers[0]


def _refuse_topology(region: str, peer: str, witness: str | None) -> None:
    if not witness:
        raise invalid("witnessRegion is required for a multi-Region restore.")
    if peer == region:
        raise invalid(f"peerRegion is {peer}, which is the Region of the restore: another is required.")
    if witness in (region, peer):
        raise invalid(f"witnessRegion is {witness}, which is a Region of the restored clusters: a third is required.")
    group = next((one for one in CONTINENT_GROUPS.values() if region in one), frozenset())
    outside = [one for one in (peer, witness) if one not in group]
    if outside:
        raise invalid(
            f"{' and '.join(outside)} is outside the continent group of {region}: {', '.join(sorted(group))}."
        )


def _regional_config(text: str | None, regions: tuple[str, ...]) -> dict[str, RestoredCluster]:
    entries = _json("regionalConfig", text) if text is not None else []
    if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
        raise invalid(f"regionalConfig is {text!r}: a JSON list of objects is required, one for each Region.")
    found: dict[str, RestoredCluster] = {}
    for entry in entries:
        unknown = sorted(entry.keys() - _CONFIG_KEYS)
        if unknown:
            raise invalid(f"regionalConfig has {', '.join(unknown)}: {', '.join(sorted(_CONFIG_KEYS))} are allowed.")
        region, protected = entry.get("region", regions[0]), entry.get("isDeletionProtectionEnabled", True)
        if region not in regions:
            raise invalid(
                f"regionalConfig names {region}, where no cluster is restored: {', '.join(regions)} is allowed."
            )
        if region in found:
            raise invalid(f"regionalConfig names {region} more than once.")
        if not isinstance(protected, bool):
            raise invalid(f"isDeletionProtectionEnabled is {protected!r}: true or false is allowed.")
        found[region] = RestoredCluster(region, protected, entry.get("kmsKeyId") or None)
    return found


def _json(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise invalid(f"{name} is {text!r}, which is no JSON.") from None
