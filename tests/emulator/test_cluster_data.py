"""Snapshots of what is behind the endpoints, and clusters that are served from one: this process has the endpoints."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from ministack.core import pgproxy

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.emulator.access_control import AccessControl
from dsql_dr_constructs.emulator.clock import Clock
from dsql_dr_constructs.emulator.cluster_activity import ClusterActivity
from dsql_dr_constructs.emulator.cluster_data import SHARED, ClusterData
from dsql_dr_constructs.emulator.cluster_database import ClusterDatabase
from dsql_dr_constructs.emulator.cluster_endpoints import ClusterEndpoints
from dsql_dr_constructs.emulator.credentials import ACCOUNT, Credentials
from dsql_dr_constructs.emulator.dsql import Dsql
from dsql_dr_constructs.emulator.faults import Faults
from dsql_dr_constructs.emulator.ministack_seams import SEAMS
from tests.emulator.sessions import connect, login
from tests.postgresql import Postgresql

EAST, WEST = "us-east-1", "us-west-2"


@dataclass
class Service:
    """Endpoints of clusters, and the data behind them."""

    postgresql: str
    folder: Path
    owner: Credentials = field(default_factory=Credentials.random)

    def __post_init__(self) -> None:
        faults = Faults()
        self.dsql = Dsql(faults, transition_seconds=0)
        self.database = ClusterDatabase(self.postgresql, self.folder / "sql")
        self.data = ClusterData(self.database)
        activity = ClusterActivity(self.dsql, Clock())
        endpoints = ClusterEndpoints(self.dsql, AccessControl(1, self.owner), faults, activity, self.data)
        self.variables = endpoints.variables(self.folder)

    def pair(self) -> tuple[str, str]:
        """ARNs of a new cluster in each Region."""
        made = [self.dsql.create_cluster(ACCOUNT, region, {}).arn for region in (EAST, WEST)]
        return made[0], made[1]

    def session(self, arn: str, user: str = "admin") -> psycopg.Connection:
        cluster = self.dsql.find(arn)
        assert cluster
        keys = {"aws_access_key_id": self.owner.access_key, "aws_secret_access_key": self.owner.secret_key}
        options: dict[str, Any] = {**keys, "aws_session_token": self.owner.session_token}
        dsql = boto3.client("dsql", region_name=cluster.region, **options)
        sign = dsql.generate_db_connect_admin_auth_token if user == "admin" else dsql.generate_db_connect_auth_token
        return connect(self.variables, cluster.endpoint, sign(cluster.endpoint, cluster.region), user=user)

    def query(self, arn: str, *statements: str, user: str = "admin") -> Any:
        """The first column of the first row of the last statement."""
        with self.session(arn, user) as session:
            for statement in statements:
                cursor = session.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        options = {"default_transaction_isolation": "repeatable read", "fsync": "off"}  # copies would wait for the disk
        database = Postgresql(Path(folder), auth="trust", **options)
        yield database.unix_socket
        database.stop()


@pytest.fixture(scope="module")
def service(postgresql: str) -> Iterator[Service]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as restored_at_the_end:
        for name in SEAMS[pgproxy.__name__]:
            restored_at_the_end.setattr(pgproxy, name, getattr(pgproxy, name))
        yield Service(postgresql, Path(folder))


class Writer:
    """Writes two rows in each transaction, and connects again when its connection is closed."""

    def __init__(self, service: Service, arn: str, table: str) -> None:
        self._service, self._arn = service, arn
        self._insert = f"INSERT INTO {table} (batch) VALUES (%s)"  # noqa: S608 - a name of this test
        self.committed = 0
        self._enough = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        batch = 0
        while not self._stop.is_set():
            with suppress(psycopg.OperationalError), self._service.session(self._arn) as session:
                while not self._stop.is_set():
                    batch += 1
                    with session.transaction():
                        session.execute(self._insert, (batch,))
                        session.execute(self._insert, (batch,))
                    self.committed += 1
                    if self.committed % 20 == 0:
                        self._enough.set()

    def until_more_is_written(self) -> int:
        self._enough.clear()
        assert self._enough.wait(60)
        return self.committed

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


COMPLETE = "SELECT count(*) FROM (SELECT batch FROM orders GROUP BY batch HAVING count(*) = 2) AS complete"
HALF = "SELECT count(*) FROM (SELECT batch FROM orders GROUP BY batch HAVING count(*) <> 2) AS half"


def test_sql_is_answered_by_a_process_with_many_open_files(service: Service) -> None:
    arn, _ = service.pair()
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(2048, limit), most))
    try:
        with ExitStack() as opened:
            number = 0
            while number < 1024:  # where select.select() ends
                number = os.open(os.devnull, os.O_RDONLY)
                opened.callback(os.close, number)
            assert service.query(arn, "SELECT 1") == 1
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))


def test_dropped_table_comes_back_in_a_new_pair_and_the_old_one_stays_as_it_is(service: Service) -> None:
    old, new = service.pair(), service.pair()
    service.query(old[0], "CREATE TABLE orders (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), batch integer)")
    with Writer(service, old[0], "orders") as writer:
        before = writer.until_more_is_written()
        snapshot = service.data.snapshot(old[1])
        assert writer.until_more_is_written() > before, "it writes on"
    service.query(old[1], "DROP TABLE orders")
    service.query(old[1], "CREATE TABLE after_the_snapshot (id uuid PRIMARY KEY)")
    service.data.restore(snapshot, new)
    for arn in new:
        assert service.query(arn, COMPLETE) >= before > 0
        assert service.query(arn, HALF) == 0
        assert service.query(arn, "SELECT to_regclass('after_the_snapshot')") is None
    for arn in old:
        assert service.query(arn, "SELECT to_regclass('orders')") is None
        assert service.query(arn, "SELECT to_regclass('after_the_snapshot')") == "after_the_snapshot"
    service.query(new[0], "DELETE FROM orders")
    assert service.query(new[1], "SELECT count(*) FROM orders") == 0, "a pair has one database"
    again = service.pair()
    service.data.restore(snapshot, again)
    assert service.query(again[0], COMPLETE) >= before, "a snapshot does not change"


def test_roles_and_their_mappings_are_restored(service: Service) -> None:
    old, new = service.pair(), service.pair()
    role = "arn:aws:iam::1:role/seller"
    service.query(old[0], "CREATE ROLE seller WITH LOGIN", f"AWS IAM GRANT seller TO '{role}'")
    service.query(old[0], "CREATE TABLE sold (id uuid PRIMARY KEY)", "GRANT SELECT ON sold TO seller")
    snapshot = service.data.snapshot(old[0])
    service.query(old[0], f"AWS IAM REVOKE seller FROM '{role}'")
    service.data.restore(snapshot, new)
    accepted = [service.database.accepts("seller", role, service.data.of(arn)) for arn in (*old, *new)]
    assert accepted == [False, False, True, True]
    assert service.query(new[0], "SELECT count(*) FROM sold", user="seller") == 0
    service.query(new[0], "CREATE SCHEMA own")  # which takes a right on the database


def test_restored_cluster_has_snapshots_of_its_own(service: Service) -> None:
    old, new, newest = service.pair(), service.pair(), service.pair()
    service.data.restore(service.data.snapshot(old[0]), new)
    service.query(new[0], "CREATE TABLE only_here (id uuid PRIMARY KEY)")
    service.data.restore(service.data.snapshot(new[1]), newest)
    assert service.query(newest[1], "SELECT to_regclass('only_here')") == "only_here"
    assert service.query(old[0], "SELECT to_regclass('only_here')") is None


def test_deleted_snapshot_is_gone_and_what_was_restored_from_it_stays(service: Service) -> None:
    old, new = service.pair(), service.pair()
    snapshot = service.data.snapshot(old[0])
    service.data.restore(snapshot, new)
    assert snapshot in service.database.names()
    service.data.delete(snapshot)
    service.data.delete(snapshot)
    assert snapshot not in service.database.names()
    with pytest.raises(ValueError, match=f"There is no snapshot {snapshot!r} of a cluster's data"):
        service.data.restore(snapshot, new)
    assert service.query(new[0], "SELECT 1") == 1


def test_session_of_somebody_else_who_does_not_leave_is_an_error(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dsql_dr_constructs.emulator.cluster_database._TRIES", 1)
    one, _ = service.pair()
    refused = pytest.raises(RuntimeError, match="Database postgres cannot be copied: end the sessions")
    with service.database._database(), refused:  # as the emulator's own, this session is not ended
        service.data.snapshot(one)
    assert service.query(one, "SELECT 1") == 1


def test_next_emulator_removes_what_is_left_of_ended_ones_and_nothing_else(service: Service) -> None:
    old, new = service.pair(), service.pair()
    snapshot = service.data.snapshot(old[0])
    service.data.restore(snapshot, new)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = f"aws_emulator_{ended.pid}_0123abcd_1"
    for name in (left, "aws_emulator_of_mine"):
        service.database.copy(snapshot, name)
    with AwsEmulator(regions=[EAST], postgresql=service.postgresql) as aws:
        dsql = aws.client("dsql", EAST)
        identifier = dsql.create_cluster()["identifier"]
        dsql.get_waiter("cluster_active").wait(identifier=identifier)
        with login(aws, f"{identifier}.dsql.{EAST}.on.aws") as session:
            assert session.execute("SELECT current_database()").fetchone() == (SHARED,)
    assert left not in service.database.names()
    assert {"aws_emulator_of_mine", snapshot, service.data.of(new[0])} <= set(service.database.names())
    assert f"aws_emulator_{os.getpid()}_" in snapshot


def test_without_a_postgresql_snapshots_are_names() -> None:
    data = ClusterData()
    one, other = data.snapshot("arn:one"), data.snapshot("arn:one")
    assert one != other
    data.restore(one, ["arn:two"])
    data.delete(one)
    with pytest.raises(ValueError, match="There is no snapshot"):
        data.restore(one, ["arn:two"])
