"""What `dsql-dr restore` starts, and how it ends, with answers of AWS that the tests make."""

from __future__ import annotations

import argparse
import io
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError
from botocore.httpsession import URLLib3Session
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from dsql_dr_constructs.cli import aws_session, command_line, pair_backups, restore
from dsql_dr_constructs.cli.restore_errors import RestoreError
from dsql_dr_constructs.cli.restore_plan import AWS_OWNED_KEY, Choice, choose
from tests.cli.backup_answers import (
    ACCOUNT,
    EAST,
    LAST_NIGHT,
    NOW,
    REGIONS,
    ROLE,
    VAULT,
    WEST,
    Aws,
    cluster_arn,
    error,
    no_answer,
    point,
    point_arn,
)
from tests.tools import ROOT

KEYS = {region: f"arn:aws:kms:{region}:{ACCOUNT}:key/0a1b2c3d-0000-4000-8000-{'0' * 12}" for region in REGIONS}
START = "StartRestoreJob"
OPTIONS = ["job", "vault", "recovery-point", "peer-region", "region", "profile"]


class Run:
    """The command, as a person or a program runs it, with an `Aws`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.pauses: list[float] = []
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(restore, "time", SimpleNamespace(sleep=self.pauses.append))

    def __call__(self, aws: Aws, *arguments: str, answer: str | None = None) -> tuple[int, str]:
        """Exit status and what is printed; with *answer* there is a terminal for the question."""
        self._monkeypatch.setattr(
            aws_session, "region_and_clients", lambda options: (options.region or EAST, aws.client)
        )
        self._monkeypatch.setattr(sys, "stdin", SimpleNamespace(isatty=lambda: answer is not None))
        self._monkeypatch.setattr(Console, "input", lambda _, prompt, *, markup: answer)  # its brackets are no markup
        with pytest.raises(SystemExit) as ended:
            command_line.main(["restore", "Orders-production", *arguments])
        return int(ended.value.code or 0), self._capsys.readouterr().out


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    return Run(monkeypatch, capsys)


def started(aws: Aws) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Region, request and metadata of the only restore; lists in it decoded."""
    [(region, request)] = aws.asked(START)
    metadata = request["Metadata"]
    lists = {name: json.loads(value) for name, value in metadata.items() if value.startswith("[")}
    return region, request, {**metadata, **lists}


