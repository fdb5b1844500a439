"""`dsql-dr backups` and `dsql-dr restore`, of a pair on the local AWS emulator."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.aws_emulator import ACCOUNT
from dsql_dr_constructs.physical_names import backup_vault_name, restore_role_name

DEPLOYMENT = "Orders-production"
VAULT = backup_vault_name(DEPLOYMENT)
EAST, WEST, WITNESS = "us-east-1", "us-west-2", "us-east-2"
# also where these tests run in the background, with SIGINT ignored
COMMAND = [
    sys.executable,
    "-c",
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from dsql_dr_constructs.cli.command_line import main; main()",
]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "backup.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
MANAGED = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor{}"


def run(aws: AwsEmulator, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, command, DEPLOYMENT, *arguments],
        env=aws.environment(),
        stdin=subprocess.DEVNULL,
        check=False,
        capture_output=True,
        text=True,
    )


def wait(describe: Any, state: str, **asked: str) -> dict[str, Any]:
    while (found := describe(**asked))[state] not in ("COMPLETED", "FAILED"):
        time.sleep(0.05)
    assert found[state] == "COMPLETED", found
    return dict(found)


def back_up(aws: AwsEmulator, cluster: str, *, copied: bool = True) -> None:
    backup, role = aws.client("backup", EAST), f"arn:aws:iam::{ACCOUNT}:role/backup"
    begun = backup.start_backup_job(BackupVaultName=VAULT, ResourceArn=cluster, IamRoleArn=role)
    made = wait(backup.describe_backup_job, "State", BackupJobId=begun["BackupJobId"])
    if copied:
        copy = backup.start_copy_job(
            RecoveryPointArn=made["RecoveryPointArn"],
            SourceBackupVaultName=VAULT,
            DestinationBackupVaultArn=f"arn:aws:backup:{WEST}:{ACCOUNT}:backup-vault:{VAULT}",
            IamRoleArn=role,
        )
        while (found := backup.describe_copy_job(CopyJobId=copy["CopyJobId"])["CopyJob"])["State"] != "COMPLETED":
            assert found["State"] != "FAILED", found
            time.sleep(0.05)


def peered(aws: AwsEmulator) -> list[str]:
    """ARNs of a new pair with the deployment's tag and SSM parameters."""
    made = {
        one: aws.client("dsql", one).create_cluster(
            multiRegionProperties={"witnessRegion": WITNESS}, tags={"dsql-dr:deployment": DEPLOYMENT}
        )
        for one in (EAST, WEST)
    }
    for own, peer in ((EAST, WEST), (WEST, EAST)):
        while aws.client("dsql", own).get_cluster(identifier=made[own]["identifier"])["status"] != "PENDING_SETUP":
            time.sleep(0.05)
        aws.client("dsql", own).update_cluster(
            identifier=made[own]["identifier"],
            multiRegionProperties={"witnessRegion": WITNESS, "clusters": [made[peer]["arn"]]},
        )
    for region, one in made.items():
        aws.client("dsql", region).get_waiter("cluster_active").wait(
            identifier=one["identifier"], WaiterConfig={"Delay": 0.1, "MaxAttempts": 100}
        )
        for where in (EAST, WEST):
            name = f"/dsql-dr/{DEPLOYMENT}/{region}/arn"
            aws.client("ssm", where).put_parameter(Name=name, Value=one["arn"], Type="String")
    return [str(one["arn"]) for one in made.values()]


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=[EAST, WEST], transition_seconds=0.1) as one:
        iam = one.client("iam", EAST)
        for name, policies in (("backup", ["Backup"]), (restore_role_name(DEPLOYMENT), ["Restores"])):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
            for policy in policies:
                iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED.format(policy))
        for region in (EAST, WEST):
            one.client("backup", region).create_backup_vault(BackupVaultName=VAULT)
        yield one


@pytest.fixture(scope="module")
def pair(aws: AwsEmulator) -> list[str]:
    arns = peered(aws)
    back_up(aws, arns[0])
    return arns


