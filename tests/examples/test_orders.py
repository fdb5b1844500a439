"""What the service answers, by its URL and by the API; what it does under load is in test_orders_service.py."""

from __future__ import annotations

import base64
import importlib
import json
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest

import dsql_dr_client

SERVICE = Path(__file__).parents[2] / "examples" / "orders_service" / "service"
ENDPOINT = f"{'o' * 26}.dsql.us-east-1.on.aws"
ID = uuid.UUID(int=1)
APPLE = {"item": "apple", "quantity": 1}


class Connection:
    """Of a database with one table, in which nobody else is at work."""

    def __init__(self) -> None:
        self.orders: dict[uuid.UUID, tuple[Any, ...]] = {}
        self.sold = 0
        self.info = type("Info", (), {"host": ENDPOINT})

    def execute(self, statement: str, values: tuple[Any, ...]) -> Any:
        found: dict[str, Any] = {"rowcount": 1}
        if statement.startswith("INSERT"):
            found = {"rowcount": int(values[0] not in self.orders)}
            self.orders.setdefault(values[0], values)
        elif statement.startswith("UPDATE"):
            self.sold += values[0]
        else:
            found = {"fetchone": lambda: self.orders.get(values[0])}
        return type("Cursor", (), {"__getattr__": lambda _, name: found[name]})()


class Pool:
    """In place of the client's pool; *outcomes* of its next transactions are raised after they have run."""

    made: list[dict[str, Any]]
    outcomes: list[Exception]
    database: Connection

    def __init__(self, **options: Any) -> None:
        self.made.append(options)

    def run_transaction(self, work: Callable[[Connection], Any], **options: Any) -> Any:
        assert options == {"idempotent": True}, "so that the client runs it again after an unknown outcome"
        result = work(self.database)
        if self.outcomes:
            raise self.outcomes.pop()
        return result


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> type[Pool]:
    Pool.made, Pool.outcomes, Pool.database = [], [], Connection()
    return Pool


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, pool: type[Pool]) -> Iterator[ModuleType]:
    monkeypatch.setattr(dsql_dr_client, "FailoverPool", pool)
    monkeypatch.setenv("DEPLOYMENT", "OrdersDb-production")
    monkeypatch.syspath_prepend(str(SERVICE))
    yield importlib.import_module("handler")
    for name in ("handler", "orders"):
        sys.modules.pop(name, None)


def of_the_url(method: str, path: str, body: str | None = None) -> dict[str, Any]:
    """As curl's body comes, which does not call it JSON."""
    encoded = base64.b64encode(body.encode()).decode() if body else None
    http = {"method": method, "path": path}
    return {"version": "2.0", "requestContext": {"http": http}, "body": encoded, "isBase64Encoded": True}


def of_the_api(method: str, path: str, body: str | None = None) -> dict[str, Any]:
    context = {"httpMethod": method, "path": path, "stage": "prod"}
    return {"httpMethod": method, "path": path, "requestContext": context, "body": body, "isBase64Encoded": False}


Event = Callable[..., dict[str, Any]]
both = pytest.mark.parametrize("event", [of_the_url, of_the_api])


@both
def test_order_is_stored_once_however_often_it_is_sent(handler: ModuleType, pool: type[Pool], event: Event) -> None:
    sent = event("PUT", f"/{ID}", json.dumps(APPLE))
    answers = [handler.handle(sent, None) for _ in range(3)]
    assert [one["statusCode"] for one in answers] == [201, 200, 200]
    assert json.loads(answers[0]["body"]) == {"id": str(ID), **APPLE, "endpoint": ENDPOINT}
    assert pool.database.sold == 1
    shown = handler.handle(event("GET", f"/{ID}"), None)
    assert (shown["statusCode"], json.loads(shown["body"])["item"]) == (200, "apple")


@both
def test_id_of_an_order_with_other_contents_is_refused(handler: ModuleType, pool: type[Pool], event: Event) -> None:
    handler.handle(event("PUT", f"/{ID}", json.dumps(APPLE)), None)
    refused = handler.handle(event("PUT", f"/{ID}", json.dumps({**APPLE, "quantity": 2})), None)
    assert (refused["statusCode"], pool.database.sold) == (409, 1)


@both
@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/{ID}", None, 404),
        ("GET", "/", None, 400),
        ("GET", "/health", None, 400),
        ("PUT", f"/{ID}", "{}", 400),
        ("PUT", f"/{ID}", "apple", 400),
        ("PUT", f"/{ID}", None, 400),
    ],
)
def test_what_is_not_there_or_not_understood(
    handler: ModuleType, event: Event, method: str, path: str, body: str | None, status: int
) -> None:
    assert handler.handle(event(method, path, body), None)["statusCode"] == status


@pytest.mark.parametrize(
    "problem",
    [
        dsql_dr_client.AllEndpointsFailed({"us-east-1": "connection refused"}, 10),
        dsql_dr_client.CommitUnknown(3, "us-east-1"),
        dsql_dr_client.ConflictBudgetExceeded(3, "us-east-1"),
        psycopg.OperationalError("server closed the connection unexpectedly"),
    ],
)
def test_order_that_nobody_took_in_time_is_to_be_sent_again(
    handler: ModuleType, pool: type[Pool], problem: Exception
) -> None:
    pool.outcomes = [problem]
    sent = of_the_url("PUT", f"/{ID}", json.dumps(APPLE))
    assert handler.handle(sent, None)["statusCode"] == 503
    assert handler.handle(sent, None)["statusCode"] == 200, "it had been stored"
    assert pool.database.sold == 1


def test_function_has_one_connection_and_reads_the_endpoints_of_its_deployment(
    handler: ModuleType, pool: type[Pool]
) -> None:
    assert pool.made == [{"deployment": "OrdersDb-production", "user": "orders", "max_size": 1}]