def test_pair_is_restored_from_the_original_and_its_copy_with_metadata_that_names_the_peer(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    region, request, metadata = started(aws)
    assert region == EAST
    assert request["RecoveryPointArn"] == point_arn(EAST, "last-night")
    assert request["IamRoleArn"] == ROLE
    assert "CopySourceTagsToRestoredResource" not in request, "no policy of the present pair may take it for its own"
    assert all(isinstance(value, str) for value in request["Metadata"].values())
    assert metadata == {
        "useMultiRegionOrchestration": "true",
        "witnessRegion": "us-east-2",
        "peerRegion": [WEST],
        "regionalConfig": [{"region": one, "isDeletionProtectionEnabled": True} for one in REGIONS],
    }
    new = [cluster_arn(one, "n") for one in REGIONS]
    assert f'    cluster_arns=["{new[0]}", "{new[1]}"],' in printed.splitlines()
    assert printed.splitlines()[-1] == "    $ cdk deploy --all"


def test_restore_starts_where_the_original_is_whichever_region_is_given(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region] = [point(region, "of-west", ResourceArn=cluster_arn(WEST))]
    assert run(aws, "--yes", "--region", EAST)[0] == 0
    region, request, metadata = started(aws)
    assert (region, metadata["peerRegion"]) == (WEST, [EAST])
    assert request["RecoveryPointArn"] == point_arn(WEST, "of-west")


def test_what_will_be_made_and_what_is_lost_is_shown_before_the_question(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws, answer="no")
    assert (status, aws.asked(START)) == (1, [])
    shown = " ".join(printed.split())
    for part in (
        f"From the recovery point of 2026-11-26T03:10:05Z, 5 h 49 min old, 34.9 MiB, of cluster {'a' * 26}:",
        f"us-west-2 {point_arn(WEST, 'last-night')}",
        "us-east-1 deletion protection on, key owned by AWS",
        "witness us-east-2",
        "What was written after 2026-11-26T03:10:05Z is not in it.",
        f"The present pair is not touched: {cluster_arn(EAST)}, {cluster_arn(WEST)}.",
        "It needs one more multi-Region cluster of the quota in us-east-1 and us-west-2 (by default 5 in an account",
    ):
        assert part in shown
    assert printed.splitlines()[-1] == "Nothing was started."


def test_yes_to_the_question_starts_it(run: Run) -> None:
    aws = Aws()
    assert run(aws, answer="yes")[0] == 0
    assert len(aws.asked(START)) == 1


def test_without_a_terminal_nothing_is_started_without_yes(run: Run) -> None:
    aws = Aws()
    status, printed = run(aws)
    assert (status, aws.asked(START)) == (1, [])
    assert "There is no terminal on which to ask: give --yes to start this restore. Nothing was started." in printed


def test_customer_managed_key_of_each_region_is_that_of_the_new_cluster_there(run: Run) -> None:
    aws = Aws()
    aws.add_pair("a", keys=KEYS)
    assert run(aws, "--yes")[0] == 0
    assert [one["kmsKeyId"] for one in started(aws)[2]["regionalConfig"]] == [KEYS[one] for one in REGIONS]


def test_key_that_is_given_replaces_that_of_the_present_cluster(run: Run) -> None:
    aws = Aws()
    aws.add_pair("a", keys=KEYS)
    assert run(aws, "--yes", "--key", f"{EAST}=AWS_OWNED_KMS_KEY")[0] == 0
    east, west = started(aws)[2]["regionalConfig"]
    assert ("kmsKeyId" in east, west["kmsKeyId"]) == (False, KEYS[WEST])


def test_key_that_is_not_known_is_never_replaced_by_another_without_being_asked_for(run: Run) -> None:
    aws = Aws(faults={("GetCluster", WEST): error("AccessDeniedException")})
    status, printed = run(aws, "--yes")
    assert (status, aws.asked(START)) == (1, [])
    assert (
        "The key of the cluster in us-west-2 is not known, since it could not be asked: give --key us-west-2=ARN, or"
        in printed
    )
    aws.on_call = lambda operation, region: aws.faults.clear() if operation == START else None
    assert run(aws, "--yes", "--key", f"{WEST}={KEYS[WEST]}")[0] == 0
    assert started(aws)[2]["regionalConfig"][1]["kmsKeyId"] == KEYS[WEST]


def test_newest_point_before_a_time_is_chosen_and_a_backup_that_ran_then_is_mentioned(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region].append(point(region, "earlier", LAST_NIGHT - timedelta(days=1)))
    status, printed = run(aws, "--yes", "--at", "2026-11-25T23:00")
    assert status == 0, printed
    assert started(aws)[1]["RecoveryPointArn"] == point_arn(EAST, "earlier")
    assert "AWS does not document at which moment of a backup" not in printed
    _, printed = run(Aws(), "--at", "2026-11-26T04:12:05+01:00")
    assert "The backup began 2 min before 2026-11-26T03:12:05Z: AWS does not document at which moment" in printed


@pytest.mark.parametrize("region", REGIONS)
def test_recovery_point_is_named_by_its_arn_or_that_of_its_copy(run: Run, region: str) -> None:
    aws = Aws()
    for one in REGIONS:
        aws.points[one].append(point(one, "earlier", LAST_NIGHT - timedelta(days=1)))
    assert run(aws, "--yes", "--recovery-point", point_arn(region, "earlier"))[0] == 0
    assert (started(aws)[0], started(aws)[1]["RecoveryPointArn"]) == (EAST, point_arn(EAST, "earlier"))


def test_pair_whose_clusters_and_parameters_are_gone_is_restored_from_its_vaults(run: Run) -> None:
    aws = Aws(parameters=False, clusters={})
    aws.clusters.clear()
    keys = [f"--key={one}=AWS_OWNED_KMS_KEY" for one in REGIONS]
    asked = ["--yes", "--region", EAST, "--peer-region", WEST]
    status, printed = run(aws, *asked, *keys)
    assert status == 1
    assert (
        "The witness of Orders-production is not known, since none of its clusters says it: give --witness." in printed
    )
    status, printed = run(aws, *asked, *keys, "--witness", "us-east-2")
    assert status == 0, printed
    assert started(aws)[2]["witnessRegion"] == "us-east-2"
    assert printed.splitlines()[-2:] == ['    witness_region="us-east-2",', "    $ cdk deploy --all"]


def test_region_that_cannot_be_reached_at_the_start_is_replaced_by_the_other(run: Run) -> None:
    aws = Aws(faults={(START, EAST): no_answer})
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert [region for region, _ in aws.asked(START)] == [EAST, WEST]
    assert aws.asked(START)[1][1]["RecoveryPointArn"] == point_arn(WEST, "last-night")
    assert json.loads(aws.asked(START)[1][1]["Metadata"]["peerRegion"]) == [EAST]
    assert f'cluster_arns=["{cluster_arn(EAST, "n")}", "{cluster_arn(WEST, "n")}"],' in printed


def test_restore_is_sent_once_so_that_no_second_attempt_hides_that_the_first_one_arrived(run: Run) -> None:
    aws = Aws()
    assert run(aws, "--yes")[0] == 0
    assert (aws.attempts[START], aws.attempts["GetCluster"]) == (1, 2)


@pytest.mark.parametrize("attempts", [1, 2])
def test_client_sends_a_call_as_often_as_it_is_asked_to(monkeypatch: pytest.MonkeyPatch, attempts: int) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    lost = ReadTimeoutError(endpoint_url="https://example"), ConnectTimeoutError(endpoint_url="https://example")
    sent = Mock(side_effect=lost)
    monkeypatch.setattr(URLLib3Session, "send", sent)
    _, client = aws_session.region_and_clients(argparse.Namespace(profile=None, region=EAST))
    assert client("backup", EAST) is client("backup", EAST), "made once"
    with pytest.raises(type(lost[attempts - 1])):
        client("backup", EAST, attempts=attempts).start_restore_job(RecoveryPointArn="arn", Metadata={})
    assert sent.call_count == attempts


def test_two_regions_that_cannot_be_reached_are_a_sentence(run: Run) -> None:
    def timeout(operation: str) -> Exception:
        raise ConnectTimeoutError(endpoint_url="https://example")

    status, printed = run(Aws(faults=dict.fromkeys([(START, one) for one in REGIONS], timeout)), "--yes")
    assert status == 1
    assert "AWS Backup cannot be reached in us-east-1 and us-west-2: run the same command again." in printed


def test_start_without_an_answer_is_repeated_with_the_same_token_and_makes_one_job(run: Run) -> None:
    """The request may have arrived: another Region is no way out of that."""
    aws = Aws()
    sent: list[str] = []

    def lost(operation: str) -> Exception:
        region, request = aws.asked(operation)[-1]
        sent.append(request["IdempotencyToken"])
        aws.start_restore_job(region, request)
        raise ReadTimeoutError(endpoint_url="https://example")

    aws.faults[START, EAST] = lost
    status, printed = run(aws, "--yes")
    assert status == 1
    assert "Whether a restore job was started in us-east-1 is not known. Run the same command again" in printed
    del aws.faults[START, EAST]
    status, printed = run(aws, "--yes", "--another")
    assert status == 0, printed
    assert [request["IdempotencyToken"] for _, request in aws.asked(START)] == sent * 2
    assert [len(aws.jobs[one]) for one in REGIONS] == [1, 0]


def test_restore_after_one_that_has_failed_gets_a_job_of_its_own(run: Run) -> None:
    aws = Aws(ends={"Status": "FAILED", "StatusMessage": "Internal failure"})
    assert run(aws, "--yes")[0] == 1
    aws.ends = {"Status": "COMPLETED"}
    assert run(aws, "--yes")[0] == 0
    assert len(aws.jobs[EAST]) == 2


def test_running_restore_is_offered_instead_of_a_third_pair(run: Run) -> None:
    aws = Aws()
    aws.start_restore_job(
        EAST, {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(EAST, "last-night"), "IamRoleArn": ROLE}
    )
    status, printed = run(aws, "--yes")
    assert (status, aws.asked(START)) == (1, [])
    assert (
        "Restore job job-1 of Orders-production is running in us-east-1 since 2026-11-26T09:00:00Z. Go on with "
        "--region us-east-1 --job job-1, or give --another to restore once more beside it." in printed
    )
    assert run(aws, "--region", EAST, "--job", "job-1")[0] == 0
    assert aws.asked(START) == []


def test_pair_that_was_restored_and_is_not_used_yet_is_offered_instead_of_a_third_one(run: Run) -> None:
    aws = Aws()
    assert run(aws, "--yes")[0] == 0
    status, printed = run(aws, "--yes")
    assert status == 1
    assert (
        f"Restore job job-1 has already made a pair of Orders-production, with cluster {cluster_arn(EAST, 'n')}."
        in printed
    )
    assert run(aws, "--yes", "--another")[0] == 0
    assert len(aws.jobs[EAST]) == 2


@pytest.mark.parametrize("left", [{}, {"status": "DELETING"}, {"tags": {"dsql-dr:deployment": "Orders-production"}}])
def test_restored_pair_that_was_deleted_after_a_drill_or_used_before_is_no_obstacle(
    run: Run, left: dict[str, Any]
) -> None:
    aws = Aws()
    assert run(aws, "--yes")[0] == 0
    for one in REGIONS:
        new = aws.clusters.pop(cluster_arn(one, "n"))
        if left:
            aws.clusters[cluster_arn(one, "n")] = new | left
    aws.jobs[EAST]["job-1"]["Status"] = "COMPLETED"
    aws.faults[START, EAST] = error("InvalidRequestException")
    assert "StartRestoreJob in us-east-1 was refused" in run(aws, "--yes")[1]


def test_other_jobs_of_the_account_and_jobs_of_a_job_are_no_obstacle(run: Run) -> None:
    aws = Aws()
    aws.jobs[EAST]["other"] = {
        "RestoreJobId": "other",
        "RecoveryPointArn": point_arn(EAST, "another-pair"),
        "Status": "RUNNING",
        "CreationDate": NOW,
    }
    aws.jobs[WEST]["child"] = {
        "RestoreJobId": "child",
        "RecoveryPointArn": point_arn(WEST, "last-night"),
        "ParentJobId": "gone",
        "Status": "RUNNING",
        "CreationDate": NOW,
    }
    assert run(aws, "--yes")[0] == 0


def test_jobs_that_cannot_be_listed_start_nothing(run: Run) -> None:
    aws = Aws(faults={("ListRestoreJobs", WEST): error("AccessDeniedException")})
    status, printed = run(aws, "--yes")
    assert (status, aws.asked(START)) == (1, [])
    assert "Restore jobs in us-west-2 could not be listed, so whether one is running is not known" in printed


def test_command_to_go_on_is_printed_before_the_job_ends_and_has_profile_and_vault(run: Run) -> None:
    aws = Aws()
    aws.move_to("shared")
    status, printed = run(aws, "--yes", "--profile", "on call", "--vault", "shared")
    assert status == 0, printed
    assert (
        "    dsql-dr restore Orders-production --region us-east-1 --job job-1 --profile 'on call' --vault shared"
        in printed.splitlines()
    )


def test_progress_is_a_line_whenever_something_changes(run: Run) -> None:
    _, printed = run(Aws(), "--yes")
    lines = [line for line in printed.splitlines() if line.startswith("Restore job job-1 is ")]
    assert lines == ["Restore job job-1 is PENDING, 0.00%.", "Restore job job-1 is RUNNING, 50.00%."]
    assert run.pauses == [1, 2]


@pytest.mark.parametrize("operation", ["DescribeRestoreJob", "GetCluster"])
@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, lambda: SystemExit(143)])
def test_interrupted_at_any_check_it_ends_the_same_with_job(
    run: Run, operation: str, interrupt: Callable[[], BaseException]
) -> None:
    whole = run(Aws(), "--yes")[1].splitlines()[-5:]
    seen = 0
    for check in range(2, 20):
        aws, checks = Aws(), iter(range(1, 100))

        def stop(asked: str, region: str, checks: Any = checks, check: int = check, aws: Aws = aws) -> None:
            if aws.asked(START) and asked == operation and next(checks) == check:
                raise interrupt()

        aws.on_call = stop
        status, printed = run(aws, "--yes")
        if status == 0:
            break
        seen += 1
        assert status in (130, 143)
        assert printed.splitlines()[-2:] == [
            "The restore goes on in AWS. See how it ends with",
            "    dsql-dr restore Orders-production --region us-east-1 --job job-1",
        ]
        aws.on_call = lambda asked, region: None
        status, printed = run(aws, "--region", EAST, "--job", "job-1")
        assert (status, printed.splitlines()[-5:]) == (0, whole)
        assert len(aws.asked(START)) == 1
    assert seen >= 1


