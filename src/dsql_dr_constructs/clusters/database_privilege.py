"""What a database role may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..arguments import check_fields, checked
from ..asked_once import unresolved
from ..runtime.postgresql import LONGEST_NAME, RESERVED_SCHEMAS


@dataclass(frozen=True, kw_only=True)
class DatabasePrivilege:
    """A privilege of a `DatabaseRole`: made by `read`, `read_write`, `owner` or `sql`.

        [DatabasePrivilege.read_write("orders"), DatabasePrivilege.read("audit")]

    A database has at most 10 schemas beside ``public``, of which this library uses one, ``dsql_dr``.

    Args:
        access: ``read``, ``read_write`` or ``owner``; empty for SQL of yours.
        schema: Name of the schema as it is stored, that is in lower case unless it was created with quotes.
        statement: SQL of yours.
        undo: SQL that takes *statement* back. Default: none.

    Raises:
        ValueError: *schema* is no name, or one in which nobody but ``admin`` can create.
    """

    access: str | None = None
    schema: str | None = None
    statement: str | None = None
    undo: str | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        of_a_schema = self.access in ("read", "read_write", "owner") and self.schema and not self.undo
        of_ones_own = self.statement and self.statement.strip() and not self.access
        if bool(of_a_schema) == bool(of_ones_own) or (self.schema and self.statement):
            raise ValueError(
                f"{self!r} is no privilege: use DatabasePrivilege.read, read_write, owner or sql, for example "
                "DatabasePrivilege.read_write('public')."
            )
        if self.schema:
            check_name("schema", self.schema, reserved=RESERVED_SCHEMAS)
        if self.access == "owner" and self.schema == "public":
            raise ValueError(
                "DatabasePrivilege.owner has the schema 'public', in which Aurora DSQL lets admin alone create "
                "objects: give a schema of its own, which is created if it does not exist."
            )

    @staticmethod
    @checked
    def read(schema: str = "public") -> DatabasePrivilege:
        """SELECT on all tables, views and sequences of *schema*, and on those that are created in it later.

        Args:
            schema: As a field. Default: public.
        """
        return DatabasePrivilege(access="read", schema=schema)

    @staticmethod
    @checked
    def read_write(schema: str = "public") -> DatabasePrivilege:
        """As `read`, and INSERT, UPDATE and DELETE on the tables, and USAGE on the sequences.

        Args:
            schema: As in `read`.
        """
        return DatabasePrivilege(access="read_write", schema=schema)

    @staticmethod
    @checked
    def owner(schema: str) -> DatabasePrivilege:
        """As `read_write`, and CREATE: the role may create tables in *schema*, and owns these.

        Args:
            schema: As a field; created if it does not exist. Not ``public``.

        Source: https://docs.aws.amazon.com/aurora-dsql/latest/userguide/using-database-and-iam-roles.html
        """
        return DatabasePrivilege(access="owner", schema=schema)

    @staticmethod
    @checked
    def sql(statement: str, *, undo: str | None = None) -> DatabasePrivilege:
        """SQL that ``admin`` runs, for what has no form here.

        Args:
            statement: One statement that can be repeated; it runs once for the role, in a transaction of its own, and
                again when the roles are repaired.
            undo: One statement that takes it back, when no stack asks for *statement* any more. It also takes back what
                was there before, so do not drop with it what is not yours. Default: none.
        """
        return DatabasePrivilege(statement=statement, undo=undo)


def as_properties(privileges: Sequence[DatabasePrivilege]) -> Mapping[str, object]:
    """As the function in runtime/database_role reads them."""
    return {
        "Privileges": [{"Access": one.access, "Schema": one.schema} for one in privileges if one.access],
        "Statements": [{"Sql": one.statement, "Undo": one.undo or ""} for one in privileges if one.statement],
    }


def check_name(what: str, name: str, *, reserved: Sequence[str]) -> None:
    """
    Raises:
        ValueError: PostgreSQL would shorten or refuse *name*, or it is *reserved*.
    """
    if unresolved(name):
        raise ValueError(f"{what} is a token, and its name is needed at synth: give a plain string.")
    if name in reserved or name.startswith("pg_") or "\0" in name or not 0 < len(name.encode()) <= LONGEST_NAME:
        raise ValueError(
            f"{what} is {name!r}: 1 to {LONGEST_NAME} bytes are allowed, and none of the names that are taken: "
            f"{', '.join(reserved)}, and what begins with pg_."
        )
