"""Database roles and the SQL probe on a pair with a real PostgreSQL behind both endpoints."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import psycopg
import pytest
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from typing_extensions import LiteralString

from dsql_dr_constructs import DatabasePrivilege, MonitoringOptions, MonitorOptions, MultiRegionDsqlDr
from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkError
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.end_to_end.drill import Drill, Inbox
from tests.end_to_end.project import DESTROY, Project
from tests.postgresql import Postgresql

EAST, WEST = REGIONS = ("us-east-1", "us-west-2")
SERVICE = """
import ssl
from botocore.session import get_session
from pg8000.exceptions import DatabaseError
from pg8000.native import Connection

def handle(event, context):
    host, role = event["host"], event["role"]
    dsql = get_session().create_client("dsql", region_name=host.split(".")[2])
    kind = "admin_auth_token" if role == "admin" else "auth_token"
    token = getattr(dsql, f"generate_db_connect_{kind}")(host, Region=host.split(".")[2])
    try:
        tls = ssl.create_default_context()
        with Connection(role, host=host, database="postgres", password=token, ssl_context=tls) as connection:
            return connection.run(event["sql"], **event["values"]) or []
    except DatabaseError as error:
        return error.args[0]["M"]
"""


@pytest.fixture
def database() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
        yield one
        one.stop()


@pytest.fixture
def project(request: pytest.FixtureRequest, database: Postgresql) -> Iterator[Project]:
    options = getattr(request, "param", {})
    with AwsEmulator(regions=REGIONS, postgresql=database.unix_socket, **options) as aws:
        yield Project(aws)


class App:
    """A pair, and a service in each Region whose function may connect as a database role; changed between deployments.

    Args:
        privileges: What the role may do. None: the default.
        services: Regions with a service.
    """

    def __init__(self, privileges: list[DatabasePrivilege] | None = None, services: tuple[str, ...] = REGIONS) -> None:
        self.privileges, self.services = privileges, services

    def __call__(self, app: cdk.App) -> None:
        pair = MultiRegionDsqlDr(app, "Orders", removal_policy=DESTROY, monitoring=None)
        for region in self.services:
            stack = cdk.Stack(app, f"Service-{region}", env=cdk.Environment(region=region))
            function = lambda_.Function(
                stack,
                "Function",
                function_name="service",
                runtime=lambda_.Runtime.PYTHON_3_14,
                handler="index.handle",
                code=lambda_.Code.from_inline(SERVICE),
                timeout=cdk.Duration.seconds(20),
                log_group=logs.LogGroup(stack, "Logs", removal_policy=DESTROY),
            )
            pair.grant_connect(function, role="orders", privileges=self.privileges)


def ask(project: Project, region: str, cluster: str, statement: str, role: str = "orders", **values: str) -> Any:
    """What the service in *region* gets from the endpoint of the cluster in *cluster*: rows, or the refusal."""
    host = project.clusters()[cluster]["endpoint"]
    given = {"host": host, "role": role, "sql": statement, "values": values}
    lambda_client = project.aws.client("lambda", region)
    return json.load(lambda_client.invoke(FunctionName="service", Payload=json.dumps(given).encode())["Payload"])


def as_owner(database: Postgresql, statement: LiteralString) -> list[Any]:
    """As the database itself has it; the server's own administrator asks."""
    with psycopg.connect(host=str(database.socket_folder), port=database.port, user="postgres") as connection:
        found = connection.execute(statement)
        return [row[0] for row in found] if found.description else []


ROLES: LiteralString = "SELECT rolname FROM pg_roles WHERE rolname IN ('orders', 'reader') ORDER BY 1"
MAPPINGS: LiteralString = "SELECT pg_role_name FROM sys.iam_pg_role_mappings ORDER BY 1"