def test_witness_of_the_new_pair_is_printed_where_it_is_another_one_by_job_too(run: Run) -> None:
    aws = Aws()
    line = '    witness_region="ca-central-1",'
    assert line in run(aws, "--yes", "--witness", "ca-central-1")[1].splitlines()
    assert line in run(aws, "--job", "job-1")[1].splitlines()
    for region in REGIONS:
        aws.clusters[cluster_arn(region)]["multiRegionProperties"]["witnessRegion"] = "ca-central-1"
    assert "witness_region" not in run(aws, "--job", "job-1")[1]
    aws.parameters = False
    assert line in run(aws, "--job", "job-1")[1].splitlines(), "that of the present pair is not known"


def test_progress_on_a_terminal_is_one_line_that_changes() -> None:
    shown = io.StringIO()
    with restore._progress(Console(file=shown, force_terminal=True, width=80)) as report:
        report("Restore job job-1 is RUNNING, 50 %")
    assert "Restore job job-1 is RUNNING, 50 %" in shown.getvalue()
    assert "RUNNING, 50 %.\n" not in shown.getvalue()


def test_policy_to_copy_allows_what_the_commands_call_and_nothing_more(run: Run) -> None:
    """But for what AWS's guide lists for whoever restores, which holds for AWS Backup only."""
    document = (ROOT / "docs" / "permissions.md").read_text()
    policies = [json.loads(one) for one in re.findall(r"```json\n(.*?)```", document, re.S)]
    [policy] = [one for one in policies if "backup:StartRestoreJob" in json.dumps(one)]
    aws = Aws()
    aws.points[EAST].append(point(EAST, "not-copied", NOW))
    assert run(aws, "--yes")[0] == 0
    aws.jobs[EAST]["job-1"]["Status"] = "RUNNING"
    assert run(aws, "--yes")[0] == 1
    found = pair_backups.ask("Orders-production", EAST, aws.client)
    pair_backups.reasons(found, aws.client)
    pair_backups.failed_backups(found, aws.client)
    by_aws_backup = [one for one in policy["Statement"] if "Bool" in one.get("Condition", {})]
    own = {action for one in policy["Statement"] if one not in by_aws_backup for action in one["Action"]}
    assert own == aws.actions | {"iam:PassRole"}
    assert [one["Condition"] for one in by_aws_backup] == [{"Bool": {"aws:ViaAWSService": "true"}}]
    arn = ROLE.replace("Orders", "AuroraDsqlDR")
    assert [one["Resource"] for one in policy["Statement"] if one["Action"] == ["iam:PassRole"]] == [arn]


