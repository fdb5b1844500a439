"""Plans, jobs and copies of AWS Backup, without the emulator's process."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from dsql_dr_constructs.emulator.faults import Fault
from tests.emulator.backups import ACCOUNT, DAY, EAST, HOUR, MINUTE, ROLE, VAULT, WEST, World, daily

WEST_VAULT = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{VAULT}"


@pytest.fixture
def world() -> World:
    return World()


def states(jobs: list[dict[str, Any]]) -> list[str]:
    return [one["State"] for one in jobs]


def test_plan_backs_up_and_copies_on_the_minute_that_it_names(world: World) -> None:
    plan = world.plan()
    world.until(3, 9)
    assert world.jobs() == []
    world.until(3, 10)
    [job] = world.jobs()
    assert (job["State"], job["CreatedBy"]["BackupPlanId"], job["IamRoleArn"]) == ("CREATED", plan, ROLE)
    assert job["StartBy"] - job["CreationDate"] == 60 * MINUTE
    world.until(3, 30)
    [point], [copy] = world.points(EAST), world.points(WEST)
    assert (point["Status"], point["ResourceArn"]) == ("COMPLETED", world.east.arn)
    assert (copy["ResourceArn"], copy["CreationDate"]) == (point["ResourceArn"], point["CreationDate"])
    assert copy["SourceBackupVaultArn"] == point["BackupVaultArn"] != copy["BackupVaultArn"] == WEST_VAULT
    assert copy["RecoveryPointArn"] != point["RecoveryPointArn"]
    [done] = world.ask(world.backup.copy_jobs.list, EAST)["CopyJobs"]
    assert (done["State"], done["CreatedByBackupJobId"]) == ("COMPLETED", job["BackupJobId"])


def test_three_days_have_three_backups_newest_first(world: World) -> None:
    world.plan()
    world.until(4)
    world.pass_time(2 * DAY)
    assert states(world.jobs()) == ["COMPLETED"] * 3
    created = [one["CreationDate"] for one in world.jobs()]
    assert created == sorted(created, reverse=True)
    assert [one["CreationDate"] for one in world.points(WEST)] == [one["CreationDate"] for one in world.points(EAST)]


def test_job_passes_through_its_states_by_the_clock(world: World) -> None:
    asked = {"BackupVaultName": VAULT, "ResourceArn": world.east.arn, "IamRoleArn": ROLE}
    world.ask(world.backup.jobs.start, EAST, **asked)
    seen = []
    for _ in range(3):
        seen.append((world.jobs()[0]["State"], [one["Status"] for one in world.points()]))
        world.pass_time(MINUTE)
    assert seen == [("CREATED", []), ("RUNNING", ["CREATING"]), ("COMPLETED", ["COMPLETED"])]


def test_idle_cluster_cannot_be_backed_up(world: World) -> None:
    world.dsql.let_idle(world.east.arn)
    job = world.back_up()
    identifier = world.east.identifier
    sentence = f"FailedPrecondition: Cluster '{identifier}' is in state 'IDLE' and can't be backed up"
    assert (job["State"], job["StatusMessage"]) == ("FAILED", sentence)
    assert world.points() == []


@pytest.mark.parametrize(("choice", "ends"), [("fail", "FAILED"), ("retry", "EXPIRED")])
def test_plans_job_on_an_idle_cluster_ends_without_a_point(choice: str, ends: str) -> None:
    world = World(idle_backup=choice)
    world.plan()
    world.dsql.let_idle(world.east.arn)
    world.until(5)
    [job] = world.jobs()
    assert (job["State"], "is in state 'IDLE'" in job["StatusMessage"]) == (ends, True)
    assert world.points() == []


def test_retried_job_succeeds_once_the_cluster_is_awake() -> None:
    world = World(idle_backup="retry")
    world.plan()
    world.dsql.let_idle(world.east.arn)
    world.until(3, 15)
    assert states(world.jobs()) == ["CREATED"]
    world.dsql.wake(world.east.arn)
    world.real += 10
    world.until(3, 20)
    assert states(world.jobs()) == ["CREATED"], "tried again every 10 minutes"
    world.until(3, 25)
    assert states(world.jobs()) == ["COMPLETED"]


def test_of_overlapping_rules_only_the_one_that_keeps_longest_makes_a_backup(world: World) -> None:
    """Overlap is that of start windows, and not of minutes only."""
    weekly = daily(
        RuleName="weekly", ScheduleExpression="cron(40 3 ? * SUN *)", Lifecycle={"DeleteAfterDays": 180}, CopyActions=[]
    )
    world.plan(daily(), weekly)
    world.until(5)
    world.pass_time(7 * DAY)
    jobs = world.jobs()
    assert len(jobs) == 8, "one a day"
    for job in jobs:
        is_sunday = datetime.fromtimestamp(job["CreationDate"], timezone.utc).strftime("%a") == "Sun"
        assert job["CreatedBy"]["BackupRuleName"] == ("weekly" if is_sunday else "daily")


def test_job_that_cannot_begin_expires_at_the_end_of_its_start_window(world: World) -> None:
    world.faults.inject(Fault("hangs", "stuck", service="backup", call="BackupJob"))
    world.plan()
    world.until(4, 9)
    assert states(world.jobs()) == ["CREATED"]
    world.until(4, 11)
    assert states(world.jobs()) == ["EXPIRED"]


def test_job_that_does_not_end_expires_at_the_end_of_its_completion_window(world: World) -> None:
    world.plan()
    world.until(3, 11)
    assert states(world.jobs()) == ["RUNNING"]
    world.faults.inject(Fault("hangs", "stuck", service="backup", call="BackupJob"))
    world.until(6, 11)
    [job] = world.jobs()
    assert (job["State"], job["StatusMessage"]) == ("EXPIRED", "Backup job expired before completion.")
    assert (world.points(), world.data.snapshots) == ([], [])


def test_one_resource_is_backed_up_once_at_a_time(world: World) -> None:
    asked = {"BackupVaultName": VAULT, "ResourceArn": world.east.arn, "IamRoleArn": ROLE}
    world.faults.inject(Fault("slow", "slow", service="backup", call="BackupJob", first=1, seconds=1_000_000))
    first = world.ask(world.backup.jobs.start, EAST, **asked)["BackupJobId"]
    world.pass_time(MINUTE)
    world.ask(world.backup.jobs.start, EAST, **asked)
    world.pass_time(5 * MINUTE)
    assert states(world.jobs()) == ["CREATED", "RUNNING"]
    world.ask(world.backup.jobs.stop, EAST, BackupJobId=first)
    world.pass_time(3 * MINUTE)
    assert states(world.jobs()) == ["COMPLETED", "ABORTED"]


def test_stopped_job_leaves_no_point(world: World) -> None:
    asked = {"BackupVaultName": VAULT, "ResourceArn": world.east.arn, "IamRoleArn": ROLE}
    job = world.ask(world.backup.jobs.start, EAST, **asked)["BackupJobId"]
    world.pass_time(MINUTE)
    assert len(world.points()) == 1
    world.ask(world.backup.jobs.stop, EAST, BackupJobId=job)
    assert states(world.jobs()) == ["ABORTED"]
    assert (world.points(), world.data.snapshots) == ([], [])
    sentence = world.refused("InvalidRequest", world.backup.jobs.stop, EAST, BackupJobId=job)
    assert sentence == f"Backup job {job} is ABORTED and cannot be stopped."


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ({ROLE: "It cannot be assumed."}, "It cannot be assumed."),
        ({"dsql:StartBackupJob": "Not allowed."}, "Access Denied: Not allowed."),
        ({"vault key": "The key is disabled."}, "Access Denied: The key is disabled."),
    ],
)
def test_job_fails_with_the_reason(world: World, reason: dict[str, str], message: str) -> None:
    world.plan()
    vault = world.backup.vaults.find(EAST, VAULT)
    vault.key = "vault key"
    world.trust.reasons = reason
    world.until(4)
    [job] = world.jobs()
    assert (job["State"], job["StatusMessage"]) == ("FAILED", message)


def test_job_into_a_vault_that_is_gone_fails(world: World) -> None:
    world.plan()
    world.ask(world.backup.vaults.delete, EAST, BackupVaultName=VAULT)
    world.until(4)
    [job] = world.jobs()
    arn = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:{VAULT}"
    assert job["StatusMessage"] == f"Backup job failed because backup vault {arn} does not exist."


def test_plan_without_its_cluster_makes_no_job(world: World) -> None:
    world.plan(resources=[f"arn:aws:dsql:us-east-1:{ACCOUNT}:cluster/gone"])
    world.plan(daily(RuleName="other"), resources=["arn:aws:dsql:*:*:cluster/*"])
    world.until(4)
    assert [one["ResourceArn"] for one in world.jobs()] == [world.east.arn]


def test_fault_fails_jobs_and_copies_with_its_message(world: World) -> None:
    world.plan()
    world.faults.inject(Fault("copies fail", service="backup", call="CopyJob", message="No copy."))
    world.until(4)
    world.pass_time(2 * DAY)
    copies = world.ask(world.backup.copy_jobs.list, EAST)["CopyJobs"]
    assert [(one["State"], one["StatusMessage"]) for one in copies] == [("FAILED", "No copy.")] * 3
    assert (len(world.points(EAST)), world.points(WEST)) == (3, [])
    world.faults.inject(Fault("backups fail", service="backup", call="BackupJob", message="No backup."))
    world.pass_time(DAY)
    assert (world.jobs()[0]["State"], world.jobs()[0]["StatusMessage"]) == ("FAILED", "No backup.")


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ({ROLE: "It cannot be assumed."}, "It cannot be assumed."),
        ({"backup:CopyIntoBackupVault": "Not allowed."}, "Access Denied: Not allowed."),
        ({"vault key": "The key is disabled."}, "Access Denied: The key is disabled."),
    ],
)
def test_copy_fails_with_the_reason(world: World, reason: dict[str, str], message: str) -> None:
    point = world.back_up()["RecoveryPointArn"]
    world.backup.vaults.find(WEST, VAULT).key = "vault key"
    copying = {"DestinationBackupVaultArn": WEST_VAULT, "SourceBackupVaultName": VAULT, "IamRoleArn": ROLE}
    job = world.ask(world.backup.copy_jobs.start, EAST, RecoveryPointArn=point, **copying)["CopyJobId"]
    world.trust.reasons = reason
    world.pass_time(2 * MINUTE)
    copy = world.ask(world.backup.copy_jobs.describe, EAST, CopyJobId=job)["CopyJob"]
    assert (copy["State"], copy["StatusMessage"]) == ("FAILED", message)


def test_copy_to_a_vault_that_is_not_there_fails(world: World) -> None:
    point = world.back_up()["RecoveryPointArn"]
    gone = WEST_VAULT + "-gone"
    copy = world.copy(point, DestinationBackupVaultArn=gone)
    message = f"Copy job failed because the destination backup vault {gone} does not exist."
    assert (copy["State"], copy["StatusMessage"]) == ("FAILED", message)


def test_role_is_asked_for_what_the_managed_policy_lists(world: World) -> None:
    world.copy(world.back_up()["RecoveryPointArn"])
    asked = {action for action, _, _ in world.trust.checks}
    dsql = {"dsql:StartBackupJob", "dsql:GetBackupJob", "dsql:GetCluster", "dsql:ListTagsForResource"}
    assert asked == dsql | {"backup:CopyFromBackupVault", "backup:CopyIntoBackupVault"}


def test_points_expire_on_the_clock_and_their_data_with_the_last_of_them(world: World) -> None:
    point = world.back_up(Lifecycle={"DeleteAfterDays": 1})["RecoveryPointArn"]
    world.copy(point, Lifecycle={"DeleteAfterDays": 2})
    assert world.points()[0]["CalculatedLifecycle"] == {"DeleteAt": world.points()[0]["CreationDate"] + DAY}
    world.pass_time(DAY + HOUR)
    assert (world.points(EAST), len(world.points(WEST)), len(world.data.snapshots)) == ([], 1, 1)
    world.pass_time(DAY)
    assert (world.points(WEST), world.data.snapshots) == ([], [])


def test_lists_are_filtered(world: World) -> None:
    world.plan()
    world.until(4)
    began = world.clock.now()
    world.pass_time(DAY)
    [newest, oldest] = world.jobs()
    assert world.jobs(ByCreatedAfter=began) == [newest]
    assert world.jobs(ByCreatedBefore=began) == [oldest]
    assert world.jobs(ByResourceArn="arn:aws:dsql:us-east-1:1:cluster/x") == world.jobs(ByState="FAILED") == []
    assert world.jobs(ByState="COMPLETED", ByResourceArn=world.east.arn) == [newest, oldest]
    assert world.ask(world.backup.jobs.list, WEST)["BackupJobs"] == []
    assert len(world.points(ByCreatedAfter=began)) == len(world.points(ByCreatedBefore=began)) == 1
    by_resource = world.ask(world.backup.points.list_by_resource, EAST, ResourceArn=world.east.arn)
    assert len(by_resource["RecoveryPoints"]) == 2


def test_lists_go_on_at_their_token(world: World) -> None:
    world.plan()
    world.until(4)
    world.pass_time(2 * DAY)
    call = world.backup.points.list_by_vault
    first = world.ask(call, EAST, BackupVaultName=VAULT, MaxResults=2)
    second = world.ask(call, EAST, BackupVaultName=VAULT, MaxResults=2, NextToken=first["NextToken"])
    assert [*first["RecoveryPoints"], *second["RecoveryPoints"]] == world.points()
    assert (len(first["RecoveryPoints"]), "NextToken" in second) == (2, False)
    world.refused("InvalidParameterValue", call, EAST, BackupVaultName=VAULT, NextToken="x")


def test_every_change_is_reported_and_counted(world: World) -> None:
    world.plan()
    world.until(4)
    world.backup.flush()
    seen = [(one.detail_type, one.detail["state"], one.metric) for one in world.sent]
    assert seen == [
        ("Backup Job State Change", "CREATED", "NumberOfBackupJobsCreated"),
        ("Backup Job State Change", "RUNNING", "NumberOfBackupJobsRunning"),
        ("Backup Job State Change", "COMPLETED", "NumberOfBackupJobsCompleted"),
        ("Copy Job State Change", "CREATED", "NumberOfCopyJobsCreated"),
        ("Copy Job State Change", "RUNNING", "NumberOfCopyJobsRunning"),
        ("Copy Job State Change", "COMPLETED", "NumberOfCopyJobsCompleted"),
    ]
    [point] = world.points()
    assert world.sent[2].resources == (point["RecoveryPointArn"],)
    assert world.sent[2].detail["resourceArn"] == world.east.arn
    assert {(one.where, one.vault_name) for one in world.sent} == {(EAST, VAULT)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ScheduleExpression": "rate(1 day)"}, "ScheduleExpression is rate\\(1 day\\)"),
        ({"ScheduleExpression": "cron(10 3 * * * *)"}, "with \\? for one of the two days"),
        ({"ScheduleExpressionTimezone": "Mars/Olympus"}, "Mars/Olympus, which is unknown"),
        ({"StartWindowMinutes": 30}, "StartWindowMinutes is 30, not 60 or more"),
        ({"CompletionWindowMinutes": 100}, "CompletionWindowMinutes must be 60 more"),
        ({"Lifecycle": {"DeleteAfterDays": 0}}, "DeleteAfterDays is 0: 1 or more"),
        ({"Lifecycle": {"DeleteAfterDays": 35, "MoveToColdStorageAfterDays": 7}}, "90 days more"),
        ({"TargetBackupVaultName": "x"}, "Backup vault name x is not valid"),
        ({"RuleName": "every day"}, "RuleName is every day"),
        ({"CopyActions": [{"DestinationBackupVaultArn": VAULT}]}, "must be the ARN of a backup vault"),
    ],
)
def test_plan_with_a_wrong_rule_is_refused(world: World, changes: dict[str, Any], message: str) -> None:
    document = {"BackupPlanName": VAULT, "Rules": [daily(**changes)]}
    sentence = world.refused("InvalidParameterValue", world.backup.plans.create, EAST, BackupPlan=document)
    assert re.search(message, sentence), sentence


def test_rule_without_windows_has_those_of_aws(world: World) -> None:
    rule = {"RuleName": "least", "TargetBackupVaultName": VAULT}
    made = world.ask(world.backup.plans.create, EAST, BackupPlan={"BackupPlanName": "least", "Rules": [rule]})
    plan = world.ask(world.backup.plans.get, EAST, BackupPlanId=made["BackupPlanId"])["BackupPlan"]
    kept = plan["Rules"][0]
    assert kept["ScheduleExpression"] == "cron(0 5 ? * * *)"
    assert (kept["StartWindowMinutes"], kept["CompletionWindowMinutes"]) == (8 * HOUR / 60, 7 * DAY / 60)


def test_plan_has_a_new_version_after_an_update_and_keeps_its_selections(world: World) -> None:
    plan = world.plan()
    before = world.ask(world.backup.plans.get, EAST, BackupPlanId=plan)
    document = {"BackupPlanName": VAULT, "Rules": [daily(ScheduleExpression="cron(10 5 * * ? *)")]}
    world.ask(world.backup.plans.update, EAST, BackupPlanId=plan, BackupPlan=document)
    after = world.ask(world.backup.plans.get, EAST, BackupPlanId=plan)
    assert (after["BackupPlanArn"], after["VersionId"] != before["VersionId"]) == (before["BackupPlanArn"], True)
    world.until(4)
    assert world.jobs() == []
    world.until(6)
    assert len(world.jobs()) == 1


def test_what_a_plan_is_refused_for(world: World) -> None:
    plans, plan = world.backup.plans, world.plan()
    same = {"BackupPlanName": VAULT, "Rules": [daily()]}
    assert plan in world.refused("AlreadyExists", plans.create, EAST, BackupPlan=same)
    twice = {"BackupPlanName": "twice", "Rules": [daily(), daily()]}
    world.refused("InvalidParameterValue", plans.create, EAST, BackupPlan=twice)
    world.refused("MissingParameterValue", plans.create, EAST, BackupPlan={"BackupPlanName": "none", "Rules": []})
    sentence = world.refused("InvalidRequest", plans.delete, EAST, BackupPlanId=plan)
    assert sentence == "Related backup plan selections must be deleted prior to backup plan deletion"
    world.refused("ResourceNotFound", plans.get, WEST, BackupPlanId=plan)
    selection = {"SelectionName": "pair", "IamRoleArn": ROLE, "Resources": ["*"]}
    asked = {"BackupPlanId": plan, "BackupSelection": selection}
    world.refused("AlreadyExists", plans.create_selection, EAST, **asked)
    asked["BackupSelection"] = {"SelectionName": "nothing", "IamRoleArn": ROLE}
    world.refused("InvalidParameterValue", plans.create_selection, EAST, **asked)
    asked["BackupSelection"] = {"SelectionName": "a b", "IamRoleArn": ROLE, "Resources": ["*"]}
    world.refused("InvalidParameterValue", plans.create_selection, EAST, **asked)
    world.trust.reasons = {ROLE: f"IAM Role {ROLE} cannot be assumed by AWS Backup"}
    asked["BackupSelection"] = {**selection, "SelectionName": "other"}
    sentence = world.refused("InvalidParameterValue", plans.create_selection, EAST, **asked)
    assert sentence == world.trust.reasons[ROLE]


def test_plan_is_deleted_after_its_selections(world: World) -> None:
    plans, plan = world.backup.plans, world.plan()
    [selection] = world.ask(plans.list_selections, EAST, BackupPlanId=plan)["BackupSelectionsList"]
    asked = {"BackupPlanId": plan, "SelectionId": selection["SelectionId"]}
    assert world.ask(plans.get_selection, EAST, **asked)["BackupSelection"]["Resources"] == [world.east.arn]
    world.ask(plans.delete_selection, EAST, **asked)
    world.refused("ResourceNotFound", plans.delete_selection, EAST, **asked)
    world.ask(plans.delete, EAST, BackupPlanId=plan)
    assert world.ask(plans.list, EAST)["BackupPlansList"] == []


def test_job_of_something_else_than_a_cluster_of_the_region_is_refused(world: World) -> None:
    for resource in (world.west.arn, "arn:aws:rds:us-east-1:1:db:x", "x"):
        asked = {"BackupVaultName": VAULT, "ResourceArn": resource, "IamRoleArn": ROLE}
        world.refused("InvalidParameterValue", world.backup.jobs.start, EAST, **asked)
    asked = {"BackupVaultName": VAULT, "ResourceArn": world.east.arn, "IamRoleArn": ROLE}
    world.refused("InvalidParameterValue", world.backup.jobs.start, EAST, **asked, StartWindowMinutes=5)
    world.refused("ResourceNotFound", world.backup.jobs.describe, WEST, BackupJobId=world.back_up()["BackupJobId"])
