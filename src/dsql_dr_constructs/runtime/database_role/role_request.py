"""What a stack asks for, as CloudFormation sends it; checked here too, since others may invoke the function."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..postgresql import LONGEST_NAME, RESERVED_ROLES, RESERVED_SCHEMAS, ROLE_ARN

READ, READ_WRITE, OWNER = "read", "read_write", "owner"


class RoleError(Exception):
    """The change cannot succeed; the text is the sentence for whoever deploys."""


@dataclass(frozen=True, order=True)
class SchemaAccess:
    """*access* to all in *schema*."""

    access: str
    schema: str


class OwnStatement(NamedTuple):
    """SQL of the user's own, and what takes it back; empty for nothing."""

    sql: str
    undo: str


@dataclass(frozen=True)
class Asked:
    """What one asker wants of a role; a role has what all its askers want.

    Args:
        principals: ARNs of the IAM roles that log in as it.
        privileges: What it may do.
        statements: SQL of the user's own, in its order.
    """

    principals: frozenset[str]
    privileges: frozenset[SchemaAccess]
    statements: tuple[OwnStatement, ...] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Asked:
        """From what `stored` gave."""
        privileges = frozenset(SchemaAccess(*one) for one in stored["privileges"])
        statements = tuple(OwnStatement(*one) for one in stored["statements"])
        return cls(frozenset(stored["principals"]), privileges, statements)

    def stored(self) -> dict[str, Any]:
        """For JSON, always in the same order."""
        return {
            "principals": sorted(self.principals),
            "privileges": [[one.access, one.schema] for one in sorted(self.privileges)],
            "statements": self.statements,
        }


@dataclass(frozen=True)
class RoleRequest:
    """One resource's properties.

    Args:
        role: Name of the database role.
        asked: Who may log in as it, and what it may do.
    """

    role: str
    asked: Asked

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> RoleRequest:
        """
        Raises:
            RoleError: a property has a value that is not allowed.
        """
        role = _name("role", properties.get("Role"))
        if role in RESERVED_ROLES or role.startswith("pg_"):
            raise RoleError(f"The role is {role!r}, which Aurora DSQL has for itself: choose another name.")
        principals = _list("Principals", properties, str)
        for one in principals:
            if not re.fullmatch(ROLE_ARN, one):
                raise RoleError(f"The principal of role {role!r} is {one!r}: give the exact ARN of an IAM role.")
        privileges = [_access(one) for one in _list("Privileges", properties, dict)]
        statements = [_statement(one) for one in _list("Statements", properties, dict)]
        return cls(role, Asked(frozenset(principals), frozenset(privileges), tuple(statements)))


def _list(name: str, properties: Mapping[str, Any], kind: type) -> list[Any]:
    values = properties.get(name) or []
    if not isinstance(values, list) or not all(isinstance(one, kind) and one for one in values):
        raise RoleError(f"{name} is {values!r}: give a list, without an empty value.")
    return values


def _name(what: str, name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name.encode()) <= LONGEST_NAME or "\0" in name:
        raise RoleError(f"The name of the {what} is {name!r}: give 1 to {LONGEST_NAME} bytes, without a zero byte.")
    return name


def _statement(properties: Mapping[str, Any]) -> OwnStatement:
    sql, undo = properties.get("Sql"), properties.get("Undo", "")
    if not isinstance(sql, str) or not sql.strip() or not isinstance(undo, str):
        raise RoleError(f"A statement is {dict(properties)!r}: give SQL, and SQL that takes it back or none.")
    return OwnStatement(sql, undo)


def _access(properties: Mapping[str, Any]) -> SchemaAccess:
    access, schema = properties.get("Access"), _name("schema", properties.get("Schema"))
    if access not in (READ, READ_WRITE, OWNER):
        raise RoleError(f"The access to schema {schema!r} is {access!r}: give {READ}, {READ_WRITE} or {OWNER}.")
    if schema in RESERVED_SCHEMAS or schema.startswith("pg_"):
        raise RoleError(f"The schema is {schema!r}, which is no schema of yours: give another one.")
    if (access, schema) == (OWNER, "public"):
        raise RoleError(
            "The access to schema 'public' is owner, and Aurora DSQL allows nobody but admin to create in it: give "
            "another schema, which is created if it is missing, or read_write."
        )
    return SchemaAccess(access, schema)