def test_interrupted_while_the_request_is_sent_the_same_command_finds_the_job(run: Run) -> None:
    aws = Aws()

    def stop(asked: str, region: str) -> None:
        if asked == START:
            raise KeyboardInterrupt

    aws.on_call = stop
    status, printed = run(aws, "--yes")
    assert status == 130
    assert "Whether a restore job was started is not known: run the same command again, which finds it." in printed


def test_job_is_found_in_the_other_region_too(run: Run) -> None:
    aws = Aws()
    aws.start_restore_job(
        WEST, {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(WEST, "last-night"), "IamRoleArn": ROLE}
    )
    status, printed = run(aws, "--job", "job-1")
    assert status == 0, printed
    assert f'cluster_arns=["{cluster_arn(EAST, "n")}", "{cluster_arn(WEST, "n")}"],' in printed


def test_job_that_does_not_exist_is_a_sentence(run: Run) -> None:
    status, printed = run(Aws(), "--job", "job-9")
    assert status == 1
    assert (
        "There is no restore job job-9 in us-east-1 and us-west-2: give --region the Region in which it was" in printed
    )


def test_job_is_found_in_the_other_region_while_the_first_does_not_answer(run: Run) -> None:
    aws = Aws(faults={("DescribeRestoreJob", EAST): no_answer})
    aws.start_restore_job(
        WEST, {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(WEST, "last-night"), "IamRoleArn": ROLE}
    )
    status, printed = run(aws, "--job", "job-1")
    assert status == 0, printed
    assert (
        "Restore job job-9 in us-east-1 could not be read, and us-west-2 has none of this id: "
        in (run(aws, "--job", "job-9")[1])
    )
    aws.faults["DescribeRestoreJob", WEST] = no_answer
    assert "Restore job job-1 in us-east-1 and us-west-2 could not be read: " in run(aws, "--job", "job-1")[1]


def test_job_whose_region_does_not_answer_at_all_is_found_with_peer_region(run: Run) -> None:
    aws = Aws(faults={(one, EAST): no_answer for one in ("DescribeRestoreJob", "GetParametersByPath")})
    aws.start_restore_job(
        WEST, {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(WEST, "last-night"), "IamRoleArn": ROLE}
    )
    printed = run(aws, "--job", "job-1")[1]
    assert "Restore job job-1 in us-east-1 and the other Region could not be read: " in printed
    assert printed.endswith("Give --region the Region in which it was started.\n")
    assert run(aws, "--job", "job-1", "--peer-region", WEST)[0] == 0


