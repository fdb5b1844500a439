"""The service's way to a connection, moment by moment; what it does under load is in test_orders_service.py."""

from __future__ import annotations

import importlib.util
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

SOURCE = Path(__file__).parents[2] / "examples" / "orders_service" / "service" / "orders.py"


class Connection:
    """Of a database that has no order yet; each of its transactions may fail."""

    def __init__(self, world: World) -> None:
        self._world = world

    @contextmanager
    def transaction(self) -> Iterator[None]:
        yield
        if self._world.commits_fail:
            raise self._world.commits_fail.pop()

    def execute(self, statement: str, values: tuple[Any, ...]) -> Any:
        return type("Cursor", (), {"rowcount": 1})()

    def close(self) -> None:
        pass


OWN, PEER = f"{'o' * 26}.dsql.us-east-1.on.aws", f"{'p' * 26}.dsql-a1b2.us-west-2.on.aws"


class World:
    """Two endpoints and a clock that waits do not hold up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.down: set[str] = set()
        self.commits_fail: list[Exception] = []
        self.connected: list[str] = []
        spec = importlib.util.spec_from_file_location("orders", SOURCE)
        assert spec
        assert spec.loader
        self.module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "orders", self.module)
        spec.loader.exec_module(self.module)
        monkeypatch.setattr(self.module.dsql, "connect", self.connect)
        monkeypatch.setattr(self.module, "time", self)
        self.orders = self.module.Orders({"us-east-1": OWN, "us-west-2": PEER})

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.001)

    def connect(self, *, host: str, connect_timeout: int, **_: Any) -> Connection:
        self.connected.append(host)
        if host in self.down:
            self.now += connect_timeout
            raise psycopg.OperationalError("no answer")
        return Connection(self)

    def accept(self) -> str:
        """The endpoint that took an order."""
        assert self.orders.accept(self.module.Order(uuid.uuid4(), "apple", 1))
        return str(self.orders.endpoint)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_own_endpoint_comes_first_and_the_connection_is_kept(world: World) -> None:
    assert [world.accept(), world.accept()] == [OWN, OWN]
    assert world.connected == [OWN]


def test_peer_is_asked_when_the_own_endpoint_fails_and_the_own_again_later(world: World) -> None:
    world.down = {OWN}
    assert [world.accept(), world.accept()] == [PEER, PEER]
    assert world.connected == [OWN, PEER]
    world.down = set()
    assert world.accept() == PEER, "not at once"
    world.now += world.module.AVOID_SECONDS
    assert world.accept() == OWN


def test_own_endpoint_that_still_fails_costs_one_try_now_and_then(world: World) -> None:
    world.down = {OWN}
    world.accept()
    world.now += world.module.AVOID_SECONDS
    assert [world.accept() for _ in range(3)] == [PEER] * 3
    assert world.connected == [OWN, PEER, OWN, PEER]


def test_conflict_is_tried_again_on_the_same_connection(world: World) -> None:
    world.commits_fail = [psycopg.errors.SerializationFailure("change conflicts with another transaction")] * 3
    assert world.accept() == OWN
    assert world.connected == [OWN]


def test_unknown_outcome_is_tried_again_at_the_peer(world: World) -> None:
    world.commits_fail = [psycopg.OperationalError("server closed the connection unexpectedly")]
    assert world.accept() == PEER


def test_nobody_answers_within_the_time(world: World) -> None:
    world.down = {OWN, PEER}
    began = world.now
    with pytest.raises(world.module.UnavailableError):
        world.accept()
    assert world.now - began < 15, "the function's own time-out"


def test_connection_is_renewed_before_the_service_ends_it(world: World) -> None:
    world.accept()
    world.now += 50 * 60
    world.accept()
    assert world.connected == [OWN, OWN]


@pytest.mark.parametrize(
    "host",
    [
        "db.evil.example",
        OWN.replace("us-east-1", "us-west-2"),
        f"{OWN}.evil.example",
        f"{OWN}:6432",
        f"{OWN},db.evil.example",
        f"evil.example/{OWN}",
        OWN.replace("dsql", "evil"),
        OWN[1:],
        "",
    ],
)
def test_endpoint_that_is_none_of_aurora_dsql_in_its_region_is_refused(world: World, host: str) -> None:
    with pytest.raises(ValueError, match="none of Aurora DSQL there"):
        world.module.Orders({"us-east-1": host, "us-west-2": PEER})
