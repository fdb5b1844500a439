"""AWS Backup of the emulator without its process: time passes by the clock only, and trust and data are of the test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from typing import Any

import pytest

from dsql_dr_constructs.emulator.backup import Backup
from dsql_dr_constructs.emulator.backup_events import Notice
from dsql_dr_constructs.emulator.backup_records import BackupError, Check, Where
from dsql_dr_constructs.emulator.clock import Clock
from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.dsql_cluster import Cluster, invalid
from dsql_dr_constructs.emulator.faults import Faults
from dsql_dr_constructs.emulator.undocumented import Undocumented

ACCOUNT = "000000000000"
EAST, WEST = Where(ACCOUNT, "us-east-1"), Where(ACCOUNT, "us-west-2")
WITNESS = "us-east-2"
VAULT = "dsql-orders"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/backup"
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


class AllTrust:
    """Every role and key may be used, except what a test gives a reason against."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        self.checks: list[Check] = []

    def untrusted(self, role: str) -> str | None:
        return self.reasons.get(role)

    def denied(self, role: str, checks: Iterable[Check]) -> str | None:
        asked = list(checks)
        self.checks += asked
        return next((self.reasons[action] for action, _, _ in asked if action in self.reasons), None)

    def unusable(self, key: str, vault_arn: str, role: str) -> str | None:
        return self.reasons.get(key)


class Data:
    """Snapshots by name, and what was restored from each."""

    def __init__(self) -> None:
        self.snapshots: list[str] = []
        self.restored: dict[str, str] = {}

    def snapshot(self, cluster_arn: str) -> str:
        self.snapshots.append(f"snapshot of {cluster_arn} number {len(self.snapshots)}")
        return self.snapshots[-1]

    def restore(self, snapshot: str, cluster_arns: Sequence[str]) -> None:
        self.restored.update(dict.fromkeys(cluster_arns, snapshot))

    def delete(self, snapshot: str) -> None:
        self.snapshots.remove(snapshot)


