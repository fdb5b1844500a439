"""AWS Backup for Aurora DSQL, with its plans on the emulator's clock.

Behaviour that AWS does not document is marked with "assumed".

Source: https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-aurora.html
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator

from .backup_copies import CopyJobs
from .backup_events import Notice, Outbox
from .backup_jobs import BackupJobs
from .backup_plans import Plan, Plans
from .backup_points import RecoveryPoints
from .backup_records import Pace, Snapshots, Trust, Where, not_found
from .backup_restores import RestoreJobs
from .backup_vaults import Vaults
from .clock import Clock
from .dsql import Dsql
from .faults import Faults

_TICK = 0.05


class Backup:
    """The service of every account and Region.

    Args:
        dsql: Has the clusters that are backed up, and makes those that are restored.
        clock: Plans run on it, and recovery points expire on it.
        faults: ``BackupJob``, ``CopyJob`` and ``RestoreJob`` of service ``backup`` make jobs fail, slow or stuck.
        data: Keeps the data behind the clusters.
        trust: Whether roles and keys may be used.
        send: Sends events and metrics.
        use_key: As of *dsql*.
    """

    def __init__(
        self,
        dsql: Dsql,
        clock: Clock,
        faults: Faults,
        *,
        data: Snapshots,
        trust: Trust,
        send: Callable[[Notice], None],
        use_key: Callable[[str, str], str] = lambda cluster_arn, key: key,
    ) -> None:
        self.now = clock.now
        self._dsql = dsql
        self._outbox = Outbox(send)
        self._lock = threading.RLock()
        pace = Pace(clock, dsql.transition_seconds)
        self.vaults = Vaults(clock.now)
        self.points = RecoveryPoints(self.vaults, data, now=clock.now, pace=pace, untrusted=trust.untrusted)
        self.plans = Plans(clock.now, trust.untrusted)
        self.copy_jobs = CopyJobs(faults, self.vaults, self.points, trust, self._outbox, now=clock.now, pace=pace)
        self.jobs = BackupJobs(
            dsql,
            faults,
            self.vaults,
            self.points,
            data,
            trust,
            self._outbox,
            now=clock.now,
            pace=pace,
            then_copy=self.copy_jobs.follow,
            retries_idle=dsql.undocumented.idle_backup == "retry",
        )
        self.restore_jobs = RestoreJobs(
            dsql, faults, self.points, data, trust, self._outbox, use_key=use_key, now=clock.now, pace=pace
        )
        clock.each_minute(self.run_plans)

    @contextlib.contextmanager
    def settled(self) -> Iterator[None]:
        """Nobody else changes anything meanwhile, and all is where it has come by now."""
        with self._lock:
            for one in (self.jobs, self.copy_jobs, self.restore_jobs, self.points):
                one.settle()
            yield

    def run_plans(self, minute: float) -> None:
        """Begin the jobs that plans have in this minute."""
        with self.settled():
            for plan in self.plans:
                for rule in plan.due(minute):
                    plan.executed = minute
                    for selection in plan.selections.values():
                        self._begin(plan, rule, selection.asked["IamRoleArn"], selection.selects)

    def start(self) -> None:
        """Let jobs go on, and events be sent, in a thread."""
        threading.Thread(target=self._run, daemon=True, name="backup").start()

    def tags_of(self, where: Where, arn: str) -> dict[str, str]:
        """Tags of a vault, a plan or a recovery point, to read and to change.

        Raises:
            BackupError: there is no such resource.
        """
        vault, point = self.vaults.at(arn), self.points.at(arn)
        plan = next((one for one in self.plans if one.arn == arn), None)
        owner = vault or plan or (point and point.vault)
        if not owner or owner.where != where:
            raise not_found("resource", arn)
        return point.tags if point else owner.tags

    def flush(self) -> None:
        """Send what was reported; never while this is locked, since a target may call back."""
        self._outbox.flush()

    def _begin(
        self, plan: Plan, rule: dict[str, object], role: str, selects: Callable[[str, dict[str, str]], bool]
    ) -> None:
        for cluster in self._dsql.list_clusters(*plan.where):
            if selects(cluster.arn, cluster.tags):
                self.jobs.create_for_rule(plan.where, rule, cluster.arn, role, plan.creator(rule))

    def _run(self) -> None:
        while True:
            time.sleep(_TICK)
            try:
                with self.settled():
                    pass
                self.flush()
            except Exception:  # one job that cannot go on must not stop the others
                logging.getLogger(__name__).exception("AWS Backup had an error")
