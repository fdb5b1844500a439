from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms

from dsql_dr_constructs import BackupOptions, MonitoringOptions, MultiRegionBackup, MultiRegionDsqlDr
from tests.unit.intrinsics import written_out

ACCOUNT = "111111111111"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ONE, OTHER = "a1" * 13, "b2" * 13
ARNS = [
    f"arn:aws:dsql:{region}:{ACCOUNT}:cluster/{name}" for region, name in (("us-east-1", ONE), ("us-west-2", OTHER))
]
DAYS = cdk.Duration.days
Resources = dict[str, dict[str, Any]]


def resources(stack: cdk.Stack) -> Resources:
    """By logical id, with every reference written out; GetAtt as ``<logical id>.<attribute>``."""
    template = assertions.Template.from_stack(stack).to_json()
    parameters = {name: one.get("Default", "") for name, one in template.get("Parameters", {}).items()}

    def ref(name: str) -> str:
        known = {"AWS::Partition": "aws", "AWS::AccountId": ACCOUNT, "AWS::StackId": "the-stack"}
        return known.get(name) or parameters.get(name) or name

    found: Resources = written_out(template["Resources"], ref, lambda resource, name: f"{resource}.{name}")
    return found


def of_type(stack: cdk.Stack, kind: str) -> list[dict[str, Any]]:
    return [one for one in resources(stack).values() if one["Type"] == kind]


def only(stack: cdk.Stack, kind: str) -> dict[str, Any]:
    [found] = of_type(stack, kind)
    return found


def backed_up(app: cdk.App, **options: Any) -> MultiRegionBackup:
    return MultiRegionBackup(
        app, "Orders", deployment_name="orders", cluster_arns=ARNS, options=BackupOptions(**options)
    )


def rules(stack: cdk.Stack) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = only(stack, "AWS::Backup::BackupPlan")["Properties"]["BackupPlan"]["BackupPlanRule"]
    return found


def test_pair_of_somebody_else_is_backed_up_by_its_arns(app: cdk.App) -> None:
    made = backed_up(app)
    assert [(one.stack_name, one.region) for one in made.stacks] == [
        ("Orders-SecondaryBackup-production", "us-west-2"),
        ("Orders-PrimaryBackup-production", "us-east-1"),
    ]
    secondary, primary = made.stacks
    assert secondary in primary.dependencies, "a copy needs its vault"
    for stack in made.stacks:
        vault = only(stack, "AWS::Backup::BackupVault")
        assert vault["Properties"]["BackupVaultName"] == "dsql-orders"
        assert vault["DeletionPolicy"] == vault["UpdateReplacePolicy"] == "Retain"
    assert of_type(secondary, "AWS::Backup::BackupPlan") == []


def test_one_backup_a_day_is_copied_to_the_other_region(app: cdk.App) -> None:
    _, primary = backed_up(app, hour=3, retention=DAYS(10)).stacks
    copy = {
        "DestinationBackupVaultArn": f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:dsql-orders",
        "Lifecycle": {"DeleteAfterDays": 10},
    }
    assert rules(primary) == [
        {
            "RuleName": "daily",
            "ScheduleExpression": "cron(10 3 * * ? *)",
            "StartWindowMinutes": 60,
            "CompletionWindowMinutes": 1440,
            "TargetBackupVault": "dsql-orders",
            "Lifecycle": {"DeleteAfterDays": 10},
            "CopyActions": [copy],
        }
    ]
    assert only(primary, "AWS::Backup::BackupPlan")["DependsOn"] == ["BackupVaultADF21B19"]


