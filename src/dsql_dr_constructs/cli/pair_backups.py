"""Recovery points of a pair: those that both Regions hold, and what is missing where, and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..physical_names import backup_vault_name
from ..runtime.answer_time import time_of_answer
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from ..runtime.recovery_points import (
    HeldByBoth,
    MissingCopy,
    RecoveryPoint,
    held_by_both,
    missing_copies,
)
from .aws_session import Client
from .pair_status import StatusError, cluster_arns

_FAILED_JOB = {"FAILED", "ABORTED", "EXPIRED", "PARTIAL"}
_LIST = "ListRecoveryPointsByBackupVault"
_NO_VAULT = {"ResourceNotFoundException", "AccessDeniedException"}
"""AWS Backup gives the second one for a vault that does not exist, too."""
_CUSTOMER_KEY = "CUSTOMER_MANAGED_KMS_KEY"


class BackupsError(Exception):
    """Nothing can be asked; the text says why, and what to do."""


@dataclass(frozen=True)
class Cluster:
    """A cluster of the pair that is there now."""

    arn: str
    witness_region: str
    peers: Sequence[str]
    key: str | None
    """ARN of its customer managed key; without one it has AWS's."""

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


@dataclass(frozen=True)
class PairBackups:
    """Recovery points and clusters of a pair, as far as its two Regions answered."""

    deployment: str
    vault: str
    regions: tuple[str, str]
    points: dict[str, Sequence[RecoveryPoint]] = field(default_factory=dict)
    """By Region, of each that answered."""
    clusters: dict[str, Cluster] = field(default_factory=dict)
    """By Region, of each that answered."""
    owners: dict[str, str] = field(default_factory=dict)
    """By cluster, in words: whose it is, of those that were asked and are not the present pair's."""
    times: list[datetime] = field(default_factory=list)
    """AWS's own, of its answers."""
    problems: list[str] = field(default_factory=list)
    """Sentences: calls that failed, vaults that are missing, clusters of another deployment."""

    @property
    def now(self) -> datetime:
        return max(self.times)

    @property
    def complete(self) -> bool:
        """Whether the vaults of both Regions answered."""
        return len(self.points) == len(self.regions)

    @property
    def pairs(self) -> Sequence[HeldByBoth]:
        """What a pair can be restored from, the newest first."""
        first, second = self.regions
        return held_by_both(self.own(first), self.own(second)) if self.complete else []

    @property
    def missing(self) -> Sequence[MissingCopy]:
        first, second = self.regions
        return missing_copies(self.own(first), self.own(second), regions=self.regions) if self.complete else []

    @property
    def owned(self) -> bool:
        """Whether it is known which recovery points are this deployment's."""
        return bool(self.clusters) or self.vault == backup_vault_name(self.deployment)

    def own(self, region: str) -> Sequence[RecoveryPoint]:
        """Recovery points of this deployment, as far as that is known, or else all.

        A vault of another name can hold those of other pairs, too.
        """
        if not self.owned or self.vault == backup_vault_name(self.deployment):
            return self.points[region]
        return [one for one in self.points[region] if self.is_present(one.resource_arn)]

    def is_present(self, cluster_arn: str) -> bool:
        """Whether *cluster_arn* is a cluster of the pair that is there now, and not a former one."""
        return any(cluster_arn in (one.arn, *one.peers) for one in self.clusters.values())

    def whose(self, cluster_arn: str) -> str:
        """In words, of which pair *cluster_arn* is."""
        if self.is_present(cluster_arn):
            return "of the present pair"
        return self.owners.get(cluster_arn, "not of the present pair")


