"""A pair of clusters with AWS Backup, in an emulator that runs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.backup_roles import MANAGED_POLICIES
from tests.emulator.backups import ACCOUNT, VAULT, WITNESS

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "backup.amazonaws.com"}}],
}


class Pair:
    """Two clusters that are a pair, a vault in each Region, and a role with AWS's managed policies."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.aws = aws
        self.east, self.west = aws.client("backup", "us-east-1"), aws.client("backup", "us-west-2")
        self.role = self.make_role("service", [f"arn:aws:iam::aws:policy/{one}" for one in MANAGED_POLICIES])
        dsql = [aws.client("dsql", region) for region in ("us-east-1", "us-west-2")]
        asked = {"multiRegionProperties": {"witnessRegion": WITNESS}, "tags": {"team": "orders"}}
        made = [one.create_cluster(**asked) for one in dsql]
        self.arn, self.peer = (one["arn"] for one in made)
        for client, one, peer in zip(dsql, made, made[::-1], strict=True):
            wait_for(client, one["identifier"], "PENDING_SETUP")
            properties = {"witnessRegion": WITNESS, "clusters": [peer["arn"]]}
            client.update_cluster(identifier=one["identifier"], multiRegionProperties=properties)
        for client, one in zip(dsql, made, strict=True):
            wait_for(client, one["identifier"], "ACTIVE")
        for backup in (self.east, self.west):
            backup.create_backup_vault(BackupVaultName=VAULT)

    def make_role(self, name: str, managed: list[str], *statements: dict[str, Any], trust: Any = None) -> str:
        iam = self.aws.client("iam", "us-east-1")
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust or TRUST))["Role"]
        for arn in managed:
            iam.attach_role_policy(RoleName=name, PolicyArn=arn)
        if statements:
            policy = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        return str(role["Arn"])

    def back_up(self, vault: str = VAULT, **asked: Any) -> dict[str, Any]:
        asked = {"BackupVaultName": vault, "ResourceArn": self.arn, "IamRoleArn": self.role, **asked}
        job = self.east.start_backup_job(**asked)["BackupJobId"]
        return ended(lambda: self.east.describe_backup_job(BackupJobId=job), "State")

    def copy(self, point: str, **asked: Any) -> dict[str, Any]:
        vault = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{VAULT}"
        asked = {"DestinationBackupVaultArn": vault, "SourceBackupVaultName": VAULT, "IamRoleArn": self.role, **asked}
        job = self.east.start_copy_job(RecoveryPointArn=point, **asked)["CopyJobId"]
        return ended(lambda: self.east.describe_copy_job(CopyJobId=job)["CopyJob"], "State")

    def restore(self, point: str, metadata: dict[str, str], **asked: Any) -> dict[str, Any]:
        asked = {"RecoveryPointArn": point, "IamRoleArn": self.role, "Metadata": metadata, **asked}
        job = self.east.start_restore_job(**asked)["RestoreJobId"]
        return ended(lambda: self.east.describe_restore_job(RestoreJobId=job), "Status")


def pass_until(aws: AwsEmulator, hour: int, minute: int = 0, second: int = 0) -> None:
    """Until it is this time, today or tomorrow, by the emulator's clock."""
    now: datetime = aws.advance_clock(0)
    then = now.replace(hour=hour, minute=minute, second=second)
    aws.advance_clock(((then - now) % timedelta(days=1)).total_seconds())


def wait_for(dsql: Any, identifier: str, status: str) -> None:
    while dsql.get_cluster(identifier=identifier)["status"] != status:
        time.sleep(0.02)


def ended(describe: Callable[[], dict[str, Any]], state: str) -> dict[str, Any]:
    while (job := describe())[state] in ("CREATED", "PENDING", "RUNNING"):
        time.sleep(0.02)
    return job
