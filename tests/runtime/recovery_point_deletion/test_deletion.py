"""Which recovery points are deleted when, and what is left: an AWS Backup made for the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dsql_dr_constructs.runtime.recovery_point_deletion import handler
from dsql_dr_constructs.runtime.recovery_point_deletion.deletion import DeletionError, RecoveryPointDeletion
from tests.runtime.judge import judged

STACK = "arn:aws:cloudformation:us-east-1:111122223333:stack/Orders-PrimaryBackup-production/1"
OWN, OTHER = (f"arn:aws:backup:{region}:111122223333:backup-vault:dsql-orders" for region in ("us-east-1", "us-west-2"))
ENVIRONMENT = {"VAULT": "dsql-orders", "STACK_ID": STACK, "TIMEOUT_SECONDS": "3000"}


def point(number: int) -> str:
    return f"arn:aws:backup:us-east-1:111122223333:recovery-point:{number}"


def refused(code: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


@dataclass
class Vault:
    """A vault with recovery points by ARN, jobs by id, and a stack with a status."""

    points: dict[str, str] = field(default_factory=dict)
    backups: dict[str, str] = field(default_factory=dict)
    copies: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    stack: str = "DELETE_IN_PROGRESS"
    refuses: Callable[[str], ClientError | None] = lambda _: None
    deleted: list[str] = field(default_factory=list)
    now: float = 1000.0
    page: int = 2

    def client(self, service: str) -> Any:
        if service == "cloudformation":
            return judged(service, {"describe_stacks": self._describe_stacks})
        return judged(
            "backup",
            {
                "list_recovery_points_by_backup_vault": self._list_points,
                "list_backup_jobs": self._list_backup_jobs,
                "list_copy_jobs": self._list_copy_jobs,
                "delete_recovery_point": self._delete,
            },
        )

    def deletion(self, event: dict[str, Any]) -> RecoveryPointDeletion:
        return RecoveryPointDeletion(event, environment=ENVIRONMENT, client=self.client, clock=lambda: self.now)

    def begun(self, kind: str = "Delete", **more: Any) -> dict[str, Any]:
        event = {"RequestType": kind, **more}
        return {**event, **self.deletion(event).begin()}

    def polls(self, event: dict[str, Any], *, most: int = 1000) -> int:
        """How many steps it takes; AWS deletes between two of them."""
        for number in range(1, most + 1):
            if self.deletion(event).step()["IsComplete"]:
                return number
            self.points = {arn: status for arn, status in self.points.items() if status != "DELETING"}
            self.now += 10
        raise AssertionError("polled for ever")

    def _describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - AWS's
        assert StackName == STACK
        known = {"StackName": "Orders", "CreationTime": datetime(2026, 1, 1, tzinfo=timezone.utc)}
        return {"Stacks": [{**known, "StackStatus": self.stack}]}

    def _list_points(self, **asked: Any) -> dict[str, Any]:
        self._raise("ListRecoveryPointsByBackupVault")
        assert asked["BackupVaultName"] == "dsql-orders"
        every, begin = list(self.points.items()), int(asked.get("NextToken", 0))
        end = begin + self.page
        found = [{"RecoveryPointArn": arn, "Status": status} for arn, status in every[begin:end]]
        return {"RecoveryPoints": found, **({"NextToken": str(end)} if end < len(every) else {})}

    def _list_backup_jobs(self, **asked: Any) -> dict[str, Any]:
        assert asked == {"ByBackupVaultName": "dsql-orders"}
        return {"BackupJobs": [{"BackupJobId": id, "State": state} for id, state in self.backups.items()]}

    def _list_copy_jobs(self) -> dict[str, Any]:
        found = [
            {"CopyJobId": id, "State": state, "SourceBackupVaultArn": source, "DestinationBackupVaultArn": to}
            for id, (state, source, to) in self.copies.items()
        ]
        return {"CopyJobs": found}

    def _delete(self, BackupVaultName: str, RecoveryPointArn: str) -> None:  # noqa: N803 - AWS's
        self._raise("DeleteRecoveryPoint")
        assert BackupVaultName == "dsql-orders"
        if self.points[RecoveryPointArn] == "CREATING":
            raise refused("InvalidResourceStateException", "DeleteRecoveryPoint")
        self.points[RecoveryPointArn] = "DELETING"
        self.deleted.append(RecoveryPointArn)

    def _raise(self, operation: str) -> None:
        if error := self.refuses(operation):
            raise error


def test_every_recovery_point_of_a_long_list_is_deleted() -> None:
    vault = Vault({point(one): "COMPLETED" for one in range(5)})
    assert vault.polls(vault.begun()) == 2
    assert vault.deleted == [point(one) for one in range(5)]
    assert vault.points == {}


def test_empty_vault_is_done_at_once() -> None:
    assert Vault().polls(Vault().begun()) == 1


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "CREATE_COMPLETE"])
def test_nothing_is_deleted_where_the_stack_stays(status: str) -> None:
    vault = Vault({point(1): "COMPLETED"}, stack=status)
    assert vault.polls(vault.begun()) == 1
    assert vault.deleted == []


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_nothing_is_deleted_before_the_end(kind: str) -> None:
    vault = Vault({point(1): "COMPLETED"})
    event = vault.begun(kind)
    assert event["PhysicalResourceId"] == "dsql-orders"
    assert vault.polls(event) == 1
    assert vault.deleted == []


def test_recovery_points_of_jobs_that_still_run_are_waited_for() -> None:
    vault = Vault({point(1): "CREATING"}, backups={"one": "RUNNING", "old": "COMPLETED"})
    event = vault.begun()
    for _ in range(3):
        assert not vault.deletion(event).step()["IsComplete"]
    assert vault.deleted == []
    vault.backups["one"], vault.points = "COMPLETED", {point(1): "COMPLETED"}
    assert vault.polls(event) == 2
    assert vault.deleted == [point(1)]


@pytest.mark.parametrize(("source", "to"), [(OWN, OTHER), (OTHER, OWN)])
def test_copies_into_the_vault_and_out_of_it_are_waited_for(source: str, to: str) -> None:
    vault = Vault(copies={"one": ("RUNNING", source, to)})
    event = vault.begun()
    assert not vault.deletion(event).step()["IsComplete"]
    vault.copies["one"] = ("COMPLETED", source, to)
    assert vault.deletion(event).step()["IsComplete"]


def test_jobs_of_other_vaults_are_not_waited_for() -> None:
    assert Vault(copies={"one": ("RUNNING", OTHER, f"{OTHER}-2")}).polls(Vault().begun()) == 1


@pytest.mark.parametrize("operation", ["ListRecoveryPointsByBackupVault", "DeleteRecoveryPoint"])
def test_permission_that_was_just_made_may_need_time_to_hold(operation: str) -> None:
    vault = Vault({point(1): "COMPLETED"})
    vault.refuses = lambda one: (
        refused("AccessDeniedException", one) if (one, vault.now < 1100) == (operation, True) else None
    )
    assert vault.polls(vault.begun()) > 10
    assert vault.deleted == [point(1)]


def test_what_is_left_when_the_time_is_up_is_an_error_with_the_reasons() -> None:
    vault = Vault({point(one): "EXPIRED" for one in range(12)})
    vault.refuses = lambda one: refused("AccessDeniedException", one) if one == "DeleteRecoveryPoint" else None
    with pytest.raises(DeletionError) as failed:
        vault.polls(vault.begun())
    text = str(failed.value)
    assert text.startswith(f"Backup vault dsql-orders is not empty after 50 minutes: {point(0)} is EXPIRED (An error ")
    assert text.endswith("and 2 more. Delete the stack again when the cause is gone.")
    assert vault.now - 1000 == 3000


def test_handler_reads_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    begun = handler.handle({"RequestType": "Create"}, None)
    assert begun["PhysicalResourceId"] == "dsql-orders"
    assert handler.handle({"RequestType": "Create", **begun}, None) == {"IsComplete": True}