def test_recovery_points_are_listed_by_the_emulators_clock(aws: AwsEmulator, pair: list[str]) -> None:
    aws.advance_clock(timedelta(hours=2).total_seconds())
    back_up(aws, pair[0], copied=False)
    done = run(aws, "backups", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    [held] = found["recovery_points"]
    assert held["cluster"] == pair[0]
    assert 2 <= held["age_hours"] < 3
    assert [(one["missing_in"], one["reason"][:17]) for one in found["missing"]] == [(WEST, "no copy job is kn")]
    assert found["problems"] == []


def test_restore_killed_while_the_job_runs_ends_with_a_new_pair_by_its_job(aws: AwsEmulator, pair: list[str]) -> None:
    aws.inject(Fault("stuck", service="backup", region=EAST, call="RestoreJob", effect="stuck"))
    try:
        with subprocess.Popen(
            [*COMMAND, "restore", DEPLOYMENT, "--yes"], env=aws.environment(), stdout=subprocess.PIPE, text=True
        ) as begun:
            assert begun.stdout
            assert next(line for line in begun.stdout if "is PENDING" in line)
            begun.send_signal(signal.SIGINT)
            lines = list(begun.stdout)
        assert begun.returncode == 130, lines
        again = run(aws, "restore", "--yes")
        assert again.returncode == 1
        assert "is running in us-east-1 since" in again.stdout
    finally:
        aws.clear_faults("stuck")
    command = lines[-1].split()
    assert command[:3] == ["dsql-dr", "restore", DEPLOYMENT], lines
    done = run(aws, "restore", *command[3:])
    assert done.returncode == 0, done.stdout + done.stderr
    [line] = re.findall(r"cluster_arns=(\[.*\]),", done.stdout)
    new = json.loads(line)
    assert [arn.split(":")[3] for arn in new] == [EAST, WEST]
    assert set(new) & set(pair) == set()
    for own, peer in (new, new[::-1]):
        found = aws.client("dsql", own.split(":")[3]).get_cluster(identifier=own.rpartition("/")[2])
        assert (found["status"], found["deletionProtectionEnabled"]) == ("ACTIVE", True)
        assert found["multiRegionProperties"]["witnessRegion"] == WITNESS
        assert peer in found["multiRegionProperties"]["clusters"]
    assert run(aws, "restore", "--yes").returncode == 1, "the new pair is not used yet"


def test_one_cluster_is_restored_beside_the_pair(aws: AwsEmulator, pair: list[str]) -> None:
    done = run(aws, "restore", "--yes", "--single-region", WEST)
    assert done.returncode == 0, done.stdout + done.stderr
    [identifier] = re.findall(rf"([a-z0-9]{{26}})\.dsql\.{WEST}\.on\.aws", done.stdout)
    found = aws.client("dsql", WEST).get_cluster(identifier=identifier)
    assert (found["status"], found.get("multiRegionProperties")) == ("ACTIVE", None)


def test_witness_of_another_continent_is_a_sentence(aws: AwsEmulator, pair: list[str]) -> None:
    done = run(aws, "restore", "--yes", "--another", "--witness", "eu-west-1")
    assert done.returncode == 1
    assert "must be three Regions of one continent" in done.stdout, done.stdout


def test_copy_that_is_deleted_meanwhile_a_key_and_a_quota_are_sentences(aws: AwsEmulator, pair: list[str]) -> None:
    done = run(aws, "restore", "--yes", "--another", "--key", f"{WEST}=arn:aws:kms:{WEST}:{ACCOUNT}:key/0a1b2c3d")
    assert done.returncode == 1
    assert "a key is not accessible" in done.stdout, done.stdout
    aws.inject(
        Fault("quota", service="backup", region=EAST, call="RestoreJob", message="You have reached the cluster limit.")
    )
    try:
        done = run(aws, "restore", "--yes", "--another")
    finally:
        aws.clear_faults("quota")
    assert "a quota of Aurora DSQL is used up" in done.stdout, done.stdout


def test_role_that_is_not_there_is_a_sentence(aws: AwsEmulator, pair: list[str]) -> None:
    iam, name = aws.client("iam", EAST), restore_role_name(DEPLOYMENT)
    iam.detach_role_policy(RoleName=name, PolicyArn=MANAGED.format("Restores"))
    denied = run(aws, "restore", "--yes", "--another")
    assert "a permission is missing" in denied.stdout, denied.stdout
    iam.delete_role(RoleName=name)
    missing = run(aws, "restore", "--yes", "--another")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    iam.attach_role_policy(RoleName=name, PolicyArn=MANAGED.format("Restores"))
    assert (denied.returncode, missing.returncode) == (1, 1)
    assert "AWS Backup cannot use the role" in missing.stdout, missing.stdout


def test_region_whose_backups_do_not_answer_is_named_and_the_other_listed(aws: AwsEmulator, pair: list[str]) -> None:
    aws.inject(Fault("denied", service="backup", region=EAST, error="InternalServerError"))
    try:
        listed, refused = run(aws, "backups"), run(aws, "restore", "--yes", "--another")
    finally:
        aws.clear_faults("denied")
    assert (listed.returncode, refused.returncode) == (1, 1)
    assert f"The vault in {WEST} has 1 recovery points" in listed.stdout
    assert "no pair can be restored" in refused.stdout