def test_function_reads_and_writes_as_its_role_in_both_regions_and_as_nothing_else(
    project: Project, database: Postgresql
) -> None:
    app = App()
    project.deploy(app)
    assert as_owner(database, MAPPINGS) == ["orders", "orders"], "one role, with a mapping for each Region's function"
    as_owner(database, "SET ROLE admin; CREATE TABLE stock (item text PRIMARY KEY, count integer)")  # after the role
    for region in REGIONS:
        for cluster in REGIONS:
            item = f"{region}-{cluster}"
            assert ask(project, region, cluster, "INSERT INTO stock VALUES (:item, 1)", item=item) == []
            assert [item] in ask(project, region, cluster, "SELECT item FROM stock")
        assert "permission denied" in ask(project, region, region, "CREATE TABLE other (id integer)")
        assert "access denied" in ask(project, region, region, "SELECT 1", role="admin")
        assert "access denied" in ask(project, region, region, "SELECT 1", role="reader")

    app.privileges = [DatabasePrivilege.read()]
    project.deploy(app)
    for region in REGIONS:
        assert len(ask(project, region, region, "SELECT item FROM stock")) == 4
        assert "permission denied" in ask(project, region, region, "DELETE FROM stock")

    project.cdk.destroy("Service-us-east-1")
    assert (as_owner(database, ROLES), as_owner(database, MAPPINGS)) == (["orders"], ["orders"]), (
        "the other one's stays"
    )
    assert len(ask(project, WEST, EAST, "SELECT item FROM stock")) == 4
    project.cdk.destroy()
    assert (as_owner(database, ROLES), as_owner(database, MAPPINGS)) == ([], [])
    assert survey.leftovers(project.aws) == {}


def test_role_is_deployed_while_its_own_endpoint_does_not_serve(project: Project, database: Postgresql) -> None:
    app = App(services=())
    project.deploy(app)
    project.aws.inject(Fault("down", "error", service="postgresql", call="Connect", region=EAST))
    app.services = (EAST,)
    project.deploy(app)
    assert as_owner(database, MAPPINGS) == ["orders"]


def test_deployment_that_fails_leaves_the_database_as_it_was(project: Project, database: Postgresql) -> None:
    app = App(services=(EAST,))
    project.deploy(app)
    app.privileges = [DatabasePrivilege.read(), DatabasePrivilege.sql("GRANT nonsense")]
    with pytest.raises(CdkError, match="statement 1 of 1 was refused: syntax error"):
        project.deploy(app)
    as_owner(database, "SET ROLE admin; CREATE TABLE stock (item text PRIMARY KEY)")
    assert ask(project, EAST, EAST, "INSERT INTO stock VALUES ('one')") == [], "as before"


def watched(app: cdk.App) -> None:
    options = {region: MonitorOptions(probe_timeout=cdk.Duration.seconds(5)) for region in REGIONS}
    pair = MultiRegionDsqlDr(
        app,
        "Orders",
        removal_policy=DESTROY,
        alert_emails=["ops@example.com"],
        monitoring=MonitoringOptions(sql_probe=True, monitor_options=options),
    )
    for region, topic in pair.topics.items():
        topic.add_queue(sqs.Queue(cdk.Stack.of(topic), "Notifications", queue_name=f"notifications-{region}"))


@pytest.mark.parametrize("project", [{"time_scale": 1 / 20}], indirect=True)
def test_sql_that_fails_behind_an_endpoint_that_answers_is_notified(project: Project, database: Postgresql) -> None:
    """In one deployment from nothing: the monitors' roles exist before their first run, which would fail else."""
    project.deploy(watched)
    drill = Drill(project.aws)
    drill.wait_until_healthy()
    assert [one["verdict"] for one in drill.verdicts()] == ["HEALTHY", "HEALTHY"]
    tables: LiteralString = "SELECT tablename FROM pg_tables WHERE schemaname = 'dsql_dr' AND tablename LIKE 'beat%'"
    assert len(as_owner(database, tables)) == 2, "one for each observer"

    inbox = Inbox({region: project.queue(region) for region in REGIONS})
    inbox.rest()  # of the first OK
    project.aws.inject(Fault("sql", "error", service="postgresql", call="Query", region=EAST))
    assert [(one.region, one.state) for one in inbox.next_of_each_region()] == [(EAST, "ALARM"), (WEST, "ALARM")]
    seen = drill.verdicts()  # after the alarm, which a datapoint beside the schedule's could raise twice
    assert [(one["verdict"], one["regions_down"]) for one in seen] == [("CLUSTER_DOWN", [EAST])] * 2
    for one in seen:
        [down] = [cluster for cluster in one["clusters"] if cluster["region"] == EAST]
        assert down["reachable"], "the connection probe is answered"
        assert [problem for problem in down["problems"] if problem.startswith("SQL: ")], down
    for region in REGIONS:
        drill.wait_for_runs(region)  # so that the datapoints of `verdicts` are past, too, when the fault ends

    project.aws.clear_faults()
    assert [(one.region, one.state) for one in inbox.next_of_each_region()] == [(EAST, "OK"), (WEST, "OK")]
    assert inbox.rest() == []
    project.cdk.destroy()
    assert survey.leftovers(project.aws) == {}
    assert as_owner(database, tables) == []
    assert as_owner(database, "SELECT rolname FROM pg_roles WHERE rolname LIKE 'dsql_dr%'") == []
