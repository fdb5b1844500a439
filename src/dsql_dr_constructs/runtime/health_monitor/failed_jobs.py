"""The backup and copy jobs of a cluster that failed, which say why there is no newer recovery point.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListBackupJobs.html
Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/API_ListCopyJobs.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from .asking import Ask
from .retries import Tries

LOOKED_BACK: Final = timedelta(days=3)
"""Jobs that are older do not count."""

LONGEST_MESSAGE: Final = 300
"""Characters of a message of AWS Backup that are repeated."""

_FAILED = frozenset({"FAILED", "EXPIRED", "ABORTED", "PARTIAL"})


def failed_jobs(
    client: Any, cluster_arn: str, vaults: Mapping[str, str], now: datetime, ask: Ask, tries: Tries
) -> Iterator[tuple[datetime, str]]:
    """When each was created, and a sentence on it; those of a copy are in the Region that it is copied from.

    Args:
        client: Of AWS Backup, in the cluster's Region.
        cluster_arn: The cluster's.
        vaults: Name of the vault by Region: jobs that fill others do not count.
        now: AWS's own time.
        ask: Calls AWS.
        tries: Of all calls.

    Raises:
        Unreachable: there was no answer.
        MonitorError: a call was refused.
    """
    region = cluster_arn.split(":")[3]
    asked = {"ByResourceArn": cluster_arn, "ByCreatedAfter": now - LOOKED_BACK}
    backups = all_pages(
        f"ListBackupJobs in {region}",
        "BackupJobs",
        lambda **page: client.list_backup_jobs(ByBackupVaultName=vaults[region], **asked, **page),
        ask,
        tries,
    )
    copies = all_pages(
        f"ListCopyJobs in {region}", "CopyJobs", lambda **page: client.list_copy_jobs(**asked, **page), ask, tries
    )
    ours = [one for one in copies if _is_one_of(vaults, one.get("DestinationBackupVaultArn", ""))]
    for kind, id, jobs in (("backup", "BackupJobId", backups), ("copy", "CopyJobId", ours)):
        for job in jobs:
            if job["State"] in _FAILED:
                message = str(job.get("StatusMessage") or "AWS Backup gives no reason")[:LONGEST_MESSAGE]
                created = job["CreationDate"].astimezone(timezone.utc)
                told = (
                    f"{kind} job {job[id]} in {region}, of {created:%Y-%m-%d %H:%M} UTC, is {job['State']}: {message}"
                )
                yield created, told


def all_pages(what: str, member: str, call: Callable[..., Any], ask: Ask, tries: Tries) -> list[Mapping[str, Any]]:
    """*member* of every page of the answer."""
    return [one for answer in pages(what, call, ask, tries) for one in answer.get(member) or ()]


def pages(what: str, call: Callable[..., Any], ask: Ask, tries: Tries) -> Iterator[Mapping[str, Any]]:
    """Every page of the answer."""
    page: dict[str, str] = {}
    while True:
        answer = tries.of(lambda: ask(what, lambda: call(**page)))  # noqa: B023 - called at once
        yield answer
        if not answer.get("NextToken"):
            return
        page = {"NextToken": answer["NextToken"]}


def _is_one_of(vaults: Mapping[str, str], vault_arn: str) -> bool:
    where, _, name = vault_arn.partition(":backup-vault:")
    return bool(name) and vaults.get(where.split(":")[3]) == name
