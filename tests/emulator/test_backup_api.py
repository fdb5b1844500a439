"""AWS Backup through boto3: answers as botocore's model has them, roles, keys, policies, events and metrics."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from policy_sentry.querying.actions import get_action_data

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.backup_api import _HANDLERS, BackupCall, parse, permissions
from tests.emulator.backup_pair import Pair, pass_until
from tests.emulator.backups import ACCOUNT, ROLE, VAULT, WITNESS, daily
from tests.runtime.judge import hold_answer, service_model

POINT = f"arn:aws:backup:us-east-1:{ACCOUNT}:recovery-point:00000000-0000-4000-8000-000000000000"
HOUR, DAY = 3_600.0, 86_400.0


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with AwsEmulator(regions=["us-east-1", "us-west-2"], transition_seconds=0.05) as aws:
        yield Pair(aws)


@pytest.fixture(scope="module")
def known(pair: Pair) -> dict[str, Any]:
    """What exists, by the name of a parameter."""
    document = {"BackupPlanName": "known", "Rules": [daily()]}
    plan = pair.east.create_backup_plan(BackupPlan=document)["BackupPlanId"]
    selection = {"SelectionName": "pair", "IamRoleArn": pair.role, "Resources": ["arn:aws:dsql:*:*:cluster/none"]}
    made = pair.east.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    job = pair.back_up()
    pair.east.put_backup_vault_access_policy(BackupVaultName=VAULT, Policy=json.dumps(only(pair.role)))
    pair.east.put_backup_vault_notifications(
        BackupVaultName=VAULT, SNSTopicArn="arn:aws:sns:us-east-1:1:x", BackupVaultEvents=["COPY_JOB_FAILED"]
    )
    vault = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:{VAULT}"
    return {
        "BackupVaultName": VAULT,
        "SourceBackupVaultName": VAULT,
        "DestinationBackupVaultArn": vault.replace("us-east-1", "us-west-2"),
        "BackupPlanId": plan,
        "BackupPlan": {**document, "BackupPlanName": "more"},
        "SelectionId": made["SelectionId"],
        "BackupSelection": {**selection, "SelectionName": "more"},
        "BackupJobId": job["BackupJobId"],
        "RecoveryPointArn": job["RecoveryPointArn"],
        "CopyJobId": pair.copy(job["RecoveryPointArn"])["CopyJobId"],
        "RestoreJobId": pair.restore(job["RecoveryPointArn"], {})["RestoreJobId"],
        "IamRoleArn": pair.role,
        "Metadata": {},
        "Tags": {"team": "orders"},
        "TagKeyList": ["team"],
        "Policy": json.dumps(only(pair.role)),
        "SNSTopicArn": "arn:aws:sns:us-east-1:1:x",
        "BackupVaultEvents": ["COPY_JOB_FAILED"],
    }


def only(arn: str) -> dict[str, Any]:
    """An access policy with which nobody but *arn* deletes recovery points."""
    statement = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"],
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": arn}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


NEVER_REFUSED = {
    *("ListBackupJobs", "ListCopyJobs", "ListRestoreJobs", "ListBackupPlans", "ListBackupVaults"),
    "ListRecoveryPointsByResource",
}
READS = sorted(name for name in _HANDLERS if name.startswith(("Get", "List", "Describe")))


@pytest.mark.parametrize("operation", READS)
def test_what_is_read_is_answered_as_its_model_says(pair: Pair, known: dict[str, Any], operation: str) -> None:
    model = service_model("backup").operation_model(operation)
    resource = known["RecoveryPointArn"] if operation == "ListTags" else pair.arn
    asked = {name: {**known, "ResourceArn": resource}[name] for name in model.input_shape.required_members}
    raw: dict[str, Any] = {}

    def keep(http_response: Any, **_: Any) -> None:
        raw.update(json.loads(http_response.content))

    pair.east.meta.events.register("after-call.backup", keep, unique_id="keep")
    try:
        found = pair.east._make_api_call(operation, asked)
    finally:
        pair.east.meta.events.unregister("after-call.backup", unique_id="keep")
    hold_answer("backup", operation, {key: value for key, value in found.items() if key != "ResponseMetadata"})
    assert raw
    assert set(raw) <= set(model.output_shape.members)
    for name, shape in model.output_shape.members.items():
        if shape.type_name == "list" and shape.member.type_name == "structure" and raw.get(name):
            assert set(raw[name][0]) <= set(shape.member.members), name


@pytest.mark.parametrize("operation", sorted(set(_HANDLERS) - NEVER_REFUSED))
def test_what_is_not_there_is_refused_with_an_error(pair: Pair, known: dict[str, Any], operation: str) -> None:
    """One of the operation's model, or the missing privileges that AWS reports for a vault that is not there."""
    model = service_model("backup").operation_model(operation)
    kept = ("BackupSelection", "BackupVaultEvents", "Metadata", "Tags", "TagKeyList")
    gone = dict.fromkeys(known, "gone") | {key: known[key] for key in kept}
    gone |= {"BackupPlan": {"BackupPlanName": "x", "Rules": []}, "RecoveryPointArn": POINT, "ResourceArn": POINT}
    if operation == "CreateBackupVault":
        gone["BackupVaultName"] = VAULT
    with pytest.raises(ClientError) as error:
        pair.east._make_api_call(operation, {name: gone[name] for name in model.input_shape.required_members})
    code = error.value.response["Error"]["Code"]
    assert code == "AccessDeniedException" or code in {one.name for one in model.error_shapes}
    assert error.value.response["Error"]["Message"]


