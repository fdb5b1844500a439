"""The SQL probe through both emulated endpoints, with TLS, tokens and IAM, on a real PostgreSQL."""

from __future__ import annotations

import json
import socket
import ssl
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import botocore.auth
import psycopg
import pytest

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.runtime.database_session import DatabaseSession, login_token
from dsql_dr_constructs.runtime.health_monitor import metric_names as names
from dsql_dr_constructs.runtime.health_monitor.retries import Surroundings
from tests.postgresql import Postgresql
from tests.runtime.health_monitor.hand_made_aws import EAST, WEST, Aws
from tests.runtime.health_monitor.test_monitor_answer import VALIDATOR

REGIONS = ("us-east-1", "us-west-2")
ROLE, TABLE = "dsql_dr_us_east_1", "beat_us_east_1"
BEATS = "SELECT endpoint, beat FROM dsql_dr.beat_us_east_1 ORDER BY endpoint"
SET_UP = (
    f"CREATE ROLE {ROLE} WITH LOGIN",
    "CREATE SCHEMA dsql_dr",
    f'CREATE TABLE IF NOT EXISTS dsql_dr."{TABLE}" '
    "(endpoint text PRIMARY KEY, beat text NOT NULL, written_at timestamptz NOT NULL)",
    f"GRANT USAGE ON SCHEMA dsql_dr TO {ROLE}",
    f'GRANT SELECT, INSERT, UPDATE ON dsql_dr."{TABLE}" TO {ROLE}',
)


