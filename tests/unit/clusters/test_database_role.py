"""Both halves of a permission, and the one function that may connect as admin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from dsql_dr_constructs import (
    ClusterOptions,
    DatabasePrivilege,
    DatabaseRole,
    HealthMonitor,
    IRegionalCluster,
    MultiRegionDsqlDr,
    RegionalCluster,
    extras,
    runtime_function,
)
from dsql_dr_constructs.extras import MissingExtraError
from tests.unit.intrinsics import written_out

ACCOUNT = "111111111111"
REGIONS = ("us-east-1", "us-west-2")
REQUESTS = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:aurora-dsql-grants-Orders-production"
READ_WRITE = {"Access": "read_write", "Schema": "public"}


def in_region(region: str) -> cdk.Environment:
    return cdk.Environment(account=ACCOUNT, region=region)


def role(stack: cdk.Stack, id: str = "Service") -> iam.Role:
    return iam.Role(stack, id, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))


def requests(stack: cdk.Stack) -> list[dict[str, Any]]:
    """Properties of the custom resources for database roles in *stack*, with references written out."""
    found = assertions.Template.from_stack(stack).find_resources("Custom::DsqlDatabaseRole").values()
    return [written_out(one["Properties"], lambda name: "aws" if "Partition" in name else name) for one in found]


def permissions(stack: cdk.Stack, *actions: str) -> dict[str, list[Any]]:
    """Resources that each of *actions* is allowed on, by the policies of *stack*."""
    found: dict[str, list[Any]] = {one: [] for one in actions}
    for one in assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy").values():
        for statement in one["Properties"]["PolicyDocument"]["Statement"]:
            for action in statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]:
                if action in found:
                    found[action].append(statement["Resource"])
    return found


@pytest.fixture
def pair(app: cdk.App) -> MultiRegionDsqlDr:
    return MultiRegionDsqlDr(app, "Orders", account=ACCOUNT)


@pytest.fixture
def service(app: cdk.App) -> cdk.Stack:
    return cdk.Stack(app, "Service", env=in_region("us-east-1"))


def arn_of(stack: cdk.Stack, one: iam.Role) -> str:
    return f"{stack.resolve(one.role_arn)['Fn::GetAtt'][0]}.Arn"


def test_one_line_allows_both_clusters_and_asks_for_the_role(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    one = role(service)
    assert len(pair.grant_connect(one, role="orders")) == 2
    assert requests(service) == [
        {
            "ServiceToken": REQUESTS,
            "ServiceTimeout": "600",
            "Role": "orders",
            "Principals": [arn_of(service, one)],
            "Privileges": [{"Access": "read_write", "Schema": "public"}],
            "Statements": [],
        }
    ]
    assert len(permissions(service, "dsql:DbConnect")["dsql:DbConnect"]) == 2


def test_grantees_of_a_stack_share_the_role_and_its_privileges(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    reader, writer = role(service, "Reader"), role(service, "Writer")
    pair.grant_connect(reader, role="orders", privileges=[DatabasePrivilege.read()])
    pair.grant_connect(writer, role="orders", privileges=[DatabasePrivilege.read_write(), DatabasePrivilege.read()])
    pair.grant_connect(role(service, "Auditor"), role="auditor", privileges=[DatabasePrivilege.read("audit")])
    orders, auditor = requests(service)
    assert orders["Principals"] == [arn_of(service, one) for one in (reader, writer)]
    assert [one["Access"] for one in orders["Privileges"]] == ["read", "read_write"]
    assert (auditor["Role"], auditor["Privileges"]) == ("auditor", [{"Access": "read", "Schema": "audit"}])


def test_stack_with_a_role_has_no_admin_permission_and_no_function_of_its_own(
    pair: MultiRegionDsqlDr, service: cdk.Stack
) -> None:
    pair.grant_connect(role(service), role="orders")
    assert permissions(service, "dsql:DbConnectAdmin", "lambda:InvokeFunction") == {
        "dsql:DbConnectAdmin": [],
        "lambda:InvokeFunction": [],
    }
    assertions.Template.from_stack(service).resource_count_is("AWS::Lambda::Function", 0)


def test_pair_gets_the_function_in_both_regions_when_a_role_is_asked_for(
    app: cdk.App, pair: MultiRegionDsqlDr, service: cdk.Stack
) -> None:
    before = [stack.stack_name for stack in pair.stacks]
    pair.grant_connect(role(service), role="orders")
    added = pair.stacks[len(before) :]
    assert [stack.stack_name for stack in added] == [
        "Orders-PrimaryDatabaseRoles-production",
        "Orders-SecondaryDatabaseRoles-production",
    ]
    for stack in added:
        names = {
            one["Properties"].get("FunctionName")
            for one in assertions.Template.from_stack(stack).find_resources("AWS::Lambda::Function").values()
        }
        assert names == {"aurora-dsql-roles-Orders-production", "aurora-dsql-grants-Orders-production"}
        [[*both]] = [[*permissions(stack, "dsql:DbConnectAdmin")["dsql:DbConnectAdmin"]]]
        assert [":dsql:us-east-1:" in str(one) for one in both] == [
            stack.region == "us-east-1",
            stack.region != "us-east-1",
        ]
    assembly = app.synth()
    later = {one.id for one in assembly.get_stack_by_name("Service").dependencies}
    assert {stack.artifact_id for stack in added} <= later


def test_pair_without_a_role_has_no_function_that_connects_as_admin(pair: MultiRegionDsqlDr) -> None:
    assert [stack for stack in pair.stacks if "DatabaseRoles" in stack.stack_name] == []
    for stack in pair.stacks:
        assert permissions(stack, "dsql:DbConnectAdmin") == {"dsql:DbConnectAdmin": []}


def test_stacks_of_other_apps_can_have_roles_of_a_pair_that_allows_it(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(
        app, "Orders", account=ACCOUNT, monitoring=None, cluster_options=ClusterOptions(database_roles=True)
    )
    assert [stack.region for stack in pair.stacks[2:]] == ["us-east-1", "us-west-2"]
    elsewhere = cdk.Stack(cdk.App(), "Service", env=in_region("us-east-1"))
    cluster = RegionalCluster.from_parameters(
        elsewhere, "Orders", deployment_name="Orders-production", region="us-west-2"
    )
    DatabaseRole(elsewhere, "Role", cluster=cluster, role_name="orders", grantees=[role(elsewhere)])
    assert [one["ServiceToken"] for one in requests(elsewhere)] == [REQUESTS], "that of the stack's own Region"


def test_cluster_of_its_own_gets_a_function_beside_it_that_connects_to_nothing_else(service: cdk.Stack) -> None:
    cluster = RegionalCluster(service, "Cluster")
    one = DatabaseRole(service, "One", cluster=cluster, role_name="one", grantees=[role(service)])
    DatabaseRole(service, "Two", cluster=cluster, role_name="two", grantees=[role(service, "Other")])
    assert one.role_name == "one"
    assert len(requests(service)) == 2
    assert len({str(found["ServiceToken"]) for found in requests(service)}) == 1
    admin = permissions(service, "dsql:DbConnectAdmin", "dsql:GetCluster")
    arn = service.resolve(cluster.cluster_arn)
    assert admin == {"dsql:DbConnectAdmin": [arn], "dsql:GetCluster": [arn]}


def test_imported_cluster_gets_it_in_the_stack_that_imports(service: cdk.Stack) -> None:
    cluster: IRegionalCluster = RegionalCluster.from_cluster_attributes(
        service, "Cluster", cluster_identifier="a" * 26, region="us-west-2"
    )
    DatabaseRole(service, "Role", cluster=cluster, role_name="orders", grantees=[role(service)])
    [admin] = permissions(service, "dsql:DbConnectAdmin")["dsql:DbConnectAdmin"]
    assert f":dsql:us-west-2:{ACCOUNT}:cluster/{'a' * 26}" in str(admin)


def test_role_is_deployed_after_the_permission_to_connect(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    pair.grant_connect(role(service), role="orders")
    template = assertions.Template.from_stack(service)
    [request] = template.find_resources("Custom::DsqlDatabaseRole").values()
    [policy] = template.find_resources("AWS::IAM::Policy")
    assert request["DependsOn"] == [policy]


def test_imported_role_is_mapped_by_its_name(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/service/orders"
    pair.grant_connect(iam.Role.from_role_arn(service, "Theirs", arn), role="orders")
    assert requests(service)[0]["Principals"] == [arn]


@pytest.mark.parametrize("name", ["admin", "pg_monitor", "dbowner", "public", "", "a\0b", "x" * 64])
def test_name_of_the_system_is_refused(pair: MultiRegionDsqlDr, service: cdk.Stack, name: str) -> None:
    with pytest.raises(ValueError, match=r"role(_name)? is '"):
        pair.grant_connect(role(service), role=name)


def test_privileges_without_a_role_are_refused(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    with pytest.raises(ValueError, match="privileges are given without role: give the name"):
        pair.grant_connect(role(service), privileges=[DatabasePrivilege.read()])


def test_grantee_without_a_role_is_refused(service: cdk.Stack) -> None:
    cluster = RegionalCluster(service, "Cluster")
    for grantee in (
        iam.User(service, "User"),
        lambda_.Function.from_function_name(service, "Function", "theirs"),
        iam.Role.from_role_arn(service, "Role", f"arn:aws:iam::{ACCOUNT}:role/*"),
    ):
        with pytest.raises(
            ValueError, match=r"cannot be mapped to the database role 'orders', since it has no IAM role"
        ):
            DatabaseRole(service, f"Role{grantee.node.id}", cluster=cluster, role_name="orders", grantees=[grantee])


def test_names_that_differ_only_in_characters_are_two_roles(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    pair.grant_connect(role(service, "One"), role="a/b", privileges=[DatabasePrivilege.read()])
    pair.grant_connect(role(service, "Two"), role="a--b", privileges=[DatabasePrivilege.read_write()])
    found = {one["Role"]: (len(one["Principals"]), one["Privileges"][0]["Access"]) for one in requests(service)}
    assert found == {"a/b": (1, "read"), "a--b": (1, "read_write")}


def test_role_that_uses_a_schema_is_deployed_after_its_owner(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    """Whichever is asked for first; two that use each other's do not wait for each other."""
    pair.grant_connect(role(service, "Reader"), role="reports", privileges=[DatabasePrivilege.read("orders")])
    pair.grant_connect(role(service, "Owner"), role="orders", privileges=[DatabasePrivilege.owner("orders")])
    both = [DatabasePrivilege.owner("stock"), DatabasePrivilege.read("orders")]
    pair.grant_connect(role(service, "Stock"), role="stock", privileges=both)
    found = assertions.Template.from_stack(service).find_resources("Custom::DsqlDatabaseRole")
    ids = {one["Properties"]["Role"]: id for id, one in found.items()}
    waits = {
        one["Properties"]["Role"]: [name for name in ids if ids[name] in one["DependsOn"]] for one in found.values()
    }
    assert waits == {"reports": ["orders"], "orders": [], "stock": ["orders"]}


