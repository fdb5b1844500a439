"""How old the newest recovery point is that the vaults of both Regions hold, and why it is not newer.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListRecoveryPointsByBackupVault.html
Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_DescribeBackupVault.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from ..answer_time import time_of_answer
from ..recovery_points import (
    HeldByBoth,
    MissingCopy,
    RecoveryPoint,
    held_by_both,
    missing_copies,
    newest,
)
from .asking import Ask, Denied, Finding, NotFound
from .failed_jobs import LONGEST_MESSAGE, LOOKED_BACK, failed_jobs, pages
from .notifications import UNCHECKED_SECONDS
from .observation import ControlPlane
from .retries import MonitorError, NotAllowedYet, Tries, Unreachable
from .settings import STALE_HOURS


@dataclass(frozen=True, kw_only=True)
class BackupFinding:
    """As in docs/monitor-answer.schema.json.

    Args:
        healthy: None if it could not be asked.
        age_hours: Age of the newest recovery point that both vaults hold; where there is none, time since the last of
            clusters and vaults was created, and of the SSM parameters that name the clusters written. None: not known.
        newest: When that recovery point was created. None: there is none.
        problems: A sentence for everything that is not as it should be.
        unanswered: A sentence for everything that could not be asked.
    """

    healthy: bool | None = None
    age_hours: float | None = None
    newest: str | None = None
    problems: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the vaults hold by AWS Backup's answers.

    Args:
        now: AWS's own time.
        pair: Newest recovery point that both hold. None: there is none.
        vaults_created: When those vaults were created that are there; asked only without *pair*.
        no_vault: A sentence for each vault that is not there, or that nobody may describe.
        reasons: Sentences that explain why there is no newer one.
        unanswered: A sentence for everything that could not be asked.
        refused: The refusal to say why there is no newer one.
    """

    now: datetime
    pair: HeldByBoth | None
    vaults_created: tuple[datetime, ...]
    no_vault: tuple[str, ...]
    reasons: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    refused: MonitorError | None = None


@dataclass(frozen=True, kw_only=True)
class _Vault:
    """One vault by AWS Backup's answers; *created* is None until it is asked, and where there is no such vault."""

    region: str
    name: str
    now: datetime
    points: Sequence[RecoveryPoint] = ()
    refused: MonitorError | NotAllowedYet | None = None
    """The refusal to list its recovery points."""
    created: datetime | None = None