def test_job_of_another_vault_is_refused(run: Run) -> None:
    aws = Aws()
    aws.start_restore_job(EAST, {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(EAST, "p"), "IamRoleArn": ROLE})
    aws.jobs[EAST]["job-1"]["BackupVaultArn"] = f"arn:aws:backup:{EAST}:{ACCOUNT}:backup-vault:dsql-Payments-production"
    status, printed = run(aws, "--job", "job-1")
    assert status == 1
    assert (
        f"backup-vault:dsql-Payments-production, and not from {VAULT}: give the deployment's name of that job"
        in printed
    )


def test_job_that_may_not_be_read_is_a_sentence(run: Run) -> None:
    aws = Aws(faults={("DescribeRestoreJob", EAST): error("AccessDeniedException")})
    assert "Restore job job-1 in us-east-1 could not be read, and us-west-2 has" in run(aws, "--job", "job-1")[1]
    aws = Aws()
    checks = iter(range(100))

    def denied(operation: str, region: str) -> None:
        if operation == "DescribeRestoreJob" and next(checks) == 1:
            raise error("ExpiredTokenException")(operation)

    aws.on_call = denied
    assert "The restore job goes on, and could not be read: " in run(aws, "--yes")[1]


@pytest.mark.parametrize("fault", [no_answer, error("ThrottlingException")])
def test_checks_that_are_not_answered_are_repeated_and_not_for_ever(
    run: Run, fault: Callable[[str], Exception]
) -> None:
    aws = Aws()
    unanswered = 0

    def down(operation: str, region: str) -> None:
        nonlocal unanswered
        if (
            operation in ("DescribeRestoreJob", "GetCluster")
            and len(aws.asked("DescribeRestoreJob")) > 1
            and unanswered < left
        ):
            unanswered += 1
            raise fault(operation)

    aws.on_call = down
    left = 20
    assert run(aws, "--yes")[0] == 0
    assert max(run.pauses) == 10
    aws.calls.clear()
    unanswered, left = 0, 100
    status, printed = run(aws, "--yes", "--another")
    assert status == 1
    assert "The restore job goes on, and AWS Backup does not answer any more: " in printed


def test_job_that_names_no_cluster_names_it_by_its_own_jobs(run: Run) -> None:
    aws = Aws(ends={"Status": "COMPLETED", "CreatedResourceArn": ""})
    aws.add_pair("n")
    aws.jobs[WEST]["elsewhere"] = {"RestoreJobId": "elsewhere"}
    aws.jobs[EAST]["child"] = {
        "RestoreJobId": "child",
        "ParentJobId": "job-1",
        "Status": "COMPLETED",
        "CreationDate": NOW,
        "CreatedResourceArn": cluster_arn(EAST, "n"),
    }
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert f"Restored: {cluster_arn(WEST, 'n')}" in printed
    del aws.jobs[EAST]["child"]
    assert "Restore job job-1 in us-east-1 is COMPLETED and names no cluster" in run(aws, "--job", "job-1")[1]


def test_clusters_are_waited_for_until_both_are_ready_and_name_each_other(run: Run) -> None:
    aws = Aws()
    later: list[Callable[[], object]] = []

    def change(operation: str, region: str) -> None:
        east, west = (aws.clusters.get(cluster_arn(one, "n")) for one in REGIONS)
        if operation != "GetCluster" or not east or not west:
            return
        if not later:
            east["status"], west["status"] = "UPDATING", "PENDING_SETUP"
            west["multiRegionProperties"] = {"witnessRegion": "us-east-2"}
            later.extend([lambda: east.update(status="IDLE")] * 2)
            later.extend([lambda: west.update(status="ACTIVE")] * 2)
            together = east["multiRegionProperties"]
            later.extend([lambda: west.update(multiRegionProperties=together)] * 2)
        later.pop(0)()

    aws.on_call = change
    status, printed = run(aws, "--yes")
    assert status == 0, printed
    assert f"Restored clusters: us-east-1 {'n' * 26} UPDATING, us-west-2 {'n' * 26} PENDING_SETUP." not in printed
    assert f"us-west-2 {'n' * 26} PENDING_SETUP." in printed


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        ("FAILED", "A restored cluster is not usable: us-east-1 {id} FAILED, us-west-2 {id} ACTIVE."),
        (
            "CREATING",
            "The restored clusters are not ready after an hour: us-east-1 {id} CREATING, us-west-2 {id} ACTIVE.",
        ),
    ],
)
def test_restored_cluster_that_never_gets_ready_is_a_sentence(run: Run, state: str, sentence: str) -> None:
    aws = Aws(ends={"Status": "COMPLETED", "CreatedResourceArn": cluster_arn(EAST, "n")})
    aws.add_pair("n")
    aws.clusters[cluster_arn(EAST, "n")]["status"] = state
    status, printed = run(aws, "--yes", "--another")
    assert status == 1
    assert sentence.format(id="n" * 26) in printed


def test_restored_cluster_that_may_not_be_read_is_a_sentence(run: Run) -> None:
    aws = Aws()

    def denied(operation: str, region: str) -> None:
        if operation == "GetCluster" and aws.asked("DescribeRestoreJob"):
            raise error("AccessDeniedException")(operation)

    aws.on_call = denied
    assert (
        f"Cluster {cluster_arn(EAST, 'n')} was restored, and could not be asked whether it is ready"
        in run(aws, "--yes")[1]
    )


