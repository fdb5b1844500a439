"""Clusters become IDLE on the emulator's clock without connections, and ACTIVE by one. A real driver and PostgreSQL."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dsql_dr_constructs.emulator import AwsEmulator
from tests.emulator.sessions import login, probe
from tests.postgresql import Postgresql

EAST, WEST = "us-east-1", "us-west-2"
IDLE_AFTER = 3600


class Pair:
    """A cluster in each Region."""

    def __init__(self, aws: AwsEmulator) -> None:
        self.aws = aws
        self.identifiers = {region: self._new(region) for region in (EAST, WEST)}
        while "CREATING" in self.statuses():
            time.sleep(0.02)
        for region, peer in ((EAST, WEST), (WEST, EAST)):
            clusters = [f"arn:aws:dsql:{peer}:000000000000:cluster/{self.identifiers[peer]}"]
            asked = {"witnessRegion": "us-east-2", "clusters": clusters}
            self._dsql(region).update_cluster(identifier=self.identifiers[region], multiRegionProperties=asked)
        for region in (EAST, WEST):
            self.until_active(region)

    def _dsql(self, region: str) -> Any:
        return self.aws.client("dsql", region)

    def _new(self, region: str) -> str:
        return str(
            self._dsql(region).create_cluster(multiRegionProperties={"witnessRegion": "us-east-2"})["identifier"]
        )

    def until_active(self, region: str) -> None:
        while self.statuses()[region == WEST] != "ACTIVE":
            time.sleep(0.02)

    def endpoint(self, region: str) -> str:
        return f"{self.identifiers[region]}.dsql.{region}.on.aws"

    def statuses(self) -> tuple[str, str]:
        found = [self._dsql(one).get_cluster(identifier=self.identifiers[one])["status"] for one in (EAST, WEST)]
        return found[0], found[1]

    def login(self, region: str) -> psycopg.Connection:
        return login(self.aws, self.endpoint(region))

    def set_status(self, region: str, status: str) -> None:
        self.aws.set_cluster_status(region, self.identifiers[region], status)

    def delete(self) -> None:
        for region in (EAST, WEST):
            self._dsql(region).update_cluster(identifier=self.identifiers[region], deletionProtectionEnabled=False)
            self._dsql(region).delete_cluster(identifier=self.identifiers[region])


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust")
        yield database.unix_socket
        database.stop()


@pytest.fixture(scope="module")
def new_pair(postgresql: str) -> Iterator[Callable[[], Pair]]:
    with AwsEmulator(regions=[EAST, WEST], postgresql=postgresql, idle_after=IDLE_AFTER) as aws:
        yield lambda: Pair(aws)


@pytest.fixture
def pair(new_pair: Callable[[], Pair]) -> Iterator[Pair]:
    made = new_pair()
    yield made
    made.delete()


def test_cluster_without_connections_becomes_idle_and_a_login_makes_it_active(pair: Pair) -> None:
    pair.aws.advance_clock(IDLE_AFTER - 120)
    assert pair.statuses() == ("ACTIVE", "ACTIVE")
    pair.aws.advance_clock(240)
    assert pair.statuses() == ("IDLE", "IDLE")
    with pair.login(EAST) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
        assert pair.statuses() == ("ACTIVE", "IDLE"), "a peer is a cluster of its own"


def test_open_connection_keeps_its_cluster_active_and_the_time_begins_at_its_end(pair: Pair) -> None:
    with pair.login(WEST) as connection:
        pair.aws.advance_clock(3 * IDLE_AFTER)
        assert connection.execute("SELECT 1").fetchone() == (1,)
        assert pair.statuses() == ("IDLE", "ACTIVE")
    now = closed = pair.aws.advance_clock(0)
    while pair.statuses() == ("IDLE", "ACTIVE"):
        now = pair.aws.advance_clock(60)
    assert pair.statuses() == ("IDLE", "IDLE")
    assert (now - closed).total_seconds() >= IDLE_AFTER


def test_connections_without_a_login_wake_no_cluster_and_keep_none_awake(pair: Pair) -> None:
    for _ in range(4):
        pair.aws.advance_clock(IDLE_AFTER / 3)
        assert probe(pair.aws, pair.endpoint(EAST)) == "authentication"
    assert pair.statuses() == ("IDLE", "IDLE")
    with pytest.raises(psycopg.OperationalError, match="access denied"):
        login(pair.aws, pair.endpoint(EAST), user="nobody")
    assert pair.statuses() == ("IDLE", "IDLE")


def test_cluster_that_an_update_made_active_has_its_time_again(pair: Pair) -> None:
    pair.aws.advance_clock(IDLE_AFTER + 60)
    assert pair.statuses() == ("IDLE", "IDLE")
    pair._dsql(EAST).update_cluster(identifier=pair.identifiers[EAST], deletionProtectionEnabled=True)
    pair.until_active(EAST)
    pair.aws.advance_clock(IDLE_AFTER - 120)
    assert pair.statuses() == ("ACTIVE", "IDLE")
    pair.aws.advance_clock(240)
    assert pair.statuses() == ("IDLE", "IDLE")


def test_inactive_cluster_refuses_the_login_that_wakes_it(pair: Pair) -> None:
    pair.set_status(WEST, "INACTIVE")
    with pytest.raises(
        psycopg.OperationalError, match="unable to accept connection, waking up cluster, please retry later"
    ):
        pair.login(WEST)
    pair.until_active(WEST)
    with pair.login(WEST) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_without_the_option_clusters_stay_active_and_probes_can_wake_them() -> None:
    with AwsEmulator(regions=[EAST, WEST], woken_by="connection") as aws:
        pair = Pair(aws)
        aws.advance_clock(30 * 86400)
        assert pair.statuses() == ("ACTIVE", "ACTIVE")
        pair.set_status(EAST, "IDLE")
        pair.set_status(WEST, "INACTIVE")
        assert probe(aws, pair.endpoint(EAST)) == "authentication"
        assert probe(aws, pair.endpoint(WEST)) == "error"
        pair.until_active(WEST)
        assert pair.statuses() == ("ACTIVE", "ACTIVE")
        assert probe(aws, pair.endpoint(WEST)) == "authentication"
