"""Restore jobs of AWS Backup: those that are there, a new one, and how one ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, EndpointConnectionError

from ..runtime.aws_errors import is_transient
from ..runtime.cluster_peering.cluster import SERVING
from ..runtime.health_monitor.metric_names import GONE_STATUSES
from ..runtime.parameter_registry import DEPLOYMENT_TAG
from .aws_session import Client
from .pair_backups import PairBackups, time_in_utc
from .pair_status import StatusError
from .restore_errors import RestoreError, answer, refuse
from .restore_plan import RestorePlan, role_arn

_RUNNING = {"PENDING", "RUNNING"}
_LOST = GONE_STATUSES | {"FAILED"}
_ORCHESTRATED = "usemultiregionorchestration"
"""AWS Backup's own answers have names of metadata in lower case."""
_PAUSES = (1, 2, 4, 8)
"""Seconds between the first checks of a job; then ten."""
_CLUSTER_CHECKS = 360
"""An hour, for clusters whose job is already complete."""
_UNANSWERED = 30
"""Checks one after the other that AWS does not answer, five minutes: then nobody can say what goes on there."""

Pause = Callable[[float], object]
Report = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """A restore job, where it runs."""

    region: str
    found: Mapping[str, Any]
    """As DescribeRestoreJob and ListRestoreJobs have it."""

    @property
    def id(self) -> str:
        return str(self.found["RestoreJobId"])

    @property
    def runs(self) -> bool:
        return self.found["Status"] in _RUNNING


def of_deployment(found: PairBackups, plan: RestorePlan, client: Client) -> Sequence[Job]:
    """Restore jobs from the vaults that answered, of which AWS Backup keeps those of the last weeks.

    Those of the chosen recovery points are among them, whosever these are.

    Raises:
        RestoreError: they cannot be listed.
    """
    jobs = []
    chosen = {one.arn for one in plan.points.values()}
    for region in found.points:
        arns = chosen | ({one.arn for one in found.own(region)} if found.owned else set())
        try:
            pages = list(client("backup", region).get_paginator("list_restore_jobs").paginate())
        except (BotoCoreError, ClientError) as error:
            raise RestoreError(
                f"Restore jobs in {region} could not be listed, so whether one is running is not known: {error}"
            ) from error
        jobs += [
            Job(region, one)
            for page in pages
            for one in page["RestoreJobs"]
            if one.get("RecoveryPointArn") in arns and not one.get("ParentJobId")
        ]
    return jobs


def refuse_another(plan: RestorePlan, found: PairBackups, jobs: Sequence[Job], client: Client) -> None:
    """So that whoever was interrupted goes on instead of making a third pair.

    Raises:
        RestoreError: a restore of this deployment is running, or the pair that it made is not used yet.
    """
    for job in jobs:
        made = job.found.get("CreatedResourceArn", "")
        if job.runs and _makes_a_pair(job, client) == bool(plan.witness):
            raise RestoreError(
                f"Restore job {job.id} of {found.deployment} is running in {job.region} since "
                f"{time_in_utc(job.found['CreationDate'])}. Go on with --region {job.region} --job {job.id}, or give "
                "--another to restore once more beside it."
            )
        if plan.witness and job.found["Status"] == "COMPLETED" and made and _unused(made, found, client):
            raise RestoreError(
                f"Restore job {job.id} has already made a pair of {found.deployment}, with cluster {made}. See it with "
                f"--region {job.region} --job {job.id}, or give --another to restore once more beside it."
            )


def _makes_a_pair(job: Job, client: Client) -> bool:
    try:
        answered = client("backup", job.region).get_restore_job_metadata(RestoreJobId=job.id)
    except (BotoCoreError, ClientError):
        return True  # the more expensive one to make once more
    return {name.lower(): value for name, value in answered["Metadata"].items()}.get(_ORCHESTRATED) == "true"


