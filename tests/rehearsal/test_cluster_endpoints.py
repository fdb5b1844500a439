"""The endpoints with a database: who is let in, and which SQL there is. A real driver, a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dsql_dr_constructs.rehearsal import EmbeddedAws, Fault
from tests.postgresql import Postgresql

CONNECT = """
import sys, time
import boto3, psycopg
host, signed_for, user, action, age, *statements = sys.argv[1:]
sign = boto3.client("dsql", region_name="us-east-1")
kind = "generate_db_connect_admin_auth_token" if action == "DbConnectAdmin" else "generate_db_connect_auth_token"
token = getattr(sign, kind)(signed_for, "us-east-1", 1 if float(age) else 600)
time.sleep(float(age))
tls = {"sslmode": "verify-full", "sslrootcert": "system"}
with psycopg.connect(host=host, user=user, password=token, dbname="postgres", autocommit=True, **tls) as connection:
    for statement in statements:
        cursor = connection.execute(statement)
        print(cursor.fetchone()[0] if cursor.description else cursor.statusmessage)
"""


@dataclass
class Client:
    aws: EmbeddedAws
    endpoint: str

    def says(self, *statements: str, **token: str) -> str:
        user = token.get("user", "admin")
        action = token.get("action", "DbConnectAdmin" if user == "admin" else "DbConnect")
        signed_for, age = token.get("signed_for", self.endpoint), token.get("age", "0")
        arguments = [self.endpoint, signed_for, user, action, age, *statements]
        environment = self.aws.environment() | self.aws.endpoint_variables()
        command = [sys.executable, "-c", CONNECT, *arguments]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust")
        with EmbeddedAws(regions=["us-east-1"], postgresql=f"127.0.0.1:{database.port}") as aws:
            dsql = aws.client("dsql", "us-east-1")
            made = dsql.create_cluster()
            dsql.get_waiter("cluster_active").wait(identifier=made["identifier"])
            yield Client(aws, f"{made['identifier']}.dsql.us-east-1.on.aws")
        database.stop()


def test_sql_is_spoken_to_who_has_a_token(client: Client) -> None:
    assert client.says("SELECT 6 * 7") == "42\n"
    assert client.says("SELECT 1", user="orders") == "1\n"


@pytest.mark.parametrize(
    "wrong",
    [
        {"signed_for": "another.dsql.us-east-1.on.aws"},
        {"user": "admin", "action": "DbConnect"},
        {"user": "orders", "action": "DbConnectAdmin"},
    ],
)
def test_token_for_something_else_is_refused(client: Client, wrong: dict[str, str]) -> None:
    assert "unable to accept connection, access denied" in client.says("SELECT 1", **wrong)


def test_token_that_is_too_old_is_refused(client: Client) -> None:
    assert "access denied: the token is too old" in client.says("SELECT 1", age="2.1")


def test_sql_is_dsqls_subset(client: Client) -> None:
    assert "CREATE TABLE" in client.says("CREATE TABLE t (id uuid PRIMARY KEY)")
    assert "not supported" in client.says("CREATE TEMPORARY TABLE u (id uuid)")
    assert "not supported" in client.says("TRUNCATE t")
    assert "only one DDL statement can be run in a transaction" in client.says(
        "BEGIN", "CREATE TABLE v (id uuid PRIMARY KEY)", "CREATE TABLE w (id uuid PRIMARY KEY)"
    )


def test_open_connection_breaks_when_its_endpoint_stops(client: Client) -> None:
    client.aws.inject(Fault("stopped", "error", service="postgresql", call="Query"))
    try:
        assert "unexpected eof" in client.says("SELECT 1")
    finally:
        client.aws.clear_faults("stopped")
    assert client.says("SELECT 1") == "1\n"


def test_without_a_database_an_endpoint_says_so() -> None:
    with EmbeddedAws(regions=["us-east-1"]) as aws:
        made = aws.client("dsql", "us-east-1").create_cluster()
        aws.client("dsql", "us-east-1").get_waiter("cluster_active").wait(identifier=made["identifier"])
        said = Client(aws, f"{made['identifier']}.dsql.us-east-1.on.aws").says("SELECT 1")
        assert "no database is behind this endpoint: give EmbeddedAws one" in said
