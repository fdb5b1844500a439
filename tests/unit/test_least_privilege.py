"""Policies and code, compared both ways: each call is allowed, and each permission is used by a call."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache, partial
from itertools import count
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from botocore import xform_name
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
from policy_sentry.querying.actions import get_action_data

from dsql_dr_constructs import (
    BackupOptions,
    DrillOptions,
    FailoverOptions,
    MonitoringOptions,
    MultiRegionBackup,
    MultiRegionDsqlDr,
    MultiRegionMonitoring,
)
from dsql_dr_constructs.runtime.cluster_peering.adoption import Adoption
from dsql_dr_constructs.runtime.cluster_peering.peering import Peering
from dsql_dr_constructs.runtime.cluster_peering.teardown import Teardown
from dsql_dr_constructs.runtime.database_role.role_change import RoleChange
from dsql_dr_constructs.runtime.database_role.role_request import RoleError
from dsql_dr_constructs.runtime.database_role.serving_endpoint import Cluster, ServingEndpoint
from dsql_dr_constructs.runtime.database_role.wake import Wake
from dsql_dr_constructs.runtime.database_session import NoConnectionError
from dsql_dr_constructs.runtime.health_monitor.evacuation_check import EvacuationCheck
from dsql_dr_constructs.runtime.health_monitor.monitoring_run import MonitoringRun
from dsql_dr_constructs.runtime.health_monitor.recovery_point_check import RecoveryPointCheck
from dsql_dr_constructs.runtime.health_monitor.retries import Surroundings, Unreachable
from dsql_dr_constructs.runtime.health_monitor.settings import NotificationPath, Settings
from dsql_dr_constructs.runtime.recovery_point_deletion.deletion import RecoveryPointDeletion
from tests.runtime.cluster_peering.hand_made_aws import (
    ADOPTING,
    LOCAL,
    OTHER_LOCAL,
    PEER,
    PEER_ENTRY,
    STACK,
    HandMadeAws,
)
from tests.runtime.judge import Call, judged
from tests.unit.iam_requests import (
    ACCOUNT,
    BY_LAMBDA,
    BY_THE_CDK,
    IamRequest,
    experiment_requests,
    iam_requests,
    schedule_requests,
)
from tests.unit.intrinsics import written_out

TAGS = {"dsql-dr:deployment": "Orders-production", "dsql-dr:pair": "c429f3c72c13eade"}
POLICIES = {"retain": cdk.RemovalPolicy.RETAIN, "destroy": cdk.RemovalPolicy.DESTROY}


Statement = dict[str, Any]


def permissions(statements: list[Statement]) -> Iterator[Statement]:
    """*statements* taken apart: one action on one resource each."""
    for one in statements:
        for action in _as_list(one["Action"]):
            for resource in _as_list(one["Resource"]):
                yield {**one, "Action": action, "Resource": resource}


def allows(statements: list[Statement], request: IamRequest) -> bool:
    context = EvalContext(
        principal_arn=f"arn:aws:iam::{ACCOUNT}:role/function",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=request.action,
        resource_arn=request.resource,
        region="us-west-2",
        service_context={key.lower(): value for key, value in request.context.items()},
    )
    return bool(evaluate(context, [parse_policy_document({"Statement": statements})]).decision == "Allow")


@cache
def policies(
    removal_policy: str, *, sql_probe: bool = False, adopted: tuple[str, ...] = ()
) -> dict[str, list[Statement]]:
    """Statements by stack and role, with every reference written out."""
    options = MonitoringOptions(sql_probe=sql_probe)
    policy = POLICIES[removal_policy]
    arns = list(adopted) or None
    pair = MultiRegionDsqlDr(
        cdk.App(), "Orders", account=ACCOUNT, cluster_arns=arns, removal_policy=policy, monitoring=options
    )
    return statements_by_role(pair.stacks)


def statements_by_role(stacks: Sequence[cdk.Stack]) -> dict[str, list[Statement]]:
    found: dict[str, list[Statement]] = {}
    for stack in stacks:
        template = assertions.Template.from_stack(stack).to_json()
        for one in template["Resources"].values():
            if one["Type"] == "AWS::IAM::Policy":
                [role] = one["Properties"]["Roles"]
                name = f"{stack.stack_name}/{role['Ref'][:-8]}"
                found.setdefault(name, []).extend(_written_out(one["Properties"]["PolicyDocument"], template))
            elif one["Type"] == "AWS::IAM::Role" and "backup.amazonaws.com" not in str(one):  # docs/adr/0019
                assert "ManagedPolicyArns" not in one["Properties"], "AWS's own policies allow more than is needed"
    return found


def _written_out(document: Statement, template: Mapping[str, Any]) -> list[Statement]:
    parameters = {name: one.get("Default", "") for name, one in template.get("Parameters", {}).items()}
    clusters = [arn.split(":") for arn in (PEER, LOCAL)]
    registry = {
        f"/dsql-dr/Orders-production/{region}/identifier": name.rpartition("/")[2]
        for _, _, _, region, _, name in clusters
    }

    def ref(name: str) -> str:
        known = {"AWS::Partition": "aws", "AWS::StackId": STACK, "AWS::AccountId": ACCOUNT}
        return known.get(name) or registry.get(parameters.get(name, ""), name)

    def attribute(resource: str, name: str) -> str:
        return LOCAL if name == "ResourceArn" else f"{resource}.{name}"

    found: list[Statement] = written_out(document["Statement"], ref, attribute)
    return found


def drive(aws: HandMadeAws, kind: type[Peering | Teardown], event: dict[str, Any]) -> None:
    for _ in range(100):
        if kind(event, pair=aws.pair(), clock=lambda: aws.now).step()["IsComplete"]:
            return
        aws.now += 10.0
    raise AssertionError("polled for ever")


def peering_calls(removal_policy: str) -> list[Call]:
    """Every branch of the handlers that asks AWS for something."""

    calls: list[Call] = []
    for stack_status in ("ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"):
        aws = HandMadeAws(PEER_STACK="Orders-Primary-production", REMOVAL_POLICY=removal_policy)
        aws.physical_ids["Orders-Primary-production", "Cluster"] = PEER.rpartition("/")[2]
        # of an earlier deployment, whose cluster is on its way out
        aws.add_cluster(OTHER_LOCAL)
        aws.clusters[OTHER_LOCAL]["status"] = "DELETING"
        aws.parameters["us-east-1", "/dsql-dr/Orders-production/us-west-2/arn"] = OTHER_LOCAL
        drive(aws, Peering, aws.event())
        aws.clusters[PEER]["witness"] = "us-east-9"  # somebody's changes, which the next deployment repairs
        del aws.parameters["us-east-1", PEER_ENTRY]
        observed = {"ParameterRegions": ["us-east-1", "us-west-2", "us-east-2"]}
        drive(aws, Peering, aws.event("Update", OldResourceProperties=observed))
        aws.stack_status = stack_status
        drive(aws, Teardown, aws.event("Delete"))
        calls += aws.record
    return calls


def peering_calls_of_an_adopted_pair() -> list[Call]:
    """Peering of clusters that each have a peer which is gone, and no end of the stack takes the pair apart."""
    aws = HandMadeAws()
    aws.environment = ADOPTING
    for arn, other in ((PEER, LOCAL), (LOCAL, PEER)):
        gone = f"{other.rpartition('/')[0]}/{'gone'.ljust(26, '0')}"
        aws.clusters[arn].update(peers=[gone], status="ACTIVE")
    observed = {"ParameterRegions": ["us-east-1", "us-west-2", "us-east-2"]}
    drive(aws, Peering, aws.event("Update", OldResourceProperties=observed))
    aws.stack_status = "DELETE_IN_PROGRESS"
    drive(aws, Teardown, aws.event("Delete"))
    return aws.record


def adoption_calls() -> list[Call]:
    """By a stack that had a cluster of its own, and by one that is rolled back to what it had adopted before."""
    aws = HandMadeAws().peered()
    aws.add_cluster(OTHER_LOCAL)
    aws.clusters[OTHER_LOCAL]["protected"] = True
    aws.physical_ids[STACK, "Created"] = OTHER_LOCAL.rpartition("/")[2]
    environment = {
        "CLUSTER_ARN": LOCAL,
        "PEER_ARN": PEER,
        "WITNESS_REGION": "us-east-2",
        "TAGS": json.dumps(TAGS),
        "STACK_ID": STACK,
        "FORMER_LOGICAL_ID": "Created",
    }
    history = f"{LOCAL.rpartition('/')[2]}/{'b' * 26}"
    for event in ({"RequestType": "Create"}, {"RequestType": "Update", "PhysicalResourceId": history}):
        Adoption(event, environment, aws.client, clock=lambda: 0.0, sleep=lambda seconds: None, seconds=60).run()
    return aws.record


def nowhere(*_: object) -> None:
    raise Unreachable("nobody is there")


def nobody_answers(*_: object, **__: object) -> Any:
    raise NoConnectionError("the connection failed")


def with_tokens(client: Any, region: str, calls: list[Call]) -> Any:
    """*client* of Aurora DSQL, which signs tokens: no call of AWS, and IAM asks for a permission at the login."""

    def signs(action: str) -> Any:
        def sign(host: str, **options: Any) -> str:
            assert options["Region"] == region == host.split(".")[2]
            calls.append(Call("dsql", action, region, {"identifier": host.partition(".")[0]}))
            return "token"

        return sign

    client.generate_db_connect_auth_token = signs("DbConnect")
    client.generate_db_connect_admin_auth_token = signs("DbConnectAdmin")
    return client


def endpoint_of(arn: str) -> str:
    return f"{arn.rpartition('/')[2]}.dsql.{arn.split(':')[3]}.on.aws"


def role_calls() -> list[Call]:
    """Where nobody can log in, the clusters are asked for, too."""
    calls: list[Call] = []

    def client(service: str, region: str) -> Any:
        def get_cluster(**arguments: Any) -> dict[str, Any]:
            calls.append(Call("dsql", "GetCluster", region, arguments))
            [arn] = [one for one in (PEER, LOCAL) if one.split(":")[3] == region]
            known = {"identifier": arguments["identifier"], "arn": arn, "status": "ACTIVE"}
            created = datetime(2026, 1, 1, tzinfo=timezone.utc)
            return {**known, "creationTime": created, "deletionProtectionEnabled": True}

        return with_tokens(judged(service, {"get_cluster": get_cluster}), region, calls)

    clusters = [Cluster(arn, endpoint_of(arn)) for arn in (LOCAL, PEER)]
    clock = partial(next, count(step=0.1))
    still = Surroundings(clock, draw=lambda: 0.0, sleep=lambda seconds: None)
    endpoint = ServingEndpoint(clusters, client, ssl.create_default_context(), still, nobody_answers)
    request = {"RequestType": "Delete", "StackId": STACK, "LogicalResourceId": "Role", "PhysicalResourceId": "orders"}
    with pytest.raises(RoleError, match="status ACTIVE"):
        RoleChange({**request, "ResourceProperties": {"Role": "orders"}}, endpoint=endpoint, seconds=5).run()
    return calls


VAULTS = dict.fromkeys(("us-east-1", "us-west-2"), "dsql-Orders-production")


def monitor_calls(
    observer: str = "us-west-2", *, sql_probe: bool = False, backup: bool = False, failover: bool = False
) -> list[Call]:
    """A run that sees nothing good asks for as much as one that does."""
    calls: list[Call] = []
    created = datetime(2026, 1, 1, tzinfo=timezone.utc)
    [other] = {"us-east-1", "us-west-2"} - {observer}

    dated = {"ResponseMetadata": {"HTTPHeaders": {"date": "Sun, 01 Nov 2026 05:10:00 GMT"}}}

    def client(service: str, region: str) -> Any:
        one = PEER if PEER.split(":")[3] == region else LOCAL
        known = {"identifier": one.rpartition("/")[2], "arn": one, "status": "ACTIVE"}
        cluster = {**known, "creationTime": created, "deletionProtectionEnabled": True}
        key = {"KeyId": "1234", "Arn": "arn:aws:kms:somewhere:1:key/1234", "KeyState": "Disabled"}
        answers: dict[str, dict[str, tuple[str, dict[str, Any]]]] = {
            "dsql": {"get_cluster": ("GetCluster", cluster)},
            "cloudwatch": {
                "put_metric_data": ("PutMetricData", {}),
                "describe_alarms": ("DescribeAlarms", {"MetricAlarms": []}),
            },
            "ssm": {
                "get_parameters": ("GetParameters", {"Parameters": []}),
                "get_parameter_history": ("GetParameterHistory", {"Parameters": []}),
            },
            "sns": {"get_topic_attributes": ("GetTopicAttributes", {"Attributes": {}})},
            "kms": {"describe_key": ("DescribeKey", {"KeyMetadata": key})},
            "backup": {
                "describe_backup_vault": ("DescribeBackupVault", {"CreationDate": created, **dated}),
                "list_recovery_points_by_backup_vault": (
                    "ListRecoveryPointsByBackupVault",
                    {"RecoveryPoints": [], **dated},
                ),
                "list_backup_jobs": ("ListBackupJobs", {"BackupJobs": []}),
                "list_copy_jobs": ("ListCopyJobs", {"CopyJobs": []}),
            },
        }

        def method(operation: str, answer: dict[str, Any]) -> Any:
            def call(**arguments: Any) -> dict[str, Any]:
                calls.append(Call(service, operation, region, arguments))
                return answer

            return call

        found = judged(service, {name: method(*one) for name, one in answers[service].items()})
        return with_tokens(found, region, calls) if service == "dsql" else found

    name = "aurora-dsql-alerts-Orders-production"
    path = NotificationPath(other, "*", {"one": ""}, f"arn:aws:sns:{other}:{ACCOUNT}:{name}", key_alias=f"alias/{name}")
    settings = Settings(
        "Orders-production",
        observer,
        {one: endpoint_of(one) for one in (PEER, LOCAL)},
        None,
        0.1,
        {one: f"/dsql-dr/Orders-production/{one.split(':')[3]}" for one in (PEER, LOCAL)},
        (path,),
        sql_role="observer" if sql_probe else None,
        sql_table="beat",
        evacuation_regions=(observer, other) if failover else (),
    )
    vaults = RecoveryPointCheck(settings.clusters, VAULTS, 1, client=client, now=lambda: 0.0) if backup else None
    MonitoringRun(
        settings,
        client=client,
        recovery_points=vaults,
        evacuation=EvacuationCheck(settings, client) if failover else None,
        tls=ssl.create_default_context,
        surroundings=Surroundings(draw=lambda: 0.0),
        log=lambda line: None,
        probe=nowhere,
        connect=nobody_answers,
    ).run()
    return calls


def wake_calls() -> list[Call]:
    """A cluster that nobody can log in to, so that it is asked for, too."""
    calls: list[Call] = []
    answer = {"BackupJobs": [], "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 2026 05:00:00 GMT"}}}

    def client(service: str, region: str) -> Any:
        def list_backup_jobs(**arguments: Any) -> dict[str, Any]:
            calls.append(Call("backup", "ListBackupJobs", region, arguments))
            return answer

        if service == "backup":
            return SimpleNamespace(list_backup_jobs=list_backup_jobs)
        return with_tokens(SimpleNamespace(), region, calls)

    clock = partial(next, count(step=0.1))
    still = Surroundings(clock, draw=lambda: 0.0, sleep=lambda seconds: None)
    cluster = Cluster(PEER, endpoint_of(PEER))
    session: Any = WokenSession()
    endpoint = ServingEndpoint([cluster], client, ssl.create_default_context(), still, lambda *_, **__: session)
    Wake(endpoint, 5, plan="plan", hour=5).run()
    return calls


class WokenSession:
    def __enter__(self) -> WokenSession:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def run(self, statement: str, **_: object) -> list[list[Any]]:
        return [[1]]


def deletion_calls() -> list[Call]:
    """One recovery point in the vault, and the stack is being deleted."""
    calls: list[Call] = []
    vault, point = "dsql-Orders-production", f"arn:aws:backup:us-west-2:{ACCOUNT}:recovery-point:1"
    answers: dict[str, dict[str, Any]] = {
        "DescribeStacks": {"Stacks": [{"StackStatus": "DELETE_IN_PROGRESS"}]},
        "ListRecoveryPointsByBackupVault": {"RecoveryPoints": [{"RecoveryPointArn": point, "Status": "COMPLETED"}]},
    }

    def client(service: str) -> Any:
        def method(operation: str) -> Any:
            def call(**arguments: Any) -> dict[str, Any]:
                calls.append(Call(service, operation, "us-west-2", arguments))
                return answers.get(operation, {})

            return call

        names = ("ListRecoveryPointsByBackupVault", "ListBackupJobs", "ListCopyJobs", "DeleteRecoveryPoint")
        every = {"backup": names, "cloudformation": ("DescribeStacks",)}
        return SimpleNamespace(**{xform_name(one): method(one) for one in every[service]})

    environment = {"VAULT": vault, "STACK_ID": STACK, "TIMEOUT_SECONDS": "60"}
    event = {"RequestType": "Delete", "StartedAt": 0.0}
    RecoveryPointDeletion(event, environment=environment, client=client, clock=lambda: 1.0).step()
    return calls


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def requests_of(calls: list[Call]) -> list[IamRequest]:
    return [request for call in calls for request in iam_requests(call, TAGS)]


def assert_exact(statements: list[Statement], requests: list[IamRequest]) -> None:
    refused = {f"{one.action} on {one.resource}" for one in requests if not allows(statements, one)}
    assert not refused, "called, and the policy does not allow it"
    unused = {
        f"{one['Action']} on {one['Resource']}"
        for one in permissions(statements)
        if one["Action"] not in BY_LAMBDA and not any(allows([one], request) for request in requests)
    }
    assert not unused, "allowed, and no call uses it"


@pytest.mark.parametrize("removal_policy", POLICIES)
def test_peering_may_do_what_it_calls_and_nothing_else(removal_policy: str) -> None:
    statements = policies(removal_policy)["Orders-Secondary-production/PeeringRole"]
    assert_exact(statements, requests_of(peering_calls(removal_policy)))


def test_peering_of_adopted_clusters_may_do_what_it_calls_and_nothing_else() -> None:
    statements = policies("retain", adopted=(PEER, LOCAL))["Orders-Secondary-production/PeeringRole"]
    assert_exact(statements, requests_of(peering_calls_of_an_adopted_pair()))


@pytest.mark.parametrize(("which", "arns"), [("Primary", (LOCAL, PEER)), ("Secondary", (PEER, LOCAL))])
def test_adoption_may_do_what_it_calls_and_nothing_else(which: str, arns: tuple[str, ...]) -> None:
    statements = policies("retain", adopted=arns)[f"Orders-{which}-production/AdoptedClusterRole"]
    assert_exact(statements, requests_of(adoption_calls()))


@pytest.mark.parametrize(
    ("stack", "observer"),
    [("Orders-PrimaryMonitoring-production", "us-east-1"), ("Orders-SecondaryMonitoring-production", "us-west-2")],
)
def test_monitor_may_do_what_it_calls_and_nothing_else(stack: str, observer: str) -> None:
    assert_exact(policies("retain")[f"{stack}/MonitorRole"], requests_of(monitor_calls(observer)))


@pytest.mark.parametrize("which", ["Primary", "Secondary"])
def test_with_the_sql_probe_a_monitor_may_connect_too_and_not_as_admin(which: str) -> None:
    observer = {"Primary": "us-east-1", "Secondary": "us-west-2"}[which]
    statements = policies("retain", sql_probe=True)[f"Orders-{which}Monitoring-production/MonitorRole"]
    assert_exact(statements, requests_of(monitor_calls(observer, sql_probe=True)))


@pytest.mark.parametrize("which", ["Primary", "Secondary"])
def test_with_failover_a_monitor_may_read_who_declared_what_in_both_regions_and_write_nothing(which: str) -> None:
    observer = {"Primary": "us-east-1", "Secondary": "us-west-2"}[which]
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, failover=FailoverOptions())
    statements = statements_by_role(pair.stacks)[f"Orders-{which}Monitoring-production/MonitorRole"]
    assert_exact(statements, requests_of(monitor_calls(observer, failover=True)))
    of_another = f"arn:aws:ssm:{observer}:{ACCOUNT}:parameter/dsql-dr/Orders-production2/evacuation"
    assert not allows(statements, IamRequest("ssm:GetParameterHistory", of_another))


@pytest.mark.parametrize("which", ["Primary", "Secondary"])
def test_with_backup_vaults_a_monitor_may_read_them_and_the_jobs_that_fill_them(which: str) -> None:
    observer = {"Primary": "us-east-1", "Secondary": "us-west-2"}[which]
    monitoring = MultiRegionMonitoring(
        cdk.App(), "Orders", deployment_name="Orders-production", account=ACCOUNT, backup_vaults=VAULTS
    )
    statements = statements_by_role(monitoring.stacks)[f"Orders-{which}Monitoring-production/MonitorRole"]
    assert_exact(statements, requests_of(monitor_calls(observer, backup=True)))
    another = f"arn:aws:backup:{observer}:{ACCOUNT}:backup-vault:of-somebody"
    assert not allows(statements, IamRequest("backup:ListRecoveryPointsByBackupVault", another))


@pytest.mark.parametrize("which", ["Primary", "Secondary"])
def test_function_of_database_roles_may_do_what_it_calls_and_nothing_else(which: str) -> None:
    statements = policies("retain", sql_probe=True)[f"Orders-{which}DatabaseRoles-production/DatabaseAdminRole"]
    assert_exact(statements, requests_of(role_calls()))
    another = LOCAL[:-1] + ("a" if LOCAL[-1] != "a" else "b")
    assert not allows(statements, IamRequest("dsql:DbConnectAdmin", another, resource_tags(TAGS)))


def backed_up() -> dict[str, list[Statement]]:
    options = BackupOptions(removal_policy=cdk.RemovalPolicy.DESTROY, delete_recovery_points=True)
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, monitoring=None, backup=options)
    return statements_by_role(pair.stacks)


def test_with_backups_the_function_of_the_primary_region_may_ask_for_jobs_too() -> None:
    found = backed_up()
    statements = found["Orders-PrimaryDatabaseRoles-production/DatabaseAdminRole"]
    assert_exact(statements, requests_of(role_calls() + wake_calls()))
    other = found["Orders-SecondaryDatabaseRoles-production/DatabaseAdminRole"]
    assert_exact(other, requests_of(role_calls()))


def test_alone_the_function_that_wakes_may_log_in_to_one_cluster_and_ask_for_jobs() -> None:
    backup = MultiRegionBackup(cdk.App(), "Orders", deployment_name="Orders-production", account=ACCOUNT)
    statements = statements_by_role(backup.stacks)["Orders-PrimaryBackup-production/DatabaseAdminRole"]
    of_the_primary = [one for one in role_calls() if one.region == "us-east-1"]
    assert_exact(statements, requests_of(of_the_primary + wake_calls()))


def test_deletion_of_recovery_points_may_do_what_it_calls_and_nothing_else() -> None:
    statements = backed_up()["Orders-SecondaryBackup-production/BackupDeletionRole"]
    assert_exact(statements, requests_of(deletion_calls()))
    another = f"arn:aws:backup:us-west-2:{ACCOUNT}:backup-vault:of-somebody"
    assert not allows(statements, IamRequest("backup:ListRecoveryPointsByBackupVault", another))


@cache
def drilled() -> tuple[dict[str, list[Statement]], dict[str, Any]]:
    """Statements by stack and role, and the experiment template of us-west-2, with all that drills can have."""
    options = DrillOptions(
        expect_alarm=True,
        schedules={"us-west-2": "cron(0 9 ? 1,7 TUE#2 *)"},
        report_buckets={"us-west-2": "drill-reports"},
    )
    pair = MultiRegionDsqlDr(cdk.App(), "Orders", account=ACCOUNT, drill=options)
    template = assertions.Template.from_stack(pair.stacks[-1]).to_json()
    [found] = [one for one in template["Resources"].values() if one["Type"] == "AWS::FIS::ExperimentTemplate"]
    [experiment] = _written_out({"Statement": [found["Properties"]]}, template)
    return statements_by_role(pair.stacks), experiment


def drill_requests() -> list[IamRequest]:
    requests = list(experiment_requests(drilled()[1], "us-west-2", TAGS))
    assert {"dsql:InjectError", "cloudwatch:DescribeAlarms", "s3:PutObject"} <= {one.action for one in requests}
    return requests


def test_fis_may_do_what_an_experiment_of_the_template_needs_and_nothing_else() -> None:
    statements, _ = drilled()
    assert_exact(statements["Orders-SecondaryDrill-production/DrillRole"], drill_requests())
    without_report = [one.action for one in drill_requests() if not re.search("s3:|Dashboard|Widget", one.action)]
    actions = {one["Action"] for one in permissions(statements["Orders-PrimaryDrill-production/DrillRole"])}
    assert actions == set(without_report)


def test_fis_may_fail_no_other_cluster_and_this_one_by_no_other_action() -> None:
    statements = drilled()[0]["Orders-SecondaryDrill-production/DrillRole"]
    [right] = [one for one in drill_requests() if one.action == "dsql:InjectError"]
    assert right.context["dsql:FisTargetArns"] == LOCAL
    for wrong in (
        {"dsql:FisTargetArns": PEER},
        {"dsql:FisTargetArns": OTHER_LOCAL},
        {"dsql:FisActionId": "aws:dsql:another"},
    ):
        assert not allows(statements, IamRequest(right.action, "*", {**right.context, **wrong}))
    assert not allows(statements, IamRequest("dsql:GetCluster", PEER, resource_tags(TAGS)))
    others = {**TAGS, "dsql-dr:deployment": "another"}
    assert not allows(statements, IamRequest("dsql:GetCluster", LOCAL, resource_tags(others)))


def test_schedule_may_start_this_drill_and_nothing_else() -> None:
    statements = drilled()[0]["Orders-SecondaryDrill-production/DrillScheduleRole"]
    [arn] = [one["Resource"] for one in permissions(statements) if ":experiment-template/" in one["Resource"]]
    assert_exact(statements, list(schedule_requests(arn.rpartition("/")[2], "us-west-2", TAGS)))
    another = f"arn:aws:fis:us-west-2:{ACCOUNT}:experiment-template/EXT1"
    assert not allows(statements, IamRequest("fis:StartExperiment", another))


def test_monitor_may_read_no_other_key_and_no_other_topic() -> None:
    statements = policies("retain")["Orders-SecondaryMonitoring-production/MonitorRole"]
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234"
    contexts: list[dict[str, str]] = [{}, {"kms:RequestAlias": "alias/other"}]
    for context in contexts:
        assert not allows(statements, IamRequest("kms:DescribeKey", key, context))
    assert not allows(statements, IamRequest("sns:GetTopicAttributes", f"arn:aws:sns:us-east-1:{ACCOUNT}:other"))


def test_every_other_role_is_the_frameworks_and_calls_functions_only() -> None:
    ours = ("/PeeringRole", "/MonitorRole", "/DatabaseAdminRole")
    others = {name: found for name, found in policies("retain", sql_probe=True).items() if not name.endswith(ours)}
    assert len(others) == 7, "two of the peering's Provider, its waiter, one of each monitor's and each role's Provider"
    for name, statements in others.items():
        for one in permissions(statements):
            assert one["Action"] in {**BY_LAMBDA, **BY_THE_CDK}, name
            assert one["Resource"] != "*", name


def test_actions_and_resources_are_those_of_awss_authorization_data() -> None:
    calls = peering_calls("destroy") + adoption_calls() + role_calls()
    calls += monitor_calls(sql_probe=True, backup=True, failover=True)
    calls += wake_calls() + deletion_calls()
    requests = [*drill_requests(), *schedule_requests("EXT1", "us-west-2", TAGS), *requests_of(calls)]
    for request in {one.action: one for one in requests}.values():
        service, _, action = request.action.partition(":")
        known = get_action_data(service, action)
        assert known, f"IAM does not know {request.action}"
        formats = [one["resource_arn_format"] for one in known[service] if one["resource_arn_format"] != "*"]
        if request.action == "cloudwatch:DescribeAlarms":
            assert request.resource == "*", "with a narrower permission it returns no composite alarms"
        elif request.resource == "*":
            assert not formats, f"{request.action} can name its resource"
        else:
            pattern = [re.sub(r"\$\{\w+\}", ".+", one) for one in formats]
            assert any(re.fullmatch(one, request.resource) for one in pattern), f"{request} is not one of {formats}"


def test_peer_of_another_deployment_is_out_of_reach() -> None:
    """Also one of the same name. The two actions that only name a peer do nothing without one of these."""
    statements = policies("destroy")["Orders-Secondary-production/PeeringRole"]
    for action in (
        "dsql:DeleteCluster",
        "dsql:UpdateCluster",
        "dsql:PutMultiRegionProperties",
        "dsql:GetVpcEndpointServiceName",
    ):
        theirs = {**TAGS, "dsql-dr:pair": "another's"}
        assert not allows(statements, IamRequest(action, PEER, resource_tags(theirs)))
        assert allows(statements, IamRequest(action, PEER, resource_tags(TAGS)))


def resource_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
