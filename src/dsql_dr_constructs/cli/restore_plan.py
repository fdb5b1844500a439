"""What a restore makes, and from what: chosen before anything is started."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..physical_names import restore_role_name
from ..runtime.recovery_points import RecoveryPoint, newest, with_arn
from .backups import duration, size
from .pair_backups import PairBackups, time_in_utc
from .restore_errors import RestoreError

AWS_OWNED_KEY = "AWS_OWNED_KMS_KEY"
"""What the API calls the key that a cluster has without a customer managed one."""

_NEAR = timedelta(hours=2)
"""So long a backup can run, with room: AWS does not document at which moment of it the data is read."""


@dataclass(frozen=True)
class Choice:
    """What the user asks for."""

    at: datetime | None = None
    recovery_point: str | None = None
    witness: str | None = None
    keys: Mapping[str, str] | None = None
    """By Region; `AWS_OWNED_KEY` for none of one's own."""
    single_region: str | None = None


@dataclass(frozen=True, kw_only=True)
class RestorePlan:
    """New clusters, from one recovery point."""

    deployment: str
    points: Mapping[str, RecoveryPoint]
    """The recovery point in each Region that gets a cluster. The first Region is that of the original."""
    witness: str | None
    """``None``: a cluster of its own, without a peer."""
    keys: Mapping[str, str]
    at: datetime | None

    @property
    def point(self) -> RecoveryPoint:
        return next(iter(self.points.values()))

    @property
    def role(self) -> str:
        return role_arn(self.deployment, self.point.resource_arn)

    def request(self, region: str, earlier: str) -> dict[str, Any]:
        """Of StartRestoreJob in *region*, one of the plan's.

        The token is the same until that restore has ended: whoever is interrupted while it is sent can send it again,
        and gets the same job.

        Args:
            region: Where it is started.
            earlier: Id of the newest restore job of this recovery point that has ended; empty without one.

        Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html, whose example has the
            witness in *regionalConfig* where the peer belongs.
        """
        regions = [region, *(one for one in self.points if one != region)]
        metadata = {"regionalConfig": json.dumps([self._regional(one) for one in regions])}
        if self.witness:
            metadata |= {
                "useMultiRegionOrchestration": "true",
                "witnessRegion": self.witness,
                "peerRegion": json.dumps(regions[1:]),
            }
        request = {"RecoveryPointArn": self.points[region].arn, "IamRoleArn": self.role, "Metadata": metadata}
        token = hashlib.sha256(json.dumps([request, earlier], sort_keys=True).encode()).digest()
        return {**request, "IdempotencyToken": str(uuid.UUID(bytes=token[:16]))}

    def _regional(self, region: str) -> dict[str, Any]:
        own = {} if self.keys[region] == AWS_OWNED_KEY else {"kmsKeyId": self.keys[region]}
        return {"region": region, "isDeletionProtectionEnabled": True, **own}

    def lines(self, found: PairBackups) -> Iterator[str]:
        """What is shown before anything is started."""
        created = time_in_utc(self.point.created)
        yield (
            f"From the recovery point of {created}, {duration(found.now - self.point.created)} old, "
            f"{size(self.point.size)}, of cluster {self.point.resource_arn.rpartition('/')[2]}:"
        )
        yield from (f"  {region}  {one.arn}" for region, one in self.points.items())
        yield (
            "a new pair is made:" if self.witness else "a new cluster without a peer is made, which can never get one:"
        )
        for region in self.points:
            key = self.keys[region]
            yield f"  {region}  deletion protection on, key {key if key != AWS_OWNED_KEY else 'owned by AWS'}"
        if self.witness:
            yield f"  witness {self.witness}"
        yield f"What was written after {created} is not in it."
        if self.at and self.at - self.point.created < _NEAR:
            yield (
                f"The backup began {duration(self.at - self.point.created)} before {time_in_utc(self.at)}: AWS "
                "does not document at which moment of a backup the data is read. If the mistake is in it, restore "
                "the one before."
            )
        present = ", ".join(one.arn for one in found.clusters.values())
        yield f"The present pair is not touched{f': {present}' if present else ''}."
        kind, limit = ("multi-Region", 5) if self.witness else ("single-Region", 20)
        yield (
            f"It needs one more {kind} cluster of the quota in {' and '.join(self.points)} (by default {limit} in an "
            "account and Region), and AWS charges its storage beside that of the present pair."
        )


def role_arn(deployment: str, resource_arn: str) -> str:
    """ARN of the role with which AWS Backup restores, in the account of *resource_arn*."""
    _, partition, _, _, account, _ = resource_arn.split(":", 5)
    return f"arn:{partition}:iam::{account}:role/{restore_role_name(deployment)}"