def test_call_that_is_not_here_is_named(pair: Pair) -> None:
    with pytest.raises(ClientError, match="has no call of AWS Backup at /audit/frameworks"):
        pair.east.list_frameworks()


def test_tags_of_vaults_plans_and_points(pair: Pair, known: dict[str, Any]) -> None:
    vault = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:{VAULT}"
    plan = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-plan:{known['BackupPlanId']}"
    for arn in (vault, plan, known["RecoveryPointArn"]):
        pair.east.tag_resource(ResourceArn=arn, Tags={"cost": "7"})
        assert pair.east.list_tags(ResourceArn=arn)["Tags"]["cost"] == "7"
        pair.east.untag_resource(ResourceArn=arn, TagKeyList=["cost"])
        assert "cost" not in pair.east.list_tags(ResourceArn=arn)["Tags"]
        with pytest.raises(ClientError, match="ResourceNotFound"):
            pair.west.list_tags(ResourceArn=arn)
    assert pair.east.list_tags(ResourceArn=known["RecoveryPointArn"])["Tags"] == {"team": "orders"}, "the cluster's"


@pytest.mark.parametrize("operation", sorted(_HANDLERS))
def test_iam_checks_what_the_service_authorization_reference_lists(known: dict[str, Any], operation: str) -> None:
    members = service_model("backup").operation_model(operation).input_shape.members
    asked = {key: one for key, one in {**known, "ResourceArn": known["RecoveryPointArn"]}.items() if key in members}
    call = BackupCall(operation, ACCOUNT, "us-east-1", asked)
    checked = {action: arn for action, arn, _ in permissions(call)}
    formats = [one["resource_arn_format"] for one in get_action_data("backup", operation)["backup"]]
    listed = [re.sub(r"\\\$\\{\w+\\}", "[^:]+", re.escape(one)).replace(r"\*:", "[^:]*:") for one in formats]
    assert any(re.fullmatch(one, checked[f"backup:{operation}"]) for one in listed), (checked, listed)
    takes_a_role = operation in ("StartBackupJob", "StartCopyJob", "StartRestoreJob", "CreateBackupSelection")
    assert ("iam:PassRole" in checked) == takes_a_role


def test_calls_are_recorded_by_name(pair: Pair) -> None:
    pair.aws.clear_calls()
    pair.east.list_backup_jobs()
    pair.east.list_recovery_points_by_resource(ResourceArn=pair.arn)
    names = [one["name"] for one in pair.aws.calls() if one["service"] == "backup"]
    assert names == ["ListBackupJobs", "ListRecoveryPointsByResource"]


