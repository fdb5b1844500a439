"""The age of the newest recovery point that the vaults of both Regions hold, and why it is not newer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.notifications import UNCHECKED_SECONDS
from dsql_dr_constructs.runtime.health_monitor.recovery_point_check import RecoveryPointCheck
from dsql_dr_constructs.runtime.health_monitor.settings import STALE_HOURS
from tests.runtime.health_monitor.hand_made_aws import FOLDERS, Aws
from tests.runtime.health_monitor.hand_made_backup import CLUSTERS, START, VAULTS, AwsBackup

NO_FAILED_JOB = "AWS Backup lists no failed backup or copy job of the last 3 days"
STALE = "the newest recovery point that the vaults of both Regions hold is of 2026-11-01 05:10 UTC"


@pytest.fixture
def backup() -> AwsBackup:
    """With one recovery point that both vaults hold, 2 hours ago."""
    made = AwsBackup()
    made.copy(made.back_up())
    made.now = START + timedelta(hours=2)
    return made


@pytest.fixture
def aws(backup: AwsBackup) -> Aws:
    made = Aws()
    made.backup = backup
    return made


def ages(aws: Aws) -> list[float]:
    return aws.put_of_the_observer(names.RECOVERY_POINT_AGE)


def test_age_is_that_of_the_newest_recovery_point_that_both_vaults_hold(aws: Aws, backup: AwsBackup) -> None:
    for days in (2, 3, 4, 5):  # on several pages
        backup.copy(backup.back_up(START - timedelta(days=days)))
    result = aws.run()
    assert ages(aws) == [2.0]
    assert result["backups"] == {
        "healthy": True,
        "age_hours": 2.0,
        "newest": "2026-11-01T05:10:00+00:00",
        "problems": (),
        "unanswered": (),
    }
    assert {method for method, _ in backup.asked} == {"list_recovery_points_by_backup_vault"}, "nobody asks why"


def test_vaults_need_not_be_described_where_both_hold_a_recovery_point(aws: Aws, backup: AwsBackup) -> None:
    backup.failures["describe_backup_vault"] = [backup.refusal()]
    result = aws.run()
    assert (ages(aws), result["backups"]["problems"]) == ([2.0], ())


def test_age_is_by_the_time_of_aws_and_not_by_the_local_clock(aws: Aws, backup: AwsBackup) -> None:
    aws.time.now += 1e9
    backup.now += timedelta(hours=3)
    aws.run()
    assert ages(aws) == [5.0]


def test_recovery_point_in_one_vault_only_does_not_count(aws: Aws, backup: AwsBackup) -> None:
    backup.back_up(START + timedelta(hours=1))
    aws.run()
    assert ages(aws) == [2.0]


def test_recovery_point_of_another_cluster_does_not_count(aws: Aws, backup: AwsBackup) -> None:
    other = CLUSTERS["us-east-1"].replace("cluster/us-east-1", "cluster/earlier")
    backup.copy(backup.back_up(START + timedelta(hours=1), ResourceArn=other))
    aws.run()
    assert ages(aws) == [2.0]


def later(backup: AwsBackup, hours: float = 27) -> None:
    backup.now = START + timedelta(hours=hours)


def test_age_at_which_it_is_a_problem_is_that_of_the_alarm(aws: Aws, backup: AwsBackup) -> None:
    later(backup, STALE_HOURS - 0.1)
    assert aws.run()["backups"]["healthy"] is True
    later(backup, STALE_HOURS)
    result = aws.run(on_demand=True)
    assert (result["verdict"], result["backups"]["healthy"]) == (names.HEALTHY, False)
    assert result["backups"]["problems"] == (f"{STALE}, 26.0 hours ago", NO_FAILED_JOB)


COPY_ARN = "arn:aws:backup:{}:111111111111:backup-vault:{}"


def job(kind: str, state: str, hours: float = 24, **changes: Any) -> dict[str, Any]:
    message = {"StatusMessage": f"why it {state}"} if state != "COMPLETED" else {}
    return {f"{kind}JobId": state, "State": state, "CreationDate": START + timedelta(hours=hours), **message, **changes}


def copy_job(state: str, hours: float = 24, region: str = "us-west-2", vault: str = "dsql-Orders-production") -> Any:
    return job("Copy", state, hours, DestinationBackupVaultArn=COPY_ARN.format(region, vault))


def copy_fails(backup: AwsBackup) -> None:
    backup.back_up(START + timedelta(hours=24))
    backup.copies["us-east-1"] = [copy_job("COMPLETED", 0), copy_job("FAILED", 24.5)]


def copy_is_partial(backup: AwsBackup) -> None:
    point = backup.back_up(START + timedelta(hours=24))
    backup.copy(point, Status="PARTIAL", StatusMessage="half of it")


def backup_expires(backup: AwsBackup) -> None:
    backup.jobs["us-east-1"] = [job("Backup", "FAILED", 20), job("Backup", "COMPLETED", 23), job("Backup", "EXPIRED")]


def failures_that_are_not_ours(backup: AwsBackup) -> None:
    backup.copies["us-east-1"] = [copy_job("FAILED", vault="of-somebody"), copy_job("FAILED", region="eu-west-1")]
    backup.jobs["us-east-1"] = [job("Backup", "FAILED", -24 * 3)]


REASONS: dict[str, tuple[Callable[[AwsBackup], None], list[str]]] = {
    "a copy fails": (
        copy_fails,
        [
            "the recovery point of 2026-11-02 05:10 UTC in us-east-1 has no copy in us-west-2",
            "copy job FAILED in us-east-1, of 2026-11-02 05:40 UTC, is FAILED: why it FAILED",
        ],
    ),
    "a copy is partial": (
        copy_is_partial,
        [
            "the recovery point of 2026-11-02 05:10 UTC in us-east-1 has a copy in us-west-2 that is PARTIAL "
            "(half of it)",
            NO_FAILED_JOB,
        ],
    ),
    "a backup could not begin": (
        backup_expires,
        ["backup job EXPIRED in us-east-1, of 2026-11-02 05:10 UTC, is EXPIRED: why it EXPIRED"],
    ),
    "others fail": (failures_that_are_not_ours, [NO_FAILED_JOB]),
}


@pytest.mark.parametrize("what", REASONS)
def test_answer_says_why_there_is_no_newer_recovery_point(aws: Aws, backup: AwsBackup, what: str) -> None:
    fail, reasons = REASONS[what]
    later(backup)
    fail(backup)
    assert aws.run()["backups"]["problems"] == (f"{STALE}, 27.0 hours ago", *reasons)
    assert ages(aws) == [27.0]


def test_without_recovery_points_the_age_is_that_of_the_youngest_of_clusters_and_vaults(aws: Aws) -> None:
    assert aws.backup
    aws.backup.points = {region: [] for region in CLUSTERS}
    aws.backup.created["us-west-2"] = START - timedelta(hours=6)
    result = aws.run()
    assert (ages(aws), result["backups"]["newest"], result["backups"]["healthy"]) == ([8.0], None, True)
    aws.answers["us-east-1"] = {"creationTime": START - timedelta(hours=1)}  # adopted later
    aws.run(on_demand=True)
    assert ages(aws) == [3.0]


def test_pair_that_never_had_a_recovery_point_is_a_problem_after_a_day(aws: Aws, backup: AwsBackup) -> None:
    backup.points = {region: [] for region in CLUSTERS}
    problems = aws.run()["backups"]["problems"]
    assert problems[0] == (
        "the vaults of both Regions hold no recovery point of the pair, 722.0 hours after the last of clusters, vaults "
        "and SSM parameters was created or changed"
    )


@pytest.mark.parametrize("gone", [("us-west-2",), ("us-east-1", "us-west-2")])
def test_vault_that_is_gone_is_a_problem_and_the_age_is_that_of_the_clusters_from_the_second_check_on(
    aws: Aws, backup: AwsBackup, gone: tuple[str, ...]
) -> None:
    for region in gone:
        del backup.created[region]
    aws.answers = {region: {"creationTime": START} for region in CLUSTERS}
    backup.created = {region: START - timedelta(days=1) for region in backup.created}
    for known in ([], [2.0], [2.0]):
        result = aws.run(on_demand=True)
        assert ages(aws) == known
        assert (result["backups"]["healthy"], result["errors"]) == (False, [])
        assert result["backups"]["problems"] == tuple(
            f"backup vault dsql-Orders-production does not exist in {region}, or the monitor may not describe it"
            for region in gone
        )


@pytest.mark.parametrize("what", ["list_recovery_points_by_backup_vault", "nothing"])
def test_one_refusal_of_aws_backup_is_no_age_of_weeks(aws: Aws, backup: AwsBackup, what: str) -> None:
    if what == "nothing":
        backup.points = {region: [] for region in CLUSTERS}
        backup.created = dict.fromkeys(CLUSTERS, START)
    for _ in range(2):
        backup.failures = {method: [backup.refusal()] for method in ("describe_backup_vault", what)}
        result = aws.run(on_demand=True)
        assert (ages(aws), result["backups"]["age_hours"], result["errors"]) == ([], None, [])
        assert len(result["backups"]["problems"]) == 1, "which are in the answer from the first on"
        assert aws.run(on_demand=True)["backups"]["problems"] == ()
        assert ages(aws) == [2.0]


def test_pair_that_was_adopted_is_as_old_as_the_parameters_that_name_it(aws: Aws, backup: AwsBackup) -> None:
    backup.points = {region: [] for region in CLUSTERS}
    aws.folders = FOLDERS
    aws.written = {
        f"{folder}/{field}": START + timedelta(hours=hours)
        for folder, when in zip(FOLDERS.values(), (-1, 1), strict=True)
        for field, hours in (("arn", when), ("identifier", when - 1), ("endpoint", 2))
    }
    result = aws.run()
    assert (ages(aws), result["backups"]["healthy"]) == ([1.0], True)
    aws.failures["ssm"] = [ReadTimeoutError(endpoint_url="https://ssm")] * 1000
    result = aws.run(on_demand=True)
    assert (ages(aws), result["backups"]["age_hours"], result["errors"]) == ([], None, [])
    assert result["backups"]["unanswered"][0].startswith("GetParameters in us-east-1: no answer")


def test_age_from_which_it_is_a_problem_can_be_given(aws: Aws, backup: AwsBackup) -> None:
    aws.recovery_points = RecoveryPointCheck(
        CLUSTERS.values(), VAULTS, 1, client=aws.client, now=lambda: aws.time.now, stale_hours=5
    )
    later(backup, 4.9)
    assert aws.run()["backups"]["healthy"] is True
    later(backup, 5)
    backup.jobs["us-east-1"] = [job("Backup", "FAILED", 4)]
    result = aws.run()["backups"]
    assert result["healthy"] is False
    assert result["problems"][0] == f"{STALE}, 5.0 hours ago"
    assert result["problems"][1].startswith("backup job FAILED in us-east-1")


def test_not_every_run_checks_and_on_demand_every_one_does(aws: Aws, backup: AwsBackup) -> None:
    checked = []
    for _ in range(5):
        answer = aws.run()
        checked.append("backups" in answer)
        assert bool(ages(aws)) == checked[-1]
    assert checked == [True, False, True, False, True]
    assert "backups" in aws.run(on_demand=True)


def test_region_that_does_not_answer_leaves_the_age_unknown_and_is_asked_again(aws: Aws, backup: AwsBackup) -> None:
    down = ReadTimeoutError(endpoint_url="https://backup")
    backup.failures["list_recovery_points_by_backup_vault"] = [down] * 1000
    result = aws.run()
    assert (ages(aws), result["errors"]) == ([], [])
    assert result["backups"]["healthy"] is result["backups"]["age_hours"] is None
    assert result["backups"]["unanswered"][0].startswith("us-east-1: no answer")
    backup.failures.clear()
    aws.run()
    assert ages(aws) == [2.0]


def test_aws_backup_that_does_not_answer_for_long_while_the_clusters_do_is_an_error(
    aws: Aws, backup: AwsBackup
) -> None:
    backup.failures["list_recovery_points_by_backup_vault"] = [ReadTimeoutError(endpoint_url="https://backup")] * 9999
    aws.run()
    aws.time.now += UNCHECKED_SECONDS
    assert "could not be checked for 30 minutes" in aws.failing_run()["errors"][0]


def test_region_that_is_down_is_no_error_of_the_monitor(aws: Aws, backup: AwsBackup) -> None:
    down = ReadTimeoutError(endpoint_url="https://backup")
    backup.failures["list_recovery_points_by_backup_vault"] = [down] * 9999
    aws.failures["us-west-2"] = [down] * 9999
    for _ in range(2):
        assert aws.run()["errors"] == []
        aws.time.now += UNCHECKED_SECONDS


def test_refusal_to_list_recovery_points_is_the_monitors_error(aws: Aws, backup: AwsBackup) -> None:
    backup.failures["list_recovery_points_by_backup_vault"] = [backup.refusal()]
    line = aws.failing_run()
    assert line["errors"] == [
        "ListRecoveryPointsByBackupVault in us-east-1 was refused: AccessDeniedException: Insufficient privileges to "
        "perform this action."
    ]
    assert (ages(aws), line["verdict"]) == ([], names.HEALTHY)


@pytest.mark.parametrize("method", ["list_backup_jobs", "list_copy_jobs"])
def test_refusal_to_list_jobs_is_the_monitors_error_and_the_age_is_put(
    aws: Aws, backup: AwsBackup, method: str
) -> None:
    later(backup)
    backup.failures[method] = [backup.refusal()]
    line = aws.failing_run()
    assert "Jobs in us-east-1 was refused" in line["errors"][0]
    assert (ages(aws), line["backups"]["problems"]) == ([27.0], [f"{STALE}, 27.0 hours ago"])


def test_jobs_that_cannot_be_asked_leave_the_reason_open(aws: Aws, backup: AwsBackup) -> None:
    later(backup)
    backup.failures["list_copy_jobs"] = [ReadTimeoutError(endpoint_url="https://backup")] * 1000
    found = aws.run()["backups"]
    assert found["problems"] == (f"{STALE}, 27.0 hours ago",)
    assert found["unanswered"][0].startswith("backup and copy jobs: no answer")


@pytest.mark.parametrize("method", ["describe_backup_vault", "list_recovery_points_by_backup_vault"])
def test_permission_that_does_not_hold_yet_is_waited_for_in_a_first_run(
    aws: Aws, backup: AwsBackup, method: str
) -> None:
    if method == "describe_backup_vault":
        backup.points = {region: [] for region in CLUSTERS}
        backup.created["us-west-2"] = START
    backup.failures[method] = [backup.refusal()] * 5
    result = aws.run(first=True)
    assert backup.failures[method] == []
    assert (ages(aws), result["backups"]["problems"]) == ([2.0], ())


@pytest.mark.parametrize("method", ["list_recovery_points_by_backup_vault", "list_backup_jobs"])
def test_permission_that_never_holds_fails_a_first_run(aws: Aws, backup: AwsBackup, method: str) -> None:
    later(backup)
    backup.failures[method] = [backup.refusal()] * 9999
    assert "was refused: AccessDeniedException" in aws.failing_run(first=True)["errors"][0]


def test_without_vaults_there_is_no_client_of_aws_backup() -> None:
    aws = Aws()
    assert "backups" not in aws.run(on_demand=True)
    assert not [service for service, _ in aws.asked_of if service == "backup"]