def _unused(arn: str, found: PairBackups, client: Client) -> bool:
    """Whether *arn* is one of a pair, is there, and was never adopted, which would have tagged it."""
    if found.is_present(arn):
        return False
    try:
        cluster = client("dsql", arn.split(":")[3]).get_cluster(identifier=arn.rpartition("/")[2])
    except (BotoCoreError, ClientError):
        return False
    adopted, is_one_of_a_pair = cluster.get("tags", {}).get(DEPLOYMENT_TAG), cluster.get("multiRegionProperties")
    return cluster["status"] not in _LOST and bool(is_one_of_a_pair) and not adopted


def start(plan: RestorePlan, jobs: Sequence[Job], client: Client) -> tuple[str, str]:
    """Region and id of the new job; of the one that there is already if this restore was begun and interrupted.

    Raises:
        RestoreError: AWS refuses it, or does not answer.
    """
    for region, point in plan.points.items():
        ended = [one.found for one in jobs if one.found["RecoveryPointArn"] == point.arn and not one.runs]
        last = max(ended, key=lambda one: one["CreationDate"], default={"RestoreJobId": ""})
        try:
            # A second attempt after one whose answer was lost could fail to connect, although there is a job.
            begun = client("backup", region, attempts=1).start_restore_job(**plan.request(region, last["RestoreJobId"]))
        except (EndpointConnectionError, ConnectTimeoutError):
            continue
        except (BotoCoreError, ClientError) as error:
            if isinstance(error, ClientError) and not is_transient(error):
                refuse(f"StartRestoreJob in {region} was refused", answer(error), plan.role)
            raise RestoreError(
                f"Whether a restore job was started in {region} is not known. Run the same command again: it finds the "
                f"job, or starts it. {error}"
            ) from error
        return region, str(begun["RestoreJobId"])
    raise RestoreError(f"AWS Backup cannot be reached in {' and '.join(plan.points)}: run the same command again.")


def find(job_id: str, regions: Iterator[str], vault: str, client: Client) -> Job:
    """The job *job_id*, in the first of *regions* that has it.

    Raises:
        RestoreError: none has it, or it restores from another vault than *vault*.
    """
    without: list[str] = []
    unread: dict[str, str] = {}
    try:
        for region in regions:
            try:
                job = Job(region, client("backup", region).describe_restore_job(RestoreJobId=job_id))
            except (BotoCoreError, ClientError) as error:
                if isinstance(error, ClientError) and error.response["Error"]["Code"] == "ResourceNotFoundException":
                    without.append(region)
                else:
                    unread[region] = str(error)
                continue
            arn = job.found.get("BackupVaultArn")
            if arn and arn.rpartition(":")[2] != vault:
                raise RestoreError(
                    f"Restore job {job_id} restores from vault {arn}, and not from {vault}: give the deployment's name "
                    "of that job, or --vault."
                )
            return job
    except StatusError as error:
        unread["the other Region"] = f"{error} Give --region the Region in which it was started."
    if unread:
        others = f", and {without[0]} has none of this id" if without else ""
        raise RestoreError(
            f"Restore job {job_id} in {' and '.join(unread)} could not be read{others}: {' '.join(unread.values())}"
        )
    raise RestoreError(
        f"There is no restore job {job_id} in {' and '.join(without)}: give --region the Region in which it was "
        "started."
    )


def follow(deployment: str, job: Job, client: Client, *, report: Report, pause: Pause) -> Mapping[str, str]:
    """Witness by ARN of the clusters that *job* makes, once they are ready: that of the original's Region first.

    Raises:
        RestoreError: the job has failed, or AWS does not answer any more.
    """
    backup = client("backup", job.region)
    checks = _Checks(pause)
    describe = partial(backup.describe_restore_job, RestoreJobId=job.id)
    while job.runs:
        percent = job.found.get("PercentDone")
        report(f"Restore job {job.id} is {job.found['Status']}{f', {percent}' if percent else ''}")
        job = Job(job.region, checks.ask(describe) or job.found)
    if job.found["Status"] != "COMPLETED":
        refuse(
            f"Restore job {job.id} in {job.region} is {job.found['Status']}",
            job.found.get("StatusMessage") or "none",
            job.found.get("IamRoleArn") or role_arn(deployment, job.found["RecoveryPointArn"]),
        )
    original = job.found.get("SourceResourceArn", job.found["RecoveryPointArn"]).split(":")[3]
    clusters = _ready(_made(job, backup), client, report=report, checks=checks)
    return dict(sorted(clusters.items(), key=lambda one: one[0].split(":")[3] != original))


