"""docs/client.md: its tables are complete, and its code runs on two endpoints of a real PostgreSQL."""

from __future__ import annotations

import inspect
import re
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import psycopg
import pytest

import dsql_dr_client
from dsql_dr_client import AsyncFailoverPool, FailoverPool, _events
from dsql_dr_client._connection import GuardedConnection
from tests.client.client_errors import client_errors
from tests.client.pair_of_endpoints import EAST, HOSTS, WEST, PairOfEndpoints, pair_of_endpoints

GUIDE = (Path(__file__).parents[2] / "docs" / "client.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Of the first table after *heading*."""
    [table] = re.findall(rf"^## {heading}\n[\s\S]*?\n\|[- |]+\|\n((?:\|.*\n)+)", GUIDE, re.M)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in table.splitlines()]


@pytest.mark.parametrize(
    ("heading", "function"), [("Parameters", FailoverPool), ("run_transaction", FailoverPool.run_transaction)]
)
def test_table_has_the_parameters_and_defaults_of_the_signature(heading: str, function: Any) -> None:
    expected = {
        f"`{name}`": "required" if one.default is one.empty else f"`{one.default!r}`".replace("'", '"')
        for name, one in inspect.signature(function).parameters.items()
        if name != "self"
    }
    assert len(expected) > 3
    assert {name: default for name, default, _ in rows(heading)} == expected


def test_both_pools_have_the_same_parameters() -> None:
    for one, other in (
        (FailoverPool, AsyncFailoverPool),
        (FailoverPool.run_transaction, AsyncFailoverPool.run_transaction),
    ):
        defaults = [{name: p.default for name, p in inspect.signature(f).parameters.items()} for f in (one, other)]
        assert defaults[0] == defaults[1]


def test_table_of_events_is_complete() -> None:
    names = {value for name, value in vars(_events).items() if name.isupper()}
    assert len(names) > 4
    assert {name.strip("`") for name, *_ in rows("Events")} == names


def test_table_of_errors_is_complete() -> None:
    assert {name.strip("`") for name, *_ in rows("Errors")} == client_errors()


@pytest.fixture(scope="module")
def pair() -> Iterator[PairOfEndpoints]:
    with pair_of_endpoints() as one:
        one.ask("CREATE TABLE orders (id uuid PRIMARY KEY, item text, quantity integer)")
        one.ask("CREATE TABLE stock (item text PRIMARY KEY, quantity integer)")
        one.ask("INSERT INTO stock VALUES ('apple', 100)")
        yield one


class AsyncToTheProxy(psycopg.AsyncConnection[Any]):
    ports: dict[str, int]

    @classmethod
    async def connect(cls, conninfo: str = "", **given: Any) -> AsyncToTheProxy:
        given |= {"sslmode": "disable", "port": cls.ports[given.pop("host")]}
        return await super().connect(conninfo, host="127.0.0.1", **given)


@pytest.fixture
def names(pair: PairOfEndpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The guide's Python, each block after those before it, as the application of a reader in us-east-1."""
    made: list[FailoverPool] = []

    def pool(endpoints: dict[str, str] | None = None, *, user: str, **options: Any) -> FailoverPool:
        if endpoints:
            options["kwargs"]["port"] = pair.endpoints[EAST].port
            made.append(FailoverPool(endpoints, user=user, **options))
        else:
            assert (options.pop("deployment"), user) == ("OrdersDb-production", "orders_app")
            made.append(pair.pool(EAST, **options))
        return made[-1]

    def async_pool(*, deployment: str, user: str, **options: Any) -> AsyncFailoverPool:
        assert (deployment, user) == ("OrdersDb-production", "orders_app")
        AsyncToTheProxy.ports = {HOSTS[region]: one.port for region, one in pair.endpoints.items()}
        return AsyncFailoverPool(HOSTS, region=EAST, user="postgres", connection_class=AsyncToTheProxy, **options)

    monkeypatch.setenv("DEPLOYMENT", "OrdersDb-production")
    monkeypatch.setattr(dsql_dr_client, "FailoverPool", pool)
    monkeypatch.setattr(dsql_dr_client, "AsyncFailoverPool", async_pool)
    opentelemetry: Any = ModuleType("opentelemetry")
    opentelemetry.metrics = MagicMock()
    monkeypatch.setitem(sys.modules, "opentelemetry", opentelemetry)
    pair.ask("DELETE FROM orders")
    found: dict[str, Any] = {}
    blocks = [one for one in re.findall(r"```python\n(.*?)```", GUIDE, re.S) if "pair." not in one]
    assert len(blocks) == 6
    for block in blocks:
        exec(compile(block, "client.md", "exec"), found)  # noqa: S102 - our own document
    yield found
    for one in made:
        one.close()


def test_function_of_the_guide_answers(names: dict[str, Any]) -> None:
    assert names["handle"]({}, None) == 0
    assert names["orders"] == 0
    assert names["sold"] is None


def test_pool_of_the_guide_needs_no_aurora_dsql(names: dict[str, Any]) -> None:
    with names["local"].connection() as connection:
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)


def test_order_that_is_sent_again_is_stored_once(names: dict[str, Any], pair: PairOfEndpoints) -> None:
    id, [stock] = uuid.uuid4(), pair.ask("SELECT quantity FROM stock")
    assert names["accept"](id, "apple", 3)
    assert not names["accept"](id, "apple", 3)
    with pytest.raises(ValueError, match="exists with other contents"):
        names["accept"](id, "apple", 4)
    assert pair.ask("SELECT quantity FROM stock") == [stock - 3]


def test_order_whose_commit_was_not_answered_is_stored_once(
    names: dict[str, Any], pair: PairOfEndpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, [stock] = uuid.uuid4(), pair.ask("SELECT quantity FROM stock")
    send_commit, lost = GuardedConnection.send_commit, list[str]()

    def loses_one_answer(self: GuardedConnection) -> str:
        answer = send_commit(self)
        if not lost:
            lost.append(answer)
            self.pgconn.finish()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return answer

    monkeypatch.setattr(GuardedConnection, "send_commit", loses_one_answer)
    assert not names["accept"](id, "apple", 3), "the first attempt had stored it"
    assert lost
    assert pair.ask("SELECT id FROM orders") == [id]
    assert pair.ask("SELECT quantity FROM stock") == [stock - 3]


def test_hook_of_the_guide_makes_metrics_of_events(names: dict[str, Any]) -> None:
    names["failovers"], names["retries"] = MagicMock(), MagicMock()
    of: dict[str, str | float] = {"cloud.region": EAST}
    events: list[tuple[str, dict[str, str | float]]] = [
        (_events.CONNECTION_CREATED, of | {"server.address": HOSTS[EAST], "seconds": 0.1}),
        (_events.CIRCUIT, of | {"state": "open", "error.message": "refused"}),
        (_events.FAILOVER, {"from": EAST, "to": WEST}),
        (_events.RETRIES, of | {"reason": "conflict", "attempt": 7}),
        (_events.EVACUATED, of),
        (_events.EVACUATION_UNREADABLE, of | {"error.type": "AccessDeniedException", "error.message": "no"}),
    ]
    for name, attributes in events:
        names["on_event"](dsql_dr_client.Event(name, attributes))
    names["connect_time"].record.assert_called_once_with(0.1, of)
    names["healthy"].set.assert_called_once_with(0, of)
    names["failovers"].add.assert_called_once_with(1, {"from": EAST, "to": WEST})
    names["retries"].add.assert_called_once_with(1, of | {"reason": "conflict"})