def test_role_of_a_cluster_that_the_pair_gave_lets_the_pair_have_the_function(
    app: cdk.App, pair: MultiRegionDsqlDr, service: cdk.Stack
) -> None:
    cluster = pair.clusters(service)["us-west-2"]
    DatabaseRole(service, "Role", cluster=cluster, role_name="orders", grantees=[role(service)])
    made = {stack.artifact_id for stack in pair.stacks if "DatabaseRoles" in stack.stack_name}
    assert len(made) == 2
    assert made <= {one.id for one in app.synth().get_stack_by_name("Service").dependencies}


def test_side_of_a_pair_is_refused_with_what_to_use(pair: MultiRegionDsqlDr, service: cdk.Stack) -> None:
    with pytest.raises(ValueError, match=r"is one side of a pair, .* use pair\.grant_connect"):
        DatabaseRole(service, "Role", cluster=pair.primary, role_name="orders", grantees=[role(service)])


def test_monitor_and_role_of_one_imported_cluster_share_the_function(service: cdk.Stack) -> None:
    clusters = [
        RegionalCluster.from_cluster_attributes(service, one, cluster_identifier="a" * 26, region=one)
        for one in REGIONS
    ]
    DatabaseRole(service, "Role", cluster=clusters[0], role_name="orders", grantees=[role(service)])
    HealthMonitor(service, "Monitor", deployment_name="orders", clusters=clusters, sql_probe=True)
    assert len({str(one["ServiceToken"]) for one in requests(service)}) == 1