def test_path_with_an_arn_is_understood() -> None:
    path = f"/resources/arn%3Aaws%3Adsql%3Aus-east-1%3A{ACCOUNT}%3Acluster%2Fx/recovery-points/"
    call = parse("GET", path, {"maxResults": ["7"]}, b"", ACCOUNT, "us-east-1")
    assert call
    assert call.name == "ListRecoveryPointsByResource"
    assert call.asked == {"ResourceArn": f"arn:aws:dsql:us-east-1:{ACCOUNT}:cluster/x", "MaxResults": 7}


def test_answer_has_the_time_of_the_emulators_clock(pair: Pair) -> None:
    before = pair.aws.advance_clock(0)
    now = pair.aws.advance_clock(3 * DAY)
    assert (now - before).total_seconds() >= 3 * DAY
    headers = pair.east.list_backup_jobs()["ResponseMetadata"]["HTTPHeaders"]
    assert 0 <= (parsedate_to_datetime(headers["date"]) - now).total_seconds() + 1 < 60
    with pytest.raises(ClientError) as error:
        pair.east.describe_backup_job(BackupJobId="gone")
    assert "date" in error.value.response["ResponseMetadata"]["HTTPHeaders"]


def test_plan_runs_on_the_clock_and_its_events_and_metrics_follow(pair: Pair) -> None:
    pass_until(pair.aws, 12)  # hours before the plan's time, at any time of day
    events, sqs = pair.aws.client("events", "us-east-1"), pair.aws.client("sqs", "us-east-1")
    url = sqs.create_queue(QueueName="backup-events")["QueueUrl"]
    events.put_rule(Name="backup", EventPattern=json.dumps({"source": ["aws.backup"]}))
    queue = f"arn:aws:sqs:us-east-1:{ACCOUNT}:backup-events"
    events.put_targets(Rule="backup", Targets=[{"Id": "queue", "Arn": queue}])
    rule = daily(TargetBackupVaultName=VAULT)
    plan = pair.east.create_backup_plan(BackupPlan={"BackupPlanName": "runs", "Rules": [rule]})["BackupPlanId"]
    selection = {"SelectionName": "pair", "IamRoleArn": pair.role, "Resources": [pair.arn]}
    made = pair.east.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)
    pair.aws.advance_clock(DAY + HOUR)
    jobs = pair.east.list_backup_jobs(ByResourceArn=pair.arn)["BackupJobs"]
    [job] = [one for one in jobs if one.get("CreatedBy", {}).get("BackupPlanId") == plan]
    assert job["State"] == "COMPLETED"
    seen: list[dict[str, Any]] = []
    while len(seen) < 6:
        found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for one in found:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        seen += [json.loads(one["Body"]) for one in found]
    assert {(one["source"], one["region"]) for one in seen} == {("aws.backup", "us-east-1")}
    states = [f"{one['detail-type'].split()[0]} {one['detail']['state']}" for one in seen]
    assert sorted(states) == sorted(
        f"{kind} {state}" for kind in ("Backup", "Copy") for state in ("CREATED", "RUNNING", "COMPLETED")
    )
    cloudwatch = pair.aws.client("cloudwatch", "us-east-1")
    counted = cloudwatch.get_metric_statistics(
        Namespace="AWS/Backup",
        MetricName="NumberOfCopyJobsCompleted",
        Dimensions=[{"Name": "BackupVaultName", "Value": VAULT}],
        StartTime=time.time() - 600,
        EndTime=time.time() + 600,
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    assert sum(one["Sum"] for one in counted) >= 1
    pair.east.delete_backup_selection(BackupPlanId=plan, SelectionId=made["SelectionId"])
    pair.east.delete_backup_plan(BackupPlanId=plan)


def test_access_policy_of_a_vault_keeps_even_the_root_user_from_deleting(pair: Pair) -> None:
    pair.east.create_backup_vault(BackupVaultName="guarded")
    point = pair.back_up("guarded")["RecoveryPointArn"]
    asked = {"BackupVaultName": "guarded", "RecoveryPointArn": point}
    root = f"arn:aws:iam::{ACCOUNT}:root"
    pair.east.put_backup_vault_access_policy(BackupVaultName="guarded", Policy=json.dumps(only(pair.role)))
    change = {"Lifecycle": {"DeleteAfterDays": 1}}
    for call, more in ((pair.east.delete_recovery_point, {}), (pair.east.update_recovery_point_lifecycle, change)):
        with pytest.raises(ClientError, match=f"User: {root} .*explicit deny in a resource-based policy") as error:
            call(**asked, **more)
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
    assert pair.east.describe_recovery_point(**asked)["Status"] == "COMPLETED"
    pair.east.put_backup_vault_access_policy(BackupVaultName="guarded", Policy=json.dumps(only(root)))
    pair.east.delete_recovery_point(**asked)


def test_session_of_a_named_role_may_delete(pair: Pair) -> None:
    """As the CDK CLI has them."""
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNT}}]}
    named = pair.make_role("named", [], trust={"Version": "2012-10-17", **trust})
    pair.east.create_backup_vault(BackupVaultName="named")
    point = pair.back_up("named")["RecoveryPointArn"]
    pair.east.put_backup_vault_access_policy(BackupVaultName="named", Policy=json.dumps(only(named)))
    session = pair.aws.client("sts", "us-east-1").assume_role(RoleArn=named, RoleSessionName="me")["Credentials"]
    client = boto3.client(
        "backup",
        region_name="us-east-1",
        endpoint_url=pair.aws.endpoint,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    client.delete_recovery_point(BackupVaultName="named", RecoveryPointArn=point)


def test_role_has_to_trust_backup_and_to_exist(pair: Pair) -> None:
    lambdas = {"Service": "lambda.amazonaws.com"}
    trust = {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": lambdas}]}
    other = pair.make_role("other", [], trust={"Version": "2012-10-17", **trust})
    for role in (other, ROLE + "-gone"):
        with pytest.raises(ClientError, match=f"IAM Role {role} cannot be assumed by AWS Backup"):
            pair.back_up(IamRoleArn=role)


def test_role_without_the_actions_fails_its_jobs(pair: Pair) -> None:
    bare = pair.make_role("bare", [])
    job = pair.back_up(IamRoleArn=bare)
    assert job["State"] == "FAILED"
    assert job["StatusMessage"].startswith("Access Denied: User: arn:aws:sts::")
    assert "is not authorized to perform: dsql:GetCluster" in job["StatusMessage"]
    point = pair.back_up()["RecoveryPointArn"]
    copy, restored = pair.copy(point, IamRoleArn=bare), pair.restore(point, {}, IamRoleArn=bare)
    assert (copy["State"], restored["Status"]) == ("FAILED", "FAILED")
    assert "backup:CopyFromBackupVault" in copy["StatusMessage"]
    assert "dsql:StartRestoreJob" in restored["StatusMessage"]


def test_role_with_exact_actions_is_enough(pair: Pair) -> None:
    dsql = ["GetCluster", "StartBackupJob", "GetBackupJob", "ListTagsForResource"]
    exact = pair.make_role(
        "exact",
        [],
        {"Effect": "Allow", "Action": [f"dsql:{one}" for one in dsql], "Resource": pair.arn},
        {"Effect": "Allow", "Action": "backup:CopyFromBackupVault", "Resource": "*"},
        {
            "Effect": "Allow",
            "Action": "backup:CopyIntoBackupVault",
            "Resource": f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:{VAULT}",
        },
    )
    job = pair.back_up(IamRoleArn=exact)
    assert job["State"] == "COMPLETED", job.get("StatusMessage")
    copy = pair.copy(job["RecoveryPointArn"], IamRoleArn=exact)
    assert copy["State"] == "COMPLETED", copy.get("StatusMessage")


def test_vaults_key_has_to_be_usable(pair: Pair) -> None:
    kms = pair.aws.client("kms", "us-east-1")
    key = kms.create_key()["KeyMetadata"]
    pair.east.create_backup_vault(BackupVaultName="with-key", EncryptionKeyArn=key["Arn"])
    done = pair.back_up("with-key")
    assert (done["State"], done["EncryptionKeyArn"]) == ("COMPLETED", key["Arn"])
    kms.disable_key(KeyId=key["KeyId"])
    failed = pair.back_up("with-key")
    assert failed["StatusMessage"] == f"Access Denied: KMSInvalidStateException: {key['Arn']} is Disabled."
    kms.enable_key(KeyId=key["KeyId"])
    alone = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/somebody"}, "Action": "kms:*"}
    policy = {"Version": "2012-10-17", "Statement": [{**alone, "Resource": "*"}]}
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
    failed = pair.back_up("with-key")
    assert f"does not allow {pair.role} to perform kms:CreateGrant" in failed["StatusMessage"]
    kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert "is PendingDeletion" in pair.back_up("with-key")["StatusMessage"]


def test_pair_comes_back_through_the_api(pair: Pair) -> None:
    point = pair.back_up()["RecoveryPointArn"]
    pair.copy(point)
    metadata = {"useMultiRegionOrchestration": "true", "witnessRegion": WITNESS, "peerRegion": '["us-west-2"]'}
    job = pair.restore(point, metadata)
    assert job["Status"] == "COMPLETED", job.get("StatusMessage")
    dsql = pair.aws.client("dsql", "us-east-1")
    mine = dsql.get_cluster(identifier=job["CreatedResourceArn"].rpartition("/")[2])
    assert mine["status"] == "ACTIVE"
    assert len(mine["multiRegionProperties"]["clusters"]) == 2
    assert pair.east.get_restore_job_metadata(RestoreJobId=job["RestoreJobId"])["Metadata"] == metadata


def test_fault_of_the_service_affects_calls_and_jobs_of_its_region(pair: Pair) -> None:
    pair.aws.inject(Fault("west is down", service="backup", region="us-west-2", error="ServiceUnavailableException"))
    try:
        with pytest.raises(ClientError, match="ServiceUnavailable"):
            pair.west.list_backup_vaults()
        assert pair.back_up()["State"] == "COMPLETED"
    finally:
        pair.aws.clear_faults()


def test_functions_role_needs_the_actions_and_to_pass_the_jobs_role(pair: Pair) -> None:
    vault = f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:{VAULT}"
    function = pair.make_role(
        "function",
        [],
        {"Effect": "Allow", "Action": "backup:ListBackupJobs", "Resource": "*"},
        {"Effect": "Allow", "Action": "backup:ListRecoveryPointsByBackupVault", "Resource": vault},
        {"Effect": "Allow", "Action": "backup:StartBackupJob", "Resource": vault},
    )
    own = pair.aws._credentials.of_role(function)
    client = boto3.client(
        "backup",
        region_name="us-east-1",
        endpoint_url=pair.aws.endpoint,
        aws_access_key_id=own.access_key,
        aws_secret_access_key=own.secret_key,
        aws_session_token=own.session_token,
    )
    client.list_backup_jobs()
    client.list_recovery_points_by_backup_vault(BackupVaultName=VAULT)
    for call, asked, action in (
        (client.list_copy_jobs, {}, "backup:ListCopyJobs"),
        (client.describe_backup_vault, {"BackupVaultName": VAULT}, "backup:DescribeBackupVault"),
        (client.list_recovery_points_by_backup_vault, {"BackupVaultName": "other"}, "ListRecoveryPointsByBackupVault"),
    ):
        with pytest.raises(ClientError, match=f"is not authorized to perform: .*{action.rpartition(':')[2]}"):
            call(**asked)
    job = {"BackupVaultName": VAULT, "ResourceArn": pair.arn, "IamRoleArn": pair.role}
    with pytest.raises(ClientError, match=f"iam:PassRole on resource: {pair.role}"):
        client.start_backup_job(**job)
