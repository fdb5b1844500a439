"""The resource types of AWS Backup, as stacks use them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.emulator import AwsEmulator
from tests.emulator.backup_pair import pass_until
from tests.emulator.backups import ACCOUNT, VAULT

DENY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "backup:DeleteRecoveryPoint", "Resource": "*"}
    ],
}


class Stack:
    """A stack of one Region, made of a template without the CDK."""

    def __init__(self, aws: AwsEmulator, name: str) -> None:
        self._client, self._name = aws.client("cloudformation", "us-east-1"), name

    def run(self, call: str, resources: dict[str, Any] | None = None, **outputs: Any) -> str:
        """Status after *call*: create, update or delete."""
        body = {"Resources": resources, "Outputs": {name: {"Value": value} for name, value in outputs.items()}}
        arguments = {"TemplateBody": json.dumps(body)} if resources else {}
        getattr(self._client, f"{call}_stack")(StackName=self._name, **arguments)
        while True:
            found = [one for one in self._client.describe_stacks()["Stacks"] if one["StackName"] == self._name]
            found = [one for one in found if one["StackStatus"] != "DELETE_COMPLETE"]
            if not found or not found[0]["StackStatus"].endswith("_IN_PROGRESS"):
                return str(found[0]["StackStatus"]) if found else "gone"

    def outputs(self) -> dict[str, str]:
        [stack] = self._client.describe_stacks(StackName=self._name)["Stacks"]
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    def reasons(self) -> str:
        events = self._client.describe_stack_events(StackName=self._name)["StackEvents"]
        failed = [one for one in events if one["ResourceStatus"].endswith("_FAILED")]
        return " ".join(one.get("ResourceStatusReason", "") for one in failed)


@pytest.fixture(scope="module")
def aws() -> Iterator[AwsEmulator]:
    with AwsEmulator(regions=["us-east-1"], transition_seconds=0.05) as aws:
        yield aws


@pytest.fixture
def stack(aws: AwsEmulator, request: pytest.FixtureRequest) -> Iterator[Stack]:
    stack = Stack(aws, request.node.name.replace("_", "-"))
    yield stack
    stack.run("delete")


def vault(name: str = VAULT, /, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Backup::BackupVault", "Properties": {"BackupVaultName": name, **properties}}


def plan(days: int = 35, **properties: Any) -> dict[str, Any]:
    rule = {
        "RuleName": "daily",
        "TargetBackupVault": {"Ref": "Vault"},
        "ScheduleExpression": "cron(10 3 * * ? *)",
        "StartWindowMinutes": "60",
        "CompletionWindowMinutes": 180,
        "Lifecycle": {"DeleteAfterDays": days},
        "CopyActions": [{"DestinationBackupVaultArn": {"Fn::GetAtt": ["Vault", "BackupVaultArn"]}}],
    }
    asked = {"BackupPlanName": VAULT, "BackupPlanRule": [rule]}
    return {"Type": "AWS::Backup::BackupPlan", "Properties": {"BackupPlan": asked, **properties}}


def role() -> dict[str, Any]:
    principal = {"Service": "backup.amazonaws.com"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    managed = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyForBackup"
    properties = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "ManagedPolicyArns": [managed],
    }
    return {"Type": "AWS::IAM::Role", "Properties": properties}


def selection(**changes: Any) -> dict[str, Any]:
    asked = {
        "SelectionName": "pair",
        "IamRoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
        "Resources": [{"Fn::GetAtt": ["Cluster", "ResourceArn"]}],
        **changes,
    }
    properties = {"BackupPlanId": {"Ref": "Plan"}, "BackupSelection": asked}
    return {"Type": "AWS::Backup::BackupSelection", "Properties": properties}


CLUSTER = {"Type": "AWS::DSQL::Cluster", "Properties": {"DeletionProtectionEnabled": False}}


def all_of_it(**changes: Any) -> dict[str, Any]:
    made = {"Vault": vault(), "Plan": plan(), "Role": role(), "Cluster": CLUSTER, "Selection": selection()}
    return {**made, **changes}


def test_stack_makes_a_plan_that_backs_up(aws: AwsEmulator, stack: Stack) -> None:
    pass_until(aws, 12)  # hours before the plan's time, at any time of day
    outputs = {
        "Vault": {"Ref": "Vault"},
        "VaultName": {"Fn::GetAtt": ["Vault", "BackupVaultName"]},
        "Plan": {"Ref": "Plan"},
        "PlanId": {"Fn::GetAtt": ["Plan", "BackupPlanId"]},
        "PlanArn": {"Fn::GetAtt": ["Plan", "BackupPlanArn"]},
        "Version": {"Fn::GetAtt": ["Plan", "VersionId"]},
        "Selection": {"Ref": "Selection"},
        "SelectionId": {"Fn::GetAtt": ["Selection", "SelectionId"]},
        "PlanOfSelection": {"Fn::GetAtt": ["Selection", "BackupPlanId"]},
    }
    assert stack.run("create", all_of_it(), **outputs) == "CREATE_COMPLETE", stack.reasons()
    found, backup = stack.outputs(), aws.client("backup", "us-east-1")
    assert found["Vault"] == found["VaultName"] == VAULT
    assert found["Plan"] == found["PlanId"] == found["PlanOfSelection"]
    assert found["Selection"] == f"{found['SelectionId']}_{found['Plan']}"
    kept = backup.get_backup_plan(BackupPlanId=found["Plan"])
    assert (kept["BackupPlanArn"], kept["VersionId"]) == (found["PlanArn"], found["Version"])
    [rule] = kept["BackupPlan"]["Rules"]
    assert (rule["TargetBackupVaultName"], rule["StartWindowMinutes"]) == (VAULT, 60)
    aws.advance_clock(86_400)
    [job] = backup.list_backup_jobs()["BackupJobs"]
    assert (job["State"], job["CreatedBy"]["BackupPlanId"]) == ("COMPLETED", found["Plan"])
    left = survey.leftovers(aws)
    assert left["AWS::Backup::BackupPlan"] == [f"{VAULT} (us-east-1)"]
    assert left["AWS::Backup::BackupVault"] == [f"{VAULT} (us-east-1)"]
    assert len(left["recovery point"]) == 2, "the backup, and the copy that its rule makes"

    assert stack.run("delete") == "DELETE_FAILED"
    assert "Backup vault cannot be deleted because it contains recovery points." in stack.reasons()
    for point in backup.list_recovery_points_by_backup_vault(BackupVaultName=VAULT)["RecoveryPoints"]:
        backup.delete_recovery_point(BackupVaultName=VAULT, RecoveryPointArn=point["RecoveryPointArn"])
    while backup.describe_backup_vault(BackupVaultName=VAULT)["NumberOfRecoveryPoints"]:
        time.sleep(0.02)
    assert stack.run("delete") == "gone"
    assert survey.leftovers(aws) == {}


def test_plan_is_updated_in_place_and_a_selection_replaced(aws: AwsEmulator, stack: Stack) -> None:
    outputs = {"Plan": {"Ref": "Plan"}, "Selection": {"Ref": "Selection"}}
    assert stack.run("create", all_of_it(), **outputs) == "CREATE_COMPLETE", stack.reasons()
    before, backup = stack.outputs(), aws.client("backup", "us-east-1")
    changed = all_of_it(Plan=plan(40, BackupPlanTags={"team": "orders"}), Selection=selection(SelectionName="other"))
    assert stack.run("update", changed, **outputs) == "UPDATE_COMPLETE", stack.reasons()
    after = stack.outputs()
    assert (after["Plan"], after["Selection"] != before["Selection"]) == (before["Plan"], True)
    kept = backup.get_backup_plan(BackupPlanId=after["Plan"])
    assert kept["BackupPlan"]["Rules"][0]["Lifecycle"] == {"DeleteAfterDays": 40}
    assert backup.list_tags(ResourceArn=kept["BackupPlanArn"])["Tags"]["team"] == "orders"
    [kept_selection] = backup.list_backup_selections(BackupPlanId=after["Plan"])["BackupSelectionsList"]
    assert kept_selection["SelectionName"] == "other"


def test_vault_gets_and_loses_policy_lock_and_tags(aws: AwsEmulator, stack: Stack) -> None:
    backup = aws.client("backup", "us-east-1")
    more: dict[str, Any] = {
        "AccessPolicy": DENY,
        "LockConfiguration": {"MinRetentionDays": "7", "MaxRetentionDays": 90},
        "BackupVaultTags": {"team": "orders"},
    }
    assert stack.run("create", {"Vault": vault(**more)}) == "CREATE_COMPLETE", stack.reasons()
    found = backup.describe_backup_vault(BackupVaultName=VAULT)
    assert (found["Locked"], found["MinRetentionDays"], found["MaxRetentionDays"]) == (True, 7, 90)
    assert json.loads(backup.get_backup_vault_access_policy(BackupVaultName=VAULT)["Policy"]) == DENY
    assert backup.list_tags(ResourceArn=found["BackupVaultArn"])["Tags"]["team"] == "orders"
    assert stack.run("update", {"Vault": vault()}) == "UPDATE_COMPLETE", stack.reasons()
    found = backup.describe_backup_vault(BackupVaultName=VAULT)
    assert found["Locked"] is False
    assert "team" not in backup.list_tags(ResourceArn=found["BackupVaultArn"])["Tags"]
    with pytest.raises(backup.exceptions.ResourceNotFoundException):
        backup.get_backup_vault_access_policy(BackupVaultName=VAULT)


def test_vault_with_a_name_that_exists_fails(aws: AwsEmulator, stack: Stack) -> None:
    backup = aws.client("backup", "us-east-1")
    backup.create_backup_vault(BackupVaultName="taken")
    assert stack.run("create", {"Vault": vault("taken")}) == "ROLLBACK_COMPLETE"
    assert "HandlerErrorCode: AlreadyExists" in stack.reasons()
    assert backup.describe_backup_vault(BackupVaultName="taken")["BackupVaultName"] == "taken"
    backup.delete_backup_vault(BackupVaultName="taken")


def test_key_of_a_named_vault_cannot_be_changed(aws: AwsEmulator, stack: Stack) -> None:
    assert stack.run("create", {"Vault": vault()}) == "CREATE_COMPLETE"
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/other"
    assert stack.run("update", {"Vault": vault(EncryptionKeyArn=key)}) == "UPDATE_ROLLBACK_COMPLETE"


def test_vault_without_a_name_is_named_after_its_stack(aws: AwsEmulator, stack: Stack) -> None:
    made = {"Vault": {"Type": "AWS::Backup::BackupVault", "Properties": {}}}
    assert stack.run("create", made, Name={"Ref": "Vault"}) == "CREATE_COMPLETE", stack.reasons()
    assert stack.outputs()["Name"].startswith("test-vault-without-a-name")


def test_selection_with_a_role_that_cannot_be_assumed_fails(stack: Stack) -> None:
    wrong = role()
    wrong["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"Service": "lambda.amazonaws.com"}
    assert stack.run("create", all_of_it(Role=wrong)) == "ROLLBACK_COMPLETE"
    assert "cannot be assumed by AWS Backup" in stack.reasons()