def test_files_of_the_function_can_be_read_by_everybody_whatever_umask_says(
    service: cdk.Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_function._with_driver.cache_clear()
    before = os.umask(0o077)
    try:
        found = Path(runtime_function._with_driver("database_role", str(tmp_path / "code")))
    finally:
        os.umask(before)
    modes = {(one.is_dir(), one.stat().st_mode & 0o777) for one in found.rglob("*")}
    assert modes == {(True, 0o755), (False, 0o644)}


def test_code_that_is_not_staged_stays_where_the_template_names_it(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), context={"aws:cdk:disable-asset-staging": True})
    stack = cdk.Stack(app, "Service", env=in_region("us-east-1"))
    cluster = RegionalCluster(stack, "Cluster")
    DatabaseRole(stack, "Role", cluster=cluster, role_name="orders", grantees=[role(stack)])
    app.synth()
    assert (tmp_path / "sql-database_role" / "pg8000" / "native.py").exists()


def test_role_in_another_region_than_its_function_is_refused(app: cdk.App, service: cdk.Stack) -> None:
    cluster = RegionalCluster(service, "Cluster")
    elsewhere = cdk.Stack(app, "Elsewhere", env=in_region("us-west-2"))
    with pytest.raises(ValueError, match="in us-west-2, and its cluster 'Service/Cluster' in a stack of us-east-1"):
        DatabaseRole(elsewhere, "Role", cluster=cluster, role_name="orders", grantees=[role(elsewhere)])