REFUSALS = {
    "You have reached the cluster limit.": "a quota of Aurora DSQL is used up;",
    "ServiceQuotaExceededException": "a quota of Aurora DSQL is used up;",
    "The KMS key arn:aws:kms:... is not accessible": "a key is not accessible.",
    "Key policy denies kms:Decrypt: not authorized": "a key is not accessible.",
    "User: Ann is not authorized to perform: iam:PassRole on resource: role/x": f"iam:PassRole on {ROLE};",
    "Access denied to backup:StartRestoreJob": "a permission is missing. Whoever starts a restore needs",
    "IAM Role cannot be assumed by AWS Backup": f"AWS Backup cannot use the role {ROLE}.",
    "Witness region eu-west-1 is not supported": "three Regions of one continent",
    "Regions are outside the continent group": "three Regions of one continent",
    "No identical copy found in us-west-2": "the Region of the peer has no identical copy of the recovery point",
    "Recovery point not found in peer region": "the Region of the peer has no identical copy of the recovery point",
    "Something new": ", for a reason that this release does not know. AWS answers:",
}


@pytest.mark.parametrize("text", REFUSALS)
def test_what_aws_refuses_is_a_sentence_that_has_its_text(run: Run, text: str) -> None:
    status, printed = run(Aws(faults={(START, EAST): error("InvalidRequestException", text)}), "--yes")
    assert status == 1
    assert printed.splitlines()[-1].startswith("StartRestoreJob in us-east-1 was refused")
    assert REFUSALS[text] in printed
    assert f"AWS answers: InvalidRequestException: {text}" in printed
    status, printed = run(Aws(ends={"Status": "FAILED", "StatusMessage": text}), "--yes")
    assert status == 1
    assert printed.splitlines()[-1].startswith("Restore job job-1 in us-east-1 is FAILED")
    assert REFUSALS[text] in printed
    assert f"AWS answers: {text}" in printed


@pytest.mark.parametrize(
    ("code", "text", "sentence"),
    [
        (
            "AccessDeniedException",
            f"User: arn:aws:iam::{ACCOUNT}:role/limit-team is not authorized to perform: backup:StartRestoreJob",
            "a permission is missing.",
        ),
        (
            "AccessDeniedException",
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/key-admin/me is not authorized to perform: iam:PassRole",
            "a permission is missing.",
        ),
        ("AccessDenied", "A service quota key is not for you", "a permission is missing."),
        (
            "InvalidParameterValueException",
            f"Role arn:aws:iam::{ACCOUNT}:role/witness-key-limit cannot be assumed by AWS Backup",
            "AWS Backup cannot use the role",
        ),
        (
            "InvalidParameterValueException",
            "Witness region eu-west-1 is not permitted for cluster regions",
            "three Regions of one continent",
        ),
        ("InvalidRequestException", "This is not permitted", "a permission is missing."),
        ("InvalidRequestException", "Insufficient privileges to perform this action.", "a permission is missing."),
    ],
)
def test_refusal_is_decided_by_its_code_and_not_by_names(run: Run, code: str, text: str, sentence: str) -> None:
    printed = run(Aws(faults={(START, EAST): error(code, text)}), "--yes")[1]
    assert sentence in printed.splitlines()[-1]
    assert printed.endswith(f"AWS answers: {code}: {text}\n")


def test_aborted_job_without_a_reason_is_a_sentence(run: Run) -> None:
    _, printed = run(Aws(ends={"Status": "ABORTED"}), "--yes")
    assert (
        printed.splitlines()[-1]
        == "Restore job job-1 in us-east-1 is ABORTED, for a reason that this release does not know. AWS answers: none"
    )


def test_one_cluster_is_restored_beside_the_pair_where_only_one_region_has_the_point(run: Run) -> None:
    aws = Aws(faults={("ListRecoveryPointsByBackupVault", EAST): no_answer})
    aws.on_call = lambda operation, region: aws.clusters.get(cluster_arn(WEST, "n"), {}).pop(
        "multiRegionProperties", None
    )
    status, printed = run(aws, "--region", WEST, "--single-region", WEST, "--yes")
    assert status == 0, printed
    region, request, metadata = started(aws)
    assert (region, request["RecoveryPointArn"]) == (WEST, point_arn(WEST, "last-night"))
    assert metadata == {"regionalConfig": [{"region": WEST, "isDeletionProtectionEnabled": True}]}
    assert "a new cluster without a peer is made, which can never get one:" in printed
    assert "cluster_arns" not in printed
    assert f"    {'n' * 26}.dsql.us-west-2.on.aws" in printed
    assert printed.splitlines()[-1] == f"    $ aws dsql delete-cluster --region us-west-2 --identifier {'n' * 26}"


