"""On schedule: the cluster of this Region is awake until its backup has begun, since an idle one cannot be backed up.

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/restore-auroradsql.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..answer_time import time_of_answer
from .catalog import Run
from .role_request import RoleError
from .serving_endpoint import ServingEndpoint

_ASKED_EVERY = 5.0
"""Seconds between two calls of ListBackupJobs."""
_KEPT_AWAKE_EVERY = 4
"""Calls between two statements, for a connection without traffic may be ended."""
_RECENT = timedelta(hours=3)
"""How old a job can be where nobody says when the night began: the rule's two hours, and one more."""
_NOT_BEGUN = ("CREATED", "PENDING")


class Wake:
    """Logs in, and stays connected until a plan's backup job of this cluster has begun, or the time is up.

    The next invocation goes on. One that finds that the job has begun does not connect, so that the cluster can become
    idle again.

    Args:
        endpoint: Of this Region's cluster alone.
        seconds: The budget.
        plan: Id of the backup plan whose jobs count: others back up the same cluster in the same night. Default: any.
        hour: Hour of the day, UTC, since which they count. Default: those of the last three hours.
    """

    def __init__(
        self, endpoint: ServingEndpoint, seconds: float, *, plan: str | None = None, hour: int | None = None
    ) -> None:
        [self._cluster] = endpoint.clusters
        self._endpoint, self._around = endpoint, endpoint.surroundings
        self._began = self._around.clock()
        self._until = self._began + seconds
        self._plan, self._hour = plan, hour
        self._awake = False
        self._unanswered = ""

    def run(self) -> dict[str, Any]:
        """Whether it connected, the job if that has begun, and how many seconds it took.

        Raises:
            RoleError: nobody could log in, or AWS Backup did not say whether the job has begun.
        """
        failure, job = "", self._begun()
        try:
            job = job or self._endpoint.run(self._stay, until=self._until)
            self._refuse_no_answer()
        except RoleError as error:
            failure = f"Cluster {self._cluster.identifier}, to be woken for its backup: {error}"
            raise RoleError(failure) from error
        finally:
            answer = {"awake": self._awake, "job": job, "seconds": round(self._around.clock() - self._began, 1)}
            log = {"action": "wake", **answer, **({"failure": failure} if failure else {})}
            print(json.dumps(log))  # noqa: T201 - for the log
        return answer

    def _stay(self, run: Run) -> dict[str, Any] | None:
        """The job that has begun; None if none has when the time is up."""
        calls = 0
        while True:
            if calls % _KEPT_AWAKE_EVERY == 0:
                run("SELECT 1")
                self._awake = True
            calls += 1
            job = self._begun()
            if job or self._until - self._around.clock() < 2 * _ASKED_EVERY:
                return job
            self._around.sleep(_ASKED_EVERY)

    def _begun(self) -> dict[str, Any] | None:
        """The newest of tonight's jobs, unless one of them still waits: that one needs the cluster awake."""
        try:
            jobs = list(self._jobs())
        except (BotoCoreError, ClientError) as error:
            self._unanswered = str(error)
            return None
        self._unanswered = ""
        if not jobs or any(one["State"] in _NOT_BEGUN for one in jobs):
            return None
        newest = max(jobs, key=lambda one: (one["CreationDate"], one["BackupJobId"]))
        return {"id": newest["BackupJobId"], "state": newest["State"]}

    def _refuse_no_answer(self) -> None:
        if self._unanswered:
            raise RoleError(
                f"AWS Backup does not say whether the job has begun: {self._unanswered}. The function needs "
                "backup:ListBackupJobs; a new permission can take minutes to hold."
            )

    def _jobs(self) -> Iterator[Mapping[str, Any]]:
        backup = self._endpoint.client("backup", self._cluster.region)
        page: dict[str, str] = {}
        while True:
            answer = backup.list_backup_jobs(ByResourceArn=self._cluster.arn, **page)
            since = self._tonight(time_of_answer(answer))
            for one in answer.get("BackupJobs", ()):
                plan = one.get("CreatedBy", {}).get("BackupPlanId")
                if plan and self._plan in (None, plan) and one["CreationDate"] >= since:
                    yield one
            if not answer.get("NextToken"):
                return
            page = {"NextToken": answer["NextToken"]}

    def _tonight(self, now: datetime) -> datetime:
        """Since when jobs count, by AWS's own time."""
        if self._hour is None:
            return now - _RECENT
        began = now.replace(hour=self._hour, minute=0, second=0, microsecond=0)
        return began if began <= now else began - timedelta(days=1)