def test_function_has_the_driver_its_licenses_and_nothing_of_this_machine(app: cdk.App, service: cdk.Stack) -> None:
    cluster = RegionalCluster(service, "Cluster")
    DatabaseRole(service, "Role", cluster=cluster, role_name="orders", grantees=[role(service)])
    [asset] = [one for one in Path(app.synth().directory).glob("asset.*") if (one / "pg8000").exists()]
    files = [one.relative_to(asset) for one in asset.rglob("*") if one.is_file()]
    assert {one.parts[0] for one in files} >= {"runtime", "pg8000", "scramp", "asn1crypto", "dateutil", "six.py"}
    assert {one.parts[1] for one in files if one.parts[0] == "runtime" and len(one.parts) > 2} == {"database_role"}
    assert {one.suffix for one in files if ".dist-info" not in one.parts[0]} == {".py"}
    abouts = {one.parts[0] for one in files if ".dist-info" in one.parts[0]}
    assert len(abouts) == 5
    for about in abouts:
        [*licenses] = [one for one in files if one.parts[0] == about and "licen" in one.name.lower()]
        assert licenses, about


def test_missing_driver_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, service: cdk.Stack
) -> None:
    runtime_function._with_driver.cache_clear()
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    cluster = RegionalCluster(service, "Cluster")
    with pytest.raises(
        MissingExtraError, match=r'needs packages .*\(pg8000\): run pip install "dsql-dr-constructs\[sql\]"'
    ):
        DatabaseRole(service, "Role", cluster=cluster, role_name="orders", grantees=[role(service)])
