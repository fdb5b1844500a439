"""What `dsql-dr backups` lists, with answers of AWS that the tests make."""

from __future__ import annotations

import io
import json
import os
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, backups, command_line, pair_backups
from tests.cli.backup_answers import (
    ACCOUNT,
    EAST,
    LAST_NIGHT,
    REGIONS,
    VAULT,
    WEST,
    Aws,
    cluster_arn,
    error,
    no_answer,
    point,
    point_arn,
)


class Run:
    """The command, as a person runs it, with an `Aws`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, aws: Aws, *arguments: str, width: int = 200) -> tuple[int, str]:
        """Exit status, and what is printed, in one line with single spaces."""
        self._monkeypatch.setattr(
            aws_session, "region_and_clients", lambda options: (options.region or EAST, aws.client)
        )
        self._monkeypatch.setenv("COLUMNS", str(width))
        with pytest.raises(SystemExit) as ended:
            command_line.main(["backups", "Orders-production", *arguments])
        return int(ended.value.code or 0), self._capsys.readouterr().out


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def words(text: str) -> str:
    return " ".join(text.split())


def copy_job(name: str, state: str, message: str = "", hours: int = 0) -> dict[str, Any]:
    return {
        "CopyJobId": f"copy-{hours}",
        "SourceRecoveryPointArn": point_arn(EAST, name),
        "SourceBackupVaultArn": f"arn:aws:backup:{EAST}:{ACCOUNT}:backup-vault:{VAULT}",
        "CreationDate": LAST_NIGHT + timedelta(hours=hours),
        "State": state,
        **({"StatusMessage": message} if message else {}),
    }


def test_recovery_point_of_both_regions_is_listed_with_its_age_size_and_expiry(run: Run) -> None:
    status, printed = run(Aws())
    assert status == 0, printed
    assert f"2026-11-26T03:10:05Z 5 h 49 min 34.9 MiB COMPLETED 2026-12-31 {'a' * 26}" in words(printed)
    assert printed.splitlines()[-1] == "A pair can be restored from 1 recovery point: dsql-dr restore."


def test_recovery_points_are_listed_newest_first_and_those_of_a_former_pair_are_named(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region].insert(
            0, point(region, "former", LAST_NIGHT - timedelta(days=3), ResourceArn=cluster_arn(EAST, "f"))
        )
        aws.points[region].append(point(region, "the-night-before", LAST_NIGHT - timedelta(days=1)))
    status, printed = run(aws, "--json")
    found = json.loads(printed)
    assert status == 0
    assert [one["created"][8:10] for one in found["recovery_points"]] == ["26", "25", "23"]
    assert [one["of_present_pair"] for one in found["recovery_points"]] == [True, True, False]
    assert found["recovery_points"][0]["arns"] == {one: point_arn(one, "last-night") for one in REGIONS}
    assert "not of the present pair" in words(run(aws)[1])


def test_age_is_by_the_clock_of_aws(run: Run) -> None:
    [one] = json.loads(run(Aws(), "--json")[1])["recovery_points"]
    assert one["age_hours"] == 5.83


def test_point_in_one_region_only_is_missing_in_the_other_with_the_reason_of_its_newest_copy_job(run: Run) -> None:
    aws = Aws()
    aws.points[WEST] = []
    aws.copy_jobs = [copy_job("last-night", "FAILED", "first try"), copy_job("last-night", "FAILED", "key disabled", 1)]
    status, printed = run(aws, "--json")
    found = json.loads(printed)
    assert status == 1
    [missing] = found["missing"]
    assert (missing["missing_in"], missing["reason"]) == (WEST, "copy job copy-1 is FAILED: key disabled")
    assert found["restorable"] is False
    status, printed = run(aws)
    assert "us-west-2 copy job copy-1 is FAILED: key disabled" in words(printed)
    assert printed.splitlines()[-1].startswith("No pair can be restored: ")


@pytest.mark.parametrize(
    ("copies", "there", "reason"),
    [
        ([], [], "no copy job is known, or the copy was deleted or has expired"),
        ([copy_job("last-night", "RUNNING")], [], "copy job copy-0 is RUNNING"),
        ([], [point(WEST, "last-night", Status="EXPIRED", StatusMessage="Role.")], "the copy there is EXPIRED: Role."),
        ([], [point(WEST, "last-night", Status="DELETING")], "the copy there is DELETING"),
    ],
)
def test_every_reason_of_a_missing_copy_is_a_sentence(
    run: Run, copies: list[dict[str, Any]], there: list[dict[str, Any]], reason: str
) -> None:
    aws = Aws(copy_jobs=copies)
    aws.points[WEST] = there
    [missing] = json.loads(run(aws, "--json")[1])["missing"]
    assert missing["reason"] == reason


def test_copies_that_cannot_be_listed_do_not_hide_what_is_missing(run: Run) -> None:
    aws = Aws(faults={("ListCopyJobs", EAST): error("AccessDeniedException")})
    aws.points[WEST] = []
    found = json.loads(run(aws, "--json")[1])
    assert [one["reason"] for one in found["missing"]] == ["not known, since copy jobs could not be listed"]
    assert found["problems"][0].startswith("us-east-1: An error occurred (AccessDeniedException)")


def test_newest_backup_job_that_failed_is_reported_and_one_before_a_success_is_not(run: Run) -> None:
    def job(state: str, hours: int) -> dict[str, Any]:
        return {
            "BackupJobId": f"backup-{hours}",
            "BackupVaultArn": f"arn:aws:backup:{EAST}:{ACCOUNT}:backup-vault:{VAULT}",
            "CreationDate": LAST_NIGHT + timedelta(hours=hours),
            "State": state,
            "StatusMessage": "Cluster 'a' is in state 'IDLE' and can't be backed up",
        }

    aws = Aws(backup_jobs=[job("COMPLETED", 0), job("FAILED", 1)])
    assert (
        "The newest backup job in us-east-1, backup-1 of 2026-11-26T04:10:05Z, is FAILED: Cluster 'a' is in state"
        in words(run(aws)[1])
    )
    aws.backup_jobs.append(job("COMPLETED", 2))
    assert "newest backup job" not in run(aws)[1]


@pytest.mark.parametrize("region", REGIONS)
def test_region_that_does_not_answer_does_not_hide_the_points_of_the_other(run: Run, region: str) -> None:
    aws = Aws(faults={("ListRecoveryPointsByBackupVault", region): no_answer})
    status, printed = run(aws)
    other = next(one for one in REGIONS if one != region)
    assert status == 1
    assert f"The vault in {other} has 1 recovery points, the newest of 2026-11-26T03:10:05Z." in printed
    assert f"{region} does not answer: Could not connect to the endpoint URL" in printed
    assert printed.splitlines()[-1].endswith("is not known, since a Region did not answer.")


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "AccessDeniedException"])
def test_missing_vault_is_a_sentence_that_says_what_to_deploy(run: Run, code: str) -> None:
    """AWS Backup refuses a vault that does not exist as one that may not be read."""
    status, printed = run(Aws(faults={("ListRecoveryPointsByBackupVault", WEST): error(code)}))
    assert status == 1
    assert (
        f"There is no vault {VAULT} in us-west-2, or it may not be listed: deploy Orders-production with "
        "backup=BackupOptions(), or give --vault where it has another name." in printed
    )


def test_vault_of_another_name_is_asked(run: Run) -> None:
    aws = Aws()
    assert run(aws, "--vault", "shared")[0] == 1
    assert {request["BackupVaultName"] for _, request in aws.asked("ListRecoveryPointsByBackupVault")} == {"shared"}


def test_recovery_point_of_another_service_in_a_shared_vault_is_left_out(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region].append(
            point(
                region, "table", ResourceArn=f"arn:aws:dynamodb:{EAST}:{ACCOUNT}:table/Orders", ResourceType="DynamoDB"
            )
        )
    assert len(json.loads(run(aws, "--json")[1])["recovery_points"]) == 1


def test_pair_whose_parameters_are_gone_is_found_by_its_two_regions(run: Run) -> None:
    aws = Aws(parameters=False)
    status, printed = run(aws)
    assert status == 1
    assert "Where they are gone or do not answer, give --region and --peer-region, the pair's two Regions." in printed
    status, printed = run(aws, "--region", EAST, "--peer-region", WEST, "--json")
    assert status == 0, printed
    assert json.loads(printed)["recovery_points"][0]["of_present_pair"] is True
    assert aws.asked("GetParametersByPath") == [(EAST, {"Path": "/dsql-dr/Orders-production", "Recursive": True})]


def of_former_and_other_pairs() -> Aws:
    """A central vault, and no SSM parameters."""
    aws = Aws(parameters=False)
    aws.add_pair("p", tag="Payments-production")
    aws.add_pair("u", tag="")
    for day, letter in enumerate("pug", start=1):
        for region in REGIONS:
            created = LAST_NIGHT + timedelta(days=day)
            aws.points[region].append(point(region, letter, created, ResourceArn=cluster_arn(EAST, letter)))
    aws.move_to("central")
    return aws


CENTRAL = ["--vault", "central", "--region", EAST, "--peer-region", WEST]


def test_pair_whose_parameters_are_gone_is_found_in_a_central_vault_by_its_clusters_tag(run: Run) -> None:
    aws = of_former_and_other_pairs()
    status, printed = run(aws, *CENTRAL, "--json")
    found = json.loads(printed)
    assert (status, found["restorable"], found["problems"]) == (0, True, [])
    assert [(one["cluster"], one["whose"]) for one in found["recovery_points"]] == [
        (cluster_arn(EAST), "of the present pair")
    ]


def test_central_vault_of_which_no_cluster_is_known_is_listed_with_whose_each_cluster_is(run: Run) -> None:
    aws = of_former_and_other_pairs()
    for region in REGIONS:
        del aws.clusters[cluster_arn(region)]
    aws.points[EAST].append(point(EAST, "v", ResourceArn=cluster_arn(EAST, "v"), BackupVaultName="central"))
    status, printed = run(aws, *CENTRAL, "--json")
    found = json.loads(printed)
    assert (status, found["restorable"]) == (1, False)
    assert {one["cluster"].rpartition("/")[2][0]: one["whose"] for one in found["recovery_points"]} == {
        "a": "no longer there",
        "p": "of Payments-production",
        "u": "without the tag dsql-dr:deployment",
        "g": "no longer there",
    }
    assert [one["cluster"] for one in found["missing"]] == [cluster_arn(EAST, "v")]
    [problem] = found["problems"]
    assert "is there with the tag dsql-dr:deployment = Orders-production, so witness and keys" in problem
    printed = run(aws, *CENTRAL)[1]
    assert f"{'p' * 26} (of Payments-production)" in words(printed)
    assert printed.splitlines()[-1].startswith("Which of these recovery points are of Orders-production is not known:")


def test_former_pair_that_is_still_there_with_its_tag_is_not_the_present_one(run: Run) -> None:
    aws = Aws(parameters=False)
    aws.add_pair("f")
    for region in REGIONS:
        aws.points[region].insert(
            0, point(region, "former", LAST_NIGHT - timedelta(days=1), ResourceArn=cluster_arn(WEST, "f"))
        )
    found = json.loads(run(aws, "--region", EAST, "--peer-region", WEST, "--json")[1])
    assert [one["whose"] for one in found["recovery_points"]] == ["of the present pair", "not of the present pair"]


def test_cluster_that_does_not_answer_is_a_problem_without_parameters_too(run: Run) -> None:
    aws = Aws(parameters=False, faults={("GetCluster", EAST): no_answer})
    found = json.loads(run(aws, "--region", EAST, "--peer-region", WEST, "--json")[1])
    assert [one["whose"] for one in found["recovery_points"]] == ["of a pair that is not known"]
    assert f"Cluster {cluster_arn(EAST)} could not be asked for its witness and its key: " in found["problems"][0]


def test_same_region_twice_is_refused(run: Run) -> None:
    status, printed = run(Aws(), "--region", EAST, "--peer-region", EAST)
    assert (status, printed) == (1, "--peer-region is us-east-1, the first Region, too: give the pair's other one.\n")


def test_cluster_of_another_deployment_is_not_taken_for_the_present_pair(run: Run) -> None:
    aws = Aws()
    aws.add_pair("a", tag="Payments-production")
    found = json.loads(run(aws, "--json")[1])
    assert [one["of_present_pair"] for one in found["recovery_points"]] == [False]
    assert len([one for one in found["problems"] if "is 'Payments-production', so it does not belong" in one]) == 2


def test_parameters_that_name_clusters_of_two_accounts_are_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(_: Aws, region: str, request: dict[str, Any]) -> Any:
        arns = [cluster_arn(EAST), cluster_arn(WEST).replace(ACCOUNT, "444455556666")]
        yield {"Parameters": [{"Name": f"{request['Path']}/{one.split(':')[3]}/arn", "Value": one} for one in arns]}

    monkeypatch.setattr(Aws, "get_parameters_by_path", forged)
    status, printed = run(Aws())
    assert status == 1
    assert "name clusters of two accounts: one was changed." in printed


def test_list_fits_a_terminal_of_80_columns_and_only_the_newest_missing_copies_are_in_it(run: Run) -> None:
    aws = Aws()
    aws.points[EAST] += [point(EAST, f"n{day}", LAST_NIGHT - timedelta(days=day)) for day in range(1, 13)]
    console = Console(file=io.StringIO(), width=80)
    status, printed = run(aws)
    assert status == 0
    assert "2 older ones are in only one Region, too: --json has them." in printed
    found = pair_backups.ask("Orders-production", EAST, aws.client)
    backups._show(found, backups._missing(found, pair_backups.reasons(found, aws.client)), [], console)
    assert isinstance(console.file, io.StringIO)
    table = [line for line in console.file.getvalue().splitlines() if line.startswith((" 2026", "2026"))]
    assert len(table) == 11
    assert max(map(len, table)) <= 80


@pytest.mark.parametrize(
    ("bytes_", "text"),
    [(None, "unknown"), (0, "0 bytes"), (2048, "2.0 KiB"), (36_635_253, "34.9 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_size_is_in_words(bytes_: int | None, text: str) -> None:
    assert backups.size(bytes_) == text


@pytest.mark.parametrize(("minutes", "text"), [(0, "0 min"), (119, "119 min"), (125, "2 h 5 min"), (4000, "2 d 18 h")])
def test_duration_is_in_two_units(minutes: int, text: str) -> None:
    assert backups.duration(timedelta(minutes=minutes)) == text


def test_without_a_region_the_command_says_what_to_give(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    for command in ("backups", "restore", "status"):
        with pytest.raises(SystemExit) as ended:
            command_line.main([command, "Orders-production"])
        assert (ended.value.code, capsys.readouterr().out) == (
            1,
            "No Region is configured: give --region one of the pair's.\n",
        )
