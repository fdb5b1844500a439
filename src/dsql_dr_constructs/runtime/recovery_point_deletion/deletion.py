"""Deletes every recovery point of one vault, where its stack is deleted, and only there."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

_RUNNING = frozenset({"CREATED", "PENDING", "RUNNING", "ABORTING"})
_LONGEST_LIST = 10


class DeletionError(Exception):
    """Recovery points are left; the text is the sentence for whoever deletes the stack."""


class RecoveryPointDeletion:
    """Polls until the vault is empty and no job fills it again. Any step can be repeated.

    A vault that leaves the template while its stack stays keeps everything, for whoever may invoke the function can
    send a Delete: CloudFormation says whether the stack is being deleted.

    Args:
        event: CloudFormation's, with what `begin` returned merged into it by the framework.
        environment: The function's.
        client: By service.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        event: Mapping[str, Any],
        *,
        environment: Mapping[str, str],
        client: Callable[[str], Any],
        clock: Callable[[], float],
    ) -> None:
        self._event = event
        self._vault, self._stack = environment["VAULT"], environment["STACK_ID"]
        self._timeout = float(environment["TIMEOUT_SECONDS"])
        self._client, self._clock = client, clock

    def begin(self) -> dict[str, Any]:
        """What the framework keeps: the physical id, and when this began."""
        return {"PhysicalResourceId": self._event.get("PhysicalResourceId", self._vault), "StartedAt": self._clock()}

    def step(self) -> dict[str, Any]:
        """Delete what can be deleted now.

        Raises:
            DeletionError: the time is up.
        """
        if self._event["RequestType"] != "Delete":
            return {"IsComplete": True}
        try:
            left = self._left() if self._stack_is_deleted() else []
        except ClientError as error:  # a policy that was just made may need time to hold, and a busy service, too
            left = [str(error)]
        if left and self._clock() - float(self._event["StartedAt"]) >= self._timeout:
            more = f" and {len(left) - _LONGEST_LIST} more" if len(left) > _LONGEST_LIST else ""
            raise DeletionError(
                f"Backup vault {self._vault} is not empty after {self._timeout / 60:g} minutes: "
                f"{'; '.join(left[:_LONGEST_LIST])}{more}. Delete the stack again when the cause is gone."
            )
        print(json.dumps({"vault": self._vault, "left": left}))  # noqa: T201 - for the log
        return {"IsComplete": not left}

    def _stack_is_deleted(self) -> bool:
        answer = self._client("cloudformation").describe_stacks(StackName=self._stack)
        return bool(answer["Stacks"][0]["StackStatus"] == "DELETE_IN_PROGRESS")

    def _left(self) -> list[str]:
        """What is still there: jobs first, since one that ends between two calls leaves a recovery point."""
        jobs = [f"{kind} job {job[f'{kind}JobId']} is {job['State']}" for kind, job in self._running_jobs()]
        points = [
            f"{one['RecoveryPointArn']} is {one['Status']}{self._delete(one)}"
            for one in self._pages(
                "list_recovery_points_by_backup_vault", "RecoveryPoints", BackupVaultName=self._vault
            )
        ]
        return [*jobs, *points]

    def _running_jobs(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for job in self._pages("list_backup_jobs", "BackupJobs", ByBackupVaultName=self._vault):
            if job["State"] in _RUNNING:
                yield "Backup", job
        for job in self._pages("list_copy_jobs", "CopyJobs"):
            vaults = (job["SourceBackupVaultArn"], job["DestinationBackupVaultArn"])
            if job["State"] in _RUNNING and self._vault_arn in vaults:
                yield "Copy", job

    def _delete(self, point: Mapping[str, Any]) -> str:
        """Why that is refused, if it is."""
        if point["Status"] == "DELETING":
            return ""
        try:
            self._client("backup").delete_recovery_point(
                BackupVaultName=self._vault, RecoveryPointArn=point["RecoveryPointArn"]
            )
        except ClientError as error:  # it is being made or copied, a permission does not hold yet, or it is gone
            return f" ({error})"
        return ""

    def _pages(self, operation: str, found: str, **asked: str) -> Iterator[Mapping[str, Any]]:
        page: dict[str, str] = {}
        while True:
            answer = getattr(self._client("backup"), operation)(**asked, **page)
            yield from answer.get(found, ())
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    @property
    def _vault_arn(self) -> str:
        _, partition, _, region, account, _ = self._stack.split(":", 5)
        return f"arn:{partition}:backup:{region}:{account}:backup-vault:{self._vault}"