def ask(
    deployment: str, region: str, client: Client, *, peer_region: str | None = None, vault: str | None = None
) -> PairBackups:
    """The recovery points of *deployment*, found by its SSM parameters in *region*.

    Args:
        deployment: Its name.
        region: One of its Regions.
        client: How AWS is asked.
        peer_region: Its other Region, where it has no SSM parameters any more. Default: as the SSM parameters say.
        vault: Name of the vault in both Regions. Default: the deployment's own.

    Raises:
        BackupsError: *region* has no SSM parameters of it, they cannot be read or name clusters of two accounts, or
            *peer_region* is *region*.
    """
    try:
        arns = [] if peer_region else cluster_arns(deployment, region, client)
    except StatusError as error:
        raise BackupsError(
            f"{error} Where they are gone or do not answer, give --region and --peer-region, the pair's two Regions."
        ) from error
    if len({one.split(":")[4] for one in arns}) > 1:
        raise BackupsError(
            f"The SSM parameters of {deployment} in {region} name clusters of two accounts: one was changed. Repair "
            "the pair, which writes the right values."
        )
    if peer_region == region:
        raise BackupsError(f"--peer-region is {region}, the first Region, too: give the pair's other one.")
    first, second = [one.split(":")[3] for one in arns] if arns else (region, str(peer_region))
    found = PairBackups(deployment, vault or backup_vault_name(deployment), (first, second))
    for one in found.regions:
        with _noted(found, one):
            found.points[one] = list(_points(found, one, client("backup", one)))
    if peer_region:
        _find_clusters(found, client)
    for arn in arns:
        _add_cluster(found, arn, client)
    return found


def present_witnesses(deployment: str, region: str, client: Client) -> set[str]:
    """Witnesses that the clusters of *deployment* name, as far as its SSM parameters and they answer."""
    found = PairBackups(deployment, "", (region, region))
    try:
        for arn in cluster_arns(deployment, region, client):
            _add_cluster(found, arn, client)
    except StatusError:
        return set()
    return {one.witness_region for one in found.clusters.values()}


