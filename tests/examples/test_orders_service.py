"""The service on the embedded AWS, with a real PostgreSQL behind both endpoints and one of them stopped under load."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typing_extensions import LiteralString

from dsql_dr_constructs.rehearsal import EmbeddedAws, Fault, survey
from dsql_dr_constructs.rehearsal.cdk_cli import CdkCli
from tests.examples.conftest import Installed
from tests.postgresql import Postgresql

REGIONS = ["us-east-1", "us-west-2"]
ORDERS = 2_000
CLIENTS = 4


@pytest.fixture
def database() -> Iterator[Postgresql]:
    with tempfile.TemporaryDirectory() as folder:
        one = Postgresql(Path(folder), auth="trust", default_transaction_isolation="repeatable read")
        yield one
        one.stop()


@dataclass
class Shop:
    """Sends orders as clients of both Regions do."""

    aws: EmbeddedAws
    functions: dict[str, str]

    def __post_init__(self) -> None:
        self._clients = {region: self.aws.client("lambda", region) for region in REGIONS}

    def call(self, region: str, method: str, id: uuid.UUID, body: dict[str, Any] | None = None) -> dict[str, Any]:
        event = {
            "version": "2.0",
            "rawPath": f"/{id}",
            "requestContext": {"http": {"method": method}},
            "body": json.dumps(body),
        }
        answer = self._clients[region].invoke(FunctionName=self.functions[region], Payload=json.dumps(event).encode())
        said: dict[str, Any] = json.load(answer["Payload"])
        assert "FunctionError" not in answer, said
        return {"status": said["statusCode"], **json.loads(said.get("body") or "{}")}

    def order(self, number: int) -> tuple[uuid.UUID, str]:
        """Until it is accepted, with the same id; the endpoint that took it."""
        id = uuid.UUID(int=number)
        if number == ORDERS // 2:  # the other clients are in the middle of theirs
            self.aws.inject(Fault("stopped", "error", service="postgresql", region="us-east-1"))
        for attempt in range(20):
            said = self.call(REGIONS[(number + attempt) % 2], "PUT", id, {"item": "apple", "quantity": 1})
            if said["status"] in (200, 201):
                return id, said["endpoint"]
            assert said["status"] == 503, said
        raise AssertionError(f"order {number} was never accepted")


def test_no_order_is_lost_or_doubled_when_an_endpoint_stops_under_load(
    installed: Installed, database: Postgresql
) -> None:
    example = installed("orders_service")
    with EmbeddedAws(regions=REGIONS, postgresql=f"127.0.0.1:{database.port}") as aws:
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy()
        endpoints = {one["region"]: one["endpoint"] for one in survey.clusters(aws)}
        example.run("schema.py", endpoints["us-east-1"], environment=aws.environment() | aws.endpoint_variables())
        shop = Shop(aws, {region: function_name(aws, region) for region in REGIONS})
        for region in REGIONS:
            first = uuid.uuid4()
            said = shop.call(region, "PUT", first, {"item": "plum", "quantity": 2})
            assert (said["status"], said["endpoint"]) == (201, endpoints[region]), "its own Region comes first"
            assert shop.call(region, "PUT", first, {"item": "plum", "quantity": 2})["status"] == 200
            assert shop.call(region, "PUT", first, {"item": "plum", "quantity": 3})["status"] == 409
            assert shop.call(region, "GET", first)["quantity"] == 2

        with ThreadPoolExecutor(CLIENTS) as clients:
            accepted = list(clients.map(shop.order, range(ORDERS)))
        by = [endpoint for _, endpoint in accepted]
        assert set(by[: ORDERS // 2 - CLIENTS]) == set(endpoints.values())
        assert set(by[ORDERS // 2 + CLIENTS :]) == {endpoints["us-west-2"]}
        assert sorted(id for id, _ in accepted) == stored(database, "SELECT id FROM orders WHERE item = 'apple'")
        assert stored(database, "SELECT quantity FROM sold WHERE item = 'apple'") == [ORDERS], "doubled or lost"
        aws.clear_faults()
        cli.destroy()
        assert list(survey.leftovers(aws)) == ["AWS::DSQL::Cluster"], "data stays unless it was asked for twice"


def function_name(aws: EmbeddedAws, region: str) -> str:
    resources = aws.client("cloudformation", region).describe_stack_resources(StackName=f"Orders-{region}")
    [name] = [
        one["PhysicalResourceId"]
        for one in resources["StackResources"]
        if one["ResourceType"] == "AWS::Lambda::Function"
    ]
    return str(name)


def stored(database: Postgresql, query: LiteralString) -> list[Any]:
    """As the database itself has it, in order."""
    with psycopg.connect(host="127.0.0.1", port=database.port, user="postgres") as connection:
        return sorted(row[0] for row in connection.execute(query))