class RecoveryPointCheck:
    """Kept by the process from run to run, since not every run checks.

    Args:
        clusters: ARNs of both clusters: recovery points of others do not count.
        vaults: Name of the vault by Region.
        every: How many runs there are for each check.
        client: Gives the client of a service in a Region.
        now: Seconds since 1970.
        stale_hours: Age from which the newest recovery point is a problem.
    """

    def __init__(
        self,
        clusters: Collection[str],
        vaults: Mapping[str, str],
        every: int,
        *,
        client: Callable[[str, str], Any],
        now: Callable[[], float],
        stale_hours: float = STALE_HOURS,
    ) -> None:
        self._clusters = {arn.split(":")[3]: arn for arn in clusters}
        self._vaults = vaults
        self._every = every
        self._clients = {region: client("backup", region) for region in vaults}
        self._now = now
        self._stale_hours = stale_hours
        self._runs_to_skip = 0
        self._checks_without_vault = 0
        self._unchecked_since: float | None = None

    def due(self, *, on_demand: bool) -> bool:
        """Whether this run checks: after enough runs, after a check without an answer, and for a person."""
        self._runs_to_skip -= 1
        return on_demand or self._runs_to_skip < 0

    def read(self, ask: Ask, tries: Tries) -> Held | str:
        """What both vaults hold; the reason why a Region does not answer, since then nobody can know.

        Raises:
            MonitorError: a call is refused, and was so for as long as a new permission takes.
        """
        region = ""
        vaults: list[_Vault] = []
        try:
            for region, name in self._vaults.items():
                vaults.append(self._listed(region, name, ask, tries))
            pair = newest(held_by_both(*(one.points for one in vaults)))
            for at, vault in enumerate(vaults):
                region = vault.region
                vaults[at] = vault if pair else self._described(vault, ask, tries)
        except NotAllowedYet as reason:
            raise MonitorError(f"The check of recovery points in {region} was refused: {reason}") from reason
        except Unreachable as reason:
            return f"{region}: {reason}"
        first, second = (one.points for one in vaults)
        held = Held(
            now=max(one.now for one in vaults),
            pair=pair,
            vaults_created=tuple(one.created for one in vaults if one.created),
            no_vault=tuple(
                f"backup vault {one.name} does not exist in {one.region}, or the monitor may not describe it"
                for one in vaults
                if not pair and not one.created
            ),
        )
        since = pair.created if pair else max(held.vaults_created, default=held.now)
        if held.no_vault or _hours(held.now - since) < self._stale_hours:
            return held
        regions = vaults[0].region, vaults[1].region
        missing = [one for one in missing_copies(first, second, regions=regions) if one.point.created > since]
        return self._explained(held, missing, ask, tries)

    def conclude(
        self,
        found: Held | str,
        control_planes: Mapping[str, ControlPlane],
        named: Collection[datetime] | Finding = (),
    ) -> BackupFinding:
        """*found*, and where no recovery point is held by both, with since when the pair is what it is.

        Args:
            found: What both vaults hold, as `read` gave it.
            control_planes: GetCluster's answers.
            named: When the SSM parameters that name the clusters were written, which is later than all else after an
                adoption. A finding: not known.
        """
        if isinstance(found, str):
            return BackupFinding(unanswered=(found,))
        self._runs_to_skip = self._every - 1
        self._checks_without_vault = self._checks_without_vault + 1 if found.no_vault else 0
        since, unanswered = None, found.unanswered
        if found.pair:
            since = found.pair.created
        elif isinstance(named, Finding):
            unanswered += named.unanswered
        elif self._checks_without_vault != 1:  # one refusal says little, and the age of the clusters would warn at once
            clusters_created = [one.created for one in control_planes.values() if one.created]
            since = max([*found.vaults_created, *clusters_created, *named], default=None)
        age = None if since is None else max(0.0, round(_hours(found.now - since), 2))
        problems = found.no_vault
        if age is not None and age >= self._stale_hours:
            problems += (_stale(found.pair, age), *found.reasons)
        return BackupFinding(
            healthy=None if age is None and not problems else not problems,
            age_hours=age,
            newest=found.pair.created.isoformat() if found.pair else None,
            problems=problems,
            unanswered=unanswered,
        )

    def refuse_to_stay_unchecked(self, found: Held | str, control_planes: Mapping[str, ControlPlane]) -> None:
        """
        Raises:
            MonitorError: a Region did not answer for `UNCHECKED_SECONDS`, and neither is down, or a call was refused.
        """
        answer = len(control_planes) == len(self._clusters) and all(one.status for one in control_planes.values())
        if not isinstance(found, str) or not answer:
            self._unchecked_since = None
            if not isinstance(found, str) and found.refused:
                raise found.refused
            return
        if self._unchecked_since is None:
            self._unchecked_since = self._now()
        if self._now() - self._unchecked_since >= UNCHECKED_SECONDS:
            raise MonitorError(
                f"Recovery points could not be checked for {UNCHECKED_SECONDS / 60:g} minutes, while both Regions "
                f"answer other calls: {found}"
            )

    def _listed(self, region: str, name: str, ask: Ask, tries: Tries) -> _Vault:
        """By cluster, since a vault of an organization has those of all else; a copy has its original's cluster."""
        client, what = self._clients[region], f"ListRecoveryPointsByBackupVault in {region}"
        given = [{"BackupVaultName": name, "ByResourceArn": arn} for arn in self._clusters.values()]
        try:
            calls = (partial(client.list_recovery_points_by_backup_vault, **one) for one in given)
            # all, since no document says which time of a copy ByCreatedAfter is compared with
            answers = [answer for call in calls for answer in pages(what, call, ask, tries)]
        except (NotFound, Denied, NotAllowedYet) as reason:
            answered = getattr(reason.__cause__, "response", {})
            return _Vault(region=region, name=name, now=time_of_answer(answered), refused=reason)
        entries = [entry for one in answers for entry in one.get("RecoveryPoints") or ()]
        points = [RecoveryPoint.from_entry(one, region=region) for one in entries]
        return _Vault(region=region, name=name, now=time_of_answer(answers[-1]), points=points)

    def _described(self, vault: _Vault, ask: Ask, tries: Tries) -> _Vault:
        """AWS refuses to describe a vault that does not exist: a refusal is no proof of a missing permission.

        Source: https://github.com/aws/aws-sdk-js/issues/2625
        """
        client, what = self._clients[vault.region], f"DescribeBackupVault in {vault.region}"
        try:
            answer = tries.of(lambda: ask(what, lambda: client.describe_backup_vault(BackupVaultName=vault.name)))
        except (NotFound, Denied, NotAllowedYet):
            return vault
        if vault.refused:
            raise vault.refused
        return replace(vault, created=answer["CreationDate"])

    def _explained(self, held: Held, missing: Sequence[MissingCopy], ask: Ask, tries: Tries) -> Held:
        """With the newest recovery point that one vault lacks, and the newest job that failed."""
        reasons = tuple(_missing(one) for one in missing[:1])
        try:
            asked = (
                failed_jobs(client, self._clusters[region], self._vaults, held.now, ask, tries)
                for region, client in self._clients.items()
            )
            jobs = [job for each in asked for job in each]
        except NotAllowedYet as reason:
            refused = MonitorError(f"The check of backup and copy jobs was refused: {reason}")
            return replace(held, reasons=reasons, refused=refused)
        except Unreachable as reason:
            return replace(held, reasons=reasons, unanswered=(f"backup and copy jobs: {reason}",))
        except MonitorError as refused:
            return replace(held, reasons=reasons, refused=refused)
        none = f"AWS Backup lists no failed backup or copy job of the last {LOOKED_BACK.days} days"
        _, last = max(jobs, key=lambda job: job[0], default=(None, none))
        return replace(held, reasons=(*reasons, last))


def _stale(pair: HeldByBoth | None, age: float) -> str:
    if pair:
        return (
            f"the newest recovery point that the vaults of both Regions hold is of {pair.created:%Y-%m-%d %H:%M} UTC, "
            f"{age:.1f} hours ago"
        )
    since = f"{age:.1f} hours after the last of clusters, vaults and SSM parameters was created or changed"
    return f"the vaults of both Regions hold no recovery point of the pair, {since}"


def _missing(one: MissingCopy) -> str:
    copy = one.unusable_copy
    why = f"no copy in {one.missing_in}"
    if copy:
        message = f" ({copy.status_message[:LONGEST_MESSAGE]})" if copy.status_message else ""
        why = f"a copy in {one.missing_in} that is {copy.status}{message}"
    return f"the recovery point of {one.point.created:%Y-%m-%d %H:%M} UTC in {one.point.region} has {why}"


def _hours(time: timedelta) -> float:
    return time.total_seconds() / 3600