class World:
    """A pair of clusters, a vault for each, and a clock that stands still at midnight until `pass_time` or `until`."""

    def __init__(self, **undocumented: Any) -> None:
        self.real = 0.0
        self.clock = Clock(real_time=lambda: 0.0)
        self.clock.advance(DAY - self.clock.now() % DAY)
        self.faults, self.trust, self.data = Faults(), AllTrust(), Data()
        self.sent: list[Notice] = []
        self.dsql = Dsql(
            self.faults,
            transition_seconds=1,
            undocumented=Undocumented(**undocumented),
            clock=lambda: self.real,
            now=self.clock.now,
            use_key=self.use_key,
        )
        self.backup = Backup(
            self.dsql,
            self.clock,
            self.faults,
            data=self.data,
            trust=self.trust,
            send=self.sent.append,
            use_key=self.use_key,
        )
        self.east, self.west = self._pair()
        for where in (EAST, WEST):
            self.ask(self.backup.vaults.create, where, BackupVaultName=VAULT)

    def use_key(self, cluster_arn: str, key: str) -> str:
        if key in self.trust.reasons:
            raise invalid(self.trust.reasons[key])
        return key

    def ask(self, call: Callable[[Where, dict[str, Any]], Any], where: Where, **asked: Any) -> Any:
        with self.backup.settled():
            return call(where, asked)

    def refused(self, code: str, call: Callable[[Where, dict[str, Any]], Any], where: Where, **asked: Any) -> str:
        """The sentence with which *call* is refused."""
        with pytest.raises(BackupError) as error:
            self.ask(call, where, **asked)
        assert error.value.code == f"{code}Exception"
        return error.value.message

    def pass_time(self, seconds: float) -> None:
        """On the clock, minute by minute; clusters are through their transitions, too."""
        self.real += 10
        self.clock.advance(seconds)
        self.real += 10
        with self.backup.settled():
            pass

    def until(self, hour: int, minute: int = 0) -> None:
        """Pass time until it is *hour*, today or tomorrow."""
        now = datetime.fromtimestamp(self.clock.now(), timezone.utc)
        wanted = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        seconds = (wanted - now).total_seconds() + 0.01
        self.pass_time(seconds if seconds > 0 else seconds + DAY)

    def plan(self, *rules: dict[str, Any], resources: list[str] | None = None, where: Where = EAST) -> str:
        """Id of a plan with a selection of the first cluster."""
        document = {"BackupPlanName": VAULT, "Rules": list(rules) or [daily()]}
        made = self.ask(self.backup.plans.create, where, BackupPlan=document)
        selection = {"SelectionName": "pair", "IamRoleArn": ROLE, "Resources": resources or [self.east.arn]}
        asked = {"BackupPlanId": made["BackupPlanId"], "BackupSelection": selection}
        self.ask(self.backup.plans.create_selection, where, **asked)
        return str(made["BackupPlanId"])

    def back_up(self, where: Where = EAST, **asked: Any) -> dict[str, Any]:
        """A job on demand, as it ends."""
        cluster = self.east if where == EAST else self.west
        asked = {"BackupVaultName": VAULT, "ResourceArn": cluster.arn, "IamRoleArn": ROLE, **asked}
        job = self.ask(self.backup.jobs.start, where, **asked)["BackupJobId"]
        self.pass_time(3 * MINUTE)
        return dict(self.ask(self.backup.jobs.describe, where, BackupJobId=job))

    def copy(self, point: str, **asked: Any) -> dict[str, Any]:
        """A copy job on demand from east to west, as it ends."""
        vault = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{VAULT}"
        asked = {"DestinationBackupVaultArn": vault, "SourceBackupVaultName": VAULT, "IamRoleArn": ROLE, **asked}
        job = self.ask(self.backup.copy_jobs.start, EAST, RecoveryPointArn=point, **asked)["CopyJobId"]
        self.pass_time(3 * MINUTE)
        return dict(self.ask(self.backup.copy_jobs.describe, EAST, CopyJobId=job)["CopyJob"])

    def jobs(self, **asked: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ask(self.backup.jobs.list, EAST, **asked)["BackupJobs"]
        return found

    def points(self, where: Where = EAST, **asked: Any) -> list[dict[str, Any]]:
        call = self.backup.points.list_by_vault
        found: list[dict[str, Any]] = self.ask(call, where, BackupVaultName=VAULT, **asked)["RecoveryPoints"]
        return found

    def _pair(self) -> tuple[Cluster, Cluster]:
        asked = {"multiRegionProperties": {"witnessRegion": WITNESS}, "tags": {"team": "orders"}}
        made = [self.dsql.create_cluster(*where, asked) for where in (EAST, WEST)]
        self.real += 10
        for one, peer in (made, made[::-1]):
            update = {"multiRegionProperties": {"witnessRegion": WITNESS, "clusters": [peer.arn]}}
            self.dsql.update_cluster(one.account, one.region, one.identifier, update)
        self.real += 10
        return made[0], made[1]


def daily(**changes: Any) -> dict[str, Any]:
    """A rule at 03:10 that copies to the west."""
    copy = {"DestinationBackupVaultArn": f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{VAULT}"}
    return {
        "RuleName": "daily",
        "TargetBackupVaultName": VAULT,
        "ScheduleExpression": "cron(10 3 * * ? *)",
        "StartWindowMinutes": 60,
        "CompletionWindowMinutes": 180,
        "Lifecycle": {"DeleteAfterDays": 35},
        "CopyActions": [{**copy, "Lifecycle": {"DeleteAfterDays": 35}}],
        **changes,
    }


def pair_metadata(**changes: str) -> dict[str, str]:
    """Of a restore in the east of a pair with the west."""
    metadata = {
        "useMultiRegionOrchestration": "true",
        "witnessRegion": WITNESS,
        "peerRegion": json.dumps(["us-west-2"]),
    }
    return {**metadata, **changes}