def _made(job: Job, backup: Any) -> str:
    """A job that has jobs of its own can name no cluster itself."""
    if job.found.get("CreatedResourceArn"):
        return str(job.found["CreatedResourceArn"])
    for page in backup.get_paginator("list_restore_jobs").paginate(ByParentJobId=job.id):
        for one in page["RestoreJobs"]:
            if one.get("CreatedResourceArn"):
                return str(one["CreatedResourceArn"])
    raise RestoreError(
        f"Restore job {job.id} in {job.region} is COMPLETED and names no cluster: aws dsql list-clusters in the pair's "
        "Regions has the new ones."
    )


def _ready(arn: str, client: Client, *, report: Report, checks: _Checks) -> Mapping[str, str]:
    """Waits until *arn* is ready, and, if it has a witness, its peer, too, and each names the other."""
    seen: dict[str, Any] = {}
    for _ in range(_CLUSTER_CHECKS):
        seen |= _seen(arn, client)
        own = seen.get(arn, {}).get("multiRegionProperties", {})
        peers = [one for one in own.get("clusters", []) if one != arn]
        for peer in peers:
            seen |= _seen(peer, client)
        wanted = [arn, *peers]
        states = {one: seen[one]["status"] if one in seen else "not known" for one in wanted}
        if set(states.values()) & _LOST:
            raise RestoreError(f"A restored cluster is not usable: {_listed(states)}. Run dsql-dr restore again.")
        mutual = all(arn in seen.get(one, {}).get("multiRegionProperties", {}).get("clusters", []) for one in peers)
        if set(states.values()) <= SERVING and mutual and (peers or not own.get("witnessRegion")):
            return {one: seen[one].get("multiRegionProperties", {}).get("witnessRegion", "") for one in wanted}
        report(f"Restored clusters: {_listed(states)}")
        checks.wait()
    raise RestoreError(f"The restored clusters are not ready after an hour: {_listed(states)}. Ask AWS Support.")


def _seen(arn: str, client: Client) -> dict[str, Any]:
    """Nothing if its Region does not answer now: it is asked again."""
    try:
        return {arn: client("dsql", arn.split(":")[3]).get_cluster(identifier=arn.rpartition("/")[2])}
    except BotoCoreError:
        return {}
    except ClientError as error:
        if is_transient(error):
            return {}
        raise RestoreError(
            f"Cluster {arn} was restored, and could not be asked whether it is ready: {error}"
        ) from error


def _listed(states: Mapping[str, str]) -> str:
    return ", ".join(f"{arn.split(':')[3]} {arn.rpartition('/')[2]} {state}" for arn, state in states.items())


class _Checks:
    """One call after the other, apart by pauses that grow."""

    def __init__(self, pause: Pause) -> None:
        self._pause = pause
        self._count = 0
        self._unanswered = 0

    def wait(self) -> None:
        self._pause(_PAUSES[self._count] if self._count < len(_PAUSES) else 10)
        self._count += 1

    def ask(self, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """Its answer after a pause; ``None`` if there is none now, and the next one may have it."""
        self.wait()
        try:
            found = call()
        except ClientError as error:
            if not is_transient(error):
                raise RestoreError(f"The restore job goes on, and could not be read: {error}") from error
            self._note(error)
            return None
        except BotoCoreError as error:
            self._note(error)
            return None
        self._unanswered = 0
        return found

    def _note(self, error: Exception) -> None:
        self._unanswered += 1
        if self._unanswered >= _UNANSWERED:
            raise RestoreError(f"The restore job goes on, and AWS Backup does not answer any more: {error}") from error
