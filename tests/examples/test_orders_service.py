"""The service on the local AWS emulator, with a PostgreSQL behind both endpoints and one of them stopped under load."""

from __future__ import annotations

import json
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from typing_extensions import LiteralString

from dsql_dr_constructs.cli import survey
from dsql_dr_constructs.cli.cdk_cli import CdkCli
from dsql_dr_constructs.emulator import AwsEmulator, Fault
from tests.examples.conftest import Installed
from tests.postgresql import Postgresql

REGIONS = ["us-east-1", "us-west-2"]
CONTENT_TYPES = dict(zip(REGIONS, ("application/json", "application/x-www-form-urlencoded"), strict=True))  # curl's
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
    """Sends orders to the functions' URLs as clients of both Regions do."""

    aws: AwsEmulator
    urls: dict[str, str]
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set once an endpoint is."""

    def call(self, region: str, method: str, id: uuid.UUID, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"content-type": CONTENT_TYPES[region]}
        host, url_id = urlsplit(self.aws.endpoint).netloc, urlsplit(self.urls[region]).netloc.partition(".")[0]
        path = f"/_aws/lambda-url/{url_id}/{id}"  # where the emulator has the function of that URL
        data = json.dumps(body) if body else ""
        request = AWSRequest(method, f"http://{host}{path}", data=data, headers=headers)
        variables = self.aws.variables()
        own = Credentials(*(variables[f"AWS_{one}"] for one in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")))
        SigV4Auth(own, "lambda", region).add_auth(request)
        with closing(HTTPConnection(host)) as connection:
            connection.request(method, path, request.data, dict(request.headers))
            answer = connection.getresponse()
            return {"status": answer.status, **json.loads(answer.read() or "{}")}

    def order(self, number: int) -> tuple[uuid.UUID, str, bool]:
        """Until it is accepted, with the same id; the endpoint that took it, and whether one was stopped before."""
        id = uuid.UUID(int=number)
        if number == ORDERS // 2:  # the other clients are in the middle of theirs
            self.aws.inject(Fault("stopped", "error", service="postgresql", region="us-east-1"))
            self.stopped.set()
        after = self.stopped.is_set()
        for attempt in range(20):
            said = self.call(REGIONS[(number + attempt) % 2], "PUT", id, {"item": "apple", "quantity": 1})
            if said["status"] in (200, 201):
                return id, said["endpoint"], after
            assert said["status"] == 503, said
        raise AssertionError(f"order {number} was never accepted")


def test_no_order_is_lost_or_doubled_when_an_endpoint_stops_under_load(
    installed: Installed, database: Postgresql
) -> None:
    example = installed("orders_service")
    with AwsEmulator(regions=REGIONS, postgresql=database.unix_socket) as aws:
        cli = CdkCli(aws, example.folder, app=example.app)
        cli.bootstrap()
        cli.deploy()
        endpoints = {one["region"]: one["endpoint"] for one in survey.clusters(aws)}
        found = {region: outputs(aws, region) for region in REGIONS}
        shop = Shop(aws, {region: found[region]["Url"] for region in REGIONS})
        for region in REGIONS:  # the second run finds what the first one made
            environment = aws.environment() | aws.endpoint_variables()
            example.run("schema.py", endpoints[region], environment=environment)
        for region in REGIONS:
            first = uuid.uuid4()
            said = shop.call(region, "PUT", first, {"item": "plum", "quantity": 2})
            assert (said["status"], said["endpoint"]) == (201, endpoints[region]), "its own Region comes first"
            assert shop.call(region, "PUT", first, {"item": "plum", "quantity": 2})["status"] == 200
            assert shop.call(region, "PUT", first, {"item": "plum", "quantity": 3})["status"] == 409
            assert shop.call(region, "GET", first)["quantity"] == 2

        with ThreadPoolExecutor(CLIENTS) as clients:
            accepted = list(clients.map(shop.order, range(ORDERS)))
        assert {endpoint for _, endpoint, _ in accepted[: ORDERS // 2 - CLIENTS]} == set(endpoints.values())
        late = [endpoint for _, endpoint, after in accepted if after]
        assert set(late) == {endpoints["us-west-2"]}
        assert len(late) > ORDERS // 3
        assert sorted(id for id, _, _ in accepted) == stored(database, "SELECT id FROM orders WHERE item = 'apple'")
        assert stored(database, "SELECT quantity FROM sold WHERE item = 'apple'") == [ORDERS], "doubled or lost"
        aws.clear_faults()
        cli.destroy()
        data = {"AWS::DSQL::Cluster", "AWS::Backup::BackupVault", "AWS::KMS::Key", "AWS::IAM::Role"}
        assert set(survey.leftovers(aws)) == data, "data stays by default, and what keeps it"


def outputs(aws: AwsEmulator, region: str) -> dict[str, str]:
    [stack] = aws.client("cloudformation", region).describe_stacks(StackName=f"Orders-{region}")["Stacks"]
    return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}


def stored(database: Postgresql, query: LiteralString) -> list[Any]:
    """As the database itself has it, in order."""
    with psycopg.connect(host=str(database.socket_folder), port=database.port, user="postgres") as connection:
        return sorted(row[0] for row in connection.execute(query))
