"""Restores of AWS Backup, without the emulator's process: what is made, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsql_dr_constructs import regions
from dsql_dr_constructs.emulator.backup_restore_request import CONTINENT_GROUPS
from dsql_dr_constructs.emulator.dsql import MULTI_REGION_QUOTA, SINGLE_REGION_QUOTA
from dsql_dr_constructs.emulator.faults import Fault
from tests.emulator.backups import ACCOUNT, EAST, MINUTE, ROLE, VAULT, WEST, WITNESS, World, pair_metadata

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/of-the-user"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def point(world: World) -> str:
    """A recovery point in the east that has its copy in the west."""
    arn = str(world.back_up()["RecoveryPointArn"])
    assert world.copy(arn)["State"] == "COMPLETED"
    return arn


def restore(world: World, point: str, metadata: dict[str, str], **asked: Any) -> dict[str, Any]:
    """The job as it ends."""
    asked = {"RecoveryPointArn": point, "IamRoleArn": ROLE, "Metadata": metadata, **asked}
    job = world.ask(world.backup.restore_jobs.start, EAST, **asked)["RestoreJobId"]
    for _ in range(6):
        world.pass_time(2 * MINUTE)
    return dict(world.ask(world.backup.restore_jobs.describe, EAST, RestoreJobId=job))


def refusal(world: World, point: str, metadata: dict[str, str]) -> str:
    asked = {"RecoveryPointArn": point, "IamRoleArn": ROLE, "Metadata": metadata}
    return world.refused("InvalidParameterValue", world.backup.restore_jobs.start, EAST, **asked)


def created(world: World, job: dict[str, Any]) -> Any:
    return world.dsql.get_cluster(*EAST, job["CreatedResourceArn"].rpartition("/")[2])


def test_pair_is_restored_as_a_new_pair_with_the_data(world: World, point: str) -> None:
    [snapshot] = world.data.snapshots
    job = restore(world, point, pair_metadata())
    assert (job["Status"], job["PercentDone"], job["SourceResourceArn"]) == ("COMPLETED", "100.00%", world.east.arn)
    mine = created(world, job)
    [peer_arn] = mine.peers
    peer = world.dsql.get_cluster(*WEST, peer_arn.rpartition("/")[2])
    assert (mine.status, peer.status, peer.peers) == ("ACTIVE", "ACTIVE", [mine.arn])
    assert {mine.arn, peer.arn}.isdisjoint({world.east.arn, world.west.arn})
    assert (mine.witness_region, peer.witness_region) == (WITNESS, WITNESS)
    assert mine.deletion_protection
    assert peer.deletion_protection
    assert (mine.tags, mine.kms_key, peer.kms_key) == ({}, None, None)
    assert world.data.restored == {mine.arn: snapshot, peer.arn: snapshot}
    assert (world.east.peers, world.west.peers) == ([world.west.arn], [world.east.arn]), "the old pair is as it was"


def test_pair_is_restored_with_the_configuration_of_each_region(world: World, point: str) -> None:
    config = [
        {"region": "us-east-1", "isDeletionProtectionEnabled": False, "kmsKeyId": KEY},
        {"region": "us-west-2", "isDeletionProtectionEnabled": True},
    ]
    mine = created(world, restore(world, point, pair_metadata(regionalConfig=json.dumps(config))))
    peer = world.dsql.get_cluster(*WEST, mine.peers[0].rpartition("/")[2])
    assert (mine.deletion_protection, mine.kms_key) == (False, KEY)
    assert (peer.deletion_protection, peer.kms_key) == (True, None)


def test_pair_is_restored_from_the_side_of_the_copy_too(world: World, point: str) -> None:
    [copy] = world.points(WEST)
    metadata = pair_metadata(peerRegion='["us-east-1"]')
    asked = {"RecoveryPointArn": copy["RecoveryPointArn"], "IamRoleArn": ROLE, "Metadata": metadata}
    job = world.ask(world.backup.restore_jobs.start, WEST, **asked)["RestoreJobId"]
    for _ in range(6):
        world.pass_time(2 * MINUTE)
    assert world.ask(world.backup.restore_jobs.describe, WEST, RestoreJobId=job)["Status"] == "COMPLETED"


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"usemultiregionorchestration": "false"},
        {"regionalConfig": "[]"},
        {"regionalConfig": '[{"region": "us-east-1", "isDeletionProtectionEnabled": true}]'},
        {"RegionalConfig": "[{}]"},
    ],
)
def test_single_cluster_is_restored_in_its_own_region(world: World, point: str, metadata: dict[str, str]) -> None:
    job = restore(world, point, metadata)
    mine = created(world, job)
    assert (job["Status"], mine.status, mine.multi_region, mine.peers) == ("COMPLETED", "ACTIVE", False, [])
    assert mine.deletion_protection
    assert list(world.data.restored) == [mine.arn]


def test_cluster_with_a_witness_alone_waits_for_its_peer(world: World, point: str) -> None:
    job = restore(world, point, {"witnessRegion": WITNESS})
    assert (job["Status"], created(world, job).status) == ("COMPLETED", "PENDING_SETUP")


def test_tags_are_copied_if_that_is_asked_for(world: World, point: str) -> None:
    mine = created(world, restore(world, point, pair_metadata(), CopySourceTagsToRestoredResource=True))
    assert mine.tags == world.dsql.get_cluster(*WEST, mine.peers[0].rpartition("/")[2]).tags == {"team": "orders"}
    assert ("dsql:TagResource", f"arn:aws:dsql:us-east-1:{ACCOUNT}:cluster/*", {}) in world.trust.checks


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cluster_id": "x"}, "Invalid restore metadata: cluster_id is unknown"),
        ({"useMultiRegionOrchestration": "True"}, "useMultiRegionOrchestration is 'True'"),
        ({"peerRegion": "us-west-2"}, "peerRegion is 'us-west-2', which is no JSON"),
        ({"peerRegion": '"us-west-2"'}, "a JSON list of one Region is required"),
        ({"peerRegion": '["us-west-2", "us-east-2"]'}, "a JSON list of one Region is required"),
        ({"peerRegion": "[]"}, "a JSON list of one Region is required"),
        ({"peerRegion": '["us-east-1"]'}, "which is the Region of the restore"),
        ({"witnessRegion": "us-west-2"}, "a third is required"),
        ({"witnessRegion": "us-east-1"}, "a third is required"),
        ({"witnessRegion": ""}, "witnessRegion is required"),
        ({"witnessRegion": "eu-west-1"}, "eu-west-1 is outside the continent group of us-east-1"),
        ({"peerRegion": '["ap-south-1"]'}, "ap-south-1 is outside the continent group of us-east-1"),
        ({"regionalConfig": "{}"}, "a JSON list of objects is required"),
        ({"regionalConfig": "x"}, "which is no JSON"),
        ({"regionalConfig": '[{"region": "us-east-2"}]'}, "regionalConfig names us-east-2, where no cluster"),
        ({"regionalConfig": '[{"region": "us-east-1"}, {}]'}, "regionalConfig names us-east-1 more than once"),
        ({"regionalConfig": '[{"kmsKey": "x"}]'}, "regionalConfig has kmsKey"),
        ({"regionalConfig": '[{"isDeletionProtectionEnabled": "true"}]'}, "isDeletionProtectionEnabled is 'true'"),
    ],
)
def test_wrong_metadata_is_refused(world: World, point: str, changes: dict[str, str], sentence: str) -> None:
    assert sentence in refusal(world, point, pair_metadata(**changes))
    assert world.ask(world.backup.restore_jobs.list, EAST)["RestoreJobs"] == []


def test_peer_and_own_region_as_witness_are_refused_without_orchestration(world: World, point: str) -> None:
    assert "has to be 'true'" in refusal(world, point, {"peerRegion": '["us-west-2"]'})
    assert "the Region of the restored cluster" in refusal(world, point, {"witnessRegion": "us-east-1"})


def test_example_of_the_guide_is_refused_since_it_configures_the_witness(world: World, point: str) -> None:
    config = [{"region": "us-east-1"}, {"region": "us-west-2"}]
    metadata = pair_metadata(witnessRegion="us-west-2", peerRegion='["us-east-2"]', regionalConfig=json.dumps(config))
    assert "regionalConfig names us-west-2, where no cluster is restored" in refusal(world, point, metadata)


def test_metadata_that_aws_gives_for_a_point_is_not_what_it_takes(world: World, point: str) -> None:
    asked = {"BackupVaultName": VAULT, "RecoveryPointArn": point}
    given = world.ask(world.backup.points.restore_metadata, EAST, **asked)["RestoreMetadata"]
    assert given == {"cluster_id": world.east.identifier}
    assert "cluster_id is unknown" in refusal(world, point, given)


def failure(world: World, point: str, metadata: dict[str, str]) -> str:
    """Why the job failed; it made nothing."""
    before = [one.arn for where in (EAST, WEST) for one in world.dsql.list_clusters(*where)]
    job = restore(world, point, metadata)
    assert (job["Status"], "CreatedResourceArn" in job) == ("FAILED", False)
    assert [one.arn for where in (EAST, WEST) for one in world.dsql.list_clusters(*where)] == before
    return str(job["StatusMessage"])


def test_point_without_a_copy_is_no_pair(world: World) -> None:
    point = str(world.back_up()["RecoveryPointArn"])
    message = failure(world, point, pair_metadata())
    assert message.startswith(f"There is no identical copy of recovery point {point} in us-west-2: ")


def test_second_backup_of_the_peer_is_no_copy(world: World) -> None:
    point = str(world.back_up()["RecoveryPointArn"])
    assert world.back_up(WEST)["State"] == "COMPLETED"
    assert "no identical copy" in failure(world, point, pair_metadata())


def test_older_copy_is_no_copy_of_a_newer_point(world: World, point: str) -> None:
    newer = str(world.back_up()["RecoveryPointArn"])
    assert "no identical copy" in failure(world, newer, pair_metadata())


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ({"dsql:AddPeerCluster": "Not allowed."}, "Access Denied: Not allowed."),
        ({"dsql:CreateCluster": "Not allowed."}, "Access Denied: Not allowed."),
        ({"dsql:PutWitnessRegion": "Not allowed."}, "Access Denied: Not allowed."),
        ({"kms:Decrypt": "Not allowed."}, "Access Denied: Not allowed."),
        ({KEY: "The key is disabled."}, "Access Denied: The key is disabled."),
        ({"vault key": "The key is gone."}, "Access Denied: The key is gone."),
    ],
)
def test_restore_fails_with_the_reason(world: World, point: str, reason: dict[str, str], message: str) -> None:
    world.backup.vaults.find(WEST, VAULT).key = "vault key"
    world.trust.reasons = reason
    config = [{"region": "us-east-1", "kmsKeyId": KEY}]
    assert failure(world, point, pair_metadata(regionalConfig=json.dumps(config))) == message


def test_restore_fails_with_a_faults_message(world: World, point: str) -> None:
    world.faults.inject(Fault("no restore", service="backup", call="RestoreJob", message="Not today."))
    assert failure(world, point, pair_metadata()) == "Not today."


@pytest.mark.parametrize(("is_pair", "quota"), [(True, MULTI_REGION_QUOTA), (False, SINGLE_REGION_QUOTA)])
def test_quota_of_clusters_is_a_reason(world: World, point: str, is_pair: bool, quota: int) -> None:
    where = WEST if is_pair else EAST
    asked = {"multiRegionProperties": {"witnessRegion": WITNESS}} if is_pair else {}
    while sum(one.multi_region == is_pair for one in world.dsql.list_clusters(*where)) < quota:
        world.dsql.create_cluster(*where, asked)
    message = failure(world, point, pair_metadata() if is_pair else {})
    assert message == f"You have reached the cluster limit of {quota} in {where.region}."


def test_cluster_that_is_deleted_during_its_restore_fails_the_job(world: World, point: str) -> None:
    world.faults.inject(Fault("never", "stuck", service="dsql", call="Peering"))
    config = [{"region": "us-east-1", "isDeletionProtectionEnabled": False}]
    asked = {"RecoveryPointArn": point, "IamRoleArn": ROLE}
    metadata = pair_metadata(regionalConfig=json.dumps(config))
    job = world.ask(world.backup.restore_jobs.start, EAST, **asked, Metadata=metadata)["RestoreJobId"]
    for _ in range(6):
        world.pass_time(2 * MINUTE)
    running = world.ask(world.backup.restore_jobs.describe, EAST, RestoreJobId=job)
    assert running["Status"] == "RUNNING", "its clusters never become a pair"
    world.dsql.delete_cluster(*EAST, created(world, running).identifier)
    world.pass_time(2 * MINUTE)
    failed = world.ask(world.backup.restore_jobs.describe, EAST, RestoreJobId=job)
    assert (failed["Status"], "is PENDING_DELETE" in failed["StatusMessage"]) == ("FAILED", True)


def test_what_cannot_be_restored_is_refused(world: World, point: str) -> None:
    start, asked = world.backup.restore_jobs.start, {"IamRoleArn": ROLE, "Metadata": {}}
    world.refused("ResourceNotFound", start, WEST, RecoveryPointArn=point, **asked)
    world.refused("ResourceNotFound", start, EAST, RecoveryPointArn=point + "0", **asked)
    world.refused("MissingParameterValue", start, EAST, RecoveryPointArn=point, Metadata={})
    world.refused("InvalidParameterValue", start, EAST, RecoveryPointArn=point, ResourceType="EBS", **asked)
    world.ask(world.backup.points.delete, EAST, BackupVaultName=VAULT, RecoveryPointArn=point)
    world.refused("InvalidRequest", start, EAST, RecoveryPointArn=point, **asked)
    world.refused("ResourceNotFound", world.backup.restore_jobs.describe, EAST, RestoreJobId="x")


def test_role_that_backup_cannot_assume_is_refused(world: World, point: str) -> None:
    world.trust.reasons = {ROLE: "It cannot be assumed."}
    assert refusal(world, point, {}) == "It cannot be assumed."


def test_call_with_the_same_token_starts_one_job(world: World, point: str) -> None:
    asked = {"RecoveryPointArn": point, "IamRoleArn": ROLE, "Metadata": {}, "IdempotencyToken": "once"}
    first, second = (world.ask(world.backup.restore_jobs.start, EAST, **asked) for _ in range(2))
    assert first == second
    assert len(world.ask(world.backup.restore_jobs.list, EAST)["RestoreJobs"]) == 1
    assert world.ask(world.backup.restore_jobs.metadata, EAST, **first)["Metadata"] == {}


def test_restore_is_reported_by_state_first_and_by_status_then(world: World, point: str) -> None:
    world.backup.flush()
    world.sent.clear()
    job = restore(world, point, {})
    world.backup.flush()
    details = [one.detail for one in world.sent if one.detail_type == "Restore Job State Change"]
    assert [one.get("state") or one["status"] for one in details] == ["CREATED", "PENDING", "RUNNING", "COMPLETED"]
    assert ["status" in one for one in details] == [False, True, True, True]
    assert details[-1]["createdResourceArn"] == job["CreatedResourceArn"]


def test_restored_data_stays_when_the_point_goes(world: World, point: str) -> None:
    job = restore(world, point, {})
    for where in (EAST, WEST):
        for one in world.points(where):
            asked = {"BackupVaultName": VAULT, "RecoveryPointArn": one["RecoveryPointArn"]}
            world.ask(world.backup.points.delete, where, **asked)
    world.pass_time(2 * MINUTE)
    assert (world.data.snapshots, list(world.data.restored)) == ([], [job["CreatedResourceArn"]])


def test_continent_groups_are_those_that_the_library_knows() -> None:
    assert {frozenset(one) for one in regions.MULTI_REGION.values()} == set(CONTINENT_GROUPS.values())