def test_copy_for_inspection_is_no_obstacle_to_the_restore_of_the_pair(run: Run) -> None:
    aws = Aws()
    request = {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(EAST, "last-night"), "IamRoleArn": ROLE}
    aws.start_restore_job(EAST, {**request, "Metadata": {"regionalConfig": "[]"}})
    assert "Nothing was started." in run(aws, answer="no")[1]
    aws.add_pair("c")
    del aws.clusters[cluster_arn(EAST, "c")]["multiRegionProperties"]
    aws.jobs[EAST]["job-1"].update(Status="COMPLETED", CreatedResourceArn=cluster_arn(EAST, "c"))
    assert "Nothing was started." in run(aws, answer="no")[1]
    aws.jobs[EAST]["job-1"].update(Status="RUNNING")
    aws.faults["GetRestoreJobMetadata", EAST] = error("AccessDeniedException")
    assert "Restore job job-1 of Orders-production is running" in run(aws, answer="no")[1]


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (
            lambda aws: aws.faults.update({("ListRecoveryPointsByBackupVault", WEST): no_answer}),
            [],
            "Whether both Regions hold the same recovery point is not known, so no pair can be restored. --single",
        ),
        (
            lambda aws: aws.points[WEST].clear(),
            [],
            f"No recovery point of Orders-production and its identical copy are in the vaults {VAULT} of us-east-1 and",
        ),
        (
            lambda aws: None,
            ["--recovery-point", point_arn(EAST, "gone")],
            f"{point_arn(EAST, 'gone')} is not a recovery point that both Regions hold",
        ),
        (
            lambda aws: None,
            ["--at", "2026-11-26T03:10:04Z"],
            "No recovery point that both Regions hold was created before 2026-11-26T03:10:04Z; the oldest one is of "
            "2026-11-26T03:10:05Z.",
        ),
        (lambda aws: None, ["--witness", WEST], "--witness is us-west-2, a Region of the pair: give a third Region"),
        (
            lambda aws: aws.clusters[cluster_arn(WEST)]["multiRegionProperties"].update(witnessRegion="ca-central-1"),
            [],
            "The clusters of Orders-production name different witnesses, ca-central-1 and us-east-2: give --witness",
        ),
        (
            lambda aws: None,
            ["--single-region", "us-east-2"],
            "--single-region is us-east-2, and the pair's Regions are us-east-1 and us-west-2: give one of them.",
        ),
        (
            lambda aws: aws.faults.update({("ListRecoveryPointsByBackupVault", WEST): no_answer}),
            ["--single-region", WEST],
            "The vault in us-west-2 does not answer: give --single-region the other Region.",
        ),
        (
            lambda aws: aws.points[WEST].clear(),
            ["--single-region", WEST],
            f"The vault {VAULT} in us-west-2 has no recovery point that is complete: see dsql-dr backups.",
        ),
        (
            lambda aws: None,
            ["--single-region", WEST, "--at", "2026-11-01"],
            f"The vault {VAULT} in us-west-2 has no recovery point created before 2026-11-01T00:00:00Z",
        ),
        (
            lambda aws: None,
            ["--key", f"us-west-1={KEYS[WEST].replace(WEST, 'us-west-1')}"],
            "--key names us-west-1, and clusters are restored in us-east-1 and us-west-2: give keys of these Regions",
        ),
        (
            lambda aws: None,
            ["--single-region", WEST, "--key", f"{EAST}={KEYS[EAST]}"],
            "--key names us-east-1, and clusters are restored in us-west-2: give keys of these Regions only.",
        ),
        (
            lambda aws: None,
            ["--key", f"{EAST}={KEYS[EAST]}", "--key", f"{EAST}={AWS_OWNED_KEY}"],
            "--key names us-east-1 twice: give one key for each Region.",
        ),
        (
            lambda aws: None,
            ["--single-region", WEST, "--recovery-point", point_arn(EAST, "last-night")],
            f"has no recovery point {point_arn(EAST, 'last-night')}",
        ),
    ],
)
def test_what_cannot_be_restored_is_a_sentence_and_starts_nothing(
    run: Run, change: Callable[[Aws], object], arguments: list[str], sentence: str
) -> None:
    aws = Aws()
    change(aws)
    status, printed = run(aws, "--yes", *arguments)
    assert (status, aws.asked(START)) == (1, [])
    assert sentence in printed


def test_failure_of_aws_at_the_start_is_repeated_as_a_missing_answer_is(run: Run) -> None:
    status, printed = run(Aws(faults={(START, EAST): error("ThrottlingException")}), "--yes")
    assert status == 1
    assert "Whether a restore job was started in us-east-1 is not known." in printed


def test_points_and_jobs_of_other_pairs_in_a_shared_vault_count_only_by_their_arn(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region].append(
            point(region, "payments", NOW - timedelta(hours=1), ResourceArn=cluster_arn(EAST, "p"))
        )
    aws.move_to("shared")
    of_others = {"IdempotencyToken": "t", "RecoveryPointArn": point_arn(EAST, "payments"), "IamRoleArn": ROLE}
    aws.start_restore_job(EAST, of_others)
    run(aws, "--yes", "--vault", "shared")
    assert started(aws)[1]["RecoveryPointArn"] == point_arn(EAST, "last-night")
    aws.calls.clear()
    run(aws, "--yes", "--vault", "shared", "--single-region", EAST)
    assert started(aws)[1]["RecoveryPointArn"] == point_arn(EAST, "last-night")
    aws.calls.clear()
    run(aws, "--yes", "--vault", "shared", "--another", "--recovery-point", point_arn(WEST, "payments"))
    assert started(aws)[1]["RecoveryPointArn"] == point_arn(EAST, "payments")


CENTRAL = ["--yes", "--vault", "central", "--region", EAST, "--peer-region", WEST]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--recovery-point", point_arn(WEST, "last-night"), "--witness", "us-east-2"],
        ["--single-region", EAST],
    ],
)
def test_pair_without_parameters_is_restored_from_a_central_vault(run: Run, arguments: list[str]) -> None:
    aws = Aws(parameters=False)
    aws.add_pair("a", keys=KEYS)
    for region in REGIONS:
        aws.points[region].append(point(region, "payments", NOW, ResourceArn=cluster_arn(EAST, "p")))
    aws.move_to("central")
    run(aws, *CENTRAL, *arguments)
    _, request, metadata = started(aws)
    assert request["RecoveryPointArn"] == point_arn(EAST, "last-night")
    assert metadata["regionalConfig"][0]["kmsKeyId"] == KEYS[EAST]