@dataclass
class Database:
    """A PostgreSQL behind an emulator's endpoints, set up as a deployment does."""

    postgresql: Postgresql
    aws: AwsEmulator
    endpoints: dict[str, str] = field(default_factory=dict)
    """With its port, by Region."""
    monitor: str = ""
    """ARN of the function's role."""

    def sql(self, *statements: Any) -> list[tuple[Any, ...]]:
        """As the server's superuser, behind the endpoints."""
        where = {"host": str(self.postgresql.socket_folder), "port": self.postgresql.port, "hostaddr": ""}
        with psycopg.connect(
            **where, user="postgres", dbname="postgres", client_encoding="utf8", autocommit=True
        ) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def set_up(self) -> None:
        variables = self.aws.endpoint_variables()
        for region in self.aws.regions:
            dsql = self.aws.client("dsql", region)
            made = dsql.create_cluster()["identifier"]
            dsql.get_waiter("cluster_active").wait(identifier=made)
            self.endpoints[region] = f"{made}.dsql.{region}.on.aws:{variables['PGPORT']}"
        iam = self.aws.client("iam", "us-east-1")
        self.monitor = iam.create_role(RoleName="monitor", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": "dsql:DbConnect", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_role_policy(RoleName="monitor", PolicyName="connect", PolicyDocument=document)
        region = self.aws.regions[0]
        host, _, port = self.endpoints[region].partition(":")
        token = login_token(self.aws.client("dsql", region), host, region, "admin")
        trusted = ssl.create_default_context(cafile=variables["SSL_CERT_FILE"])
        with DatabaseSession(
            host, int(port), role="admin", token=token, tls=trusted, time_left=lambda: 60.0
        ) as session:
            for statement in (*SET_UP, f"AWS IAM GRANT {ROLE} TO '{self.monitor}'"):
                session.run(statement)

    def token(self, host: str, *, Region: str, ExpiresIn: int) -> str:  # noqa: N803 - botocore's
        """As the function signs it."""
        own = self.aws._credentials.of_role(self.monitor).variables()
        session = {name.removeprefix("AWS_").lower(): value for name, value in own.items()}
        keys = ("access_key_id", "secret_access_key", "session_token")
        signs = boto3.client("dsql", Region, **{f"aws_{key}": session[key] for key in keys})
        token: str = signs.generate_db_connect_auth_token(host, Region=Region, ExpiresIn=ExpiresIn)
        return token


@pytest.fixture(scope="module")
def databases() -> Iterator[list[Database]]:
    """That of the pair, and one that a cluster has to itself."""
    found, resolve = [], socket.getaddrinfo
    with (
        pytest.MonkeyPatch.context() as patch,
        tempfile.TemporaryDirectory() as one,
        tempfile.TemporaryDirectory() as two,
    ):
        patch.setattr(
            socket,
            "getaddrinfo",
            lambda host, *rest, **options: resolve(
                "127.0.0.1" if str(host).endswith(".on.aws") else host, *rest, **options
            ),
        )
        for folder, regions in ((one, REGIONS), (two, REGIONS[1:])):
            postgresql = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
            found.append(Database(postgresql, AwsEmulator(regions=regions, postgresql=postgresql.unix_socket)))
        with found[0].aws, found[1].aws:
            for database in found:
                database.set_up()
            yield found
        for database in found:
            database.postgresql.stop()


@pytest.fixture
def pair(databases: list[Database]) -> Iterator[Database]:
    yield databases[0]
    databases[0].aws.clear_faults()


class Monitor(Aws):
    """Whose SQL goes to the emulators, in real time; after each run all its connections are closed."""

    def __init__(self, *databases: Database) -> None:
        super().__init__()
        self.sql = ROLE, TABLE
        found = [one.endpoints[region] for region, one in zip(REGIONS, databases, strict=True)]
        self.endpoints = dict(zip((EAST, WEST), found, strict=True))
        signers = {self.endpoints[arn].partition(":")[0]: one for arn, one in zip((EAST, WEST), databases, strict=True)}
        self.token = lambda host, **asked: signers[host].token(host, **asked)
        self._authorities = [one.aws.endpoint_variables()["SSL_CERT_FILE"] for one in databases]

    def run(self, observer: str = "us-east-1", **options: Any) -> dict[str, Any]:
        channels: list[ssl.SSLSocket] = []
        options = {"tls": lambda: self._trusting(channels), "surroundings": Surroundings(), **options}
        try:
            return super().run(observer, **options)
        finally:
            VALIDATOR.validate(json.loads(self.lines[-1]))
            assert len(channels) >= 2
            assert {one.fileno() for one in channels} == {-1}, "one is still open"

    def _trusting(self, channels: list[ssl.SSLSocket]) -> ssl.SSLContext:
        class Recorded(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                channels.append(self)
                super().do_handshake(block)

        context = ssl.create_default_context()
        context.sslsocket_class = Recorded
        for one in self._authorities:
            context.load_verify_locations(one)
        return context

    def problems(self) -> list[list[str]]:
        return [one["problems"] for one in json.loads(self.lines[-1])["clusters"]]

    def served(self) -> list[float | None]:
        return [self.metrics().get(("SqlServes", region), (None, ""))[0] for region in REGIONS]


def test_pair_commits_through_each_endpoint_and_shows_it_through_the_other(pair: Database) -> None:
    monitor = Monitor(pair, pair)
    answer = monitor.run()
    assert answer["verdict"] == names.HEALTHY, answer
    assert monitor.served() == [1, 1]
    for region in REGIONS:
        for metric in ("CommitLatency", "ReadBackLatency"):
            value, unit = monitor.metrics()[metric, region]
            assert (value > 0, unit) == (True, "Milliseconds")
    before = pair.sql(BEATS)
    assert [endpoint for endpoint, _ in before] == list(REGIONS)
    monitor.run()
    after = pair.sql(BEATS)
    assert [endpoint for endpoint, _ in after] == list(REGIONS), "the table does not grow"
    assert not {beat for _, beat in before} & {beat for _, beat in after}
    for secret in (*(beat for _, beat in (*before, *after)), "X-Amz"):
        assert not [line for line in monitor.lines if secret in line]


def test_login_that_one_endpoint_refuses_is_that_clusters_fault(databases: list[Database], pair: Database) -> None:
    monitor = Monitor(pair, pair)
    monitor.token = lambda host, **asked: (  # west gets what no emulator accepts
        "no token" if ".us-west-2." in host else pair.token(host, **asked)
    )
    assert monitor.run()["regions_down"] == ["us-west-2"]
    [east, [west]] = monitor.problems()
    assert (east, monitor.served()) == ([], [1, 0])
    assert west.startswith("SQL: the login was refused: unable to accept connection, access denied.")
    assert ("CommitLatency", "us-west-2") not in monitor.metrics()


def test_endpoint_that_refuses_after_authentication_is_that_clusters_fault(pair: Database) -> None:
    pair.aws.inject(Fault("dead", "error", service="postgresql", call="Query", region="us-west-2"))
    monitor = Monitor(pair, pair)
    assert monitor.run(budget=5.0)["regions_down"] == ["us-west-2"]
    assert monitor.served() == [1, 0]
    pair.aws.clear_faults()
    assert monitor.run()["verdict"] == names.HEALTHY


def mapping_is_missing(pair: Database, monitor: Monitor) -> Iterator[None]:
    pair.sql("UPDATE sys.iam_pg_role_mappings SET arn = reverse(arn)")
    yield
    pair.sql("UPDATE sys.iam_pg_role_mappings SET arn = reverse(arn)")


def table_is_missing(pair: Database, monitor: Monitor) -> Iterator[None]:
    pair.sql(f"ALTER TABLE dsql_dr.{TABLE} RENAME TO elsewhere")
    yield
    pair.sql(f"ALTER TABLE dsql_dr.elsewhere RENAME TO {TABLE}")


def column_is_another(pair: Database, monitor: Monitor) -> Iterator[None]:
    pair.sql(f"ALTER TABLE dsql_dr.{TABLE} RENAME beat TO pulse")
    yield
    pair.sql(f"ALTER TABLE dsql_dr.{TABLE} RENAME pulse TO beat")


def privilege_is_missing(pair: Database, monitor: Monitor) -> Iterator[None]:
    pair.sql(f"REVOKE INSERT ON dsql_dr.{TABLE} FROM {ROLE}")
    yield
    pair.sql(f"GRANT INSERT ON dsql_dr.{TABLE} TO {ROLE}")


def signed_ago(seconds: float) -> Callable[[Database, Monitor], Iterator[None]]:
    """By a clock that is wrong, or used long after it was signed: the endpoint sees no difference."""

    def fault(pair: Database, monitor: Monitor) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            then = datetime.now(timezone.utc) - timedelta(seconds=seconds)
            patch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: then.replace(tzinfo=None))
            yield

    return fault


@pytest.mark.parametrize(
    ("fault", "cannot", "says", "advice"),
    [
        (
            mapping_is_missing,
            "log in",
            "is not mapped to the database role",
            "which maps this one to",
        ),
        (signed_ago(62), "log in", "Signature expired", "its clock is wrong"),
        (signed_ago(7200), "log in", "Signature expired", "its clock is wrong"),
        (signed_ago(-3600), "log in", "Signature not yet current", "its clock is wrong"),
        (table_is_missing, "use its table", "does not exist (42P01)", "which makes the table of the SQL probe"),
        (column_is_another, "use its table", "does not exist (42703)", "which makes the table of the SQL probe"),
        (
            privilege_is_missing,
            "use its table",
            "permission denied for table beat_us",
            "and its privileges",
        ),
    ],
    ids=[
        "no mapping",
        "expired token",
        "clock that is late",
        "clock that is early",
        "no table",
        "another table",
        "no privilege",
    ],
)
def test_what_both_endpoints_refuse_is_the_monitors_fault_and_not_the_clusters(
    pair: Database, fault: Callable[[Database, Monitor], Iterator[None]], cannot: str, says: str, advice: str
) -> None:
    monitor = Monitor(pair, pair)
    steps = fault(pair, monitor)
    next(steps)
    try:
        line = monitor.failing_run()
    finally:
        assert next(steps, "ended") == "ended"
    [error] = line["errors"]
    assert error.startswith(f"The SQL probe cannot {cannot} as {ROLE} in us-east-1 and us-west-2: ")
    assert (says in error, advice in error) == (True, True), error
    assert (line["verdict"], monitor.problems()) == (names.HEALTHY, [[], []]), "judged without SQL"
    assert not {name for name, _ in monitor.metrics()} & {"SqlServes", "CommitLatency", "ReadBackLatency"}
    assert monitor.metrics()["ClusterHealth", None][0] == 1
    assert monitor.run()["verdict"] == names.HEALTHY


def test_mapping_that_comes_late_is_waited_for_in_the_first_run(pair: Database) -> None:
    monitor, steps = Monitor(pair, pair), mapping_is_missing(pair, Monitor(pair, pair))
    next(steps)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:  # at one endpoint or both
            next(steps, None)
        time.sleep(0.05)

    assert monitor.run(first=True, surroundings=Surroundings(sleep=sleep))["verdict"] == names.HEALTHY
    assert len(waits) >= 2
    assert monitor.served() == [1, 1]


def test_read_only_side_is_down_and_the_other_ones_beat_is_read_through_it(pair: Database) -> None:
    def connect(host: str, *where: Any, **options: Any) -> DatabaseSession:
        session = DatabaseSession(host, *where, **options)
        if ".us-west-2." in host:
            session.run("SET default_transaction_read_only = on")
        return session

    monitor = Monitor(pair, pair)
    assert monitor.run(connect=connect)["regions_down"] == ["us-west-2"]
    [east, [west]] = monitor.problems()
    assert (east, monitor.served()) == ([], [1, 0])
    assert west.startswith(
        'SQL: the side is read-only (INSERT INTO dsql_dr."beat_us_east_1" (endpoint, beat, written_at)'
    )
    assert west.endswith("cannot execute INSERT in a read-only transaction (25006))")
    assert ("CommitLatency", "us-west-2") not in monitor.metrics()
    assert monitor.metrics()["ReadBackLatency", "us-west-2"][0] > 0


def test_beat_that_the_other_endpoint_does_not_show_is_the_readers_fault(databases: list[Database]) -> None:
    """Each cluster has a database of its own, though GetCluster says that they are peers."""
    monitor = Monitor(*databases)
    answer = monitor.run()
    assert answer["verdict"] == names.BOTH_DOWN
    assert monitor.problems() == [
        [f"SQL: the beat committed through {other} is not visible here"] for other in ("us-west-2", "us-east-1")
    ]
    assert all(metric in {name for name, _ in monitor.metrics()} for metric in ("CommitLatency", "ReadBackLatency"))


def test_clusters_that_are_no_peers_lost_their_peering_and_nothing_else(databases: list[Database]) -> None:
    monitor = Monitor(*databases)
    for region in REGIONS:
        monitor.answers[region] = {"multiRegionProperties": {"witnessRegion": "us-east-2", "clusters": []}}
    assert monitor.run()["verdict"] == names.PEERING_LOST
    assert monitor.served() == [1, 1]


def test_every_second_commit_conflicts_and_is_tried_again(pair: Database) -> None:
    pair.sql(
        "CREATE SEQUENCE commits",
        "GRANT USAGE ON SEQUENCE commits TO PUBLIC",
        """CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('commits') % 2 = 1 THEN
                RAISE 'change conflicts with another transaction, please retry: (OC000)' USING ERRCODE = '40001';
            END IF;
            RETURN NEW;
        END $$""",
        f"CREATE TRIGGER conflict BEFORE INSERT ON dsql_dr.{TABLE} FOR EACH ROW EXECUTE FUNCTION conflict()",
    )
    monitor = Monitor(pair, pair)
    for _ in range(3):
        assert monitor.run()["verdict"] == names.HEALTHY
        assert monitor.served() == [1, 1]
    [[conflicts]] = pair.sql("SELECT last_value FROM commits")
    assert conflicts >= 10, "six commits took twice as many tries, but for those of the other endpoint between"
    pair.sql(f"DROP TRIGGER conflict ON dsql_dr.{TABLE}", "DROP FUNCTION conflict", "DROP SEQUENCE commits")


@pytest.mark.parametrize("step", ["login", "INSERT INTO dsql_dr"])
def test_endpoint_that_hangs_after_authentication_takes_the_budget_and_no_more(pair: Database, step: str) -> None:
    hangs = Fault("hangs", "timeout", service="postgresql", call="Query", region="us-west-2")

    def connect(host: str, *where: Any, **options: Any) -> DatabaseSession:
        if step == "login":
            pair.aws.inject(hangs)
        session = DatabaseSession(host, *where, **options)
        if ".us-west-2." in host:
            pair.aws.inject(hangs)
        return session

    monitor = Monitor(pair, pair)
    answer = monitor.run(budget=8.0, connect=connect)
    assert answer["regions_down"] == ["us-west-2"]
    [east, [west]] = monitor.problems()
    assert (east, monitor.served()) == ([], [1, 0])
    assert west.startswith(f"SQL: no answer to {'the ' if step == 'login' else ''}{step}")
    assert west.endswith(" in time")
    assert monitor.metrics()["ReadBackLatency", "us-east-1"][0] > 0, "its own beat was read"
