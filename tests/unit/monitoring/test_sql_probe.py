"""What MonitoringOptions(sql_probe=True) adds, and that nothing changes without it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions

from dsql_dr_constructs import HealthMonitor, MonitoringOptions, MultiRegionDsqlDr, MultiRegionMonitoring
from tests.unit.monitoring.monitored_pair import MonitoredPair

REGIONS = ("us-east-1", "us-west-2", "us-east-2")


def resources(stack: cdk.Stack, kind: str) -> Mapping[str, Mapping[str, Any]]:
    return assertions.Template.from_stack(stack).find_resources(kind)


def environment(stack: cdk.Stack) -> dict[str, Any]:
    [found] = [
        one["Properties"]["Environment"]["Variables"]
        for one in resources(stack, "AWS::Lambda::Function").values()
        if "CLUSTERS" in one["Properties"].get("Environment", {}).get("Variables", {})
        and "DEPLOYMENT" in one["Properties"]["Environment"]["Variables"]
    ]
    assert isinstance(found, dict)
    return found


def test_each_observer_has_a_role_and_a_table_of_its_own(app: cdk.App) -> None:
    options = MonitoringOptions(sql_probe=True, witness_observer=True)
    pair = MultiRegionDsqlDr(app, "Orders", account="111111111111", monitoring=options)
    assert pair.monitoring
    roles, tables = set(), set()
    for stack in pair.monitoring.stacks:
        [request] = resources(stack, "Custom::DsqlDatabaseRole").values()
        asked, variables = request["Properties"], environment(stack)
        assert variables["SQL_ROLE"] == asked["Role"]
        assert asked["Role"].startswith(f"dsql_dr_{stack.region.replace('-', '_')}_")
        assert asked["Privileges"] == [], "nothing but its table"
        create, usage, rows = (one["Sql"] for one in asked["Statements"])
        assert create.startswith(f'CREATE TABLE IF NOT EXISTS dsql_dr."{variables["SQL_TABLE"]}" (')
        assert usage == f'GRANT USAGE ON SCHEMA dsql_dr TO "{asked["Role"]}"'
        assert rows == f'GRANT SELECT, INSERT, UPDATE ON dsql_dr."{variables["SQL_TABLE"]}" TO "{asked["Role"]}"'
        assert asked["Statements"][0]["Undo"] == f'DROP TABLE IF EXISTS dsql_dr."{variables["SQL_TABLE"]}"'
        roles.add(asked["Role"])
        tables.add(variables["SQL_TABLE"])
    assert (len(roles), len(tables)) == (3, 3)
    assert all(len(one) <= 63 for one in roles | tables)


def test_two_pairs_on_one_database_do_not_share_a_role() -> None:
    names = set()
    for deployment in ("orders", "Orders"):
        pair = MonitoredPair(cdk.App())
        HealthMonitor(pair.stack, "Monitor", deployment_name=deployment, clusters=pair.clusters, sql_probe=True)
        names.add(environment(pair.stack)["SQL_ROLE"])
    assert len(names) == 2


def test_monitor_may_connect_to_both_clusters_and_not_as_admin(app: cdk.App) -> None:
    pair = MonitoredPair(app)
    pair.monitor(sql_probe=True)
    allowed = [
        (statement["Action"], statement["Resource"])
        for one in pair.properties("AWS::IAM::Policy")
        for statement in one["PolicyDocument"]["Statement"]
        if "dsql:DbConnect" in json.dumps(statement["Action"])
    ]
    assert sorted(pair.written_out(arn).split(":")[3] for _, arn in allowed) == ["us-east-1", "us-west-2"]
    assert {action for action, _ in allowed} == {"dsql:DbConnect"}


def test_function_and_so_what_invokes_it_waits_for_the_role(app: cdk.App) -> None:
    """Also where the SQL probe is switched on later, and the schedule goes on meanwhile."""
    pair = MonitoredPair(app)
    pair.monitor(sql_probe=True)
    template = pair.template()
    [role] = template.find_resources("Custom::DsqlDatabaseRole")
    [(function, found)] = [
        (id, one)
        for id, one in template.find_resources("AWS::Lambda::Function").items()
        if "CLUSTERS" in one["Properties"].get("Environment", {}).get("Variables", {})
    ]
    assert role in found["DependsOn"]
    [schedule] = template.find_resources("AWS::Events::Rule").values()
    assert function in json.dumps(schedule["Properties"]["Targets"])


def test_pair_that_no_parameters_name_gets_the_admin_function_beside_its_monitor(app: cdk.App) -> None:
    arns = [f"arn:aws:dsql:{region}:111111111111:cluster/{'a' * 26}" for region in REGIONS[:2]]
    monitoring = MultiRegionMonitoring(
        app, "Theirs", deployment_name="theirs", cluster_arns=arns, options=MonitoringOptions(sql_probe=True)
    )
    for stack in monitoring.stacks:
        [request] = resources(stack, "Custom::DsqlDatabaseRole").values()
        assert "Fn::GetAtt" in request["Properties"]["ServiceToken"]
        policies = json.dumps(resources(stack, "AWS::IAM::Policy"))
        assert policies.count("dsql:DbConnectAdmin") == 2, "on both clusters, so that the peer can be asked"


def test_region_has_to_be_known(app: cdk.App) -> None:
    stack = cdk.Stack(app, "Anywhere")
    clusters = MonitoredPair(app).clusters
    with pytest.raises(ValueError, match="sql_probe is on in a stack without a Region"):
        HealthMonitor(stack, "Monitor", deployment_name="orders", clusters=clusters, sql_probe=True)


@pytest.mark.parametrize(("sql_probe", "most"), [(True, 2 * 1024**2), (False, 100 * 1024)])
def test_package_is_small_with_the_driver_and_has_none_without(
    app: cdk.App, tmp_path: Path, sql_probe: bool, most: int
) -> None:
    MonitoredPair(app).monitor(sql_probe=sql_probe)
    found = Path(app.synth().directory).glob("asset.*")
    [asset] = [one for one in found if (one / "runtime" / "health_monitor").exists()]
    files = [one for one in asset.rglob("*") if one.is_file()]
    with zipfile.ZipFile(tmp_path / "package.zip", "w", zipfile.ZIP_DEFLATED) as package:
        for one in files:
            package.write(one, one.relative_to(asset))
    assert (tmp_path / "package.zip").stat().st_size < most
    assert (asset / "pg8000").exists() == sql_probe
    assert (asset / "runtime" / "database_session.py").exists() == sql_probe


def test_nothing_of_it_is_in_a_template_without_it(app: cdk.App) -> None:
    pair = MultiRegionDsqlDr(app, "Orders", account="111111111111")
    assert [stack.stack_name for stack in pair.stacks if "DatabaseRoles" in stack.stack_name] == []
    for stack in pair.stacks:
        text = json.dumps(assertions.Template.from_stack(stack).to_json())
        assert [one for one in ("SQL_", "SqlServes", "ReadBack", "DatabaseRole", "DbConnect") if one in text] == []