@contextmanager
def _noted(found: PairBackups, region: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_VAULT and error.operation_name == _LIST:
            found.problems.append(
                f"There is no vault {found.vault} in {region}, or it may not be listed: deploy {found.deployment} with "
                f"backup=BackupOptions(), or give --vault where it has another name. AWS answers: {error}"
            )
        else:
            found.problems.append(f"{region}: {error}")
    except BotoCoreError as error:
        found.problems.append(f"{region} does not answer: {error}")


def _points(found: PairBackups, region: str, backup: Any) -> Iterator[RecoveryPoint]:
    pages = backup.get_paginator("list_recovery_points_by_backup_vault").paginate(BackupVaultName=found.vault)
    for page in pages:
        found.times.append(time_of_answer(page))
        for one in page["RecoveryPoints"]:
            if one.get("ResourceArn", "").split(":")[2:3] == ["dsql"]:
                yield RecoveryPoint.from_entry(one, region=region)


def _find_clusters(found: PairBackups, client: Client) -> None:
    """The present pair's without SSM parameters: by the newest recovery points whose cluster has its tag."""
    points = sorted((one for each in found.points.values() for one in each), key=lambda one: one.created, reverse=True)
    waiting = deque(one.resource_arn for one in points if one.resource_arn.split(":")[3] in found.regions)
    asked = set()
    while waiting:
        arn = waiting.popleft()
        if arn not in asked:
            asked.add(arn)
            _add_cluster(found, arn, client, by_parameters=False)
            waiting.extendleft(peer for one in found.clusters.values() for peer in one.peers)
    if asked and not found.clusters:
        found.problems.append(
            f"None of the clusters that the recovery points name is there with the tag {DEPLOYMENT_TAG} = "
            f"{found.deployment}, so witness and keys of the present pair are not known."
        )


def _add_cluster(found: PairBackups, arn: str, client: Client, *, by_parameters: bool = True) -> None:
    region = arn.split(":")[3]
    try:
        answer = client("dsql", region).get_cluster(identifier=arn.rpartition("/")[2])
    except (BotoCoreError, ClientError) as error:
        gone = isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException"
        found.owners[arn] = "no longer there" if gone else "of a pair that is not known"
        if by_parameters or not gone:
            found.problems.append(f"Cluster {arn} could not be asked for its witness and its key: {error}")
        return
    owner = answer.get("tags", {}).get(DEPLOYMENT_TAG, "")
    if owner != found.deployment:
        found.owners[arn] = f"of {owner}" if owner else f"without the tag {DEPLOYMENT_TAG}"
        if by_parameters:
            found.problems.append(
                f"The tag {DEPLOYMENT_TAG} of cluster {arn} is {owner!r}, so it does not belong to {found.deployment}, "
                "although the SSM parameters name it: its witness and its key are not used."
            )
        return
    together = answer.get("multiRegionProperties", {})
    encryption = answer.get("encryptionDetails", {})
    key = encryption.get("kmsKeyArn") if encryption.get("encryptionType") == _CUSTOMER_KEY else None
    peers = [peer for peer in together.get("clusters", []) if peer != arn]
    # A former pair's clusters can be there with the tag, too: those of the newest recovery points come first.
    found.clusters.setdefault(region, Cluster(arn, together.get("witnessRegion", ""), peers, key))


def reasons(found: PairBackups, client: Client) -> Mapping[str, str]:
    """Why each missing copy is missing, by the ARN of the recovery point that has none."""
    said: dict[str, str] = {}
    copies: dict[str, Sequence[Mapping[str, Any]]] = {}
    for one in found.missing:
        point = one.point
        if one.unusable_copy:
            because = one.unusable_copy.status_message
            said[point.arn] = f"the copy there is {one.unusable_copy.status}{f': {because}' if because else ''}"
            continue
        if point.region not in copies:
            with _noted(found, point.region):
                copies[point.region] = list(_copy_jobs(point, one.missing_in, found.vault, client))
        if point.region in copies:
            said[point.arn] = _reason(
                [job for job in copies[point.region] if job["SourceRecoveryPointArn"] == point.arn]
            )
        else:
            said[point.arn] = "not known, since copy jobs could not be listed"
    return said


def _copy_jobs(point: RecoveryPoint, region: str, vault: str, client: Client) -> Iterator[Mapping[str, Any]]:
    _, partition, _, _, account, _ = point.resource_arn.split(":", 5)
    to = f"arn:{partition}:backup:{region}:{account}:backup-vault:{vault}"
    jobs = client("backup", point.region).get_paginator("list_copy_jobs").paginate(ByDestinationVaultArn=to)
    return (job for page in jobs for job in page["CopyJobs"])


def _reason(jobs: Sequence[Mapping[str, Any]]) -> str:
    if not jobs:
        return "no copy job is known, or the copy was deleted or has expired"
    last = max(jobs, key=lambda job: job["CreationDate"])
    because = last.get("StatusMessage")
    return f"copy job {last['CopyJobId']} is {last['State']}{f': {because}' if because else ''}"


def failed_backups(found: PairBackups, client: Client) -> Sequence[str]:
    """Sentences: the newest backup job of each vault, if it made no recovery point."""
    said = []
    for region in found.points:
        with _noted(found, region):
            pages = client("backup", region).get_paginator("list_backup_jobs").paginate(ByBackupVaultName=found.vault)
            jobs = [job for page in pages for job in page["BackupJobs"]]
            last = max(jobs, key=lambda job: job["CreationDate"], default=None)
            if last and last["State"] in _FAILED_JOB:
                said.append(
                    f"The newest backup job in {region}, {last['BackupJobId']} of {time_in_utc(last['CreationDate'])}, "
                    f"is {last['State']}: {last.get('StatusMessage') or 'AWS Backup gives no reason'}"
                )
    return said


def time_in_utc(time: datetime) -> str:
    """To the second, as every time of these commands is printed, and as ``--at`` reads it."""
    return f"{time.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