def test_weekly_and_monthly_backups_are_kept_longer_in_both_regions(app: cdk.App) -> None:
    _, primary = backed_up(app, weekly_retention=DAYS(90), monthly_retention=DAYS(365)).stacks
    found = [
        (
            one["RuleName"],
            one["ScheduleExpression"],
            one["Lifecycle"]["DeleteAfterDays"],
            [copy["Lifecycle"]["DeleteAfterDays"] for copy in one["CopyActions"]],
        )
        for one in rules(primary)
    ]
    assert found == [
        ("daily", "cron(10 5 * * ? *)", 35, [35]),
        ("weekly", "cron(10 5 ? * SUN *)", 90, [90]),
        ("monthly", "cron(10 5 1 * ? *)", 365, [365]),
    ]


def test_exactly_the_primarys_cluster_is_selected(app: cdk.App) -> None:
    _, primary = backed_up(app).stacks
    selection = only(primary, "AWS::Backup::BackupSelection")["Properties"]["BackupSelection"]
    assert selection["Resources"] == [ARNS[0]]
    assert selection["SelectionName"] == ONE, "another cluster's has another name, so that it can be made first"
    assert {"ListOfTags", "Conditions"} & set(selection) == set()


def test_roles_are_aws_backups_alone_and_have_its_policies(app: cdk.App) -> None:
    _, primary = backed_up(app).stacks
    found = {
        tuple(one["Properties"]["ManagedPolicyArns"]): one["Properties"]
        for one in of_type(primary, "AWS::IAM::Role")
        if "ManagedPolicyArns" in one["Properties"]
    }
    start = "arn:aws:iam::aws:policy/service-role/AWSBackupServiceRolePolicyFor"
    assert set(found) == {(f"{start}Backup",), (f"{start}Restores",)}
    for role in found.values():
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert (statement["Action"], statement["Principal"]) == ("sts:AssumeRole", {"Service": "backup.amazonaws.com"})
    assert found[f"{start}Restores",]["RoleName"] == "aurora-dsql-restore-orders"