@pytest.mark.parametrize("arguments", [[], ["--single-region", EAST], ["--at", "2026-12-01"]])
def test_central_vault_of_which_no_cluster_is_known_needs_a_recovery_point(run: Run, arguments: list[str]) -> None:
    aws = Aws(parameters=False)
    aws.move_to("central")
    aws.clusters.clear()
    status, printed = run(aws, *CENTRAL, *arguments)
    assert (status, aws.asked(START)) == (1, [])
    assert "Which recovery points in vault central are of Orders-production is not known: give one that" in printed
    keys = [f"--key={one}={AWS_OWNED_KEY}" for one in REGIONS]
    given = ["--recovery-point", point_arn(WEST, "last-night"), "--witness", "us-east-2"]
    status, printed = run(aws, *CENTRAL, *given, *keys)
    assert status == 0, printed


def test_restore_of_a_former_cluster_from_a_central_vault_is_not_made_twice(run: Run) -> None:
    aws = Aws()
    for region in REGIONS:
        aws.points[region].append(point(region, "former", ResourceArn=cluster_arn(EAST, "f")))
    aws.move_to("central")
    asked = ["--yes", "--vault", "central", "--recovery-point", point_arn(EAST, "former")]
    assert run(aws, *asked)[0] == 0
    assert "Restore job job-1 has already made a pair of Orders-production" in run(aws, *asked)[1]
    aws.jobs[EAST]["job-1"]["Status"] = "RUNNING"
    assert "Restore job job-1 of Orders-production is running" in run(aws, *asked)[1]
    aws.jobs[EAST]["job-1"]["Status"] = "COMPLETED"
    assert run(aws, *asked, "--another")[0] == 0
    assert list(aws.jobs[EAST]) == ["job-1", "job-2"]


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--at=yesterday", "'yesterday' is not a time: give it as 2026-11-25T03:10:00Z, or with another zone"),
        ("--witness=Ohio", "'Ohio' is not a Region code: give one such as us-east-2."),
        ("--key=us-east-1", "'us-east-1' is not a Region and its key: give REGION=ARN"),
        *((f"--{one}=", f"--{one}: the value is empty: give one, or leave the option out.") for one in OPTIONS),
        ("--at=9999-12-31T23:59:59-12:00", "is not a time: give it as 2026-11-25T03:10:00Z"),
        ("--at=0001-01-01T00:00+14:00", "is not a time: give it as 2026-11-25T03:10:00Z"),
        (f"--key={WEST}={KEYS[EAST]}", "is not a Region and its key: give REGION=ARN with the ARN of a key in that"),
    ],
)
def test_argument_of_another_form_is_refused(capsys: pytest.CaptureFixture[str], argument: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["restore", "Orders-production", argument])
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("given_", "utc"),
    [
        ("2026-11-25T03:10:00Z", (3, 10)),
        ("2026-11-25T03:10", (3, 10)),
        ("2026-11-25 03:10", (3, 10)),
        ("2026-11-25T04:10:00+01:00", (3, 10)),
        ("2026-11-25", (0, 0)),
    ],
)
def test_time_without_a_zone_is_utc(given_: str, utc: tuple[int, int]) -> None:
    assert restore._time(given_) == datetime(2026, 11, 25, *utc, tzinfo=timezone.utc)


def test_time_that_is_none_is_refused_as_the_parser_expects() -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        restore._time("2026-13-01")


ENTRIES = st.lists(
    st.builds(
        lambda day, letter, status, name: {"day": day, "letter": letter, "status": status, "name": name},
        st.integers(1, 9),
        st.sampled_from("af"),
        st.sampled_from(["COMPLETED", "AVAILABLE", "PARTIAL", "DELETING", "EXPIRED", "CREATING"]),
        st.uuids().map(str),
    ),
    max_size=12,
)


def _entry(region: str, one: Mapping[str, Any]) -> dict[str, Any]:
    created = datetime(2026, 11, one["day"], 3, 10, tzinfo=timezone.utc)
    return point(region, one["name"], created, ResourceArn=cluster_arn(EAST, one["letter"]), Status=one["status"])


@given(east=ENTRIES, west=ENTRIES, at=st.none() | st.integers(1, 9))
def test_chosen_points_are_the_newest_that_both_vaults_hold_and_that_can_be_used(
    east: list[dict[str, Any]], west: list[dict[str, Any]], at: int | None
) -> None:
    aws = Aws(points={EAST: [_entry(EAST, one) for one in east], WEST: [_entry(WEST, one) for one in west]})
    usable = [
        {(one["day"], one["letter"]) for one in vault if one["status"] in ("COMPLETED", "AVAILABLE")}
        for vault in (east, west)
    ]
    both = {one for one in usable[0] & usable[1] if at is None or one[0] <= at}
    until = None if at is None else datetime(2026, 11, at, 3, 10, tzinfo=timezone.utc)
    found = pair_backups.ask("Orders-production", EAST, aws.client)
    if not both:
        with pytest.raises(RestoreError, match="No recovery point"):
            choose(found, Choice(at=until))
        return
    plan = choose(found, Choice(at=until))
    first, second = plan.points[EAST], plan.points[WEST]
    assert (first.region, second.region) == REGIONS
    assert first.usable
    assert second.usable
    assert (first.resource_arn, first.created) == (second.resource_arn, second.created)
    assert (first.created.day, first.resource_arn.rpartition("/")[2][0]) == max(both)