def choose(found: PairBackups, choice: Choice) -> RestorePlan:
    """What *choice* means with the recovery points that are there.

    Raises:
        RestoreError: there is no such recovery point, or the witness or a key is not known.
    """
    if not (found.owned or choice.recovery_point):
        raise RestoreError(
            f"Which recovery points in vault {found.vault} are of {found.deployment} is not known: give one that "
            f"dsql-dr backups --json lists by --recovery-point. {' '.join(found.problems)}"
        )
    points = _one_point(found, choice) if choice.single_region else _both_points(found, choice)
    elsewhere = sorted(set(choice.keys or {}) - set(points))
    if elsewhere:
        raise RestoreError(
            f"--key names {' and '.join(elsewhere)}, and clusters are restored in {' and '.join(points)}: give keys of "
            "these Regions only."
        )
    return RestorePlan(
        deployment=found.deployment,
        points=points,
        witness=None if choice.single_region else _witness(found, choice.witness),
        keys={region: _key(found, region, choice.keys or {}) for region in points},
        at=choice.at,
    )


def _both_points(found: PairBackups, choice: Choice) -> dict[str, RecoveryPoint]:
    first, second = found.regions
    if not found.complete:
        raise RestoreError(
            f"{' '.join(found.problems)} Whether both Regions hold the same recovery point is not known, so no pair "
            "can be restored. --single-region restores one cluster in the Region whose vault answers."
        )
    if not (found.pairs or choice.recovery_point):
        raise RestoreError(
            f"No recovery point of {found.deployment} and its identical copy are in the vaults {found.vault} of "
            f"{first} and {second}, so no pair can be restored. dsql-dr backups has the reasons, and --single-region "
            "restores one cluster from a recovery point that only one Region holds."
        )
    if choice.recovery_point:
        chosen = with_arn(found.points[first], found.points[second], choice.recovery_point)
        if not chosen:
            raise RestoreError(
                f"{choice.recovery_point} is not a recovery point that both Regions hold: take one from dsql-dr "
                "backups --json."
            )
    else:
        chosen = newest(found.pairs, at=choice.at)
        if not chosen:
            raise RestoreError(
                f"No recovery point that both Regions hold was created before {_given(choice.at)}; the oldest one is "
                f"of {time_in_utc(found.pairs[-1].created)}."
            )
    points = {one.region: one for one in (chosen.first, chosen.second)}
    original = chosen.resource_arn.split(":")[3]
    return dict(sorted(points.items(), key=lambda one: one[0] != original))


def _one_point(found: PairBackups, choice: Choice) -> dict[str, RecoveryPoint]:
    region = str(choice.single_region)
    if region not in found.regions:
        raise RestoreError(
            f"--single-region is {region}, and the pair's Regions are {' and '.join(found.regions)}: give one of them."
        )
    if region not in found.points:
        raise RestoreError(
            f"{' '.join(found.problems)} The vault in {region} does not answer: give --single-region the other Region."
        )
    points = [one for one in found.own(region) if one.usable]
    if choice.recovery_point:
        points = [one for one in found.points[region] if one.usable and one.arn == choice.recovery_point]
    elif choice.at:
        points = [one for one in points if one.created <= choice.at]
    if not points:
        wanted = choice.recovery_point or (f"created before {_given(choice.at)}" if choice.at else "that is complete")
        raise RestoreError(f"The vault {found.vault} in {region} has no recovery point {wanted}: see dsql-dr backups.")
    return {region: max(points, key=lambda one: (one.created, one.arn))}


def _given(at: datetime | None) -> str:
    return time_in_utc(at) if at else ""


def _witness(found: PairBackups, given: str | None) -> str:
    known = {one.witness_region for one in found.clusters.values() if one.witness_region}
    if given in found.regions:
        raise RestoreError(f"--witness is {given}, a Region of the pair: give a third Region of the same continent.")
    if given:
        return given
    if len(known) > 1:
        raise RestoreError(
            f"The clusters of {found.deployment} name different witnesses, {' and '.join(sorted(known))}: give "
            "--witness the one of the new pair."
        )
    if not known:
        raise RestoreError(
            f"The witness of {found.deployment} is not known, since none of its clusters says it: give --witness. "
            f"{' '.join(found.problems)}"
        )
    return known.pop()


def _key(found: PairBackups, region: str, given: Mapping[str, str]) -> str:
    if region in given:
        return given[region]
    if region not in found.clusters:
        raise RestoreError(
            f"The key of the cluster in {region} is not known, since it could not be asked: give --key {region}=ARN, "
            f"or --key {region}={AWS_OWNED_KEY} for a key that AWS owns. {' '.join(found.problems)}"
        )
    return found.clusters[region].key or AWS_OWNED_KEY
