"""A pair on the emulator, as the function and its users see it."""
# ruff: noqa: S608 - the names in its SQL are the tests' own

from __future__ import annotations

import json
import random
import re
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import boto3
import psycopg

from dsql_dr_constructs.emulator import AwsEmulator
from dsql_dr_constructs.runtime.database_role.role_change import RoleChange
from dsql_dr_constructs.runtime.database_role.role_repair import RoleRepair
from dsql_dr_constructs.runtime.database_role.serving_endpoint import Cluster, ServingEndpoint
from dsql_dr_constructs.runtime.database_session import DatabaseSession, SqlError, login_token
from dsql_dr_constructs.runtime.full_jitter import Surroundings
from tests.postgresql import Postgresql

REGIONS = ["us-east-1", "us-west-2"]
PRINCIPAL = "arn:aws:iam::111122223333:role/orders"

Properties = dict[str, Any]


def access(kind: str, schema: str = "public") -> dict[str, str]:
    return {"Access": kind, "Schema": schema}


def statements(*texts: str | tuple[str, str]) -> dict[str, list[dict[str, str]]]:
    """SQL, or SQL and what takes it back."""
    pairs = [(one, "") if isinstance(one, str) else one for one in texts]
    return {"Statements": [{"Sql": sql, "Undo": undo} for sql, undo in pairs]}


def event(kind: str, properties: Mapping[str, Any], *, stack: str = "one", old: Mapping[str, Any] | None = None) -> Any:
    """As CloudFormation sends it."""
    id = {"PhysicalResourceId": (old or properties)["Role"]} if kind != "Create" else {}
    return {
        "RequestType": kind,
        "StackId": f"arn:aws:cloudformation:us-east-1:111122223333:stack/{stack}/{stack}",
        "LogicalResourceId": "Role",
        "ResourceProperties": {"ServiceToken": "arn", **properties},
        **({"OldResourceProperties": {"ServiceToken": "arn", **old}} if old else {}),
        **id,
    }


def sessions(fails: Callable[[str], BaseException | None], *, after: bool = False) -> type[DatabaseSession]:
    """Sessions whose statements fail where *fails* has an error for them; *after* they are run, or instead."""

    class Session(DatabaseSession):
        def run(self, statement: str, **values: Any) -> list[list[Any]]:
            error = fails(statement)
            if error is None or after:
                rows = super().run(statement, **values)
            if error is not None:
                raise error
            return rows

    return Session


@dataclass
class EmulatedPair:
    aws: AwsEmulator
    postgresql: Postgresql
    tls: ssl.SSLContext
    clusters: list[Cluster] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Of AWS, as the function made them."""

    def __post_init__(self) -> None:
        for region in REGIONS:
            dsql = self.aws.client("dsql", region)
            made = dsql.create_cluster(deletionProtectionEnabled=False)
            dsql.get_waiter("cluster_active").wait(identifier=made["identifier"])
            self.clusters.append(Cluster(made["arn"], f"{made['identifier']}.dsql.{region}.on.aws"))

    def client(self, service: str, region: str) -> Any:
        client = self.aws.client(service, region)
        client.meta.events.register("before-call", lambda model, **_: self.calls.append(model.name))
        return client

    def change(
        self,
        kind: str,
        properties: Mapping[str, Any],
        *,
        seconds: float = 20,
        own: int = 0,
        stack: str = "one",
        old: Mapping[str, Any] | None = None,
        clusters: Sequence[Cluster] = (),
        sleep: Any = time.sleep,
        connect: Any = DatabaseSession,
    ) -> dict[str, Any]:
        """The function's answer, from its own Region's side."""
        known = list(clusters or self.clusters)
        endpoint = ServingEndpoint(
            [known[own], *known[:own], *known[own + 1 :]],
            self.client,
            self.tls,
            Surroundings(time.monotonic, lambda pause: sleep(min(pause, 0.02)), random.random),
            connect,
        )
        return RoleChange(event(kind, properties, stack=stack, old=old), endpoint=endpoint, seconds=seconds).run()

    def repair(self, forget: str | None = None) -> dict[str, Any]:
        """The function's answer to ``{"action": "repair"}``."""
        return RoleRepair(ServingEndpoint(self.clusters, self.client, self.tls), 20, forget=forget).run()

    def sql(self, *statements: str, user: str = "admin") -> list[tuple[Any, ...]]:
        """Straight in the database, which is how a test makes what was there before, and sees what is there after."""
        rows: list[tuple[Any, ...]] = []
        where: dict[str, Any] = {
            "host": str(self.postgresql.socket_folder),
            "port": self.postgresql.port,
            "dbname": "postgres",
        }
        with psycopg.connect(user=user, autocommit=True, **where) as connection:
            for statement in statements:
                cursor = connection.execute(statement.encode())
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def exists(self, role: str) -> bool:
        return self.sql(f"SELECT 1 FROM pg_roles WHERE rolname = '{role}'") != []

    def mappings(self, role: str) -> set[str]:
        return {arn for (arn,) in self.sql(f"SELECT arn FROM sys.iam_pg_role_mappings WHERE pg_role_name = '{role}'")}

    def map(self, role: str, arn: str) -> None:
        self.sql(f"CALL sys.iam_grant('{role}', '{arn}')")

    def askers(self, role: str) -> int:
        if self.sql("SELECT to_regclass('dsql_dr.database_roles')") == [(None,)]:
            return 0
        found = self.sql(f"SELECT state FROM dsql_dr.database_roles WHERE role = '{role}'")
        return len(json.loads(found[0][0])["askers"]) if found else 0

    def may(self, role: str, on: str) -> set[str]:
        """Privileges of *role* on a table or view, whatever they come from."""
        kinds = ("SELECT", "INSERT", "UPDATE", "DELETE")
        [row] = self.sql("SELECT " + ", ".join(f"has_table_privilege('{role}', '{on}', '{one}')" for one in kinds))
        return {kind for kind, has in zip(kinds, row, strict=True) if has}

    def iam_role(self, name: str) -> str:
        """An IAM role that may connect, and needs to be mapped."""
        iam = self.aws.client("iam", REGIONS[0])
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
        allowed = {"Effect": "Allow", "Action": "dsql:DbConnect", "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_role_policy(RoleName=name, PolicyName="connect", PolicyDocument=document)
        return arn

    def as_function(self, arn: str, role: str, *statements: str, side: int = 0) -> Any:
        """What a session of a function with the IAM role *arn* gets: the last statement's rows, or the error's text."""
        cluster = self.clusters[side]
        own = self.aws._credentials.of_role(arn)
        dsql = boto3.client(
            "dsql",
            region_name=cluster.region,
            aws_access_key_id=own.access_key,
            aws_secret_access_key=own.secret_key,
            aws_session_token=own.session_token,
        )
        token = login_token(dsql, cluster.endpoint, cluster.region, role)
        rows: list[list[Any]] = []
        try:
            with DatabaseSession(
                cluster.endpoint, role=role, token=token, tls=self.tls, time_left=lambda: 10.0
            ) as session:
                for statement in statements:
                    rows = session.run(statement)
        except SqlError as error:
            return str(error)
        return rows

    def log(self) -> str:
        return self.postgresql._log.read_text()

    def writes_since(self, log: str) -> list[str]:
        """Statements that PostgreSQL got since *log*, but for reads."""
        sent = re.findall(r"LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)", self.log()[len(log) :])
        assert sent
        return [one for one in map(str.strip, sent) if not re.match(r"SELECT|BEGIN|COMMIT|ROLLBACK", one)]
