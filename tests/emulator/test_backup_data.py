"""A table that was dropped comes back by AWS Backup's own calls: a real PostgreSQL behind an idle pair."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dsql_dr_constructs.emulator import AwsEmulator
from tests.emulator.backup_pair import Pair, pass_until, wait_for
from tests.emulator.backups import HOUR, MINUTE, VAULT, daily, pair_metadata
from tests.emulator.sessions import login
from tests.postgresql import Postgresql


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        postgresql = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
        regions = ["us-east-1", "us-west-2"]
        try:
            with AwsEmulator(
                regions=regions, transition_seconds=0.05, idle_after=HOUR, postgresql=postgresql.unix_socket
            ) as aws:
                yield Pair(aws)
        finally:
            postgresql.stop()


def test_rows_before_the_backup_are_in_both_restored_clusters(pair: Pair) -> None:
    pass_until(pair.aws, 12)  # so that the plan's first night is hours away, at any time of day
    east, west = (cluster(pair, arn) for arn in (pair.arn, pair.peer))
    with login(pair.aws, east["endpoint"]) as session:
        session.execute("CREATE TABLE orders (id int PRIMARY KEY)")
        session.execute("INSERT INTO orders SELECT generate_series(1, 100)")
    plan = pair.east.create_backup_plan(BackupPlan={"BackupPlanName": VAULT, "Rules": [daily()]})["BackupPlanId"]
    selection = {"SelectionName": "pair", "IamRoleArn": pair.role, "Resources": [pair.arn]}
    pair.east.create_backup_selection(BackupPlanId=plan, BackupSelection=selection)

    pass_until(pair.aws, 3, 5)
    assert cluster(pair, pair.arn)["status"] == "IDLE"
    with login(pair.aws, east["endpoint"]):
        wait_for(pair.aws.client("dsql", "us-east-1"), east["identifier"], "ACTIVE")
        pair.aws.advance_clock(20 * MINUTE)
    [job] = pair.east.list_backup_jobs()["BackupJobs"]
    assert (job["State"], job.get("StatusMessage")) == ("COMPLETED", None)
    with login(pair.aws, east["endpoint"]) as session:
        session.execute("INSERT INTO orders VALUES (101)")
        session.execute("DROP TABLE orders")

    restored = pair.restore(job["RecoveryPointArn"], pair_metadata())
    assert restored["Status"] == "COMPLETED", restored.get("StatusMessage")
    mine = cluster(pair, restored["CreatedResourceArn"])
    [peer] = [arn for arn in mine["multiRegionProperties"]["clusters"] if arn != mine["arn"]]
    for one in (mine, cluster(pair, peer)):
        with login(pair.aws, one["endpoint"]) as session:
            assert session.execute("SELECT count(*), max(id) FROM orders").fetchone() == (100, 100)
    for one in (east, west):
        with login(pair.aws, one["endpoint"]) as session, pytest.raises(psycopg.errors.UndefinedTable):
            session.execute("SELECT FROM orders")


def cluster(pair: Pair, arn: str) -> dict[str, Any]:
    _, _, _, region, _, resource = arn.split(":", 5)
    return dict(pair.aws.client("dsql", region).get_cluster(identifier=resource.rpartition("/")[2]))
