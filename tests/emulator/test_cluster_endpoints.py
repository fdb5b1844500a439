"""The endpoints with a database: who is accepted, and with which SQL. A real driver, a real PostgreSQL."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from dsql_dr_constructs.emulator import AwsEmulator, Fault
from dsql_dr_constructs.emulator.credentials import Credentials
from dsql_dr_constructs.emulator.role_statements import translated
from tests.emulator import processes
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
    aws: AwsEmulator
    endpoint: str
    database: str = ""

    def says(self, *statements: str, **token: str) -> str:
        user = token.get("user", "admin")
        action = token.get("action", "DbConnectAdmin" if user == "admin" else "DbConnect")
        signed_for, age = token.get("signed_for", self.endpoint), token.get("age", "0")
        arguments = [self.endpoint, signed_for, user, action, age, *statements]
        environment = self.aws.environment() | self.aws.endpoint_variables()
        if "role_arn" in token:
            environment |= self.aws._credentials.of_role(token["role_arn"]).variables()  # as a function has them
        if token.get("by") == "stranger":
            environment |= Credentials.random().variables()
        command = [sys.executable, "-c", CONNECT, *arguments]
        done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        return done.stdout if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with tempfile.TemporaryDirectory() as folder:
        database = Postgresql(Path(folder), auth="trust")
        with AwsEmulator(regions=["us-east-1"], postgresql=database.unix_socket) as aws:
            yield Client(aws, new_endpoint(aws), database.unix_socket)
        database.stop()


def new_endpoint(aws: AwsEmulator) -> str:
    dsql = aws.client("dsql", "us-east-1")
    made = dsql.create_cluster()
    dsql.get_waiter("cluster_active").wait(identifier=made["identifier"])
    return f"{made['identifier']}.dsql.us-east-1.on.aws"


def test_sql_is_answered_with_a_token(client: Client) -> None:
    assert client.says("SELECT 6 * 7", "SELECT current_user") == "42\nadmin\n"


def test_next_emulator_uses_the_same_postgresql_with_its_tables(client: Client) -> None:
    client.says("CREATE TABLE kept (id uuid PRIMARY KEY)")
    with AwsEmulator(regions=["us-east-1"], postgresql=client.database) as aws:
        assert Client(aws, new_endpoint(aws)).says("SELECT count(*) FROM kept") == "0\n"


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"signed_for": "another.dsql.us-east-1.on.aws"}, "The token is for another.dsql.us-east-1.on.aws."),
        ({"by": "stranger"}, "The token is not signed with credentials of this local AWS emulator."),
        ({"user": "admin", "action": "DbConnect"}, "Wrong user to action mapping. user: admin, action: DbConnect"),
        ({"user": "orders", "action": "DbConnectAdmin"}, "Wrong user to action mapping. user: orders"),
        ({"age": "2.1"}, "Signature expired"),
        ({"user": "nobody"}, "is not mapped to the database role nobody, or that role does not exist"),
        ({"user": "postgres"}, "is not mapped to the database role postgres, or that role does not exist"),
    ],
)
def test_token_for_something_else_is_refused(client: Client, wrong: dict[str, str], hint: str) -> None:
    said = client.says("SELECT 1", **wrong)
    assert "FATAL:  unable to accept connection, access denied" in said
    assert hint in said


def test_role_has_what_it_was_granted(client: Client) -> None:
    client.says("CREATE TABLE stock (id uuid PRIMARY KEY)", "CREATE ROLE clerk WITH LOGIN", "CREATE ROLE manager LOGIN")
    assert "permission denied for table stock" in client.says("SELECT count(*) FROM stock", user="clerk")
    assert client.says("GRANT SELECT ON stock TO clerk") == "GRANT\n"
    assert client.says("SELECT count(*) FROM stock", "SELECT current_user", user="clerk") == "0\nclerk\n"
    assert "permission denied for table stock" in client.says("DELETE FROM stock", user="clerk")
    assert "permission denied for schema public" in client.says("CREATE TABLE own (id uuid)", user="clerk")
    assert "permission denied" in client.says("AWS IAM GRANT manager TO 'arn:aws:iam::1:role/a'", user="clerk")


def test_roles_are_mapped_to_iam_roles(client: Client) -> None:
    mappings = (
        "SELECT string_agg(arn || ' ' || pg_role_name || ' ' || grantor_pg_role_name, ', ' ORDER BY arn) "
        "FROM sys.iam_pg_role_mappings WHERE arn LIKE 'arn:aws:iam::2:%'"
    )
    client.says("CREATE ROLE seller WITH LOGIN", 'CREATE ROLE "Night ""shift" WITH LOGIN')
    client.says("AWS IAM GRANT seller TO 'arn:aws:iam::2:role/b'")
    client.says('aws iam grant "Night ""shift" to \'arn:aws:iam::2:role/c\';')
    assert client.says(mappings) == 'arn:aws:iam::2:role/b seller admin, arn:aws:iam::2:role/c Night "shift admin\n'
    client.says("AWS IAM REVOKE seller FROM 'arn:aws:iam::2:role/b'")
    assert client.says(mappings) == 'arn:aws:iam::2:role/c Night "shift admin\n'
    assert 'role "stranger" does not exist' in client.says("AWS IAM GRANT stranger TO 'arn:aws:iam::2:role/b'")
    assert "syntax error" in client.says("AWS IAM GRANT seller FROM 'arn:aws:iam::2:role/b'")


def test_mapping_that_would_not_change_anything_is_refused(client: Client) -> None:
    arn = "'arn:aws:iam::1:role/twice'"
    client.says("CREATE ROLE driver WITH LOGIN", "CREATE ROLE guild")
    assert "driver is not granted to arn" in client.says(f"AWS IAM REVOKE driver FROM {arn}")
    assert "guild must have LOGIN" in client.says(f"AWS IAM GRANT guild TO {arn}")
    assert "already" not in client.says(f"AWS IAM GRANT driver TO {arn}")
    assert "driver is already granted to arn" in client.says(f"AWS IAM GRANT driver TO {arn}")


def test_mapped_role_is_not_dropped(client: Client) -> None:
    arn = "'arn:aws:iam::1:role/kept'"
    client.says("CREATE ROLE cook WITH LOGIN", f"AWS IAM GRANT cook TO {arn}")
    assert 'role "cook" cannot be dropped because some objects depend on it' in client.says("DROP ROLE cook")
    assert client.says(f"AWS IAM REVOKE cook FROM {arn}", "DROP ROLE cook").endswith("DROP ROLE\n")


@pytest.mark.parametrize(
    ("statement", "refused"),
    [
        ("GRANT USAGE ON SCHEMA public TO guard", "feature not supported on system entity"),
        ('revoke usage on schema "public" from guard', "feature not supported on system entity"),
        ("GRANT CONNECT ON DATABASE postgres TO guard", "unsupported object type in GRANT"),
        ("DROP OWNED BY guard", "DROP OWNED is not supported"),
    ],
)
def test_what_dsql_does_not_grant_is_refused(client: Client, statement: str, refused: str) -> None:
    client.says("CREATE ROLE guard WITH LOGIN")
    assert refused in client.says(statement)


@pytest.mark.parametrize("first", ["GRANT admin TO guide", "AWS IAM GRANT guide TO 'arn:aws:iam::1:role/guide'"])
def test_grants_are_one_in_a_transaction(client: Client, first: str) -> None:
    client.says("CREATE ROLE guide WITH LOGIN", "CREATE ROLE other", "CREATE TABLE guided (id uuid PRIMARY KEY)")
    second = "GRANT SELECT ON guided TO guide"
    assert "only one DDL statement can be run in a transaction" in client.says("BEGIN", second, second)
    assert "only one DDL statement can be run in a transaction" in client.says("BEGIN", second, first)


def test_function_needs_a_permission_and_a_mapping(client: Client) -> None:
    iam = client.aws.client("iam", "us-east-1")
    role = iam.create_role(RoleName="porter", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client.says("CREATE ROLE porter WITH LOGIN")
    assert "is not authorized to perform: dsql:DbConnect" in client.says("SELECT 1", user="porter", role_arn=role)
    allowed = {"Effect": "Allow", "Action": "dsql:DbConnect", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="porter", PolicyName="connect", PolicyDocument=document)
    assert f"{role} is not mapped to the database role porter" in client.says("SELECT 1", user="porter", role_arn=role)
    client.says(f"AWS IAM GRANT porter TO '{role}'")
    assert client.says("SELECT current_user", user="porter", role_arn=role) == "porter\n"
    assert "dsql:DbConnectAdmin" in client.says("SELECT 1", role_arn=role)


@pytest.mark.parametrize("user", ["admin", "postgres"])
@pytest.mark.parametrize("tls", ["disable", "require"])
def test_no_listener_accepts_anybody_without_a_token(client: Client, user: str, tls: str) -> None:
    assert client.aws._server.process
    found = {port for _, port in processes.listening(client.aws._server.process.pid)}
    endpoints = int(client.aws.endpoint_variables()["PGPORT"])
    assert found == {urlsplit(client.aws.endpoint).port, endpoints}
    options = f"user={user} password=none dbname=postgres sslmode={tls} connect_timeout=5"
    for port in found:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"host=127.0.0.1 port={port} {options}")


def test_sql_behind_the_endpoints_is_in_the_runs_own_folder_and_for_no_superuser(
    client: Client, tmp_path: Path
) -> None:
    assert stat.S_IMODE(client.aws.directory.stat().st_mode) == 0o700
    (tmp_path / ".s.PGSQL.5432").symlink_to(client.aws.directory / "sql")

    def who(user: str) -> object:
        with psycopg.connect(
            host=str(tmp_path), port=5432, user=user, dbname="postgres", autocommit=True
        ) as connection:
            return connection.execute("SELECT current_user").fetchone()

    assert who("admin") == ("admin",)
    for user in ("postgres", "nobody-at-all"):
        with pytest.raises(psycopg.OperationalError, match="closed the connection"):
            who(user)


def test_iam_statements_are_understood_when_they_are_prepared() -> None:
    parse = b"statement\0AWS IAM REVOKE seller FROM 'arn:aws:iam::1:role/b'\0\0\0"
    assert translated(parse).startswith(b"statement\0CALL sys.iam_revoke('seller', 'arn:aws:iam::1:role/b')")
    assert translated(parse).endswith(b"\0\0\0")
    literal = b"SELECT 'AWS IAM GRANT a TO b'\0"
    assert translated(literal) == literal


def test_sql_is_dsqls_subset(client: Client) -> None:
    assert "CREATE TABLE" in client.says("CREATE TABLE t (id uuid PRIMARY KEY)")
    assert "not supported" in client.says("CREATE TEMPORARY TABLE u (id uuid)")
    assert "not supported" in client.says("TRUNCATE t")
    assert "only one DDL statement can be run in a transaction" in client.says(
        "BEGIN", "CREATE TABLE v (id uuid PRIMARY KEY)", "CREATE TABLE w (id uuid PRIMARY KEY)"
    )


def test_login_to_one_cluster_fails_after_its_token_was_checked(client: Client) -> None:
    identifier = client.endpoint.partition(".")[0]
    for cluster, says in ((identifier, "no login here"), ("another", "1")):
        client.aws.inject(Fault("login", service="postgresql", call="Login", cluster=cluster, message="no login here"))
        assert says in client.says("SELECT 1")
    client.aws.clear_faults("login")


def test_open_connection_breaks_when_its_endpoint_stops(client: Client) -> None:
    client.aws.inject(Fault("stopped", "error", service="postgresql", call="Query"))
    try:
        assert "unexpected eof" in client.says("SELECT 1")
    finally:
        client.aws.clear_faults("stopped")
    assert client.says("SELECT 1") == "1\n"


def test_without_a_database_an_endpoint_says_so() -> None:
    with AwsEmulator(regions=["us-east-1"]) as aws:
        made = aws.client("dsql", "us-east-1").create_cluster()
        aws.client("dsql", "us-east-1").get_waiter("cluster_active").wait(identifier=made["identifier"])
        said = Client(aws, f"{made['identifier']}.dsql.us-east-1.on.aws").says("SELECT 1")
        assert "no database is behind this endpoint: give AwsEmulator its argument postgresql" in said
