"""Two endpoints of one database, each of which can fail, and pools that connect to them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from dsql_dr_client import FailoverPool
from tests.client.faulty_endpoint import FaultyEndpoint
from tests.postgresql import Postgresql

EAST, WEST = "us-east-1", "us-west-2"
HOSTS = {EAST: f"{'e' * 26}.dsql.us-east-1.on.aws", WEST: f"{'w' * 26}.dsql.us-west-2.on.aws"}

_TABLES = """
CREATE TABLE transfers (id uuid PRIMARY KEY, fault text NOT NULL, own text NOT NULL, region text NOT NULL);
CREATE TABLE totals (account integer PRIMARY KEY, transfers integer NOT NULL);
CREATE TABLE read_only (region text PRIMARY KEY);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF EXISTS (SELECT FROM read_only WHERE region = current_setting('application_name')) THEN
        RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION refuse();
"""


class PairOfEndpoints:
    """The endpoints *east* and *west* of one PostgreSQL, whose transactions conflict as those of DSQL do."""

    def __init__(self, database: Postgresql) -> None:
        self._database = database
        socket = f"{database.socket_folder}/.s.PGSQL.{database.port}"
        self.endpoints = {region: FaultyEndpoint(socket) for region in HOSTS}
        self.ask(_TABLES)

    def pool(self, region: str, **options: Any) -> FailoverPool:
        """A pool of an application in *region*, without TLS and tokens."""
        options.setdefault("connection_class", self.connection_class())
        return FailoverPool(HOSTS, region=region, user="postgres", **options)

    def connection_class(self, **east: str) -> type[psycopg.Connection[Any]]:
        """Where the endpoints are; *east* has host and port of something else in the place of that one."""
        where: dict[str, dict[str, Any]] = {
            HOSTS[region]: {"host": "127.0.0.1", "port": one.port} for region, one in self.endpoints.items()
        }
        where[HOSTS[EAST]].update(east)
        regions = {host: region for region, host in HOSTS.items()}

        class ToTheProxy(psycopg.Connection[Any]):
            @classmethod
            def connect(cls, conninfo: str = "", **given: Any) -> ToTheProxy:
                host = given.pop("host")
                given |= {"sslmode": "disable", "sslrootcert": None, "application_name": regions[host]}
                return super().connect(conninfo, **where[host], **given)

        return ToTheProxy

    def fail(self, region: str, mode: str) -> None:
        """*mode* of faulty_endpoint.py, or ``read-only``."""
        if mode == "read-only":
            self.ask("INSERT INTO read_only VALUES (%s)", region)
        else:
            self.endpoints[region].set(mode)

    def recover(self) -> None:
        for one in self.endpoints.values():
            one.set("healthy")
        self.ask("DELETE FROM read_only")

    def ask(self, statement: str, *values: object) -> list[Any]:
        """As the database itself has it."""
        where = {"host": str(self._database.socket_folder), "port": self._database.port, "user": "postgres"}
        with psycopg.connect(**where) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return [row[0] for row in cursor] if cursor.description else []

    def stop(self) -> None:
        for one in self.endpoints.values():
            one.stop()


@contextmanager
def pair_of_endpoints() -> Iterator[PairOfEndpoints]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {"default_transaction_isolation": "repeatable read", "fsync": "off", "max_connections": "300"}
        database = Postgresql(Path(folder), auth="trust", **settings)
        pair = PairOfEndpoints(database)
        yield pair
        pair.stop()
        database.stop()
