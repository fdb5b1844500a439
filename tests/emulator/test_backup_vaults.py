"""Vaults, their locks and the deletion of recovery points, without the emulator's process."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsql_dr_constructs.emulator.backup_points import LOCKED
from tests.emulator.backups import ACCOUNT, DAY, EAST, HOUR, MINUTE, ROLE, VAULT, WEST, World

NAMED = {"BackupVaultName": VAULT}


@pytest.fixture
def world() -> World:
    return World()


def describe(world: World, where: Any = EAST) -> dict[str, Any]:
    return dict(world.ask(world.backup.vaults.describe, where, **NAMED))


def lock(world: World, where: Any = EAST, **days: int) -> None:
    world.ask(world.backup.vaults.put_lock, where, **NAMED, **days)


def test_vault_is_described(world: World) -> None:
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/of-the-user"
    asked = {"BackupVaultName": "own", "EncryptionKeyArn": key, "BackupVaultTags": {"team": "orders"}}
    made = world.ask(world.backup.vaults.create, EAST, **asked)
    found = world.ask(world.backup.vaults.describe, EAST, BackupVaultName="own")
    assert made["BackupVaultArn"] == found["BackupVaultArn"] == f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:own"
    assert (found["EncryptionKeyArn"], found["CreationDate"]) == (key, world.clock.now())
    assert (found["NumberOfRecoveryPoints"], found["Locked"]) == (0, False)
    assert world.backup.tags_of(EAST, made["BackupVaultArn"]) == {"team": "orders"}
    names = [one["BackupVaultName"] for one in world.ask(world.backup.vaults.list, EAST)["BackupVaultList"]]
    assert names == [VAULT, "own"]


def test_names_are_unique_in_a_region_and_have_few_characters(world: World) -> None:
    create = world.backup.vaults.create
    assert "already exists" in world.refused("AlreadyExists", create, EAST, BackupVaultName=VAULT)
    for name in ("x", "a b", "x" * 51):
        world.refused("InvalidParameterValue", create, EAST, BackupVaultName=name)
    world.refused("InvalidParameterValue", create, EAST, BackupVaultName="ok", EncryptionKeyArn="alias/orders")


def test_vault_that_is_not_there_is_reported_as_missing_privileges(world: World) -> None:
    """As AWS does, whatever the caller may do."""
    for call in (world.backup.vaults.describe, world.backup.points.list_by_vault, world.backup.vaults.get_policy):
        sentence = world.refused("AccessDenied", call, EAST, BackupVaultName="gone")
        assert sentence == "Insufficient privileges to perform this action."


def test_vault_with_points_is_not_deleted(world: World) -> None:
    point = world.back_up()["RecoveryPointArn"]
    assert describe(world)["NumberOfRecoveryPoints"] == 1
    refused = "Backup vault cannot be deleted because it contains recovery points."
    assert world.refused("InvalidRequest", world.backup.vaults.delete, EAST, **NAMED) == refused
    world.ask(world.backup.points.delete, EAST, **NAMED, RecoveryPointArn=point)
    assert world.points()[0]["Status"] == "DELETING"
    assert world.refused("InvalidRequest", world.backup.vaults.delete, EAST, **NAMED) == refused
    world.pass_time(2 * MINUTE)
    world.ask(world.backup.vaults.delete, EAST, **NAMED)
    world.refused("AccessDenied", world.backup.vaults.describe, EAST, **NAMED)


def test_point_that_is_being_made_is_not_deleted(world: World) -> None:
    asked = {"ResourceArn": world.east.arn, "IamRoleArn": f"arn:aws:iam::{ACCOUNT}:role/backup"}
    world.ask(world.backup.jobs.start, EAST, **NAMED, **asked)
    world.pass_time(MINUTE)
    [point] = world.points()
    arn = point["RecoveryPointArn"]
    world.refused("InvalidResourceState", world.backup.points.delete, EAST, **NAMED, RecoveryPointArn=arn)
    world.refused("ResourceNotFound", world.backup.points.delete, EAST, **NAMED, RecoveryPointArn=arn + "0")


def test_lifecycle_of_a_point_can_be_changed(world: World) -> None:
    asked = {**NAMED, "RecoveryPointArn": world.back_up()["RecoveryPointArn"]}
    assert "CalculatedLifecycle" not in world.points()[0], "it never expires"
    world.ask(world.backup.points.update_lifecycle, EAST, **asked, Lifecycle={"DeleteAfterDays": 2})
    [point] = world.points()
    assert point["CalculatedLifecycle"]["DeleteAt"] == point["CreationDate"] + 2 * DAY
    world.pass_time(2 * DAY + HOUR)
    assert world.points() == []


def test_point_whose_role_is_gone_stays_as_expired_until_it_is_deleted(world: World) -> None:
    point = world.back_up(Lifecycle={"DeleteAfterDays": 1})["RecoveryPointArn"]
    world.trust.reasons = {ROLE: "It cannot be assumed."}
    world.pass_time(2 * DAY)
    assert [one["Status"] for one in world.points()] == ["EXPIRED"]
    world.ask(world.backup.points.delete, EAST, **NAMED, RecoveryPointArn=point)
    world.pass_time(2 * MINUTE)
    assert world.points() == []


def test_lock_keeps_every_point_of_any_age(world: World) -> None:
    asked = {**NAMED, "RecoveryPointArn": world.back_up(Lifecycle={"DeleteAfterDays": 35})["RecoveryPointArn"]}
    lock(world, MinRetentionDays=7)
    found = describe(world)
    assert (found["Locked"], found["MinRetentionDays"], "LockDate" in found) == (True, 7, False)
    for _ in range(2):
        assert world.refused("InvalidRequest", world.backup.points.delete, EAST, **asked) == LOCKED
        change = {"Lifecycle": {"DeleteAfterDays": 1}}
        assert world.refused("InvalidRequest", world.backup.points.update_lifecycle, EAST, **asked, **change) == LOCKED
        world.pass_time(8 * DAY)
    world.pass_time(20 * DAY)
    assert world.points() == [], "it expires"


def test_lock_in_governance_mode_can_be_lifted(world: World) -> None:
    asked = {**NAMED, "RecoveryPointArn": world.back_up()["RecoveryPointArn"]}
    lock(world, MinRetentionDays=7)
    world.pass_time(30 * DAY)
    world.ask(world.backup.vaults.delete_lock, EAST, **NAMED)
    world.ask(world.backup.points.delete, EAST, **asked)


def test_lock_in_compliance_mode_is_immutable_from_its_date_on(world: World) -> None:
    lock(world, MinRetentionDays=7, ChangeableForDays=3)
    assert describe(world)["LockDate"] == world.clock.now() + 3 * DAY
    world.pass_time(2 * DAY)
    lock(world, MinRetentionDays=8, ChangeableForDays=3)
    world.pass_time(3 * DAY)
    for call, days in ((world.backup.vaults.put_lock, {"MinRetentionDays": 1}), (world.backup.vaults.delete_lock, {})):
        assert "immutable" in world.refused("InvalidRequest", call, EAST, **NAMED, **days)


@pytest.mark.parametrize(
    "days",
    [
        {"MinRetentionDays": 0},
        {"MaxRetentionDays": 36_501},
        {"MinRetentionDays": 10, "MaxRetentionDays": 9},
        {"ChangeableForDays": 2},
    ],
)
def test_lock_with_impossible_days_is_refused(world: World, days: dict[str, int]) -> None:
    sentence = world.refused("InvalidParameterValue", world.backup.vaults.put_lock, EAST, **NAMED, **days)
    assert "is allowed" in sentence


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        (6, "the retention of 6 days is shorter than the vault's minimum of 7 days"),
        (91, "recovery points are kept for 91 days, longer than the vault's maximum of 90 days"),
        (-1, "recovery points are kept forever, longer than the vault's maximum of 90 days"),
    ],
)
def test_lock_fails_jobs_and_copies_with_another_retention(world: World, days: int, reason: str) -> None:
    point = world.back_up(Lifecycle={"DeleteAfterDays": 30})["RecoveryPointArn"]
    for where in (EAST, WEST):
        lock(world, where, MinRetentionDays=7, MaxRetentionDays=90)
    lifecycle = {"DeleteAfterDays": days}
    job, copy = world.back_up(Lifecycle=lifecycle), world.copy(point, Lifecycle=lifecycle)
    assert (job["State"], job["StatusMessage"]) == ("FAILED", f"Backup job failed because {reason}.")
    assert (copy["State"], copy["StatusMessage"]) == ("FAILED", f"Copy job failed because {reason}.")
    assert world.back_up(Lifecycle={"DeleteAfterDays": 7})["State"] == "COMPLETED"


def test_access_policy_is_kept_as_it_is_given(world: World) -> None:
    vaults, policy = world.backup.vaults, json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]})
    world.refused("ResourceNotFound", vaults.get_policy, EAST, **NAMED)
    world.ask(vaults.put_policy, EAST, **NAMED, Policy=policy)
    assert world.ask(vaults.get_policy, EAST, **NAMED)["Policy"] == policy
    for wrong in ("{", "[]", "{}", '{"Statement": []}'):
        world.refused("InvalidParameterValue", vaults.put_policy, EAST, **NAMED, Policy=wrong)
    world.refused("MissingParameterValue", vaults.put_policy, EAST, **NAMED)
    world.ask(vaults.delete_policy, EAST, **NAMED)
    world.refused("ResourceNotFound", vaults.get_policy, EAST, **NAMED)