@pytest.mark.parametrize(
    ("principals", "condition"),
    [
        ([], None),
        (
            [f"arn:aws:iam::{ACCOUNT}:role/admin"],
            {"ArnNotEquals": {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/admin"]}},
        ),
    ],
)
def test_nobody_else_may_delete_recovery_points(app: cdk.App, principals: list[str], condition: Any) -> None:
    for stack in backed_up(app, deletion_principals=principals).stacks:
        [denied] = only(stack, "AWS::Backup::BackupVault")["Properties"]["AccessPolicy"]["Statement"]
        assert (denied["Effect"], denied["Principal"], denied["Resource"]) == ("Deny", {"AWS": "*"}, "*")
        assert denied["Action"] == ["backup:DeleteRecoveryPoint", "backup:UpdateRecoveryPointLifecycle"]
        assert denied.get("Condition") == condition


def test_key_of_a_vault_is_kept_with_it_since_without_it_nothing_can_be_restored(app: cdk.App) -> None:
    for stack in backed_up(app).stacks:
        key = only(stack, "AWS::KMS::Key")
        assert (key["DeletionPolicy"], key["Properties"]["EnableKeyRotation"]) == ("Retain", True)
        [statement] = key["Properties"]["KeyPolicy"]["Statement"]
        assert statement["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
        assert only(stack, "AWS::Backup::BackupVault")["Properties"]["EncryptionKeyArn"] == "BackupKey570ED138.Arn"


@pytest.mark.parametrize(("policy", "kept"), [(cdk.RemovalPolicy.RETAIN, "Retain"), (cdk.RemovalPolicy.DESTROY, None)])
def test_role_that_lets_recovery_points_expire_is_kept_with_them(app: cdk.App, policy: Any, kept: str | None) -> None:
    _, primary = backed_up(app, removal_policy=policy).stacks
    roles = {id: one for id, one in resources(primary).items() if one["Type"] == "AWS::IAM::Role"}
    assert [one.get("DeletionPolicy") for id, one in roles.items() if id.startswith("PlanRole")] == [kept]
    [restore] = [one for id, one in roles.items() if id.startswith("PlanRestoreRole")]
    assert "DeletionPolicy" not in restore, "its name is fixed, and would be taken at the next deployment"


def test_keys_of_the_user_encrypt_vaults_and_logs(app: cdk.App) -> None:
    arns = {region: f"arn:aws:kms:{region}:{ACCOUNT}:key/{KEY}" for region in ("us-east-1", "us-west-2")}
    keys = {region: kms.Key.from_key_arn(cdk.Stack(app, f"Keys-{region}"), "Key", arn) for region, arn in arns.items()}
    made = MultiRegionBackup(app, "Orders", deployment_name="orders", cluster_arns=ARNS, encryption_keys=keys)
    for stack in made.stacks:
        assert of_type(stack, "AWS::KMS::Key") == []
        assert only(stack, "AWS::Backup::BackupVault")["Properties"]["EncryptionKeyArn"] == arns[stack.region]
        assert {one["Properties"]["KmsKeyId"] for one in of_type(stack, "AWS::Logs::LogGroup")} == {arns[stack.region]}


def test_lock_is_that_of_both_vaults(app: cdk.App) -> None:
    lock = backup.LockConfiguration(min_retention=DAYS(7), max_retention=DAYS(400))
    made = backed_up(app, lock=lock)
    for stack in made.stacks:
        found = only(stack, "AWS::Backup::BackupVault")["Properties"]["LockConfiguration"]
        assert found == {"MinRetentionDays": 7, "MaxRetentionDays": 400}
        assert warnings(stack) == []


def warnings(stack: cdk.Stack) -> list[str]:
    found = assertions.Annotations.from_stack(stack).find_warning("*", assertions.Match.any_value())
    return [str(one.entry.data) for one in found]


def test_compliance_mode_is_warned_of_once_since_nobody_can_undo_it(app: cdk.App) -> None:
    lock = backup.LockConfiguration(min_retention=DAYS(7), changeable_for=DAYS(3))
    secondary, primary = backed_up(app, lock=lock).stacks
    assert warnings(secondary) == []
    [text] = warnings(primary)
    assert text.startswith("lock has changeable_for, so 3 days after the vaults of 'orders' are deployed nobody can")
    assert text.endswith("[ack: dsql-dr-constructs:complianceLock]")
    found = only(secondary, "AWS::Backup::BackupVault")["Properties"]["LockConfiguration"]
    assert found == {"MinRetentionDays": 7, "ChangeableForDays": 3}


def test_events_of_aws_backup_are_logged_in_both_regions(app: cdk.App) -> None:
    for stack in backed_up(app).stacks:
        name = "/aws/events/aurora-dsql-backups-orders"
        arn = f"arn:aws:logs:{stack.region}:{ACCOUNT}:log-group:{name}"
        [log] = [one for one in of_type(stack, "AWS::Logs::LogGroup") if "LogGroupName" in one["Properties"]]
        assert log["Properties"]["LogGroupName"] == name
        [allowed] = log["Properties"]["ResourcePolicyDocument"]["Statement"]
        assert allowed["Principal"] == {"Service": ["events.amazonaws.com", "delivery.logs.amazonaws.com"]}
        assert (allowed["Action"], allowed["Resource"]) == (["logs:CreateLogStream", "logs:PutLogEvents"], f"{arn}:*")
        assert of_type(stack, "AWS::Logs::ResourcePolicy") == [], "an account can have ten in a Region"
        [rule] = [
            one["Properties"] for one in of_type(stack, "AWS::Events::Rule") if "EventPattern" in one["Properties"]
        ]
        assert rule["Targets"] == [{"Id": "Log", "Arn": arn}]
        pattern = rule["EventPattern"]
        assert pattern["source"] == ["aws.backup"]
        assert [one.partition(" ")[0] for one in pattern["detail-type"]] == ["Backup", "Copy", "Restore"]
        one_of = {name: values for one in pattern["detail"]["$or"] for name, values in one.items()}
        assert one_of["backupVaultName"] == ["dsql-orders"]
        assert one_of["resourceArn"] == one_of["sourceResourceArn"] == ARNS
        assert one_of["iamRoleArn"] == [f"arn:aws:iam::{ACCOUNT}:role/aurora-dsql-restore-orders"]
        assert len(one_of["destinationBackupVaultArn"]) == 2
        assert len(json.dumps(pattern)) < 2048, "which is the longest that EventBridge takes"


def schedule(stack: cdk.Stack) -> dict[str, Any]:
    [found] = [one for one in of_type(stack, "AWS::Events::Rule") if "ScheduleExpression" in one["Properties"]]
    properties: dict[str, Any] = found["Properties"]
    return properties


@pytest.mark.parametrize(("hour", "hours"), [(5, "5,6"), (0, "0,1"), (22, "22,23"), (23, "23,0")])
def test_cluster_is_woken_from_before_the_backup_to_after_its_start_window(app: cdk.App, hour: int, hours: str) -> None:
    secondary, primary = backed_up(app, hour=hour).stacks
    assert schedule(primary)["ScheduleExpression"] == f"cron(0/5 {hours} * * ? *)"
    [target] = schedule(primary)["Targets"]
    [plan] = [id for id, one in resources(primary).items() if one["Type"] == "AWS::Backup::BackupPlan"]
    assert json.loads(target["Input"]) == {"action": "wake", "plan": plan, "hour": hour}, "Ref is the plan's id"
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 0
    assert only(primary, "AWS::Lambda::EventInvokeConfig")["Properties"]["MaximumRetryAttempts"] == 0
    assert not [one for one in of_type(secondary, "AWS::Events::Rule") if "ScheduleExpression" in one["Properties"]]


def test_alone_it_brings_a_function_that_may_log_in_to_the_primarys_cluster_only(app: cdk.App) -> None:
    secondary, primary = backed_up(app).stacks
    found = resources(primary)
    [(id, function)] = [
        (id, one) for id, one in found.items() if "CLUSTERS" in str(one["Properties"].get("Environment", ""))
    ]
    assert "FunctionName" not in function["Properties"]
    assert json.loads(function["Properties"]["Environment"]["Variables"]["CLUSTERS"])[0]["arn"] == ARNS[0]
    assert schedule(primary)["Targets"][0]["Arn"] == f"{id}.Arn"
    assert only(primary, "AWS::Lambda::Permission")["Properties"]["FunctionName"] == id
    allowed = [
        one
        for policy in of_type(primary, "AWS::IAM::Policy")
        for one in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    logins = [one["Resource"] for one in allowed if "dsql:DbConnectAdmin" in one["Action"]]
    assert logins == [ARNS[0]]
    assert [one["Resource"] for one in allowed if one["Action"] == "backup:ListBackupJobs"] == ["*"]
    assert of_type(secondary, "AWS::Lambda::Function") == []


def test_clusters_of_another_app_are_read_from_ssm_parameters(app: cdk.App) -> None:
    _, primary = MultiRegionBackup(app, "Backup", deployment_name="Orders-production").stacks
    parameters = assertions.Template.from_stack(primary).to_json()["Parameters"]
    defaults = {one["Default"] for one in parameters.values()}
    assert {f"/dsql-dr/Orders-production/{one}/identifier" for one in ("us-east-1", "us-west-2")} <= defaults


def test_vaults_of_the_user_are_used_and_none_is_made(app: cdk.App) -> None:
    own = backup.BackupVault(
        cdk.Stack(app, "Own", env=cdk.Environment(account=ACCOUNT, region="us-east-1")),
        "Vault",
        backup_vault_name="own",
    )
    arn = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:theirs"
    made = backed_up(app, vaults={"us-east-1": own, "us-west-2": arn})
    assert dict(made.vault_names) == {"us-east-1": "own", "us-west-2": "theirs"}
    assert made.vaults == {}
    _, primary = made.stacks
    [rule] = rules(primary)
    assert rule["TargetBackupVault"] == "own"
    assert [one["DestinationBackupVaultArn"] for one in rule["CopyActions"]] == [arn]
    for stack in made.stacks:
        assert of_type(stack, "AWS::Backup::BackupVault") == of_type(stack, "AWS::KMS::Key") == []


@pytest.mark.parametrize(
    ("vaults", "sentence"),
    [
        ({}, "vaults has no Region: one vault is needed for each of us-east-1, us-west-2"),
        ({"us-east-1": "own"}, "vaults has us-east-1: one vault is needed for each of us-east-1, us-west-2"),
        (
            {"us-east-1": "own", "us-west-2": f"arn:aws:backup:us-east-1:{ACCOUNT}:backup-vault:own"},
            "vaults has 'arn:aws:backup:us-east-1:.*' for us-west-2: a vault of 111111111111 and of this Region",
        ),
        (
            {"us-east-1": "own", "us-west-2": "arn:aws:backup:us-west-2:222222222222:backup-vault:own"},
            "for us-west-2: a vault of 111111111111",
        ),
        ({"us-east-1": "own", "us-west-2": "a vault"}, "vaults has 'a vault' for us-west-2"),
    ],
)
def test_vaults_of_other_regions_or_accounts_are_refused(app: cdk.App, vaults: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        backed_up(app, vaults=vaults)


def test_vault_of_another_region_is_refused(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Own", env=cdk.Environment(account=ACCOUNT, region="eu-west-1"))
    with pytest.raises(ValueError, match="vaults has a vault of eu-west-1 for us-east-1"):
        backed_up(app, vaults={"us-east-1": backup.BackupVault(stack, "Vault"), "us-west-2": "own"})


def test_with_destroy_a_vault_goes_and_its_key_too(app: cdk.App) -> None:
    for stack in backed_up(app, removal_policy=cdk.RemovalPolicy.DESTROY).stacks:
        for kind in ("AWS::Backup::BackupVault", "AWS::KMS::Key"):
            assert only(stack, kind)["DeletionPolicy"] == "Delete"
        assert of_type(stack, "Custom::DsqlRecoveryPointDeletion") == [], "a vault that is not empty stays"


def test_recovery_points_go_only_where_they_too_are_to_be_deleted(app: cdk.App) -> None:
    options: dict[str, Any] = {"removal_policy": cdk.RemovalPolicy.DESTROY, "delete_recovery_points": True}
    secondary, primary = backed_up(app, **options).stacks
    for stack in (secondary, primary):
        deletion = only(stack, "Custom::DsqlRecoveryPointDeletion")
        assert "BackupVaultADF21B19" in deletion["DependsOn"], "it is deleted before the vault"
        [denied] = only(stack, "AWS::Backup::BackupVault")["Properties"]["AccessPolicy"]["Statement"]
        [role] = denied["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
        assert role.startswith("BackupDeletionRole")
    [(id, _)] = [one for one in resources(primary).items() if one[1]["Type"] == "Custom::DsqlRecoveryPointDeletion"]
    plan = only(primary, "AWS::Backup::BackupPlan")
    assert id in plan["DependsOn"], "no job fills the vault while it is emptied"


def test_pair_is_backed_up_by_stacks_of_their_own(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", backup=BackupOptions())
    assert [one.stack_name for one in pair.stacks] == [
        "Orders-Primary-production",
        "Orders-Secondary-production",
        "Orders-PrimaryDatabaseRoles-production",
        "Orders-SecondaryDatabaseRoles-production",
        "Orders-SecondaryBackup-production",
        "Orders-PrimaryBackup-production",
        "Orders-PrimaryMonitoring-production",
        "Orders-SecondaryMonitoring-production",
    ]
    _, _, roles, _, secondary, primary, *monitoring = pair.stacks
    assert {roles, secondary} <= set(primary.dependencies)
    for stack in monitoring:
        assert primary in stack.dependencies
    name = "aurora-dsql-roles-Orders-production"
    [target] = schedule(primary)["Targets"]
    assert target["Arn"] == f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}"
    permission = only(primary, "AWS::Lambda::Permission")["Properties"]
    assert (permission["FunctionName"], permission["Principal"]) == (name, "events.amazonaws.com")
    assert permission["SourceArn"].startswith("WakeRule")
    assert of_type(primary, "AWS::Lambda::Function") == []


def test_only_the_function_of_the_primary_region_may_ask_for_backup_jobs_and_only_with_backups(app: cdk.App) -> None:
    def asks(pair: MultiRegionDsqlDr) -> list[str]:
        return [one.stack_name for one in pair.stacks if "backup:" in json.dumps(of_type(one, "AWS::IAM::Policy"))]

    backed = MultiRegionDsqlDr(app, "Orders", backup=BackupOptions(), monitoring=None)
    not_backed = MultiRegionDsqlDr(app, "Others", monitoring=MonitoringOptions(sql_probe=True))
    assert asks(backed) == ["Orders-PrimaryDatabaseRoles-production"]
    assert asks(not_backed) == []


def infos(pair: MultiRegionDsqlDr) -> list[str]:
    found = [
        one
        for stack in pair.stacks
        for one in assertions.Annotations.from_stack(stack).find_info("*", assertions.Match.any_value())
    ]
    return [str(one.entry.data) for one in found]


def test_without_backups_one_info_says_that_nothing_undoes_a_mistake(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders")
    other = MultiRegionDsqlDr(app, "Others", backup=BackupOptions())
    assert pair.backup is None
    assert infos(pair) == [
        "Nothing undoes a mistake in 'Orders-production': a dropped table is dropped in both Regions. "
        "Give backup=BackupOptions() for a backup a day, kept in both. [ack: dsql-dr-constructs:noBackup]"
    ]
    assert infos(other) == []


@pytest.mark.parametrize(("emails", "topic"), [((), "Alerts"), (("dev@example.com",), "Warnings")])
def test_somebody_is_notified_of_a_missing_backup_also_without_a_topic_for_warnings(
    app: cdk.App, emails: tuple[str, ...], topic: str
) -> None:
    options = MonitoringOptions(warning_emails=emails)
    pair = MultiRegionDsqlDr(
        app, "Orders", backup=BackupOptions(), alert_emails=["ops@example.com"], monitoring=options
    )
    assert pair.monitoring
    for stack in pair.monitoring.stacks:
        alarms = of_type(stack, "AWS::CloudWatch::Alarm")
        [actions] = [
            one["Properties"]["AlarmActions"]
            for one in alarms
            if "-recovery-point-age-" in one["Properties"]["AlarmName"]
        ]
        assert [one.startswith(topic) for one in actions] == [True]


def test_doubled_deployment_name_is_refused(app: cdk.App) -> None:
    backed_up(app)
    with pytest.raises(ValueError, match="both deployment 'orders'"):
        MultiRegionBackup(app, "Again", deployment_name="orders", cluster_arns=ARNS)


def test_keys_of_a_pair_with_a_witness_observer_serve_its_vaults(app: cdk.App) -> None:
    regions = ("us-east-1", "us-west-2", "us-east-2")
    keys = {
        region: kms.Key.from_key_arn(
            cdk.Stack(app, f"Keys-{region}"), "Key", f"arn:aws:kms:{region}:{ACCOUNT}:key/{KEY}"
        )
        for region in regions
    }
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        encryption_keys=keys,
        monitoring=MonitoringOptions(witness_observer=True),
        backup=BackupOptions(),
    )
    assert pair.backup
    for stack in pair.backup.stacks:
        key = only(stack, "AWS::Backup::BackupVault")["Properties"]["EncryptionKeyArn"]
        assert key == f"arn:aws:kms:{stack.region}:{ACCOUNT}:key/{KEY}"
